"""Accuracy, and the one loop that runs a model over many images without training it."""

import sys

import torch
from torch import Tensor, nn
from tqdm import tqdm

from course_lib.device import placed


def n_correct(logits: Tensor, labels: Tensor) -> int:
    """Count the rows whose largest logit stands at the label.

    Parameters
    ----------
    logits : Tensor (N, K)
        One score per class; no softmax is needed, it would not change the order.
    labels : Tensor (N,)
        Integers 0…K-1.
    """
    return int((logits.argmax(dim=1) == labels).sum())


def evaluate(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    batch_size: int = 256,
    *,
    device: str | torch.device = "auto",
) -> float:
    """Return the accuracy of a model, in [0, 1]: correct answers over all answers.

    The mean of the *batch* accuracies is something else as soon as the last batch is smaller.

    Parameters
    ----------
    model
        ``model(images)`` gives logits (N, K). It is asked in eval mode and left as it was.
    images : Tensor (N, C, H, W)
    labels : Tensor (N,)

    Raises
    ------
    ValueError
        If there are no images, or not one label for each.
    """
    if len(images) != len(labels) or len(images) == 0:
        raise ValueError(
            f"Accuracy needs images and one label for each: "
            f"there are {len(images)} images and {len(labels)} labels."
        )
    logits = forward_in_batches(model, images, batch_size, device=device)
    return n_correct(logits, labels.to(logits.device)) / len(labels)


def forward_in_batches(
    model: nn.Module,
    images: Tensor,
    batch_size: int = 256,
    *,
    device: str | torch.device = "auto",
) -> Tensor:
    """Return ``model(images)`` as in use, not as in training, a batch at a time.

    Eval mode makes each row independent of the others in its batch (batch-norm uses its running
    statistics, dropout is off) and changes no buffer; without a graph the memory of a batch is
    free as soon as its result is there. Every submodule's mode is put back afterwards.

    Returns
    -------
    Tensor (N, ...)
        In the order of the images and on their device, detached.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        # no_grad, not inference_mode: a head may be trained on what comes out.
        with placed(model, device) as where, torch.no_grad():
            batches = tqdm(
                images.split(batch_size), "forward", leave=False, delay=3, file=sys.stdout
            )
            return torch.cat([model(batch.to(where)).to(images.device) for batch in batches])
    finally:
        for module, training in modes.items():
            module.training = training
