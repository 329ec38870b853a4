import torch


def _eligible(labels, n_way, need):
    classes, counts = labels.unique(return_counts=True)
    classes = classes[counts >= need]
    if len(classes) < n_way:
        raise ValueError(f"Only {len(classes)} classes have {need} examples; {n_way} are needed.")
    return classes


def _draw(labels, classes, n_shot, n_query, rng):
    s_idx, s_y, q_idx, q_y = [], [], [], []
    for k, label in enumerate(classes):
        members = (labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=rng)]
        s_idx.append(members[:n_shot])
        q_idx.append(members[n_shot : n_shot + n_query])
        s_y += [k] * n_shot
        q_y += [k] * n_query
    return torch.cat(s_idx), torch.tensor(s_y), torch.cat(q_idx), torch.tensor(q_y)


def wrong_examples_from_the_global_generator(labels, n_way, n_shot, n_query, rng):
    """Draws the classes from rng, but shuffles the examples with PyTorch's global generator;
    contradicts "All randomness from rng".

    Named `random state`.
    """
    classes = _eligible(labels, n_way, n_shot + n_query)
    chosen = classes[torch.randperm(len(classes), generator=rng)[:n_way]]
    return _draw(labels, chosen, n_shot, n_query, None)


def wrong_draws_before_it_looks(labels, n_way, n_shot, n_query, rng):
    """Draws among all classes and refuses when it has drawn a small one; contradicts "drawn ...
    among those with n_shot + n_query examples".

    Named `raised`.
    """
    classes, counts = labels.unique(return_counts=True)
    if len(classes) < n_way:
        raise ValueError("There are too few classes.")
    order = torch.randperm(len(classes), generator=rng)[:n_way]
    if int(counts[order].min()) < n_shot + n_query:
        raise ValueError("A class of this episode has too few examples.")
    return _draw(labels, classes[order], n_shot, n_query, rng)


def wrong_a_run_of_neighbours(labels, n_way, n_shot, n_query, rng):
    """Takes n_shot + n_query consecutive examples of a class from a random start, so that those at
    the ends come less often; contradicts "examples, drawn with equal chances".

    Named `neighbours`.
    """
    need = n_shot + n_query
    classes = _eligible(labels, n_way, need)
    chosen = classes[torch.randperm(len(classes), generator=rng)[:n_way]]
    s_idx, s_y, q_idx, q_y = [], [], [], []
    for k, label in enumerate(chosen):
        members = (labels == label).nonzero().flatten()
        start = int(torch.randint(len(members) - need + 1, (1,), generator=rng))
        window = members[start : start + need]
        window = window[torch.randperm(need, generator=rng)]
        s_idx.append(window[:n_shot])
        q_idx.append(window[n_shot:])
        s_y += [k] * n_shot
        q_y += [k] * n_query
    return torch.cat(s_idx), torch.tensor(s_y), torch.cat(q_idx), torch.tensor(q_y)


def wrong_large_classes_come_first(labels, n_way, n_shot, n_query, rng):
    """Finds the classes by drawing images, so that a class with more images is drawn more often;
    contradicts "n_way classes, drawn with equal chances".

    Named `class_chances`.
    """
    classes = _eligible(labels, n_way, n_shot + n_query)
    pool = labels[torch.isin(labels, classes)]
    chosen = []
    for label in pool[torch.randperm(len(pool), generator=rng)].tolist():
        if label not in chosen:
            chosen.append(label)
        if len(chosen) == n_way:
            break
    return _draw(labels, chosen, n_shot, n_query, rng)


def wrong_seed_for_state(labels, n_way, n_shot, n_query, rng):
    """Takes the generator's seed for its state and begins anew in each call, so that all episodes
    of one rng are the same; contradicts "a state of `rng` says which episode it will be".

    Named `no_progress`.
    """
    classes = _eligible(labels, n_way, n_shot + n_query)
    own = torch.Generator().manual_seed(rng.initial_seed())
    chosen = classes[torch.randperm(len(classes), generator=own)[:n_way]]
    return _draw(labels, chosen, n_shot, n_query, own)


def wrong_needs_one_to_spare(labels, n_way, n_shot, n_query, rng):
    """Takes only classes with more than n_shot + n_query examples; contradicts "A class needs
    n_shot + n_query examples".

    Named `exact_class`.
    """
    classes = _eligible(labels, n_way, n_shot + n_query + 1)
    chosen = classes[torch.randperm(len(classes), generator=rng)[:n_way]]
    return _draw(labels, chosen, n_shot, n_query, rng)


def right_lottery_tickets(labels, n_way, n_shot, n_query, rng):
    """Plain lists: each image and each class draws a ticket, and the lowest tickets win."""
    of_class = {}
    for i, label in enumerate(labels.tolist()):
        of_class.setdefault(label, []).append(i)
    need = n_shot + n_query
    able = sorted(label for label, members in of_class.items() if len(members) >= need)
    if len(able) < n_way:
        raise ValueError(f"{n_way} classes with {need} examples are needed; {len(able)} have them.")

    def lowest(things, n):
        tickets = torch.rand(len(things), generator=rng, dtype=torch.float64, device=rng.device)
        return [things[i] for i in tickets.argsort().tolist()[:n]]

    s_idx, s_y, q_idx, q_y = [], [], [], []
    for k, label in enumerate(lowest(able, n_way)):
        drawn = lowest(of_class[label], need)
        q_idx += drawn[:n_query]
        s_idx += drawn[n_query:]
        q_y += [k] * n_query
        s_y += [k] * n_shot
    return s_idx, s_y, q_idx, q_y


def right_one_card_at_a_time(labels, n_way, n_shot, n_query, rng):
    """Fisher and Yates, one card at a time; the numbers of the classes run backwards, and the
    examples come interleaved."""

    def deal(cards, n):
        cards = list(cards)
        for i in range(n):
            j = int(torch.randint(i, len(cards), (1,), generator=rng, device=rng.device))
            cards[i], cards[j] = cards[j], cards[i]
        return cards[:n]

    need = n_shot + n_query
    names, counts = labels.unique(return_counts=True)
    able = [int(name) for name, n in zip(names, counts, strict=True) if int(n) >= need]
    if len(able) < n_way:
        raise ValueError(f"Too few classes have {need} examples: {len(able)} instead of {n_way}.")
    chosen = deal(able, n_way)
    hands = [deal((labels == name).nonzero().flatten().tolist(), need) for name in chosen]
    support = [(hand[i], n_way - 1 - k) for i in range(n_shot) for k, hand in enumerate(hands)]
    query = [
        (hand[n_shot + i], n_way - 1 - k) for i in range(n_query) for k, hand in enumerate(hands)
    ]
    s, q = (torch.tensor(p, dtype=torch.long).reshape(len(p), 2) for p in (support, query))
    return s[:, 0], s[:, 1], q[:, 0], q[:, 1]
