"""Splits that are fair: every class counted, nothing on both sides, the seed says it all."""

import torch
from torch import Tensor


def k_shot_split(labels: Tensor, n_shot: int, seed: int) -> tuple[Tensor, Tensor]:
    """Split into exactly ``n_shot`` examples of every class, and the rest.

    Parameters
    ----------
    labels : Tensor (N,)
        Any integers; gaps are fine.
    n_shot
        Examples of each class in the support set, at least 1.
    seed
        The same seed gives the same split. For one seed a larger ``n_shot`` only adds examples,
        so learning curves grow by nested support sets.

    Returns
    -------
    support, rest : Tensor (n_classes * n_shot,), Tensor (N - n_classes * n_shot,)
        Indices into ``labels``, ascending; together each index once.

    Raises
    ------
    ValueError
        If a class has fewer than ``n_shot`` examples, or ``n_shot`` is below 1.
    """
    labels = torch.as_tensor(labels)
    if n_shot < 1:
        raise ValueError(f"n_shot is {n_shot}: a support set needs at least 1 example per class.")
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    in_support = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        examples = order[labels[order] == label]
        if len(examples) < n_shot:
            raise ValueError(
                f"Class {int(label)} has {len(examples)} examples, fewer than n_shot = {n_shot}."
            )
        in_support[examples[:n_shot]] = True
    return in_support.nonzero().flatten(), (~in_support).nonzero().flatten()
