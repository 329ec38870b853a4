"""Every exhibit has a measured cost, and its lines can be read."""

import re

from course_lib.checks.exercises import EXERCISES
from course_lib.evidence import museum, results

MODULES = {row.module[:2] for row in EXERCISES.values()}


def test_every_bug_has_a_cost_that_was_measured():
    measured = results.numbers()
    missing = [bug.key for bug in museum.BUGS if bug.key not in measured]
    assert missing == []


def test_every_bug_has_its_module_two_lines_and_a_name_of_its_own():
    names = [bug.name for bug in museum.BUGS]
    assert len(set(names)) == len(names)
    for bug in museum.BUGS:
        assert bug.module in MODULES
        lines = bug.diff.splitlines()
        assert all(re.match(r"[-+ ] ", line) and len(line) <= 90 for line in lines), bug.name
        assert {line[0] for line in lines} >= {"-", "+"}, bug.name
    assert [bug.module for bug in museum.BUGS] == sorted(bug.module for bug in museum.BUGS)


def test_the_museum_shows_lines_and_costs_in_a_notebook_and_outside():
    shown = museum.exhibits()
    html, text = shown._repr_html_(), repr(shown)
    for bug, exhibit in zip(museum.BUGS, shown, strict=True):
        cost = results.numbers()[bug.key]["text"]
        assert cost in exhibit["cost"]
        assert cost in html
        assert bug.diff in text
    assert html.count("<del") == sum(
        line.startswith("-") for bug in museum.BUGS for line in bug.diff.splitlines()
    )
    assert html.count("<section>") == len(museum.BUGS)
