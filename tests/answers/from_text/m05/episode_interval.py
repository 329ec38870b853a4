import math

import numpy as np
import torch
from scipy import special, stats


def _values(accuracies):
    x = np.array([float(a) for a in accuracies])
    if len(x) < 2:
        raise ValueError("An interval needs at least two episodes.")
    return x


def wrong_percentiles_of_episodes(accuracies):
    """Takes the middle 95 % of the episodes themselves; contradicts "The interval is about their
    mean" ("says where single episodes lie, not how well we know the mean").

    Named `spread`.
    """
    x = _values(accuracies)
    low, high = np.percentile(x, [2.5, 97.5])
    return float(x.mean()), float(low), float(high)


def wrong_binomial(accuracies):
    """Thinks that an accuracy is a proportion, of E tries, whose spread follows from its mean;
    contradicts "half_width = 1.96 * accuracies.std() / sqrt(n_episodes)".

    Named `pooled`.
    """
    x = _values(accuracies)
    mean = float(x.mean())
    half = 1.96 * math.sqrt(max(mean * (1 - mean), 0.0) / len(x))
    return mean, mean - half, mean + half


def wrong_one_sided_quantile(accuracies):
    """Takes ppf(0.95) for a 95 % interval, which leaves out 5 % on each side; contradicts "its 95
    % interval" (1.96).

    Named `width`.
    """
    x = _values(accuracies)
    half = stats.t.ppf(0.95, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x))
    return float(x.mean()), float(x.mean() - half), float(x.mean() + half)


def wrong_bootstrap_from_the_global_generator(accuracies):
    """A bootstrap is welcome, but this one draws from PyTorch's global generator; contradicts
    "your own torch.Generator()...; the global one is left alone".

    Named `random state`.
    """
    x = torch.tensor(_values(accuracies))
    means = x[torch.randint(len(x), (4000, len(x)))].mean(dim=1)
    low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=means.dtype)).tolist()
    return float(x.mean()), low, high


def wrong_one_episode_has_no_width_too(accuracies):
    """Returns an interval without width for a single episode; contradicts "E < 2 is a ValueError
    with a sentence".

    Named `one_episode`.
    """
    x = np.array([float(a) for a in accuracies])
    if len(x) == 0:
        raise ValueError("There is no episode.")
    half = 0.0
    if len(x) > 1:
        half = float(stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
    return float(x.mean()), float(x.mean()) - half, float(x.mean()) + half


def right_as_they_come(accuracies):
    """Welford's running mean and sum of squares, in one pass over the episodes."""
    n, mean, squares = 0, 0.0, 0.0
    for accuracy in accuracies:
        n += 1
        step = float(accuracy) - mean
        mean += step / n
        squares += step * (float(accuracy) - mean)
    if n < 2:
        raise ValueError(f"Two episodes are the least for an interval, but there are {n}.")
    half = float(special.stdtrit(n - 1, 0.975)) * math.sqrt(squares / (n - 1) / n)
    return mean, mean - half, mean + half


def right_jackknife(accuracies):
    """Each episode is left out once; the spread of these means is the standard error."""
    x = [float(a) for a in accuracies]
    n = len(x)
    if n < 2:
        raise ValueError("From fewer than two episodes nobody knows how sure to be.")
    total = math.fsum(x)
    without = [(total - one) / (n - 1) for one in x]
    centre = math.fsum(without) / n
    error = math.sqrt((n - 1) / n * math.fsum((m - centre) ** 2 for m in without))
    reach = stats.t.isf(0.025, n - 1) * error
    return torch.tensor([total / n, total / n - reach, total / n + reach], dtype=torch.float64)
