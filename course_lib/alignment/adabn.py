"""AdaBN (Li et al. 2016): batch-norm statistics are of a domain, not of a task."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from course_lib.device import placed


def adapt_batchnorm(
    model: nn.Module,
    target_images: Tensor,
    batch_size: int = 64,
    *,
    device: str | torch.device = "auto",
) -> nn.Module:
    """Replace the running statistics of every batch-norm layer by the target's, in place.

    Nothing is trained. The old statistics are forgotten; the new ones are the mean over
    consecutive batches of each batch's own mean and variance. A smaller last batch is left out,
    or its images would count more than others.

    Parameters
    ----------
    model
        Without batch-norm it stays as it was. It comes back in eval mode.
    target_images : Tensor (N, C, H, W)
        Unlabelled.

    Returns
    -------
    nn.Module
        The same model.

    Raises
    ------
    ValueError
        If there are no images.
    """
    if len(target_images) == 0:
        raise ValueError("AdaBN needs target images: there are none.")
    model.eval()
    layers = [part for part in model.modules() if isinstance(part, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    batch_size = min(batch_size, len(target_images))
    whole = target_images[: len(target_images) // batch_size * batch_size]
    try:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean over batches, each of equal weight
            layer.training = True  # not train(): a frozen layer would refuse
        with placed(model, device) as where, torch.no_grad():
            for batch in whole.split(batch_size) if layers else ():
                model(batch.to(where))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        model.eval()
    return model
