"""What learners read: complete, reachable, kind, and never the solution."""

import ast
import inspect
import math
import re
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from textwrap import indent

import numpy
import pytest
import scipy.stats
import torch

from course_lib import checks
from course_lib.checks import run
from course_lib.checks.exercises import EXERCISES
from course_lib.checks.messages import common
from course_lib.checks.verdict import hints_of, messages_of
from tests.answers import FILES, answers, expected

CHECKED = [row.id for row in EXERCISES.values() if row.solution]
SECTIONS = sorted({EXERCISES[exercise].section for exercise in CHECKED})


def _messages(section: str):
    return import_module(f"course_lib.checks.messages.{section}")


def _named_in_the_catalogue(exercise: str) -> set[str]:
    return {expected(name, answer)[1] for name, answer in answers(exercise).items()}


@pytest.mark.parametrize("section", SECTIONS)
def test_messages_and_hints_cover_the_exercises_of_the_module(section: str) -> None:
    exercises = {exercise for exercise in CHECKED if EXERCISES[exercise].section == section}
    assert set(_messages(section).MESSAGES) == set(_messages(section).HINTS) == exercises


# Safety nets for mistakes that nobody thought of yet; an answer that falls into one belongs into
# the catalogue, with a message of its own.
NETS = {"linear_probe": {"strength"}, "freeze": {"rest"}}


@pytest.mark.parametrize("exercise", CHECKED)
def test_every_message_of_an_exercise_is_given_to_some_answer(exercise: str) -> None:
    own = set(_messages(EXERCISES[exercise].section).MESSAGES[exercise])
    assert own - NETS.get(exercise, set()) <= _named_in_the_catalogue(exercise)


def test_every_shared_message_is_given_to_some_answer() -> None:
    # "no answer" and "not plain" are about what no function in the catalogue can do.
    named = set().union(*(_named_in_the_catalogue(exercise) for exercise in FILES))
    assert set(common.MESSAGES) - {"no answer", "not plain"} <= named


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_a_judge_writes_has_a_message(section: str) -> None:
    """Also the keys that no answer in the catalogue reaches."""
    path = Path(checks.__file__).parent / "judges" / f"{section}.py"
    keys = defaultdict(set)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            position = {"NotYet": 0, "refused": 1}.get(node.func.id)
            if position is not None and isinstance(node.args[position], ast.Constant):
                keys[section].add(node.args[position].value)
    known = {
        key
        for exercise in CHECKED
        if EXERCISES[exercise].section == section
        for key in messages_of(exercise)
    }
    assert keys[section]
    assert keys[section] <= known


@pytest.mark.parametrize("exercise", CHECKED)
def test_messages_are_short_and_kind(exercise: str) -> None:
    for key, message in messages_of(exercise).items():
        for text in message:
            assert 10 < len(text) < 400, key
            assert not re.search(r"\b(wrong|stupid|obviously|simply|just)\b", text, re.I), key
            assert text.count("`") % 2 == 0, key
            assert text[-1] in ".?!", key


def _statements(exercise: str) -> list[str]:
    """The library's solution, one statement a line, as Python itself would write it."""
    module, name = EXERCISES[exercise].solution.split(":")
    function = ast.parse(inspect.getsource(getattr(import_module(module), name))).body[0]
    return [ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.stmt)][2:]


@pytest.mark.parametrize("exercise", CHECKED)
def test_no_message_holds_a_line_of_the_solution(exercise: str) -> None:
    lines = [line for line in _statements(exercise) if len(line) > 20]
    for key, message in messages_of(exercise).items():
        assert not [line for line in lines if line in " ".join(message)], key


@pytest.mark.parametrize("exercise", CHECKED)
def test_hints_go_from_a_question_to_a_near_solution(exercise: str) -> None:
    question, pointer, near = hints_of(exercise)
    assert "?" in question
    assert "..." not in question + pointer
    assert len(question) < 400 > len(pointer) < len(near) * 3
    assert "..." in near, "a near-solution has gaps to fill"


@pytest.mark.parametrize("exercise", CHECKED)
def test_near_solution_does_not_pass_the_check(exercise: str) -> None:
    """Pasted as the body of the function, with its gaps, it must not be accepted."""
    near = hints_of(exercise)[2]
    module, name = EXERCISES[exercise].solution.split(":")
    parameters = inspect.signature(getattr(import_module(module), name)).parameters.values()
    names = ", ".join(p.name for p in parameters if p.kind != p.KEYWORD_ONLY)
    whole = re.search(rf"(def|class) {name}\(", near)
    source = near if whole else f"def {name}({names}):\n{indent(near, '    ')}"
    namespace = {"math": math, "np": numpy, "scipy": scipy, "torch": torch, "nn": torch.nn}
    try:
        exec(source, namespace)
    except SyntaxError:
        return
    assert not run.judge(exercise, run.in_process(namespace), seed=0).correct
