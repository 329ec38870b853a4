"""Which layers of a model train, and what stands at a layer's place: three small tools."""

from collections.abc import Callable, Mapping

from torch import nn

from course_lib.transfer.freeze import freeze


def n_trainable(model: nn.Module) -> int:
    """Count the numbers that training may change, a tensor that two layers share once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def train_only(model: nn.Module, wanted: Callable[[str, nn.Parameter], bool]) -> int:
    """Freeze a model but for its head and the parameters that are wanted, in place; count them.

    Batch-norm keeps its statistics and stays in eval mode; its scales and shifts may train. With
    ``lambda name, p: p.ndim == 1`` they do; with ``name.endswith("bias")`` it is BitFit (Ben Zaken
    et al. 2022); with ``False`` it is a linear probe.

    Parameters
    ----------
    model
        Has ``.head``.
    wanted
        ``wanted(name, parameter)`` → bool.

    Returns
    -------
    int
        As `n_trainable`.
    """
    freeze(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(wanted(name, parameter))
    for parameter in model.head.parameters():
        parameter.requires_grad_(True)
    return n_trainable(model)


def layers_at(
    model: nn.Module, names: list[str], kind: type[nn.Module] | tuple[type[nn.Module], ...]
) -> dict[str, nn.Module]:
    """Return the layers at these dotted names.

    Raises
    ------
    ValueError
        If a name is not one of ``named_modules``, or its layer is not of this kind.
    """
    modules = dict(model.named_modules())
    for name in names:
        if not isinstance(modules.get(name), kind):
            found = type(modules[name]).__name__ if name in modules else "no layer"
            kinds = kind if isinstance(kind, tuple) else (kind,)
            raise ValueError(
                f"{name!r} is {found}, and should be {' or '.join(k.__name__ for k in kinds)}: "
                "print `[name for name, _ in model.named_modules()]` for the names."
            )
    return {name: modules[name] for name in names}


def swap(model: nn.Module, layers: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Put layers at dotted names of a model, in place, and return what stood there.

    Called again with what it returned it undoes itself: nothing is computed, so every weight comes
    back bit for bit.
    """
    before = {name: model.get_submodule(name) for name in layers}
    for name, layer in layers.items():
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, layer)
    return before
