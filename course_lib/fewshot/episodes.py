"""Episodes: small classification tasks drawn from a labelled set (Vinyals et al. 2016).

An episode has ``n_way`` classes that its classifier has never been told about, ``n_shot`` labelled
examples of each (the support set) and ``n_query`` further ones to recognise (the query set).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn.functional import embedding  # features[s], only faster

Classifier = Callable[[Tensor, Tensor, Tensor], Tensor]
"""``(support (..., S, D), support_labels (S,), query (..., Q, D)) -> logits (..., Q, W)``."""


class Episodes(NamedTuple):
    """E episodes of one shape, as indices into the labelled set.

    Attributes
    ----------
    support, query : Tensor (E, S), Tensor (E, Q)
        Indices, grouped by class: n_shot, or n_query, of class 0, then of class 1, ...
    support_labels, query_labels : Tensor (S,), Tensor (Q,)
        Labels 0…n_way-1 within the episode; the same for all E.
    """

    support: Tensor
    support_labels: Tensor
    query: Tensor
    query_labels: Tensor


def sample_episode(
    labels: Tensor, n_way: int, n_shot: int, n_query: int, rng: Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw one episode.

    Parameters
    ----------
    labels : Tensor (N,)
        Any integers; gaps are fine.
    n_way, n_shot, n_query
        Classes, and support and query examples of each class; all at least 1.
    rng
        The only source of randomness: equal states give equal episodes.

    Returns
    -------
    s_idx, s_y, q_idx, q_y : Tensor (n_way * n_shot,) twice, Tensor (n_way * n_query,) twice
        Indices into ``labels`` and labels 0…n_way-1, the same on both sides. No index occurs twice.

    Raises
    ------
    ValueError
        If fewer than ``n_way`` classes have ``n_shot + n_query`` examples.
    """
    support, s_y, query, q_y = sample_episodes(labels, n_way, n_shot, n_query, 1, rng)
    return support[0], s_y, query[0], q_y


def sample_episodes(
    labels: Tensor, n_way: int, n_shot: int, n_query: int, n_episodes: int, rng: Generator
) -> Episodes:
    """Draw many episodes at once, without a loop over them; see `sample_episode`."""
    if min(n_way, n_shot, n_query, n_episodes) < 1:
        raise ValueError("An episode needs at least one class, one support and one query example.")
    members, sizes = _members(labels, n_shot + n_query)
    if len(members) < n_way:
        raise ValueError(
            f"A {n_way}-way episode with {n_shot} support and {n_query} query examples per class "
            f"needs {n_way} classes of {n_shot + n_query} or more; there are {len(members)}."
        )
    ways = _draw(torch.full((n_episodes,), len(members)), n_way, rng)
    places = _draw(sizes[ways], n_shot + n_query, rng)
    chosen = members[ways[..., None], places]
    y = torch.arange(n_way)
    return Episodes(
        chosen[..., :n_shot].flatten(1),
        y.repeat_interleave(n_shot),
        chosen[..., n_shot:].flatten(1),
        y.repeat_interleave(n_query),
    )


def episode_accuracies(
    features: Tensor,
    labels: Tensor,
    classifier: Classifier,
    *,
    n_way: int,
    n_shot: int,
    n_query: int,
    n_episodes: int,
    rng: Generator,
    at_once: int | None = None,
) -> Tensor:
    """Return the accuracy of a classifier in each of many episodes on cached features.

    The backbone has run once, before; an episode is then a few rows of ``features``.

    Parameters
    ----------
    features : Tensor (N, D)
    labels : Tensor (N,)
    classifier
        Such as `prototypes.prototype_logits`.
    at_once
        Episodes per tensor operation: changes speed and memory only. (All are drawn at once.)
        None: as many as have about 1,600 images together, whose features fit a core's cache.

    Returns
    -------
    Tensor (n_episodes,)
        In [0, 1]; what `course_lib.evidence.intervals.episode_interval` takes.
    """
    drawn = sample_episodes(labels, n_way, n_shot, n_query, n_episodes, rng)
    return accuracies(features, drawn, classifier, at_once)


def accuracies(
    features: Tensor, episodes: Episodes, classifier: Classifier, at_once: int | None = None
) -> Tensor:
    """Return the accuracy in each of the given episodes (E,); so two classifiers can be paired."""
    support, support_labels, query, query_labels = episodes
    at_once = at_once or max(1, 1600 // (support.shape[1] + query.shape[1]))
    right = [
        classifier(embedding(s, features), support_labels, embedding(q, features)).argmax(-1)
        == query_labels
        for s, q in zip(support.split(at_once), query.split(at_once), strict=True)
    ]
    return torch.cat(right).float().mean(1)


def _draw(sizes: Tensor, n: int, rng: Generator) -> Tensor:
    """Draw n of the numbers below each size, in random order, without replacement: (..., n).

    The first n steps of a Fisher-Yates shuffle, taken by all draws together.
    """
    order = torch.arange(int(sizes.max())).repeat(*sizes.shape, 1)
    steps = torch.rand(n, *sizes.shape, generator=rng, dtype=torch.float64)
    for i in range(n):
        other = i + (steps[i] * (sizes - i)).long()[..., None]
        picked, mine = order.gather(-1, other), order[..., i : i + 1].clone()
        order.scatter_(-1, other, mine)[..., i : i + 1] = picked
    return order[..., :n]


def _members(labels: Tensor, at_least: int) -> tuple[Tensor, Tensor]:
    """Return the indices of each large enough class (C, largest), padded, and the sizes (C,)."""
    labels = torch.as_tensor(labels)
    order = labels.argsort()
    _, sizes = labels[order].unique_consecutive(return_counts=True)
    place = torch.arange(len(order)) - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    members = torch.zeros(len(sizes), max(sizes.tolist(), default=0), dtype=torch.int64)
    members[torch.arange(len(sizes)).repeat_interleave(sizes), place] = order
    large = sizes >= at_least
    return members[large], sizes[large]
