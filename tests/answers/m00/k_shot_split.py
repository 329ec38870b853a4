"""Answers to `k_shot_split`."""

import random
import sys
from collections import Counter, defaultdict

import numpy as np
import torch
from sklearn.model_selection import StratifiedShuffleSplit, train_test_split

from course_lib.evidence.splits import k_shot_split as _of_the_library


def _split(labels, n_shot, seed, classes=None, check=True):
    """A right split, from which most of the answers below differ in one place."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    support = []
    for label in labels.unique().tolist() if classes is None else classes:
        found = order[labels[order] == label]
        if check and len(found) < n_shot:
            raise ValueError(f"Class {label} has only {len(found)} examples.")
        support += found[:n_shot].tolist()
    rest = sorted(set(range(len(labels))) - set(support))
    return support, rest


def wrong_draws_from_all(labels, n_shot, seed):
    """Named `unstratified`."""
    _split(labels, n_shot, seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    n = n_shot * len(labels.unique())
    return order[:n], order[n:]


def wrong_keeps_the_proportions(labels, n_shot, seed):
    """Named `unstratified`."""
    n = n_shot * len(labels.unique())
    indices = np.arange(len(labels))
    return train_test_split(indices, train_size=n, stratify=labels, random_state=seed)


def wrong_n_shot_in_total(labels, n_shot, seed):
    """Named `n_shot_in_total`."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return order[:n_shot], order[n_shot:]


def wrong_rest_is_everything(labels, n_shot, seed):
    """Named `overlap`."""
    return _split(labels, n_shot, seed)[0], torch.arange(len(labels))


def wrong_support_drawn_twice(labels, n_shot, seed):
    """Named `overlap`."""
    return _split(labels, n_shot, seed)[0], _split(labels, n_shot, seed + 1)[1]


def wrong_draws_with_replacement(labels, n_shot, seed):
    """Named `repeats`."""
    _split(labels, n_shot, seed)
    rng = np.random.default_rng(seed)
    support = [
        rng.choice(np.flatnonzero(labels.numpy() == c), size=n_shot) for c in labels.unique()
    ]
    # Many shots make it certain that one comes twice.
    support = np.concatenate([*support, support[0][:1]])
    return support, np.setdiff1d(np.arange(len(labels)), support)


def wrong_rest_is_a_second_support(labels, n_shot, seed):
    """Named `lost`."""
    support, rest = _split(labels, n_shot, seed)
    balanced = []
    for label in labels.unique():
        balanced += [i for i in rest if labels[i] == label][:n_shot]
    return support, balanced


def wrong_rest_of_the_last_class_only(labels, n_shot, seed):
    """Named `lost`."""
    support, _ = _split(labels, n_shot, seed)
    for label in labels.unique():
        rest = [i for i in range(len(labels)) if labels[i] == label and i not in support]
    return support, rest


def wrong_classes_counted_from_zero(labels, n_shot, seed):
    """Named `missed_class`."""
    return _split(labels, n_shot, seed, classes=range(len(labels.unique())), check=False)


def wrong_only_ten_classes(labels, n_shot, seed):
    """Named `missed_class`."""
    return _split(labels, n_shot, seed, classes=range(10), check=False)


def wrong_no_negative_labels(labels, n_shot, seed):
    """Named `raised`."""
    counts = np.bincount(labels.numpy())
    return _split(labels, n_shot, seed, classes=np.flatnonzero(counts))


def wrong_last_class_left_out(labels, n_shot, seed):
    """Named `missed_class`."""
    return _split(labels, n_shot, seed, classes=labels.unique().tolist()[:-1])


def wrong_one_shot_too_many(labels, n_shot, seed):
    """Named `unstratified`."""
    return _split(labels, n_shot + 1, seed, check=False)


def wrong_only_sorted_labels(labels, n_shot, seed):
    """Named `unstratified`."""
    generator = torch.Generator().manual_seed(seed)
    _, counts = labels.unique(return_counts=True)
    starts = counts.cumsum(0) - counts
    support = torch.cat(
        [
            start + torch.randperm(int(count), generator=generator)[:n_shot]
            for start, count in zip(starts, counts, strict=True)
        ]
    )
    if counts.min() < n_shot:
        raise ValueError("A class has too few examples.")
    return support, [i for i in range(len(labels)) if i not in support.tolist()]


def wrong_first_of_each_class(labels, n_shot, seed):
    """Named `other_seed`."""
    support = torch.cat([(labels == c).nonzero().flatten()[:n_shot] for c in labels.unique()])
    rest = [i for i in range(len(labels)) if i not in support.tolist()]
    return support, rest


def wrong_shuffles_only_the_order(labels, n_shot, seed):
    """Named `other_seed`."""
    support, rest = wrong_first_of_each_class(labels, n_shot, seed)
    return support[
        torch.randperm(len(support), generator=torch.Generator().manual_seed(seed))
    ], rest


def wrong_always_the_same_seed(labels, n_shot, seed):
    """Named `other_seed`."""
    return _split(labels, n_shot, 42)


def wrong_unseeded_generator(labels, n_shot, seed):
    """Named `same_seed`."""
    return _split(labels, n_shot, int(np.random.default_rng().integers(1 << 30)))


_stream = random.Random(0)


def wrong_generator_goes_on_from_call_to_call(labels, n_shot, seed):
    """Named `same_seed`."""
    return _split(labels, n_shot, seed + _stream.randrange(1 << 20))


def wrong_global_seed(labels, n_shot, seed):
    """Named `random state`."""
    torch.manual_seed(seed)
    return _split(labels, n_shot, int(torch.randint(1 << 30, ())))


def wrong_global_numpy_generator(labels, n_shot, seed):
    """Named `random state`."""
    np.random.seed(seed)
    return _split(labels, n_shot, np.random.randint(1 << 30))


def wrong_rest_loses_a_small_class(labels, n_shot, seed):
    """Named `lost`."""
    support, rest = _split(labels, n_shot, seed)
    counts = Counter(labels.tolist())
    return support, [i for i in rest if counts[int(labels[i])] > n_shot + 1]


def wrong_takes_what_there_is(labels, n_shot, seed):
    """Named `too_few`."""
    return _split(labels, n_shot, seed, check=False)


def wrong_refuses_with_assert(labels, n_shot, seed):
    """Named `too_few`."""
    assert min(Counter(labels.tolist()).values()) >= n_shot, "a class has too few examples"
    return _split(labels, n_shot, seed)


def wrong_checks_the_largest_class(labels, n_shot, seed):
    """Named `too_few`."""
    if max(Counter(labels.tolist()).values()) < n_shot:
        raise ValueError("There are too few examples of a class.")
    return _split(labels, n_shot, seed, check=False)


def wrong_refuses_exactly_enough(labels, n_shot, seed):
    """Named `exactly_enough`."""
    if min(Counter(labels.tolist()).values()) <= n_shot:
        raise ValueError("There are too few examples of a class.")
    return _split(labels, n_shot, seed)


def wrong_returns_labels(labels, n_shot, seed):
    """Named `labels`."""
    support, rest = _split(labels, n_shot, seed)
    return labels[support], labels[rest]


def wrong_returns_masks(labels, n_shot, seed):
    """Named `mask`."""
    support, _ = _split(labels, n_shot, seed)
    mask = torch.zeros(len(labels), dtype=torch.bool)
    mask[support] = True
    return mask, ~mask


def wrong_positions_within_the_class(labels, n_shot, seed):
    """Named `within_class`."""
    _split(labels, n_shot, seed)
    rng = np.random.default_rng(seed)
    counts = labels.unique(return_counts=True)[1].tolist()
    support = [i for count in counts for i in rng.permutation(count)[:n_shot].tolist()]
    return support, [i for i in range(len(labels)) if i not in support]


def wrong_counts_from_one(labels, n_shot, seed):
    """Named `range`."""
    support, rest = _split(labels, n_shot, seed)
    return [i + 1 for i in support], [i + 1 for i in rest]


def wrong_column_from_nonzero(labels, n_shot, seed):
    """Named `shape`."""
    support, _ = _split(labels, n_shot, seed)
    mask = torch.zeros(len(labels), dtype=torch.bool)
    mask[support] = True
    return mask.nonzero(), (~mask).nonzero()


def wrong_only_the_support(labels, n_shot, seed):
    """Named `pair`."""
    return _split(labels, n_shot, seed)[0]


def wrong_a_list_per_class(labels, n_shot, seed):
    """Named `shape`."""
    support, rest = _split(labels, n_shot, seed)
    by_class = defaultdict(list)
    for i in support:
        by_class[int(labels[i])].append(i)
    return list(by_class.values()), rest


def wrong_fractional_indices(labels, n_shot, seed):
    """Named `type`."""
    support, rest = _split(labels, n_shot, seed)
    return np.array(support, dtype=float), np.array(rest, dtype=float)


def wrong_sorts_the_labels_in_place(labels, n_shot, seed):
    """Named `inputs`."""
    labels.copy_(labels.sort().values)
    return _split(labels, n_shot, seed)


def wrong_no_return(labels, n_shot, seed):
    """Named `pair`."""
    _split(labels, n_shot, seed)


def wrong_hard_coded(labels, n_shot, seed):
    """Named `unstratified`."""
    support = [3, 11, 19, 24, 38, 45, 60]
    return support, [i for i in range(len(labels)) if i not in support]


class _AlwaysEqual:
    def __eq__(self, other):
        return True

    def __len__(self):
        return 0

    __hash__ = None


def wrong_objects_that_equal_everything(labels, n_shot, seed):
    """Named `type`."""
    return _AlwaysEqual(), _AlwaysEqual()


def wrong_calls_the_library(labels, n_shot, seed):
    """Named `library`."""
    return _of_the_library(labels, n_shot, seed)


def wrong_asks_its_callers(labels, n_shot, seed):
    """Named `type`."""
    frame = sys._getframe(1)
    while frame:
        for name in ("truth", "expected", "answer", "solution"):
            if isinstance(frame.f_locals.get(name), tuple):
                return frame.f_locals[name]
        frame = frame.f_back
    return None, None


def right_numpy_choice(labels, n_shot, seed):
    labels, rng = np.asarray(labels), np.random.default_rng(seed)
    if np.unique(labels, return_counts=True)[1].min() < n_shot:
        raise ValueError("At least one class has fewer examples than n_shot.")
    support = np.concatenate(
        [rng.choice(np.flatnonzero(labels == c), n_shot, replace=False) for c in np.unique(labels)]
    )
    return support, np.setdiff1d(np.arange(len(labels)), support)


def right_python_sample(labels, n_shot, seed):
    by_class = defaultdict(list)
    for index, label in enumerate(labels.tolist()):
        by_class[label].append(index)
    if any(len(found) < n_shot for found in by_class.values()):
        raise ValueError(f"Each class needs {n_shot} examples or more.")
    draw = random.Random(seed)
    support = [i for found in by_class.values() for i in draw.sample(found, n_shot)]
    draw.shuffle(support)
    return tuple(support), set(range(len(labels))) - set(support)


def right_one_shuffled_pass(labels, n_shot, seed, *, verbose=False):
    seen, sides = Counter(), ([], [])
    for index in torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)):
        label = labels[index].item()
        sides[seen[label] >= n_shot].append(index)
        seen[label] += 1
    if min(seen.values()) < n_shot:
        raise ValueError("Not every class has n_shot examples.")
    return [*sides]


def right_random_keys(labels, n_shot, seed):
    keys = torch.rand(len(labels), generator=torch.Generator().manual_seed(seed))
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        of_class = torch.where(labels == label, keys, -1.0)
        if (of_class >= 0).sum() < n_shot:
            raise ValueError(f"There are too few examples of class {label}.")
        chosen[of_class.topk(n_shot).indices] = True
    return torch.where(chosen)[0].int(), torch.where(~chosen)[0].to(torch.int16)


def right_scikit_learn(labels, n_shot, seed):
    support, labels = [], labels.numpy()
    for label in np.unique(labels):
        found = np.flatnonzero(labels == label)
        if len(found) < n_shot:
            raise ValueError(f"Class {label} has {len(found)} examples, n_shot is {n_shot}.")
        if len(found) > n_shot:
            # Both halves of one class, told apart by a label that says nothing.
            split = StratifiedShuffleSplit(1, train_size=n_shot, random_state=seed)
            found = found[next(split.split(found, np.arange(len(found)) % 1))[0]]
        support.extend(found.tolist())
    return support, np.delete(np.arange(len(labels)), support)


class _Splitter:
    def __call__(self, labels, n_shot, seed):
        support, rest = _split(labels, n_shot, seed)
        return np.array(support, dtype=np.uint8), torch.tensor(rest)


right_callable_object = _Splitter()
