"""How well can the two domains be told apart? A classifier finds out."""

import torch
from torch import Generator, Tensor

from course_lib.evidence.evaluate import n_correct
from course_lib.transfer.probe import fit_logistic


def domain_accuracy(source: Tensor, target: Tensor, seed: int = 0) -> float:
    """Return how often a linear classifier names the domain of features it has not seen.

    Equally many of both domains are drawn; on half of them a logistic regression is fitted, on
    the other half it is tested. 0.5 is guessing: a linear classifier finds no difference. It says
    nothing about the classes.

    Parameters
    ----------
    source : Tensor (n, D)
    target : Tensor (m, D)
        Features, at least four of each; standardised here with the fitted half's statistics.
    seed
        Draws the halves.

    Returns
    -------
    float
        In [0, 1]; somewhat below 0.5 by chance.

    Raises
    ------
    ValueError
        If a domain has fewer than four rows, or the features differ in number.
    """
    if source.shape[1:] != target.shape[1:] or min(len(source), len(target)) < 4:
        raise ValueError(
            "A domain classifier needs at least four rows of each domain and equal features, not "
            f"{tuple(source.shape)} and {tuple(target.shape)}."
        )
    generator = Generator().manual_seed(seed)
    half = min(len(source), len(target)) // 2
    parts = [x[torch.randperm(len(x), generator=generator)[: 2 * half]] for x in (source, target)]
    fitted, tested = (torch.cat([p[side] for p in parts]) for side in _sides(half))
    centre, scale = fitted.mean(dim=0), fitted.std(dim=0) + 1e-6
    labels = torch.arange(2, device=source.device).repeat_interleave(half)
    weight, bias = fit_logistic((fitted - centre) / scale, labels, strength=10.0)
    return n_correct((tested - centre) / scale @ weight.T + bias, labels) / len(labels)


def _sides(half: int) -> tuple[slice, slice]:
    return slice(half), slice(half, 2 * half)


def proxy_a_distance(source: Tensor, target: Tensor, seed: int = 0) -> float:
    """Return ``2 (1 - 2 error)`` of the domain classifier (Ben-David et al. 2006).

    0 if the domains cannot be told apart, 2 if they always can. Arguments as for
    `domain_accuracy`.
    """
    return 2 * (2 * domain_accuracy(source, target, seed) - 1)
