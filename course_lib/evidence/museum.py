"""The bug museum: every classic bug of the course as two lines, with what it cost here.

The costs are in the results file; a bug whose cost nobody measured has no place in a museum.
"""

from html import escape
from typing import NamedTuple

from course_lib.evidence.results import numbers


class Bug(NamedTuple):
    """A bug, the module that reproduces it, its two lines, and the number that says its cost.

    ``diff`` has a line for each step, beginning with "- " (the bug), "+ " (mended) or two blanks.
    ``reads`` says what the number under ``key`` is.
    """

    module: str
    name: str
    diff: str
    key: str
    reads: str


BUGS = (
    Bug(
        "00",
        "1.96 with five seeds",
        "- half = 1.96 * standard_error\n+ half = stats.t.ppf(0.975, df=4) * standard_error",
        "coverage.z",
        "of the intervals hold the truth; 95 % were promised",
    ),
    Bug(
        "00",
        "the best of 25 checkpoints, reported on the data that chose it",
        "- report(max(accuracy(model, val) for model in checkpoints))\n"
        "+ report(accuracy(best_on_val, test))",
        "best_of_many.reported",
        "reported for models that are right on 95 %",
    ),
    Bug(
        "01",
        "frozen, but batch-norm moves",
        "  backbone.requires_grad_(False)\n- model.train()\n+ model.train(); backbone.eval()",
        "bugs.batchnorm.cost",
        "with the same head training, 5 labels per class",
    ),
)


class Museum(list):
    """Exhibits (dicts) that a notebook shows with their lines; elsewhere a text."""

    def _repr_html_(self) -> str:
        return "".join(
            f"<section><h4>{escape(bug['module'])} · {escape(bug['bug'])}</h4>"
            f"<pre>{_coloured(bug['diff'])}</pre><p>{escape(bug['cost'])}</p></section>"
            for bug in self
        )

    def __repr__(self) -> str:
        return "\n\n".join(
            f"{bug['module']} · {bug['bug']}\n{bug['diff']}\n{bug['cost']}" for bug in self
        )


def exhibits() -> Museum:
    """Return all bugs in the order of the course: ``module``, ``bug``, ``diff``, ``cost``.

    Shown as the last line of a cell, each is two coloured lines and a sentence.
    """
    measured = numbers()
    return Museum(
        {
            "module": bug.module,
            "bug": bug.name,
            "diff": bug.diff,
            "cost": f"{measured[bug.key]['text']} {bug.reads}.",
        }
        for bug in BUGS
    )


def _coloured(diff: str) -> str:
    """Return the lines as HTML. The sign at the beginning says what the colour says."""
    tags = {"-": ("<del style='text-decoration:none;color:#C04F00'>", "</del>"),
            "+": ("<ins style='text-decoration:none;color:#00795A'>", "</ins>")}  # fmt: skip
    lines = []
    for line in diff.splitlines():
        before, after = tags.get(line[:1], ("", ""))
        lines.append(f"{before}{escape(line)}{after}")
    return "\n".join(lines)
