"""Every check against the hostile answers that can be made for any exercise."""

import pytest
import torch

from course_lib.checks import run
from course_lib.checks.exercises import EXERCISES
from tests.answers.hostile import hostile


@pytest.mark.parametrize("hard", [False, True], ids=["visible", "hidden"])
@pytest.mark.parametrize("exercise", [row.id for row in EXERCISES.values() if row.solution])
def test_no_hostile_answer_passes(exercise: str, hard: bool) -> None:
    for name in hostile(exercise):
        for seed in range(2):
            answer, key = hostile(exercise)[name]  # a fresh one: some remember
            channel = run.in_process({exercise: answer})
            try:
                verdict = run.judge(exercise, channel, seed=seed, hard=hard)
            finally:
                torch.set_grad_enabled(True)
            assert verdict.outcome in ("not yet", "raised"), (name, verdict.as_text())
            assert key in (None, verdict.key), (name, verdict.as_text())
