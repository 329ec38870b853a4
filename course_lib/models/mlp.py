"""A network without a convolution: the smallest one whose backbone is made of linear layers."""

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """Map images (N, 1, 32, 32) to features (N, 128), by two linear layers with ReLU.

    ``blocks`` are two; their linear layers are ``blocks.0.linear`` and ``blocks.1.linear``.
    """

    feature_dim = 128

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.blocks = nn.Sequential(_Block(1024, 256), _Block(256, self.feature_dim))

    def forward(self, images: Tensor) -> Tensor:
        return self.blocks(images.flatten(1))


class _Block(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).relu()
