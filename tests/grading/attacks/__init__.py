"""The catalogue of hostile and malformed submissions: one small function each, named after it.

A file is a group (`forging`, `channel`, `probe`, `launcher`, `files`, `resources`) and is graded as
one batch, with honest neighbours in it. To add an attack, add a function::

    @attack("not yet", n_correct=0)
    def returns_a_constant(release):
        return "def n_correct(logits, labels):\\n    return 7"

The text is a regular expression that the instructor and the learner must read: in the row's
status, in what was put right, in a verdict, or (last) in what the learner's own cells show. The
numbers are the points it must get, 0 for every exercise that is not named. A function gets the
course's release and returns

- a text: the answer to ``n_correct``, everything else left blank,
- a notebook, or bytes: the file that is handed in,
- a function of a path: it makes there what is handed in.

What an attack must not find it prints as ``LOOT``; a batch in which anybody printed that fails.
Code that could harm a machine begins with `CAGED`, which ends it where there is no sandbox.
"""

from collections.abc import Callable
from importlib import import_module
from textwrap import dedent
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from tests.mini import ROOT, answered

GROUPS = ("forging", "channel", "probe", "launcher", "files", "resources")

# Outside a sandbox these two would be there; then whatever follows must not run.
CAGED = f"""
import os
assert not os.path.exists({str(ROOT / "course_lib" / "checks" / "judges")!r}), "no sandbox"
assert os.getpid() < 1000, "no process namespace"
"""


class Attack(NamedTuple):
    """One entry of the catalogue."""

    name: str
    make: Callable
    says: str
    points: dict[str, int]


_catalogue: dict[str, list[Attack]] = {}


def attack(says: str, **points: int) -> Callable:
    """Enter the function below into the catalogue; see the top of this file."""

    def enter(make: Callable) -> Callable:
        group = make.__module__.rsplit(".", 1)[-1]
        _catalogue.setdefault(group, []).append(Attack(make.__name__, make, says, points))
        return make

    return enter


def catalogue(group: str) -> list[Attack]:
    """Return all attacks of a group."""
    import_module(f"{__name__}.{group}")
    return _catalogue[group]


def own_cell(release: NotebookNode, code: str, **answers: str) -> NotebookNode:
    """Return the release with the learner's own code cell as its first, and answers."""
    notebook = answered(release, **{name: dedent(text) for name, text in answers.items()})
    notebook.cells.insert(0, nbformat.v4.new_code_cell(dedent(code), id="mine"))
    return notebook
