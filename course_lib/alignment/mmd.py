"""Maximum mean discrepancy: how far apart two sets of features lie, seen through a kernel."""

from collections.abc import Sequence

import torch
from torch import Tensor


def mmd_loss(
    source: Tensor, target: Tensor, bandwidths: Sequence[float] | Tensor, unbiased: bool = True
) -> Tensor:
    """Return the squared maximum mean discrepancy (Gretton et al. 2012) with Gaussian kernels.

    The kernel is the mean over the bandwidths of ``exp(-||x - y||² / (2 sigma²))``; several of
    them spare the choice of one (Long et al. 2015). All three blocks come from one Gram matrix.

    Parameters
    ----------
    source : Tensor (n, d)
    target : Tensor (m, d)
    bandwidths
        The sigmas, above 0, in the unit of the features.
    unbiased
        Leave out each row's similarity to itself. The estimate is then right on average, and so
        below 0 about half the time when both come from one distribution. Biased: never below 0.

    Returns
    -------
    Tensor, 0-d
        Differentiable in both; not its root.

    Raises
    ------
    ValueError
        If the features differ in number, a domain is empty (or has one row when unbiased), or
        there is no bandwidth above 0.
    """
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise ValueError(
            "MMD compares features (n, d) and (m, d) of equal d, not "
            f"{tuple(source.shape)} and {tuple(target.shape)}."
        )
    n, m = len(source), len(target)
    if min(n, m) < 1 + unbiased:
        raise ValueError(f"MMD needs more rows than {n} in the source and {m} in the target.")
    bandwidths = torch.as_tensor(bandwidths, dtype=source.dtype, device=source.device)
    bandwidths = bandwidths.reshape(-1, 1, 1)
    if len(bandwidths) == 0 or not (bandwidths > 0).all():
        raise ValueError("MMD needs at least one bandwidth, and every bandwidth above 0.")
    distances = squared_distances(torch.cat([source, target]))
    within_source, within_target, across = (
        (block * (-0.5 / bandwidths**2)).exp().mean(0)
        for block in (distances[:n, :n], distances[n:, n:], distances[:n, n:])
    )
    if unbiased:
        within = [
            (k.sum() - k.diagonal().sum()) / (len(k) * (len(k) - 1))
            for k in (within_source, within_target)
        ]
    else:
        within = [within_source.mean(), within_target.mean()]
    return sum(within) - 2 * across.mean()


def squared_distances(x: Tensor) -> Tensor:
    """Return ``||x_i - x_j||²`` (n, n) from one matrix product.

    Centring first changes no distance and keeps round-off small; what it leaves below 0 is
    clamped.
    """
    x = x - x.mean(dim=0)
    gram = x @ x.T
    lengths = gram.diagonal()
    return (lengths[:, None] + lengths[None, :] - 2 * gram).clamp(min=0)


def median_bandwidths(source: Tensor, target: Tensor) -> Tensor:
    """Return five bandwidths (5,) around the median distance of the data at hand.

    Each twice as wide in ``sigma²`` as the one before, the middle one the median; detached, so
    that no gradient comes from the choice.
    """
    distances = squared_distances(torch.cat([source, target]).detach()).triu(1)
    median = distances[distances > 0].median()
    return (median * 2.0 ** torch.arange(-2, 3, device=median.device)).sqrt()
