"""How judges read answers: what counts as a number, a vector, a refusal; nothing breaks them."""

import math

import numpy as np
import pytest
import torch

from course_lib.checks import run, wire
from course_lib.checks.exercises import EXERCISES
from course_lib.checks.judges import reading
from course_lib.checks.verdict import CodeRaised, NotAttempted, NotYet

CHECKED = [row.id for row in EXERCISES.values() if row.solution]


def _travelled(value: object) -> object:
    """What a judge gets to see of a value that a learner's function returned."""
    return wire.decode(wire.encode(wire.plain(value)))


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        np.float32(0.5),
        np.float16(0.5),
        torch.tensor(0.5),
        np.array(0.5),
        torch.tensor(0.5).half(),
    ],
)
def test_number_takes_every_form_of_a_scalar(value: object) -> None:
    assert reading.number(_travelled(value)) == 0.5


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (None, "type"),
        ("0.5", "type"),
        (True, "type"),
        (torch.tensor(True), "type"),
        (torch.tensor([0.5]), "type"),
        ([0.5], "type"),
        (object(), "type"),
        (0.5 + 0j, "type"),
        (math.nan, "not finite"),
        (torch.tensor(math.inf), "not finite"),
    ],
)
def test_number_refuses_what_is_none(value: object, key: str) -> None:
    with pytest.raises(NotYet) as found:
        reading.number(_travelled(value))
    assert found.value.key == key


@pytest.mark.parametrize(
    "value",
    [
        [3, 1],
        (3, 1),
        np.array([3, 1], dtype=np.uint8),
        torch.tensor([3, 1], dtype=torch.int32),
        [torch.tensor(3), np.int64(1)],
        torch.tensor([[3, 0], [1, 0]])[:, 0],
    ],
)
def test_vector_takes_every_form_of_a_sequence(value: object) -> None:
    assert reading.vector(_travelled(value), expected="").tolist() == [3, 1]


@pytest.mark.parametrize("value", [[], (), np.array([]), torch.tensor([]), set(), range(0)])
def test_vector_may_be_empty(value: object) -> None:
    assert len(reading.vector(_travelled(value), expected="")) == 0


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (None, "type"),
        (3, "type"),
        ({"a": 1}, "type"),
        (["a"], "type"),
        ([[1, 2], [3]], "type"),
        (torch.tensor(3), "shape"),
        (torch.tensor([[3], [1]]), "shape"),
    ],
)
def test_vector_refuses_what_is_none(value: object, key: str) -> None:
    with pytest.raises(NotYet) as found:
        reading.vector(_travelled(value), expected="")
    assert found.value.key == key


def _raised(kind: str, message: str, is_value_error: bool) -> dict:
    return {"type": kind, "message": message, "is_value_error": is_value_error, "lines": []}


def test_refused_takes_only_a_value_error_with_a_sentence() -> None:
    reading.refused({"raised": _raised("ValueError", "no images at all", True)}, "k", expected="")
    reading.refused({"raised": _raised("Mine", "no images at all", True)}, "k", expected="")
    for raised in (
        None,
        _raised("ValueError", "", True),
        _raised("ValueError", "empty", True),
        _raised("RuntimeError", "no images at all", False),
    ):
        with pytest.raises(NotYet) as found:
            reading.refused({"raised": raised, "returned": 1.0}, "k", expected="")
        assert found.value.key == "k"
    for answer in ({"missing": True}, {"raised": _raised("NotImplementedError", "", False)}):
        with pytest.raises(NotAttempted):
            reading.refused(answer, "k", expected="")


def test_completed_names_an_error_before_a_side_effect() -> None:
    effects = ["gradient mode", "inputs"]
    with pytest.raises(CodeRaised):
        reading.completed({"raised": _raised("KeyError", "'a'", False), "effects": effects})
    with pytest.raises(NotYet) as found:
        reading.completed({"raised": None, "effects": effects})
    assert found.value.key == "inputs"
    answer = {"raised": None, "effects": [], "returned": 1}
    assert reading.completed(answer) is answer


def test_explained_names_a_formula_only_when_it_gives_every_round() -> None:
    def key(seen: list[float]) -> str:
        others = [("half", [1.0, 2.0]), ("double", [4.0, 8.0])]
        try:
            reading.explained(seen, [2.0, 4.0], others, tolerance=0.1, texts=["two", "four"])
        except NotYet as found:
            return found.key
        return "correct"

    assert key([2.0, 4.05]) == "correct"
    assert key([1.0, 2.0]) == "half"
    assert key([4.0, 8.0]) == "double"
    assert key([1.0, 8.0]) == "value"
    assert key([1.0, 1.0]) == "constant"


STRANGE = [
    None, True, -1, 10**12, math.nan, -math.inf, "text", [], {}, [None, None], [[], []], ["a", "b"],
    [1, 2, 3], [math.nan] * 3, [None, 1.0, "x"], [True, False], {"strength": None}, {"weight": "w"},
    torch.tensor(math.nan), torch.empty(0), torch.zeros(3, 0), torch.ones(2, 2, dtype=torch.bool),
    torch.zeros(3), torch.full((2, 3), math.inf), torch.tensor([[[1]]]), [torch.zeros(2, 2), 1],
    {"object of type": "Thing"}, [torch.tensor([1.5, 2.5]), torch.tensor([], dtype=torch.bool)],
]  # fmt: skip


@pytest.mark.parametrize("exercise", CHECKED)
@pytest.mark.parametrize("value", STRANGE, ids=range(len(STRANGE)))
def test_no_returned_value_breaks_a_judge(exercise: str, value: object) -> None:
    verdict = run.judge(exercise, run.in_process({exercise: lambda *_, **__: value}), seed=0)
    assert verdict.outcome == "not yet"
    assert verdict.as_text()
