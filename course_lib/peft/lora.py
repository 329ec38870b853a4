"""LoRA: a frozen layer, and beside it an update of low rank that trains (Hu et al. 2021).

A layer's weight W (out, in) stays as it is. What a new task adds to it is B A: A (rank, in) and
B (out, rank) have rank · (in + out) numbers instead of in · out. B starts at zero, so training
starts at the pretrained layer exactly. Afterwards B A can be added to W, and the layer is as fast
as it was; or be left beside it, and be taken away again.
"""

import copy
import math

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from course_lib.peft.layers import layers_at, n_trainable, swap
from course_lib.transfer.freeze import freeze, thaw


class LoRALinear(nn.Module):
    """``W x + b + (alpha / rank) · B A x``, with W and b frozen.

    Parameters
    ----------
    linear
        Becomes `.linear`, frozen in place.
    rank
        1 to min(in, out).
    alpha
        The update's size does not change with the rank: that is what dividing by it is for.

    Attributes
    ----------
    A, B : Parameter (rank, in), (out, rank)
        In the weight's dtype and device; A random, B zero.
    scale : float
        ``alpha / rank``.

    Raises
    ------
    ValueError
        If there is no such rank.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        _check_rank(linear, rank)
        self.linear = freeze(linear)
        self.A, self.B = _factors(linear.weight, rank)
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        return self.linear(x) + self.scale * F.linear(F.linear(x, self.A), self.B)


class LoRAConv2d(nn.Module):
    """The same for a convolution: its filters, one a row, are the W that gets an update.

    A is (rank, in/groups · height · width), B (out, rank); stride, padding, dilation and groups are
    the convolution's. It becomes `.conv`; for the rest see `LoRALinear`.
    """

    def __init__(self, conv: nn.Conv2d, rank: int, alpha: float) -> None:
        super().__init__()
        _check_rank(conv, rank)
        self.conv = freeze(conv)
        self.A, self.B = _factors(conv.weight, rank)
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in, H, W) as the convolution does."""
        return functional_call(self.conv, {"weight": self.conv.weight + _update(self)}, (x,))


LORA = (LoRALinear, LoRAConv2d)


def merge(module: nn.Module) -> nn.Linear | nn.Conv2d:
    """Return one plain layer that computes what the layer and its update do together.

    Parameters
    ----------
    module
        A `LoRALinear` or `LoRAConv2d`; it is not changed, and keeps the pretrained weights: to
        unmerge is to go back to it. A layer without an update is returned as it is.

    Returns
    -------
    nn.Linear or nn.Conv2d
        As frozen as the layer inside was.
    """
    if not isinstance(module, LORA):
        return module
    layer = copy.deepcopy(_base(module))
    with torch.no_grad():
        layer.weight += _update(module)
    return layer


def apply_lora(
    model: nn.Module, rank: int, alpha: float, names: list[str]
) -> tuple[nn.Module, int]:
    """Give named linear layers an update of low rank and freeze all else but the head, in place.

    Batch-norm is held too: it computes with its pretrained statistics, also after ``train()``.

    Parameters
    ----------
    model
        Has ``.head``.
    rank, alpha
        As in `LoRALinear`.
    names
        Of `nn.Linear` layers, dotted as in ``model.named_modules()``.

    Returns
    -------
    model, n_trainable
        The same model; how many numbers train now, each shared tensor counted once. A weight that
        a layer shares with the head trains, because the head does.

    Raises
    ------
    ValueError
        If a name is unknown or not a linear layer, or the rank too large for one of them; nothing
        has been changed then.
    """
    return _apply(model, names, nn.Linear, LoRALinear, rank, alpha)


def apply_lora_conv(
    model: nn.Module, rank: int, alpha: float, names: list[str]
) -> tuple[nn.Module, int]:
    """`apply_lora` for convolutions: the names are of `nn.Conv2d` layers."""
    return _apply(model, names, nn.Conv2d, LoRAConv2d, rank, alpha)


def merge_all(model: nn.Module) -> dict[str, nn.Module]:
    """Merge every update of a model into its layer, in place.

    Returns
    -------
    dict
        The layers with their updates by name; ``swap(model, ...)`` with it unmerges, bit for bit.
    """
    return swap(model, {name: merge(layer) for name, layer in _lora_layers(model).items()})


def switch_off(model: nn.Module) -> dict[str, nn.Module]:
    """Take every update away, in place: what is left are the pretrained layers themselves.

    Returns
    -------
    dict
        The layers with their updates by name; ``swap(model, ...)`` with it switches them on again.
    """
    return swap(model, {name: _base(layer) for name, layer in _lora_layers(model).items()})


def _apply(
    model: nn.Module,
    names: list[str],
    kind: type[nn.Module],
    wrapper: type[nn.Module],
    rank: int,
    alpha: float,
) -> tuple[nn.Module, int]:
    layers = layers_at(model, names, kind)
    for layer in layers.values():
        _check_rank(layer, rank)
    freeze(model)
    swap(model, {name: wrapper(layer, rank, alpha) for name, layer in layers.items()})
    thaw(model.head)  # last: a layer with an update may share its weight with the head
    return model, n_trainable(model)


def _lora_layers(model: nn.Module) -> dict[str, nn.Module]:
    return {name: part for name, part in model.named_modules() if isinstance(part, LORA)}


def _base(module: nn.Module) -> nn.Linear | nn.Conv2d:
    return module.linear if isinstance(module, LoRALinear) else module.conv


def _check_rank(layer: nn.Linear | nn.Conv2d, rank: int) -> None:
    largest = min(layer.weight.flatten(1).shape)
    if not 1 <= rank <= largest:
        raise ValueError(f"An update of {layer} has a rank of 1 to {largest}, not {rank}.")


def _factors(weight: Tensor, rank: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Return A, random as a new layer's weight would be, and B, zero: their product is zero."""
    n_out, n_in = weight.flatten(1).shape
    bound = 1 / math.sqrt(n_in)
    return (
        nn.Parameter(weight.new_empty(rank, n_in).uniform_(-bound, bound)),
        nn.Parameter(weight.new_zeros(n_out, rank)),
    )


def _update(module: nn.Module) -> Tensor:
    """Return what is added to the weight, in its shape."""
    return (module.scale * module.B @ module.A).view(_base(module).weight.shape)
