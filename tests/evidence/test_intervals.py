import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from course_lib.evidence.intervals import (
    episode_interval,
    mean_interval,
    paired_effect,
    transfer_gain,
)


@pytest.mark.parametrize("n", [2, 5, 30])
def test_agrees_with_scipys_paired_t_test(n):
    rng = np.random.default_rng(n)
    a = rng.normal(0.8, 0.1, n)
    b = a - 0.05 + rng.normal(0, 0.02, n)
    result = stats.ttest_rel(a, b)
    low, high = result.confidence_interval(0.95)
    assert paired_effect(a, b) == pytest.approx(((a - b).mean(), low, high), rel=1e-9)
    low, high = stats.ttest_1samp(a, 0).confidence_interval(0.95)
    assert mean_interval(a) == pytest.approx((a.mean(), low, high), rel=1e-9)


def test_five_seeds_cover_the_truth_as_often_as_promised():
    rng = np.random.default_rng(0)
    trials = 4000
    hits = 0
    for values in rng.normal(0.3, 1, (trials, 5)):
        _, low, high = mean_interval(values)
        hits += low <= 0.3 <= high
    # Binomial deviation .0034: z intervals (.884) and percentile bootstraps (.842) are far off.
    assert hits / trials == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    "kind",
    [list, np.array, torch.tensor, lambda v: torch.tensor(v, requires_grad=True),
     lambda v: torch.tensor(v, dtype=torch.bfloat16), lambda v: [torch.tensor(x) for x in v]],
)  # fmt: skip
def test_any_container_gives_plain_floats(kind):
    a, b = [0.5, 0.75, 1.0], [0.25, 0.25, 0.25]  # exact in every float type
    result = paired_effect(kind(a), kind(b))
    assert result == pytest.approx(mean_interval([0.25, 0.5, 0.75]), abs=1e-12)
    assert all(type(number) is float for number in result)


def test_lists_keep_their_precision():
    assert mean_interval([0.1, 0.2, 0.4])[0] == pytest.approx(0.7 / 3, abs=1e-15)


def test_pairs_matter():
    a, b = [0.1, 0.5, 0.9, 0.3], [0.0, 0.4, 0.8, 0.2]
    mean, low, high = paired_effect(a, b)
    assert (mean, low, high) == pytest.approx((0.1, 0.1, 0.1))
    assert paired_effect(a, b[::-1])[2] > 0.5
    assert paired_effect(b, a)[0] == pytest.approx(-mean)


@pytest.mark.parametrize(
    ("a", "b"),
    [([1.0], [2.0]), ([], []), ([1.0, 2.0], [1.0]), ([[1.0], [2.0]], [1.0, 2.0]),
     ([1.0, math.nan], [1.0, 2.0]), ([1.0, math.inf], [1.0, 2.0])],
)  # fmt: skip
def test_what_is_no_pair_of_results_is_refused(a, b):
    with pytest.raises(ValueError, match=r"\.$"):
        paired_effect(a, b)


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=8).flatmap(
        lambda a: st.tuples(st.just(a), st.lists(st.floats(0, 1), min_size=len(a), max_size=len(a)))
    )
)
def test_transfer_gain_is_the_paired_effect_with_a_verdict(pair):
    found, swapped = transfer_gain(*pair), transfer_gain(*reversed(pair))
    assert (found["gain"], found["low"], found["high"]) == paired_effect(*pair)
    opposite = {"helps": "hurts", "hurts": "helps", "undecided": "undecided"}
    assert swapped["verdict"] == opposite[found["verdict"]]
    if found["low"] <= 0 <= found["high"]:
        assert found["verdict"] == "undecided"


@pytest.mark.parametrize(
    ("transfer", "verdict"),
    [([0.75, 0.5], "helps"), ([0.5, 0.25], "undecided"), ([0.25, 0.0], "hurts")],
)
def test_equal_gains_have_no_width_and_zero_decides_nothing(transfer, verdict):
    found = transfer_gain(transfer, [0.5, 0.25])
    assert found["low"] == found["gain"] == found["high"]
    assert found["verdict"] == verdict


def test_episodes_are_the_unit():
    # Ten queries share a support set, and its luck. Intervals over episodes hold the truth.
    rng = np.random.default_rng(1)
    levels = rng.uniform(0.4, 1.0, (600, 120))
    hits = 0
    for of_episodes in levels:
        _, low, high = episode_interval(rng.binomial(10, of_episodes) / 10)
        hits += low <= 0.7 <= high
    assert hits / 600 == pytest.approx(0.95, abs=0.03)
    with pytest.raises(ValueError, match=r"\.$"):
        episode_interval(torch.tensor([0.5]))
