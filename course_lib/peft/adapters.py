"""Adapters: small new layers behind frozen ones, whose output is added to what passes through.

Both start as the identity: their last weights are zero, so training starts at the pretrained
network exactly.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.peft.layers import layers_at, n_trainable, swap
from course_lib.transfer.freeze import freeze, thaw


class ResidualAdapter(nn.Module):
    """A frozen convolution, then ``y + W y`` with a 1 x 1 convolution W (Rebuffi et al. 2017).

    Rebuffi et al. also give each task batch-norm layers of its own; here batch-norm is left to the
    model around. W is linear, so it can be merged: see `merge_adapter`.

    Parameters
    ----------
    conv
        Becomes `.conv`, frozen in place.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = freeze(conv)
        channels = conv.out_channels
        self.adapter = nn.Conv2d(channels, channels, 1, bias=False).to(conv.weight)
        nn.init.zeros_(self.adapter.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in, H, W) to (N, out, H', W')."""
        y = self.conv(x)
        return y + self.adapter(y)


class BottleneckAdapter(nn.Module):
    """A frozen layer, then ``y + up(relu(down(y)))`` through a few channels (Houlsby et al. 2019).

    The ReLU lets it do what no change of the layer's weight could; so it cannot be merged.

    Parameters
    ----------
    layer
        An `nn.Linear` or `nn.Conv2d`; becomes `.layer`, frozen in place.
    width
        Channels of the bottleneck, at least 1.

    Raises
    ------
    ValueError
        If the width is below 1.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, width: int) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"A bottleneck has at least one channel, not {width}.")
        self.layer = freeze(layer)
        if isinstance(layer, nn.Conv2d):
            channels = layer.out_channels
            down, up = nn.Conv2d(channels, width, 1), nn.Conv2d(width, channels, 1)
        else:
            channels = layer.out_features
            down, up = nn.Linear(channels, width), nn.Linear(width, channels)
        self.down, self.up = down.to(layer.weight), up.to(layer.weight)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map what the layer maps, to the layer's shape."""
        y = self.layer(x)
        return y + self.up(F.relu(self.down(y)))


def merge_adapter(module: ResidualAdapter) -> nn.Conv2d:
    """Return one convolution that computes what the two of a `ResidualAdapter` do together.

    The adapter is not changed: to unmerge is to go back to it.

    Raises
    ------
    ValueError
        If the convolution has groups: the adapter mixes channels across them.
    """
    if module.conv.groups > 1:
        raise ValueError("An adapter behind a convolution with groups cannot be merged into it.")
    conv = copy.deepcopy(module.conv)
    mix = module.adapter.weight[:, :, 0, 0]
    with torch.no_grad():
        conv.weight += torch.einsum("oc,cihw->oihw", mix, conv.weight)
        if conv.bias is not None:
            conv.bias += mix @ conv.bias
    return conv


def apply_adapters(
    model: nn.Module, names: list[str], width: int | None = None
) -> tuple[nn.Module, int]:
    """Put adapters behind named layers and freeze all else but the head, in place.

    Parameters
    ----------
    model
        Has ``.head``. Batch-norm is held, as in `course_lib.peft.lora.apply_lora`.
    names
        Dotted as in ``model.named_modules()``.
    width
        None for a `ResidualAdapter` behind each convolution, else a `BottleneckAdapter` of this
        width behind each linear or convolution layer.

    Returns
    -------
    model, n_trainable
        The same model; how many numbers train now.

    Raises
    ------
    ValueError
        If a name is unknown, its layer of another kind, or the width below 1; nothing has been
        changed then.
    """
    if width is not None and width < 1:
        raise ValueError(f"A bottleneck has at least one channel, not {width}.")
    kind = nn.Conv2d if width is None else (nn.Linear, nn.Conv2d)
    layers = layers_at(model, names, kind)
    freeze(model)
    adapted = {
        name: ResidualAdapter(layer) if width is None else BottleneckAdapter(layer, width)
        for name, layer in layers.items()
    }
    swap(model, adapted)
    thaw(model.head)
    return model, n_trainable(model)
