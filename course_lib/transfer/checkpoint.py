"""Early stopping without stopping: keep the epoch that did best on validation data."""

import math
from collections.abc import Callable

from torch import Tensor, nn


def best_checkpoint(
    model: nn.Module,
    train_one_epoch: Callable[[nn.Module], object],
    val_score: Callable[[nn.Module], float],
    epochs: int,
) -> tuple[int, float, dict[str, Tensor]]:
    """Train for some epochs and keep a copy of the one that scores best on the validation split.

    Parameters
    ----------
    model
        Trained in place; it ends where its last epoch left it.
    train_one_epoch
        ``train_one_epoch(model)``, called once per epoch.
    val_score
        ``val_score(model)`` → a number, higher is better, called after each epoch. It measures on
        the *validation* split. On the test set the same choice would spoil the test: the best of
        many noisy scores is too good to be true.
    epochs
        At least 1.

    Returns
    -------
    best_epoch : int
        From 1; of equal scores the earliest.
    best_score : float
    state_dict : dict
        Parameters and buffers as they were after that epoch, in memory of their own.

    Raises
    ------
    ValueError
        If no epoch has a score: all are NaN, or there is no epoch.
    """
    best_epoch, best_score, best_state = 0, math.nan, {}
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = float(val_score(model))
        if score > best_score or (best_epoch == 0 and not math.isnan(score)):
            best_epoch, best_score = epoch, score
            # state_dict() refers to the model's own tensors, which training goes on changing.
            best_state = {name: value.clone() for name, value in model.state_dict().items()}
    if best_epoch == 0:
        raise ValueError(
            f"None of {epochs} epochs has a score that is a number: there is no best one. "
            "Look at what val_score returns, and at the training loss."
        )
    return best_epoch, best_score, best_state
