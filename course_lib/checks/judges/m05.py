"""Judges of module 05: they know the truth and see only plain data.

Each asks all its questions first and works out the truth afterwards, from what it drew.
"""

import math
from collections.abc import Callable

import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks.judges.reading import describe, number, refused, returned, tensor, vector
from course_lib.checks.judges.specs import draw
from course_lib.checks.run import Ask
from course_lib.checks.verdict import NotYet

# --- sample_episode ------------------------------------------------------------------------------


def sample_episode(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    rounds = [(3, 2, 3), (draw(rng, 2, 4), 1, draw(rng, 2, 4))]
    if hard:
        rounds += [(5, 5, 1), (1, 3, 2), (7, 1, 1)]
    for n_way, n_shot, n_query in rounds:
        case = _EpisodeCase(rng, n_way, n_shot, n_query)
        one = case.read(ask(case.inputs(1)))
        if case.read(ask(case.inputs(1))) != one:
            raise NotYet(
                "same_state",
                expected="equal states of `rng`: the same episode twice",
                seen="two different episodes",
            )
    for n_way, n_shot, n_query in rounds[: 2 if hard else 1]:
        _require_fair_draws(ask, _EpisodeCase(rng, n_way, n_shot, n_query, n_large=8))

    # As many classes as needed, each with exactly as many examples as needed; then one too few.
    case = _EpisodeCase(rng, 3, 2, 2, n_large=3, exact=True)
    answer = ask(case.inputs(1))
    if (answer.get("raised") or {}).get("is_value_error"):
        raise NotYet(
            "exactly_enough",
            expected="an episode: three classes have the 4 examples that are needed, n_way is 3",
            seen="a ValueError",
        )
    case.read(answer)
    for n_way, n_large in [(4, 3), (3, 1)] if hard else [(4, 3)]:
        case = _EpisodeCase(rng, n_way, 2, 2, n_large=n_large)
        refused(
            ask(case.inputs(1)),
            "too_few",
            expected=f"a ValueError: only {n_large} classes have 4 examples, n_way is {n_way}",
        )


class _EpisodeCase:
    """Labels with gaps and classes of very different size, some of them too small."""

    def __init__(
        self,
        rng: torch.Generator,
        n_way: int,
        n_shot: int,
        n_query: int,
        n_large: int = 0,
        exact: bool = False,
    ) -> None:
        self.n_way, self.n_shot, self.n_query = n_way, n_shot, n_query
        self.seed = draw(rng, 0, 2**40)
        need, n_large = n_shot + n_query, n_large or n_way + draw(rng, 2, 4)
        # One class is far larger than the others, one is just large enough.
        sizes = [need] * n_large if exact else [need, 60, *[need + 4] * (n_large - 2)][:n_large]
        small = [need - 1, need - 1, max(need - 2, 1)]
        names = torch.randperm(200, generator=rng)[: n_large + 3] + 20
        self.labels = names.repeat_interleave(torch.tensor(sizes + small))
        self.labels = self.labels[torch.randperm(len(self.labels), generator=rng)]
        self.large, self.small = names[:n_large].tolist(), names[n_large:].tolist()

    def inputs(self, repeat: int) -> dict:
        return {
            "labels": self.labels,
            "n_way": self.n_way,
            "n_shot": self.n_shot,
            "n_query": self.n_query,
            "seed": self.seed,
            "repeat": repeat,
        }

    def read(self, answer: dict) -> list[list[list[int]]]:
        """Require sound episodes; return them as lists of indices and labels."""
        return [self._read_one(episode) for episode in returned(answer)]

    def _read_one(self, parts: object) -> list[list[int]]:
        names = ("s_idx", "s_y", "q_idx", "q_y")
        if not isinstance(parts, list) or len(parts) != 4:
            raise NotYet("four", expected="four results: s_idx, s_y, q_idx, q_y", seen=_n(parts))
        whole = []
        for name, part in zip(names, parts, strict=True):
            part = vector(part, expected=f"{name}: one axis of whole numbers")
            if part.is_floating_point() or part.dtype is torch.bool:
                seen = f"{name} of dtype {str(part.dtype).removeprefix('torch.')}"
                raise NotYet("type", expected=f"{name}: whole numbers", seen=seen)
            whole.append([int(x) for x in part])
        s_idx, s_y, q_idx, q_y = whole
        for side, idx, y, per_class in (
            ("support", s_idx, s_y, self.n_shot),
            ("query", q_idx, q_y, self.n_query),
        ):
            n = self.n_way * per_class
            if len(idx) != n or len(y) != n:
                of = "n_shot" if side == "support" else "n_query"
                raise NotYet(
                    "in_total" if len(idx) == per_class else "sizes",
                    expected=f"{self.n_way} classes, {of} = {per_class}: {n} in the {side} set",
                    seen=f"{len(idx)} indices and {len(y)} labels",
                )
            if min(idx) < 0 or max(idx) >= len(self.labels):
                raise NotYet(
                    "range",
                    expected=f"indices from 0 to {len(self.labels) - 1}",
                    seen=f"from {min(idx)} to {max(idx)} in the {side} set",
                )
            if len(set(idx)) < n:
                raise NotYet(
                    "repeats",
                    expected=f"each index once in the {side} set",
                    seen=f"{n} indices, {len(set(idx))} different ones",
                )
        both = len(set(s_idx) & set(q_idx))
        if both:
            raise NotYet("overlap", expected="no index on both sides", seen=f"{both} on both")
        truth = {side: self.labels[idx].tolist() for side, idx in (("s", s_idx), ("q", q_idx))}
        if set(truth["s"]) & set(self.small):
            need = self.n_shot + self.n_query
            raise NotYet(
                "small_class",
                expected=f"classes with at least {self.n_shot} + {self.n_query} = {need} examples",
                seen="a class with fewer",
            )
        self._check_labels(truth["s"], s_y, truth["q"], q_y)
        return whole

    def _check_labels(
        self, s_true: list[int], s_y: list[int], q_true: list[int], q_y: list[int]
    ) -> None:
        expected = f"labels 0…{self.n_way - 1}"
        if s_y == s_true or q_y == q_true:
            raise NotYet("not_relabelled", expected=expected, seen=f"such as {s_y[0]}")
        for y in (s_y, q_y):
            if set(y) - set(range(self.n_way)):
                raise NotYet("label_range", expected=expected, seen=f"from {min(y)} to {max(y)}")
        for name, true, y, per_class in (
            ("s_y", s_true, s_y, self.n_shot),
            ("q_y", q_true, q_y, self.n_query),
        ):
            counts = [y.count(k) for k in range(self.n_way)]
            of_class = [true.count(k) for k in sorted(set(true))]
            if counts != [per_class] * self.n_way or of_class != [per_class] * self.n_way:
                raise NotYet(
                    "unbalanced",
                    expected=f"{per_class} of each class",
                    seen=f"{of_class} examples by class, {counts} by label in `{name}`",
                )
            if len(set(zip(true, y, strict=True))) != self.n_way:
                raise NotYet(
                    "out_of_step",
                    expected=f"`{name}`[i] is the label of example i",
                    seen="examples of different classes with the same label",
                )
        if dict(zip(s_true, s_y, strict=True)) != dict(zip(q_true, q_y, strict=True)):
            raise NotYet(
                "two_mappings",
                expected="a class has the same label among the queries as in the support",
                seen="two different numberings",
            )


def _require_fair_draws(ask: Ask, case: _EpisodeCase) -> None:
    """250 episodes from one generator: other each time, classes and examples by equal chances."""
    n = 250
    episodes = case.read(ask(case.inputs(n)))
    if len({str(episode) for episode in episodes}) < n // 2:
        raise NotYet(
            "no_progress",
            expected="another episode each time: drawing from `rng` moves its state",
            seen=f"{n} episodes, {len({str(e) for e in episodes})} different ones",
        )
    drawn = [{int(k) for k in case.labels[s_idx]} for s_idx, *_ in episodes]
    counts = {k: sum(k in ways for ways in drawn) for k in case.large}
    share = case.n_way / len(case.large)
    # Five deviations of a binomial, two sides, 8 classes: a fair draw is off by that in 5 checks of
    # a million (a normal's 5.7e-7, times 8).
    leeway = 5 * math.sqrt(n * share * (1 - share))
    listed = ", ".join(str(counts[k]) for k in case.large)
    expected = f"each of {len(case.large)} classes in about {n * share:.0f} of {n} episodes"
    if sum(count == 0 for count in counts.values()) == len(case.large) - case.n_way:
        raise NotYet("same_classes", expected=expected, seen=listed)
    if counts[case.large[0]] == 0:
        seen = f"{listed}; the class with exactly n_shot + n_query examples: never"
        raise NotYet("exact_class", expected=expected, seen=seen)
    if any(abs(count - n * share) > leeway for count in counts.values()):
        raise NotYet("class_chances", expected=expected, seen=listed)

    place = torch.zeros(len(case.labels), dtype=torch.float64)  # within its class, from 0 to 1
    for k in case.large:
        members = (case.labels == k).nonzero().flatten()
        place[members] = torch.linspace(0, 1, len(members), dtype=torch.float64)
    s, q = (torch.tensor([e[i] for e in episodes]).flatten() for i in (0, 2))
    used = {int(i) for i in torch.cat([s, q])}
    # Of the classes of 4 more than needed. Each example is in an episode by a chance of 0.1 or
    # more: that one of 50 is in none of 250 happens in less than 1 check of 1e9.
    eligible = [i for k in case.large[2:] for i in (case.labels == k).nonzero().flatten().tolist()]
    never = len([i for i in eligible if i not in used])
    # The place of an example drawn at random is uniform: mean .5, deviation .29 in a large class
    # and .34 over these. More than 6 · .32 / .34 = 5.6 of them: 4 fair checks in 1e8.
    off = [abs(place[side].mean().item() - 0.5) * math.sqrt(len(side)) / 0.32 for side in (s, q)]
    if never or max(off) > 6:
        seen = f"{never} examples never; mean place in its class: "
        seen += f"support {place[s].mean():.2f}, query {place[q].mean():.2f}"
        expected = "every example of a class as likely as another (mean place about 0.50)"
        raise NotYet("example_chances", expected=expected, seen=seen)
    # Of `need` examples at random among 60 the first and the last are 61 (need - 1) / (need + 1)
    # apart, with a deviation of 15 at most in one episode: half of that is 6 deviations or more
    # away over the 50 episodes or more that have the class.
    members = (case.labels == case.large[1]).nonzero().flatten().tolist()
    spans = []
    for s_idx, _, q_idx, _ in episodes:
        places = [members.index(i) for i in {*s_idx, *q_idx} & set(members)]
        spans += [max(places) - min(places)] if places else []
    need = case.n_shot + case.n_query
    typical = 61 * (need - 1) / (need + 1)
    if sum(spans) / len(spans) < typical / 2:
        seen = f"{sum(spans) / len(spans):.1f} on average"
        expected = f"the examples of an episode about {typical:.0f} places apart in a class of 60"
        raise NotYet("neighbours", expected=expected, seen=seen)


def _n(value: object) -> str:
    return f"{len(value)} results" if isinstance(value, list) else describe(value)


# --- prototype_logits ----------------------------------------------------------------------------


def prototype_logits(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # Shots of each class; the first of equal shots (where grouping by position is possible).
    rounds = [[3, 3, 3, 3], [1, 2, 4]]
    if hard:
        rounds += [[5, 5], [1] * 6, [1], [2, 7, 1, 3, 1, 2, 5]]
    cases = [_prototype_case(rng, shots) for shots in rounds]
    cases[1] = {name: x.double() if x.is_floating_point() else x for name, x in cases[1].items()}
    seen, gradients = [], []
    for case in cases:
        n_query, n_way = len(case["query"]), int(case["support_labels"].max()) + 1
        answer = ask(case)
        value = returned(answer)
        if isinstance(value, Tensor) and value.shape == (n_way, n_query) != (n_query, n_way):
            seen_shape = f"{tuple(value.shape)}"
            raise NotYet("transposed", expected=f"shape {(n_query, n_way)}", seen=seen_shape)
        seen.append(tensor(value, (n_query, n_way), expected=f"shape (Q, W) = {n_query, n_way}"))
        gradients.append(answer["gradient"])
    formulas = [_prototype_formulas(case) for case in cases]
    truth = [row.pop("truth") for row in formulas]

    def same(a: Tensor, b: Tensor) -> bool:
        # A row may be shifted: a softmax does not see that. float32 loses about 1e-5 of squares.
        return bool((_log_softmax(a) - _log_softmax(b)).abs().max() <= 2e-3)

    if not all(map(same, seen, truth)):
        _name_prototypes(seen, formulas, same)
        _require_lonely_queries(ask, cases[0], seen[0], same)
        worst = next(i for i in range(len(seen)) if not same(seen[i], truth[i]))
        row = int((_log_softmax(seen[worst]) - _log_softmax(truth[worst])).abs().amax(1).argmax())
        raise NotYet(
            "value",
            expected=f"softmax of a row: {_row(truth[worst][row].softmax(0))}",
            seen=_row(seen[worst][row].double().softmax(0)),
        )
    _require_lonely_queries(ask, cases[0], seen[0], same)

    for case, gradient in zip(cases, gradients, strict=True):
        if len(case["support_labels"].unique()) == 1:
            continue  # one class: the softmax is constant
        support = case["support"].double().requires_grad_()
        logits = _minus_distances(support, case["support_labels"], case["query"].double())
        (logits.softmax(1) * case["cotangent"].double()).sum().backward()
        expected = "the gradient of the logits with respect to the support"
        if not isinstance(gradient, Tensor):
            raise NotYet("no_gradient", expected=expected, seen="none")
        scale = support.grad.abs().max()
        if (gradient.double() - support.grad).abs().max() > 0.01 * scale:
            raise NotYet("gradient", expected=expected, seen="another gradient")


def _prototype_case(rng: torch.Generator, shots: list[int]) -> dict:
    """Draw features, so near each other that no probability is nearly 0 or 1."""
    labels = torch.arange(len(shots)).repeat_interleave(torch.tensor(shots))
    d, n_query = draw(rng, 5, 8), len(shots) + draw(rng, 2, 4)
    while True:
        labels = labels[torch.randperm(len(labels), generator=rng)]
        # Neither grouped nor in the order of first appearance, where that is possible.
        first = list(dict.fromkeys(labels.tolist()))
        if len(shots) == 1 or (first != sorted(first) and not _is_grouped(labels)):
            break
    centres = 0.4 * torch.randn(len(shots), d, generator=rng)
    return {
        "support": centres[labels] + 0.5 * torch.randn(len(labels), d, generator=rng) + 0.5,
        "support_labels": labels,
        "query": 0.7 * torch.randn(n_query, d, generator=rng) + 0.5,
        "cotangent": torch.randn(n_query, len(shots), generator=rng),
    }


def _is_grouped(labels: Tensor) -> bool:
    return len(labels) > len(labels.unique()) == len(labels.unique_consecutive())


def _minus_distances(support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
    means = torch.stack([support[labels == k].mean(0) for k in range(int(labels.max()) + 1)])
    return -(query[:, None] - means).square().sum(-1)


def _prototype_formulas(case: dict) -> dict[str, Tensor | None]:
    """The truth, and what each misconception gives, by message key (None: not possible here)."""
    support, query = case["support"].double(), case["query"].double()
    labels, n_way = case["support_labels"], int(case["support_labels"].max()) + 1
    groups = [support[labels == k] for k in range(n_way)]
    means = torch.stack([group.mean(0) for group in groups])
    truth = -(query[:, None] - means).square().sum(-1)
    apart = torch.cdist(query, support).square()  # (Q, S)
    by_class = [apart[:, labels == k] for k in range(n_way)]
    sums = torch.stack([group.sum(0) for group in groups])
    equal = len(support) % n_way == 0
    in_order = support.reshape(n_way, -1, support.shape[1]).mean(1) if equal else None
    appeared = torch.stack([means[k] for k in dict.fromkeys(labels.tolist())])
    first = torch.stack([group[0] for group in groups])
    nearest = truth.argmax(1)
    refined = torch.stack(
        [torch.cat([g, query[nearest == k]]).mean(0) for k, g in enumerate(groups)]
    )
    centre = torch.cat([support, query]).mean(0)

    def distance(prototypes: Tensor | None) -> Tensor | None:
        return None if prototypes is None else -(query[:, None] - prototypes).square().sum(-1)

    return {
        "truth": truth,
        "sign": -truth,
        "sign_unsquared": (-truth).sqrt(),
        "unsquared": -(-truth).sqrt(),
        "grouped": distance(in_order),
        "columns": distance(appeared),
        "sums": distance(sums),
        "first_example": distance(first),
        "nearest_example": -torch.stack([d.amin(1) for d in by_class], 1),
        "mean_distance": -torch.stack([d.mean(1) for d in by_class], 1),
        "mean_over_features": truth / query.shape[1],
        "halved": truth / 2,
        "dot": query @ means.T,
        "dot_twice": 2 * query @ means.T,
        "cosine": F.normalize(query, dim=1) @ F.normalize(means, dim=1).T,
        "queries_inside": distance(refined),
        "queries_inside_mean": distance((means + centre) / 2),
        "absolute": -(query[:, None] - means).abs().sum(-1),
        "probabilities": truth.softmax(1),
        "query_axis": truth.log_softmax(0),
        "query_axis_probabilities": truth.softmax(0),
    }


_PROTOTYPE_KEYS = {
    "sign_unsquared": "sign",
    "dot_twice": "dot",
    "queries_inside_mean": "queries_inside",
    "query_axis_probabilities": "query_axis",
}


def _name_prototypes(
    seen: list[Tensor], formulas: list[dict], same: Callable[[Tensor, Tensor], bool]
) -> None:
    for name in formulas[0]:
        possible = [
            (value, row[name]) for value, row in zip(seen, formulas, strict=True)
            if row[name] is not None
        ]  # fmt: skip
        if all(same(*pair) for pair in possible):
            row = _row(seen[0][0].double())
            expected = "minus the squared distances to the class means"
            raise NotYet(_PROTOTYPE_KEYS.get(name, name), expected=expected, seen=f"{row}, …")


def _require_lonely_queries(
    ask: Ask, case: dict, together: Tensor, same: Callable[[Tensor, Tensor], bool]
) -> None:
    """A query's logits are its own affair: other company, or none, changes nothing."""
    for rows in (slice(0, 1), slice(1, 3)):
        alone = {**case, "query": case["query"][rows], "cotangent": case["cotangent"][rows]}
        value = tensor(returned(ask(alone)), tuple(together[rows].shape))
        if not same(value, together[rows]):
            raise NotYet(
                "queries_inside",
                expected="the same logits, whatever other queries are asked with it",
                seen=f"other logits in other company: {_row(value[0].double())}",
            )


def _log_softmax(logits: Tensor) -> Tensor:
    return logits.double().log_softmax(1)


def _row(values: Tensor) -> str:
    return "[" + ", ".join(f"{x:.3g}" for x in values[:4].tolist()) + "]"


# --- contrastive_loss ----------------------------------------------------------------------------


def contrastive_loss(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    rounds = [("int64", 1.5), ("bool", 2.5), ("float32", 1.0)]
    if hard:
        rounds += [("bool", 0.7), ("int64", 4.0), ("float64", 2.0)]
    cases = [_pairs(rng, kind, margin) for kind, margin in rounds]
    cases[1] |= {name: cases[1][name].double() for name in "ab"}
    seen, answers = [], [ask(case) for case in cases]
    for answer, case in zip(answers, cases, strict=True):
        value = returned(answer)
        if isinstance(value, Tensor) and value.shape == case["same"].shape:
            raise NotYet("per_pair", expected="one number", seen=describe(value))
        seen.append(number(value, expected="one number, a tensor without dimensions"))
    formulas = [_contrastive_formulas(case) for case in cases]
    truth = [row.pop("truth") for row in formulas]
    # An epsilon inside the root, up to 1e-6, changes a distance of 0 to a thousandth.
    right = [abs(x - y) <= 3e-3 * max(1, y) for x, y in zip(seen, truth, strict=True)]
    if not all(right):
        worst = right.index(False)
        key = "value"
        for name in formulas[0]:
            if all(
                abs(x - row[name]) <= 3e-3 * max(1, abs(row[name]))
                for x, row in zip(seen, formulas, strict=True)
            ):
                key = _CONTRASTIVE_KEYS.get(name, name)
                break
        kind, margin = rounds[worst]
        text = f"{truth[worst]:.4g} (margin {margin}, `same` of dtype {kind})"
        raise NotYet(key, expected=text, seen=f"{seen[worst]:.4g}")

    for answer, case in zip(answers, cases, strict=True):
        expected = _contrastive_gradient(case)
        for name, gradient in expected.items():
            given = answer[f"gradient_{name}"]
            if not isinstance(given, Tensor):
                seen_text = f"none for `{name}`"
                raise NotYet("no_gradient", expected="a gradient to a and b", seen=seen_text)
            if not given.isfinite().all():
                raise NotYet(
                    "nan_gradient",
                    expected="finite gradients, also where a and b are equal",
                    seen=f"{int((~given.isfinite()).any(1).sum())} rows with NaN or infinity",
                )
            # Where a pair is equal there is no direction; an epsilon in the root, elsewhere, costs
            # less than this.
            apart = (case["a"] - case["b"]).norm(dim=1) > 0.05
            if (given - gradient)[apart].abs().max() > 0.02 * gradient.abs().max():
                raise NotYet("gradient", expected="the gradient of the loss", seen="another one")


def _pairs(rng: torch.Generator, kind: str, margin: float) -> dict:
    """Draw pairs, alike and unlike, nearer and farther than the margin, some of them equal."""
    n, d = draw(rng, 14, 20), draw(rng, 3, 6)
    a = torch.randn(n, d, generator=rng)
    direction = F.normalize(torch.randn(n, d, generator=rng), dim=1)
    distance = margin * (0.2 + 1.4 * torch.rand(n, generator=rng))
    distance[:6] = margin * torch.tensor([0.3, 0.6, 1.7, 0.3, 0.6, 1.7])
    b = a + direction * distance[:, None]
    b[6], b[7] = a[6], a[7]
    same = torch.rand(n, generator=rng) < 0.3  # few: flipped must be seen
    same[:8] = torch.tensor([True, True, True, False, False, False, True, False])
    order = torch.randperm(n, generator=rng)
    a, b, same = a[order], b[order], same[order].to(getattr(torch, kind))
    return {"a": a, "b": b, "same": same, "margin": margin}


def _contrastive_formulas(case: dict) -> dict[str, float]:
    a, b, margin = case["a"].double(), case["b"].double(), case["margin"]
    same = case["same"].double()
    d = (a - b).norm(dim=1)
    apart = (margin - d).clamp(min=0)

    def loss(alike: Tensor, unlike: Tensor) -> Tensor:
        return same * alike + (1 - same) * unlike

    pairs = loss(d**2, apart**2)
    mean_d = (a - b).square().mean(1)
    rows = {
        "truth": pairs,
        "flipped": loss(apart**2, d**2),
        "no_clamp": loss(d**2, (margin - d) ** 2),
        "halved": pairs / 2,
        "summed": pairs * len(d),
        "unsquared": loss(d, apart),
        "alike_unsquared": loss(d, apart**2),
        "unlike_unsquared": loss(d**2, apart),
        "no_root": loss(d**4, (margin - d**2).clamp(min=0) ** 2),
        "margin_squared": loss(d**2, (margin**2 - d**2).clamp(min=0)),
        "margin_beside": loss(d**2, (margin - d**2).clamp(min=0)),
        "no_margin": loss(d**2, -(d**2)),
        "mean_over_features": loss(mean_d, (margin - mean_d.sqrt()).clamp(min=0) ** 2),
        "alike_only": same * d**2,
    }
    values = {name: row.mean().item() for name, row in rows.items()}
    # The two kinds averaged apart: the same as one mean only if there are as many of each.
    alike, unlike = pairs[same == 1].mean(), pairs[same == 0].mean()
    both = float(alike + unlike)
    return values | {"two_means": both, "two_means_halved": both / 2}


_CONTRASTIVE_KEYS = {
    "alike_unsquared": "unsquared",
    "unlike_unsquared": "unsquared",
    "margin_squared": "no_root",
    "margin_beside": "no_root",
    "two_means_halved": "two_means",
}


def _contrastive_gradient(case: dict) -> dict[str, Tensor]:
    a, b = (case[name].double().requires_grad_() for name in "ab")
    d = (a - b).square().sum(1).clamp(min=1e-30).sqrt()
    same = case["same"].double()
    (same * d**2 + (1 - same) * (case["margin"] - d).clamp(min=0) ** 2).mean().backward()
    return {"a": a.grad, "b": b.grad}


# --- cosine_logits -------------------------------------------------------------------------------


def cosine_logits(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # (N, K, D, scale): also as many rows as weights, and as many as features have entries
    rounds = [(7, 4, 6, 8.0), (5, 5, 5, 0.5)]
    if hard:
        rounds += [(1, 3, 9, 20.0), (40, 2, 3, 1.0), (6, 30, 17, 64.0)]
    cases = []
    for n, k, d, scale in rounds:
        # Rows of quite different length, one shorter than 1, none of them near 0.
        x, w = (_long_rows(rng, rows, d) for rows in (n, k))
        for rows in (x, w):
            rows[-1] *= 0.4 / rows[-1].norm()
        scale *= 1 + torch.rand((), generator=rng).item() / 2
        if n == k:  # one of them in float64
            x, w = x.double(), w.double()
        cases.append({"features": x, "weight": w, "scale": scale})
    seen = [_read_logits(ask(case), case) for case in cases]
    formulas = [_cosine_formulas(case) for case in cases]

    def gives(name: str) -> bool:
        # An epsilon of up to 1e-3 beside a row's length is fine.
        return all(
            (value - row[name]).abs().max() <= 4e-3 * case["scale"]
            for value, row, case in zip(seen, formulas, cases, strict=True)
        )

    if not gives("truth"):
        names = [name for name in formulas[0] if name != "truth"]
        key = next((name for name in names if gives(name)), "value")
        off = [float((v - r["truth"]).abs().max()) for v, r in zip(seen, formulas, strict=True)]
        worst = max(range(len(off)), key=off.__getitem__)
        raise NotYet(
            _COSINE_KEYS.get(key, key),
            expected=f"first row {_row(formulas[worst]['truth'][0])}",
            seen=f"{_row(seen[worst][0])} (scale {cases[worst]['scale']:.3g})",
        )

    for name in ("features", "weight"):
        case = {key: x.clone() if isinstance(x, Tensor) else x for key, x in cases[0].items()}
        row = draw(rng, 0, len(case[name]) - 1)
        case[name][row] = 0
        expected = f"0 where row {row} of `{name}` is all zeros"
        try:
            value = _read_logits(ask(case), case)
        except NotYet as found:
            if found.key != "not finite":
                raise
            raise NotYet("zero_row", expected=expected, seen="NaN or infinity") from None
        zeros = value[row] if name == "features" else value[:, row]
        if zeros.abs().max() > 1e-4 * case["scale"]:
            raise NotYet("zero_row", expected=expected, seen=_row(zeros))
        rest = (value - _cosine_formulas(case)["truth"]).abs().max()
        if rest > 4e-3 * case["scale"]:
            raise NotYet("zero_spoils", expected="the other rows as before", seen="other values")


_COSINE_KEYS = {"batch_axis_both": "batch_axis", "batch_axis_whole": "batch_axis"}


def _long_rows(rng: torch.Generator, n: int, d: int) -> Tensor:
    rows = F.normalize(torch.randn(n, d, generator=rng) + 0.3, dim=1)
    return rows * (0.5 + 4 * torch.rand(n, 1, generator=rng))


def _read_logits(answer: dict, case: dict) -> Tensor:
    n, k = len(case["features"]), len(case["weight"])
    value = returned(answer)
    if isinstance(value, Tensor) and value.shape == (k, n) != (n, k):
        raise NotYet("transposed", expected=f"shape {(n, k)}", seen=f"{tuple(value.shape)}")
    return tensor(value, (n, k), expected=f"shape (N, K) = {n, k}").double()


def _cosine_formulas(case: dict) -> dict[str, Tensor]:
    x, w, scale = case["features"].double(), case["weight"].double(), case["scale"]
    unit_x, unit_w = F.normalize(x, dim=1), F.normalize(w, dim=1)
    cosine = unit_x @ unit_w.T
    return {
        "truth": scale * cosine,
        "no_scale": cosine,
        "features_only": scale * unit_x @ w.T,
        "weight_only": scale * x @ unit_w.T,
        "not_normalised": scale * x @ w.T,
        "batch_axis": scale * F.normalize(x, dim=0) @ F.normalize(w, dim=0).T,
        "batch_axis_both": scale * F.normalize(x, dim=0) @ unit_w.T,
        "batch_axis_whole": scale * (x / x.norm()) @ (w / w.norm()).T,
        "divided": cosine / scale,
        "scale_twice": scale**2 * cosine,
        "squared_length": scale
        * (x / x.square().sum(1, keepdim=True))
        @ (w / w.square().sum(1, keepdim=True)).T,
        "root_mean_square": scale * x.shape[1] * cosine,
        "one_norm": scale * F.normalize(x, p=1, dim=1) @ F.normalize(w, p=1, dim=1).T,
        "softmax": (scale * cosine).softmax(1),
        "distance": scale * (1 - cosine),
        "sign": -scale * cosine,
    }


# --- episode_interval ----------------------------------------------------------------------------


def episode_interval(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # (episodes, queries in each, dtype)
    rounds = [(100, 75, torch.float32), (600, 25, torch.float64)]
    if hard:
        rounds += [(draw(rng, 101, 300), 100, torch.float32), (1000, 15, torch.float32)]
    cases = [(_accuracies(rng, *kind), kind[1]) for kind in rounds]
    seen = []
    for accuracies, _ in cases:
        value = returned(ask({"accuracies": accuracies}))
        if isinstance(value, Tensor) and value.shape == (3,):
            value = value.tolist()
        expected = "three numbers: mean, low, high"
        if not isinstance(value, list) or len(value) != 3:
            raise NotYet("type", expected=expected, seen=_n(value))
        seen.append([number(each, expected=expected) for each in value])
    _compare_episode_intervals(seen, cases)
    for n in (2, 3):  # no more than that: how wide is a matter of the method, with so few
        answer = ask({"accuracies": torch.rand(n, generator=rng)})
        if (answer.get("raised") or {}).get("is_value_error"):
            expected = f"an interval from {n} episodes, however wide"
            raise NotYet("two_episodes", expected=expected, seen="a ValueError")
    for n in (1, 0) if hard else (1,):
        refused(
            ask({"accuracies": torch.rand(n, generator=rng)}),
            "one_episode",
            expected=f"a ValueError: {n} episode{'' if n == 1 else 's'} cannot show any spread",
        )


def _accuracies(rng: torch.Generator, n: int, n_query: int, dtype: torch.dtype) -> Tensor:
    """Draw accuracies of episodes that differ more than luck among their queries would make them.

    The easier episodes are the more common ones, so that mean and median differ.
    """
    level = 0.5 + 0.25 * torch.rand((), generator=rng).item()
    hard_ones = torch.rand(n, generator=rng) < 0.2
    p = level + 0.1 * torch.randn(n, generator=rng) - 0.3 * hard_ones + 0.06
    right = torch.rand(n, n_query, generator=rng) < p[:, None]
    return right.double().mean(1).to(dtype)


def _compare_episode_intervals(seen: list[list[float]], cases: list[tuple[Tensor, int]]) -> None:
    rows = []
    for (mean, low, high), (accuracies, n_query) in zip(seen, cases, strict=True):
        x = accuracies.double()
        n, m, sd = len(x), x.mean().item(), x.std().item()
        binomial = math.sqrt(m * (1 - m))
        t = stats.t.ppf(0.975, n - 1)
        ends = torch.quantile(x, torch.tensor([0.025, 0.975], dtype=torch.float64))
        rows.append(
            {
                "mean": mean, "low": low, "high": high, "truth": m, "half": t * sd / math.sqrt(n),
                "median": x.quantile(0.5).item(),
                "width": [q * sd / math.sqrt(n) for q in (1.28, 1.645, 2.576)],  # another level
                "spread": [q * sd for q in (1, 1.96, 2, t)] + [(ends[1] - ends[0]).item() / 2],
                "no_root": [q * sd / n for q in (1, 1.96, 2, t)],
                "one_se": [sd / math.sqrt(n)],
                "variance": [q * sd**2 / math.sqrt(n) for q in (1, 1.96, 2, t)],
                "pooled": [
                    q * binomial / math.sqrt(count)
                    for q in (1, 1.96, 2, t)
                    for count in (n, n * n_query, n * 75, n * 100, n * 15)
                ],
            }
        )  # fmt: skip

    def require(holds: list[bool], key: str) -> None:
        if not all(holds):
            row, n = rows[holds.index(False)], len(cases[holds.index(False)][0])
            ends = f"{row['truth'] - row['half']:.4g} to {row['truth'] + row['half']:.4g}"
            raise NotYet(
                key,
                expected=f"mean {row['truth']:.4g}, interval about {ends} ({n} episodes)",
                seen=f"mean {row['mean']:.4g}, interval {row['low']:.4g} to {row['high']:.4g}",
            )

    def near(name: str, value: str | float) -> list[bool]:
        # Arithmetic in float32 changes a mean by far less than a hundredth of a half width.
        return [
            abs(r[name] - (r[value] if isinstance(value, str) else value)) <= 0.02 * r["half"]
            for r in rows
        ]

    right = near("mean", "truth")
    if not all(right):
        middle = [abs(r["low"] - r["truth"]) <= 0.3 * r["half"] for r in rows]
        key = "median" if all(near("mean", "median")) else "order" if all(middle) else "mean"
        require(right, key)
    if all(abs(r["low"] + r["high"]) <= 0.3 * r["half"] for r in rows):
        require([False], "offsets")
    require([r["low"] <= r["high"] for r in rows], "order")
    # Both sides: a bootstrap's interval need not be quite symmetric.
    ratios = [
        [side / r["half"] for side in (r["truth"] - r["low"], r["high"] - r["truth"])] for r in rows
    ]
    # A formula's sides do not vary. A bootstrap's do: a 2.5 % quantile of B draws has a deviation
    # of sqrt(.025 · .975 / B) / .0584, which is 4.3 % of a half width for B = 1,000. 20 % is 4.6
    # of these: refused in 1 hidden check (eight sides) of 35,000; B = 200 is refused often.
    fits = [all(0.8 <= ratio <= 1.2 for ratio in pair) for pair in ratios]
    # Of another level only if it is so in each case: 1.645 for 1.96 is .84 of the width.
    for slip in zip(*(r["width"] for r in rows), strict=True):
        halves = [(r["high"] - r["low"]) / 2 for r in rows]
        if all(abs(a - b) <= 0.03 * b for a, b in zip(halves, slip, strict=True)):
            require([False], "width")
    if not all(fits):
        one_sided = all(min(pair) < 0.1 < 0.8 < max(pair) for pair in ratios)
        if one_sided:
            require(fits, "one_sided")
        for key in ("pooled", "spread", "no_root", "one_se", "variance"):
            for slip in zip(*(r[key] for r in rows), strict=True):
                if all(
                    # so far that half of a t interval is taken for one standard error
                    abs((r["high"] - r["low"]) / 2 - half) <= 0.03 * half
                    for r, half in zip(rows, slip, strict=True)
                ):
                    require(fits, key)
        require(fits, "width")
