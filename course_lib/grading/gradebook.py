"""What nbgrader's gradebook must know of a release before it can take its marks."""

from pathlib import Path

from nbgrader.api import Comment, Grade, Gradebook, MissingEntry, Notebook
from nbgrader.apps.api import NbGraderAPI

from course_lib.errors import CourseError
from course_lib.notebooks.rebuild import read_notebook


def knows(nbgrader: NbGraderAPI, module: str, release: Path) -> bool:
    """Tell whether the gradebook has exactly the graded cells and points of a release."""
    if not release.is_file():
        return False
    with nbgrader.gradebook as gradebook:
        notebook = _find(gradebook, module)
        known = {cell.name: cell.max_score for cell in notebook.grade_cells} if notebook else None
    return known == {name: row["points"] for name, row in _cells(release).items() if row["grade"]}


def admit_new_cells(nbgrader: NbGraderAPI, module: str, source: Path) -> None:
    """Let a release gain exercises although there are submissions already.

    nbgrader itself refuses that. The new cells, and a place for a mark on each of them in every
    submission, are added here; then nbgrader finds nothing to refuse. A submission that was made
    before gets its mark for them when it is graded again.

    Raises
    ------
    CourseError
        If the release lost an exercise for which there are marks.
    """
    with nbgrader.gradebook as gradebook:
        notebook = _find(gradebook, module)
        if notebook is None or not notebook.submissions:
            return  # nbgrader starts afresh
        cells = _cells(source)
        if gone := {cell.name for cell in notebook.source_cells} - set(cells):
            raise CourseError(
                f"{module} no longer has {', '.join(sorted(gone))}, for which there are marks: put "
                "it back, or move gradebook.db away and grade all submissions again."
            )
        for name, row in cells.items():
            kind = {"cell_type": row["cell_type"]}
            gradebook.update_or_create_source_cell(name, module, module, **kind)
            if row["grade"]:
                gradebook.update_or_create_grade_cell(
                    name, module, module, max_score=row["points"], **kind
                )
            if row["solution"]:
                gradebook.update_or_create_solution_cell(name, module, module)
        gradebook.db.refresh(notebook)
        for submitted in notebook.submissions:
            marked = {mark.cell_id for mark in submitted.grades}
            commented = {comment.cell_id for comment in submitted.comments}
            for cell in notebook.grade_cells:
                if cell.id not in marked:
                    gradebook.db.add(Grade(cell_id=cell.id, notebook=submitted))
            for cell in notebook.solution_cells:
                if cell.id not in commented:
                    gradebook.db.add(Comment(cell_id=cell.id, notebook=submitted))
        gradebook.db.commit()


def _find(gradebook: Gradebook, module: str) -> Notebook | None:
    try:
        return gradebook.find_notebook(module, module)
    except MissingEntry:
        return None


def _cells(path: Path) -> dict[str, dict]:
    return {
        cell.metadata["nbgrader"]["grade_id"]: cell.metadata["nbgrader"]
        | {"cell_type": cell.cell_type}
        for cell in read_notebook(path).cells
        if "nbgrader" in cell.metadata
    }
