"""From the hand-written text to the instructor's and the student's notebook.

``notebooks/NN_name.py`` (jupytext percent format) is the only place where a notebook is written.
`write_source` turns it into ``source/NN_name/NN_name.ipynb``; nbgrader makes ``release/`` of that.
Both are the same, byte for byte, whenever the text is the same.
"""

import hashlib
import re
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from course_lib.checks.exercises import EXERCISES
from course_lib.errors import CourseError
from course_lib.evidence.results import numbers

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
CHECK = "check-"  # a test cell's grade id is this and the exercise's id


def course_root(path: Path | None = None) -> Path:
    """Find the nbgrader course folder: `path`, else the current folder, else the checkout's."""
    here = Path.cwd()
    checkout = Path(__file__).resolve().parents[2]
    candidates = [path] if path else [here, here / "notebooks", checkout / "notebooks"]
    for candidate in candidates:
        if (candidate / "nbgrader_config.py").is_file():
            return candidate.resolve()
    raise CourseError(
        f"No course folder (one with nbgrader_config.py) at {candidates[-1]}. "
        "Run this from the folder that git made, or name the folder with --course."
    )


def modules(root: Path) -> list[str]:
    """Return the names of all modules that have a text source, in order."""
    return sorted(path.stem for path in root.glob("[0-9][0-9]_*.py"))


def read_source(path: Path) -> NotebookNode:
    """Turn a module's text into the instructor's notebook, complete with nbgrader's metadata."""
    notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    measured = numbers()
    for position, cell in enumerate(notebook.cells):
        cell.source = (
            fill_in(cell.source, measured) if cell.cell_type == "markdown" else cell.source
        )
        short = cell.metadata.get("nbgrader")
        cell.metadata.pop("lines_to_next_cell", None)  # jupytext's, about the text
        if short is not None:
            cell.metadata["nbgrader"] = _complete(short, cell.cell_type)
        cell.id = short["grade_id"] if short else f"cell-{position:02d}"
        if not (short and short.get("solution")):
            cell.metadata["course"] = {"given": given_mark(cell.source)}
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = None, []
    digest = hashlib.sha256("\0".join(cell.source for cell in notebook.cells).encode())
    notebook.metadata = NotebookNode(
        course={"module": path.stem, "release": digest.hexdigest()[:12]},
        kernelspec=KERNEL,
        language_info={"name": "python"},
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return notebook


def write_source(root: Path, module: str) -> Path:
    """Write ``source/<module>/<module>.ipynb`` from the module's text and return its path."""
    text = root / f"{module}.py"
    if not text.is_file():
        known = ", ".join(modules(root)) or "none"
        raise CourseError(f"There is no module {module!r} in {root}. The modules are: {known}.")
    target = root / "source" / module / f"{module}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(nbformat.writes(read_source(text)) + "\n", encoding="utf-8", newline="\n")
    return target


def given_mark(source: str) -> str:
    """Fingerprint of a cell as the course gave it, to tell later whether it was edited."""
    return hashlib.sha256(source.strip().encode()).hexdigest()[:8]


def _complete(short: dict, cell_type: str) -> dict:
    """Fill in nbgrader's fields: the text names only what cannot be derived.

    ``{"grade_id": "freeze", "solution": true}`` is an answer cell, ``{"grade_id": "check-freeze"}``
    its test cell; an answer in Markdown is graded by hand. Points come from the exercises' table.
    """
    grade_id, solution = short["grade_id"], short.get("solution", False)
    by_hand = solution and cell_type == "markdown"
    graded = by_hand or grade_id.startswith(CHECK)
    row = {
        "grade": graded,
        "grade_id": grade_id,
        "locked": not solution,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    if graded:
        row["points"] = EXERCISES[grade_id.removeprefix(CHECK)].points
    return row


def fill_in(text: str, measured: dict) -> str:
    """Replace ``{{exercise NAME}}`` and ``{{NUMBER}}`` in prose: nothing is written down twice."""

    def value(match: re.Match) -> str:
        name = match[1].strip()
        if name.startswith("exercise "):
            return _headline(name.removeprefix("exercise ").strip())
        if name not in measured:
            raise CourseError(
                f"The prose asks for {{{{{name}}}}}, which is not in results.json. "
                "Measure it in data_scripts/measure_claims.py, or mend the name."
            )
        return measured[name]["text"]

    return re.sub(r"\{\{(.+?)\}\}", value, text)


def _headline(exercise: str) -> str:
    row = EXERCISES[exercise]
    stars = "★" * row.difficulty + "☆" * (3 - row.difficulty)
    points = f"{row.points} point{'s' if row.points > 1 else ''}" if row.points else "optional"
    return f"`{row.id}` · difficulty {stars} · {points} · about {row.minutes} minutes"
