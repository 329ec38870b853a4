import functools
import math
import statistics

import numpy as np
import torch
from scipy import stats
from sklearn.metrics import accuracy_score

from course_lib.evidence.evaluate import evaluate
from course_lib.evidence.intervals import paired_effect
from course_lib.evidence.splits import k_shot_split


def _verdict(low, high):
    """What the interval says."""
    return "helps" if low > 0 else "hurts" if high < 0 else "undecided"


def _check_seeds(seeds):
    """Refuse what is no study; return a list of seeds."""
    seeds = [int(seed) for seed in seeds]
    if len(seeds) < 2:
        raise ValueError("A study needs at least two seeds.")
    if len(set(seeds)) < len(seeds):
        raise ValueError("A seed occurs twice.")
    return seeds


def wrong_split_by_place_in_the_list(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Numbers the rounds 0, 1, 2 and draws by the number, against "drawn from labels, n_shot and
    seed alone" ("so anybody can repeat one round").

    Named `support_depends`.
    """
    seeds = _check_seeds(seeds)
    supports = [k_shot_split(labels, n_shot, i)[0] for i in range(len(seeds))]
    a, b = [], []
    for seed, support in zip(seeds, supports, strict=False):
        x, y = images[support], labels[support]
        a.append(evaluate(fit_a(x, y, seed), test_images, test_labels))
        b.append(evaluate(fit_b(x, y, seed), test_images, test_labels))
    mean, low, high = paired_effect(a, b)
    return dict(a=a, b=b, mean=mean, low=low, high=high, verdict=_verdict(low, high))


def wrong_touching_zero_is_clear(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Takes an interval that ends at 0 for one that excludes it, against "helps" if low > 0,
    "hurts" if high < 0, else "undecided".

    Named `decided`.
    """
    seeds = _check_seeds(seeds)
    supports = [k_shot_split(labels, n_shot, seed)[0] for seed in seeds]
    a, b = [], []
    for seed, support in zip(seeds, supports, strict=False):
        x, y = images[support], labels[support]
        a.append(evaluate(fit_a(x, y, seed), test_images, test_labels))
        b.append(evaluate(fit_b(x, y, seed), test_images, test_labels))
    mean, low, high = paired_effect(a, b)
    verdict = "undecided" if low < 0 < high else "helps" if mean >= 0 else "hurts"
    return dict(a=a, b=b, mean=mean, low=low, high=high, verdict=verdict)


def wrong_measured_as_it_was_left(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Asks the fitted model in the mode in which training left it, against "a and b are test
    accuracies" (module 00: "every answer that is counted, belongs to eval mode").

    Named `train_mode`.
    """
    seeds = _check_seeds(seeds)
    supports = [k_shot_split(labels, n_shot, seed)[0] for seed in seeds]
    a, b = [], []
    for seed, support in zip(seeds, supports, strict=False):
        for fit, accuracies in ((fit_a, a), (fit_b, b)):
            model = fit(images[support], labels[support], seed)
            with torch.no_grad():
                answers = model(test_images).argmax(dim=1)
            accuracies.append((answers == test_labels).double().mean().item())
    mean, low, high = paired_effect(a, b)
    return dict(a=a, b=b, mean=mean, low=low, high=high, verdict=_verdict(low, high))


def wrong_unconverged_seeds_left_out(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Leaves out a round in which a method got stuck at chance, against "Every seed is run with
    both, and reported, whatever it says".

    Named `seeds`.
    """
    seeds = _check_seeds(seeds)
    supports = [k_shot_split(labels, n_shot, seed)[0] for seed in seeds]
    chance = 1 / len(labels.unique())
    a, b = [], []
    for seed, support in zip(seeds, supports, strict=False):
        x, y = images[support], labels[support]
        one = evaluate(fit_a(x, y, seed), test_images, test_labels)
        other = evaluate(fit_b(x, y, seed), test_images, test_labels)
        if min(one, other) > chance:
            a.append(one)
            b.append(other)
    mean, low, high = paired_effect(a, b)
    return dict(a=a, b=b, mean=mean, low=low, high=high, verdict=_verdict(low, high))


def wrong_second_time_noticed_on_the_way(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Notices that a seed comes twice when it comes for the second time, against "Before any fit,
    a ValueError with a sentence: ... a seed twice".

    Named `refused_late`.
    """
    seeds = list(seeds)
    if len(seeds) < 2:
        raise ValueError("A study needs at least two seeds.")
    k_shot_split(labels, n_shot, seeds[0])  # refuses a class that is too small
    a, b = {}, {}
    for seed in seeds:
        if seed in a:
            raise ValueError(f"Seed {seed} occurs twice.")
        support, _ = k_shot_split(labels, n_shot, seed)
        x, y = images[support], labels[support]
        a[seed] = evaluate(fit_a(x, y, seed), test_images, test_labels)
        b[seed] = evaluate(fit_b(x, y, seed), test_images, test_labels)
    a, b = list(a.values()), list(b.values())
    mean, low, high = paired_effect(a, b)
    return dict(a=a, b=b, mean=mean, low=low, high=high, verdict=_verdict(low, high))


def wrong_global_generator_seeded(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Sets everybody's generator so that each round can be repeated, against the contract of
    module 00: "your own torch.Generator().manual_seed(seed); the global one is left alone".

    Named `random state`.
    """
    seeds = _check_seeds(seeds)
    supports = [k_shot_split(labels, n_shot, seed)[0] for seed in seeds]
    a, b = [], []
    for seed, support in zip(seeds, supports, strict=False):
        for fit, accuracies in ((fit_a, a), (fit_b, b)):
            torch.manual_seed(seed)
            model = fit(images[support], labels[support], seed)
            accuracies.append(evaluate(model, test_images, test_labels))
    mean, low, high = paired_effect(a, b)
    return dict(a=a, b=b, mean=mean, low=low, high=high, verdict=_verdict(low, high))


def right_one_method_after_the_other_too(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds, *, level=0.95
):
    """All supports first, then all of a, then all of b; SciPy's own t interval."""
    seeds = _check_seeds(seeds)
    supports = {seed: torch.as_tensor(k_shot_split(labels, n_shot, seed)[0]) for seed in seeds}
    result = {}
    for key, fit in {"a": fit_a, "b": fit_b}.items():
        result[key] = np.array(
            [
                evaluate(fit(images[supports[s]], labels[supports[s]], s), test_images, test_labels)
                for s in seeds
            ],
            dtype=float,
        )
    d = result["a"] - result["b"]
    if np.ptp(d) == 0:
        low = high = mean = float(d[0])
    else:
        mean = float(d.mean())
        low, high = stats.t.interval(level, df=len(d) - 1, loc=mean, scale=stats.sem(d))
    result["verdict"] = ("hurts", "undecided", "helps")[1 + int(low > 0) - int(high < 0)]
    return result | {"mean": mean, "low": float(low), "high": float(high)}


def right_reduced(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Own draws with an own generator, an own accuracy through scikit-learn, folded by reduce."""
    order = tuple(int(seed) for seed in seeds)
    if len(order) < 2:
        raise ValueError(f"{len(order)} seeds are too few: nobody can tell luck from a difference.")
    if len(frozenset(order)) != len(order):
        raise ValueError(
            "One of the seeds is there twice; a run is no new evidence the second time."
        )
    classes = labels.unique()
    for k in classes:
        if int((labels == k).sum()) < n_shot:
            raise ValueError(f"Class {int(k)} has fewer than {n_shot} examples.")

    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        parts = []
        for k in classes:
            members = torch.nonzero(labels == k).flatten()
            parts.append(members[torch.randperm(len(members), generator=generator)[:n_shot]])
        return torch.cat(parts)

    def measure(model):
        modes = [(part, part.training) for part in model.modules()]
        model.eval()
        with torch.no_grad():
            answers = model(test_images).argmax(dim=1)
        for part, mode in modes:
            part.training = mode
        return float(accuracy_score(test_labels.cpu().numpy(), answers.cpu().numpy()))

    def one_more(so_far, seed):
        support = draw(seed)
        pair = [measure(fit(images[support], labels[support], seed)) for fit in (fit_a, fit_b)]
        return [*so_far, pair]

    a, b = (list(column) for column in zip(*functools.reduce(one_more, order, []), strict=False))
    differences = [x - y for x, y in zip(a, b, strict=False)]
    mean = math.fsum(differences) / len(order)
    error = statistics.stdev(differences) / math.sqrt(len(order))
    half = float(stats.t.ppf(0.975, df=len(order) - 1)) * error
    low, high = mean - half, mean + half
    return dict(a=a, b=b, mean=mean, low=low, high=high, verdict=_verdict(low, high))
