"""An instructor's afternoon: build, collect, grade, hand back, grade again."""

import csv
import io
import json
import subprocess
import sys

import nbformat
import pytest

from course_lib.checks.exercises import EXERCISES
from course_lib.errors import CourseError
from course_lib.evidence.notes import load
from course_lib.grading.collect import collect
from course_lib.grading.grade import all_rows, api, build, grade, grades_csv, write_grades
from course_lib.grading.judged import FOLDER
from course_lib.grading.outcomes import graded_notebook
from course_lib.grading.seeds import NAME, code_of, secret, seed
from course_lib.notebooks.rebuild import ANOTHER_RELEASE, read_notebook
from tests.mini import MODULE, RIGHT, SHARE, answered, cell_of, save, write_course

ODD = (
    "class Counter:\n"
    "    def __call__(self, logits, labels, **unused):\n"
    "        return sum(int(row.argmax()) == int(y) for row, y in zip(logits, labels))\n"
    "n_correct = Counter()"
)
ENDS = "import os; os._exit(0)"
PREDICTION = (  # a cell of their own, the same key for everybody
    "from course_lib.evidence import ledger\n"
    "ledger.predict('letters of my name', {}, 'letters')\n"
    "ledger.measured('letters of my name', 0)\n"
    "print([row['predicted'] for row in ledger.rows()])"
)
ANSWERS = {  # student -> (their answers, points of n_correct)
    "blank": ({}, 0),
    "half": ({"n_correct": SHARE, "why_frozen_features": "Because."}, 0),
    "odd": ({"n_correct": ODD}, 1),
    "perfect": ({"n_correct": RIGHT, "why_frozen_features": "They cannot move."}, 1),
    "raising": ({"n_correct": "def n_correct(logits, labels):\n    return logits.oops"}, 0),
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A graded class of five, one of them broken in addition, and what `grade` returned."""
    root = write_course(tmp_path_factory.mktemp("class") / "a course")
    build(root, MODULE)
    inbox = root.parent / "inbox"
    release = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    for student, (answers, _) in ANSWERS.items():
        notebook = answered(release, **answers)
        notebook.cells.append(nbformat.v4.new_code_cell(PREDICTION.format(len(student))))
        save(notebook, inbox / f"{student}_{MODULE}.ipynb")
    (inbox / f"broken_{MODULE}.ipynb").write_text("{this is not JSON", encoding="utf-8")
    rows = grade(root, collect([inbox], [MODULE]), progress=False)
    return root, inbox, {row["student"]: row for row in rows}


def test_everybody_gets_the_points_they_earned(course):
    _, _, rows = course
    for student, (_, points) in ANSWERS.items():
        assert rows[student]["status"] == "graded"
        assert rows[student]["exercises"]["n_correct"] == points, student
        assert rows[student]["max_score"] == 3


def test_nobody_sees_what_somebody_else_predicted(course):
    root, _, _ = course
    for student in ANSWERS:
        page = root / "autograded" / student / MODULE / f"{MODULE}.ipynb"
        shown = read_notebook(page).cells[-1].outputs[-1].text
        assert shown == f"[{float(len(student))}]\n"
    assert not load("ledger"), "nor is it left behind in the grader's own notes"


def test_a_written_answer_waits_for_a_person_and_a_blank_one_does_not(course):
    _, _, rows = course
    assert rows["perfect"]["exercises"]["why_frozen_features"] is None
    assert rows["perfect"]["needs_manual_grade"]
    assert rows["blank"]["exercises"]["why_frozen_features"] == 0
    assert not rows["blank"]["needs_manual_grade"]


def test_a_broken_notebook_stops_nobody_and_says_why(course):
    _, _, rows = course
    assert len(rows) == 6
    assert rows["broken"]["status"].startswith("not gradable: ")
    assert "is not a Jupyter notebook" in rows["broken"]["status"]
    assert (rows["broken"]["score"], rows["broken"]["max_score"]) == (None, None)


def test_what_is_not_gradable_has_no_score_and_is_not_forgotten(course, tmp_path):
    root, _, rows = course
    write_grades(root, list(rows.values()))
    table = write_grades(root, [], tmp_path / "later.csv").read_text(encoding="utf-8")
    lines = {line["student"]: line for line in csv.DictReader(io.StringIO(table))}
    assert set(lines) == set(rows)
    for student, line in lines.items():
        assert line["status"] == rows[student]["status"]
        assert (line["score"] == "") == (student == "broken")
        assert (line["max_score"] == "") == (student == "broken")
        assert line["status"].partition(":")[0] in ("graded", "graded with notes", "not gradable")

    mended = answered(read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb"))
    path = save(mended, tmp_path / f"broken_{MODULE}.ipynb")
    (row,) = grade(root, collect([path], [MODULE]), progress=False)
    again = {row["student"]: row for row in all_rows(root, [])}
    assert again["broken"] == row
    assert row["status"] == "graded"


def test_the_table_and_the_feedback_pages_say_the_same(course, tmp_path):
    root, _, rows = course
    path = write_grades(root, list(rows.values()))
    lines = {row["student"]: row for row in csv.DictReader(path.open(encoding="utf-8"))}
    for student, (_, points) in ANSWERS.items():
        assert float(lines[student]["n_correct"]) == points
        page = root / "feedback" / student / MODULE / f"{MODULE}.html"
        text = page.read_text(encoding="utf-8")
        outcome = {"blank": "not attempted", "half": "not yet", "raising": "your code raised"}
        assert f"n_correct: {outcome.get(student, 'correct')}" in text
        assert "BEGIN SOLUTION" not in text
    assert lines["perfect"]["why_frozen_features"] == ""


def test_a_failed_regrade_keeps_the_marks_and_says_so(course, tmp_path):
    root, _, _ = course
    path = tmp_path / f"perfect_{MODULE}.ipynb"
    path.write_text("{torn", encoding="utf-8")
    (row,) = grade(root, collect([path], [MODULE]), progress=False)
    assert row["score"] is None
    assert "of an earlier submission" in row["notes"][0]
    with api(root).gradebook as gradebook:
        assert gradebook.find_submission(MODULE, "perfect").score >= 1
    page = root / "feedback" / "perfect" / MODULE / f"{MODULE}.html"
    assert "of an earlier submission" in page.read_text(encoding="utf-8")


def test_the_table_has_former_runs_and_marks_given_by_hand(course, tmp_path):
    root, inbox, _ = course
    with api(root).gradebook as gradebook:
        mark = gradebook.find_grade("why_frozen_features", MODULE, MODULE, "perfect")
        mark.manual_score = 1.5
        gradebook.db.commit()
    rows = grade(root, collect([inbox / f"half_{MODULE}.ipynb"], [MODULE]), progress=False)
    table = write_grades(root, rows, tmp_path / "grades.csv").read_text(encoding="utf-8")
    lines = {line["student"]: line for line in csv.DictReader(io.StringIO(table))}
    assert set(ANSWERS) <= set(lines)
    assert (lines["perfect"]["why_frozen_features"], lines["perfect"]["score"]) == ("1.5", "2.5")
    assert lines["half"] == {**lines["half"], "status": "graded", "score": "0.0"}
    assert list(lines) == sorted(lines)


def test_a_regrade_replays_the_same_questions(course):
    root, inbox, rows = course
    key = secret(root)
    again = grade(root, collect([inbox / f"half_{MODULE}.ipynb"], [MODULE]), progress=False)
    assert again == [rows["half"]]
    assert secret(root) == key
    code = code_of(read_notebook(graded_notebook(root, "half", MODULE)))
    seeds = {seed(key, MODULE, student, "n_correct", code) for student in ANSWERS}
    assert len(seeds) == len(ANSWERS)
    assert seed(key, MODULE, "odd", "n_correct", code) in seeds
    assert (root / NAME).stat().st_mode & 0o077 == 0


def test_the_same_file_is_asked_the_same_and_a_changed_one_anew(course, tmp_path):
    """Else inputs that an answer wrote down are a table to look up in at the next hand-in."""
    root, _, _ = course
    spy = f"asked = []\n{RIGHT}".replace(
        "    return", "    asked.append(float(logits.sum()))\n    return"
    )
    release = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")

    def asked(answer, written):
        notebook = answered(release, n_correct=answer, why_frozen_features=written)
        notebook.cells.append(nbformat.v4.new_code_cell("print(asked)"))
        path = save(notebook, tmp_path / f"spy_{MODULE}.ipynb")
        (root / FOLDER / MODULE / "spy.json").unlink(missing_ok=True)
        (row,) = grade(root, collect([path], [MODULE]), progress=False)
        assert row["exercises"]["n_correct"] == 1
        shown = read_notebook(graded_notebook(root, "spy", MODULE)).cells[-1].outputs[-1].text
        return set(json.loads(shown))

    first = asked(spy, "Because.")
    assert len(first) > 5
    assert asked(spy, "Because.") == first
    assert asked(spy, "A written answer is for a person.") == first
    random = first & asked(f"{spy}\n# one line more", "Because.")
    assert len(random) < len(first) / 2, "only what is not random is asked again"


def test_plain_nbgrader_takes_the_same_way(course):
    root, _, _ = course
    command = [sys.executable, "-m", "nbgrader", "autograde", MODULE, "--student=half", "--force"]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    notebook = read_notebook(root / "autograded" / "half" / MODULE / f"{MODULE}.ipynb")
    shown = cell_of(notebook, "check-n_correct").outputs
    assert shown[-1].output_type == "error"
    assert "not yet" in shown[0].data["text/plain"]
    with api(root).gradebook as gradebook:
        assert gradebook.find_submission(MODULE, "half").score == 0


def test_a_test_cell_that_never_ran_earns_nothing(course, tmp_path):
    """Plain nbgrader gives full marks to a test cell without output, even on a blank notebook."""
    root, _, _ = course
    notebook = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    cell_of(notebook, "check-n_correct").metadata["tags"] = ["skip-execution"]
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import os\nos._exit(0)"))
    path = save(notebook, tmp_path / f"skipper_{MODULE}.ipynb")
    (row,) = grade(root, collect([path], [MODULE]), progress=False)
    assert (row["status"], row["exercises"]["n_correct"]) == ("graded with notes", 0)
    assert row["notes"] == [
        "The settings of `check-n_correct` were changed. They are back.",
        "The notebook's Python process ended in “import os”.",
    ]


@pytest.mark.parametrize(
    ("where", "named"), [("mine", "“import ctypes”"), ("n_correct", "`check-n_correct`")]
)
def test_whoever_ends_their_own_kernel_is_told_where(course, tmp_path, where, named):
    root, _, _ = course
    notebook = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    if where == "mine":
        end = nbformat.v4.new_code_cell("import ctypes\nctypes.string_at(0)")
        notebook.cells.insert(0, end)
    else:
        notebook = answered(notebook, n_correct=f"def n_correct(a, b):\n    {ENDS}")
    path = save(notebook, tmp_path / f"ender_{MODULE}.ipynb")
    (row,) = grade(root, collect([path], [MODULE]), progress=False)
    assert (row["status"], row["exercises"]["n_correct"]) == ("graded with notes", 0)
    assert row["notes"] == [f"The notebook's Python process ended in {named}."]


def test_a_submission_made_on_an_older_release_stays_gradable(course, tmp_path):
    root, _, _ = course
    old = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    text = root / f"{MODULE}.py"
    before = text.read_text(encoding="utf-8")
    try:
        text.write_text(before.replace("# # A small module", "# # Revised"), encoding="utf-8")
        build(root, MODULE)
        path = save(answered(old, n_correct=RIGHT), tmp_path / f"early_{MODULE}.ipynb")
        (row,) = grade(root, collect([path], [MODULE]), progress=False)
    finally:
        text.write_text(before, encoding="utf-8")
        build(root, MODULE)
    assert (row["notes"], row["exercises"]["n_correct"]) == ([ANOTHER_RELEASE], 1)
    graded = read_notebook(root / "autograded" / "early" / MODULE / f"{MODULE}.ipynb")
    assert "Revised" in graded.cells[1].source, "below what was put right"


def test_a_release_may_gain_an_exercise_and_points_in_mid_term(tmp_path, monkeypatch):
    root = write_course(tmp_path / "course")
    build(root, MODULE)
    old = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    early = save(answered(old, n_correct=RIGHT), tmp_path / f"early_{MODULE}.ipynb")
    (before,) = grade(root, collect([early], [MODULE]), progress=False)

    worth_two = EXERCISES["n_correct"]._replace(points=2)
    monkeypatch.setitem(EXERCISES, "n_correct", worth_two)
    more = (
        '\n# %% nbgrader={"grade_id": "preprocess", "solution": true}\n'
        "def preprocess(images, mean, std):\n"
        "    ### BEGIN SOLUTION\n    return images\n    ### END SOLUTION\n"
        '\n# %% nbgrader={"grade_id": "check-preprocess"}\ncheck("preprocess")\n'
    )
    text = root / f"{MODULE}.py"
    text.write_text(text.read_text("utf-8") + more, encoding="utf-8")
    late = save(answered(old, n_correct=RIGHT), tmp_path / f"late_{MODULE}.ipynb")
    build(root, MODULE)
    rows = grade(root, collect([early, late], [MODULE]), progress=False)

    assert before["exercises"] == {"n_correct": 1, "why_frozen_features": 0}
    for row in rows:
        assert row["status"] == "graded with notes", "a cell they never had"
        assert row["exercises"] == {"n_correct": 2, "why_frozen_features": 0, "preprocess": 0}

    text.write_text(text.read_text("utf-8").replace(more, ""), encoding="utf-8")
    with pytest.raises(CourseError, match=r"no longer has .*preprocess.* marks"):
        build(root, MODULE)


def test_collect_reads_trees_and_loose_files(course, tmp_path):
    root, _, _ = course
    release = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    save(release, tmp_path / "submitted" / "zoë" / MODULE / f"{MODULE}.ipynb")
    save(release, tmp_path / "loose" / "ann b.ipynb")
    save(release, tmp_path / "loose" / ".ipynb_checkpoints" / "ann b-checkpoint.ipynb")
    found = collect([tmp_path / "submitted", tmp_path / "loose"], [MODULE])
    assert [(one.student, one.module, one.problem) for one in found] == [
        ("ann_b", MODULE, ""),
        ("zoë", MODULE, ""),
    ]


def test_collect_says_what_it_cannot_place(tmp_path):
    empty = nbformat.v4.new_notebook()
    save(empty, tmp_path / "a" / "someone.ipynb")
    (one,) = collect([tmp_path / "a"], [MODULE])
    assert "which module" in one.problem
    with pytest.raises(CourseError, match="nothing at"):
        collect([tmp_path / "none"], [MODULE])
    save(empty, tmp_path / "b" / f"x_{MODULE}.ipynb")
    save(empty, tmp_path / "b" / "x" / MODULE / f"{MODULE}.ipynb")
    twice = collect([tmp_path / "b"], [MODULE])
    assert ["two submissions of x" in one.problem for one in twice] == [True, True]
    save(empty, tmp_path / "c" / f"{MODULE}.ipynb")
    save(empty, tmp_path / "c" / f"._{MODULE}.ipynb")
    assert {one.student: bool(one.problem) for one in collect([tmp_path / "c"], [MODULE])} == {
        "c": False,
        ".": True,
    }


def test_a_name_cannot_become_a_formula_in_a_spreadsheet():
    row = {"student": "=cmd()", "module": "", "status": "graded", "score": -1.0, "max_score": 0,
           "needs_manual_grade": False, "exercises": {}, "notes": []}  # fmt: skip
    (line,) = csv.DictReader(io.StringIO(grades_csv([row]).decode()))
    assert line["student"] == "'=cmd()"
    assert line["module"] == ""
    assert line["score"] == "-1.0"


@pytest.mark.parametrize("content", [b"short", b"x" * 64, b"\xff" * 64])
def test_a_damaged_secret_is_not_replaced(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(CourseError, match="damaged"):
        secret(tmp_path)
    assert (tmp_path / NAME).read_bytes() == content


def test_rows_are_plain_enough_for_json(course):
    _, _, rows = course
    assert json.loads(json.dumps(rows)) == rows
