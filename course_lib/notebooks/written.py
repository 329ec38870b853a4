"""What a learner wrote in words: the text of an answer cell in their own copy of a notebook."""

from pathlib import Path

from course_lib.checks.exercises import EXERCISES
from course_lib.notebooks.rebuild import read_notebook


def written_answer(root: Path, exercise: str) -> str:
    """Return the answer to a written exercise, as it was last saved; "" if there is none yet.

    Parameters
    ----------
    root
        The course folder; the learner's copies are in ``work``.

    Raises
    ------
    CourseError
        If the notebook is there and cannot be read.
    """
    module = EXERCISES[exercise].module
    own, release = (root / kind / module / f"{module}.ipynb" for kind in ("work", "release"))
    if not (own.is_file() and release.is_file()):
        return ""
    answer, stub = (_cell(path, exercise) for path in (own, release))
    return "" if answer == stub else answer


def _cell(path: Path, grade_id: str) -> str:
    for cell in read_notebook(path).cells:
        label = cell.metadata.get("nbgrader")
        if isinstance(label, dict) and label.get("grade_id") == grade_id:
            return cell.source.strip()
    return ""
