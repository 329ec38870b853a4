"""Freezing: pretrained weights that nothing moves any more.

``requires_grad = False`` is half of it. Two other things move a "frozen" network:

* the optimiser, when a gradient of the last step still lies in ``.grad``: momentum and weight
  decay go on from there;
* batch-norm, whose running statistics are buffers. They follow the data in every forward pass
  in train mode, and one ``model.train()`` at the top of the training loop switches that on.
"""

from functools import partial

from torch import nn


def freeze(module: nn.Module) -> nn.Module:
    """Freeze a module for good, in place: parameters, batch-norm statistics, dropout.

    No parameter asks for a gradient or keeps an old one, and the module and all its submodules
    stay in eval mode, also after ``train()`` on any of them or on a model around them. The
    gradient still flows *through* the module to its input.

    Copies, pickles and `torch.save` keep the module frozen; a ``state_dict`` holds weights only.

    Parameters
    ----------
    module
        Frozen twice is frozen once. `thaw` is the way back.

    Returns
    -------
    nn.Module
        The same module.
    """
    for parameter in module.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    for part in module.modules():
        # Python looks for `part.train` on the object before it looks on the class, and a
        # parent's train() calls this one. A partial, unlike a closure, can be copied and pickled.
        part.train = partial(_train_only_children, part)
    return module.eval()


def thaw(module: nn.Module) -> nn.Module:
    """Undo `freeze`, in place: parameters train again, and ``train()`` switches the mode again.

    The mode itself stays eval until the next ``train()``.
    """
    for parameter in module.parameters():
        parameter.requires_grad_(True)
    for part in module.modules():
        vars(part).pop("train", None)
    return module


def _train_only_children(part: nn.Module, mode: bool = True) -> nn.Module:
    """Stand in for ``train()``: the frozen part stays in eval, its children decide for themselves.

    Frozen children stay too; a trainable layer that was put inside later is not held back.
    """
    part.training = False
    for child in part.children():
        child.train(mode)
    return part
