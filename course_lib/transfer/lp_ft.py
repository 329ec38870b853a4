"""Linear probe, then fine-tune: let the head arrive before the backbone is allowed to move."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.optim import LBFGS

from course_lib.transfer.features import extract_features
from course_lib.transfer.freeze import thaw
from course_lib.transfer.train import fit, local_seed


def lp_ft(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    probe_steps: int,
    ft_steps: int,
    ft_lr: float,
    *,
    augment: Callable[[Tensor, Generator], Tensor] | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> nn.Module:
    """Fit a new head on the frozen features, then train everything from there, in place.

    From a random head, the first gradients that reach the backbone are those of a guess: they
    distort the features before the head can use them. A head that fits already sends small ones
    (Kumar et al. 2022). Batch-norm keeps its pretrained statistics in both phases.

    Parameters
    ----------
    model
        Has ``.backbone`` and ``.head``. The head is replaced; a frozen backbone is opened again.
    images : Tensor (N, C, H, W)
    labels : Tensor (N,)
        0…K-1, each of them at least once.
    probe_steps
        Iterations for the head alone, at most: L-BFGS on features computed once, with the loss of
        `fit_logistic` at strength 1.
    ft_steps
        Updates of everything; 0 leaves the probe.
    ft_lr
        The highest rate of these: small, a tenth of what a random head would need.
    augment, seed, device, progress
        As in `fit`; ``augment`` serves the second phase, the first sees the images as they are.

    Returns
    -------
    nn.Module
        The same model.
    """
    features = extract_features(model, images, device=device)
    with local_seed(seed, features.device):
        head = nn.Linear(features.shape[1], int(labels.max()) + 1).to(features)
    solver = LBFGS(head.parameters(), max_iter=probe_steps, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        penalty = head.weight.square().sum() / 2
        value = F.cross_entropy(head(features), labels, reduction="sum") + penalty
        value.backward()
        return value

    solver.step(loss)
    solver.zero_grad()
    model.head = head.train(model.head.training).to(model.head.weight.device)
    if ft_steps:
        thaw(model)
        fit(
            model, images, labels, steps=ft_steps, lr=ft_lr, augment=augment, hold_batchnorm=True,
            log_every=ft_steps, seed=seed, device=device, progress=progress,
        )  # fmt: skip
    return model
