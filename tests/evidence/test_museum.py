"""Every exhibit has a measured cost, and its lines can be read."""

import re

from course_lib.checks.exercises import EXERCISES
from course_lib.evidence import museum, results
from tests.mini import ROOT

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


def statements(diff):
    """The signed statements of a diff, without comments and spacing: ["-a=b", "+c"]."""
    signed = [line for line in diff.splitlines() if line[0] in "+-"]
    return [
        line[0] + "".join(part.split("  #")[0].split())
        for line in signed
        for part in line[1:].split(";")
    ]


def prose():
    """Each module's number and its Markdown, without the comment signs."""
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        yield path.name[:2], "\n".join(line[2:] for line in lines if line.startswith("#"))


def test_every_diff_of_the_notebooks_is_exhibited():
    missing = []
    for module, text in prose():
        shown = {s for bug in museum.BUGS if bug.module == module for s in statements(bug.diff)}
        for diff in re.findall(r"^```diff\n(.*?)\n```", text, re.MULTILINE | re.DOTALL):
            if statements(diff)[0] not in shown:
                missing.append((module, diff))
    assert missing == []


def test_every_section_on_a_classic_bug_has_a_diff():
    found = 0
    for module, text in prose():
        for heading in re.finditer(r"^(#+) .*classic bug.*$", text, re.MULTILINE):
            after = text[heading.end() :]
            end = re.search(rf"^#{{1,{len(heading[1])}}} ", after, re.MULTILINE)
            assert "```diff" in after[: end.start() if end else None], (module, heading[0])
            found += 1
    assert found > 10


def test_what_an_exhibit_reads_names_the_score_that_was_taken():
    for bug in museum.BUGS:
        if bug.key.startswith("scenes.bugs.") and bug.key.endswith(".cost"):
            ap = any(name in bug.key for name in ("buffers", "twice", "unsorted"))
            assert bug.reads == ("of average precision" if ap else "of mIoU"), bug.name
