"""Episodes: sound, fair, repeatable; and many at once are the same as one after the other."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.fewshot.cosine import baseline_plus_plus, nearest_centroid
from course_lib.fewshot.episodes import (
    accuracies,
    episode_accuracies,
    sample_episode,
    sample_episodes,
)
from course_lib.fewshot.matching import matching_logits
from course_lib.fewshot.prototypes import prototype_logits

CLASSIFIERS = [prototype_logits, nearest_centroid, matching_logits, baseline_plus_plus]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def uneven_labels(seed):
    generator = rng(seed)
    names = torch.randperm(100, generator=generator)[:9] - 50
    labels = names.repeat_interleave(torch.tensor([1, 2, 3, 5, 5, 6, 8, 20, 40]))
    return labels[torch.randperm(len(labels), generator=generator)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2))
def test_an_episode_is_sound(seed, n_way, n_shot, n_query):
    labels = uneven_labels(seed)
    s_idx, s_y, q_idx, q_y = sample_episode(labels, n_way, n_shot, n_query, rng(seed))
    assert sorted(s_y.tolist()) == sorted(list(range(n_way)) * n_shot)
    assert sorted(q_y.tolist()) == sorted(list(range(n_way)) * n_query)
    together = s_idx.tolist() + q_idx.tolist()
    assert len(set(together)) == len(together)
    # One class, one label, on both sides.
    pairs = set(zip(labels[together].tolist(), s_y.tolist() + q_y.tolist(), strict=True))
    assert len(pairs) == n_way
    assert len({k for k, _ in pairs}) == len({y for _, y in pairs}) == n_way


def test_equal_states_give_equal_episodes_and_each_draw_moves_the_state():
    labels = uneven_labels(1)
    one, again = rng(3), rng(3)
    first = sample_episode(labels, 3, 2, 2, one)
    assert all(map(torch.equal, first, sample_episode(labels, 3, 2, 2, again)))
    assert not all(map(torch.equal, first, sample_episode(labels, 3, 2, 2, one)))
    before = torch.get_rng_state()
    sample_episode(labels, 3, 2, 2, one)
    assert torch.equal(before, torch.get_rng_state())


def test_classes_and_examples_come_by_equal_chances():
    labels, n = uneven_labels(2), 6000
    drawn = sample_episodes(labels, 3, 2, 3, n, rng(4))
    # Six classes have the five examples that are needed.
    ways = labels[drawn.support[:, ::2]]
    counts = torch.stack([(ways == k).sum() for k in labels.unique()])
    share = n * 3 / 6
    chosen = counts[counts > 0]
    assert len(chosen) == 6
    assert (chosen - share).abs().max() < 5 * math.sqrt(n / 4)
    k = max(labels.tolist(), key=labels.tolist().count)  # 40 examples
    members = (labels == k).nonzero().flatten()
    for side, per_class in ((drawn.support, 2), (drawn.query, 3)):
        used = torch.stack([(side == i).sum() for i in members])
        expected = counts.max() * 0 + share * per_class / 40
        assert (used - expected).abs().max() < 5.5 * math.sqrt(expected)


def test_many_at_once_are_sound_and_differ():
    labels = uneven_labels(5)
    drawn = sample_episodes(labels, 4, 2, 3, 200, rng(6))
    for s, q in zip(drawn.support, drawn.query, strict=True):
        assert len({*s.tolist(), *q.tolist()}) == 20
        by_class = labels[torch.cat([s.view(4, 2), q.view(4, 3)], 1)]
        assert (by_class == by_class[:, :1]).all()
        assert len(by_class[:, 0].unique()) == 4
    assert len({tuple(s.tolist()) for s in drawn.support}) > 190


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("n_shot", [1, 3])
def test_batched_episodes_equal_the_loop(classifier, n_shot):
    labels = torch.arange(12).repeat_interleave(8)
    features = torch.randn(12, 6, generator=rng(7))[labels]
    features += torch.randn(96, 6, generator=rng(8))
    drawn = sample_episodes(labels, 5, n_shot, 4, 23, rng(9))
    together = accuracies(features, drawn, classifier, at_once=10)  # a ragged last chunk
    for s, q, accuracy in zip(drawn.support, drawn.query, together, strict=True):
        logits = classifier(features[s], drawn.support_labels, features[q])
        alone = (logits.argmax(1) == drawn.query_labels).float().mean()
        # One query in twenty may be so close that rounding decides.
        assert (alone - accuracy).abs() < 0.051
    batch = classifier(features[drawn.support], drawn.support_labels, features[drawn.query])
    alone = classifier(features[drawn.support[3]], drawn.support_labels, features[drawn.query[3]])
    assert torch.allclose(batch[3], alone, atol=1e-4)
    assert 0.3 < together.mean() < 1


def test_accuracy_is_that_of_the_drawn_episodes():
    labels = torch.arange(6).repeat_interleave(5)
    features = torch.eye(6)[labels]  # every class its own direction: nothing can go wrong
    arguments = dict(n_way=4, n_shot=2, n_query=2, n_episodes=30)
    right = episode_accuracies(features, labels, nearest_centroid, **arguments, rng=rng())
    assert right.tolist() == [1.0] * 30
    against = episode_accuracies(
        features, labels, lambda *parts: -nearest_centroid(*parts), **arguments, rng=rng()
    )
    assert against.max() == 0


@pytest.mark.parametrize("shape", [(7, 2, 3), (2, 30, 11), (0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_what_cannot_be_drawn_is_refused_with_a_sentence(shape):
    with pytest.raises(ValueError, match=r"\.$"):
        sample_episode(uneven_labels(0), *shape, rng())


def test_exactly_enough_is_enough():
    labels = torch.tensor([4, 4, 9, 9, 9, -1])
    s_idx, _, q_idx, _ = sample_episode(labels, 2, 1, 1, rng())
    assert set(labels[s_idx].tolist()) == set(labels[q_idx].tolist()) == {4, 9}
