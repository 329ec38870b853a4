"""Prototypical networks (Snell, Swersky & Zemel 2017): a class is the mean of its support."""

from torch import Tensor
from torch.linalg import vecdot


def class_means(support: Tensor, support_labels: Tensor) -> Tensor:
    """Return the prototype of each class: the mean of its support features.

    Parameters
    ----------
    support : Tensor (..., S, D)
    support_labels : Tensor (S,)
        Labels 0…W-1 in any order, each at least once; the classes need not have equal shots.

    Returns
    -------
    Tensor (..., W, D)
        Differentiable; in the dtype of the support.
    """
    shots = support_labels.bincount()
    sums = support.new_zeros(*support.shape[:-2], len(shots), support.shape[-1])
    return sums.index_add(-2, support_labels, support) / shots[:, None]


def prototype_logits(support: Tensor, support_labels: Tensor, query: Tensor) -> Tensor:
    """Return minus the *squared* Euclidean distance of each query to each prototype.

    A softmax of these logits is the classifier of Snell et al. 2017. The query set takes no part
    in the prototypes: each query is judged as if it were alone.

    Parameters
    ----------
    support : Tensor (..., S, D)
    support_labels : Tensor (S,)
        Labels 0…W-1 in any order, each at least once.
    query : Tensor (..., Q, D)

    Returns
    -------
    Tensor (..., Q, W)
        At most 0; differentiable in support and query.
    """
    prototypes = class_means(support, support_labels)
    # ‖q - c‖² = ‖q‖² - 2 q·c + ‖c‖² is one matrix product, but loses digits when all features lie
    # far from 0. A shift of everything changes no distance; so shift their centre to 0.
    centre = prototypes.mean(-2, keepdim=True)
    query, prototypes = query - centre, prototypes - centre
    squares = vecdot(query, query)[..., :, None] + vecdot(prototypes, prototypes)[..., None, :]
    return (query @ (2 * prototypes).mT - squares).clamp(max=0)
