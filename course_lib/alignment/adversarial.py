"""Domain-adversarial training (Ganin and Lempitsky 2015): features that hide their domain."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def grad_reverse(x: Tensor, lam: float) -> Tensor:
    """Return x; on the way back, its gradient times ``-lam``.

    What stands behind it (a discriminator) learns as usual, while what stands before it (the
    backbone) learns the opposite.

    Parameters
    ----------
    x : Tensor
    lam : float
        At least 0; 0 stops the gradient.
    """
    return _Reversal.apply(x, lam)


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, lam: float) -> Tensor:
        context.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, upstream: Tensor) -> tuple[Tensor, None]:
        return -context.lam * upstream, None


def dann_schedule(progress: float, gamma: float = 10.0) -> float:
    """Return lambda, from 0 at the start of training (progress 0) to nearly 1 at its end (1).

    ``2 / (1 + exp(-gamma * progress)) - 1``: a young discriminator is noise, and is not yet
    listened to. A smaller gamma listens later.
    """
    return 2 / (1 + math.exp(-gamma * progress)) - 1


class Adversary(nn.Module):
    """A discriminator behind a gradient reversal: the alignment term of DANN.

    Called with the `Outputs` of both batches and the training's progress, it returns its own
    binary cross-entropy; through the reversal the backbone learns to raise it. The features are
    standardised over both batches first, so that the backbone cannot win by their scale.

    Parameters
    ----------
    feature_dim, hidden
        Sizes of its input and of its two hidden layers.
    strength
        The largest lambda.
    gamma
        How fast lambda grows, see `dann_schedule`.
    seed
        Of its first weights; the global seed is kept.
    reverse
        The gradient reversal, ``reverse(x, lam)``.
    """

    def __init__(
        self,
        feature_dim: int = 128,
        hidden: int = 64,
        strength: float = 1.0,
        gamma: float = 10.0,
        seed: int = 0,
        reverse: Callable[[Tensor, float], Tensor] = grad_reverse,
    ) -> None:
        super().__init__()
        self.strength, self.gamma, self.reverse = strength, gamma, reverse
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                nn.Linear(feature_dim, hidden), nn.ReLU(),
                nn.Linear(hidden, hidden), nn.ReLU(),
                nn.Linear(hidden, 1),
            )  # fmt: skip

    def forward(self, source: Any, target: Any, progress: float) -> Tensor:
        features = torch.cat([source.features, target.features])
        fixed = features.detach()
        features = (features - fixed.mean(dim=0)) / (fixed.std(dim=0) + 1e-3)
        features = self.reverse(features, self.strength * dann_schedule(progress, self.gamma))
        is_source = torch.zeros(len(features), device=features.device)
        is_source[: len(source.features)] = 1
        return F.binary_cross_entropy_with_logits(self.layers(features).squeeze(1), is_source)
