"""The instructor's guide says what the exercises, the notebooks and the checks say."""

import re

import pytest

from course_lib.checks.exercises import EXERCISES
from course_lib.checks.verdict import messages_of
from course_lib.notebooks.build import modules, read_source
from course_lib.notebooks.rebuild import read_notebook
from tests.mini import ROOT, cell_of

NOTEBOOKS = ROOT / "notebooks"
GUIDE = (NOTEBOOKS / "INSTRUCTORS.md").read_text(encoding="utf-8")
TEXTS = {name: (NOTEBOOKS / f"{name}.py").read_text("utf-8") for name in modules(NOTEBOOKS)}
MODULES = list(dict.fromkeys(row.module for row in EXERCISES.values()))


def rows(columns, text=GUIDE):
    """Cells of every table row with so many columns that begins with a number."""
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()]
    return [row for row in cells if len(row) == columns and re.match(r"\d", row[0])]


TABLE = {row[0][:2]: row for row in rows(7)}


def of_module(module):
    return [row for row in EXERCISES.values() if row.module == module]


@pytest.mark.parametrize("module", MODULES)
def test_points_minutes_and_answers_marked_by_hand_are_those_of_the_exercises(module):
    _, _, _, _, minutes, points, by_hand = TABLE[module[:2]]
    table = of_module(module)
    assert int(minutes) == sum(row.minutes for row in table if row.points)
    assert int(points) == sum(row.points for row in table)
    assert re.findall(r"`(\w+)`", by_hand) == [row.id for row in table if row.solution is None]


def test_optional_exercises_are_named_with_their_minutes():
    optional = [(row.id, str(row.minutes)) for row in EXERCISES.values() if not row.points]
    said = GUIDE.split("Two exercises carry no points")[1].split("Nobody")[0]
    assert re.findall(r"`(\w+)` in \d\d \((\d+) minutes\)", said) == optional


@pytest.mark.parametrize("module", TEXTS)
def test_a_module_takes_as_long_as_its_notebook_says(module):
    said = re.search(r"about (\d+) minutes", TEXTS[module])
    assert said
    assert said[1] == TABLE[module[:2]][3]


def test_module_00_and_the_guide_agree_on_what_needs_what():
    table = rows(3, re.sub(r"(?m)^# \| ", "| ", re.sub(r"\*", "", TEXTS["00_start_here"])))
    needs = {row[0][:2]: row[2] for row in table if re.match(r"\d\d ", row[0])}
    assert needs == {module: row[2] for module, row in TABLE.items() if module != "00"}


@pytest.mark.parametrize("weeks", ["Nine", "Six", "Four"])
def test_a_schedule_has_every_module_it_needs_and_adds_up(weeks):
    section = GUIDE.split(f"### {weeks} weeks")[1].split("###")[0]
    plan = [(row[1].split(", "), int(row[2])) for row in rows(3, section.split("A session")[0])]
    taught = [module for week, _ in plan for module in week]
    wanted = [m for m, row in TABLE.items() if weeks == "Nine" or row[1] == "core"]
    assert taught == wanted
    assert len(plan) == {"Nine": 9, "Six": 6, "Four": 4}[weeks]
    for week, minutes in plan:
        assert minutes == sum(int(TABLE[module][3]) for module in week)


def test_a_module_comes_after_what_it_needs():
    for module, row in TABLE.items():
        assert all(need < module for need in re.findall(r"\d\d", row[2]))


def test_every_misconception_is_one_that_a_check_names():
    named = re.findall(r"^\| (\d\d) \| .* \| `(\w+)\.(\w+)` \|$", GUIDE, re.M)
    assert {module for module, _, _ in named} == set(TABLE)
    for module, exercise, key in named:
        assert EXERCISES[exercise].module[:2] == module, exercise
        assert key in messages_of(exercise), f"{exercise}.{key}"


def test_three_viva_questions_for_each_module():
    viva = GUIDE.split("## Viva questions")[1].split("\n## ")[0]
    parts = re.split(r"### (\d\d)", viva)[1:]
    assert parts[::2] == list(TABLE)
    for questions in parts[1::2]:
        assert re.findall(r"^(\d)\. \*[^*]+\*", questions, re.M) == ["1", "2", "3"]


@pytest.mark.parametrize("answer", [row for row in EXERCISES.values() if row.solution is None])
def test_a_model_answer_keeps_its_limit_and_is_not_in_the_release(answer):
    module = answer.module
    assert f"`{answer.id}` | {module[:2]} | [{module}.py]({module}.py)" in GUIDE
    source = read_source(NOTEBOOKS / f"{module}.py")
    release = read_notebook(NOTEBOOKS / "release" / module / f"{module}.ipynb")
    model, given = (cell_of(notebook, answer.id).source for notebook in (source, release))
    limit = int(re.search(r"at most (\d+) words", answer.signature)[1])
    assert limit // 2 < len(model.split()) <= limit
    assert given == "*Your answer.*"
