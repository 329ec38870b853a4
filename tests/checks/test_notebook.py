"""What a learner types in a notebook."""

import sys

import pytest

from course_lib import check, hint, use
from course_lib.checks import notebook, progress
from course_lib.checks.exercises import EXERCISES
from course_lib.checks.verdict import hints_of
from course_lib.errors import CourseError


def right(logits, labels):
    return int((logits.argmax(dim=1) == labels).sum())


def stub(logits, labels):
    raise NotImplementedError()


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setattr(notebook, "_last", {})
    monkeypatch.delattr(sys.modules["__main__"], "n_correct", raising=False)


def define(monkeypatch, function):
    monkeypatch.setattr(sys.modules["__main__"], "n_correct", function, raising=False)


def test_check_finds_the_function_by_its_name(monkeypatch, capsys):
    check("n_correct")
    assert "not attempted" in capsys.readouterr().out
    define(monkeypatch, stub)
    check("n_correct")
    assert "not attempted" in capsys.readouterr().out
    define(monkeypatch, right)
    check("n_correct")
    assert "✓ n_correct: correct" in capsys.readouterr().out


def test_under_nbgrader_anything_but_correct_is_an_exception(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    define(monkeypatch, stub)
    with pytest.raises(AssertionError, match="not attempted"):
        check("n_correct")
    define(monkeypatch, right)
    check("n_correct")


def test_use_takes_the_learners_function_only_while_it_is_correct(monkeypatch, capsys):
    assert use("n_correct") is not right
    assert "library's" in capsys.readouterr().out
    define(monkeypatch, right)
    check("n_correct")
    assert use("n_correct") is right
    define(monkeypatch, lambda logits, labels: 0)
    check("n_correct")
    assert use("n_correct").__module__.startswith("course_lib.")


def test_progress_remembers_attempts_and_success(monkeypatch):
    define(monkeypatch, stub)
    check("n_correct")
    define(monkeypatch, lambda logits, labels: -1)
    check("n_correct")
    define(monkeypatch, right)
    check("n_correct")
    define(monkeypatch, lambda logits, labels: -1)
    check("n_correct")
    row = next(row for row in progress.table() if row["exercise"] == "n_correct")
    assert (row["solved"], row["outcome"], row["attempts"]) == (True, "not yet", 3)


def test_hints_come_one_by_one_and_never_unasked(capsys):
    for stage, text in enumerate(hints_of("n_correct"), start=1):
        hint("n_correct")
        shown = capsys.readouterr().out
        assert f"Hint {stage} of 3" in shown
        assert text in shown
        assert not any(other in shown for other in hints_of("n_correct") if other != text)
    hint("n_correct")
    assert "Hint 3 of 3" in capsys.readouterr().out
    hint("n_correct", 1)
    assert "Hint 1 of 3" in capsys.readouterr().out
    check("n_correct")
    assert not any(text in capsys.readouterr().out for text in hints_of("n_correct"))


@pytest.mark.parametrize("call", [check, hint, use], ids=lambda call: call.__name__)
def test_a_name_that_does_not_exist_lists_those_that_do(call):
    with pytest.raises(CourseError, match="n_correct, evaluate") as caught:
        call("n_corect")
    assert caught.value._render_traceback_() == [f"CourseError: {caught.value}"]


def test_a_written_question_says_that_a_person_reads_it():
    written = next(row.id for row in EXERCISES.values() if row.solution is None)
    for call in (check, hint, use):
        with pytest.raises(CourseError, match="written question"):
            call(written)


def test_a_home_that_cannot_be_written_does_not_stop_a_check(monkeypatch, capsys, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("COURSE_HOME", str(blocked))
    define(monkeypatch, right)
    check("n_correct")
    shown = capsys.readouterr().out
    assert "n_correct: correct" in shown
    assert "Set COURSE_HOME" in shown
    hint("n_correct")
    assert "Hint 1 of 3" in capsys.readouterr().out
