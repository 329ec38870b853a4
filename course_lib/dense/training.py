"""The training loop of both dense tasks: as `course_lib.transfer.train.fit`, but for scenes.

Masks and boxes must move with their image, so whole scenes are augmented, not images alone.
"""

import math
import sys
from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.optim import AdamW
from tqdm import tqdm

from course_lib.data.scenes import Scenes, augment
from course_lib.errors import CourseError
from course_lib.transfer.rates import decay_groups
from course_lib.transfer.train import batches, schedule


def fit_scenes(
    model: nn.Module,
    scenes: Scenes,
    loss: Callable[[Tensor, Scenes], Tensor],
    *,
    steps: int,
    lr: float,
    encoder_lr: float | None = None,
    batch_size: int = 16,
    weight_decay: float = 0.05,
    seed: int = 0,
    progress: bool = True,
) -> list[dict]:
    """Train a segmenter or a detector in place, and return how it went.

    Parameters
    ----------
    model
        Has ``.encoder``. What is frozen stays as it is.
    scenes
        The labelled scenes; each batch is zoomed and shifted anew.
    loss
        ``loss(model(images), scenes)`` → 0-d.
    steps
        Updates, each on ``batch_size`` scenes.
    lr, encoder_lr
        The highest learning rate of AdamW, and the encoder's where it is another one; up to it in
        the first tenth of the steps, then down to 0 on a cosine.
    seed
        Decides order and augmentation. The global random state is left alone.

    Returns
    -------
    list of dict
        Ten rows with ``step`` and ``loss``, the mean since the last row.

    Raises
    ------
    CourseError
        If the loss becomes NaN or infinite.
    """
    generator = Generator().manual_seed(seed)
    modes = {module: module.training for module in model.modules()}
    held = {id(parameter) for parameter in model.encoder.parameters()}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in held]
    optimizer = AdamW(
        decay_groups(model.encoder.parameters(), encoder_lr or lr, weight_decay)
        + decay_groups(rest, lr, weight_decay)
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    history, losses = [], []
    bar = tqdm(
        total=steps, desc="training", leave=False, delay=3, file=sys.stdout, disable=not progress
    )
    try:
        with bar:
            model.to(memory_format=torch.channels_last).train()
            order = batches(len(scenes.images), batch_size, generator)
            for step, batch in zip(range(1, steps + 1), order, strict=False):
                for group, highest in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = highest * schedule(step, steps)
                seen = augment(Scenes(*(part[batch] for part in scenes)), generator)
                batch_loss = loss(model(seen.images), seen)
                losses.append(batch_loss.item())
                if not math.isfinite(losses[-1]):
                    raise CourseError(
                        f"The loss became {losses[-1]} at step {step}: make a new model and train "
                        f"it with a smaller lr than {lr:g}."
                    )
                batch_loss.backward()
                optimizer.step()
                model.zero_grad()
                bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
                bar.update()
                if step % math.ceil(steps / 10) == 0 or step == steps:
                    history.append({"step": step, "loss": sum(losses) / len(losses)})
                    losses = []
    finally:
        model.to(memory_format=torch.contiguous_format)
        for module, training in modes.items():
            module.training = training
    return history
