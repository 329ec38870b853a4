"""Siamese networks: learn from pairs which images are alike (Hadsell, Chopra & LeCun 2006)."""

from torch import Tensor
from torch.linalg import vector_norm


def contrastive_loss(a: Tensor, b: Tensor, same: Tensor, margin: float) -> Tensor:
    """Pull pairs of one class together, push others apart until they are a margin away.

    mean[same · d² + (1 - same) · max(0, margin - d)²] with the Euclidean distance d.

    Parameters
    ----------
    a, b : Tensor (N, D)
        Row i of both is a pair.
    same : Tensor (N,)
        1 or True where the pair shows one class. (The paper's Y is the opposite.)
    margin
        In the unit of the features; above 0.

    Returns
    -------
    Tensor, 0-d
        Differentiable in a and b, also where they are equal.
    """
    distance = vector_norm(a - b, dim=1)  # its gradient at 0 is 0, that of sqrt is infinite
    same = same.to(distance)
    apart = (margin - distance).clamp(min=0)
    return (same * distance.square() + (1 - same) * apart.square()).mean()
