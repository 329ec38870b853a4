"""What an instructor reads of a class: every number can be found again in the CSV files."""

import csv
import re
import subprocess
import sys
from html.parser import HTMLParser

import nbformat
import pytest

from course_lib.checks.verdict import messages_of
from course_lib.errors import CourseError
from course_lib.grading import figures
from course_lib.grading.collect import collect
from course_lib.grading.grade import api, build, grade, write_grades
from course_lib.grading.report import FOLDER, Module, _misconceptions, write_class_report
from course_lib.notebooks.rebuild import read_notebook
from tests.mini import MODULE, RIGHT, SHARE, answered, save, write_course

# s04 and s05 have the same odd code, with other names
ODD = """def n_correct(logits, labels):
    total = 0
    for row, wanted in zip(logits.tolist(), labels.tolist()):
        best = max(range(len(row)), key=lambda place: row[place])
        total += 1 if best == wanted else 0
    return 0 if total < 0 else total  # </pre><script>alert(1)</script>
"""
SAME = ODD.replace("wanted", "y").replace("total", "n").replace("best", "k").replace("place", "i")
ANSWERS = {
    "s01": {"n_correct": RIGHT, "why_frozen_features": "They stay."},
    "s02": {"n_correct": SHARE},
    "s03": {"n_correct": SHARE},
    "s04": {"n_correct": ODD},
    "s05": {"n_correct": SAME},
    "s06": {"n_correct": "def n_correct(a, b):\n    return a.oops"},
    "s07": {},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = write_course(tmp_path_factory.mktemp("class") / "notebooks")
    build(root, MODULE)
    inbox = root.parent / "inbox"
    release = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    for student, answers in ANSWERS.items():
        notebook = answered(release, **answers)
        if student == "s07":
            notebook.cells.insert(1, nbformat.v4.new_code_cell("import os\nos._exit(1)"))
            del notebook.cells[2]
        save(notebook, inbox / f"{student}_{MODULE}.ipynb")
    (inbox / f"s08_{MODULE}.ipynb").write_bytes(b"")
    save(nbformat.v4.new_notebook(), inbox / "someone.ipynb")
    write_grades(root, grade(root, collect([inbox], [MODULE]), progress=False))
    assert write_class_report(root, progress=False) == root / FOLDER / "report.html"
    return root


def table(root, name):
    with (root / FOLDER / f"{name}.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def page(root):
    return (root / FOLDER / "report.html").read_text(encoding="utf-8")


def test_success_is_counted_for_each_exercise(root):
    checked, written = table(root, "exercises")
    assert {name: int(checked[name]) for name in figures.OUTCOMES} == {
        "correct": 3,
        "not yet": 3,
        "raised": 1,
        "not attempted": 0,
    }
    assert (checked["learners"], float(checked["mean points"])) == ("7", round(3 / 7, 2))
    assert (written["exercise"], written["not read yet"]) == ("why_frozen_features", "1")


def test_misconceptions_are_counted_by_the_judges_names(root):
    assert [(row["key"], row["learners"], row["who"]) for row in table(root, "misconceptions")] == [
        ("share", "2", "s02 s03")
    ]
    assert messages_of("n_correct")["share"].misconception in page(root)
    verdicts = {row["student"]: row for row in table(root, "verdicts")}
    assert (verdicts["s02"]["outcome"], verdicts["s02"]["key"]) == ("not yet", "share")
    assert (verdicts["s06"]["outcome"], verdicts["s06"]["key"]) == ("raised", "raised")


def test_what_a_person_should_look_at_is_listed_with_the_reason(root):
    reasons = {}
    for row in table(root, "by_hand"):
        reasons.setdefault(row["student"], []).append((row["reason"], row["detail"]))
    assert [kind for kind, _ in reasons["s08"]] == ["not gradable"]
    assert [kind for kind, _ in reasons["someone"]] == ["not gradable"]
    assert reasons["s01"] == [("to mark", "why_frozen_features")]
    assert {kind for kind, _ in reasons["s07"]} >= {"no answer", "note"}
    assert "n_correct: the notebook's Python process ended" in dict(reasons["s07"])["no answer"]
    notes = [detail for kind, detail in reasons["s07"] if kind == "note"]
    assert any("Missing from the course's own cells: “import torch”" in note for note in notes)
    assert not {"s02", "s03", "s04", "s05", "s06"} & set(reasons)


def test_similar_pairs_are_shown_side_by_side(root):
    (pair,) = table(root, "similar")
    assert (pair["first"], pair["second"], pair["what"]) == ("s04", "s05", "code")
    assert page(root).count("<details>") == 1


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.sources, self.alts = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attributes = dict(attrs)
        self.sources += [attributes[name] for name in ("src", "href") if name in attributes]
        self.alts += [attributes.get("alt")] if tag == "img" else []


def test_the_page_is_one_file_and_runs_nothing(root):
    reader = Reader()
    reader.feed(page(root))
    assert "script" not in reader.tags
    assert reader.tags.count("img") == reader.tags.count("figcaption") == 3
    assert all(alt and len(alt) > 20 for alt in reader.alts)
    assert all(re.match(r"#|data:image/png;", source) for source in reader.sources)
    assert "Submissions: 6 graded, 1 graded with notes, 1 not gradable." in page(root)


def test_marks_by_hand_are_in_the_next_report(root):
    with api(root).gradebook as gradebook:
        mark = gradebook.find_grade("why_frozen_features", MODULE, MODULE, "s01")
        mark.manual_score = 2
        mark.needs_manual_grade = False
        gradebook.db.commit()
    command = [sys.executable, "-m", "course_lib.cli", "report", "--class", "--no-browser"]
    result = subprocess.run([*command, "--course", root], capture_output=True, text=True)
    assert result.stdout.strip() == str(root / FOLDER / "report.html"), result.stderr
    assert "s01" not in {row["student"] for row in table(root, "by_hand")}
    assert float(table(root, "exercises")[1]["mean points"]) == round(2 / 7, 2)


def test_without_marks_a_sentence_says_what_to_do(tmp_path):
    root = write_course(tmp_path / "course")
    build(root, MODULE)
    with pytest.raises(CourseError, match="run `course grade`"):
        write_class_report(root, progress=False)


def test_verdicts_of_another_version_of_the_course_are_counted_by_their_names():
    verdict = {"outcome": "not yet", "key": "former", "seen": ""}
    row = {"student": "s01", "score": 0.0, "exercises": {"n_correct": 0.0, "former": 0.0}}
    verdicts = {"s01": {"n_correct": verdict, "former": verdict}}
    rows = _misconceptions(Module(MODULE, [row], verdicts, []))
    assert {(row["exercise"], row["key"]) for row in rows} == {
        ("n_correct", "former"),
        ("former", "former"),
    }
    assert {row["what should hold"] for row in rows} == {
        "This version of the course has no message of that name."
    }


def test_figures_have_the_lengths_they_say():
    counts = {"a": {"correct": 3, "not yet": 2}, "b": {"raised": 4, "not attempted": 1}}
    ax = figures.outcomes(counts)
    assert [bar.get_width() for bar in ax.patches if bar.get_width()] == [3, 2, 4, 1]
    assert [text.get_text() for text in ax.get_legend().texts] == list(figures.OUTCOMES)
    ax = figures.distribution([0, 2, 2, 2.5, 7], 7)
    heights = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in ax.patches}
    assert heights == {0: 1, 2: 3, 7: 1}
    ax = figures.frequencies({"x": 5, "y": 2})
    assert [bar.get_width() for bar in ax.patches] == [5, 2]
    assert all(axes.get_xlabel() for axes in (ax, figures.outcomes(counts)))
