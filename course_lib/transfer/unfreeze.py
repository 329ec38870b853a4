"""Gradual unfreezing: from the head towards the input, one block at a time."""

from torch import nn
from torch.optim import Optimizer

from course_lib.transfer.freeze import freeze, thaw


def unfreeze(model: nn.Module, optimizer: Optimizer, stage: int) -> Optimizer:
    """Open the head and the last ``stage`` blocks, freeze the blocks before them, in place.

    A parameter trains if it asks for a gradient *and* an optimiser holds it: the one without the
    other does nothing, and says nothing (Howard & Ruder 2018 for the order of opening).

    Parameters
    ----------
    model
        Has ``.backbone.blocks``, from input to output, and ``.head``. What is shut is frozen as
        by `freeze`; what is open follows the model's train or eval mode.
    optimizer
        Gets what it lacks, as a new group with the rate of its first one. What it already holds
        keeps its group and its momentum, also while it is frozen.
    stage
        0 opens the head alone, L (the number of blocks) everything. Any stage may follow any other.

    Returns
    -------
    Optimizer
        The same one.

    Raises
    ------
    ValueError
        If there is no such stage.
    """
    blocks = list(model.backbone.blocks)
    if not 0 <= stage <= len(blocks):
        raise ValueError(
            f"There is no stage {stage}: a backbone of {len(blocks)} blocks has the stages "
            f"0 (head only) to {len(blocks)} (everything)."
        )
    thaw(model)
    for block in blocks[: len(blocks) - stage]:
        freeze(block)
    model.train(model.training)

    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    if new:
        optimizer.add_param_group({"params": new, "lr": optimizer.param_groups[0]["lr"]})
    return optimizer
