"""Whose a submission is, and that none is lost, in every layout that an instructor may have."""

import os
import shutil
import subprocess

import nbformat
import pytest

from course_lib.errors import CourseError
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
    hand_in(tmp_path, f"ann/{FIRST}.ipynb", f"bob/ann_{FIRST}.ipynb")
    (tmp_path / "bob" / "ann.zip").write_bytes(b"")
    rows = found(*sorted(tmp_path.glob("*/*.ipynb" if named == "files" else "*")))
    assert rows[0] == ("ann", FIRST, "")
    assert {row[0] for row in rows[1:]} == {"bob"}
    assert "called after ann" in rows[-1][2]


def test_a_twin_in_ones_own_folder_is_ones_own_problem(tmp_path):
    hand_in(tmp_path, f"ann/{FIRST}.ipynb", "bob/one.ipynb", "bob/two.ipynb")
    rows = found(tmp_path)
    assert [(row[0], bool(row[2])) for row in rows] == [
        ("ann", False), ("bob", True), ("bob", True),
    ]  # fmt: skip
    assert "two submissions of bob" in rows[1][2]


@pytest.mark.parametrize("ending", [".IPYNB", ".ipynb.txt", ".ipynb.json", ".Ipynb.TXT"])
@pytest.mark.parametrize("name", [f"ann_{FIRST}", f"ann/{FIRST}", f"ann/{FIRST}/{FIRST}"])
def test_a_notebook_by_another_ending_is_one(tmp_path, name, ending):
    hand_in(tmp_path / "in", f"{name}.ipynb")
    path = tmp_path / "in" / f"{name}.ipynb"
    path.rename(path.with_name(path.stem + ending))
    assert found(tmp_path / "in") == [("ann", FIRST, "")]
    shutil.copy(path.with_name(path.stem + ending), path)
    assert found(tmp_path / "in") == [("ann", FIRST, "")], "one is a copy of the other"
    path.unlink()
    path.with_name(path.stem + ending).write_text("my notes", encoding="utf-8")
    ((student, _, problem),) = found(tmp_path / "in")
    assert student == "ann"
    assert "is not a Jupyter notebook" in problem


def test_who_handed_in_something_else_has_a_row_that_says_what(tmp_path, monkeypatch):
    hand_in(tmp_path / "in", f"ann/{FIRST}/{FIRST}.ipynb")
    inside = {
        "bo/work.zip": "work.zip is an archive: unpack it and grade again.",
        "cy/report.pdf": "There is no notebook in in/cy: it holds report.pdf.",
        "di/a folder/b/c.py": "There is no notebook in in/di: it holds a folder.",
        f"ed/{FIRST}/x.html": f"There is no notebook in in/ed/{FIRST}: it holds x.html.",
        f"fi_{SECOND}.tar.gz": f"fi_{SECOND}.tar.gz is an archive: unpack it and grade again.",
        f"ann/{SECOND}/x.py": f"There is no notebook in in/ann/{SECOND}: it holds x.py.",
    }
    for path in inside:
        (tmp_path / "in" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / path).write_bytes(b"")
    (tmp_path / "in" / "gil").mkdir()
    (tmp_path / "in" / "hal").symlink_to(tmp_path / "in" / "ann")
    (tmp_path / "in" / "ida").symlink_to("nowhere")
    (tmp_path / "in" / "jo").mkdir()
    scan = os.scandir

    def not_jos(folder):
        if folder.name == "jo":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", not_jos)
    names = ["bo", "cy", "di", "ed", "fi", "ann"]
    modules = ["", "", "", FIRST, SECOND, SECOND]
    expected = list(zip(names, modules, inside.values(), strict=True))
    expected += [
        ("ann", FIRST, ""),
        ("gil", "", "There is no notebook in in/gil: it is empty."),
        ("hal", "", "hal is a link. Put the folder itself there."),
        ("ida", "", "ida is a link. Put the folder itself there."),
        ("jo", "", "The folder jo cannot be opened: Permission denied."),
    ]
    assert found(tmp_path / "in") == sorted(expected)


def test_what_is_obviously_no_submission_has_no_row(tmp_path):
    hand_in(tmp_path / "tree", f"ann/{FIRST}.ipynb")
    hand_in(tmp_path / "flat", f"bo_{FIRST}.ipynb")
    for folder in ("tree", "flat", "tree/ann"):
        for path in ("grades.csv", "README.md", ".DS_Store", "list.txt"):
            (tmp_path / folder / path).write_bytes(b"")
        hand_in(tmp_path / folder, ".ipynb_checkpoints/x.ipynb", "__MACOSX/ann/._x.ipynb")
        (tmp_path / folder / ".git" / "hooks").mkdir(parents=True)
    for path in ("tree/ann/data/digits.zip", "tree/ann/data/more/digits.tar.gz", "flat/data/x.csv"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    rows = found(tmp_path / "tree", tmp_path / "flat")
    assert rows == [("ann", FIRST, ""), ("bo", FIRST, "")]


def test_folders_without_any_notebook(tmp_path):
    for student in ("ann", "bo"):
        (tmp_path / student).mkdir()
    with pytest.raises(CourseError, match="No notebook"):
        found(tmp_path)
    hand_in(tmp_path, f"ann/{FIRST}.ipynb")
    assert found(tmp_path / "ann", tmp_path / "bo") == [
        ("ann", FIRST, ""),
        ("bo", "", "There is no notebook in bo: it is empty."),
    ]


def test_no_depth_of_folders_is_too_much(tmp_path):
    hand_in(tmp_path, f"ann/{FIRST}.ipynb")
    (tmp_path / "bob").mkdir()
    deep = os.open(tmp_path / "bob", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=deep)
        deep, above = os.open("d", os.O_RDONLY, dir_fd=deep), deep
        os.close(above)
    os.close(deep)
    try:
        rows = found(tmp_path)
    finally:  # it is too deep for pytest to remove
        subprocess.run(["rm", "-r", tmp_path / "bob"], check=True)
    assert rows[0] == ("ann", FIRST, "")
    assert rows[1][0] == "bob"


def course(folder):
    """Return a built course, its release and where its submissions arrive."""
    root = write_course(folder / "course")
    build(root, MODULE)
    return root, read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb"), folder / "inbox"


@pytest.mark.slow
def test_nobodys_mark_is_changed_by_what_another_hands_in(tmp_path):
    root, release, inbox = course(tmp_path)
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
        shutil.rmtree(later)
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


@pytest.mark.slow
def test_an_archive_is_in_the_table_until_it_is_unpacked(tmp_path):
    root, release, inbox = course(tmp_path)
    inbox.joinpath("cy").mkdir(parents=True)
    inbox.joinpath("cy", "work.zip").write_bytes(b"")
    save(release, inbox / "ann" / "work.ipynb").rename(inbox / "ann" / "work.IPYNB")

    def table():
        rows = grade(root, collect([inbox], [MODULE]), progress=False)
        assert all_rows(root, rows) == rows == all_rows(root, [])
        return [(row["student"], row["module"], row["status"].split(":")[0]) for row in rows]

    assert table() == [("ann", MODULE, "graded"), ("cy", "", "not gradable")]
    page = next((root / "feedback" / "cy").rglob("*.html")).read_text(encoding="utf-8")
    assert "work.zip is an archive: unpack it" in page

    inbox.joinpath("cy", "work.zip").unlink()
    save(release, inbox / "cy" / "work.ipynb")
    assert table() == [("ann", MODULE, "graded"), ("cy", MODULE, "graded")]
