"""What a judge can say, and how a person reads it."""

import html
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Literal, NamedTuple

from course_lib.checks.exercises import EXERCISES

Outcome = Literal["correct", "not yet", "not attempted", "raised"]


class Message(NamedTuple):
    """What a learner reads when one property does not hold. Never contains the solution.

    `holds` is a statement that a right answer fulfils; `misconception` says what may have led to
    the difference; `next_step` says what to look at. Each may name fields in braces, filled in from
    the judge's numbers.
    """

    holds: str
    misconception: str
    next_step: str


class NotYet(Exception):
    """Raised by a judge: the property called `key` does not hold.

    `expected` and `seen` are short texts with numbers, shapes, units; `fields` fill the message.
    """

    def __init__(self, key: str, *, expected: str, seen: str, **fields: object) -> None:
        super().__init__(key)
        self.key, self.expected, self.seen, self.fields = key, expected, seen, fields


class NotAttempted(Exception):
    """The function is not there, or is still the stub."""


class CodeRaised(Exception):
    """The learner's function raised where it should have returned; carries the record."""

    def __init__(self, raised: dict) -> None:
        super().__init__(raised.get("message", ""))
        self.raised = raised


@dataclass(frozen=True)
class Verdict:
    """One outcome for one exercise, as plain texts."""

    exercise: str
    outcome: Outcome
    key: str = ""
    holds: str = ""
    expected: str = ""
    seen: str = ""
    misconception: str = ""
    next_step: str = ""
    lines: list[dict] = field(default_factory=list)

    @property
    def correct(self) -> bool:
        return self.outcome == "correct"

    def as_dict(self) -> dict:
        """Plain data, for ``--json`` and for storing."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """The labelled sentences to show, in order."""
        pairs = [
            ("What should hold", self.holds),
            ("Expected", self.expected),
            ("Seen", self.seen),
            ("Perhaps", self.misconception),
            ("Next", self.next_step),
        ]
        pairs[3:3] = [
            (f"Your line {row['line']}", row["code"] or f"in {row['function']}")
            for row in self.lines
        ]
        return [(label, text) for label, text in pairs if text]

    def headline(self) -> str:
        mark = {"correct": "✓", "not yet": "→", "not attempted": "○", "raised": "!"}[self.outcome]
        says = "your code raised" if self.outcome == "raised" else self.outcome
        return f"{mark} {self.exercise}: {says}"

    def as_text(self) -> str:
        lines = [self.headline()]
        lines += [f"  {label}: {text}" for label, text in self.rows()]
        return "\n".join(lines)

    def as_html(self) -> str:
        """A card; colours are a help, the words say everything (also without style sheets)."""
        colour = {
            "correct": "#009E73",
            "not yet": "#E69F00",
            "not attempted": "#7f7f7f",
            "raised": "#D55E00",
        }[self.outcome]
        rows = "".join(
            f"<tr><th style='text-align:left;vertical-align:top;white-space:nowrap;"
            f"padding:2px 12px 2px 0;font-weight:600'>{html.escape(label)}</th>"
            f"<td style='text-align:left;padding:2px 0'>{_code_aware(label, text)}</td></tr>"
            for label, text in self.rows()
        )
        return (
            f"<div role='status' class='course-verdict' data-outcome='{self.outcome}' "
            f"style='border-left:6px solid {colour};padding:6px 14px;margin:4px 0'>"
            f"<div style='font-weight:700'>{html.escape(self.headline())}</div>"
            f"<table style='border:0;margin:4px 0 0 0'>{rows}</table></div>"
        )


def _code_aware(label: str, text: str) -> str:
    if label.startswith("Your line"):
        return f"<code>{html.escape(text)}</code>"
    # text in back-quotes is code
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def messages_of(exercise: str) -> dict[str, Message]:
    """All messages of one exercise: those every exercise shares, and its own."""
    own = import_module(f"course_lib.checks.messages.{EXERCISES[exercise].section}")
    common = import_module("course_lib.checks.messages.common")
    return {**common.MESSAGES, **own.MESSAGES[exercise]}


def hints_of(exercise: str) -> tuple[str, str, str]:
    """The three staged hints: a question, a pointer, a near-solution."""
    return import_module(f"course_lib.checks.messages.{EXERCISES[exercise].section}").HINTS[
        exercise
    ]
