"""Answers to `transfer_gain`."""

import math
import statistics
import sys

import numpy as np
import torch
from scipy import stats

from course_lib.evidence.intervals import paired_effect
from course_lib.evidence.intervals import transfer_gain as _of_the_library


def _verdict(low, high):
    return "helps" if low > 0 else "hurts" if high < 0 else "undecided"


def _gain(gain, low, high, verdict=None):
    verdict = verdict or _verdict(low, high)
    return {"gain": gain, "low": low, "high": high, "verdict": verdict}


def _arrays(transfer, scratch):
    return np.asarray(transfer, dtype=float), np.asarray(scratch, dtype=float)


def wrong_scratch_minus_transfer(transfer, scratch):
    """Named `sign`."""
    return _gain(*paired_effect(scratch, transfer))


def wrong_verdict_from_the_mean(transfer, scratch):
    """Named `hasty`."""
    gain, low, high = paired_effect(transfer, scratch)
    verdict = "helps" if gain > 0 else "hurts" if gain < 0 else "undecided"
    return _gain(gain, low, high, verdict)


def wrong_verdict_from_the_mean_alone(transfer, scratch):
    """Named `hasty`."""
    gain, low, high = paired_effect(transfer, scratch)
    return _gain(gain, low, high, "helps" if gain > 0 else "hurts")


def wrong_words_exchanged(transfer, scratch):
    """Named `flipped`."""
    gain, low, high = paired_effect(transfer, scratch)
    verdict = {"helps": "hurts", "hurts": "helps"}.get(_verdict(low, high), "undecided")
    return _gain(gain, low, high, verdict)


def wrong_never_says_hurts(transfer, scratch):
    """Named `never_hurts`."""
    gain, low, high = paired_effect(transfer, scratch)
    return _gain(gain, low, high, "helps" if low > 0 else "undecided")


def wrong_not_helping_is_hurting(transfer, scratch):
    """Named `not_helps`."""
    gain, low, high = paired_effect(transfer, scratch)
    return _gain(gain, low, high, "helps" if low > 0 else "hurts")


def wrong_zero_helps(transfer, scratch):
    """Named `zero`."""
    gain, low, high = paired_effect(transfer, scratch)
    verdict = "helps" if low >= 0 else "hurts" if high <= 0 else "undecided"
    return _gain(gain, low, high, verdict)


def wrong_zero_hurts(transfer, scratch):
    """Named `zero`."""
    gain, low, high = paired_effect(transfer, scratch)
    verdict = "hurts" if high <= 0 else "helps" if low > 0 else "undecided"
    return _gain(gain, low, high, verdict)


def wrong_other_words(transfer, scratch):
    """Named `words`."""
    gain, low, high = paired_effect(transfer, scratch)
    return _gain(gain, low, high, _verdict(low, high).capitalize())


def wrong_true_or_false(transfer, scratch):
    """Named `words`."""
    gain, low, high = paired_effect(transfer, scratch)
    return {"gain": gain, "low": low, "high": high, "verdict": low > 0}


def wrong_verdict_from_the_upper_end(transfer, scratch):
    """Named `verdict`."""
    gain, low, high = paired_effect(transfer, scratch)
    return _gain(gain, low, high, "helps" if high > 0 else "hurts" if high < 0 else "undecided")


def wrong_a_point_at_least(transfer, scratch):
    """Named `verdict`."""
    gain, low, high = paired_effect(transfer, scratch)
    verdict = "helps" if low > 0.01 else "hurts" if high < -0.01 else "undecided"
    return _gain(gain, low, high, verdict)


def wrong_unpaired(transfer, scratch):
    """Named `unpaired`."""
    a, b = _arrays(transfer, scratch)
    se = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / len(a))
    half = stats.t.ppf(0.975, len(a) - 1) * se
    gain = (a - b).mean()
    return _gain(gain, gain - half, gain + half)


def wrong_welch_of_scipy(transfer, scratch):
    """Named `unpaired`."""
    a, b = _arrays(transfer, scratch)
    low, high = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    return _gain((a - b).mean(), low, high)


def wrong_ends_of_two_intervals(transfer, scratch):
    """Named `unpaired`."""
    a, b = _arrays(transfer, scratch)
    zero = np.zeros_like(a)
    (_, low_a, high_a), (_, low_b, high_b) = paired_effect(a, zero), paired_effect(b, zero)
    return _gain((a - b).mean(), low_a - high_b, high_a - low_b)


def wrong_normal_quantile(transfer, scratch):
    """Named `few_seeds`."""
    d = np.subtract(*_arrays(transfer, scratch))
    half = 1.96 * d.std(ddof=1) / math.sqrt(len(d))
    return _gain(d.mean(), d.mean() - half, d.mean() + half)


def wrong_percentile_bootstrap(transfer, scratch):
    """Named `few_seeds`."""
    d = np.subtract(*_arrays(transfer, scratch))
    means = np.random.default_rng(0).choice(d, (4000, len(d))).mean(axis=1)
    return _gain(d.mean(), *np.percentile(means, [2.5, 97.5]))


def wrong_one_standard_error(transfer, scratch):
    """Named `width`."""
    d = np.subtract(*_arrays(transfer, scratch))
    half = stats.sem(d)
    return _gain(d.mean(), d.mean() - half, d.mean() + half)


def wrong_population_deviation(transfer, scratch):
    """Named `width`."""
    d = np.subtract(*_arrays(transfer, scratch))
    half = stats.t.ppf(0.975, len(d) - 1) * d.std() / math.sqrt(len(d))
    return _gain(d.mean(), d.mean() - half, d.mean() + half)


def wrong_n_degrees_of_freedom(transfer, scratch):
    """Named `width`."""
    d = np.subtract(*_arrays(transfer, scratch))
    half = stats.t.ppf(0.975, len(d)) * stats.sem(d)
    return _gain(d.mean(), d.mean() - half, d.mean() + half)


def wrong_level_of_ninety_percent(transfer, scratch):
    """Named `width`."""
    d = np.subtract(*_arrays(transfer, scratch))
    half = stats.t.ppf(0.95, len(d) - 1) * stats.sem(d)
    return _gain(d.mean(), d.mean() - half, d.mean() + half)


def wrong_sorted_before_the_subtraction(transfer, scratch):
    """Named `width`."""
    a, b = (np.sort(x) for x in _arrays(transfer, scratch))
    return _gain(*paired_effect(a, b))


def wrong_smallest_and_largest(transfer, scratch):
    """Named `width`."""
    d = np.subtract(*_arrays(transfer, scratch))
    return _gain(d.mean(), d.min(), d.max())


def wrong_around_zero(transfer, scratch):
    """Named `centre`."""
    gain, low, high = paired_effect(transfer, scratch)
    return _gain(gain, low - gain, high - gain)


def wrong_ends_exchanged(transfer, scratch):
    """Named `order`."""
    gain, low, high = paired_effect(transfer, scratch)
    return {"gain": gain, "low": high, "high": low, "verdict": _verdict(low, high)}


def wrong_mean_of_transfer(transfer, scratch):
    """Named `one_side`."""
    gain, low, high = paired_effect(transfer, np.zeros(len(transfer)))
    return _gain(gain, low, high)


def wrong_share_of_scratch(transfer, scratch):
    """Named `relative`."""
    a, b = _arrays(transfer, scratch)
    _, low, high = paired_effect(a, b)
    return _gain(a.mean() / b.mean() - 1, low / b.mean(), high / b.mean())


def wrong_percent_of_scratch(transfer, scratch):
    """Named `relative`."""
    a, b = _arrays(transfer, scratch)
    gain, low, high = (100 * x / b.mean() for x in paired_effect(a, b))
    return _gain(gain, low, high)


def wrong_absolute_differences(transfer, scratch):
    """Named `absolute`."""
    d = np.abs(np.subtract(*_arrays(transfer, scratch)))
    return _gain(*paired_effect(d, np.zeros(len(d))))


def wrong_median(transfer, scratch):
    """Named `gain`."""
    a, b = _arrays(transfer, scratch)
    _, low, high = paired_effect(a, b)
    return _gain(statistics.median([*(a - b), max(a - b), max(a - b)]), low, high)


def wrong_divides_by_the_spread(transfer, scratch):
    """Named `zero_width`."""
    a, b = _arrays(transfer, scratch)
    d = a - b
    with np.errstate(all="ignore"):
        score = (d - d.mean()) / d.std(ddof=1)
    half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / math.sqrt(len(d)) * score.std(ddof=1)
    return _gain(d.mean(), d.mean() - half, d.mean() + half)


def wrong_a_floor_under_the_spread(transfer, scratch):
    """Named `zero_width`."""
    gain, low, high = paired_effect(transfer, scratch)
    return _gain(gain, min(low, gain - 1e-3), max(high, gain + 1e-3))


def wrong_subtracts_lists(transfer, scratch):
    """Named `raised`."""
    d = np.asarray(transfer - scratch)
    return _gain(*paired_effect(d, np.zeros(len(d))))


def wrong_mean_for_gain(transfer, scratch):
    """Named `keys`."""
    gain, low, high = paired_effect(transfer, scratch)
    return {"mean": gain, "low": low, "high": high, "verdict": _verdict(low, high)}


def wrong_tuple(transfer, scratch):
    """Named `type`."""
    gain, low, high = paired_effect(transfer, scratch)
    return gain, low, high, _verdict(low, high)


def wrong_library_under_another_name(transfer, scratch):
    """Named `library`."""
    return _of_the_library(transfer, scratch)


def wrong_digs_out_the_library(transfer, scratch):
    """Named `library`."""
    return sys.modules["course_lib.evidence.intervals"].transfer_gain(transfer, scratch)


def right_paired_effect(transfer, scratch):
    return _gain(*paired_effect(transfer, scratch))


def right_t_by_hand(transfer, scratch):
    d = [float(a) - float(b) for a, b in zip(transfer, scratch, strict=True)]
    mean, n = sum(d) / len(d), len(d)
    variance = sum((x - mean) ** 2 for x in d) / (n - 1)
    half = stats.t.ppf(0.975, n - 1) * math.sqrt(variance / n)
    return _gain(mean, mean - half, mean + half)


def right_paired_test_of_scipy(transfer, scratch):
    a, b = _arrays(transfer, scratch)
    if np.ptp(a - b) == 0:
        return _gain(a[0] - b[0], a[0] - b[0], a[0] - b[0])
    low, high = stats.ttest_rel(a, b).confidence_interval()
    return _gain((a - b).mean(), low, high)


def right_least_squares_on_a_constant(transfer, scratch):
    """The t interval of an intercept, with the sums written as loops in double precision."""
    d = [float(a) - float(b) for a, b in zip(transfer, scratch, strict=True)]
    n = len(d)
    gain = math.fsum(d) / n
    residuals = math.fsum((x - gain) ** 2 for x in d)
    half = stats.t.isf(0.025, n - 1) * math.sqrt(residuals / (n - 1) / n)
    return _gain(gain, gain - half, gain + half)


def right_tensors_and_more_keys(transfer, scratch):
    d = torch.as_tensor(transfer) - torch.as_tensor(scratch)
    d = d.double()
    half = stats.t.ppf(0.975, len(d) - 1) * d.std() / len(d) ** 0.5
    low, high = d.mean() - half, d.mean() + half
    return {**_gain(d.mean(), low, high), "seeds": len(d)}


def right_interval_of_scipys_t(transfer, scratch):
    d = np.subtract(*_arrays(transfer, scratch))
    scale = stats.sem(d)
    if scale == 0:
        return _gain(d.mean(), d.mean(), d.mean())
    low, high = stats.t.interval(0.95, len(d) - 1, loc=d.mean(), scale=scale)
    verdicts = {(1, 1): "helps", (-1, -1): "hurts"}
    return _gain(d.mean(), low, high, verdicts.get((np.sign(low), np.sign(high)), "undecided"))


class _Gain:
    level = 0.95

    def __call__(self, transfer, scratch, level=None):
        d = np.subtract(*_arrays(transfer, scratch))
        if np.ptp(d) == 0:
            return _gain(*[float(d[0])] * 3)
        low, high = stats.ttest_1samp(d, 0).confidence_interval(level or self.level)
        return {"low": low, "high": high, "verdict": _verdict(low, high), "gain": np.mean(d)}


right_an_object = _Gain()
