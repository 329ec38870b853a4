"""What a learner has done so far, kept in one small file in their course folder."""

import json
import time

from course_lib.checks.exercises import EXERCISES
from course_lib.checks.verdict import Verdict
from course_lib.errors import CourseError
from course_lib.home import folder, home, write_atomically


def load() -> dict[str, dict]:
    """Return ``{exercise: {"outcome", "attempts", "hints", "when"}}``.

    A file that cannot be read is set aside under another name and a fresh record begins.
    """
    path = home() / "progress.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not all(isinstance(row, dict) for row in record.values()):
            raise ValueError("not a record of progress")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, AttributeError):
        path.replace(path.with_suffix(".unreadable.json"))
        return {}
    return record


def note(verdict: Verdict) -> None:
    """Add one verdict; an exercise once correct stays marked as solved."""
    row = _row(verdict.exercise)
    row["outcome"] = verdict.outcome
    row["solved"] = row.get("solved", False) or verdict.correct
    if verdict.outcome != "not attempted":
        row["attempts"] = row.get("attempts", 0) + 1
    _save(verdict.exercise, row)


def next_hint(exercise: str, stages: int) -> int:
    """Return the stage (from 0) of the hint to show now, and remember that it was shown."""
    row = _row(exercise)
    stage = min(row.get("hints", 0), stages - 1)
    row["hints"] = stage + 1
    _save(exercise, row)
    return stage


def table() -> list[dict]:
    """One row an exercise of the course, solved or not, for ``course progress``."""
    record = load()
    return [
        {
            "exercise": row.id,
            "module": row.module,
            "points": row.points,
            "solved": record.get(row.id, {}).get("solved", False),
            "outcome": record.get(row.id, {}).get("outcome", "not attempted"),
            "attempts": record.get(row.id, {}).get("attempts", 0),
            "hints": record.get(row.id, {}).get("hints", 0),
        }
        for row in EXERCISES.values()
        if row.solution
    ]


def _row(exercise: str) -> dict:
    return load().get(exercise, {})


def _save(exercise: str, row: dict) -> None:
    record = load()
    record[exercise] = {**row, "when": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    write_atomically(folder(".") / "progress.json", text.encode())
