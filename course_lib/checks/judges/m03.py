"""Judges of module 03: they know the truth and see only plain data."""

import math
from collections.abc import Callable

import torch
from scipy import stats
from torch import Tensor

from course_lib.checks.judges.reading import describe, is_stub, number, refused, returned, vector
from course_lib.checks.judges.specs import draw
from course_lib.checks.probes.m03 import class_means, nearest_mean
from course_lib.checks.probes.models import build, state_of
from course_lib.checks.run import Ask
from course_lib.checks.verdict import NotYet

# --- learning_curve ------------------------------------------------------------------------------


def learning_curve(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # Class sizes differ, so that a draw without strata shows; two calls with one seed, one with
    # another. The second set's largest size takes a whole class.
    rounds = [([1, 2, 5], 0, False), ([2, 3, 9], 20, True)]
    if hard:
        rounds += [([1, 3, 4, 8], 7, False), ([6], 1, False), ([1, 10], 300, True)]
    for sizes, extra, whole_class in rounds:
        case = _pool_and_test(rng, max(sizes) + (0 if whole_class else 6), 61 + extra)
        seed = draw(rng, 0, 10_000)
        case |= {"sizes": sizes, "seed": seed}
        supports = _read_curve(ask(case), case)
        again = _read_curve(ask(case), case)
        if supports != again:
            raise NotYet(
                "same_seed",
                expected=f"the same subsets for the same seed ({seed})",
                seen="other subsets at the second call",
            )
        # By chance both give the same subsets in less than 1 check of 1e29: 1 over the number of
        # nested subsets of each class, multiplied over the classes, squared.
        others = [_read_curve(ask(case | {"seed": seed + i}), case) for i in (1, 2)]
        if all(other == supports for other in others):
            raise NotYet(
                "seed_ignored",
                expected=f"other subsets for the seeds {seed + 1} and {seed + 2}",
                seen=f"those of seed {seed}",
            )
    case = _pool_and_test(rng, 4, 40)
    case |= {"sizes": [1, 2, 5], "seed": 0}
    refused(
        ask(case), "too_few", expected="a ValueError: a class has 4 examples, and one size is 5"
    )


def _pool_and_test(rng: torch.Generator, smallest: int, n_test: int) -> dict:
    """Draw images that carry their number in pixel [0, 0, 0]; those of the test set lie above ½.

    Classes overlap so much that accuracies lie between chance and 1, and depend on the subset.
    """
    n_classes = draw(rng, 3, 5)
    sizes = torch.tensor([0, 14, 30, 9, 45])[:n_classes] + smallest
    sizes = sizes[torch.randperm(n_classes, generator=rng)]
    labels = torch.arange(n_classes).repeat_interleave(sizes)
    labels = labels[torch.randperm(len(labels), generator=rng)]
    test_labels = torch.randint(n_classes, (n_test,), generator=rng)
    means = 0.45 * torch.rand(n_classes, 1, 3, 5, generator=rng)
    images, test_images = (
        (means[y] + 0.55 * torch.rand(len(y), 1, 3, 5, generator=rng))
        for y in (labels, test_labels)
    )
    images[:, 0, 0, 0] = torch.arange(len(labels)) / 2048  # exact in float32
    test_images[:, 0, 0, 0] = 0.5 + torch.arange(n_test) / 2048
    return {
        "images": images,
        "labels": labels,
        "test_images": test_images,
        "test_labels": test_labels,
        "n_classes": n_classes,
    }


def _read_curve(answer: dict, case: dict) -> list[list[int]]:
    """Require a fair curve; return the numbers of the images in each subset."""
    value = returned(answer)
    sizes, fits, labels = case["sizes"], answer["fits"], case["labels"]
    n_classes = case["n_classes"]
    if sorted(len(fit["numbers"]) for fit in fits) == [size * n_classes for size in sizes]:
        fits.sort(key=lambda fit: len(fit["numbers"]))  # whichever size was fitted first
    if len(fits) != len(sizes):
        times = f"{len(fits)} calls of `fit`"
        raise NotYet("calls", expected=f"{len(sizes)} calls, one per size", seen=times)
    subsets = []
    for size, fit in zip(sizes, fits, strict=True):
        numbers = _numbers(fit).tolist()
        if any(n >= 1024 for n in numbers):
            seen = "a test image among the training images"
            raise NotYet("leak", expected="training on the pool only", seen=seen)
        if len(set(numbers)) < len(numbers):
            seen = f"{len(numbers)} images, {len(set(numbers))} different ones"
            raise NotYet("repeats", expected="each image once", seen=seen)
        subsets.append(sorted(numbers))
        counts = labels[numbers].bincount(minlength=n_classes).tolist()
        if counts != [size] * n_classes:
            raise NotYet(
                _miscounted(subsets, sizes, counts, len(labels)),
                expected=f"{size} images of each of the {n_classes} classes",
                seen=f"{len(numbers)} images: " + ", ".join(map(str, counts)) + " of the classes",
                size=size,
            )
        own = fit["labels"]
        if own.shape != (len(numbers),) or not torch.equal(own.long(), labels[numbers]):
            seen = f"labels {own.tolist()[:6]}" if own.ndim == 1 else describe(own)
            expected = f"labels {labels[numbers].tolist()[:6]} for these images"
            raise NotYet("labels", expected=expected, seen=seen)
    for small, large, *two in zip(subsets, subsets[1:], sizes, sizes[1:], strict=False):
        missing = len(set(small) - set(large))
        if missing:
            raise NotYet(
                "not_nested",
                expected=f"all {len(small)} images of size {two[0]} also at size {two[1]}",
                seen=f"{missing} of them are missing",
            )
    _read_accuracies(value, answer, case)
    return subsets


def _numbers(fit: dict, which: str = "numbers") -> Tensor:
    """Read the numbers of the images in a subset, or of those the model was asked about."""
    return (2048 * fit[which]).round().long()


def _miscounted(subsets: list, sizes: list[int], counts: list[int], n: int) -> str:
    i = len(subsets) - 1
    if sum(counts) == sizes[i]:
        return "total"
    if i > 0 and set(counts) == {sizes[i] - sizes[i - 1]}:
        return "increments"
    return "everything" if sum(counts) == n else "unstratified"


def _read_accuracies(value: object, answer: dict, case: dict) -> None:
    sizes, fits = case["sizes"], answer["fits"]
    expected = f"{len(sizes)} accuracies, in the order of `sizes`"
    value = vector(value, expected=expected)
    if len(value) != len(sizes):
        raise NotYet("length", expected=expected, seen=f"{len(value)} numbers")
    if not torch.isfinite(value.double()).all():
        raise NotYet("not finite", expected=expected, seen=str(value.tolist()))
    seen = value.double().tolist()
    pool_images, test_images, test = case["images"], case["test_images"], case["test_labels"]

    def accuracies(images: Callable[[dict], Tensor], labels: Callable[[dict], Tensor]) -> list:
        found = []
        for fit in fits:
            numbers = _numbers(fit)
            y = case["labels"][numbers]
            means = class_means(pool_images[numbers], y, case["n_classes"])
            right = nearest_mean(means, images(fit)).argmax(1) == labels(fit)
            found.append(right.double().mean().item())
        return found

    truth = accuracies(lambda fit: test_images, lambda fit: test)

    def near(other: list[float]) -> bool:
        # Float32 may round a share; the nearest other share is 1/400 away.
        return len(other) == len(seen) and all(
            abs(a - b) < 1e-5 for a, b in zip(seen, other, strict=True)
        )

    if near(truth):
        return
    own = accuracies(lambda f: pool_images[_numbers(f)], lambda f: case["labels"][_numbers(f)])
    rolled = accuracies(lambda fit: test_images, lambda fit: (test - 1) % case["n_classes"])
    full = set(range(1024, 1024 + len(test)))
    asked = [set(_numbers(fit, "asked").tolist()) for fit in fits]
    slips = {
        "train_mode": rolled,
        "on_training": own if all(a - full for a in asked) else [],
        "percent": [100 * a for a in truth],
        "errors": [1 - a for a in truth],
        "count": [a * len(test) for a in truth],
        "reversed": truth[::-1],
    }
    key = next((key for key, other in slips.items() if near(other)), None)
    if key is None and any(a and not a & full for a in asked):
        key = "rest_of_pool"
    if key is None and any(not full <= a for a in asked):
        key = "test_subset"
    i = max(range(len(sizes)), key=lambda i: abs(seen[i] - truth[i]))
    raise NotYet(
        key or "value",
        expected=f"{truth[i]:.4f} at size {sizes[i]}: all {len(test)} test images",
        seen=f"{seen[i]:.4f}",
        n=len(test),
    )


# --- transfer_gain -------------------------------------------------------------------------------

_WORDS = ("helps", "hurts", "undecided")


def transfer_gain(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # (seeds, effect in standard deviations of a difference, verdict). At n = 5 the half width of
    # the t interval is 1.24 of them, at n = 30 it is 0.37.
    rounds = [(5, 2.5, "helps", "list"), (30, -1.0, "hurts", "array")]
    rounds += [(5, 0.4, "undecided", "tensor"), (30, -0.1, "undecided", "list")]
    if hard:
        rounds += [(5, -2.5, "hurts", "tensor"), (5, -0.4, "undecided", "array")]
        rounds += [(30, 1.0, "helps", "tensor"), (30, 0.1, "undecided", "list")]
        rounds += [(12, 2.0, "helps", "array"), (12, -0.2, "undecided", "list")]
    cases, seen = [], []
    for i, (n, effect, _, kind) in enumerate(rounds):
        unit = 100 if i % 3 == 2 else 1  # percentages and shares
        cases.append([unit * x for x in _paired_runs(rng, n, effect)])
        seen.append(_read_gain(ask(dict(zip(_SIDES, cases[-1], strict=True), kind=kind))))
    _compare_gains(seen, cases)

    # Sixteenths are exact in binary: the differences are exactly constant, and have no spread. One
    # is so small that it is 0.0 when printed in points.
    verdicts = [verdict for _, _, verdict, _ in rounds]
    alike = [(5, 2, "helps"), (2, -3, "hurts"), (3, -1 / 256, "hurts"), (5, 0, "undecided")]
    for n, sixteenths, verdict in alike:
        scratch = torch.randint(6, 11, (n,), generator=rng).double() / 16
        shift = sixteenths / 16
        answer = ask({"transfer": scratch + shift, "scratch": scratch, "kind": "array"})
        expected = f"gain, low and high of {shift:.4g}: all {n} differences are equal"
        try:
            found = _read_gain(answer)
        except NotYet as problem:
            if problem.key != "not finite":
                raise
            raise NotYet("zero_width", expected=expected, seen=problem.seen) from None
        if any(abs(found[end] - shift) > 1e-6 for end in ("gain", "low", "high")):
            raise NotYet("zero_width", expected=expected, seen=_ends(found))
        seen.append(found)
        verdicts.append(verdict)
    _compare_verdicts(seen, verdicts)


_SIDES = ("transfer", "scratch")


def _paired_runs(rng: torch.Generator, n: int, effect: float) -> tuple[Tensor, Tensor]:
    """Draw results on which the seed has far more influence than the method.

    The differences look like a normal sample (normal scores, slightly moved), so that a bootstrap
    has the width it has on average; their deviation is half of that of the seeds or less. With
    enough of them, results that were sorted first have a clearly narrower interval.
    """
    scores = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
    scores = scores + 0.03 * torch.randn(n, generator=rng)
    scores = (scores - scores.mean()) / scores.std()
    while True:
        scores = scores[torch.randperm(n, generator=rng)]
        seeds = 3 * torch.randn(n, generator=rng, dtype=torch.float64)
        apart = (seeds + scores).sort().values - seeds.sort().values
        if seeds.std() > 2 and (n < 10 or apart.std() < 0.75):
            break
    spread = 0.004 + 0.004 * torch.rand((), generator=rng)
    scratch = 0.7 + spread * seeds
    return scratch + spread * (scores + effect), scratch


def _read_gain(answer: dict) -> dict:
    value = returned(answer)
    expected = "a dict with the keys gain, low, high, verdict"
    if not isinstance(value, dict) or "object of type" in value:
        raise NotYet("type", expected=expected, seen=describe(value))
    if not {"gain", "low", "high", "verdict"} <= value.keys():
        raise NotYet("keys", expected=expected, seen=describe(value))
    numbers = {end: number(value[end]) for end in ("gain", "low", "high")}
    return {**numbers, "verdict": value["verdict"]}


def _ends(found: dict) -> str:
    return "gain {gain:.4g}, from {low:.4g} to {high:.4g}".format(**found)


def _compare_gains(seen: list[dict], cases: list[list[Tensor]]) -> None:
    differences = [transfer - scratch for transfer, scratch in cases]
    truth = [d.mean().item() for d in differences]
    halves = [
        stats.t.ppf(0.975, len(d) - 1) * d.std().item() / math.sqrt(len(d)) for d in differences
    ]

    def require(holds: list[bool], key: str) -> None:
        if not all(holds):
            i = holds.index(False)
            ends = f"from {truth[i] - halves[i]:.4g} to {truth[i] + halves[i]:.4g}"
            expected = f"gain {truth[i]:.4g}, about {ends} (n = {len(differences[i])})"
            raise NotYet(key, expected=expected, seen=_ends(seen[i]))

    def gives(gains: list[float]) -> list[bool]:
        # Arithmetic in float32 changes a result by some 1e-4 of a half width.
        near = zip(seen, gains, halves, strict=True)
        return [abs(found["gain"] - gain) <= 0.005 * half for found, gain, half in near]

    slips = {
        "sign": [-gain for gain in truth],
        "one_side": [transfer.mean().item() for transfer, _ in cases],
        "relative": [(t.mean() / s.mean() - 1).item() for t, s in cases],
        "relative_percent": [100 * (t.mean() / s.mean() - 1).item() for t, s in cases],
        "absolute": [d.abs().mean().item() for d in differences],
    }
    key = next((key for key, gains in slips.items() if all(gives(gains))), "gain")
    require(gives(truth), key.removesuffix("_percent"))
    require([found["low"] <= found["high"] for found in seen], "order")
    widths = [
        (found["high"] - found["low"]) / 2 / half for found, half in zip(seen, halves, strict=True)
    ]
    fits = [0.99 <= width <= 1.01 for width in widths]
    if not all(fits):
        # Without the pairs it is at least 2.4 times as wide (2,000 draws); 1.6 with any quantile.
        by_size = [(len(d), width) for d, width in zip(differences, widths, strict=True)]
        # 1.96 gives .71 of t's width at n = 5 and .96 at n = 30, the percentile bootstrap .63 and
        # .94; a 90 % level .77 and .83, a deviation by n for n - 1 .89 and .98.
        few = all(w < 0.8 if n == 5 else w > 0.88 for n, w in by_size if n in (5, 30))
        key = "unpaired" if min(widths) > 1.6 else "few_seeds" if few else "width"
        require(fits, key)
    middles = [abs((f["low"] + f["high"]) / 2 - g) for f, g in zip(seen, truth, strict=True)]
    require([m <= 0.01 * half for m, half in zip(middles, halves, strict=True)], "centre")


def _compare_verdicts(seen: list[dict], truth: list[str]) -> None:
    said = [found["verdict"] for found in seen]
    for verdict in said:
        if verdict not in _WORDS:
            expected = " or ".join(f'"{word}"' for word in _WORDS)
            raise NotYet("words", expected=expected, seen=describe(verdict))
    if said == truth:
        return
    flip = {"helps": "hurts", "hurts": "helps", "undecided": "undecided"}
    slips = {
        "flipped": [flip[word] for word in truth],
        "hasty": ["helps" if f["gain"] > 0 else "hurts" if f["gain"] < 0 else t
                  for f, t in zip(seen, truth, strict=True)],
        "never_hurts": ["helps" if word == "helps" else "undecided" for word in truth],
        "not_helps": ["helps" if word == "helps" else "hurts" for word in truth],
    }  # fmt: skip
    key = next((key for key, words in slips.items() if said[:-1] == words[:-1]), "verdict")
    if said[:-1] == truth[:-1]:
        key = "zero"
    i = next(i for i, (a, b) in enumerate(zip(said, truth, strict=True)) if a != b)
    raise NotYet(key, expected=f"{truth[i]!r} for {_ends(seen[i])}", seen=repr(said[i]))


# --- time_to_target ------------------------------------------------------------------------------


def time_to_target(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    rounds = [_dips, _exactly, _with_gaps, _at_once] * (4 if hard else 1)
    cases = [make(rng) for make in rounds]
    seen = [_read_step(ask({"history": h, "target": t})) for h, t in cases]
    formulas = {name: [f(h, t) for h, t in cases] for name, f in _STEPS.items()}

    def gives(values: list[float]) -> bool:
        return all(a == b or abs(a - b) < 1e-4 for a, b in zip(seen, values, strict=True))

    truth = formulas.pop("truth")
    if not gives(truth):
        key = next((name for name, values in formulas.items() if gives(values)), "value")
        i = next(i for i, (a, b) in enumerate(zip(seen, truth, strict=True)) if a != b)
        history, target = cases[i]
        rows = ", ".join(f"{row['val_accuracy']:.2f} at {row['step']:g}" for row in history)
        # What the hidden tests have asked is not shown.
        shown = "" if hard else f" for a target of {target:.2f}; validation accuracies: {rows}"
        raise NotYet(
            key.rstrip("2345"),
            expected=f"{truth[i]:g}{shown}",
            seen=f"{seen[i]:g}",
        )
    for key, history, target in (
        ("never", _rows(rng, [0.2, 0.4, 0.3, 0.5]), 0.6),
        ("never", _rows(rng, [0.4, math.nan]), 0.6),
        ("empty", [], 0.6),
    ):
        answer = ask({"history": history, "target": target})
        rows = f"a history of {len(history)} rows" + (" below the target" if history else "")
        expected = f"inf for {rows}"
        raised = answer.get("raised")
        if raised and not is_stub(raised):
            seen_here = f"{raised['type']}: {raised['message'][:100]}"
            raise NotYet(key, expected=expected, seen=seen_here)
        value = returned(answer)
        if isinstance(value, Tensor) and value.ndim == 0:
            value = value.item()
        if value != math.inf:
            raise NotYet(key, expected=expected, seen=describe(value))


def _read_step(answer: dict) -> float:
    value = returned(answer)
    if isinstance(value, Tensor) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotYet("type", expected="one number", seen=describe(value))
    return float(value)


def _rows(rng: torch.Generator, val: list[float], train: list[float] | None = None) -> list[dict]:
    """Rows with steps at uneven distances, the first at 3 or later."""
    steps = torch.randint(3, 12, (len(val),), generator=rng).cumsum(0).tolist()
    if train is None:
        train = [min(1.0, 0.25 if math.isnan(v) else v / 2) for v in val]
    return [
        {"step": s, "train_accuracy": t, "val_accuracy": v}
        for s, t, v in zip(steps, train, val, strict=True)
    ]


def _noise(rng: torch.Generator, n: int) -> list[float]:
    return (0.04 * torch.rand(n, generator=rng)).tolist()


def _dips(rng: torch.Generator) -> tuple[list[dict], float]:
    """Above the target, below it again, above it, with the best value last but one; and a
    training accuracy that gets there earlier."""
    base = [0.3, 0.45, 0.55, 0.75, 0.6, 0.82, 0.9, 0.85]
    val = [a + e for a, e in zip(base, _noise(rng, 8), strict=True)]
    train = [0.4, 0.72, 0.8, 0.9, 0.95, 0.97, 0.98, 1.0]
    return _rows(rng, val, train), 0.7


def _exactly(rng: torch.Generator) -> tuple[list[dict], float]:
    """One row has exactly the target, the one before nearly; a later one more, the last less."""
    target = draw(rng, 7, 10) / 16
    val = [target - 0.2, target - 0.001, target, target + 0.1, target - 0.1]
    return _rows(rng, val), target


def _with_gaps(rng: torch.Generator) -> tuple[list[dict], float]:
    """Some rows were not measured."""
    nan = math.nan
    val = [nan, 0.5, nan, 0.62, 0.7, nan, 0.9, 0.66]
    noise = _noise(rng, 8)
    return _rows(rng, [a + e for a, e in zip(val, noise, strict=True)]), 0.68


def _at_once(rng: torch.Generator) -> tuple[list[dict], float]:
    """The model was there before its first step."""
    val = [0.9, 0.85, 0.95, 0.92]
    rows = _rows(rng, [a + e for a, e in zip(val, _noise(rng, 4), strict=True)])
    rows[0]["step"] = 0
    return rows, 0.8


def _first(history: list[dict], reached: Callable[[dict], bool]) -> float:
    return next((float(row["step"]) for row in history if reached(row)), math.inf)


def _val(row: dict) -> float:
    return row["val_accuracy"]


def _last_crossing(history: list[dict], target: float) -> float:
    step, below = math.inf, True
    for row in history:
        above = _val(row) >= target
        if above and below:
            step = float(row["step"])
        below = not above
    return step


def _for_good(history: list[dict], target: float) -> float:
    step = math.inf
    for row in reversed(history):
        if _val(row) < target:
            break
        step = float(row["step"]) if _val(row) >= target else step
    return step


def _index(history: list[dict], target: float) -> float:
    return float(next(i for i, row in enumerate(history) if _val(row) >= target))


_STEPS: dict[str, Callable[[list[dict], float], float]] = {
    "truth": lambda h, t: _first(h, lambda row: _val(row) >= t),
    "last": lambda h, t: _first(h[::-1], lambda row: _val(row) >= t),
    "last2": _last_crossing,
    "last3": _for_good,
    "train": lambda h, t: _first(h, lambda row: row["train_accuracy"] >= t),
    "strict": lambda h, t: _first(h, lambda row: _val(row) > t),
    "rounded": lambda h, t: _first(h, lambda row: round(_val(row), 2) >= round(t, 2)),
    "rounded2": lambda h, t: _first(h, lambda row: _val(row) >= t - 0.01),
    "nan": lambda h, t: _first(h, lambda row: not _val(row) < t),
    "zero": lambda h, t: _first(h, lambda row: _val(row) >= t) or math.inf,
    "zero2": lambda h, t: _first(h, lambda row: _val(row) >= t and row["step"] > 0),
    "index": _index,
    "index2": lambda h, t: _index(h, t) + 1,
    "best": lambda h, t: _first(h, lambda row: _val(row) == max(v for v in map(_val, h) if v == v)),
    "accuracy": lambda h, t: next(_val(row) for row in h if _val(row) >= t),
    "closest": lambda h, t: _first(
        h, lambda row: abs(_val(row) - t) == min(abs(v - t) for v in map(_val, h) if v == v)
    ),
}


# --- copy_first_k --------------------------------------------------------------------------------


def copy_first_k(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # (widths of the source's blocks, of the target's, k): heads differ, and so does what lies
    # behind the first k blocks.
    rounds = [([4, 5, 6, 5], [4, 5, 6, 5], 2), ([5, 6], [5, 6], 0), ([4, 6, 5], [4, 6, 5, 7], 3)]
    rounds += [([2] * 11, [2] * 11, 2)]  # block 10, whose name begins as that of block 1
    if hard:
        rounds += [([6, 4, 5, 5], [6, 7, 5, 4], 1), ([5, 4], [5, 4], 2), ([7], [7], 1)]
        rounds += [([4, 5, 4, 6], [4, 5, 8], 2), ([3, 3, 3, 3, 3], [3, 3, 3, 3, 3], 4)]
    for i, (ours, theirs, k) in enumerate(rounds):
        source = _specified(rng, ours, classes=draw(rng, 3, 5), head_first=i % 2 == 1)
        target = _specified(rng, theirs, classes=draw(rng, 6, 8), head_first=i % 3 == 1)
        inputs = {"source": source, "target": target, "k": k}
        _read_copy(ask(inputs), inputs)
    refusals = [([4, 5], [4, 5, 6], 3), ([4, 5, 6], [4, 5], 3)]
    if hard:
        refusals += [([4, 5], [4, 5], 3), ([5], [5, 5, 5, 5], 2)]
    for ours, theirs, k in refusals:
        case = {"source": _specified(rng, ours), "target": _specified(rng, theirs), "k": k}
        expected = f"a ValueError: {len(ours)} and {len(theirs)} blocks, and k = {k}"
        _read_refusal(ask(case), case, "too_deep", expected)
    # Another width in the second block. And one channel where the target has three: PyTorch would
    # spread the one over the three, without a word.
    mismatches = [(([4, 5, 6], 1), ([4, 7, 6], 1), 2), (([4, 5], 1), ([4, 5], 3), 1)]
    if hard:
        mismatches += [(([4, 5, 6], 3), ([4, 5, 7], 3), 3), (([1, 5], 1), ([4, 5], 1), 2)]
    for (ours, channels), (theirs, others), k in mismatches:
        case = {
            "source": _specified(rng, ours, channels=channels),
            "target": _specified(rng, theirs, channels=others),
            "k": k,
        }
        expected = "a ValueError that says which tensor does not fit, and the target unchanged"
        _read_refusal(ask(case), case, "mismatch", expected)


def _specified(
    rng: torch.Generator,
    widths: list[int],
    *,
    channels: int = 1,
    classes: int = 4,
    head_first: bool = False,
) -> dict:
    """Draw a model with these widths, every value of it random."""
    blocks, before = [], channels
    for width in widths:
        blocks.append([["conv", before, width, 3, 1], ["bn", width], ["relu"]])
        before = width
    spec = {"blocks": blocks, "classes": classes, "head_first": head_first, "training": False}
    state = state_of(build(spec))
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(draw(rng, 5, 5000))
        else:
            state[name] = 0.5 + torch.rand(value.shape, generator=rng)
    return {**spec, "state": state}


def _read_copy(answer: dict, inputs: dict) -> None:
    value, k = returned(answer), inputs["k"]
    source, target = inputs["source"]["state"], inputs["target"]["state"]
    now = answer["target"]
    if now.keys() != target.keys():
        raise NotYet("structure", expected="the same names as before", seen="other names in target")

    def is_source(name: str) -> bool:
        return name in source and torch.equal(now[name], source[name])

    def block(name: str) -> int:
        parts = name.split(".")
        return int(parts[2]) if name.startswith("backbone.blocks.") else len(target)

    def parameter(name: str) -> bool:
        return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))

    inside = {name for name in target if block(name) < k}
    changed = {name for name in target if not torch.equal(now[name], target[name])}
    if any(not torch.equal(v, source[n]) for n, v in answer["source"].items()):
        backwards = any(torch.equal(answer["source"].get(n, v + 1), v) for n, v in target.items())
        key = "backwards" if backwards else "source_changed"
        raise NotYet(key, expected="the source as it was", seen="a source that changed")
    depth = min(len(inputs[side]["blocks"]) for side in ("source", "target"))
    common = {name for name in target if block(name) < depth}
    slips = {
        "nothing": set(),
        "off_by_one": {name for name in common if block(name) < k - 1},
        "one_too_many": {name for name in common if block(name) < k + 1},
        "buffers": {name for name in inside if parameter(name)},
        "everything": common,
        "last_blocks": {name for name in common if block(name) >= depth - k},
        "one_block": {name for name in common if block(name) == k - 1},
        "next_block": {name for name in common if block(name) == k},
        "weights_only": {name for name in inside if name.endswith("weight")},
        "counter": {name for name in inside if not name.endswith("num_batches_tracked")},
        "prefix": {name for name in common if str(block(name)).startswith(tuple("0123456789"[:k]))},
    }
    same_key = {"one_too_many": "off_by_one", "next_block": "one_block", "counter": "buffers"}
    if changed != inside:
        key = next((key for key, names in slips.items() if changed == names), None)
        if key is None:
            key = "rest" if changed - inside else "missing"
        lost, extra = sorted(inside - changed), sorted(changed - inside)
        seen = f"not copied: {lost[0]}" if lost else f"copied or changed too: {extra[0]}"
        raise NotYet(
            same_key.get(key, key),
            expected=f"k = {k}: blocks 0 to {k - 1} copied" if k else "k = 0: nothing copied",
            seen=seen,
            k=k,
        )
    for name in sorted(inside):
        if not is_source(name):
            raise NotYet("values", expected=f"the source's {name}", seen="other numbers")
    if not answer["trainable"]:
        seen = "`requires_grad` of a parameter switched off"
        raise NotYet("frozen", expected="every parameter as trainable as before", seen=seen)
    if answer["shared"]:
        expected = "a target that stays when the source changes"
        raise NotYet("shared", expected=expected, seen=f"{answer['shared'][0]} changed with it")
    _read_names(value, inside, k)


def _read_names(value: object, inside: set[str], k: int) -> None:
    expected = f"a list of {len(inside)} names" + (
        f", such as {min(inside)}" if inside else ": for k = 0 an empty one"
    )
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise NotYet("type", expected=expected, seen=describe(value))
    if sorted(value) == sorted(inside):
        return
    seen = f"{len(value)} names" + (f", such as {min(value)}" if value else "")
    # "0.1.weight" or "blocks.0.1.weight" instead of "backbone.blocks.0.1.weight"
    tails = {".".join(name.split(".")[i:]) for name in inside for i in (1, 2, 3)}
    raise NotYet(
        "short_names" if value and set(value) <= tails else "names", expected=expected, seen=seen
    )


def _read_refusal(answer: dict, case: dict, key: str, expected: str) -> None:
    refused(answer, key, expected=expected)
    for name, value in case["target"]["state"].items():
        if not torch.equal(answer["target"].get(name, value + 1), value):
            raise NotYet("half_copied", expected=f"{name} as it was", seen=f"another {name}")
