import math

import numpy as np
from scipy import special, stats

from course_lib.evidence.intervals import paired_effect


def _both(transfer, scratch):
    a = np.array([float(x) for x in transfer])
    b = np.array([float(x) for x in scratch])
    if len(a) != len(b) or len(a) < 2:
        raise ValueError("Both lists need the same number of seeds, at least two.")
    return a, b


def _verdict(low, high):
    return "helps" if low > 0 else "hurts" if high < 0 else "undecided"


def wrong_unpaired_too(transfer, scratch):
    """Thinks that two lists of runs are two independent samples (Welch); contradicts "paired as in
    `paired_effect`".

    Named `unpaired`.
    """
    a, b = _both(transfer, scratch)
    va, vb, n = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b), len(a)
    error = math.sqrt(va + vb)
    df = (va + vb) ** 2 / ((va**2 + vb**2) / (n - 1)) if error > 0 else n - 1
    half = stats.t.ppf(0.975, df) * error
    gain = float(a.mean() - b.mean())
    low, high = float(gain - half), float(gain + half)
    return dict(gain=gain, low=low, high=high, verdict=_verdict(low, high))


def wrong_normal_quantile_too(transfer, scratch):
    """Thinks that 95 % is always 1.96 standard errors; contradicts "With five seeds ... the number
    must be larger" (the interval of `paired_effect`).

    Named `few_seeds`.
    """
    a, b = _both(transfer, scratch)
    d = a - b
    half = 1.96 * d.std(ddof=1) / math.sqrt(len(d))
    gain = float(d.mean())
    low, high = float(gain - half), float(gain + half)
    return dict(gain=gain, low=low, high=high, verdict=_verdict(low, high))


def wrong_zero_end_decides(transfer, scratch):
    """Thinks that an interval which only touches zero does not hold it; contradicts "undecided
    (also if an end is 0)".

    Named `zero`.
    """
    gain, low, high = (float(x) for x in paired_effect(transfer, scratch))
    verdict = "helps" if low >= 0 else "hurts" if high <= 0 else "undecided"
    return dict(gain=gain, low=low, high=high, verdict=verdict)


def wrong_population_spread(transfer, scratch):
    """Thinks that numpy's default std is the spread for a standard error; contradicts "paired as
    in `paired_effect`", whose spread has ddof=1.

    Named `width`.
    """
    a, b = _both(transfer, scratch)
    d = a - b
    half = stats.t.ppf(0.975, len(d) - 1) * np.std(d) / math.sqrt(len(d))
    gain = float(d.mean())
    low, high = float(gain - half), float(gain + half)
    return dict(gain=gain, low=low, high=high, verdict=_verdict(low, high))


def wrong_one_sided_quantile(transfer, scratch):
    """Thinks that 95 % means ppf(0.95) to either side, which is a 90 % interval; contradicts "its
    95 % interval" (ppf(0.975)).

    Named `width`.
    """
    a, b = _both(transfer, scratch)
    d = a - b
    half = stats.t.ppf(0.95, len(d) - 1) * d.std(ddof=1) / math.sqrt(len(d))
    gain = float(d.mean())
    low, high = float(gain - half), float(gain + half)
    return dict(gain=gain, low=low, high=high, verdict=_verdict(low, high))


def wrong_verdict_from_the_printed_ends(transfer, scratch):
    """Thinks that the verdict is read off the interval as it is printed, in points with one
    decimal; contradicts ""helps" if low > 0, "hurts" if high < 0".

    Named `verdict`.
    """
    gain, low, high = (float(x) for x in paired_effect(transfer, scratch))
    printed = round(100 * low, 1), round(100 * high, 1)
    return dict(gain=gain, low=low, high=high, verdict=_verdict(*printed))


def right_all_pairs_of_seeds(transfer, scratch):
    """The variance from all pairs of differences, exact sums, the quantile from scipy.special."""
    a, b = [float(x) for x in transfer], [float(x) for x in scratch]
    if len(a) != len(b):
        raise ValueError("Both need one result for each seed, but their numbers differ.")
    n = len(a)
    if n < 2:
        raise ValueError("An interval needs at least two seeds.")
    d = [x - y for x, y in zip(a, b, strict=True)]
    gain = math.fsum(d) / n
    variance = math.fsum((d[i] - d[j]) ** 2 for i in range(n) for j in range(i)) / (n * (n - 1))
    half = float(special.stdtrit(n - 1, 0.975)) * math.sqrt(variance / n)
    ends = {"gain": gain, "low": gain - half, "high": gain + half}
    sign = (ends["low"] > 0) - (ends["high"] < 0)
    return ends | {"verdict": {1: "helps", -1: "hurts", 0: "undecided"}[sign]}


class _Gain:
    def __init__(self, level=0.95):
        self.level = level

    def __call__(self, transfer, scratch):
        a = np.fromiter((float(x) for x in transfer), dtype=np.longdouble)
        b = np.fromiter((float(x) for x in scratch), dtype=np.longdouble)
        if a.size != b.size:
            raise ValueError("There must be as many transfer results as scratch results.")
        if a.size < 2:
            raise ValueError("One seed has no interval: at least two are needed.")
        d = a - b
        gain = float(d.mean())
        error = float(np.sqrt(((d - d.mean()) ** 2).sum() / (d.size - 1) / d.size))
        low = high = gain
        if error > 0:
            low, high = map(float, stats.t.interval(self.level, d.size - 1, gain, error))
        words = np.array(["undecided", "helps", "hurts"])
        return {
            "gain": gain,
            "low": low,
            "high": high,
            "verdict": str(words[1 * (low > 0) + 2 * (high < 0)]),
        }


def right_callable_object(transfer, scratch, *, level=0.95):
    """The work is done by an object that is called: extended precision, and scipy's t.interval."""
    return _Gain(level)(transfer, scratch)
