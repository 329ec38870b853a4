import math
import statistics

import numpy as np
import torch
from scipy import special, stats


def _lists(a, b):
    a, b = [float(x) for x in a], [float(x) for x in b]
    if len(a) != len(b):
        raise ValueError(f"a has {len(a)} seeds and b has {len(b)}; pairs need equal lengths.")
    if len(a) < 2:
        raise ValueError("An interval needs at least two seeds.")
    return a, b


def wrong_278_for_all(a, b):
    """Takes 2.78 for the constant of Student's t whatever S is; contradicts "the interval must be
    right with thirty seeds and with five" and "stats.t.ppf(0.975, df=S - 1)".

    Named `width`.
    """
    a, b = _lists(a, b)
    d = np.subtract(a, b)
    half = 2.7764451 * d.std(ddof=1) / math.sqrt(len(d))
    return d.mean(), d.mean() - half, d.mean() + half


def wrong_spread_of_a_population(a, b):
    """Divides the squares by S, as NumPy does if not told otherwise; contradicts "its 95 %
    interval ... must hold for five seeds too", which needs ddof=1.

    Named `population`.
    """
    a, b = _lists(a, b)
    d = np.subtract(a, b)
    half = stats.t.ppf(0.975, df=len(d) - 1) * d.std() / math.sqrt(len(d))
    return d.mean(), d.mean() - half, d.mean() + half


def wrong_five_percent_on_each_side(a, b):
    """Takes the 95 % quantile for a 95 % interval, though both sides miss 5 %; contradicts
    "stats.t.ppf(0.975, df=S - 1)" and "its 95 % interval".

    Named `level`.
    """
    a, b = _lists(a, b)
    d = np.subtract(a, b)
    half = stats.t.ppf(0.95, df=len(d) - 1) * stats.sem(d)
    return d.mean(), d.mean() - half, d.mean() + half


def wrong_scipy_says_nan(a, b):
    """Trusts scipy's interval, which is NaN where the standard error is 0; contradicts "equal
    differences give zero width".

    Named `zero_width`.
    """
    a, b = _lists(a, b)
    d = np.subtract(a, b)
    low, high = stats.t.interval(0.95, len(d) - 1, loc=d.mean(), scale=stats.sem(d))
    return d.mean(), low, high


def wrong_zip_cuts(a, b):
    """Pairs by zip and so drops what has no partner; contradicts "unequal lengths are a ValueError
    with a sentence".

    Named `unequal`.
    """
    d = np.array([float(x) - float(y) for x, y in zip(a, b, strict=False)])
    if len(d) < 2:
        raise ValueError("An interval needs at least two seeds.")
    half = stats.t.ppf(0.975, df=len(d) - 1) * d.std(ddof=1) / math.sqrt(len(d))
    return d.mean(), d.mean() - half, d.mean() + half


def wrong_bootstrap(a, b):
    """Thinks that the percentile bootstrap is an interval for any S; contradicts "the interval
    must hold for five seeds too".

    Named `few_seeds`.
    """
    a, b = _lists(a, b)
    d = torch.tensor(a, dtype=torch.float64) - torch.tensor(b, dtype=torch.float64)
    draw = torch.Generator().manual_seed(0)
    means = d[torch.randint(len(d), (10_000, len(d)), generator=draw)].mean(dim=1)
    low, high = np.percentile(means.numpy(), [2.5, 97.5])
    return float(d.mean()), float(low), float(high)


def right_exact_statistics(a, b):
    """The standard library's exact statistics, and the upper tail instead of the lower one."""
    a, b = _lists(a, b)
    d = [x - y for x, y in zip(a, b, strict=False)]
    middle = statistics.mean(d)
    half = float(stats.t.isf(0.025, len(d) - 1)) * statistics.stdev(d) / math.sqrt(len(d))
    return middle, middle - half, middle + half


def right_from_pairs_of_pairs(a, b):
    """The variance from all pairs of differences: no mean is subtracted anywhere."""
    a, b = _lists(a, b)
    d = torch.tensor(a, dtype=torch.float64) - torch.tensor(b, dtype=torch.float64)
    n = len(d)
    variance = (d[:, None] - d[None, :]).square().sum() / (2 * n * (n - 1))
    half = float(special.stdtrit(n - 1, 0.975)) * (variance / n).sqrt()
    return d.mean(), d.mean() - half, d.mean() + half
