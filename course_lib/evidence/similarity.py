"""Which source suits a target? A guess from a handful of labels, before anything is trained."""

import torch
from torch import Tensor
from torch.nn import functional as F


def neighbour_accuracy(features: Tensor, labels: Tensor) -> float:
    """Return how often an example's nearest neighbour among the others has its label.

    Leave-one-out, by cosine. A source whose features bring the target's classes together needs
    little more; no training, no validation set, and a forward pass per candidate source is all it
    costs (Puigcerver et al. 2021 choose among hundreds of experts so).

    Parameters
    ----------
    features : Tensor (N, D)
        Of labelled target examples, from one candidate source.
    labels : Tensor (N,)
        At least two examples of each class, or theirs cannot be found.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        If there are fewer than two examples, or not one label for each.
    """
    if len(features) != len(labels) or len(features) < 2:
        raise ValueError(
            "Neighbours need at least two examples and one label for each: there are "
            f"{len(features)} and {len(labels)}."
        )
    unit = F.normalize(features, dim=1)
    cosines = (unit @ unit.T).fill_diagonal_(-torch.inf)
    return float((labels[cosines.argmax(dim=1)] == labels).double().mean())
