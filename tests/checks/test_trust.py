"""What ``tests/TRUST.md`` publishes still holds, and nothing in it gets worse unnoticed."""

import json

import pytest

from course_lib.checks.exercises import EXERCISES
from tests.answers import answers
from tests.answers.hostile import hostile
from tests.mutants import mutants, survived
from tests.mutants.same import SAME, SURVIVED
from tests.trust import FOUND, TABLE, answer_marks, mark, table

CHECKED = [row.id for row in EXERCISES.values() if row.solution]
LEAST = {"wrong": 1474, "hostile": 205, "right": 319, "mutants": 1012}
PUBLISHED = json.loads(FOUND.read_text(encoding="utf-8"))


def test_the_table_is_what_was_found_and_finds_nothing_wrong():
    assert TABLE.read_text(encoding="utf-8") == table(PUBLISHED)
    assert list(PUBLISHED) == CHECKED
    for exercise, row in PUBLISHED.items():
        bad = {key: row[key] for key in ("escapes", "misnamed", "false alarms")}
        assert not any(bad.values()), (exercise, bad)
        assert row["survived"] <= len(SURVIVED.get(exercise, {})), exercise


@pytest.mark.parametrize("exercise", CHECKED)
def test_what_is_published_was_measured_with_this_code(exercise: str) -> None:
    row = PUBLISHED[exercise]
    changed = [name for name, its in answer_marks(exercise).items() if its not in row["deserved"]]
    advice = "measure anew what has changed: python -m tests.trust"
    assert row["mark"] == mark(exercise), advice
    assert not changed, advice


def test_the_catalogue_and_the_mutants_have_not_shrunk():
    """Raise these figures when more is added; the table is made anew from what there is."""
    total = {key: sum(row[key] for row in PUBLISHED.values()) for key in LEAST}
    assert all(total[key] >= least for key, least in LEAST.items()), total
    assert sum(row["mutants"] - row["same"] for row in PUBLISHED.values()) >= 975


@pytest.mark.parametrize("exercise", CHECKED)
def test_no_answer_has_been_lost(exercise: str) -> None:
    row, names = PUBLISHED[exercise], list(answers(exercise))
    assert sum(name.startswith("wrong_") for name in names) >= row["wrong"]
    assert sum(name.startswith("right_") for name in names) >= row["right"]
    assert len(hostile(exercise)) >= row["hostile"]
    assert len(SAME.get(exercise, {})) <= row["same"]


@pytest.mark.slow
@pytest.mark.parametrize("exercise", CHECKED)
def test_every_mutant_is_caught_or_proved_to_be_the_same(exercise: str) -> None:
    made, same = mutants(exercise), SAME.get(exercise, {})
    listed = same | SURVIVED.get(exercise, {})
    assert set(listed) <= set(made), "same.py speaks of mutants that are no longer made"
    alive = [
        name
        for name, text in made.items()
        if name not in listed and survived(exercise, text, [0], hard=True)
    ]
    assert not alive
    caught = [name for name in same if not survived(exercise, made[name], [0, 1], hard=True)]
    assert not caught, "these are told apart after all: take them out of same.py"
