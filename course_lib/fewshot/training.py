"""Episodic training: practise in training what will be asked in use.

Every step draws an episode of source classes, embeds its images, and asks an objective how well
the support set explains the queries. The embedding learns; there is no head.
"""

import math
import sys
from collections.abc import Callable
from time import perf_counter

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from course_lib.device import placed
from course_lib.errors import CourseError
from course_lib.fewshot.contrastive import contrastive_loss
from course_lib.fewshot.episodes import sample_episode
from course_lib.fewshot.matching import matching_logits
from course_lib.fewshot.prototypes import prototype_logits
from course_lib.transfer.rates import decay_groups
from course_lib.transfer.train import local_seed, schedule

Objective = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""``(support (S, D), support_labels (S,), query (Q, D), query_labels (Q,)) -> loss (0-d)``."""


def prototypical(support: Tensor, s_y: Tensor, query: Tensor, q_y: Tensor) -> Tensor:
    """Cross-entropy of the queries by prototypes (Snell et al. 2017)."""
    return F.cross_entropy(prototype_logits(support, s_y, query), q_y)


def matching(
    support: Tensor, s_y: Tensor, query: Tensor, q_y: Tensor, scale: float = 10.0
) -> Tensor:
    """Cross-entropy of the queries by attention to the support (Vinyals et al. 2016)."""
    return F.nll_loss(matching_logits(support, s_y, query, scale), q_y)


def siamese(
    support: Tensor, s_y: Tensor, query: Tensor, q_y: Tensor, margin: float = 4.0
) -> Tensor:
    """Contrastive loss of all pairs of a support and a query image, alike and unlike halved.

    In an N-way episode only one pair in N is alike; without the weights the other pairs would
    drown it.
    """
    same = (s_y[:, None] == q_y).flatten()
    a = support.repeat_interleave(len(query), 0)
    b = query.repeat(len(support), 1)
    alike, unlike = (contrastive_loss(a[m], b[m], same[m], margin) for m in (same, ~same))
    return (alike + unlike) / 2


def fit_episodes(
    backbone: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    steps: int,
    objective: Objective = prototypical,
    n_way: int = 20,
    n_shot: int = 1,
    n_query: int = 5,
    lr: float = 1e-3,
    weight_decay: float = 0.05,
    augment: Callable[[Tensor, Generator], Tensor] | None = None,
    log_every: int | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> list[dict]:
    """Train an embedding in place, an episode a step, and return how it went.

    Parameters
    ----------
    backbone
        (N, C, H, W) → (N, D). Support and queries of an episode pass it as one batch.
    images, labels : Tensor (N, C, H, W), Tensor (N,)
        Source classes only: a class that is tested later must not be among them.
    objective
        `prototypical`, `matching`, `siamese`, or one of your own.
    lr, weight_decay, augment, seed, device
        As in `course_lib.transfer.train.fit`.

    Returns
    -------
    list of dict
        Rows with ``step``, ``loss`` (mean since the last row) and ``seconds``.

    Raises
    ------
    ValueError
        If too few classes have ``n_shot + n_query`` examples, or nothing is trainable.
    CourseError
        If the loss becomes NaN or infinite.
    """
    trainable = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    if not trainable or steps < 1:
        raise ValueError("Episodic training needs a trainable parameter and at least one step.")
    log_every = log_every or math.ceil(steps / 10)
    generator = torch.Generator().manual_seed(seed)
    modes = {module: module.training for module in backbone.modules()}
    history, losses = [], []
    bar = tqdm(
        total=steps, desc="episodes", leave=False, delay=3, file=sys.stdout, disable=not progress
    )
    try:
        with bar, placed(backbone, device) as where, local_seed(seed, where):
            optimizer = torch.optim.AdamW(decay_groups(trainable, lr, weight_decay))
            if where.type != "mps":
                backbone.to(memory_format=torch.channels_last)  # small convnets train faster so
            backbone.train()
            start = perf_counter()
            for step in range(1, steps + 1):
                for group in optimizer.param_groups:
                    group["lr"] = lr * schedule(step, steps)
                s_idx, s_y, q_idx, q_y = sample_episode(labels, n_way, n_shot, n_query, generator)
                x = images[torch.cat([s_idx, q_idx])]
                if augment:
                    x = augment(x, generator)
                support, query = backbone(x.to(where)).split([len(s_idx), len(q_idx)])
                loss = objective(support, s_y.to(where), query, q_y.to(where))
                losses.append(loss.item())
                if not math.isfinite(losses[-1]):
                    raise CourseError(
                        f"The loss became {losses[-1]} at step {step}: look for NaN in the images, "
                        f"or train a new backbone with a smaller lr than {lr:g}."
                    )
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                bar.update()
                if step % log_every == 0 or step == steps:
                    seconds = perf_counter() - start
                    mean = sum(losses) / len(losses)
                    history.append({"step": step, "loss": mean, "seconds": seconds})
                    losses = []
    finally:
        backbone.to(memory_format=torch.contiguous_format)
        for module, training in modes.items():
            module.training = training
    return history
