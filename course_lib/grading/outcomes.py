"""What grading found beside the marks: notes, verdicts, and what could not be graded at all.

nbgrader's gradebook has a place for marks and comments only. Notes and verdicts stay in the
autograded notebook; what has no such notebook is remembered in one small file.
"""

import json
import time
from pathlib import Path
from typing import NamedTuple

from course_lib.home import write_atomically

NOT_GRADABLE = ".not_gradable.json"
PUT_RIGHT = "what-was-put-right"  # the id of the cell that says so


class Outcome(NamedTuple):
    """What an autograded notebook says of itself: sentences, and a verdict for each exercise."""

    notes: list[str]
    verdicts: dict[str, dict]  # exercise -> fields of a Verdict


def graded_notebook(root: Path, student: str, module: str) -> Path:
    """Return where nbgrader puts a graded notebook."""
    return root / "autograded" / student / module / f"{module}.ipynb"


def outcome(notebook: dict) -> Outcome:
    """Read notes and verdicts of an autograded notebook (plain JSON or a NotebookNode)."""
    found = [verdict for verdict in map(verdict_of, notebook["cells"]) if verdict]
    notes = notebook["metadata"].get("course", {}).get("notes", [])
    return Outcome(notes, {verdict["exercise"]: verdict for verdict in found})


def verdict_of(cell: dict) -> dict | None:
    """Return the fields of the verdict in a test cell, None for any other cell."""
    if not cell["metadata"].get("nbgrader", {}).get("grade") or not cell.get("outputs"):
        return None
    return cell["outputs"][0].get("metadata", {}).get("verdict")


def outcome_of(root: Path, student: str, module: str) -> Outcome:
    """Read the outcome of one submission; an empty one if its graded notebook is not there."""
    try:
        # nbformat would validate every cell: too slow for a class
        return outcome(json.loads(graded_notebook(root, student, module).read_bytes()))
    except (OSError, ValueError, KeyError):
        return Outcome([], {})


def remember_not_gradable(root: Path, rows: list[dict]) -> list[dict]:
    """Keep the rows that are *not gradable* for later tables; return those of former runs.

    A row is forgotten as soon as the same student's submission for the module was graded; one that
    names no module, as soon as there is any other of that student.
    """
    path = root / NOT_GRADABLE
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        known = []
    done = {(row["student"], module) for row in rows for module in (row["module"], "")}
    former = [
        entry
        for entry in known
        if (entry["row"]["student"], entry["row"]["module"]) not in done
        and not _graded_after(root, entry)
    ]
    marked = {(row["student"], row["module"]) for row in rows if row["score"] is not None}
    now = [
        {"time": time.time(), "row": row}
        for row in rows
        if row["score"] is None and (row["student"], row["module"]) not in marked
    ]
    if former + now != known:
        write_atomically(path, json.dumps([*former, *now], indent=1).encode())
    return [entry["row"] for entry in former]


def _graded_after(root: Path, entry: dict) -> bool:
    path = graded_notebook(root, entry["row"]["student"], entry["row"]["module"])
    return path.is_file() and path.stat().st_mtime > entry["time"]
