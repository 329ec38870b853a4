"""This folder is an nbgrader course: plain ``nbgrader`` commands and formgrader work in it."""

from course_lib.grading.feedback import TEMPLATES
from course_lib.grading.handed_in import guard_timestamps

c = get_config()  # noqa: F821 (nbgrader defines it)

c.CourseDirectory.course_id = "transfer-learning"

c.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}
c.ClearSolutions.text_stub = "*Your answer.*"

# Beside a notebook nothing is handed in: no file, and no link to one, is copied or followed.
c.CourseDirectory.ignore = ["*", ".*"]

# Nor is a timestamp.txt read that is a pipe, or ends the run for all.
guard_timestamps()

# A submission is rebuilt from the release, then run and judged from outside its kernel.
c.Autograde.exporter_class = "course_lib.grading.steps.Submitted"
c.Autograde.sanitize_preprocessors = [
    "course_lib.grading.steps.Rebuild",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "course_lib.grading.steps.Judge",
    "nbgrader.preprocessors.LimitOutput",
    "course_lib.grading.steps.SaveMarks",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]

# The feedback page: nbgrader's own, with an overview of the exercises at its top.
c.GenerateFeedback.exporter_class = "course_lib.grading.feedback.Page"
c.GenerateFeedback.preprocessors = [
    "course_lib.grading.feedback.Overview",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
c.GenerateFeedback.HTMLExporter.template_name = "course_feedback"
c.GenerateFeedback.HTMLExporter.template_file = "overview.html.j2"
c.GenerateFeedback.HTMLExporter.extra_template_basedirs = TEMPLATES

# In the feedback pages and in formgrader: nothing that a learner wrote runs or takes for ever.
c.HTMLExporter.filters = {
    name: f"course_lib.grading.shown.{name}"
    for name in ("markdown2html", "highlight_code", "ansi2html")
}
