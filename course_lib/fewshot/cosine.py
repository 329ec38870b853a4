"""Cosine classifiers: nearest centroid, and Baseline++ (Chen et al. 2019).

The length of a feature vector says how strongly an image speaks, its direction says what about.
A cosine compares directions only.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.fewshot.prototypes import class_means


def cosine_logits(features: Tensor, weight: Tensor, scale: float) -> Tensor:
    """Return ``scale`` times the cosine between each feature vector and each class's weights.

    Parameters
    ----------
    features : Tensor (..., N, D)
    weight : Tensor (..., K, D)
        A row per class.
    scale
        A cosine lies in [-1, 1], and a softmax of such numbers is never sure: with K = 20 the
        largest probability it can give is .28. The scale says how sure the classifier may get.

    Returns
    -------
    Tensor (..., N, K)
        In [-scale, scale]; 0 for a row of zeros, which has no direction.
    """
    return scale * F.normalize(features, dim=-1) @ F.normalize(weight, dim=-1).mT


def nearest_centroid(support: Tensor, support_labels: Tensor, query: Tensor) -> Tensor:
    """Return the cosine between each query and each class mean: nothing is trained.

    Shapes as in `prototypes.prototype_logits`.
    """
    return cosine_logits(query, class_means(support, support_labels), scale=1.0)


def baseline_plus_plus(
    support: Tensor,
    support_labels: Tensor,
    query: Tensor,
    *,
    scale: float = 10.0,
    steps: int = 100,
    lr: float = 0.01,
) -> Tensor:
    """Return the logits of a cosine classifier that was trained on the support set.

    Baseline++ of Chen et al. 2019: frozen features, a new head without bias, cosines for inner
    products. Its weights start at the class means (as "imprinted" weights, Qi et al. 2018), so
    that zero steps are `nearest_centroid`; the paper starts at random ones. Adam treats every
    number on its own, so that a thousand episodes are trained together as if each were alone.

    Shapes as in `prototypes.prototype_logits`; the result carries no gradient.
    """
    support, query = support.detach(), query.detach()
    support = F.normalize(support, dim=-1)
    with torch.enable_grad():
        weight = F.normalize(class_means(support, support_labels), dim=-1).requires_grad_()
        n_way = weight.shape[-2]
        y = support_labels.expand(support.shape[:-1]).flatten()
        optimizer = torch.optim.Adam([weight], lr=lr)
        for _ in range(steps):
            logits = cosine_logits(support, weight, scale).reshape(-1, n_way)
            loss = F.cross_entropy(logits, y, reduction="sum") / len(support_labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return cosine_logits(query, weight.detach(), scale)
