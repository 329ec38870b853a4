"""Judges of module 08: they look at the protocol, never at how well a method does."""

import math
import re

import torch
from scipy import stats

from course_lib.checks.judges.reading import completed, describe, number, refused, returned, vector
from course_lib.checks.judges.specs import draw
from course_lib.checks.run import Ask
from course_lib.checks.verdict import NotYet

# --- write_prediction ----------------------------------------------------------------------------

_KEYS = ("situation", "method", "gain", "low", "high", "time")


def write_prediction(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    for round_ in range(4 if hard else 2):
        # A gain, then a loss: predictions may say that transfer hurts.
        low, gain, high = _range(rng, sign=(-1) ** round_)
        _read_prediction(ask, rng, gain, low, high, twice=round_ == 0)
    low, gain, high = _range(rng, sign=1)
    for ends in ((gain, high), (low, gain), (gain, gain)):  # the gain at an end, or at both
        answer = _ask_prediction(ask, rng, gain, *ends)
        if (answer.get("raised") or {}).get("is_value_error"):
            expected = f"a prediction: {ends[0]:.3g} <= {gain:.3g} <= {ends[1]:.3g}"
            raise NotYet("equal_ends", expected=expected, seen="a ValueError")
        returned(answer)

    answer = _ask_prediction(ask, rng, 0.0, -low, high)
    if (answer.get("raised") or {}).get("is_value_error"):
        expected = f"a prediction: {-low:.3g} <= 0 <= {high:.3g}"
        raise NotYet("zero", expected=expected, seen="a ValueError")
    returned(answer)
    shift = 1 + high - low
    for name, numbers in {
        "outside": (gain + shift, low, high),
        "outside below": (gain - shift, low, high),
        "ends_swapped": (gain, high, low),
    }.items():
        text = ", ".join(f"{value:.3g}" for value in numbers)
        refused(
            _ask_prediction(ask, rng, *numbers),
            name.removesuffix(" below"),
            expected=f"a ValueError for gain, low, high = {text}",
        )
    for bad in (math.nan, math.inf, -math.inf):
        for place in range(3):
            numbers = [gain, low, high]
            numbers[place] = bad
            refused(
                _ask_prediction(ask, rng, *numbers),
                "not_finite",
                expected=f"a ValueError: {('gain', 'low', 'high')[place]} is {bad}",
            )


def _range(rng: torch.Generator, sign: int) -> tuple[float, float, float]:
    """Draw low < gain < high, none of them the middle, all of one sign."""
    low, gain, high = (x + torch.rand((), generator=rng).item() / 10 for x in (0.05, 0.2, 0.6))
    return (low, gain, high) if sign > 0 else (-high, -gain, -low)


def _ask_prediction(
    ask: Ask, rng: torch.Generator, gain: float, low: float, high: float, twice: bool = False
) -> dict:
    situation, method = (f"{what} {draw(rng, 100, 999)}" for what in ("ten signs", "probe -"))
    answer = ask({"arguments": [situation, method, gain, low, high], "twice": twice})
    answer["texts"] = {
        "situation": situation,
        "method": method,
    }  # the same object: it may lack parts
    return answer


def _read_prediction(
    ask: Ask, rng: torch.Generator, gain: float, low: float, high: float, twice: bool
) -> None:
    answer = _ask_prediction(ask, rng, gain, low, high, twice)
    if gain < 0 and (answer.get("raised") or {}).get("is_value_error"):
        expected = f"a prediction with the gain {gain:.3g}: a loss"
        raise NotYet("negative", expected=expected, seen="a ValueError")
    found = returned(answer)
    expected = "a dict with the keys " + ", ".join(_KEYS)
    if not isinstance(found, dict) or "object of type" in found:
        raise NotYet("type", expected=expected, seen=describe(found))
    if missing := [key for key in _KEYS if key not in found]:
        key = "no_time" if missing == ["time"] else "keys"
        raise NotYet(key, expected=expected, seen=describe(found))
    for key, value in answer["texts"].items():
        if found[key] != value:
            raise NotYet("texts", expected=f"{key}: {value!r}", seen=describe(found[key]))
    numbers = {"gain": gain, "low": low, "high": high}
    seen = {key: number(found[key], expected=f"{key}: {numbers[key]:.6g}") for key in numbers}
    for key, value in numbers.items():
        if abs(seen[key] - value) > 1e-6:  # float32 is fine, rounding to two digits is not
            name = "mixed_up" if sorted(seen.values()) == sorted(numbers.values()) else "changed"
            raise NotYet(name, expected=f"{key}: {value:.6g}", seen=f"{seen[key]:.6g}")
    _require_moment(answer, twice)


def _require_moment(answer: dict, twice: bool) -> None:
    """The time may have any form, but it must be the call's, not one that stands still."""
    moment = answer["time"]
    expected = "the moment of the call"
    if not any(character.isdigit() for character in moment):
        raise NotYet("no_time", expected=expected, seen=repr(moment) if moment else "None")
    # In whole minutes or days it may well stand still for a second; then it must name today.
    coarse = not re.search(r"\d:\d\d:\d\d|^[\d.]+$|sec=", moment)
    today = {answer["day"], answer["gmt day"]}
    if (
        twice
        and answer["time again"] == moment
        and not (coarse and any(d in moment for d in today))
    ):
        raise NotYet("stands_still", expected=expected, seen="the same time twice, a second apart")


# --- run_study -----------------------------------------------------------------------------------

_FIRST_TEST = 2048  # the numbers of the test images begin here, those of the pool at 0


def run_study(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # a ahead, b ahead, and two where the seeds cannot tell although the mean is not 0
    rounds = [(5, 2.0, 2), (4, -2.0, 3), (5, 0.6, 2)]
    if hard:
        rounds += [(6, -0.6, 1), (8, 1.6, 2), (3, 3.0, 4), (7, -1.6, 1)]
    cases = [
        _Study(
            rng,
            n_seeds=n,
            effect=effect,
            n_shot=n_shot,
            training=i % 2 == 0,
            gaps=i % 3 == 1,
            stuck=i % 3 == 0,
        )
        for i, (n, effect, n_shot) in enumerate(rounds)
    ]
    answers = [ask(case.question()) for case in cases]
    for case, answer in zip(cases, answers, strict=True):
        case.require_protocol(completed(answer))
    for case, answer in zip(cases, answers, strict=True):
        case.require_numbers(answer["returned"])

    # The fewest seeds that make a study; and methods that are equally good on every seed, so that
    # the interval ends at 0 on both sides.
    for n, effect in ((2, 0.6), (3, 0.0)):
        case = _Study(rng, n_seeds=n, effect=effect, n_shot=1, training=True, gaps=False)
        answer = ask(case.question())
        if n == 2 and (answer.get("raised") or {}).get("is_value_error"):
            expected = f"a study of the seeds {case.seeds}"
            raise NotYet("two_seeds", expected=expected, seen="a ValueError")
        case.require_protocol(completed(answer))
        case.require_numbers(answer["returned"])

    # The same labels, n_shot and seeds in another order and company: the same support sets.
    first, again = cases[0], cases[0].reordered(rng)
    answer = completed(ask(again.question()))
    again.require_protocol(answer)
    before, after = first.supports(answers[0]), again.supports(answer)
    for seed in again.seeds:
        if seed in before and before[seed] != after[seed]:
            raise NotYet(
                "support_depends",
                expected=f"seed {seed}: the same support in every study of these labels",
                seen="another support when the seeds came in another order",
            )
    _require_refusals(ask, rng, cases[0])


def _require_refusals(ask: Ask, rng: torch.Generator, case: "_Study") -> None:
    one, twice = case.seeds[:1], [*case.seeds[:-1], case.seeds[0]]
    smallest = int(case.labels.unique(return_counts=True)[1].min())
    for key, change, expected in (
        ("one_seed", {"seeds": one}, "a ValueError: one seed has no spread"),
        ("same_seed_twice", {"seeds": twice}, f"a ValueError: seed {twice[0]} comes twice"),
        (
            "too_few",
            {"n_shot": smallest + 1},
            f"a ValueError: a class has {smallest} examples, n_shot is {smallest + 1}",
        ),
    ):
        answer = ask({**case.question(), **change})
        refused(answer, key, expected=expected)
        if answer["fits"]:
            seen = f"a ValueError after {len(answer['fits'])} fits"
            raise NotYet("refused_late", expected=expected + ", before any fit", seen=seen)


class _Study:
    """A pool, a test set, and what each fitted model answers to each test image."""

    def __init__(
        self,
        rng: torch.Generator,
        *,
        n_seeds: int,
        effect: float,
        n_shot: int,
        training: bool,
        gaps: bool,
        stuck: bool = False,
    ) -> None:
        # The smallest class has 8 examples: two seeds draw the same support set for fewer than
        # one pair in a million.
        sizes = torch.tensor([8, 11, 14, 20, 9, 12, 16])
        names = torch.arange(len(sizes))
        if gaps:
            names = names * 3 + draw(rng, 1, 5)
        labels = names.repeat_interleave(sizes[torch.randperm(len(sizes), generator=rng)])
        self.labels = labels[torch.randperm(len(labels), generator=rng)]
        self.n_shot, self.training = n_shot, training
        self.seeds = (torch.randperm(900, generator=rng)[:n_seeds] + 100).tolist()
        self.kind = "tuple" if gaps else "list"
        self.classes = int(names.max()) + 1
        self.n_test = 600 + draw(rng, 1, 60)  # ragged in batches of 256 and of 32
        self.test_labels = names[torch.randint(len(names), (self.n_test,), generator=rng)]
        self.other = (self.test_labels + 2) % self.classes  # a model that was not asked for
        a, b = _paired_counts(rng, n_seeds, effect, self.n_test)
        if stuck:  # in one round one method never got beyond chance, which is a result, too
            lowest = torch.minimum(a, b).argmin()
            lower = torch.minimum(a, b)[lowest] - round(0.07 * self.n_test)
            a[lowest], b[lowest] = a[lowest] - lower, b[lowest] - lower
        self.accuracies = {"a": a / self.n_test, "b": b / self.n_test}
        self.answers = {
            name: {
                str(seed): self._right_on(int(count), rng)
                for seed, count in zip(self.seeds, counts, strict=True)
            }
            for name, counts in (("a", a), ("b", b))
        }

    def _right_on(self, count: int, rng: torch.Generator) -> torch.Tensor:
        """Answers (indexed by image number) that are right on this many test images."""
        answers = self.test_labels.clone()
        # One more than the truth: in train mode a model answers one more again, never the truth.
        mistaken = torch.randperm(self.n_test, generator=rng)[count:]
        answers[mistaken] = (answers[mistaken] + 1) % self.classes
        return answers.roll(_FIRST_TEST % self.n_test)

    def question(self) -> dict:
        return {
            "pool": torch.arange(len(self.labels)),
            "labels": self.labels,
            "test": torch.arange(self.n_test) + _FIRST_TEST,
            "test_labels": self.test_labels,
            "classes": self.classes,
            "answers": self.answers,
            "other": self.other.roll(_FIRST_TEST % self.n_test),
            "n_shot": self.n_shot,
            "seeds": self.seeds,
            "kind": self.kind,
            "training": self.training,
        }

    def reordered(self, rng: torch.Generator) -> "_Study":
        """The same pool with other methods, the seeds in another order, one of them left out."""
        other = _Study(
            rng, n_seeds=len(self.seeds) - 1, effect=1.0, n_shot=self.n_shot,
            training=not self.training, gaps=False,
        )  # fmt: skip
        renamed = dict(zip(other.seeds, self.seeds[:0:-1], strict=True))
        other.labels, other.seeds = self.labels, list(renamed.values())
        other.answers = {
            name: {str(renamed[int(seed)]): answers for seed, answers in by_seed.items()}
            for name, by_seed in other.answers.items()
        }
        return other

    def supports(self, answer: dict) -> dict[int, list[int]]:
        return {fit["seed"]: sorted(fit["images"]) for fit in answer["fits"]}

    def require_protocol(self, answer: dict) -> None:
        """Require that the right things were fitted and tested, whatever came out."""
        fits = answer["fits"]
        by_method = {name: [f["seed"] for f in fits if f["method"] == name] for name in "ab"}
        expected = f"each method once with each of the seeds {self.seeds}"
        strangers = [fit["seed"] for fit in fits if fit["seed"] not in self.seeds]
        if strangers:
            raise NotYet("fit_seed", expected=expected, seen=f"a fit with seed {strangers[0]}")
        for name, seeds in by_method.items():
            if len(set(seeds)) < len(seeds):
                seen = f"`fit_{name}` {len(seeds)} times"
                raise NotYet("fitted_twice", expected=expected, seen=seen)
            if left_out := set(self.seeds) - set(seeds):
                seen = f"`fit_{name}` without seed {left_out.pop()}"
                raise NotYet("seeds", expected=expected, seen=seen)
        for fit in fits:
            self._require_support(fit)
        supports = {name: {} for name in "ab"}
        for fit in fits:
            supports[fit["method"]][fit["seed"]] = sorted(fit["images"])
        for seed in self.seeds:
            if supports["a"][seed] != supports["b"][seed]:
                shared = len(set(supports["a"][seed]) & set(supports["b"][seed]))
                seen = f"seed {seed}: {shared} of {len(supports['a'][seed])} in common"
                raise NotYet("not_paired", expected="the same images for both", seen=seen)
        distinct = {tuple(support) for support in supports["a"].values()}
        if len(distinct) < len(self.seeds):
            seen = f"{len(distinct)} different support sets for {len(self.seeds)} seeds"
            raise NotYet("one_support", expected="another support for each seed", seen=seen)
        for fit in fits:
            self._require_test(fit)

    def _require_support(self, fit: dict) -> None:
        images = fit["images"]
        labels = vector(fit["labels"], expected="one label for each image that is fitted")
        n, n_classes = len(images), len(self.labels.unique())
        expected = f"{self.n_shot} images of each of {n_classes} classes"
        if leaked := sum(image >= _FIRST_TEST for image in images):
            seen = f"{leaked} test images among the {n} fitted ones"
            raise NotYet("test_in_fit", expected=expected, seen=seen)
        if n == len(self.labels):
            raise NotYet("whole_pool", expected=expected, seen=f"all {n} images of the pool")
        if min(images, default=0) < 0 or max(images, default=0) >= len(self.labels):
            raise NotYet("images", expected=expected, seen=f"{n} images, not all of the pool")
        if len(labels) != n or labels.tolist() != self.labels[images].tolist():
            raise NotYet("labels", expected="each image with its own label", seen=describe(labels))
        counts = labels.unique(return_counts=True)[1]
        if len(set(images)) < n or len(counts) < n_classes or set(counts.tolist()) != {self.n_shot}:
            smallest = int(counts.min()) if len(counts) == n_classes else 0
            seen = f"{n} images, {smallest} to {int(counts.max()) if n else 0} of a class"
            key = "rest" if n == len(self.labels) - self.n_shot * n_classes else "support"
            raise NotYet(key, expected=expected, seen=seen)

    def _require_test(self, fit: dict) -> None:
        seen = [image for forward in fit["seen"] for image in forward["images"].tolist()]
        tested = [image for image in seen if image >= _FIRST_TEST]
        expected = f"each model shown the {self.n_test} test images once"
        if not tested:
            text = f"the model of seed {fit['seed']} was shown {len(seen)} images of the pool"
            raise NotYet("not_tested", expected=expected, seen=text)
        if len(tested) > len(set(tested)):
            times = len(tested) / self.n_test
            raise NotYet("test_twice", expected=expected, seen=f"{times:.3g} times")
        if len(tested) < self.n_test:
            raise NotYet("part_of_test", expected=expected, seen=f"{len(tested)} of them")
        in_train = [
            f["training"]
            for f in fit["seen"]
            if max(f["images"].tolist(), default=0) >= _FIRST_TEST
        ]
        if any(in_train):
            raise NotYet("train_mode", expected="the model in eval mode", seen="in train mode")

    def require_numbers(self, found: object) -> None:
        keys = ("a", "b", "mean", "low", "high", "verdict")
        expected = "a dict with the keys " + ", ".join(keys)
        if not isinstance(found, dict) or "object of type" in found:
            raise NotYet("type", expected=expected, seen=describe(found))
        if not set(keys) <= set(found):
            raise NotYet("result_keys", expected=expected, seen=describe(found))
        for name in "ab":
            self._require_accuracies(name, found[name])
        a, b = (self.accuracies[name] for name in "ab")
        truth = (a - b).mean().item()
        half = (stats.t.ppf(0.975, len(a) - 1) * (a - b).std() / math.sqrt(len(a))).item()
        mean, low, high = (number(found[key]) for key in ("mean", "low", "high"))
        expected = f"{truth:.4f} [{truth - half:.4f}, {truth + half:.4f}]"
        seen = f"{mean:.4f} [{low:.4f}, {high:.4f}]"
        # Accuracies are counts: an answer in float32 is exact to far more digits.
        if abs(mean + truth) < 1e-4 < abs(mean - truth):
            raise NotYet("baseline", expected=expected, seen=seen)
        if abs(mean - truth) > 1e-4:
            raise NotYet("mean", expected=expected, seen=seen)
        # Accuracies in float32 move an end by some 1e-7; n for n - 1 does so by 6 % of the half.
        least, most = 0.99 * half - 1e-6, 1.01 * half + 1e-6
        if not all(least <= width <= most for width in (mean - low, high - mean)):
            raise NotYet("interval", expected=expected, seen=seen)
        verdict = "helps" if truth > half else "hurts" if truth < -half else "undecided"
        if found["verdict"] != verdict:
            words = ("helps", "hurts", "undecided")
            decided = found["verdict"] in words[:2] and verdict == "undecided"
            key = "decided" if decided else "verdict"
            if found["verdict"] not in words:
                key = "words"
            expected = f"{verdict!r} for {low:.4f} to {high:.4f}"
            raise NotYet(key, expected=expected, seen=describe(found["verdict"]))

    def _require_accuracies(self, name: str, value: object) -> None:
        truth = self.accuracies[name]
        expected = f"{name}: {', '.join(f'{x:.3f}' for x in truth)}"
        seen = vector(value, expected=f"{name}: one accuracy for each seed").double()
        if len(seen) != len(truth):
            raise NotYet("seeds", expected=expected, seen=f"{len(seen)} accuracies in `{name}`")
        # The mean over ragged batches differs by far more, a count by at least 1/660.
        if (seen - truth).abs().max() > 1e-4:
            key = "order" if torch.allclose(seen.sort().values, truth.sort().values) else "accuracy"
            listed = ", ".join(f"{x:.3f}" for x in seen)
            raise NotYet(key, expected=expected, seen=listed)


def _paired_counts(
    rng: torch.Generator, n: int, effect: float, n_test: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw right answers per seed, such that mean(a - b) is ``effect`` half widths from 0.

    The differences look like a normal sample; the seed has far more influence than the method; no
    two counts are equal. With no effect both methods have the same counts.
    """
    t = stats.t.ppf(0.975, n - 1) / math.sqrt(n)
    while True:
        scores = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
        scores = scores + 0.05 * torch.randn(n, generator=rng, dtype=torch.float64)
        scores = ((scores - scores.mean()) / scores.std())[torch.randperm(n, generator=rng)]
        b = 0.55 + 0.08 * torch.randn(n, generator=rng, dtype=torch.float64)
        a = b + 0.03 * (scores + effect * t)
        a, b = (a * n_test).round(), (b * n_test).round()
        apart = ((a / n_test).var() + (b / n_test).var()).div(n).sqrt() * t * math.sqrt(n)
        half = t * ((a - b) / n_test).std()
        counts = torch.cat([a, b])
        inside = counts.min() > 0.2 * n_test and counts.max() < 0.95 * n_test
        skewed = abs((a - b).quantile(0.5) - (a - b).mean()) > 0.5
        tell_apart = apart > 1.6 * half and (skewed or n == 2)  # of two, the median is the mean
        if effect == 0 and inside:
            return b, b
        if inside and tell_apart and len(counts.unique()) == 2 * n:
            return a, b
