"""Whatever comes back over the channel ends in a verdict, never in an error of the judge's."""

import pytest

from course_lib.checks import run, wire
from course_lib.checks.exercises import EXERCISES

CHECKED = [row.id for row in EXERCISES.values() if row.solution]


@pytest.mark.parametrize("exercise", CHECKED)
@pytest.mark.parametrize(
    "answer",
    [b"", b"\x00" * 20, wire.encode(7), wire.encode({}), wire.encode({"raised": None})],
    ids=["nothing", "noise", "no dict", "empty", "half"],
)
def test_an_answer_that_is_none_is_no_answer(exercise, answer):
    verdict = run.judge(exercise, lambda question: answer, seed=0)
    assert (verdict.outcome, verdict.key) == ("not yet", "no answer")
    assert verdict.seen
