"""Whose a submission is, and that none is lost, in every layout that an instructor may have."""

import nbformat
import pytest

from course_lib.grading.collect import collect
from course_lib.grading.grade import all_rows, build, grade
from course_lib.notebooks.rebuild import read_notebook
from tests.mini import MODULE, RIGHT, SHARE, answered, save, write_course

FIRST, SECOND = "00_start_here", "01_feature_extraction"


def hand_in(folder, *paths):
    """Save a notebook at each path; its module is the one named last in the path."""
    for path in paths:
        places = {path.rfind(module): module for module in (FIRST, SECOND)}
        module = places[max(places)] if max(places) >= 0 else FIRST
        save(nbformat.v4.new_notebook(metadata={"course": {"module": module}}), folder / path)


def found(*paths):
    """What `collect` finds, as (student, module, what is wrong: the problem's first words)."""
    rows = collect(list(paths), [FIRST, SECOND])
    return [(one.student, one.module, one.problem) for one in rows]


@pytest.mark.parametrize(
    "paths",
    [
        [f"ann_{FIRST}.ipynb", f"bob-{FIRST}.ipynb"],
        [f"ann/{FIRST}.ipynb", f"bob/bob_{FIRST}.ipynb"],
        ["ann/solution_final.ipynb", "bob/solution_final.ipynb"],
        ["ann/homework/solution.ipynb", f"bob/a folder/{FIRST} (1).ipynb"],
        [f"ann/{FIRST}/{FIRST}.ipynb", f"bob/{FIRST}/solution.ipynb"],
        [f"ann/{FIRST}/{FIRST}.ipynb", f"bob_{FIRST}.ipynb"],
    ],
)
def test_every_layout_says_whose_it_is(tmp_path, paths):
    hand_in(tmp_path / "in", *paths)
    assert found(tmp_path / "in") == [("ann", FIRST, ""), ("bob", FIRST, "")]


@pytest.mark.parametrize("module", [FIRST, SECOND])
@pytest.mark.parametrize(
    "path", [f"ann_{FIRST}.ipynb", f"{SECOND}/ann_{FIRST}.ipynb", f"ann/{FIRST}.ipynb"]
)
def test_a_file_in_bobs_folder_is_never_anns(tmp_path, path, module):
    hand_in(tmp_path / "in", f"ann/{module}/{module}.ipynb", f"bob/{path}")
    rows = found(tmp_path / "in")
    assert ("ann", module, "") in rows
    (bob,) = [row for row in rows if row[0] == "bob"]
    assert len(rows) == 2
    if "ann_" in path:
        assert f"ann_{FIRST}.ipynb is called after ann, but lies in the folder of bob" in bob[2]
    else:
        assert bob == ("bob", FIRST, "")


def test_what_lies_too_deep_is_bobs_and_does_not_spoil_his_other_file(tmp_path):
    deep = f"bob/{FIRST}/ann/{FIRST}/{FIRST}.ipynb"
    hand_in(tmp_path / "in", f"ann/{FIRST}.ipynb", f"bob/{FIRST}/{FIRST}.ipynb", deep)
    ann, *bobs = found(tmp_path / "in")
    assert ann == ("ann", FIRST, "")
    assert [row[:2] for row in bobs] == [("bob", FIRST)] * 2
    assert bobs[0][2] == ""
    assert "lies too deep" in bobs[1][2]


@pytest.mark.parametrize("named", ["folders", "files"])
def test_folders_of_students_that_are_named_one_by_one(tmp_path, named):
    hand_in(tmp_path, f"ann/{FIRST}.ipynb", f"bob/ann_{FIRST}.ipynb", "cy/solution.ipynb")
    paths = sorted(tmp_path.glob("*/*.ipynb" if named == "files" else "*"))
    rows = found(*paths)
    assert rows[0] == ("ann", FIRST, "")
    assert rows[1][0] == "bob"
    assert "called after ann" in rows[1][2]


def test_a_twin_in_ones_own_folder_is_ones_own_problem(tmp_path):
    hand_in(tmp_path, f"ann/{FIRST}.ipynb", "bob/one.ipynb", "bob/two.ipynb")
    rows = found(tmp_path)
    assert [(row[0], bool(row[2])) for row in rows] == [
        ("ann", False), ("bob", True), ("bob", True),
    ]  # fmt: skip
    assert "two submissions of bob" in rows[1][2]


@pytest.mark.slow
def test_nobodys_mark_is_changed_by_what_another_hands_in(tmp_path):
    root = write_course(tmp_path / "course")
    build(root, MODULE)
    release = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    inbox = tmp_path / "inbox"
    right, wrong = answered(release, n_correct=RIGHT), answered(release, n_correct=SHARE)
    save(right, inbox / "ann" / f"{MODULE}.ipynb")
    save(wrong, inbox / "bob" / f"{MODULE}.ipynb")
    rows = grade(root, collect([inbox], [MODULE]), progress=False)
    assert [row["exercises"]["n_correct"] for row in rows] == [1, 0]
    kept = root / "submitted" / "ann" / MODULE / f"{MODULE}.ipynb"
    page = root / "feedback" / "ann" / MODULE / f"{MODULE}.html"
    before = kept.read_bytes(), page.read_bytes()

    later = tmp_path / "later"  # ann's own file is not in these runs
    for named, path, problem in (
        (later / "bob", later / "bob" / f"ann_{MODULE}.ipynb", "called after ann"),
        (later / "bob", later / "bob" / MODULE / f"ann_{MODULE}.ipynb", ""),
        (later, later / "bob" / "week 1" / "ann" / MODULE / f"{MODULE}.ipynb", "too deep"),
        (later, later / "bob" / "ann" / f"{MODULE}.ipynb", ""),
    ):
        save(wrong, path)
        (row,) = grade(root, collect([named], [MODULE]), progress=False)
        path.unlink()
        assert row["student"] == "bob"
        assert problem in row["status"]
        assert row["status"].startswith("not gradable" if problem else "graded")
        assert (kept.read_bytes(), page.read_bytes()) == before

    save(right, inbox / "bob" / f"ann_{MODULE}.ipynb")  # bob's own file is, in this one
    rows = grade(root, collect([inbox], [MODULE]), progress=False)
    assert [(row["student"], row["score"]) for row in rows] == [
        ("ann", 1), ("bob", 0), ("bob", None),
    ]  # fmt: skip
    all_rows(root, rows)
    table = {row["student"]: row["score"] for row in all_rows(root, [])}
    assert table == {"ann": 1, "bob": 0}, "who has a mark has it in later tables"
