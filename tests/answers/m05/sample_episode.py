"""Answers to `sample_episode`."""

import random

import numpy as np
import torch

from course_lib.fewshot.episodes import sample_episode as _of_the_library


def _large(labels, need):
    classes, counts = labels.unique(return_counts=True)
    return classes[counts >= need]


def _ways(labels, n_way, need, rng):
    classes = _large(labels, need)
    if len(classes) < n_way:
        raise ValueError(f"There are only {len(classes)} classes with {need} examples.")
    return classes[torch.randperm(len(classes), generator=rng)[:n_way]]


def _shuffled(labels, k, rng):
    members = (labels == k).nonzero().flatten()
    return members[torch.randperm(len(members), generator=rng)]


def _episode(labels, n_way, n_shot, n_query, rng, ways=None):
    ways = _ways(labels, n_way, n_shot + n_query, rng) if ways is None else ways
    drawn = torch.stack([_shuffled(labels, k, rng)[: n_shot + n_query] for k in ways])
    y = torch.arange(n_way)
    return (
        drawn[:, :n_shot].flatten(),
        y.repeat_interleave(n_shot),
        drawn[:, n_shot:].flatten(),
        y.repeat_interleave(n_query),
    )


def wrong_two_draws_overlap(labels, n_way, n_shot, n_query, rng):
    """Named `overlap`."""
    ways = _ways(labels, n_way, n_shot + n_query, rng)
    s = torch.cat([_shuffled(labels, k, rng)[:n_shot] for k in ways])
    q = torch.cat([_shuffled(labels, k, rng)[:n_query] for k in ways])
    y = torch.arange(n_way)
    return s, y.repeat_interleave(n_shot), q, y.repeat_interleave(n_query)


def wrong_queries_begin_with_the_support(labels, n_way, n_shot, n_query, rng):
    """Named `overlap`."""
    ways = _ways(labels, n_way, n_shot + n_query, rng)
    drawn = [_shuffled(labels, k, rng) for k in ways]
    s, q = (torch.cat([d[:n] for d in drawn]) for n in (n_shot, n_query))
    y = torch.arange(n_way)
    return s, y.repeat_interleave(n_shot), q, y.repeat_interleave(n_query)


def wrong_original_labels(labels, n_way, n_shot, n_query, rng):
    """Named `not_relabelled`."""
    s, _, q, _ = _episode(labels, n_way, n_shot, n_query, rng)
    return s, labels[s], q, labels[q]


def wrong_labels_from_one(labels, n_way, n_shot, n_query, rng):
    """Named `label_range`."""
    s, s_y, q, q_y = _episode(labels, n_way, n_shot, n_query, rng)
    return s, s_y + 1, q, q_y + 1


def wrong_each_side_numbered_by_itself(labels, n_way, n_shot, n_query, rng):
    """Named `two_mappings`."""
    s, s_y, q, _ = _episode(labels, n_way, n_shot, n_query, rng)
    ranks = {k: i for i, k in enumerate(sorted(set(labels[q].tolist())))}
    ranks = {k: (i + 1) % n_way for k, i in ranks.items()}
    order = {int(labels[i]): int(y) for i, y in zip(s, s_y, strict=True)}
    if ranks == order:
        ranks = {k: (i + 1) % n_way for k, i in ranks.items()}
    return s, s_y, q, torch.tensor([ranks[int(k)] for k in labels[q]])


def wrong_support_and_query_labels_in_opposite_order(labels, n_way, n_shot, n_query, rng):
    """Named `two_mappings`."""
    s, s_y, q, q_y = _episode(labels, n_way, n_shot, n_query, rng)
    return s, s_y, q, n_way - 1 - q_y


def wrong_labels_go_round(labels, n_way, n_shot, n_query, rng):
    """Named `out_of_step`."""
    s, _, q, _ = _episode(labels, n_way, n_shot, n_query, rng)
    y = torch.arange(n_way)
    return s, y.repeat(n_shot), q, y.repeat(n_query)


def wrong_indices_shuffled_afterwards(labels, n_way, n_shot, n_query, rng):
    """Named `out_of_step`."""
    s, s_y, q, q_y = _episode(labels, n_way, n_shot, n_query, rng)
    return s.flip(0), s_y, q.roll(1), q_y


def wrong_n_query_in_total(labels, n_way, n_shot, n_query, rng):
    """Named `in_total`."""
    s, s_y, q, q_y = _episode(labels, n_way, n_shot, n_query, rng)
    keep = torch.randperm(len(q), generator=rng)[:n_query]
    return s, s_y, q[keep], q_y[keep]


def wrong_shots_and_queries_exchanged(labels, n_way, n_shot, n_query, rng):
    """Named `sizes`."""
    q, q_y, s, s_y = _episode(labels, n_way, n_shot, n_query, rng)
    return s, s_y, q, q_y


def wrong_everything_else_is_a_query(labels, n_way, n_shot, n_query, rng):
    """Named `sizes`."""
    ways = _ways(labels, n_way, n_shot + n_query, rng)
    drawn = [_shuffled(labels, k, rng) for k in ways]
    s_y = torch.arange(n_way).repeat_interleave(n_shot)
    q_y = torch.cat([torch.full((len(d) - n_shot,), i) for i, d in enumerate(drawn)])
    return torch.cat([d[:n_shot] for d in drawn]), s_y, torch.cat([d[n_shot:] for d in drawn]), q_y


def wrong_from_all_examples_of_the_chosen_classes(labels, n_way, n_shot, n_query, rng):
    """Named `unbalanced`."""
    ways = _ways(labels, n_way, n_shot + n_query, rng)
    while True:  # not balanced by chance, or this would be a right answer now and then
        members = torch.isin(labels, ways).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=rng)]
        s = members[: n_way * n_shot]
        if len({int((labels[s] == k).sum()) for k in ways}) > 1:
            break
    q = members[n_way * n_shot : n_way * (n_shot + n_query)]
    new = {int(k): i for i, k in enumerate(ways)}
    s_y, q_y = (torch.tensor([new[int(k)] for k in labels[side]]) for side in (s, q))
    return s, s_y, q, q_y


def wrong_with_replacement(labels, n_way, n_shot, n_query, rng):
    """Named `repeats`."""
    ways = _ways(labels, n_way, n_shot + n_query, rng)
    s, q = [], []
    for k in ways:
        members = (labels == k).nonzero().flatten()
        halves = members[: len(members) // 2], members[len(members) // 2 :]
        for side, half, n in zip((s, q), halves, (n_shot, n_query), strict=True):
            place = torch.randint(len(half), (n,), generator=rng)
            place[-1] = place[0]  # else by chance, in most episodes
            side.append(half[place])
    y = torch.arange(n_way)
    s, q = torch.cat(s), torch.cat(q)
    return s, y.repeat_interleave(n_shot), q, y.repeat_interleave(n_query)


def wrong_places_within_the_class(labels, n_way, n_shot, n_query, rng):
    """Named `repeats`."""
    ways = _ways(labels, n_way, n_shot + n_query, rng)
    drawn = torch.stack(
        [torch.arange(int((labels == k).sum()))[: n_shot + n_query] for k in ways]
    )  # positions in the class, not in labels
    y = torch.arange(n_way)
    return (
        drawn[:, :n_shot].flatten(),
        y.repeat_interleave(n_shot),
        drawn[:, n_shot:].flatten(),
        y.repeat_interleave(n_query),
    )


def wrong_numbers_of_classes_for_their_names(labels, n_way, n_shot, n_query, rng):
    """Named `sizes`."""
    classes = _large(labels, n_shot + n_query)
    if len(classes) < n_way:
        raise ValueError("There are too few classes with enough examples.")
    ways = torch.randperm(len(classes), generator=rng)[:n_way]  # right if they are named 0, 1, 2
    drawn = [_shuffled(labels, k, rng) for k in ways]
    y = torch.arange(n_way)
    s, q = (
        torch.cat([d[a:b] for d in drawn]) for a, b in ((0, n_shot), (n_shot, n_shot + n_query))
    )
    return s, y.repeat_interleave(n_shot), q, y.repeat_interleave(n_query)


def wrong_one_beyond_the_end(labels, n_way, n_shot, n_query, rng):
    """Named `range`."""
    s, s_y, q, q_y = _episode(labels, n_way, n_shot, n_query, rng)
    return s, s_y, q + len(labels), q_y


def wrong_any_class(labels, n_way, n_shot, n_query, rng):
    """Named `small_class`."""
    classes, counts = labels.unique(return_counts=True)
    ways = classes[counts.argsort()[:n_way]]  # a small one is bound to be drawn sooner or later
    if (counts >= n_shot + n_query).sum() < n_way:
        raise ValueError("There are too few classes with enough examples.")
    drawn = []
    for k in ways:
        order = _shuffled(labels, k, rng)
        spare = torch.randperm(len(labels), generator=rng)
        taken = torch.cat(drawn) if drawn else torch.empty(0, dtype=torch.int64)
        spare = spare[~torch.isin(spare, taken) & ~torch.isin(labels[spare], ways)]
        drawn.append(torch.cat([order, spare])[: n_shot + n_query])
    drawn = torch.stack(drawn)
    y = torch.arange(n_way)
    return (
        drawn[:, :n_shot].flatten(),
        y.repeat_interleave(n_shot),
        drawn[:, n_shot:].flatten(),
        y.repeat_interleave(n_query),
    )


def wrong_one_more_than_needed(labels, n_way, n_shot, n_query, rng):
    """Named `exact_class`."""
    need = n_shot + n_query
    if len(_large(labels, need)) == n_way:
        return _episode(labels, n_way, n_shot, n_query, rng)
    return _episode(labels, n_way, n_shot, n_query, rng, _ways(labels, n_way, need + 1, rng))


def wrong_refuses_exactly_enough(labels, n_way, n_shot, n_query, rng):
    """Named `exactly_enough`."""
    if len(_large(labels, n_shot + n_query)) <= n_way:
        raise ValueError("There are too few classes with enough examples.")
    return _episode(labels, n_way, n_shot, n_query, rng)


def wrong_first_classes(labels, n_way, n_shot, n_query, rng):
    """Named `same_classes`."""
    classes = _large(labels, n_shot + n_query)
    if len(classes) < n_way:
        raise ValueError("There are too few classes with enough examples.")
    return _episode(labels, n_way, n_shot, n_query, rng, classes[:n_way])


def wrong_classes_by_their_examples(labels, n_way, n_shot, n_query, rng):
    """Named `class_chances`."""
    classes = _large(labels, n_shot + n_query)
    if len(classes) < n_way:
        raise ValueError("There are too few classes with enough examples.")
    members = labels[torch.isin(labels, classes)]
    order = members[torch.randperm(len(members), generator=rng)].tolist()
    ways = torch.tensor(list(dict.fromkeys(order))[:n_way])
    return _episode(labels, n_way, n_shot, n_query, rng, ways)


def wrong_classes_next_to_each_other(labels, n_way, n_shot, n_query, rng):
    """Named `class_chances`."""
    classes = _large(labels, n_shot + n_query)
    if len(classes) < n_way:
        raise ValueError("There are too few classes with enough examples.")
    first = int(torch.randint(len(classes) - n_way + 1, (), generator=rng))
    return _episode(labels, n_way, n_shot, n_query, rng, classes[first : first + n_way])


def wrong_first_examples(labels, n_way, n_shot, n_query, rng):
    """Named `example_chances`."""
    ways = _ways(labels, n_way, n_shot + n_query, rng)
    drawn = torch.stack([(labels == k).nonzero().flatten()[: n_shot + n_query] for k in ways])
    y = torch.arange(n_way)
    return (
        drawn[:, :n_shot].flatten(),
        y.repeat_interleave(n_shot),
        drawn[:, n_shot:].flatten(),
        y.repeat_interleave(n_query),
    )


def wrong_support_before_the_queries(labels, n_way, n_shot, n_query, rng):
    """Named `example_chances`."""
    s, s_y, q, q_y = _episode(labels, n_way, n_shot, n_query, rng)
    both = torch.cat([s.view(n_way, -1), q.view(n_way, -1)], 1).sort(1).values
    return both[:, :n_shot].flatten(), s_y, both[:, n_shot:].flatten(), q_y


def wrong_fresh_entropy(labels, n_way, n_shot, n_query, rng):
    """Named `same_state`."""
    own = torch.Generator()
    own.seed()
    return _episode(labels, n_way, n_shot, n_query, own)


def wrong_seed_of_the_generator(labels, n_way, n_shot, n_query, rng):
    """Named `no_progress`."""
    own = torch.Generator().manual_seed(rng.initial_seed())
    return _episode(labels, n_way, n_shot, n_query, own)


def wrong_fixed_seed(labels, n_way, n_shot, n_query, rng):
    """Named `no_progress`."""
    return _episode(labels, n_way, n_shot, n_query, torch.Generator().manual_seed(0))


def wrong_global_torch(labels, n_way, n_shot, n_query, rng):
    """Named `random state`."""
    return _episode(labels, n_way, n_shot, n_query, None)


def wrong_global_random(labels, n_way, n_shot, n_query, rng):
    """Named `random state`."""
    s, s_y, q, q_y = _episode(labels, n_way, n_shot, n_query, rng)
    order = random.sample(range(len(s)), len(s))
    return s[order], s_y[order], q, q_y


def wrong_pairs(labels, n_way, n_shot, n_query, rng):
    """Named `four`."""
    s, s_y, q, q_y = _episode(labels, n_way, n_shot, n_query, rng)
    return (s, s_y), (q, q_y)


def wrong_masks(labels, n_way, n_shot, n_query, rng):
    """Named `type`."""
    s, s_y, q, q_y = _episode(labels, n_way, n_shot, n_query, rng)
    masks = torch.zeros(2, len(labels), dtype=torch.bool)
    masks[0, s], masks[1, q] = True, True
    return masks[0], s_y, masks[1], q_y


def wrong_tables(labels, n_way, n_shot, n_query, rng):
    """Named `shape`."""
    s, s_y, q, q_y = _episode(labels, n_way, n_shot, n_query, rng)
    return s.view(n_way, -1), s_y, q.view(n_way, -1), q_y


def wrong_fewer_ways_without_a_word(labels, n_way, n_shot, n_query, rng):
    """Named `too_few`."""
    classes = _large(labels, n_shot + n_query)
    n_way = min(n_way, len(classes))
    return _episode(labels, n_way, n_shot, n_query, rng)


def wrong_too_few_is_an_index_error(labels, n_way, n_shot, n_query, rng):
    """Named `too_few`."""
    classes = _large(labels, n_shot + n_query)
    order = torch.randperm(len(classes), generator=rng)
    ways = torch.stack([classes[order[i]] for i in range(n_way)])
    return _episode(labels, n_way, n_shot, n_query, rng, ways)


def wrong_calls_the_library(labels, n_way, n_shot, n_query, rng):
    """Named `library`."""
    return _of_the_library(labels, n_way, n_shot, n_query, rng)


def wrong_labels_as_torch_arrays_only_of_the_support(labels, n_way, n_shot, n_query, rng):
    """Named `four`."""
    return _episode(labels, n_way, n_shot, n_query, rng)[:3]


def right_plain(labels, n_way, n_shot, n_query, rng):
    return _episode(labels, n_way, n_shot, n_query, rng)


def right_lists(labels, n_way, n_shot, n_query, rng):
    return [part.tolist() for part in _episode(labels, n_way, n_shot, n_query, rng)]


def right_any_order(labels, n_way, n_shot, n_query, rng):
    s, s_y, q, q_y = _episode(labels, n_way, n_shot, n_query, rng)
    a, b = (torch.randperm(len(side), generator=rng) for side in (s, q))
    return s[a], s_y[a], q[b], q_y[b]


def right_numpy_seeded_from_the_generator(labels, n_way, n_shot, n_query, rng):
    own = np.random.default_rng(int(torch.randint(2**62, (), generator=rng)))
    names = labels.numpy()
    classes, counts = np.unique(names, return_counts=True)
    classes = classes[counts >= n_shot + n_query]
    if len(classes) < n_way:
        raise ValueError("There are too few classes with enough examples.")
    s, s_y, q, q_y = [], [], [], []
    for new, old in enumerate(own.choice(classes, n_way, replace=False)):
        drawn = own.choice(np.flatnonzero(names == old), n_shot + n_query, replace=False)
        s += drawn[:n_shot].tolist()
        q += drawn[n_shot:].tolist()
        s_y += [new] * n_shot
        q_y += [new] * n_query
    return np.array(s), np.array(s_y), np.array(q), np.array(q_y)


def right_python_random_seeded_from_the_generator(labels, n_way, n_shot, n_query, rng):
    own = random.Random(int(torch.randint(2**62, (), generator=rng)))
    members = {}
    for i, k in enumerate(labels.tolist()):
        members.setdefault(k, []).append(i)
    large = [k for k, of_class in members.items() if len(of_class) >= n_shot + n_query]
    if len(large) < n_way:
        raise ValueError("There are too few classes with enough examples.")
    ways = own.sample(large, n_way)
    drawn = [own.sample(members[k], n_shot + n_query) for k in ways]
    pairs = [(i, y) for y, d in enumerate(drawn) for i in d[:n_shot]]
    queries = [(i, y) for y, d in enumerate(drawn) for i in d[n_shot:]]
    return *zip(*pairs, strict=True), *zip(*queries, strict=True)


def right_classes_renumbered_in_ascending_order(labels, n_way, n_shot, n_query, rng):
    ways = _ways(labels, n_way, n_shot + n_query, rng).sort().values
    return _episode(labels, n_way, n_shot, n_query, rng, ways)


def right_multinomial(labels, n_way, n_shot, n_query, rng):
    classes, counts = labels.unique(return_counts=True)
    enough = (counts >= n_shot + n_query).float()
    if enough.sum() < n_way:
        raise ValueError("There are too few classes with enough examples.")
    ways = torch.multinomial(enough, n_way, generator=rng)
    drawn = [
        torch.multinomial((labels == classes[k]).float(), n_shot + n_query, generator=rng)
        for k in ways
    ]
    y = torch.arange(n_way, dtype=torch.int32)
    return (
        torch.cat([d[:n_shot] for d in drawn]),
        y.repeat_interleave(n_shot),
        torch.cat([d[n_shot:] for d in drawn]),
        y.repeat_interleave(n_query),
    )
