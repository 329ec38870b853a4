"""A written answer is found in the learner's copy, and a stub is none."""

import pytest

from course_lib.checks.exercises import EXERCISES
from course_lib.errors import CourseError
from course_lib.grading.grade import build
from course_lib.notebooks import written
from course_lib.notebooks.rebuild import read_notebook
from course_lib.notebooks.work import prepare
from tests.mini import MODULE, answered, save, write_course

QUESTION = "why_frozen_features"


@pytest.fixture
def root(tmp_path, monkeypatch):
    root = write_course(tmp_path / "course")
    build(root, MODULE)
    rows = EXERCISES | {QUESTION: EXERCISES[QUESTION]._replace(module=MODULE)}
    monkeypatch.setattr(written, "EXERCISES", rows)
    return root


def test_there_is_no_answer_before_one_is_written(root):
    assert written.written_answer(root, QUESTION) == ""
    prepare(root)
    assert written.written_answer(root, QUESTION) == ""


def test_the_saved_answer_is_returned(root):
    (path,), _ = prepare(root)
    text = "Because **they** are frozen.\n\nAnd ünder ice.\n"
    save(answered(read_notebook(path), **{QUESTION: text}), path)
    assert written.written_answer(root, QUESTION) == text.strip()


def test_a_copy_that_cannot_be_read_is_named(root):
    (path,), _ = prepare(root)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(CourseError, match="not a Jupyter notebook"):
        written.written_answer(root, QUESTION)
