"""What a learner types in a notebook: ``check``, ``hint`` and ``use``."""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from IPython import get_ipython
from IPython.display import display

from course_lib.checks import progress, run
from course_lib.checks.exercises import EXERCISES, Exercise
from course_lib.checks.verdict import Verdict, hints_of
from course_lib.errors import CourseError

_last: dict[str, bool] = {}  # the latest verdict of each exercise in this session


def check(exercise: str) -> None:
    """Check your function of this name, with fresh random inputs, and show the verdict.

    Nothing is raised, so that the cells below can still run; only nbgrader's *Validate* button
    and its graders, which look for an exception, get one.
    """
    _exercise(exercise)
    verdict = run.judge(exercise, run.in_process(_namespace()))
    settle(exercise, verdict.correct)
    try:
        progress.note(verdict)
    except CourseError as problem:
        print(f"(Your progress was not stored. {problem})", file=sys.stdout)
    _show(verdict)
    if os.environ.get("NBGRADER_EXECUTION") and not verdict.correct:
        raise AssertionError(verdict.as_text())


def hint(exercise: str, stage: int | None = None) -> None:
    """Show the next hint: first a question, then a pointer, then a near-solution.

    `stage` (1, 2 or 3) shows that one again.
    """
    _exercise(exercise)
    stages = hints_of(exercise)
    if stage is not None and stage not in range(1, len(stages) + 1):
        raise CourseError(f"Hints have the stages 1 to {len(stages)}; {stage!r} is none of them.")
    try:
        shown = progress.next_hint(exercise, len(stages)) + 1 if stage is None else stage
    except CourseError:  # it cannot be remembered which were shown: begin with the first
        shown = 1
    more = f'\n\nStill stuck? hint("{exercise}") once more.' if shown < len(stages) else ""
    print(f"Hint {shown} of {len(stages)} for {exercise}\n\n{stages[shown - 1]}{more}")


def use(exercise: str) -> Callable:
    """Return your function if its latest check was *correct*, else the library's, and say which.

    So a blank exercise does not stop the cells below it.
    """
    row = _exercise(exercise)
    if _last.get(exercise):
        print(f"Using your own {exercise}.")
        return _namespace()[exercise]
    print(
        f"Using the library's {exercise}: yours has not passed its check yet. "
        f'Everything below works all the same; check("{exercise}") switches to yours.'
    )
    module, name = row.solution.split(":")
    return getattr(import_module(module), name)


def question() -> str:
    """Return the question that came beside the code which this kernel is running.

    In the code itself it would be parsed, hashed and echoed.
    """
    return get_ipython().kernel.get_parent()["metadata"]["question"]


def settle(exercise: str, correct: bool) -> None:
    """Tell `use` how the latest check ended."""
    _last[exercise] = correct


def _exercise(exercise: str) -> Exercise:
    if exercise not in EXERCISES:
        known = ", ".join(EXERCISES)
        raise CourseError(f"There is no exercise called {exercise!r}. The exercises are: {known}.")
    if EXERCISES[exercise].solution is None:
        raise CourseError(
            f"{exercise} is a written question: a person reads it, nothing checks it."
        )
    return EXERCISES[exercise]


def _namespace() -> dict[str, Any]:
    return vars(sys.modules["__main__"])


def _show(verdict: Verdict) -> None:
    display(
        {"text/plain": verdict.as_text(), "text/html": verdict.as_html()},
        raw=True,
    )
