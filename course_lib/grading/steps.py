"""What the course puts into ``nbgrader autograde`` (see nbgrader_config.py): a reader, two steps.

nbgrader runs every preprocessor with the course folder as its working folder, so paths here are
nbgrader's own, relative to it.
"""

from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor, SaveAutoGrades
from traitlets import Bool

from course_lib.grading.handed_in import refuse_links
from course_lib.grading.judged import judged
from course_lib.grading.outcomes import PUT_RIGHT
from course_lib.grading.shown import harmless
from course_lib.notebooks.rebuild import read_notebook, rebuild


def rebuilt_from(release: Path, submission: NotebookNode) -> NotebookNode:
    """Return what is graded, with a list of what was put right as its first cell."""
    given = read_notebook(release)
    rebuilt, notes = rebuild(given, submission)
    sources = {cell.source for cell in given.cells}
    for cell in rebuilt.cells:
        if cell.cell_type != "code" and cell.source not in sources:
            cell.source = harmless(cell.source, cell.get("attachments", {}))
    rebuilt.metadata.setdefault("course", {})["notes"] = notes
    if notes:
        lines = "\n".join(f"- {note}" for note in notes)
        about = f"**What was put right before grading**\n\n{lines}"
        rebuilt.cells.insert(0, nbformat.v4.new_markdown_cell(about, id=PUT_RIGHT))
    return rebuilt


class Submitted(NotebookExporter):
    """Read a submission as `read_notebook` does: of any version, bounded, from a regular file.

    nbgrader finds it by a pattern, which follows links: to the solution, or to another's answers.
    """

    def from_filename(
        self, filename: str, resources: dict | None = None, **options: object
    ) -> tuple[str, dict]:
        refuse_links(Path(filename))
        notebook = read_notebook(Path(filename))
        notebook.metadata.pop("language", None)  # nbconvert wants a text there
        return self.from_notebook_node(notebook, resources=resources, **options)


class Rebuild(NbGraderPreprocessor):
    """Start from the release; of the submission only answers and own cells count."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        names = resources["nbgrader"]
        release = Path("release") / names["assignment"] / f"{names['notebook']}.ipynb"
        rebuilt = rebuilt_from(release, nb)
        return rebuilt, resources


class Judge(NbGraderPreprocessor):
    """Run the notebook and judge it; a test cell whose judge has not spoken earns nothing."""

    unsafe_no_sandbox = Bool(
        False, help="Run submissions without a sandbox, with the rights of whoever grades."
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        names = resources["nbgrader"]
        sandboxed = not self.unsafe_no_sandbox
        module, student = names["assignment"], names["student"]
        return judged(Path.cwd(), module, student, nb, sandboxed=sandboxed), resources


class SaveMarks(SaveAutoGrades):
    """Save a submission's marks as nbgrader does, but all or none: it commits after each cell."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        names = resources["nbgrader"]
        self.notebook_id, self.assignment_id = names["notebook"], names["assignment"]
        self.student_id = names["student"]
        self.gradebook = Gradebook(names["db_url"])
        with self.gradebook:  # which takes back what is not committed
            session = self.gradebook.db
            commit, session.commit = session.commit, session.flush
            for index, cell in enumerate(nb.cells):
                self.preprocess_cell(cell, resources, index)
            commit()
        return nb, resources
