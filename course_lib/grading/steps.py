"""The two steps that the course puts into ``nbgrader autograde`` (see nbgrader_config.py).

nbgrader runs every preprocessor with the course folder as its working folder, so paths here are
nbgrader's own, relative to it.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from course_lib.checks.verdict import Verdict
from course_lib.grading.seeds import secret, seed
from course_lib.notebooks.rebuild import read_notebook, rebuild
from course_lib.notebooks.run import checked_exercise, run, write_verdict


class Rebuild(NbGraderPreprocessor):
    """Start from the release; of the submission only answers and own cells count."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        names = resources["nbgrader"]
        release = Path("release") / names["assignment"] / f"{names['notebook']}.ipynb"
        rebuilt, notes = rebuild(read_notebook(release), nb)
        if notes:
            lines = "\n".join(f"- {note}" for note in dict.fromkeys(notes))
            about = f"**What was put right before grading**\n\n{lines}"
            rebuilt.cells.insert(0, nbformat.v4.new_markdown_cell(about, id="what-was-put-right"))
        return rebuilt, resources


class Judge(NbGraderPreprocessor):
    """Run the notebook and judge it; a test cell whose judge has not spoken earns nothing."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        names = resources["nbgrader"]
        key = secret(Path.cwd())

        def seed_of(exercise: str) -> int:
            return seed(key, names["assignment"], names["student"], exercise)

        for cell in nb.cells:
            if exercise := checked_exercise(cell):
                write_verdict(cell, Verdict(exercise, "not attempted", seen="not judged"))
        folder = Path("autograded") / names["student"] / names["assignment"]
        # nobody's predictions may turn up in somebody else's feedback, or in the grader's own notes
        with TemporaryDirectory(prefix="notes-") as notes:
            run(nb, seed_of=seed_of, hard=True, folder=folder.resolve(), notes=Path(notes))
        return nb, resources
