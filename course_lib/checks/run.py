"""From an exercise's name to a verdict: the judge asks, somebody answers, in plain data."""

import secrets
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch

from course_lib.checks import wire
from course_lib.checks.answer import random_state_kept, reply
from course_lib.checks.exercises import EXERCISES
from course_lib.checks.messages import common
from course_lib.checks.verdict import CodeRaised, NotAttempted, NotYet, Verdict, messages_of
from course_lib.errors import CourseError

Channel = Callable[[bytes], bytes]
Ask = Callable[[dict], dict]


class NoAnswer(Exception):
    """Raised by a channel, with a sentence, when the learner's side does not answer."""


class _Answer(dict):
    """An answer; a part that a judge needs and that is not there is no answer, not a bug here."""

    def __missing__(self, key: str) -> None:
        raise NoAnswer(f"an answer without {key!r}")


def judge(
    exercise: str, channel: Channel, *, seed: int | None = None, hard: bool = False
) -> Verdict:
    """Judge one exercise over a channel to the learner's side.

    Parameters
    ----------
    exercise
        Its id, such as ``"freeze"``.
    channel
        Takes a question and returns the answer, both as `wire` bytes: `reply` in this process, or
        a process apart.
    seed
        Draws the random inputs; None takes a fresh one.
    hard
        The hidden tests: the same judge with more rounds, other shapes and hostile cases.
    """
    row = EXERCISES[exercise]
    try:
        judges = import_module(f"course_lib.checks.judges.{row.section}")
    except ModuleNotFoundError as error:
        raise CourseError("While a notebook is graded, checks run outside it, not here.") from error
    rng = torch.Generator().manual_seed(secrets.randbits(48) if seed is None else seed)

    def ask(inputs: dict) -> dict:
        answer = channel(wire.encode({"exercise": exercise, "inputs": inputs}))
        try:
            answer = wire.decode(answer)
        except wire.NotPlain as problem:
            raise NoAnswer(f"an answer that cannot be read: {problem}") from None
        if not isinstance(answer, dict):
            raise NoAnswer("an answer that is not a dict")
        return _Answer(answer)

    try:
        return _verdict(exercise, lambda: getattr(judges, exercise)(ask, rng, hard))
    except NoAnswer as silence:
        return _no_answer(exercise, str(silence))
    except CourseError:
        raise
    except Exception as error:
        # An answer is whatever a tampered process says: plain data, of any shape. Where a judge
        # stumbles over it nothing was shown to be right, and no other exercise may suffer.
        return _no_answer(exercise, f"an answer that makes no sense here ({type(error).__name__})")


def _verdict(exercise: str, judge: Callable[[], None]) -> Verdict:
    try:
        with random_state_kept():
            judge()
    except NotAttempted as stub:
        return Verdict(exercise, "not attempted", next_step=str(stub))
    except NotYet as found:
        message = messages_of(exercise)[found.key]
        texts = [text.format(**found.fields) for text in message]
        seen = found.seen[:_MAX_SEEN]
        return Verdict(exercise, "not yet", found.key, texts[0], found.expected, seen, *texts[1:])
    except CodeRaised as stop:
        raised = stop.raised
        return Verdict(
            exercise,
            "raised",
            key="raised",
            holds=common.RAISED.holds,
            seen=f"{raised['type']}: {raised['message']}"[:_MAX_SEEN],
            misconception=common.CAUSES.get(raised["type"], common.RAISED.misconception),
            next_step=common.RAISED.next_step,
            lines=[_line(row) for row in raised["lines"][-_MAX_LINES:]],
        )
    return Verdict(exercise, "correct")


_MAX_SEEN = 2_500  # characters
_MAX_LINES = 8


def _line(row: dict) -> dict:
    return {"line": int(row["line"])} | {name: str(row[name]) for name in ("function", "code")}


def _no_answer(exercise: str, seen: str) -> Verdict:
    message = messages_of(exercise)["no answer"]
    return Verdict(exercise, "not yet", "no answer", message[0], "an answer", seen, *message[1:])


def in_process(namespace: dict[str, Any]) -> Channel:
    """The channel of a notebook: both sides in this process, still over the codec."""
    return lambda question: reply(namespace, question)
