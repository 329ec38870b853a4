import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.evidence.speed import time_to_target


def rows(accuracies, every=10):
    return [
        {"step": every * (i + 1), "train_accuracy": 1.0, "val_accuracy": accuracy}
        for i, accuracy in enumerate(accuracies)
    ]


@given(st.lists(st.sampled_from([0.1, 0.5, 0.7, 0.9, math.nan]), max_size=12))
def test_agrees_with_a_loop(accuracies):
    expected = math.inf
    for i, accuracy in enumerate(accuracies):
        if accuracy >= 0.7 and expected == math.inf:
            expected = 10 * (i + 1)
    assert time_to_target(rows(accuracies), 0.7) == expected


def test_a_dip_afterwards_changes_nothing_and_exactly_the_target_is_enough():
    assert time_to_target(rows([0.2, 0.7, 0.3, 0.9]), 0.7) == 20


def test_training_accuracy_does_not_count():
    assert time_to_target(rows([0.2, 0.3]), 0.5) == math.inf


@pytest.mark.parametrize("step", [7, 7.0])
def test_returns_a_float(step):
    assert type(time_to_target([{"step": step, "val_accuracy": 1.0}], 1.0)) is float
