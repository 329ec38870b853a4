"""Every check against the catalogue of answers, in this process and across a process boundary.

5 seeds for the visible tests and 1 for the hidden ones, which ask far more;
``python -m tests.trust`` takes 200.
"""

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from course_lib.checks import run, wire
from course_lib.checks.apart import learners_library
from course_lib.checks.exercises import EXERCISES
from course_lib.checks.verdict import Verdict
from tests.answers import FILES, FROM_TEXT, answers, expected
from tests.apart import process_apart
from tests.mutants import defined

SEEDS = {"visible": range(5), "hidden": range(1)}
CHECKED = [row.id for row in EXERCISES.values() if row.solution]
CORPUS = {exercise: answers(exercise) for exercise in FILES}

every_answer = pytest.mark.parametrize(
    ("exercise", "name"), [(exercise, name) for exercise in CORPUS for name in CORPUS[exercise]]
)
visible_and_hidden = pytest.mark.parametrize("hard", [False, True], ids=["visible", "hidden"])


@functools.cache
def _verdict(exercise: str, name: str, seed: int, hard: bool) -> Verdict:
    channel = run.in_process({exercise: CORPUS[exercise][name]})
    return run.judge(exercise, channel, seed=seed, hard=hard)


@visible_and_hidden
@every_answer
def test_answer_gets_the_verdict_it_deserves(exercise: str, name: str, hard: bool) -> None:
    deserved = expected(name, CORPUS[exercise][name])
    for seed in SEEDS["hidden" if hard else "visible"]:
        verdict = _verdict(exercise, name, seed, hard)
        assert (verdict.outcome, verdict.key) == deserved, f"seed {seed}\n{verdict.as_text()}"
        rows = dict(verdict.rows())
        if verdict.outcome == "raised":
            assert {"What should hold", "Seen", "Perhaps", "Next"} <= rows.keys()
        if verdict.outcome == "not yet":
            assert rows.keys() == {"What should hold", "Expected", "Seen", "Perhaps", "Next"}
            assert max(map(len, rows.values())) < 400


@visible_and_hidden
@pytest.mark.parametrize("exercise", CHECKED)
def test_the_reference_is_accepted(exercise: str, hard: bool) -> None:
    channel = run.in_process(defined(exercise))
    for seed in SEEDS["hidden" if hard else "visible"]:
        verdict = run.judge(exercise, channel, seed=seed, hard=hard)
        assert verdict.correct, f"seed {seed}\n{verdict.as_text()}"


@pytest.mark.parametrize("exercise", CHECKED)
def test_catalogue_is_large_enough(exercise: str) -> None:
    names = list(CORPUS[exercise])
    assert sum(name.startswith("wrong_") for name in names) >= 8
    assert sum(name.startswith("right_") for name in names) >= 4
    from_text = FROM_TEXT[exercise].read_text(encoding="utf-8")
    assert len(re.findall(r"^(?:def|class) wrong_", from_text, re.M)) >= 4


def _stub(*_args: object, **_kwargs: object) -> None:
    raise NotImplementedError()


@visible_and_hidden
@pytest.mark.parametrize("exercise", CHECKED)
def test_stub_or_missing_function_is_not_attempted(exercise: str, hard: bool) -> None:
    for namespace in ({exercise: _stub}, {}, {exercise: None}):
        verdict = run.judge(exercise, run.in_process(namespace), seed=0, hard=hard)
        assert (verdict.outcome, verdict.key) == ("not attempted", "")


# Starting a process imports torch, which takes seconds: so one process serves the whole catalogue,
# and a file that this side writes says which answer is the learner's at the moment.
_ALL_ANSWERS = """
from pathlib import Path

def _load(exercise, paths):
    found = {{}}
    for path in paths:
        answers = {{"__name__": exercise}}
        exec(compile(Path(path).read_text(encoding="utf-8"), path, "exec"), answers)
        found |= answers
    return lambda *args, **kwargs: found[Path({chosen!r}).read_text()](*args, **kwargs)

for exercise, paths in {files!r}.items():
    globals()[exercise] = _load(exercise, paths)
"""


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], run.Channel]]:
    """A process with all answers in it; call with an answer's name to get a channel to that one."""
    chosen = tmp_path_factory.mktemp("apart") / "chosen.txt"
    files = {exercise: [str(path), str(FROM_TEXT[exercise])] for exercise, path in FILES.items()}
    source = _ALL_ANSWERS.format(chosen=str(chosen), files=files)

    with learners_library() as library, process_apart(source, library) as channel:

        def channel_to(name: str) -> run.Channel:
            chosen.write_text(name)
            return channel

        yield channel_to


@every_answer
def test_same_verdict_across_the_process_boundary(
    exercise: str, name: str, apart: Callable[[str], run.Channel]
) -> None:
    here = _verdict(exercise, name, 0, False)
    there = run.judge(exercise, apart(name), seed=0, hard=False)
    seen = [(v.outcome, v.key, v.holds, v.expected, v.seen) for v in (here, there)]
    assert seen[0] == seen[1]


_IMPORTS_JUDGES = """
from importlib import import_module

def n_correct(logits, labels):
    found = []
    for name in ("checks.answer", "checks.judges.m00", "checks.judges", "grading"):
        try:
            import_module("course_lib." + name)
            found.append(name)
        except ImportError:
            pass
    return found
"""


def test_judges_cannot_be_imported_on_the_learners_side() -> None:
    question = {
        "logits": torch.zeros(1, 2),
        "labels": torch.zeros(1, dtype=torch.int64),
        "transposed": False,
    }
    with learners_library() as library, process_apart(_IMPORTS_JUDGES, library) as channel:
        answer = channel(wire.encode({"exercise": "n_correct", "inputs": question}))
        assert wire.decode(answer)["returned"] == ["checks.answer"]
        assert not list(Path(library).rglob("judges*"))
