"""The training loop: AdamW, a cosine, and a history. It trains a whole network, the part of one
that is not frozen, or a head on cached features; it is the same loop.
"""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import AdamW, Optimizer
from tqdm import tqdm

from course_lib.device import placed
from course_lib.errors import CourseError
from course_lib.evidence.evaluate import evaluate, n_correct
from course_lib.transfer.rates import decay_groups


def fit(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    steps: int,
    batch_size: int = 128,
    lr: float = 1e-3,
    weight_decay: float = 0.01,
    optimizer: Optimizer | None = None,
    hold_batchnorm: bool = False,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    augment: Callable[[Tensor, Generator], Tensor] | None = None,
    val: tuple[Tensor, Tensor] | None = None,
    log_every: int | None = None,
    on_row: Callable[[list[dict]], None] | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> list[dict]:
    """Train a model in place for a number of steps and return how it went.

    Parameters
    ----------
    model
        ``model(images)`` gives logits (N, K). Frozen parameters stay as they are.
    images : Tensor (N, ...)
        Images (N, C, H, W), or features (N, D) to train a head alone.
    labels : Tensor (N,)
        Integers 0…K-1.
    steps
        Updates of the weights, at least 1; each sees ``batch_size`` examples (all N if there are
        fewer). Every epoch is a new order; a smaller last batch is left out.
    lr
        The highest learning rate: reached after a tenth of the steps, then down to 0 on a cosine.
    weight_decay
        AdamW's, for weight matrices and filters; biases and batch-norm are exempt.
    optimizer
        One of your own instead of AdamW with this ``lr`` and ``weight_decay``, such as
        ``AdamW(param_groups(model, ...))``: each group's ``lr`` is the highest rate of that group.
        What the optimiser does not hold does not train.
    hold_batchnorm
        Batch-norm keeps its statistics: its layers stay in eval mode, while their scales and shifts
        train like everything else.
    loss
        ``loss(logits, labels)`` → 0-d. Logits, not probabilities: the softmax is inside.
    augment
        ``augment(images, generator)`` → images, applied to each batch.
    val : (images, labels)
        Measured at every row of the history, never trained on.
    log_every
        Steps between two rows; a tenth of the steps unless given.
    on_row
        Called with the history so far after each row, for a live picture.
    seed
        Decides order, augmentation and dropout. The global random state is left alone.
    device
        "auto", "cpu", "cuda" or "mps"; the model comes back to where it was.

    Returns
    -------
    list of dict
        Rows with ``step``, ``epoch`` (fractional), ``loss`` and ``train_accuracy`` (means since
        the last row, on the batches as they were trained on), ``val_accuracy`` (NaN without
        ``val``) and ``seconds`` (training only, from the start).

    Raises
    ------
    ValueError
        If nothing is trainable, or images and labels do not belong together.
    CourseError
        If the loss becomes NaN or infinite.
    """
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("Every parameter is frozen: there is nothing to train.")
    if len(images) != len(labels) or len(images) == 0 or steps < 1:
        raise ValueError(
            "Training needs at least one step, and images with one label for each: there are "
            f"{steps} steps, {len(images)} images and {len(labels)} labels."
        )
    log_every = log_every or math.ceil(steps / 10)
    generator = torch.Generator().manual_seed(seed)
    modes = {module: module.training for module in model.modules()}
    optimizer = optimizer or AdamW(decay_groups(model.parameters(), lr, weight_decay))
    rates = [group["lr"] for group in optimizer.param_groups]
    history, losses, correct, seen = [], [], 0, 0
    bar = tqdm(
        total=steps, desc="training", leave=False, delay=3, file=sys.stdout, disable=not progress
    )
    try:
        with bar, placed(model, device) as where, local_seed(seed, where):
            if where.type != "mps":
                model.to(memory_format=torch.channels_last)  # small convnets train faster so
            model.train()  # a frozen part stays in eval
            if hold_batchnorm:
                for module in model.modules():
                    if isinstance(module, _BatchNorm):
                        module.eval()
            start = perf_counter()
            order = batches(len(images), batch_size, generator)
            for step, batch in zip(range(1, steps + 1), order, strict=False):
                for group, highest in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = highest * schedule(step, steps)

                x, y = images[batch], labels[batch].to(where)
                if augment:
                    x = augment(x, generator)
                logits = model(x.to(where))
                batch_loss = loss(logits, y)
                losses.append(batch_loss.item())
                if not math.isfinite(losses[-1]):
                    raise CourseError(
                        f"The loss became {losses[-1]} at step {step}: look for NaN in the images, "
                        f"or make a new model and train it with a smaller lr than {max(rates):g}."
                    )
                batch_loss.backward()
                optimizer.step()
                model.zero_grad()  # and so no old gradient outlives the loop
                correct, seen = correct + n_correct(logits, y), seen + len(y)
                bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
                bar.update()

                if step % log_every == 0 or step == steps:
                    seconds = perf_counter() - start
                    row = {
                        "step": step,
                        "epoch": step * len(batch) / len(images),
                        "loss": sum(losses) / len(losses),
                        "train_accuracy": correct / seen,
                        "val_accuracy": math.nan,
                        "seconds": seconds,
                    }
                    if val:
                        row["val_accuracy"] = evaluate(model, *val, device=where)
                    history.append(row)
                    losses, correct, seen = [], 0, 0
                    if on_row:
                        on_row(history)
                    start = perf_counter() - seconds  # the clock stood still meanwhile
    finally:
        model.to(memory_format=torch.contiguous_format)
        for module, training in modes.items():
            module.training = training
        for group, highest in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = highest
    return history


def schedule(step: int, steps: int) -> float:
    """Return the share of the highest rate: up in a line, down on half a cosine."""
    progress = (step - 0.5) / steps
    return min(progress / 0.1, 1.0) * (1 + math.cos(math.pi * progress)) / 2


def batches(n: int, batch_size: int, generator: Generator) -> Iterator[Tensor]:
    """Yield the indices of one full batch after another, in a new order each epoch, for ever."""
    batch_size = min(batch_size, n)
    while True:
        order = torch.randperm(n, generator=generator)
        yield from order[: n - n % batch_size].split(batch_size)


@contextmanager
def local_seed(seed: int, device: torch.device) -> Iterator[None]:
    """Seed what draws from the global random state (dropout), and put that state back."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
