"""How sure we may be after a handful of runs: 95 % intervals that hold for five seeds too.

With few seeds the standard deviation is itself a rough guess. Student's t pays for that: at five
seeds its interval is 2.78 standard errors to each side, where the normal distribution's 1.96
would cover the truth less often than it promises.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from torch import Tensor


def mean_interval(values: ArrayLike | Tensor | Sequence) -> tuple[float, float, float]:
    """Return the mean of S independent runs and its 95 % t interval.

    Parameters
    ----------
    values : (S,)
        One number per seed (or per episode): list, array or tensor.

    Returns
    -------
    mean, low, high : float
        In the unit of the values. Equal values give zero width.

    Raises
    ------
    ValueError
        If there are fewer than two values, or one is not finite.
    """
    values = _vector(values)
    if len(values) < 2:
        raise ValueError("One run has no spread: an interval needs at least two.")
    if not np.isfinite(values).all():
        raise ValueError("An interval needs finite numbers: at least one run gave NaN or infinity.")
    mean = values.mean()
    half = stats.t.ppf(0.975, df=len(values) - 1) * stats.sem(values)
    return float(mean), float(mean - half), float(mean + half)


def paired_effect(
    a: ArrayLike | Tensor | Sequence, b: ArrayLike | Tensor | Sequence
) -> tuple[float, float, float]:
    """Return by how much method a beats method b, with a 95 % interval over the seeds.

    Seed by seed both methods saw the same split, so a lucky split lifts both; the difference
    takes that luck out, and the interval is often far narrower than those of a and b suggest.

    Parameters
    ----------
    a, b : (S,)
        One result per seed and method, in the same order of seeds.

    Returns
    -------
    mean, low, high : float
        Of a - b, in the unit of a and b.

    Raises
    ------
    ValueError
        If a and b differ in length, have fewer than two entries, or one is not finite.
    """
    a, b = _vector(a), _vector(b)
    if len(a) != len(b):
        raise ValueError(f"A pair needs both methods: a has {len(a)} runs and b has {len(b)}.")
    return mean_interval(a - b)


def transfer_gain(
    transfer: ArrayLike | Tensor | Sequence, scratch: ArrayLike | Tensor | Sequence
) -> dict[str, float | str]:
    """Return what transfer gains over a start from scratch, and whether that is decided.

    Transfer can hurt, so there are three verdicts, and the third is no failure: an interval that
    holds 0 says that these runs cannot tell.

    Parameters
    ----------
    transfer, scratch : (S,)
        One result per seed, higher is better, in the same order of seeds.

    Returns
    -------
    dict
        ``gain`` (mean of transfer - scratch), ``low`` and ``high`` (95 % interval, as in
        `paired_effect`) and ``verdict``: "helps" if low > 0, "hurts" if high < 0, else
        "undecided".

    Raises
    ------
    ValueError
        As `paired_effect` does.
    """
    gain, low, high = paired_effect(transfer, scratch)
    verdict = "helps" if low > 0 else "hurts" if high < 0 else "undecided"
    return {"gain": gain, "low": low, "high": high, "verdict": verdict}


def episode_interval(
    accuracies: ArrayLike | Tensor | Sequence,
) -> tuple[float, float, float]:
    """Return the mean accuracy over E few-shot episodes and its 95 % interval.

    The episode is the unit. All queries of an episode lean on the same few support examples, and
    are right or mistaken together; so 600 episodes of 100 queries are 600 independent numbers, not
    60,000. And the interval is about the *mean*: the spread of the episodes is √E times as wide.

    Parameters
    ----------
    accuracies : (E,)
        One accuracy per episode.

    Returns
    -------
    mean, low, high : float

    Raises
    ------
    ValueError
        If there are fewer than two episodes, or one is not finite.
    """
    return mean_interval(accuracies)


def _vector(values: ArrayLike | Tensor | Sequence) -> np.ndarray:
    """Return float64 numbers (S,) from a list, an array or a tensor on any device."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().double()
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise ValueError(f"Expected one number per run, shape (S,), not {vector.shape}.")
    return vector
