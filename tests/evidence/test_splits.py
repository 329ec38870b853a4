from collections import Counter
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.evidence.splits import k_shot_split

LABELS = st.lists(st.sampled_from([-3, 0, 1, 7, 100]), min_size=1, max_size=60)


@given(labels=LABELS, n_shot=st.integers(1, 4), seed=st.integers(0, 2**31))
def test_exactly_n_shot_of_each_class_and_everything_once(labels, n_shot, seed):
    counts = Counter(labels)
    if min(counts.values()) < n_shot:
        with pytest.raises(ValueError, match="fewer than n_shot"):
            k_shot_split(torch.tensor(labels), n_shot, seed)
        return
    support, rest = k_shot_split(torch.tensor(labels), n_shot, seed)
    assert Counter(labels[i] for i in support) == dict.fromkeys(counts, n_shot)
    assert sorted([*support.tolist(), *rest.tolist()]) == list(range(len(labels)))


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=40), seed=st.integers(0, 1000))
def test_one_seed_one_split_and_a_larger_one_contains_it(labels, seed):
    most = min(Counter(labels).values())
    labels = torch.tensor(labels)
    splits = [k_shot_split(labels, n_shot, seed) for n_shot in range(1, most + 1)]
    again = k_shot_split(labels, most, seed)
    assert torch.equal(splits[-1][0], again[0])
    assert torch.equal(splits[-1][1], again[1])
    for (small, _), (large, _) in pairwise(splits):
        assert set(small.tolist()) < set(large.tolist())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_any_integer_type(dtype):
    labels = torch.tensor([5, 9, 5, 9, 200], dtype=dtype)
    support, rest = k_shot_split(labels, 1, 0)
    assert sorted(labels[support].tolist()) == [5, 9, 200]
    assert len(rest) == 2


def test_every_example_is_as_likely():
    labels = torch.arange(20) % 2
    chosen = torch.zeros(20)
    for seed in range(1000):
        chosen[k_shot_split(labels, 3, seed)[0]] += 1
    # Binomial(1000, 3/10): mean 300, deviation 14.5; five deviations to each side.
    assert chosen.min() > 300 - 73
    assert chosen.max() < 300 + 73


def test_the_whole_set_may_be_support_and_the_random_state_stays():
    random = torch.get_rng_state()
    support, rest = k_shot_split(torch.tensor([0, 1, 1, 0]), 2, 3)
    assert support.tolist() == [0, 1, 2, 3]
    assert rest.tolist() == []
    assert torch.equal(random, torch.get_rng_state())


def test_no_shot_at_all_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        k_shot_split(torch.tensor([0, 1]), 0, 0)
