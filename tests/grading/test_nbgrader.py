"""Plain nbgrader commands keep the promises of `course grade`: they share its guards."""

import os
import subprocess
import sys

import pytest
from nbgrader.preprocessors import SaveAutoGrades

from course_lib.grading.grade import api, build
from course_lib.notebooks.rebuild import read_notebook
from tests.mini import MODULE, RIGHT, SHARE, answered, save, write_course

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")]


@pytest.fixture
def course(tmp_path):
    """A course, and ann's right answer in it; how to hand in another."""
    root = write_course(tmp_path / "course")
    build(root, MODULE)
    release = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")

    def hand_in(student, **answers):
        folder = root / "submitted" / student / MODULE
        save(answered(release, **{"n_correct": RIGHT} | answers), folder / f"{MODULE}.ipynb")
        return folder

    hand_in("ann")
    return root, hand_in


def autograde(root, *options):
    command = [sys.executable, "-m", "nbgrader", "autograde", MODULE, *options]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)


def scores(root):
    with api(root).gradebook as gradebook:
        return {one.student.id: one.score for one in gradebook.assignment_submissions(MODULE)}


def test_links_are_not_followed_and_cost_nobody_else_their_marks(course):
    root, _ = course
    source, submitted = root / "source" / MODULE, root / "submitted"
    (submitted / "eve" / MODULE).mkdir(parents=True)
    (submitted / "eve" / MODULE / f"{MODULE}.ipynb").symlink_to(source / f"{MODULE}.ipynb")
    (submitted / "fay").mkdir()
    (submitted / "fay" / MODULE).symlink_to(source)
    (submitted / "gil").symlink_to(submitted / "ann")
    (submitted / "zoe" / MODULE).mkdir(parents=True)
    (submitted / "zoe" / MODULE / f"{MODULE}.ipynb").write_bytes(
        (submitted / "ann" / MODULE / f"{MODULE}.ipynb").read_bytes()
    )
    done = autograde(root)
    assert done.returncode != 0
    for name in (f"{MODULE}.ipynb", MODULE, "gil"):
        assert f"CourseError: {name} is a link. Hand in the notebook itself." in done.stderr
    assert scores(root) == {"ann": 1, "eve": 0, "fay": 0, "gil": 0, "zoe": 1}
    for path in root.glob("autograded/*/*/*"):
        assert "### BEGIN SOLUTION" not in path.read_text(encoding="utf-8")
        assert path.parents[1].name in ("ann", "zoe")


def test_a_time_of_submission_that_is_none_is_its_own_students_problem(course):
    root, hand_in = course
    os.mkfifo(hand_in("eve") / "timestamp.txt")
    (hand_in("fay") / "timestamp.txt").symlink_to("/dev/zero")
    (hand_in("gil") / "timestamp.txt").write_text("the day before yesterday", encoding="utf-8")
    (hand_in("ida") / "timestamp.txt").write_bytes(b"\xff\xfe")
    (hand_in("zoe") / "timestamp.txt").write_text("2026-05-01 12:00:00 UTC", encoding="utf-8")
    done = autograde(root)
    assert done.returncode != 0
    for student in ("eve", "fay", "gil", "ida"):
        assert f"CourseError: Beside the notebook in {student} is a timestamp.txt" in done.stderr
        assert f"error processing assignment '{MODULE}' for student '{student}'" in done.stderr
    assert scores(root) == {"ann": 1, "zoe": 1}
    listed = api(root)
    for student, year in {"ann": None, "eve": None, "gil": None, "zoe": 2026}.items():
        when = listed.get_submitted_timestamp(MODULE, student)
        assert (when and when.year) == year, "formgrader asks for it in its list"


def test_marks_are_saved_all_or_none(course, monkeypatch):
    root, hand_in = course

    def marks():
        with api(root).gradebook as gradebook:
            book = gradebook.find_submission_notebook(MODULE, MODULE, "ann")
            grades = [(mark.name, mark.auto_score, mark.needs_manual_grade) for mark in book.grades]
            return sorted(grades), sorted((one.name, one.auto_comment) for one in book.comments)

    def grade_ann():
        return api(root).autograde(MODULE, "ann", force=True)

    assert grade_ann()["success"]
    before = marks()
    assert before[0][0][:2] == ("check-n_correct", 1)

    hand_in("ann", n_correct=SHARE, why_frozen_features="They cannot move.")
    save_one = SaveAutoGrades._add_score

    def stops_at_the_last(self, cell, resources):
        if cell.metadata.nbgrader.grade_id == "why_frozen_features":
            raise OSError("the disk is full")
        save_one(self, cell, resources)

    monkeypatch.setattr(SaveAutoGrades, "_add_score", stops_at_the_last)
    result = grade_ann()
    assert not result["success"]
    assert "the disk is full" in result["log"]
    assert marks() == before

    monkeypatch.undo()
    assert grade_ann()["success"]
    grades, comments = marks()
    assert grades == [("check-n_correct", 0, False), ("why_frozen_features", None, True)]
    assert comments != before[1]
