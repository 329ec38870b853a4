"""Semantic segmentation: a class for every pixel, from an encoder and a decoder.

A small U-Net (Ronneberger et al. 2015) whose encoder can come from a classifier.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.data.scenes import CLASSES, Scenes
from course_lib.dense.encoder import Decoder, Encoder
from course_lib.evidence.evaluate import forward_in_batches

WIDTHS = (16, 32, 48)  # channels of the decoder, finest first
BACKGROUND_WEIGHT = 0.3


class Segmenter(nn.Module):
    """Images (N, C, H, W) to logits (N, n_classes, H, W).

    ``encoder`` is the transferable part; ``decoder`` and ``head`` are new, their first weights
    decided by the seed alone.
    """

    def __init__(self, encoder: Encoder, n_classes: int = len(CLASSES), seed: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.decoder = Decoder(encoder.channels, WIDTHS[: len(encoder.channels) - 1])
            self.head = nn.Conv2d(WIDTHS[0], n_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        logits = self.head(self.decoder(self.encoder(images)))
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)


def segmentation_loss(logits: Tensor, scenes: Scenes) -> Tensor:
    """Mean cross-entropy over all pixels: 0-d.

    Background, more than nine pixels in ten, weighs less: otherwise the first thing to be learned,
    and for long the only one, is to say "background" everywhere.
    """
    weight = logits.new_ones(logits.shape[1])
    weight[0] = BACKGROUND_WEIGHT
    return F.cross_entropy(logits, scenes.masks, weight=weight)


def segment(model: nn.Module, images: Tensor) -> Tensor:
    """Return the most likely class of each pixel, int64 (N, H, W), in eval mode."""
    return forward_in_batches(model, images, 64, device="cpu").argmax(dim=1)
