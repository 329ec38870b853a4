"""CORAL: make the covariances of two domains agree."""

from torch import Tensor


def coral_loss(source: Tensor, target: Tensor) -> Tensor:
    """Return the squared distance between the covariances of two sets of features.

    ``||C_s - C_t||²_F / (4 d²)`` as in Deep CORAL (Sun and Saenko 2016). Covariances are centred,
    so a shift of the mean alone is not seen.

    Parameters
    ----------
    source : Tensor (n, d)
    target : Tensor (m, d)
        A row for each image; n and m may differ.

    Returns
    -------
    Tensor, 0-d
        At least 0; differentiable in both.

    Raises
    ------
    ValueError
        If a domain has fewer than two rows, or the features differ in number.
    """
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise ValueError(
            "CORAL compares features (n, d) and (m, d) of equal d, not "
            f"{tuple(source.shape)} and {tuple(target.shape)}."
        )
    if min(len(source), len(target)) < 2:
        raise ValueError("A covariance needs at least two rows in each domain.")
    gap = source.T.cov() - target.T.cov()
    return gap.square().sum() / (4 * source.shape[1] ** 2)
