"""Take a class through nbgrader: build, autograde, feedback, a table of grades."""

import csv
import io
import json
import logging
import re
import shutil
import warnings
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from nbgrader.api import MissingEntry
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import PyFileConfigLoader

from course_lib.errors import CourseError
from course_lib.grading import cgroups
from course_lib.grading.collect import Submission, folder_of, stranger
from course_lib.grading.feedback import NOT_GRADED, not_graded_page
from course_lib.grading.gradebook import admit_new_cells, knows
from course_lib.grading.outcomes import graded_notebook, outcome_of, remember_not_gradable
from course_lib.grading.pool import grade_all
from course_lib.home import write_atomically
from course_lib.notebooks.build import write_source

HAND_IN_AGAIN = (
    "Nothing of this file counts until it is handed in again. If you do not know what to change, "
    "ask whoever teaches the course."
)
DISK_FULL = "the disk is full. Make room and grade again: nothing is lost."
_DISK_FULL = re.compile("No space left on device|disk is full|Disk quota exceeded")


def api(root: Path) -> NbGraderAPI:
    """Return nbgrader's own programming interface for a course folder, with its configuration."""
    config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    config.CourseDirectory.root = str(root)
    log = logging.getLogger("traitlets")  # captured with each result, so not for the terminal
    log.handlers, log.propagate = [logging.NullHandler()], False
    return NbGraderAPI(CourseDirectory(config=config), config=config)


def build(root: Path, module: str) -> None:
    """Make the instructor's and the student's notebook of one module, through nbgrader."""
    source = write_source(root, module)
    nbgrader = api(root)
    with _quiet():
        admit_new_cells(nbgrader, module, source)
        result = nbgrader.generate_assignment(module, force=True)
    if not result["success"]:
        raise CourseError(f"nbgrader could not build {module}: {_reason(result)}")


def grade(
    root: Path,
    submissions: list[Submission],
    *,
    jobs: int | None = None,
    sandboxed: bool = True,
    progress: bool = True,
) -> list[dict]:
    """Autograde submissions with nbgrader and write feedback pages; none can stop another.

    A pool of `jobs` processes (None: as many as there are cores) runs and judges them, unless that
    was done before; meanwhile nbgrader writes the marks, one submission after the other.

    Returns
    -------
    list of dict
        One row a submission: student, module, status (``graded``, ``graded with notes`` or
        ``not gradable: reason``), score and max_score (None if not gradable), needs_manual_grade,
        exercises (id -> points, None where a person marks) and notes, a sentence each.
    """
    nbgrader = api(root)
    nbgrader.config.Judge.unsafe_no_sandbox = not sandboxed
    for module in sorted({one.module for one in submissions if one.module}):
        if not knows(nbgrader, module, root / "release" / module / f"{module}.ipynb"):
            build(root, module)
    submissions = [_at_home(root, one) for one in submissions]
    gradable = [one for one in submissions if not one.problem]
    rows: dict[Path, dict] = {}

    def write(one: Submission, problem: str) -> None:
        problem = DISK_FULL if _DISK_FULL.search(problem) else problem
        rows[one.path] = _row(root, nbgrader, one, problem)
        if problem and problem != DISK_FULL:  # which is nothing that the learner could mend
            _say_why_not(root, nbgrader, one, problem, rows[one.path]["notes"])

    for one in submissions:
        if one.problem:
            write(one, one.problem)
    pool = grade_all(root, gradable, jobs=jobs, sandboxed=sandboxed, progress=progress)
    with closing(pool):
        for one, (key, problem) in pool:
            if not problem and not _is_marked(root, nbgrader, one, key):
                problem = _autograde(root, nbgrader, one)
            write(one, problem)
    return [rows[one.path] for one in submissions]


def grades_csv(rows: list[dict]) -> bytes:
    """One line a student and module, one column an exercise of it (blank: a person marks).

    A submission that is not gradable has no score, which is something else than a score of 0.
    """
    exercises = list(dict.fromkeys(name for row in rows for name in row["exercises"]))
    head = ["student", "module", "status", "score", "max_score", "needs_manual_grade", "notes"]
    head += exercises
    text = io.StringIO()
    writer = csv.DictWriter(text, head, lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        flat = {**row, **row["exercises"], "notes": " ".join(row["notes"])}
        writer.writerow({name: safe_cell(flat.get(name)) for name in head})
    return text.getvalue().encode()


def write_grades(root: Path, rows: list[dict], path: Path | None = None) -> Path:
    """Write the table as CSV (default ``grades.csv`` in the course folder), whole or not at all."""
    path = path or root / "grades.csv"
    write_atomically(path, grades_csv(all_rows(root, rows)))
    return path


def all_rows(root: Path, rows: list[dict]) -> list[dict]:
    """Return the rows of this run, and of every other submission as it is now, sorted.

    Other modules, marks that a person gave meanwhile, what was not gradable in former runs.
    """
    nbgrader = api(root)
    rows = [*rows, *remember_not_gradable(root, rows)]
    done = {(row["student"], row["module"]) for row in rows}
    with nbgrader.gradebook as gradebook:
        known = [
            Submission(submission.student.id, assignment.name, Path())
            for assignment in gradebook.assignments
            for submission in assignment.submissions
        ]
    others = [
        _row(root, nbgrader, one, "") for one in known if (one.student, one.module) not in done
    ]
    return sorted([*rows, *others], key=lambda row: (row["student"], row["module"]))


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value: object) -> object:
    """Return what may stand in a CSV file: a spreadsheet runs what begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _is_marked(root: Path, nbgrader: NbGraderAPI, one: Submission, key: str) -> bool:
    """Tell whether the gradebook and the feedback page are from what the cache has now."""
    try:
        if _page(root, one).read_bytes().endswith(NOT_GRADED):
            return False
        notebook = json.loads(graded_notebook(root, one.student, one.module).read_bytes())
        known = notebook["metadata"]["course"]["graded"] == key
    except (OSError, ValueError, KeyError):
        return False
    return known and bool(_marks(nbgrader, one))


def _page(root: Path, one: Submission) -> Path:
    module = one.module or "unknown_module"
    return root / "feedback" / one.student / module / f"{module}.html"


def _say_why_not(
    root: Path, nbgrader: NbGraderAPI, one: Submission, problem: str, notes: list[str]
) -> None:
    """Write the page that the learner gets in place of feedback, over that of a former one."""
    if not one.student.strip("._"):
        return
    why = problem.replace(f"{one.path.parent}/", "")  # where it lies here is nobody's business
    sentences = [why, *notes, HAND_IN_AGAIN]
    page = not_graded_page(nbgrader, one.module or one.path.name, sentences)
    path = _page(root, one)
    with suppress(OSError, CourseError):  # a full disk: the row says it, too
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, page)


def _at_home(root: Path, one: Submission) -> Submission:
    """Refuse what lies in one student's folder and is called after another, whose work it were."""
    owner = folder_of(one)
    is_a_student = owner and (root / "submitted" / owner).is_dir()
    foreign = one.by_name and owner.casefold() != one.student.casefold()
    return stranger(one, owner) if foreign and is_a_student else one


def _autograde(root: Path, nbgrader: NbGraderAPI, one: Submission) -> str:
    """Grade one submission; return "" or the reason why it cannot be graded."""
    target = root / "submitted" / one.student / one.module / f"{one.module}.ipynb"
    try:
        if target.resolve() != one.path.resolve():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)  # not through a link, should one lie there
            shutil.copyfile(one.path, target)
    except OSError as error:
        return f"{error.filename} cannot be copied: {error.strerror}."
    with _quiet():
        result = nbgrader.autograde(one.module, one.student, force=True, create=True)
        if result["success"]:
            result = nbgrader.generate_feedback(one.module, one.student, force=True)
    if not result["success"] and result["error"].splitlines()[-1] == "KeyboardInterrupt":
        raise KeyboardInterrupt  # nbgrader takes it for an error like any other
    return "" if result["success"] else _reason(result)


def _row(root: Path, nbgrader: NbGraderAPI, one: Submission, problem: str) -> dict:
    row = {
        "student": one.student,
        "module": one.module,
        "status": f"not gradable: {problem}",
        "score": None,
        "max_score": None,
        "needs_manual_grade": False,
        "exercises": {},
        "notes": [],
    }
    marks = _marks(nbgrader, one)
    if problem:
        if marks:
            earlier = "{score:g} of {max_score:g}".format(**marks)
            row["notes"] = [f"The gradebook keeps the {earlier} points of an earlier submission."]
        return row
    if not marks:
        return row | {"status": "not gradable: It has no marks yet. Run `course grade` on it."}
    notes = outcome_of(root, one.student, one.module).notes
    of_the_computer = (cgroups.NONE, cgroups.NO_CPU)
    its_own = [note for note in notes if note not in of_the_computer]
    return row | marks | {"status": "graded with notes" if its_own else "graded", "notes": notes}


def _marks(nbgrader: NbGraderAPI, one: Submission) -> dict:
    """What the gradebook has of a submission: nothing if it was never graded to the end."""
    with nbgrader.gradebook as gradebook:
        try:
            submission = gradebook.find_submission(one.module, one.student)
        except MissingEntry:
            return {}
        grades = [mark for notebook in submission.notebooks for mark in notebook.grades]
        if all(mark.auto_score is None and mark.manual_score is None for mark in grades):
            return {}
        exercises = {}
        for mark in grades:
            waits = mark.needs_manual_grade and mark.manual_score is None
            exercises[mark.name.removeprefix("check-")] = None if waits else mark.score
        return {
            "score": submission.score,
            "max_score": submission.max_score,
            "needs_manual_grade": submission.needs_manual_grade,
            "exercises": exercises,
        }


def _reason(result: dict) -> str:
    """Find the sentence that matters in nbgrader's log: the last exception before its own."""
    text = f"{result.get('log') or ''}\n{result.get('error') or ''}"
    raised = re.findall(
        r"^\s*(?:[\w.]+\.)?(\w+(?:Error|Exception|Entry|Interrupt)): (.+)$", text, re.M
    )
    told = [f"{sentence} ({kind})" for kind, sentence in raised if kind != "NbGraderException"]
    told = told or re.findall(r"ERROR\S* (.+)", text)
    return told[-1] if told else "nbgrader gave no reason; run `nbgrader autograde` to see its log."


@contextmanager
def _quiet():
    """Keep off the terminal what SQLAlchemy warns of, and tracebacks of errors that a row names."""
    log = logging.getLogger("tornado.application")  # to which nbgrader tells a failing database
    before, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        log.disabled = before
