"""The catalogue of answers that the checks are measured against.

``mNN/<exercise>.py`` holds one small function for each answer, as a learner might have written it,
with the imports and helpers it needs (helpers start with an underscore). Its name says all:

``wrong_<misconception>``
    Must be rejected, in the visible and in the hidden tests. Its docstring names the message that
    the learner must read, in back-quotes: ``Named `batch_mean`.`` If the function raises, that is
    ``Named `raised`.``
``right_<form>``
    Must be accepted. It may be any callable, not only a function.

``from_text/`` holds more of both kinds, by authors who had read the exercise's text and had seen
neither its check nor the rest of the catalogue.

A file imports only what a learner's code may import: it also runs in a process apart. To add an
answer, add a function; ``pytest tests/checks/test_answers.py -k <its name>`` runs it alone.
"""

import re
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent

FILES = {path.stem: path for path in sorted(_FOLDER.glob("m*/*.py"))}
FROM_TEXT = {path.stem: path for path in sorted(_FOLDER.glob("from_text/m*/*.py"))}


def answers(exercise: str) -> dict[str, object]:
    """Return all answers to one exercise by name."""
    found: dict[str, object] = {}
    for path in (FILES[exercise], FROM_TEXT[exercise]):
        namespace = {"__name__": exercise}
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)
        named = {n: item for n, item in namespace.items() if n.startswith(("wrong_", "right_"))}
        if twice := found.keys() & named.keys():
            raise ValueError(f"{path} has another {twice.pop()}: give it a name of its own.")
        found |= named
    return found


def expected(name: str, answer: object) -> tuple[str, str]:
    """Return the outcome and the message key that an answer must get."""
    if name.startswith("right_"):
        return "correct", ""
    named = re.search(r"Named `([^`]+)`", answer.__doc__ or "")
    if named is None:
        raise ValueError(f"The docstring of {name} must say: Named `key`.")
    key = named[1]
    return ("raised" if key == "raised" else "not yet"), key
