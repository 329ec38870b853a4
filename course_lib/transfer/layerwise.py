"""Layer-wise transfer: the first blocks come from another network, the rest stays as it was.

How much of what a network learned is general, and how much belongs to its task? Early blocks are
mostly general, late ones mostly not (Yosinski et al. 2014, *How transferable are features in deep
neural networks?*). Copying the first k blocks only, for every k, draws the line.
"""

import torch
from torch import nn


def copy_first_k(source: nn.Module, target: nn.Module, k: int) -> list[str]:
    """Copy the first k blocks of a backbone into another one, in place.

    ``load_state_dict(..., strict=False)`` does the same job silently: with a wrong prefix in the
    names it loads nothing, and nobody is told. This one returns what it copied, or raises.

    Parameters
    ----------
    source, target
        Models with ``.backbone.blocks``, ordered from input to output. Only the blocks that are
        copied need to agree; heads and later blocks may differ.
    k
        Number of blocks, from 0 (nothing) to all of them.

    Returns
    -------
    list of str
        Names of the copied parameters and buffers, as in ``target.state_dict()``.

    Raises
    ------
    ValueError
        If a model has fewer than k blocks, or a name or shape in the first k blocks differs. The
        target is then unchanged.
    """
    depths = [len(model.backbone.blocks) for model in (source, target)]
    if not 0 <= k <= min(depths):
        raise ValueError(
            f"Cannot copy the first {k} blocks: the source has {depths[0]}, the target {depths[1]}."
        )
    prefixes = tuple(f"backbone.blocks.{i}." for i in range(k))
    given, taken = (
        {name: value for name, value in model.state_dict().items() if name.startswith(prefixes)}
        for model in (source, target)
    )
    for name in given.keys() | taken.keys():
        shapes = [tuple(part[name].shape) if name in part else None for part in (given, taken)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{name} is {shapes[0]} in the source and {shapes[1]} in the target.")
    with torch.no_grad():
        for name, value in given.items():
            taken[name].copy_(value)  # a state dict's tensors are the model's own
    return list(given)
