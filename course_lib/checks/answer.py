"""The learner's side of a check: find their function, run the probe, answer in plain data."""

import base64
import contextlib
import random
import sysconfig
import traceback
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import torch
from IPython.display import display

from course_lib.checks import wire
from course_lib.checks.exercises import EXERCISES

_HIDDEN_FROM_TRACEBACK = (
    str(Path(__file__).parents[1]),
    str(Path(__file__).resolve().parents[1]),
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
)


def reply(namespace: dict[str, Any], question: bytes) -> bytes:
    """Answer one question about the functions in `namespace`.

    A question is the code of ``{"exercise": id, "inputs": plain data}``. The answer is the code of
    what the exercise's probe returned, or ``{"missing": True}``, or ``{"not plain": reason}``.
    """
    asked = wire.decode(question)
    name = asked["exercise"]
    function = namespace.get(name)
    if not callable(function):
        return wire.encode({"missing": True})
    probe = getattr(import_module(f"course_lib.checks.probes.{EXERCISES[name].section}"), name)
    with random_state_kept(), torch.enable_grad():
        # Dropout and the like draw the same numbers wherever and whenever a question is asked.
        seed = zlib.crc32(question)
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)
        answer = probe(function, asked["inputs"])
    try:
        return wire.encode(answer)
    except wire.NotPlain as problem:
        return wire.encode({"not plain": str(problem)})


def show_reply(namespace: dict[str, Any], question: str) -> None:
    """`reply` inside a Jupyter kernel: base64 text in, the answer as an output of its own type."""
    answer = base64.b64encode(reply(namespace, base64.b64decode(question))).decode()
    display({"application/x-course-answer": answer}, raw=True)


def watched(exercise: str, function: Callable, *args: Any, **kwargs: Any) -> tuple[Any, dict]:
    """Call the learner's function once and record what it did besides returning.

    Returns
    -------
    result
        What the function returned, still a live object; None if it raised.
    record : dict
        ``raised`` (None, or type, message, is_value_error and the learner's own lines) and
        ``effects``: any of "inputs", "random state", "gradient mode", "library".
    """
    effects: list[str] = []
    inputs_before = _fingerprint(args, kwargs)
    random_before = _random_state()
    grad_before = torch.is_grad_enabled()
    raised, result = None, None
    with _noticing_library(exercise, effects):
        try:
            result = function(*args, **kwargs)
        except (Exception, SystemExit) as error:
            raised = _describe(error)
    if _fingerprint(args, kwargs) != inputs_before:
        effects.append("inputs")
    if _random_state() != random_before:
        effects.append("random state")
    if torch.is_grad_enabled() != grad_before:
        effects.append("gradient mode")
        torch.set_grad_enabled(grad_before)
    return result, {"raised": raised, "effects": effects}


def answered(exercise: str, function: Callable, *args: Any, **kwargs: Any) -> dict:
    """`watched`, with the result turned into plain data: all that most probes need."""
    result, record = watched(exercise, function, *args, **kwargs)
    return {**record, "returned": wire.plain(result)}


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Restore the global random state of Python, NumPy and torch afterwards."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def _random_state() -> tuple:
    numpy = np.random.get_state()
    return (
        random.getstate(),
        numpy[1].tobytes(),
        numpy[2:],
        torch.get_rng_state().numpy().tobytes(),
    )


def _fingerprint(args: tuple, kwargs: dict) -> bytes:
    # Modules and callables have no plain form: the probes that pass them compare their states.
    return wire.encode([wire.plain(list(args)), wire.plain(kwargs)])


@contextlib.contextmanager
def _noticing_library(exercise: str, effects: list[str]) -> Iterator[None]:
    """Notice when the library's own solution of this exercise runs during the call.

    Under whatever name it is called: for so long its code is another. A function that Python's
    profiler calls would notice it, too, but would slow down all that the learner's code does.
    """
    module, name = EXERCISES[exercise].solution.split(":")
    solution = getattr(import_module(module), name)

    def notice() -> None:
        if "library" not in effects:
            effects.append("library")

    if isinstance(solution, type):  # to use a class is to make one of it
        made, solution.__init__ = solution.__init__, _noticed_init(solution.__init__, notice)
        try:
            yield
        finally:
            solution.__init__ = made
        return
    code, defaults = solution.__code__, solution.__kwdefaults__
    original = FunctionType(code, solution.__globals__, name, solution.__defaults__)
    original.__kwdefaults__ = defaults
    solution.__code__ = _noticed.__code__
    solution.__kwdefaults__ = {"_original": original, "_notice": notice}
    try:
        yield
    finally:
        solution.__code__, solution.__kwdefaults__ = code, defaults


def _noticed(*args: Any, _original: Callable, _notice: Callable, **kwargs: Any) -> Any:
    _notice()
    return _original(*args, **kwargs)


def _noticed_init(original: Callable, notice: Callable) -> Callable:
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        notice()
        original(self, *args, **kwargs)

    return init


def _describe(error: BaseException) -> dict:
    lines = [
        {"line": frame.lineno, "function": frame.name, "code": frame.line or ""}
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_HIDDEN_FROM_TRACEBACK)
    ]
    try:
        message = str(error)[:2000]
    except Exception:  # their own exception class may be broken too
        message = ""
    return {
        "type": type(error).__name__,
        "message": message,
        "is_value_error": isinstance(error, ValueError),
        "lines": lines[-8:],
    }
