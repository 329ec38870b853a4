"""The adaptation loop: labelled source images, unlabelled target images, one alignment term."""

import math
import sys
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from course_lib.alignment.distance import domain_accuracy
from course_lib.device import placed
from course_lib.errors import CourseError
from course_lib.evidence.evaluate import forward_in_batches, n_correct
from course_lib.transfer.train import batches, local_seed, schedule


class Outputs(NamedTuple):
    """What a model made of a batch of one domain."""

    features: Tensor  # (B, D)
    logits: Tensor  # (B, K)


Alignment = Callable[[Outputs, Outputs, float], Tensor]
"""``align(source, target, progress)`` → 0-d, added to the loss; progress is in (0, 1)."""


def adapt(
    model: nn.Module,
    source_images: Tensor,
    source_labels: Tensor,
    target_images: Tensor,
    align: Alignment | None = None,
    *,
    steps: int,
    batch_size: int = 64,
    lr: float = 1e-3,
    align_lr: float | None = None,
    weight_decay: float = 0.01,
    augment: Callable[[Tensor, Generator], Tensor] | None = None,
    log_every: int | None = None,
    on_row: Callable[[list[dict]], None] | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> list[dict]:
    """Train a model in place on the source's labels, and make the target's features like them.

    There is no parameter for target labels: whatever the alignment term does, it cannot see one.
    The loss is the cross-entropy of the source batch plus ``align``. Each domain goes through the
    model in a batch of its own, so batch-norm takes each domain's own statistics; its running
    statistics end as a mixture of both, which `adapt_batchnorm` can replace by the target's.

    Parameters
    ----------
    model
        ``.backbone`` and ``.head``; frozen parameters stay as they are.
    source_images, source_labels : Tensor (N, C, H, W), Tensor (N,)
    target_images : Tensor (M, C, H, W)
        Unlabelled.
    align
        ``align(source, target, progress)`` → 0-d, of the `Outputs` of both batches. None trains
        on the source alone. A module (such as `Adversary`) is trained together with the model.
    steps
        Updates, each from ``batch_size`` source and as many target images.
    lr
        The highest rate, on the schedule of `transfer.train.fit`.
    align_lr
        The same for the parameters of ``align``; ``lr`` unless given.
    augment
        ``augment(images, generator)`` → images, for each batch of either domain.
    log_every
        Steps between two rows; a fifth of the steps unless given.
    on_row, seed, device, progress
        As in `transfer.train.fit`.

    Returns
    -------
    list of dict
        Rows with ``step``, ``source_loss`` and ``alignment`` (means since the last row),
        ``source_accuracy`` (on the batches), ``domain_accuracy`` (of a linear classifier on the
        features of up to 500 images of each domain, as the model gives them in eval mode),
        ``a_distance`` (2 (2 accuracy - 1), from 0 to 2) and ``seconds`` (training only).

    Raises
    ------
    ValueError
        If nothing is trainable, or there are no images or not a label for each of the source.
    CourseError
        If the loss becomes NaN or infinite.
    """
    extra = list(align.parameters()) if isinstance(align, nn.Module) else []
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError("Every parameter is frozen: there is nothing to train.")
    if len(source_images) != len(source_labels) or not len(source_images) or steps < 1:
        raise ValueError(
            "Adaptation needs at least one step, and source images with one label for each: there "
            f"are {steps} steps, {len(source_images)} images and {len(source_labels)} labels."
        )
    if len(target_images) == 0:
        raise ValueError("Adaptation needs target images: there are none.")
    log_every = log_every or math.ceil(steps / 5)
    generator = Generator().manual_seed(seed)
    modes = {module: module.training for module in model.modules()}
    history, source_losses, terms, correct, seen = [], [], [], 0, 0
    bar = tqdm(
        total=steps, desc="adapting", leave=False, delay=3, file=sys.stdout, disable=not progress
    )
    try:
        with bar, placed(model, device) as where, local_seed(seed, where):
            if extra:
                align.to(where)
            if where.type != "mps":
                model.to(memory_format=torch.channels_last)
            optimizer = torch.optim.AdamW(
                [
                    {"params": [p for p in params if (p.ndim >= 2) == decayed], "top": top,
                     "weight_decay": weight_decay if decayed else 0.0}
                    for params, top in ((trainable, lr), (extra, align_lr or lr))
                    for decayed in (True, False)
                ]
            )  # fmt: skip
            model.train()  # a frozen part stays in eval
            start = perf_counter()
            source_batches = batches(len(source_images), batch_size, generator)
            target_batches = batches(len(target_images), batch_size, generator)
            for step in range(1, steps + 1):
                for group in optimizer.param_groups:
                    group["lr"] = group["top"] * schedule(step, steps)
                chosen = next(source_batches)
                x, y = source_images[chosen], source_labels[chosen].to(where)
                x = augment(x, generator) if augment else x
                source = _outputs(model, x.to(where))
                loss = F.cross_entropy(source.logits, y)
                term = loss.new_zeros(())
                if align is not None:
                    u = target_images[next(target_batches)]
                    u = augment(u, generator) if augment else u
                    term = align(source, _outputs(model, u.to(where)), (step - 0.5) / steps)
                source_losses.append(loss.item())
                terms.append(term.item())
                if not math.isfinite(source_losses[-1] + terms[-1]):
                    raise CourseError(
                        f"The loss became {source_losses[-1] + terms[-1]} at step {step}: look "
                        f"for NaN in the images, or begin again with a smaller lr than {lr:g}."
                    )
                (loss + term).backward()
                optimizer.step()
                optimizer.zero_grad()
                correct, seen = correct + n_correct(source.logits, y), seen + len(y)
                bar.set_postfix(loss=f"{source_losses[-1]:.3f}", refresh=False)
                bar.update()

                if step % log_every == 0 or step == steps:
                    seconds = perf_counter() - start
                    domains = [
                        forward_in_batches(model.backbone, images[:500], device=where)
                        for images in (source_images, target_images)
                    ]
                    told_apart = domain_accuracy(*domains)
                    history.append(
                        {
                            "step": step,
                            "source_loss": sum(source_losses) / len(source_losses),
                            "alignment": sum(terms) / len(terms),
                            "source_accuracy": correct / seen,
                            "domain_accuracy": told_apart,
                            "a_distance": 2 * (2 * told_apart - 1),
                            "seconds": seconds,
                        }
                    )
                    source_losses, terms, correct, seen = [], [], 0, 0
                    if on_row:
                        on_row(history)
                    start = perf_counter() - seconds  # the clock stood still meanwhile
    finally:
        model.to(memory_format=torch.contiguous_format)
        for module, training in modes.items():
            module.training = training
    return history


def _outputs(model: nn.Module, images: Tensor) -> Outputs:
    features = model.backbone(images)
    return Outputs(features, model.head(features))
