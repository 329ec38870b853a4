"""Discriminative learning rates: the deeper a layer lies, the less it is moved."""

from collections.abc import Iterable

from torch import nn


def param_groups(
    model: nn.Module, head_lr: float, layer_decay: float, weight_decay: float
) -> list[dict]:
    """Return an optimiser's groups: the head at its rate, each block below it at a lower one.

    The head is new and must travel far; the pretrained layers are near where they should be, and
    those at the input, which see edges, are the most general. Block i of L (i = 1 at the input)
    gets ``head_lr * layer_decay ** (L - i + 1)`` (Howard & Ruder 2018).

    Parameters
    ----------
    model
        Has ``.backbone.blocks``, from input to output, and ``.head``.
    head_lr
        The head's learning rate.
    layer_decay
        What one step down multiplies the rate with; 1 gives one rate to all, 0.5 is common.
    weight_decay
        For weight matrices and filters. What has one dimension (biases, batch-norm) is exempt.

    Returns
    -------
    list of dict
        Each with ``params``, ``lr`` and ``weight_decay``, as ``torch.optim.AdamW`` takes them.
        Every trainable parameter is in exactly one group, frozen ones in none; no group is empty.
    """
    groups = []
    for depth, part in enumerate([model.head, *reversed(model.backbone.blocks)]):
        groups += decay_groups(part.parameters(), head_lr * layer_decay**depth, weight_decay)
    return groups


def decay_groups(parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> list[dict]:
    """Return one or two groups of a rate: trainable weights, and biases and batch-norm undecayed.

    Decay pulls towards zero, which is a sound guess for a weight. It is none for a scale of
    batch-norm, which begins at 1, nor for a bias.
    """
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "lr": lr, "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "lr": lr, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
