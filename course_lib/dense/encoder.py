"""A classifier's backbone as an encoder: the maps on the way are kept, not only the last one.

Where an object is gets lost on the way to one list of features. So a dense task (an answer for
each place in the image) takes the maps of several blocks, from fine and shallow to coarse and
deep, and a decoder brings them together again (Lin et al. 2017; Ronneberger et al. 2015).
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.models.convnet import Backbone


class Encoder(nn.Module):
    """The blocks of a backbone; images in, one map for each tapped block out, finest first.

    Its ``state_dict`` has the names of the backbone's, so pretrained weights fit by name.

    Parameters
    ----------
    backbone
        Has ``.blocks``, from input to output. They become the encoder's; the backbone's last step
        (the mean over places, in this course) is left out.
    taps
        Positions of the blocks whose outputs are wanted; each a half as large as the one before.
    channels
        Channels of these outputs.
    prepare
        What brings images in [0, 1] into the form that the backbone was trained on.
    """

    def __init__(
        self,
        backbone: nn.Module,
        taps: Sequence[int] = (0, 1, 2, 3),
        channels: Sequence[int] = (16, 32, 64, Backbone.feature_dim),
        prepare: Callable[[Tensor], Tensor] = lambda images: images,
    ) -> None:
        super().__init__()
        self.blocks = backbone.blocks
        self.taps, self.channels, self.prepare = tuple(taps), tuple(channels), prepare

    def forward(self, images: Tensor) -> list[Tensor]:
        maps, x = [], self.prepare(images)
        for at, block in enumerate(self.blocks[: self.taps[-1] + 1]):
            x = block(x)
            if at in self.taps:
                maps.append(x)
        return maps


class Decoder(nn.Module):
    """From coarse to fine: enlarge, join with the encoder's map of that size, convolve.

    Parameters
    ----------
    channels
        Of the encoder's maps, finest first.
    widths
        Channels after each join, finest first; one fewer than maps.
    """

    def __init__(self, channels: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        deeper = [*widths[1:], channels[-1]]
        self.joins = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(below + skip, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            )
            for below, skip, width in zip(deeper, channels, widths, strict=False)
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        *skips, x = maps
        for join, skip in zip(reversed(self.joins), reversed(skips), strict=True):
            x = F.interpolate(x, skip.shape[-2:], mode="nearest")
            x = join(torch.cat([x, skip], dim=1))
        return x


def transfer_encoder(encoder: nn.Module, segmenter: nn.Module) -> list[str]:
    """Copy a pretrained encoder into ``segmenter.encoder``, every parameter and buffer by name.

    ``load_state_dict(..., strict=False)`` would return without a word when *no* name fits.
    Here anything that does not fit is an error, and nothing has been copied then.

    Parameters
    ----------
    encoder
        Where the values come from; it shares no memory with the copy afterwards.
    segmenter
        Has ``.encoder``; the rest of it (the decoder) is left alone.

    Returns
    -------
    list of str
        The names that were copied: all of ``encoder.state_dict()``.

    Raises
    ------
    ValueError
        If a name is on one side only, or a shape differs.
    """
    source, target = encoder.state_dict(), segmenter.encoder.state_dict()
    odd = sorted(source.keys() ^ target.keys())
    odd += [
        name for name in source.keys() & target.keys() if source[name].shape != target[name].shape
    ]
    if odd:
        raise ValueError(
            f"The encoders differ in {len(odd)} names or shapes, such as {odd[0]!r}: nothing was "
            "copied."
        )
    with torch.no_grad():
        for name, value in source.items():
            target[name].copy_(value)
    return list(source)
