"""The instructor's loop on the real module 01: five students, and the points each earned."""

import csv
import shutil

import pytest

from course_lib.checks.exercises import EXERCISES
from course_lib.grading.collect import collect
from course_lib.grading.grade import build, grade, write_grades
from course_lib.notebooks.rebuild import read_notebook
from tests.answers import FILES
from tests.mini import ROOT, answered, cell_of, save

pytestmark = pytest.mark.slow
MODULE = "01_feature_extraction"
CHECKED = [row for row in EXERCISES.values() if row.module == MODULE and row.solution]
POINTS = {row.id: row.points for row in CHECKED}


def from_the_catalogue(exercise, name):
    """An answer cell that holds one answer of tests/answers under the exercise's name."""
    return f"{FILES[exercise].read_text(encoding='utf-8')}\n\n{exercise} = {name}\n"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("class") / "notebooks"
    root.mkdir()
    for name in ("nbgrader_config.py", f"{MODULE}.py"):
        shutil.copy(ROOT / "notebooks" / name, root)
    build(root, MODULE)
    return root


def test_five_students_get_the_points_they_earned(course):
    source = read_notebook(course / "source" / MODULE / f"{MODULE}.ipynb")
    release = read_notebook(course / "release" / MODULE / f"{MODULE}.ipynb")
    right = {exercise: cell_of(source, exercise).source for exercise in POINTS}
    solved = {
        "perfect": set(POINTS),
        "half": {"preprocess", "extract_features"},
        "odd": set(POINTS),
    }
    submissions = {
        "perfect": {**right, "why_frozen_features": "A frozen backbone gives the same features."},
        "half": {exercise: right[exercise] for exercise in solved["half"]},
        "blank": {},
        "raising": {
            name: f"def {name}(*a, **k):\n    return a[0].no_such_thing" for name in POINTS
        },
        "odd": {
            exercise: from_the_catalogue(exercise, name)
            for exercise, name in {
                "preprocess": "right_normalisation_as_a_layer",
                "extract_features": "right_forward_hook",
                "linear_probe": "right_scikit_learn",
                "freeze": "right_classes_swapped",
            }.items()
        },
    }
    for student, answers in submissions.items():
        path = course / "submitted" / student / MODULE / f"{MODULE}.ipynb"
        save(answered(release, **answers), path)

    rows = grade(course, collect([course / "submitted"], [MODULE]), progress=False)

    assert [row["student"] for row in rows] == sorted(submissions)
    for row in rows:
        student = row["student"]
        assert row["status"] == "graded"
        earned = {name: row["exercises"][name] for name in POINTS}
        assert earned == {
            name: points if name in solved.get(student, ()) else 0
            for name, points in POINTS.items()
        }, student
        assert row["needs_manual_grade"] == (student == "perfect")
        assert row["max_score"] == sum(POINTS.values()) + EXERCISES["why_frozen_features"].points
        page = course / "feedback" / student / MODULE / f"{MODULE}.html"
        assert "data-outcome" in page.read_text(encoding="utf-8")

    with write_grades(course, rows).open(encoding="utf-8") as table:
        assert [float(line["score"]) for line in csv.DictReader(table)] == [
            row["score"] for row in rows
        ]
