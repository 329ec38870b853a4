"""Answers to `episode_interval`."""

import math
import statistics

import numpy as np
import torch
from scipy import stats

from course_lib.evidence.intervals import episode_interval as _of_the_library
from course_lib.evidence.intervals import mean_interval


def _values(accuracies):
    x = np.asarray(accuracies, dtype=float)
    if len(x) < 2:
        raise ValueError("An interval needs at least two episodes.")
    return x


def _around(x, half):
    return x.mean(), x.mean() - half, x.mean() + half


def wrong_standard_deviation(accuracies):
    """Named `spread`."""
    x = _values(accuracies)
    return _around(x, x.std(ddof=1))


def wrong_two_standard_deviations(accuracies):
    """Named `spread`."""
    x = _values(accuracies)
    return _around(x, 1.96 * x.std(ddof=1))


def wrong_percentiles_of_the_episodes(accuracies):
    """Named `width`."""
    x = _values(accuracies)
    return x.mean(), *np.percentile(x, [10, 90])


def wrong_always_600_episodes(accuracies):
    """Named `width`."""
    x = _values(accuracies)
    return _around(x, 1.96 * x.std(ddof=1) / math.sqrt(600))


def wrong_level_of_ninety_percent_on_one_side(accuracies):
    """Named `width`."""
    x = _values(accuracies)
    return _around(x, 1.28 * stats.sem(x))


def wrong_pooled_queries(accuracies):
    """Named `pooled`."""
    x = _values(accuracies)
    return _around(x, 1.96 * math.sqrt(x.mean() * (1 - x.mean()) / (75 * len(x))))


def wrong_an_episode_is_one_answer(accuracies):
    """Named `pooled`."""
    x = _values(accuracies)
    return _around(x, 1.96 * math.sqrt(x.mean() * (1 - x.mean()) / len(x)))


def wrong_divided_by_n(accuracies):
    """Named `no_root`."""
    x = _values(accuracies)
    return _around(x, 1.96 * x.std(ddof=1) / len(x))


def wrong_one_standard_error(accuracies):
    """Named `one_se`."""
    x = _values(accuracies)
    return _around(x, stats.sem(x))


def wrong_variance(accuracies):
    """Named `variance`."""
    x = _values(accuracies)
    return _around(x, 1.96 * x.var(ddof=1) / math.sqrt(len(x)))


def wrong_level(accuracies):
    """Named `width`."""
    x = _values(accuracies)
    return _around(x, 2.576 * stats.sem(x))


def wrong_half_of_the_width(accuracies):
    """Named `one_se`."""
    x = _values(accuracies)
    return _around(x, 1.96 * stats.sem(x) / 2)


def wrong_upper_side_only(accuracies):
    """Named `one_sided`."""
    x = _values(accuracies)
    return x.mean(), x.mean(), x.mean() + 1.96 * stats.sem(x)


def wrong_median(accuracies):
    """Named `median`."""
    x = _values(accuracies)
    half = 1.96 * stats.sem(x)
    return np.median(x), np.median(x) - half, np.median(x) + half


def wrong_best_half(accuracies):
    """Named `mean`."""
    x = np.sort(_values(accuracies))
    return _around(x[len(x) // 2 :], 1.96 * stats.sem(x))


def wrong_error_rate(accuracies):
    """Named `mean`."""
    x = 1 - _values(accuracies)
    return _around(x, 1.96 * stats.sem(x))


def wrong_low_mean_high(accuracies):
    """Named `order`."""
    mean, low, high = mean_interval(accuracies)
    return low, mean, high


def wrong_high_before_low(accuracies):
    """Named `order`."""
    mean, low, high = mean_interval(accuracies)
    return mean, high, low


def wrong_distances_from_the_mean(accuracies):
    """Named `offsets`."""
    x = _values(accuracies)
    half = 1.96 * stats.sem(x)
    return x.mean(), -half, half


def wrong_mean_and_half_width(accuracies):
    """Named `type`."""
    x = _values(accuracies)
    return x.mean(), 1.96 * stats.sem(x)


def wrong_one_episode_has_no_width(accuracies):
    """Named `one_episode`."""
    if len(accuracies) == 1:
        return float(accuracies[0]), float(accuracies[0]), float(accuracies[0])
    return mean_interval(accuracies)


def wrong_one_episode_is_nan(accuracies):
    """Named `one_episode`."""
    half = 1.96 * accuracies.double().std() / len(accuracies) ** 0.5
    mean = accuracies.double().mean()
    return float(mean), float(mean - half), float(mean + half)


def wrong_two_episodes_are_refused(accuracies):
    """Named `two_episodes`."""
    if len(accuracies) <= 2:
        raise ValueError("An interval needs more than two episodes.")
    return mean_interval(accuracies)


def wrong_an_interval_for_large_numbers_only(accuracies):
    """Named `two_episodes`."""
    if len(accuracies) < 30:
        raise ValueError("An interval needs at least 30 episodes.")
    return mean_interval(accuracies)


def wrong_nan(accuracies):
    """Named `not finite`."""
    return float(accuracies.mean()), math.nan, math.nan


def wrong_bootstrap_with_the_global_generator(accuracies):
    """Named `random state`."""
    x = _values(accuracies)
    means = np.random.choice(x, (1000, len(x))).mean(axis=1)
    return x.mean(), *np.percentile(means, [2.5, 97.5])


def wrong_calls_the_library(accuracies):
    """Named `library`."""
    return _of_the_library(accuracies)


def right_normal_quantile(accuracies):
    x = _values(accuracies)
    return _around(x, 1.96 * x.std(ddof=1) / math.sqrt(len(x)))


def right_student(accuracies):
    x = _values(accuracies)
    return x.mean(), *stats.t.interval(0.95, len(x) - 1, loc=x.mean(), scale=stats.sem(x))


def right_torch(accuracies):
    if len(accuracies) < 2:
        raise ValueError("An interval needs at least two episodes.")
    mean = accuracies.mean()
    half = 1.96 * accuracies.std() / len(accuracies) ** 0.5
    return torch.stack([mean, mean - half, mean + half])


def right_bootstrap(accuracies):
    x = _values(accuracies)
    means = np.random.default_rng(0).choice(x, (2000, len(x))).mean(axis=1)
    return x.mean(), *np.percentile(means, [2.5, 97.5])


def right_studentised_bootstrap(accuracies):
    x = _values(accuracies)
    draws = np.random.default_rng(0).choice(x, (2000, len(x)))
    t = (draws.mean(axis=1) - x.mean()) / (draws.std(axis=1, ddof=1) / math.sqrt(len(x)))
    high, low = np.percentile(t, [2.5, 97.5])
    return x.mean(), x.mean() - low * stats.sem(x), x.mean() - high * stats.sem(x)


def right_statistics_module(accuracies):
    x = [float(value) for value in accuracies]
    if len(x) < 2:
        raise ValueError("An interval needs at least two episodes.")
    half = statistics.NormalDist().inv_cdf(0.975) * statistics.stdev(x) / len(x) ** 0.5
    mean = statistics.fmean(x)
    return [mean, mean - half, mean + half]


def right_mean_interval_of_the_library(accuracies):
    return mean_interval(accuracies)


class _Interval:
    def __call__(self, accuracies, level=0.95):
        x = _values(accuracies)
        found = stats.ttest_1samp(x, 0).confidence_interval(level)
        return x.mean(), *found


right_an_object = _Interval()
