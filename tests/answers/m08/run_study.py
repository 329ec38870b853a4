"""Answers to `run_study`."""

import numpy as np
import torch
from scipy import stats
from sklearn.model_selection import train_test_split

from course_lib.evidence.evaluate import evaluate, n_correct
from course_lib.evidence.intervals import paired_effect, transfer_gain
from course_lib.evidence.splits import k_shot_split
from course_lib.evidence.study import run_study as _of_the_library


def _require_seeds(seeds):
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise ValueError("A study needs two seeds or more, all different.")


def _splits(labels, n_shot, seeds):
    _require_seeds(seeds)
    return [k_shot_split(labels, n_shot, seed)[0] for seed in seeds]


def _result(a, b, **changes):
    mean, low, high = paired_effect(a, b)
    verdict = "helps" if low > 0 else "hurts" if high < 0 else "undecided"
    return {"a": a, "b": b, "mean": mean, "low": low, "high": high, "verdict": verdict} | changes


def _study(fits, images, labels, test, n_shot, seeds, measure=evaluate, fit_seed=lambda s: s):
    """A right study; the arguments change one thing each."""
    accuracies = [[], []]
    for seed, support in zip(seeds, _splits(labels, n_shot, seeds), strict=True):
        for fit, found in zip(fits, accuracies, strict=True):
            found.append(measure(fit(images[support], labels[support], fit_seed(seed)), *test))
    return accuracies


def wrong_calls_the_library(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `library`."""
    return _of_the_library(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds)


def wrong_returns_only_the_effect(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `type`."""
    test = test_images, test_labels
    return paired_effect(*_study((fit_a, fit_b), images, labels, test, n_shot, seeds))


def wrong_no_verdict(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `result_keys`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    return {"a": a, "b": b, "effect": paired_effect(a, b)}


def wrong_a_split_for_each_method(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `not_paired`."""
    _splits(labels, n_shot, seeds)
    a, b = [], []
    for seed in seeds:
        for fit, found, shift in ((fit_a, a, 0), (fit_b, b, 1)):
            support, _ = k_shot_split(labels, n_shot, seed + shift)
            found.append(
                evaluate(fit(images[support], labels[support], seed), test_images, test_labels)
            )
    return _result(a, b)


def wrong_one_split_for_all_seeds(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `one_support`."""
    support = _splits(labels, n_shot, seeds)[0]
    a, b = [], []
    for seed in seeds:
        for fit, found in ((fit_a, a), (fit_b, b)):
            found.append(
                evaluate(fit(images[support], labels[support], seed), test_images, test_labels)
            )
    return _result(a, b)


def wrong_one_generator_for_all_seeds(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `support_depends`."""
    _splits(labels, n_shot, seeds)
    generator = torch.Generator().manual_seed(0)
    a, b = [], []
    for seed in seeds:
        order = torch.randperm(len(labels), generator=generator)
        support = torch.cat([order[labels[order] == c][:n_shot] for c in labels.unique()])
        for fit, found in ((fit_a, a), (fit_b, b)):
            found.append(
                evaluate(fit(images[support], labels[support], seed), test_images, test_labels)
            )
    return _result(a, b)


def wrong_split_by_the_position_of_the_seed(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `support_depends`."""
    _splits(labels, n_shot, seeds)
    a, b = [], []
    for position, seed in enumerate(seeds):
        support, _ = k_shot_split(labels, n_shot, position)
        for fit, found in ((fit_a, a), (fit_b, b)):
            found.append(
                evaluate(fit(images[support], labels[support], seed), test_images, test_labels)
            )
    return _result(a, b)


def wrong_fit_gets_the_position(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `fit_seed`."""
    test = test_images, test_labels
    positions = {seed: position for position, seed in enumerate(seeds)}
    return _result(*_study((fit_a, fit_b), images, labels, test, n_shot, seeds,
                           fit_seed=positions.get))  # fmt: skip


def wrong_fit_always_gets_seed_0(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `fit_seed`."""
    test = test_images, test_labels
    return _result(*_study((fit_a, fit_b), images, labels, test, n_shot, seeds,
                           fit_seed=lambda seed: 0))  # fmt: skip


def wrong_fits_again_if_weak(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `fitted_twice`."""
    a, b = [], []
    for seed, support in zip(seeds, _splits(labels, n_shot, seeds), strict=True):
        x, y = images[support], labels[support]
        tries = [evaluate(fit_a(x, y, seed), test_images, test_labels) for _ in range(2)]
        a.append(max(tries))
        b.append(evaluate(fit_b(x, y, seed), test_images, test_labels))
    return _result(a, b)


def wrong_stops_when_it_looks_clear(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `seeds`."""
    a, b = [], []
    for seed, support in zip(seeds, _splits(labels, n_shot, seeds), strict=True):
        x, y = images[support], labels[support]
        a.append(evaluate(fit_a(x, y, seed), test_images, test_labels))
        b.append(evaluate(fit_b(x, y, seed), test_images, test_labels))
        if len(a) > 1 and min(np.subtract(a, b)) > -1:
            break
    return _result(a, b)


def wrong_lowest_result_is_dropped(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `seeds`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    worst = int(np.argmin(a))
    return _result(a[:worst] + a[worst + 1 :], b[:worst] + b[worst + 1 :])


def wrong_whole_pool(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `whole_pool`."""
    _splits(labels, n_shot, seeds)
    a, b = [], []
    for seed in seeds:
        a.append(evaluate(fit_a(images, labels, seed), test_images, test_labels))
        b.append(evaluate(fit_b(images, labels, seed), test_images, test_labels))
    return _result(a, b)


def wrong_fitted_on_the_rest(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `rest`."""
    _splits(labels, n_shot, seeds)
    a, b = [], []
    for seed in seeds:
        _, support = k_shot_split(labels, n_shot, seed)
        for fit, found in ((fit_a, a), (fit_b, b)):
            found.append(
                evaluate(fit(images[support], labels[support], seed), test_images, test_labels)
            )
    return _result(a, b)


def wrong_unstratified(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `support`."""
    _splits(labels, n_shot, seeds)
    a, b = [], []
    for seed in seeds:
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        support = order[: n_shot * len(labels.unique())]
        for fit, found in ((fit_a, a), (fit_b, b)):
            found.append(
                evaluate(fit(images[support], labels[support], seed), test_images, test_labels)
            )
    return _result(a, b)


def wrong_n_shot_in_all(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `support`."""
    _splits(labels, n_shot, seeds)
    a, b = [], []
    for seed in seeds:
        x, _, y, _ = train_test_split(
            images, labels, train_size=len(labels.unique()), stratify=labels, random_state=seed
        )
        x, y = x[:n_shot], y[:n_shot]
        a.append(evaluate(fit_a(x, y, seed), test_images, test_labels))
        b.append(evaluate(fit_b(x, y, seed), test_images, test_labels))
    return _result(a, b)


def wrong_indices_into_the_test_set(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `test_in_fit`."""
    test = test_images, test_labels
    _splits(labels, n_shot, seeds)
    return _result(*_study((fit_a, fit_b), *test, test, n_shot, seeds))


def wrong_images_are_scaled(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `images`."""
    test = test_images, test_labels
    scaled = images + 0.25
    return _result(*_study((fit_a, fit_b), scaled, labels, test, n_shot, seeds))


def wrong_labels_in_another_order(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `labels`."""
    a, b = [], []
    for seed, support in zip(seeds, _splits(labels, n_shot, seeds), strict=True):
        x, y = images[support], labels[support].sort().values
        a.append(evaluate(fit_a(x, y, seed), test_images, test_labels))
        b.append(evaluate(fit_b(x, y, seed), test_images, test_labels))
    return _result(a, b)


def wrong_tested_on_the_rest_of_the_pool(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `not_tested`."""
    _splits(labels, n_shot, seeds)
    a, b = [], []
    for seed in seeds:
        support, rest = k_shot_split(labels, n_shot, seed)
        for fit, found in ((fit_a, a), (fit_b, b)):
            model = fit(images[support], labels[support], seed)
            found.append(evaluate(model, images[rest], labels[rest]))
    return _result(a, b)


def wrong_tested_on_the_first_256(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `part_of_test`."""
    test = test_images[:256], test_labels[:256]
    return _result(*_study((fit_a, fit_b), images, labels, test, n_shot, seeds))


def wrong_last_batch_is_lost(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `part_of_test`."""

    def measure(model, x, y):
        n = len(x) - len(x) % 32
        return evaluate(model, x[:n], y[:n])

    test = test_images, test_labels
    return _result(*_study((fit_a, fit_b), images, labels, test, n_shot, seeds, measure))


def wrong_looks_at_the_test_set_twice(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `test_twice`."""

    def measure(model, x, y):
        print(evaluate(model, x, y))
        return evaluate(model, x, y)

    test = test_images, test_labels
    return _result(*_study((fit_a, fit_b), images, labels, test, n_shot, seeds, measure))


def wrong_better_of_two_looks(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `test_twice`."""

    def measure(model, x, y):
        first = evaluate(model, x, y)
        model.train()
        with torch.no_grad():
            return max(first, n_correct(model(x), y) / len(y))

    test = test_images, test_labels
    return _result(*_study((fit_a, fit_b), images, labels, test, n_shot, seeds, measure))


def wrong_tests_in_the_mode_of_the_fit(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `train_mode`."""

    def measure(model, x, y):
        with torch.no_grad():
            return n_correct(model(x), y) / len(y)

    test = test_images, test_labels
    return _result(*_study((fit_a, fit_b), images, labels, test, n_shot, seeds, measure))


def wrong_mean_of_batch_accuracies(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `accuracy`."""

    def measure(model, x, y):
        batches = zip(x.split(256), y.split(256), strict=True)
        return np.mean([evaluate(model, *batch) for batch in batches])

    test = test_images, test_labels
    return _result(*_study((fit_a, fit_b), images, labels, test, n_shot, seeds, measure))


def wrong_per_cent(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `accuracy`."""

    def measure(model, x, y):
        return 100 * evaluate(model, x, y)

    test = test_images, test_labels
    return _result(*_study((fit_a, fit_b), images, labels, test, n_shot, seeds, measure))


def wrong_sorted_accuracies(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `order`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    return _result(sorted(a), sorted(b))


def wrong_sign(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `baseline`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    return _result(b, a) | {"a": a, "b": b}


def wrong_median(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `mean`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    return _result(a, b, mean=np.median(np.subtract(a, b)))


def wrong_unpaired_interval(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `interval`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    error = np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / len(a))
    half = stats.t.ppf(0.975, df=2 * len(a) - 2) * error
    mean = np.mean(a) - np.mean(b)
    return _result(a, b, low=mean - half, high=mean + half)


def wrong_standard_deviation(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `interval`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    difference = np.subtract(a, b)
    half = 1.96 * difference.std(ddof=1)
    return _result(a, b, low=difference.mean() - half, high=difference.mean() + half)


def wrong_normal_interval(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `interval`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    difference = np.subtract(a, b)
    half = 1.96 * stats.sem(difference)
    return _result(a, b, low=difference.mean() - half, high=difference.mean() + half)


def wrong_population_deviation(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `interval`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    difference = np.subtract(a, b)
    half = stats.t.ppf(0.975, len(a) - 1) * difference.std() / np.sqrt(len(a))
    return _result(a, b, low=difference.mean() - half, high=difference.mean() + half)


def wrong_verdict_by_the_sign(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `decided`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    return _result(a, b, verdict="helps" if np.mean(a) > np.mean(b) else "hurts")


def wrong_zero_helps(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `decided`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    _, low, high = paired_effect(a, b)
    return _result(a, b, verdict="helps" if low >= 0 else "hurts" if high < 0 else "undecided")


def wrong_zero_hurts(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `decided`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    _, low, high = paired_effect(a, b)
    return _result(a, b, verdict="helps" if low > 0 else "hurts" if high <= 0 else "undecided")


def wrong_never_decided(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `verdict`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    return _result(a, b, verdict="undecided")


def wrong_words(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `words`."""
    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds)
    return _result(a, b, verdict=paired_effect(a, b)[1] > 0)


def wrong_three_seeds_at_least(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `two_seeds`."""
    if len(seeds) < 3:
        raise ValueError("A study needs three seeds or more.")
    test = test_images, test_labels
    return _result(*_study((fit_a, fit_b), images, labels, test, n_shot, seeds))


def wrong_classes_in_a_row(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `support`."""
    _splits(labels, n_shot, seeds)
    a, b = [], []
    for seed in seeds:
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        classes = range(len(labels.unique()))
        support = torch.cat([order[labels[order] == c][:n_shot] for c in classes])
        for fit, found in ((fit_a, a), (fit_b, b)):
            model = fit(images[support], labels[support], seed)
            found.append(evaluate(model, test_images, test_labels))
    return _result(a, b)


def wrong_one_seed_passes(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `one_seed`."""
    if len(seeds) == 1:
        support, _ = k_shot_split(labels, n_shot, seeds[0])
        model = fit_a(images[support], labels[support], seeds[0])
        return {"a": [evaluate(model, test_images, test_labels)], "verdict": "helps"}
    test = test_images, test_labels
    return _result(*_study((fit_a, fit_b), images, labels, test, n_shot, seeds))


def wrong_duplicates_pass(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `same_seed_twice`."""
    if len(seeds) < 2:
        raise ValueError("A study needs two seeds or more.")
    a, b = [], []
    for seed in seeds:
        support, _ = k_shot_split(labels, n_shot, seed)
        x, y = images[support], labels[support]
        a.append(evaluate(fit_a(x, y, seed), test_images, test_labels))
        b.append(evaluate(fit_b(x, y, seed), test_images, test_labels))
    return _result(a, b)


def wrong_small_classes_pass(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Named `too_few`."""
    _require_seeds(seeds)
    a, b = [], []
    for seed in seeds:
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        support = torch.cat([order[labels[order] == c][:n_shot] for c in labels.unique()])
        for fit, found in ((fit_a, a), (fit_b, b)):
            found.append(
                evaluate(fit(images[support], labels[support], seed), test_images, test_labels)
            )
    return _result(a, b)


def wrong_interval_refuses_at_the_end(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `refused_late`."""
    a, b = [], []
    for seed in seeds:
        support, _ = k_shot_split(labels, n_shot, seed)
        x, y = images[support], labels[support]
        a.append(evaluate(fit_a(x, y, seed), test_images, test_labels))
        b.append(evaluate(fit_b(x, y, seed), test_images, test_labels))
    _require_seeds(seeds)
    return _result(a, b)


def wrong_seeds_the_global_generator(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    """Named `random state`."""
    a, b = [], []
    for seed, support in zip(seeds, _splits(labels, n_shot, seeds), strict=True):
        torch.manual_seed(seed)
        x, y = images[support], labels[support]
        a.append(evaluate(fit_a(x, y, seed), test_images, test_labels))
        b.append(evaluate(fit_b(x, y, seed), test_images, test_labels))
    return _result(a, b)


def right_plain(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    test = test_images, test_labels
    return _result(*_study((fit_a, fit_b), images, labels, test, n_shot, seeds))


def right_one_method_after_the_other(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    splits = _splits(labels, n_shot, seeds)
    found = {}
    for name, fit in (("b", fit_b), ("a", fit_a)):
        models = [
            fit(images[split], labels[split], seed=seed)
            for split, seed in zip(splits, seeds, strict=True)
        ]
        found[name] = torch.tensor([evaluate(model, test_images, test_labels) for model in models])
    effect = transfer_gain(found["a"], found["b"])
    return {**found, **effect, "mean": effect["gain"]}


def right_all_test_images_at_once(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    def measure(model, x, y):
        model.eval()
        with torch.inference_mode():
            return (model(x).argmax(dim=1) == y).double().mean().item()

    test = test_images, test_labels
    a, b = _study((fit_a, fit_b), images, labels, test, n_shot, seeds, measure)
    return _result(np.array(a), np.array(b))


def right_stratified_by_scikit_learn(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    _splits(labels, n_shot, seeds)
    a, b = [], []
    for seed in reversed(seeds):
        shuffle = np.random.default_rng(seed)
        support = []
        for label in np.unique(labels.numpy()):
            members = np.flatnonzero(labels.numpy() == label)
            support += shuffle.choice(members, n_shot, replace=False).tolist()
        shuffle.shuffle(support)
        for fit, found in ((fit_a, a), (fit_b, b)):
            model = fit(images[support], labels[support], seed)
            right = sum(
                n_correct(model.eval()(x), y)
                for x, y in zip(test_images.split(50), test_labels.split(50), strict=True)
            )
            found.insert(0, right / len(test_labels))
    return _result(tuple(a), tuple(b))


def right_training_images_looked_at_and_t_by_hand(
    fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds
):
    a, b = [], []
    for seed, support in zip(seeds, _splits(labels, n_shot, seeds), strict=True):
        x, y = images[support], labels[support]
        for fit, found in ((fit_a, a), (fit_b, b)):
            model = fit(x, y, seed)
            evaluate(model, x, y)
            found.append(evaluate(model, test_images, test_labels))
    half = stats.t.ppf(0.975, len(a) - 1) * stats.sem(np.subtract(a, b))
    mean = np.mean(np.subtract(a, b))
    low, high = mean - half, mean + half
    verdict = "helps" if low > 0 else "hurts" if high < 0 else "undecided"
    return {"a": a, "b": b, "mean": mean, "low": low, "high": high, "verdict": verdict}


class _Study:
    """An object to call, with an option of its own, that goes through the seeds backwards."""

    def __call__(
        self, fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds, batch_size=64
    ):
        rounds = dict(zip(seeds, _splits(labels, n_shot, seeds), strict=True))
        found = {}
        for seed in sorted(rounds, reverse=True):
            x, y = images[rounds[seed]], labels[rounds[seed]]
            found[seed] = [
                evaluate(fit(x, y, seed), test_images, test_labels, batch_size)
                for fit in (fit_b, fit_a)
            ]
        b, a = np.array([found[seed] for seed in seeds], dtype=np.float32).T
        return _result(a, b, seeds=list(seeds))


right_object_to_call = _Study()
