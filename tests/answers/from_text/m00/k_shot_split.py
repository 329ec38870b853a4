import numpy as np
import torch


def _generator(seed):
    return torch.Generator().manual_seed(seed)


def _rest(n, support):
    keep = torch.ones(n, dtype=torch.bool)
    keep[support] = False
    return keep.nonzero().flatten()


def wrong_counts_from_zero(labels, n_shot, seed):
    """Thinks that classes are numbered from 0 up and never looks at negative ones; contradicts
    "exactly n_shot of every class in labels (any integers, gaps allowed)".

    Named `missed_class`.
    """
    generator, support = _generator(seed), [torch.empty(0, dtype=torch.int64)]
    for k in range(int(labels.max()) + 1):
        members = (labels == k).nonzero().flatten()
        if len(members) == 0:
            continue
        if len(members) < n_shot:
            raise ValueError(f"Class {k} has only {len(members)} examples, {n_shot} are needed.")
        support.append(members[torch.randperm(len(members), generator=generator)[:n_shot]])
    support = torch.cat(support)
    return support, _rest(len(labels), support)


def wrong_first_ones_shuffled(labels, n_shot, seed):
    """Takes the first examples of each class and shuffles only their order by the seed;
    contradicts "drawn at random by the seed alone; other seeds draw others".

    Named `other_seed`.
    """
    support = []
    for k in labels.unique():
        members = (labels == k).nonzero().flatten()
        if len(members) < n_shot:
            raise ValueError(f"Class {int(k)} has only {len(members)} examples, not {n_shot}.")
        support.append(members[:n_shot])
    support = torch.cat(support)
    support = support[torch.randperm(len(support), generator=_generator(seed))]
    return support, _rest(len(labels), support)


def wrong_seeds_the_global_one(labels, n_shot, seed):
    """Makes the split repeatable by torch.manual_seed; contradicts "your own
    torch.Generator().manual_seed(seed); the global one is left alone".

    Named `random state`.
    """
    torch.manual_seed(seed)
    support = []
    for k in labels.unique():
        members = (labels == k).nonzero().flatten()
        if len(members) < n_shot:
            raise ValueError(f"Class {int(k)} has only {len(members)} examples, not {n_shot}.")
        support.append(members[torch.randperm(len(members))[:n_shot]])
    support = torch.cat(support)
    return support, _rest(len(labels), support)


def wrong_takes_what_there_is_too(labels, n_shot, seed):
    """Lets a small class give all it has; contradicts "a class with fewer than n_shot is a
    ValueError with a sentence".

    Named `too_few`.
    """
    generator, support = _generator(seed), []
    for k in labels.unique():
        members = (labels == k).nonzero().flatten()
        support.append(members[torch.randperm(len(members), generator=generator)[:n_shot]])
    support = torch.cat(support)
    return support, _rest(len(labels), support)


def wrong_keeps_one_for_the_rest(labels, n_shot, seed):
    """Thinks that each class must leave something for the rest and refuses a class with exactly
    n_shot; contradicts "the rest may be empty. A class with fewer than n_shot is a ValueError".

    Named `exactly_enough`.
    """
    generator, support = _generator(seed), []
    for k in labels.unique():
        members = (labels == k).nonzero().flatten()
        if len(members) <= n_shot:
            raise ValueError(f"Class {int(k)} has {len(members)} examples; nothing would be left.")
        support.append(members[torch.randperm(len(members), generator=generator)[:n_shot]])
    support = torch.cat(support)
    return support, _rest(len(labels), support)


def wrong_draws_with_replacement_too(labels, n_shot, seed):
    """Draws positions by randint, so that one example may be drawn twice; contradicts "exactly
    n_shot of every class".

    Named `repeats`.
    """
    generator, support = _generator(seed), []
    for k in labels.unique():
        members = (labels == k).nonzero().flatten()
        if len(members) < n_shot:
            raise ValueError(f"Class {int(k)} has only {len(members)} examples, not {n_shot}.")
        support.append(members[torch.randint(len(members), (n_shot,), generator=generator)])
    support = torch.cat(support)
    return support, _rest(len(labels), support)


def right_walk_through_the_deck(labels, n_shot, seed):
    """Shuffle all once, then deal: an index is taken while its class wants more. Lists."""
    wanted = {}
    counts = {}
    for label in labels.tolist():
        wanted[label] = n_shot
        counts[label] = counts.get(label, 0) + 1
    for label, count in counts.items():
        if count < n_shot:
            raise ValueError(f"Class {label} has {count} examples; {n_shot} are asked for.")
    names, support, rest = labels.tolist(), [], []
    for i in torch.randperm(len(names), generator=_generator(seed)).tolist():
        if wanted[names[i]] > 0:
            wanted[names[i]] -= 1
            support.append(i)
        else:
            rest.append(i)
    return support, rest


def right_ranks_within_class(labels, n_shot, seed):
    """No loop: sort by (label, place in a random order), rank within class, compare with n_shot."""
    names = labels.cpu().numpy()
    keys = torch.randperm(len(names), generator=_generator(seed)).numpy()
    order = np.lexsort((keys, names))
    _, starts, counts = np.unique(names[order], return_index=True, return_counts=True)
    if (counts < n_shot).any():
        raise ValueError(f"At least one class has only {counts.min()} examples, not {n_shot}.")
    ranks = np.arange(len(names)) - np.repeat(starts, counts)
    return order[ranks < n_shot], np.sort(order[ranks >= n_shot])
