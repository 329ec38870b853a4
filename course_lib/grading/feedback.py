"""A learner's feedback page: nbgrader's own, with an overview of the exercises at its top."""

from copy import deepcopy
from pathlib import Path

import nbformat
import nbgrader
from jinja2 import Environment
from jinja2.bccache import Bucket, BytecodeCache
from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.exporter import ResourcesDict
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbformat import NotebookNode
from nbgrader.apps.api import NbGraderAPI
from nbgrader.converters import GenerateFeedback
from nbgrader.preprocessors import GetGrades

from course_lib.grading.outcomes import PUT_RIGHT, outcome, verdict_of
from course_lib.notebooks.build import CHECK

TEMPLATES = [
    str(Path(__file__).with_name("templates")),
    f"{nbgrader.__path__[0]}/server_extensions/formgrader/templates",
]


class _Compiled(BytecodeCache):
    """What jinja made of the templates, kept while this process lives."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.known:
            bucket.bytecode_from_string(self.known[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.known[bucket.key] = bucket.bytecode_to_string()


_compiled = _Compiled()


class Page(HTMLExporter):
    """Makes the page; for a class its templates are compiled once."""

    def _create_environment(self) -> Environment:
        environment = super()._create_environment()
        environment.bytecode_cache = _compiled
        return environment


class Overview(GetGrades):
    """Put the marks into the notebook, as nbgrader does, and collect what the page begins with."""

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        nb, resources = super().preprocess(nb, resources)
        names = resources["nbgrader"]
        place = (names["notebook"], names["assignment"], names["student"])
        with self.gradebook as gradebook:
            marks = gradebook.find_submission_notebook(*place).grades
            waiting = {m.name for m in marks if m.needs_manual_grade and m.manual_score is None}
        found = outcome(nb)
        about = [cell.metadata.nbgrader for cell in nb.cells if "nbgrader" in cell.metadata]
        comments = {cell.grade_id: cell.get("comment") for cell in about}
        rows = []
        for cell in about:
            if not cell.grade:
                continue
            exercise, waits = cell.grade_id.removeprefix(CHECK), cell.grade_id in waiting
            verdict = found.verdicts.get(exercise)
            blank = comments.get(exercise) == "No response."
            row = {
                "exercise": exercise,
                "cell": cell.grade_id,
                "points": f"{'?' if waits else format(cell.score, 'g')} of {cell.points:g}",
                "outcome": _in_words(verdict, waits, blank),
                "found": _first_lines(verdict) if verdict else "",
                "comment": bool(comments.get(exercise)) and not blank,
            }
            rows.append(row)
        resources["course"] = {"exercises": rows, "notes": found.notes, "waits": bool(waiting)}
        nb.cells = [cell for cell in nb.cells if cell.get("id") != PUT_RIGHT]  # said at the top
        for cell in nb.cells:
            if verdict_of(cell):  # the error beside it is for nbgrader, which takes points from it
                cell.outputs = cell.outputs[:1]
        return nb, resources


NOT_GRADED = b"<!-- not graded -->"  # how a page ends that is there in place of feedback


def not_graded_page(nbgrader: NbGraderAPI, module: str, sentences: list[str]) -> bytes:
    """Return the page of a learner whose submission is not gradable: it says so, and why."""
    config = deepcopy(nbgrader.config)
    config.GenerateFeedback.HTMLExporter.template_file = "not_gradable.html.j2"
    converter = GenerateFeedback(nbgrader.coursedir, config=config)
    exporter = Page(parent=converter, config=converter.config)
    exporter.register_preprocessor(CSSHTMLHeaderPreprocessor, enabled=True)
    resources = {"nbgrader": {"notebook": module}, "course": {"sentences": sentences}}
    page, _ = exporter.from_notebook_node(nbformat.v4.new_notebook(), resources=resources)
    return page.encode() + NOT_GRADED


def _in_words(verdict: dict | None, waits: bool, blank: bool) -> str:
    if verdict is None:
        return "not attempted" if blank else "not read yet" if waits else "read by a person"
    return "your code raised" if verdict["outcome"] == "raised" else verdict["outcome"]


def _first_lines(verdict: dict) -> str:
    seen = verdict["seen"][:200]
    if verdict["outcome"] == "raised":
        return seen
    cause = f"Seen: {seen}." if verdict["key"] == "no answer" else verdict["misconception"]
    return f"{verdict['holds']} {cause}".strip() if verdict["key"] else ""
