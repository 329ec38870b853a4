"""Module 00: intervals from five seeds, and the best of many."""

import numpy as np


def choose(quick: bool) -> dict:
    """Nothing is chosen: both claims are simulations."""
    return {"chosen_on": "nothing: simulations", "draws": 100 if quick else 5000}


def five_seeds(seed: int, settings: dict) -> dict[str, float]:
    """Share of 95 % intervals from five normal values that hold the true mean."""
    from scipy.stats import t

    rng = np.random.default_rng(seed)
    n = settings["draws"]
    values = rng.standard_normal((n, 5))
    mean, error = values.mean(1), values.std(1, ddof=1) / np.sqrt(5)
    picks = values[
        np.arange(settings["draws"])[:, None, None],
        rng.integers(5, size=(settings["draws"], 400, 5)),
    ]
    low, high = np.quantile(picks.mean(2), [0.025, 0.975], axis=1)
    return {
        "coverage.t": float((abs(mean) <= t.ppf(0.975, 4) * error).mean()),
        "coverage.z": float((abs(mean) <= 1.96 * error).mean()),
        "coverage.bootstrap": float(((low <= 0) & (high >= 0)).mean()),
    }


def best_of_many(seed: int, settings: dict) -> dict[str, float]:
    """The best of 25 checkpoints that are all 95 % right, each scored on 153 images of its own."""
    right = np.random.default_rng(seed).binomial(153, 0.95, size=(1000, 25)) / 153
    return {"best_of_many.reported": float(right.max(1).mean()), "best_of_many.true": 0.95}


CLAIMS = {"five_seeds": five_seeds, "best_of_many": best_of_many}
