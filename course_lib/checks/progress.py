"""What a learner has done so far, kept with their other notes in the course folder."""

from course_lib.checks.exercises import EXERCISES
from course_lib.checks.verdict import Verdict
from course_lib.evidence.notes import load, save

_BLANK = {"solved": False, "outcome": "not attempted", "attempts": 0, "hints": 0}


def note(verdict: Verdict) -> None:
    """Add one verdict; an exercise once correct stays solved."""
    row = _row(verdict.exercise)
    row["outcome"] = verdict.outcome
    row["solved"] = row["solved"] or verdict.correct
    row["attempts"] += verdict.outcome != "not attempted"
    _save(verdict.exercise, row)


def next_hint(exercise: str, stages: int) -> int:
    """Return the stage (from 0) of the hint to show now, and remember that it was shown."""
    row = _row(exercise)
    stage = min(row["hints"], stages - 1)
    row["hints"] = stage + 1
    _save(exercise, row)
    return stage


def table() -> list[dict]:
    """Return one row per exercise: what it is worth, and solved, outcome, attempts, hints."""
    return [
        {"exercise": row.id, "module": row.module, "points": row.points, **_row(row.id)}
        for row in EXERCISES.values()
        if row.solution
    ]


def _row(exercise: str) -> dict:
    return _BLANK | load("progress").get(exercise, {})


def _save(exercise: str, row: dict) -> None:
    save("progress", load("progress") | {exercise: row})
