"""Linear probe, then fine-tune: let the head arrive before the backbone is allowed to move."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from course_lib.transfer.features import extract_features
from course_lib.transfer.freeze import unfreeze
from course_lib.transfer.train import fit, local_seed


def lp_ft(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    probe_steps: int,
    ft_steps: int,
    ft_lr: float,
    *,
    probe_lr: float = 1e-2,
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
        Updates of the head alone, on features computed once.
    ft_steps
        Updates of everything; 0 leaves the probe.
    ft_lr
        The highest rate of these: small, a tenth of what a random head would need.
    probe_lr
        The highest rate of the head in the first phase.
    augment, seed, device, progress
        As in `fit`; ``augment`` serves the second phase, the first sees the images as they are.

    Returns
    -------
    nn.Module
        The same model.
    """
    with local_seed(seed, labels.device):
        head = nn.Linear(model.head.in_features, int(labels.max()) + 1)
    options = {"seed": seed, "device": device, "progress": progress}
    features = extract_features(model, images, device=device)
    fit(head, features, labels, steps=probe_steps, lr=probe_lr, **options)
    model.head = head.to(model.head.weight.device)
    if ft_steps:
        unfreeze(model)
        fit(
            model, images, labels, steps=ft_steps, lr=ft_lr, augment=augment,
            hold_batchnorm=True, **options,
        )  # fmt: skip
    return model
