"""Judges of module 00: they know the truth and see only plain data.

Each asks all its questions first and works out the truth afterwards, from what it drew: an answer
that looks through its callers finds nothing to copy.
"""

import copy
import itertools
import math
from collections.abc import Callable

import torch
from scipy.special import stdtrit

from course_lib.checks.judges.reading import (
    completed,
    describe,
    explained,
    number,
    refused,
    returned,
    vector,
)
from course_lib.checks.judges.specs import draw, random_model
from course_lib.checks.probes.models import build
from course_lib.checks.run import Ask
from course_lib.checks.verdict import NotYet

# --- n_correct -----------------------------------------------------------------------------------


def n_correct(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # (images, classes): more than ten classes; as many images as classes; a single image
    sizes = [(draw(rng, 90, 120), 12), (draw(rng, 15, 20), draw(rng, 3, 6)), (draw(rng, 30, 40), 7)]
    if hard:
        sizes += [(5, 5), (1, 4), (300, 40), (draw(rng, 2, 9), 2)]
    cases = [_logits_and_labels(rng, *size) for size in sizes]
    cases[1] = (cases[1][0].double(), cases[1][1])
    seen = []
    for i, (logits, labels) in enumerate(cases):
        value = returned(ask({"logits": logits, "labels": labels, "transposed": i == 1}))
        per_image = isinstance(value, list) and len(value) == len(labels)
        if per_image or (isinstance(value, torch.Tensor) and value.shape == labels.shape):
            raise NotYet("per_image", expected="one number", seen=describe(value))
        seen.append(number(value, expected="one whole number"))
    formulas = [_count_formulas(*case) for case in cases]
    explained(
        seen,
        [row["truth"] for row in formulas],
        [(key, [row[name] for row in formulas]) for name, key in _COUNTS.items()],
        tolerance=1e-6,
        texts=[
            f"{row['truth']:.0f} (of {len(labels)} images)"
            for row, (_, labels) in zip(formulas, cases, strict=True)
        ],
    )


_COUNTS = {
    "share": "share",
    "mistakes": "mistakes",
    "smallest": "smallest",
    "whole": "whole",
    "positive": "threshold",
    "above half": "threshold",
    "first ten": "ten_classes",
    "squashed": "squashed",
    "no negative": "negative",
    "magnitude": "magnitude",
}


def _logits_and_labels(
    rng: torch.Generator, n: int, n_classes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw logits and labels that agree on about half the rows.

    Some rows are far above 0 and some far below. The largest two of a row are never near each
    other.
    """
    while True:
        logits = 2 * torch.randn(n, n_classes, generator=rng)
        logits += 40 * torch.randn(n, 1, generator=rng)
        first, second = logits.topk(2, dim=1).values.T
        if (first - second).min() < 1e-3:
            continue
        other = torch.randint(n_classes, (n,), generator=rng)
        labels = torch.where(torch.rand(n, generator=rng) < 0.5, logits.argmax(dim=1), other)
        labels[[0, -1]] = logits[[0, -1]].argmax(dim=1)  # whoever leaves out an end is seen
        truth, *others = _count_formulas(logits, labels).values()
        # In the first case every formula gives a number of its own, and none that fits the second.
        # None is one away from the truth either: that is what leaving out an end gives.
        alone = len({truth, *others}) == 1 + len(others) and min(abs(truth - v) for v in others) > 1
        if n < 45 or (alone and truth > 20):
            return logits, labels


def _count_formulas(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    hits = logits.argmax(dim=1) == labels
    at_label = labels[:, None]
    formulas = {
        "truth": hits,
        "mistakes": ~hits,
        "smallest": logits.argmin(dim=1) == labels,
        "whole": logits.argmax() == labels,
        "positive": logits.gather(1, at_label) > 0,
        "above half": logits.softmax(dim=1).gather(1, at_label) > 0.5,
        "first ten": hits & (labels < 10),
        "squashed": logits.sigmoid().argmax(dim=1) == labels,
        "magnitude": logits.abs().argmax(dim=1) == labels,
        "no negative": logits.clamp(min=0).argmax(dim=1) == labels,
    }
    return {name: float(rows.sum()) for name, rows in formulas.items()} | {
        "share": float(hits.double().mean())
    }


# --- evaluate ------------------------------------------------------------------------------------


def evaluate(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # A ragged last batch in each, and the model arrives in either mode.
    rounds = [
        dict(training=True, size=(12, 12)),
        dict(training=False, size=(9, 14), channels=3, head_first=True),
        dict(training=False, size=(10, 10), channels=2),
    ]
    if hard:
        rounds += [dict(training=True, size=(16, 8), channels=3, head_first=True)]
    cases: list[_Case] = []
    for kind in rounds:
        cases.append(_Case(rng, **kind, coprime_to=math.prod(len(case.images) for case in cases)))
    seen = [_ask_evaluate(ask, case, {"batch_size": case.batch_size}) for case in cases]
    _compare_accuracies(seen, cases)

    # The batch size may be left out, be 1, or exceed the number of images. One part comes in eval
    # mode and the others in train mode.
    mixed = copy.copy(cases[0])
    mixed.model = {**cases[0].model, "held": ["backbone.blocks.0.1"]}
    _compare_accuracies([_ask_evaluate(ask, mixed, {})], cases[:1])
    if hard:
        many, one = _Case(rng, training=False, size=(8, 8), n=300), cases[0].first(1)
        more = [(cases[0], {"batch_size": 1}), (one, {"batch_size": 1000}), (many, {})]
        seen = [_ask_evaluate(ask, *each) for each in more]
        _compare_accuracies(seen, [case for case, _ in more])

    nothing = {"images": torch.empty(0, 1, 8, 8), "labels": torch.empty(0, dtype=torch.int64)}
    refused(
        ask({"model": cases[0].model, **nothing, "options": {}, "gradients": True}),
        "empty",
        expected="a ValueError that says in a sentence that there are no images",
    )


class _Case:
    """A model, images it decides clearly about, and labels that tell the formulas apart."""

    def __init__(
        self,
        rng: torch.Generator,
        *,
        training: bool,
        size: tuple[int, int],
        channels: int = 1,
        head_first: bool = False,
        n: int = 0,
        coprime_to: int = 1,
    ) -> None:
        self.batch_size = draw(rng, 11, 16)
        # Ragged for the most common batch size as well. Shares of coprime numbers differ, so a
        # senseless accuracy does not look like a constant.
        while not n or n % 32 == 0 or math.gcd(n, coprime_to) > 1:
            n = self.batch_size * draw(rng, 3, 5) + draw(rng, 1, self.batch_size // 2)
        classes = 12
        clear: list[int] = []
        while len(clear) < n:
            self.model = random_model(
                rng, channels=channels, classes=classes, dropout=True, training=training,
                head_first=head_first,
            )  # fmt: skip
            images = torch.rand(2 * n + 20, channels, *size, generator=rng)
            logits = self._spread_predictions(images)
            largest = logits.topk(2, dim=1).values
            # Far more than what rounding in another order of summation can change.
            clear = (largest[:, 0] - largest[:, 1] > 0.05).nonzero().flatten().tolist()
        self.images = images[clear[:n]]
        self.predicted = logits[clear[:n]].argmax(dim=1)
        while True:
            # The last batch is nearly all right: there a mean over batches differs most.
            flip = torch.rand(n, generator=rng) < 0.6
            flip[n - n % self.batch_size :] = False
            other = (self.predicted + torch.randint(1, classes, (n,), generator=rng)) % classes
            self.labels = torch.where(flip, other, self.predicted)
            # Each slip gives a number of its own, which is not the truth.
            values = [("truth", 1 - flip.double().mean().item()), *_accuracy_formulas(self)]
            if n > 100 or all(
                abs(one - other) > 2e-3
                for (key, one), (other_key, other) in itertools.combinations(values, 2)
                if key != other_key
            ):
                break

    def _spread_predictions(self, images: torch.Tensor) -> torch.Tensor:
        """Set the head so that many classes are predicted, the last one most; return the logits."""
        network = build({**self.model, "training": False})
        state = self.model["state"]
        with torch.no_grad():
            features = network.backbone(images)
            # Three times as steep: many a probability exceeds one half.
            weight = 3 * state["head.weight"] / features.std(dim=0).clamp(min=1e-2)
            most_last = (features @ weight.T - features.mean(dim=0) @ weight.T).argmax(dim=1)
            order = most_last.bincount(minlength=len(weight)).argsort()
            state["head.weight"] = weight[order]
            state["head.bias"] = -state["head.weight"] @ features.mean(dim=0)
            network.load_state_dict(state)
            return network(images)

    def first(self, n: int) -> "_Case":
        """The same model with only the first images."""
        case = copy.copy(self)
        case.images, case.labels, case.predicted = (
            rows[:n] for rows in (self.images, self.labels, self.predicted)
        )
        return case


def _ask_evaluate(ask: Ask, case: _Case, options: dict) -> float:
    answer = ask(
        {
            "model": case.model,
            "images": case.images,
            "labels": case.labels,
            "options": options,
            "gradients": case.model["training"],
        }
    )
    # Before any side effect: dropout in train mode draws from the global generator as well.
    if answer.get("ran_in_train") and not answer["raised"]:
        seen = "a forward pass with batch-norm and dropout in train mode"
        raise NotYet("train_mode", expected="forward passes in eval mode", seen=seen)
    completed(answer)
    if answer["kept_graph"]:
        seen = "a forward pass whose result has `requires_grad=True`"
        raise NotYet("graph", expected="forward passes without a graph", seen=seen)
    changed = [
        name
        for name, value in case.model["state"].items()
        if value.dtype != answer["state"][name].dtype or not value.equal(answer["state"][name])
    ]
    if changed or not answer["trainable"]:
        seen = f"`{changed[0]}` has changed" if changed else "`requires_grad` has changed"
        raise NotYet("model_changed", expected="the model as it came", seen=seen)
    if not answer["modes_restored"] and case.model.get("held"):
        expected = (
            "batch-norm of the first block in eval mode and the rest in train mode, as it came"
        )
        raise NotYet("part_modes", expected=expected, seen="other modes")
    if not answer["modes_restored"]:
        was, now = ("train", "eval") if case.model["training"] else ("eval", "train")
        raise NotYet(f"left_in_{now}", expected=f"{was} mode, as it came", seen=f"{now} mode")
    return number(answer["returned"], expected="one number between 0 and 1")


def _compare_accuracies(seen: list[float], cases: list[_Case]) -> None:
    hits = [case.predicted == case.labels for case in cases]
    formulas = [_accuracy_formulas(case) for case in cases]
    explained(
        seen,
        [row.double().mean().item() for row in hits],
        [(rows[0][0], [value for _, value in rows]) for rows in zip(*formulas, strict=True)],
        # An answer rounded to four digits is fine; one image more or less is at least 1/300.
        tolerance=1e-4,
        texts=[f"{int(r.sum())} of {len(r)} right: {r.double().mean():.4f}" for r in hits],
    )


def _accuracy_formulas(case: _Case) -> list[tuple[str, float]]:
    """What the classic slips return, as (message key, value)."""
    hits = (case.predicted == case.labels).double()
    total, n = hits.sum().item(), len(hits)
    by_class = [hits[case.labels == c].mean() for c in case.labels.unique()]
    batches = hits.split(case.batch_size)
    full = hits[: n - n % case.batch_size].sum().item()
    return [
        ("batch_mean", torch.stack([batch.mean() for batch in batches]).mean().item()),
        ("batch_mean", torch.stack([batch.mean() for batch in hits.split(32)]).mean().item()),
        ("batch_mean", total / (len(batches) * case.batch_size)),
        ("last_batch_lost", full / max(n - n % case.batch_size, 1)),
        ("last_batch_lost", full / n),
        ("one_batch", batches[-1].mean().item()),
        ("one_batch", batches[0].mean().item()),
        ("count", total),
        ("count", total / len(batches)),
        ("percent", 100 * total / n),
        ("errors", 1 - total / n),
        ("class_mean", torch.stack(by_class).mean().item()),
        ("ten_classes", hits[case.labels < 10].sum().item() / n),
    ]


# --- k_shot_split --------------------------------------------------------------------------------


def k_shot_split(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    for round_ in range(5 if hard else 2):
        n_shot = draw(rng, 2, 4) if round_ != 3 else 1
        labels = _uneven_labels(rng, n_shot, n_classes=12 if round_ in (2, 3) else 4)
        if round_ % 2:
            labels = labels.to(torch.int32)
        if round_ == 2:
            labels = labels.sort().values
        if round_ == 4:
            labels = labels.remainder(256).to(torch.uint8)
        seed = draw(rng, 0, 10_000)
        # Far from each other and next to each other. By chance two good splits are the same for
        # one pair of seeds in product(size over n_shot): 3 · 28 · 136 · 861, ten million, for two
        # shots of four classes, and (2 · 7 · 16 · 41)³, a million million, for one shot of twelve.
        seeds = [seed, seed, seed + 1, seed + draw(rng, 100, 10_000)]
        supports = [
            _read_split(ask({"labels": labels, "n_shot": n_shot, "seed": each}), labels, n_shot)
            for each in seeds
        ]
        if supports[0] != supports[1]:
            expected = f"seed {seed} twice: the same sets"
            raise NotYet("same_seed", expected=expected, seen="two different support sets")
        for other, drawn in zip(seeds[2:], supports[2:], strict=True):
            if drawn == supports[0]:
                seen = f"seeds {seed} and {other}: the same support set"
                raise NotYet("other_seed", expected="another support set", seen=seen)

    # Exactly n_shot examples of each class: enough, and nothing is left over.
    n_shot = draw(rng, 2, 4)
    labels = torch.tensor([-2, 3, 40]).repeat(n_shot)
    labels = labels[torch.randperm(len(labels), generator=rng)]
    answer = ask({"labels": labels, "n_shot": n_shot, "seed": 1})
    if (answer.get("raised") or {}).get("is_value_error"):
        expected = f"a split: each class has {n_shot} examples, and n_shot is {n_shot}"
        raise NotYet("exactly_enough", expected=expected, seen="a ValueError")
    _read_split(answer, labels, n_shot)

    # One example fewer in one class, which may be the first, the last or one between.
    short = labels[draw(rng, 0, len(labels) - 1)]
    keep = torch.ones(len(labels), dtype=torch.bool)
    keep[(labels == short).nonzero()[0]] = False
    extra = labels[labels != short].repeat(5)  # the others have plenty
    refused(
        ask({"labels": torch.cat([labels[keep], extra]), "n_shot": n_shot, "seed": 1}),
        "too_few",
        expected=f"a ValueError: class {int(short)} has {n_shot - 1} examples, n_shot is {n_shot}",
    )


def _uneven_labels(rng: torch.Generator, n_shot: int, n_classes: int) -> torch.Tensor:
    """Draw labels with gaps, shuffled, of classes that differ in size.

    A draw without strata takes n_shot of each for fewer than one seed in a thousand (of 8 to 16
    from sizes 3, 8, 17 and 42 and the like: hypergeometric), so it passes the six draws of a
    visible check for one in 10^18.
    """
    classes = torch.randperm(200, generator=rng)[:n_classes] + 20
    classes[0] = draw(rng, -9, -1)
    classes[1], classes[2] = draw(rng, 0, 1), draw(rng, 2, 3)  # counting from 0 finds these
    sizes = torch.tensor([1, 6, 15, 40] * (n_classes // 4)) + n_shot
    sizes = sizes[torch.randperm(n_classes, generator=rng)]
    labels = classes.repeat_interleave(sizes)
    return labels[torch.randperm(len(labels), generator=rng)]


def _read_split(answer: dict, labels: torch.Tensor, n_shot: int) -> set[int]:
    """Require a stratified split of everything; return the support as a set."""
    pair = returned(answer)
    if not isinstance(pair, list) or len(pair) != 2:
        raise NotYet("pair", expected="two results: support and rest", seen=_pieces(pair))
    support, rest = (_indices(side, labels, n_shot) for side in pair)
    classes = labels.unique().tolist()
    counts = [int((labels[support] == c).sum()) for c in classes]
    if counts != [n_shot] * len(classes) and _within_classes(support, labels, n_shot):
        seen = f"{min(support)} to {max(support)}, among {len(labels)} labels, in `support`"
        raise NotYet("within_class", expected="positions in `labels`", seen=seen)
    for side, name in ((support, "support"), (rest, "rest")):
        if len(set(side)) < len(side):
            seen = f"{len(side)} indices, {len(set(side))} different ones, in `{name}`"
            raise NotYet("repeats", expected="each index once", seen=seen)
    overlap = len(set(support) & set(rest))
    if overlap:
        raise NotYet("overlap", expected="no index on both sides", seen=f"{overlap} on both")
    if counts != [n_shot] * len(classes):
        if len(support) == n_shot:
            key = "n_shot_in_total"
        elif set(counts) <= {0, n_shot}:
            key = "missed_class"
        else:
            key = "unstratified"
        listed = ", ".join(
            f"{count} of class {c}" for c, count in zip(classes[:5], counts[:5], strict=True)
        )
        raise NotYet(key, expected=f"{n_shot} of every class", seen=listed, n_shot=n_shot)
    lost = len(labels) - len(support) - len(rest)
    if lost:
        raise NotYet("lost", expected=f"{len(labels)} indices in all", seen=f"{lost} on no side")
    return set(support)


def _within_classes(support: list[int], labels: torch.Tensor, n_shot: int) -> bool:
    """Whether these are n_shot positions among the examples of each class, class after class."""
    sizes = labels.unique(return_counts=True)[1].tolist()
    chunks = [support[i : i + n_shot] for i in range(0, len(support), n_shot)]
    return len(support) == n_shot * len(sizes) and all(
        max(chunk) < size for chunk, size in zip(chunks, sizes, strict=True)
    )


def _indices(side: object, labels: torch.Tensor, n_shot: int) -> list[int]:
    expected = "one axis of whole numbers"
    if isinstance(side, list) and any(
        isinstance(part, list) or (isinstance(part, torch.Tensor) and part.ndim > 0)
        for part in side
    ):
        raise NotYet("shape", expected=expected, seen=f"a sequence of {len(side)} sequences")
    side = vector(side, expected=expected)
    if len(side) == 0:
        return []
    if side.dtype is torch.bool:
        raise NotYet("mask", expected="the indices", seen=f"{len(side)} times True or False")
    numbers = side.tolist()
    if side.is_floating_point():
        raise NotYet("type", expected=expected, seen=f"fractional numbers such as {numbers[0]}")
    if sorted(numbers) == sorted(labels.unique().tolist() * n_shot):
        raise NotYet("labels", expected="positions in `labels`", seen="the labels themselves")
    if min(numbers) < 0 or max(numbers) >= len(labels):
        seen = f"from {min(numbers)} to {max(numbers)}"
        raise NotYet("range", expected=f"indices from 0 to {len(labels) - 1}", seen=seen)
    return numbers


def _pieces(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return f"one tensor of shape {tuple(value.shape)}"
    return f"{len(value)} results" if isinstance(value, list) else f"one {type(value).__name__}"


# --- paired_effect -------------------------------------------------------------------------------


def paired_effect(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    rounds = [(5, ["list", "list"]), (30, ["tensor", "tensor"]), (5, ["array", "array"])]
    if hard:
        rounds += [(30, ["list", "list"]), (5, ["tensor", "tensor"]), (5, ["array", "tensor"])]
        rounds += [(30, ["array", "array"])]
    cases, seen = [], []
    for i, (n, kinds) in enumerate(rounds):
        # Shares or percentages; either method ahead; tensors as a learner makes them, float32.
        a, b = _paired_runs(rng, n, sign=(-1) ** i, unit=100 if i > 2 else 1)
        if "tensor" in kinds:
            a, b = a.float(), b.float()
        cases.append((a.double(), b.double()))
        seen.append(_three_numbers(returned(ask({"a": a, "b": b, "kinds": kinds}))))
    _compare_intervals(seen, cases)

    # Sixteenths are exact in binary, so the differences are exactly constant. Two pairs are enough.
    for n in (5, 2):
        b = torch.randint(0, 16, (n,), generator=rng).double() / 16
        shift = draw(rng, 1, 9) / 16
        answer = ask({"a": b + shift, "b": b, "kinds": ["array", "array"]})
        _require_zero_width(answer, shift, n)

    for n, m in [(5, 4), (5, 1)] + ([(1, 3), (30, 5)] if hard else []):
        a, b = torch.rand(n, generator=rng), torch.rand(m, generator=rng)
        for kind in ("list", "array", "tensor"):
            refused(
                ask({"a": a, "b": b, "kinds": [kind, kind]}),
                "unequal",
                expected=f"a ValueError: a has {n} values and b has {m}",
            )
    one = torch.rand(1, generator=rng)
    refused(
        ask({"a": one, "b": one + 0.1, "kinds": ["tensor", "tensor"]}),
        "one_seed",
        expected="a ValueError: one difference says nothing about the spread",
    )


def _require_zero_width(answer: dict, shift: float, n: int) -> None:
    expected = f"three times {shift:.4g}: all {n} differences are {shift:.4g}"
    if n == 2 and (answer.get("raised") or {}).get("is_value_error"):
        raise NotYet("two_seeds", expected="an answer: two pairs are enough", seen="a ValueError")
    try:
        constant = _three_numbers(returned(answer))
    except NotYet as found:
        if found.key != "not finite":
            raise
        raise NotYet("zero_width", expected=expected, seen=found.seen) from None
    if any(abs(value - shift) > 1e-6 for value in constant):
        seen = ", ".join(f"{value:.4g}" for value in constant)
        raise NotYet("zero_width", expected=expected, seen=seen)


def _paired_runs(
    rng: torch.Generator, n: int, *, sign: int, unit: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw results of two methods, on which the seed has far more influence than the method.

    The differences look like a normal sample (normal scores, slightly moved), so that every sound
    interval has nearly the same width: a studentised bootstrap at n = 5 too, which on free draws
    is anything from 0.8 to 20 times as wide as the t interval (simulated). Here it is, over 4,000
    draws, 0.96 to 1.16 times as wide with 4,000 resamples and 0.86 to 1.26 with 1,000, its middle
    at most 0.14 and 0.26 half widths away: no false alarm in 4,000, so fewer than one in 1,300.
    """
    while True:
        scores = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
        scores = scores + 0.03 * torch.randn(n, generator=rng)
        scores = scores[torch.randperm(n, generator=rng)]
        # So small that at n = 5 zero lies inside the interval: signs are mixed.
        effect = sign * (0.6 + 0.3 * torch.rand((), generator=rng))
        spread = 0.006 + 0.006 * torch.rand((), generator=rng)
        b = 0.7 + 6 * spread * torch.randn(n, generator=rng)
        a = b + spread * (scores + effect)
        halves = _half_widths(a, b)
        median_apart = ((a - b).quantile(0.5) - (a - b).mean()).abs() > 0.02 * halves["t"][0]
        # At n = 30, forgetting or changing the pairs must change the width clearly.
        pairs_matter = all(not 0.6 < half / halves["t"][0] < 1.6 for half in halves["unpaired"])
        if median_apart and (n == 5 or pairs_matter):
            return unit * a, unit * b


def _half_widths(a: torch.Tensor, b: torch.Tensor) -> dict[str, list[float]]:
    """The t interval's half width, and what the classic slips give, by message key."""
    d, n = a - b, len(a)
    t, sd = float(stdtrit(n - 1, 0.975)), d.std().item()
    var_a, var_b = a.var().item(), b.var().item()
    welch = (n - 1) * (var_a + var_b) ** 2 / (var_a**2 + var_b**2)
    quantiles = [t, float(stdtrit(2 * n - 2, 0.975)), float(stdtrit(welch, 0.975)), 1.96, 2]
    apart = math.sqrt((var_a + var_b) / n)
    sorted_apart = (a.sort().values - b.sort().values).std().item() / math.sqrt(n)
    percentiles = torch.quantile(d, torch.tensor([0.025, 0.975], dtype=d.dtype))
    halves = {
        "unpaired": [q * se for q in quantiles for se in (apart, sorted_apart)],
        "spread": [q * sd for q in (1, 1.96, 2, t)],
        "no_root": [q * sd / n for q in (1, 1.96, 2, t)],
        "one_se": [sd / math.sqrt(n)],
        "level": [float(stdtrit(n - 1, p)) * sd / math.sqrt(n) for p in (0.95, 0.995)],
    }
    # With n instead of n - 1 under the variance they are still the same slips.
    halves = {key: row + [math.sqrt((n - 1) / n) * h for h in row] for key, row in halves.items()}
    halves["spread"] += [
        (d.max() - d.min()).item() / 2,
        (percentiles[1] - percentiles[0]).item() / 2,
    ]
    return {"t": [t * sd / math.sqrt(n)], **halves}


def _three_numbers(value: object) -> list[float]:
    expected = "three numbers: mean, low, high"
    if isinstance(value, torch.Tensor) and value.shape == (3,):
        value = value.tolist()
    if not isinstance(value, list) or len(value) != 3:
        raise NotYet("type", expected=expected, seen=_pieces(value))
    return [number(each, expected=expected) for each in value]


def _compare_intervals(
    seen: list[list[float]], cases: list[tuple[torch.Tensor, torch.Tensor]]
) -> None:
    mean, low, high = torch.tensor(seen, dtype=torch.float64).T
    halves = [_half_widths(a, b) for a, b in cases]
    half = torch.tensor([row["t"][0] for row in halves], dtype=torch.float64)

    def per_round(slip: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        return torch.stack([slip(a, b) for a, b in cases])

    truth = per_round(lambda a, b: (a - b).mean())

    def near(x: torch.Tensor, y: torch.Tensor, part: float = 0.002) -> torch.Tensor:
        # Arithmetic in float32 changes a result by about 1e-4 of a half width.
        return (x - y).abs() <= part * half

    def require(holds: torch.Tensor, key: str) -> None:
        if not holds.all():
            i = int(holds.int().argmin())
            ends = f"{truth[i] - half[i]:.4g} to {truth[i] + half[i]:.4g}"
            raise NotYet(
                key,
                expected=f"mean {truth[i]:.4g}, interval about {ends} (n = {len(cases[i][0])})",
                seen=f"mean {mean[i]:.4g}, interval {low[i]:.4g} to {high[i]:.4g}",
            )

    right_mean = near(mean, truth)
    if not right_mean.all():
        middle = torch.stack([mean, low, high]).median(dim=0).values
        slips = {
            "order": near(middle, truth, 0.25) & (mean != middle),
            "sign": near(mean, per_round(lambda a, b: (b - a).mean())),
            "absolute": near(mean, per_round(lambda a, b: (a - b).abs().mean())),
            "one_method": near(mean, per_round(lambda a, b: a.mean())),
            "median": near(mean, per_round(lambda a, b: (a - b).quantile(0.5))),
            "constant": mean == mean[0],
        }
        require(right_mean, next((key for key, found in slips.items() if found.all()), "mean"))
    # In every round: in one, an end may be the mean's opposite by chance.
    if near(low, -high).all() or (low == high).all():
        require(low > high, "offsets")
    require(low <= high, "order")
    # A bootstrap's interval need not be symmetric, and its width is partly chance: `_paired_runs`.
    require(near((low + high) / 2, truth, 0.3), "centre")

    ratio = (high - low) / 2 / half
    fits = (ratio >= 0.8) & (ratio <= 1.3)
    if not fits.all():
        for key in ("unpaired", "spread", "no_root", "one_se", "level"):
            for slip in zip(*(row[key] for row in halves), strict=True):
                if near((high - low) / 2, torch.tensor(slip, dtype=torch.float64), 0.005).all():
                    require(fits, key)
        # A bootstrap that forgets the pairs: 1.7 to 2 such standard errors, in a wide berth.
        apart = (high - low) / 2 / per_round(lambda a, b: ((a.var() + b.var()) / len(a)).sqrt())
        if ((apart > 1.5) & (apart < 3)).all():
            require(fits, "unpaired")
        five = torch.tensor([len(a) == 5 for a, _ in cases])
        few = (ratio[five] < 0.8).all() and fits[~five].all()
        require(fits, "few_seeds" if few else "width")
    # As near as a bootstrap may come, and yet a formula's slip: it is off by the same part always.
    for key, factor in (
        ("population", lambda n: math.sqrt((n - 1) / n)),
        ("degrees", lambda n: stdtrit(n, 0.975) / stdtrit(n - 1, 0.975)),
        ("degrees", lambda n: stdtrit(n + 1, 0.975) / stdtrit(n - 1, 0.975)),
    ):
        off = (ratio - torch.tensor([float(factor(len(a))) for a, _ in cases])).abs() < 1e-3
        if off.all():
            require(~off, key)
