"""The command line as a person or a program meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.checks.exercises import EXERCISES
from course_lib.grading.grade import build
from course_lib.notebooks.rebuild import read_notebook
from tests.mini import MODULE, RIGHT, SHARE, answered, save, write_course


def course(*arguments, cwd=None):
    command = [sys.executable, "-m", "course_lib.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = write_course(tmp_path_factory.mktemp("course") / "notebooks")
    build(root, MODULE)
    return root


@pytest.mark.parametrize(
    "command",
    ["", "lab", "exercises", "check", "progress", "report", "build", "grade", "data", "data fetch"],
)
def test_every_command_explains_itself(command):
    result = course(*command.split(), "--help")
    assert result.returncode == 0
    assert "Usage" in result.stdout


def test_exercises_as_a_program_reads_them():
    rows = json.loads(course("exercises", "--json").stdout)
    assert [row["exercise"] for row in rows] == list(EXERCISES)
    assert all(row["points"] >= 0 and row["minutes"] > 0 and row["signature"] for row in rows)


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        (RIGHT, "correct", 0),
        (SHARE, "not yet", 1),
        ("def n_correct(logits, labels): raise NotImplementedError()", "not attempted", 1),
        ("something_else = 1", "not attempted", 1),
        ("def n_correct(logits, labels): return labels.oops", "raised", 1),
        ("def n_correct(logits, labels): raise SystemExit(0)", "raised", 1),
    ],
    ids=["right", "mistaken", "stub", "missing", "raising", "exiting"],
)
def test_checking_one_answer_in_a_file(tmp_path, answer, outcome, code):
    path = tmp_path / "answer.py"
    path.write_text(answer, encoding="utf-8")
    result = course("check", "n_correct", path, "--json")
    assert result.returncode == code, result.stderr
    (verdict,) = json.loads(result.stdout)
    assert verdict["outcome"] == outcome
    assert outcome in course("check", "n_correct", path).stdout
    rows = {row["exercise"]: row for row in json.loads(course("progress", "--json").stdout)}
    assert rows["n_correct"]["outcome"] == outcome


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("answer.py", b"def n_correct(:\n", "line 1"),
        ("answer.py", b"\xff\xfe\x00", "not a Python file"),
        ("answer.py", b"1 / 0", "ZeroDivisionError"),
        ("answer.py", b"import sys; sys.exit(0)", "SystemExit"),
        ("missing.py", b"", "No such file"),
    ],
    ids=["syntax", "encoding", "raises", "exits", "missing"],
)
def test_a_file_that_cannot_be_checked_gets_one_sentence(tmp_path, name, content, says):
    (tmp_path / "answer.py").write_bytes(content)
    result = course("check", "n_correct", tmp_path / name)
    assert result.returncode == 1
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_checking_a_notebook(root, tmp_path):
    release = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    path = save(answered(release, n_correct=RIGHT), tmp_path / "mine.ipynb")
    result = course("check", path, "--course", root)
    assert result.returncode == 0, result.stderr
    assert "n_correct: correct" in result.stdout


def test_grading_from_the_command_line(root, tmp_path):
    release = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    save(answered(release, n_correct=RIGHT), tmp_path / "in" / f"ann_{MODULE}.ipynb")
    (tmp_path / "in" / f"bo_{MODULE}.ipynb").write_text("no notebook", encoding="utf-8")
    result = course("grade", tmp_path / "in", "--course", root, "--csv", tmp_path / "out.csv")
    assert result.returncode == 1, "one of two could not be graded"
    assert "1 of 3" in result.stdout
    assert "not gradable" in result.stdout
    assert (tmp_path / "out.csv").read_text("utf-8").count("\n") == 3
    assert (root / "feedback" / "ann" / MODULE / f"{MODULE}.html").is_file()
    again = course("grade", tmp_path / "in" / f"ann_{MODULE}.ipynb", "--course", root, "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)[0]["exercises"]["n_correct"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "no_such_exercise", "x.py"],
        ["check", "none.ipynb"],
        ["grade", "nowhere"],
        ["build", "99_none"],
        ["data", "verify", "nothing"],
        ["data", "fetch", "nothing"],
        ["lab", "--course", "nowhere"],
    ],
    ids=" ".join,
)
def test_bad_input_gets_one_sentence_and_an_exit_code(root, arguments):
    result = course(*arguments, cwd=root)
    assert result.returncode == 1
    assert result.stderr.startswith("course: ")
    assert "Traceback" not in result.stderr


def test_the_last_page_is_written_where_the_command_says():
    result = course("report", "--name", "Ann Öz", "--no-browser")
    assert result.returncode == 0, result.stderr
    (path,) = result.stdout.splitlines()
    page = Path(path).read_text(encoding="utf-8")
    assert "By Ann Öz" in page
    assert "of 8 claims tested" in page


def test_data_that_is_missing_is_named_with_the_way_to_get_it():
    rows = {row["name"]: row for row in json.loads(course("data", "list", "--json").stdout)}
    assert rows["digits"]["status"] == "embedded"
    assert rows["photos"]["status"] == "missing"
    result = course("data", "verify", "digits", "photos")
    assert result.returncode == 1
    assert "course data fetch photos" in result.stdout
    assert "1000 images" in result.stdout


def test_a_notebook_in_place_of_a_python_file_is_told_where_to_go(tmp_path):
    result = course("check", "n_correct", tmp_path / "mine.ipynb")
    assert result.returncode != 0
    assert "is a notebook: check all of it with `course check" in result.stderr
