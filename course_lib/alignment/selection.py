"""Choose among adapted models without a target label."""

from collections.abc import Sequence

import torch
from torch import Tensor

TOLERANCE = 0.10  # accuracy on the source that a run may lose against the best


def select_model(runs: Sequence[dict]) -> int:
    """Return the position of the run to keep, judged by what one may see.

    A run is sound if it is within 10 points of the best accuracy on the source's validation data
    and predicts more than one class on the target. Among sound runs the one is kept whose target
    predictions carry most information about the images: confident one by one, varied as a whole
    (the mutual information of image and prediction; compare Shi and Sha 2012).

    Parameters
    ----------
    runs
        Each with ``source_val_accuracy`` in [0, 1] and ``target_probs`` (M, K), rows that sum
        to 1. Whatever else is there, such as target labels, is not looked at.

    Raises
    ------
    ValueError
        If there are no runs.
    """
    if len(runs) == 0:
        raise ValueError("There is no run to choose from.")
    best_source = max(float(run["source_val_accuracy"]) for run in runs)

    def merit(run: dict) -> tuple[bool, bool, float]:
        probabilities = torch.as_tensor(run["target_probs"]).double()
        close = float(run["source_val_accuracy"]) >= best_source - TOLERANCE - 1e-9
        varied = len(probabilities.argmax(dim=1).unique()) > 1
        return close, varied, information(probabilities)

    merits = [merit(run) for run in runs]
    return merits.index(max(merits))


def information(probabilities: Tensor) -> float:
    """Return the mutual information of image and prediction, in nats, from 0 to log K.

    The entropy of the mean prediction minus the mean entropy of the predictions.

    Parameters
    ----------
    probabilities : Tensor (M, K)
    """
    return float(_entropy(probabilities.mean(dim=0)) - _entropy(probabilities).mean())


def _entropy(probabilities: Tensor) -> Tensor:
    return torch.special.entr(probabilities).sum(dim=-1)
