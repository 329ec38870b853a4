"""A learner's own copies: made once, updated without losing an answer, never overwritten."""

import nbformat
import pytest

from course_lib.errors import CourseError
from course_lib.grading.grade import build
from course_lib.notebooks.rebuild import read_notebook
from course_lib.notebooks.work import prepare
from tests.mini import MODULE, RIGHT, TEXT, answered, cell_of, write_course


@pytest.fixture
def root(tmp_path):
    root = write_course(tmp_path / "course")
    build(root, MODULE)
    return root


def new_release(root):
    (root / f"{MODULE}.py").write_text(TEXT.replace("# # A small", "# # A revised"), "utf-8")
    build(root, MODULE)


def backups(path):
    return sorted(path.parent.glob("*.before-*.ipynb"))


def test_the_first_copy_is_the_release(root):
    (path,), notes = prepare(root)
    assert path.read_bytes() == (root / "release" / MODULE / f"{MODULE}.ipynb").read_bytes()
    assert notes == []


def test_without_a_new_release_nothing_is_touched(root):
    (path,), _ = prepare(root)
    nbformat.write(answered(read_notebook(path), n_correct=RIGHT), path)
    before = path.read_bytes()
    _, notes = prepare(root)
    assert (path.read_bytes(), notes, backups(path)) == (before, [], [])


def test_a_new_release_keeps_the_answers_and_the_former_copy(root):
    (path,), _ = prepare(root)
    nbformat.write(answered(read_notebook(path), n_correct=RIGHT), path)
    before = path.read_bytes()
    new_release(root)
    _, notes = prepare(root)
    now = read_notebook(path)
    assert "A revised" in now.cells[0].source
    assert cell_of(now, "n_correct").source == RIGHT
    assert [backup.read_bytes() for backup in backups(path)] == [before]
    assert backups(path)[0].name in notes[0]
    assert prepare(root)[1] == [], "the second time there is nothing left to do"


def test_a_copy_that_cannot_be_read_is_set_aside(root):
    (path,), _ = prepare(root)
    path.write_text("{half a notebo", encoding="utf-8")
    _, notes = prepare(root)
    assert [backup.read_text("utf-8") for backup in backups(path)] == ["{half a notebo"]
    assert "not a Jupyter notebook" in notes[0]
    assert read_notebook(path).cells


def test_a_course_without_releases_says_so(tmp_path):
    with pytest.raises(CourseError, match="no released notebooks"):
        prepare(write_course(tmp_path / "course"))
