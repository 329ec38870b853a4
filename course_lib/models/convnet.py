"""The course's backbone: a small residual network (He et al. 2016) for 32 x 32 images."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Backbone(nn.Module):
    """Map images (N, 1, 32, 32) to features (N, 128).

    ``blocks`` is ordered from input to output: a stem and three residual stages, each of which
    halves the image's side. Every parameter and buffer lies in exactly one block; the mean over
    what is left of the image has none.
    """

    feature_dim = 128

    def __init__(self) -> None:
        super().__init__()
        stem = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            stem, ResidualBlock(16, 32), ResidualBlock(32, 64), ResidualBlock(64, self.feature_dim)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.blocks(images).mean((2, 3))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch-norm, the first of stride 2, beside a 1 x 1 shortcut."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, stride=2, bias=False)
        self.shortcut_norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut_norm(self.shortcut(x)))


class Classifier(nn.Module):
    """A backbone and a linear head: logits (N, n_classes) are ``head(backbone(images))``.

    The head is new; its first weights depend on the seed alone, and the global seed is kept.
    """

    def __init__(self, backbone: nn.Module, n_classes: int, seed: int = 0) -> None:
        super().__init__()
        self.backbone = backbone
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.head = nn.Linear(backbone.feature_dim, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))


def random_backbone(seed: int) -> Backbone:
    """Return an untrained backbone; the same seed gives the same one, the global seed is kept."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Backbone()
