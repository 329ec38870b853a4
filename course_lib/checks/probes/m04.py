"""Probes of module 04: each calls the learner's function and returns plain data."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.answer import answered, watched
from course_lib.checks.probes.models import build, modes_of, state_of
from course_lib.checks.wire import plain


def coral_loss(function: Callable, inputs: dict) -> dict:
    return _loss("coral_loss", function, inputs)


def mmd_loss(function: Callable, inputs: dict) -> dict:
    return _loss("mmd_loss", function, inputs, inputs["bandwidths"], **inputs["options"])


def _loss(exercise: str, function: Callable, inputs: dict, *args: object, **kwargs: object) -> dict:
    """Call a loss of two sets of features; return its value and its gradient to both."""
    source, target = (inputs[name].clone().requires_grad_() for name in ("source", "target"))
    result, record = watched(exercise, function, source, target, *args, **kwargs)
    gradients = [None, None]
    if isinstance(result, Tensor) and result.ndim == 0 and result.requires_grad:
        found, second = watched(exercise, lambda: _gradients(result, [source, target]))
        record["raised"] = record["raised"] or second["raised"]
        gradients = found or gradients
    return {**record, "returned": plain(result), "gradients": plain(gradients)}


def _gradients(loss: Tensor, leaves: list[Tensor]) -> list[Tensor | None]:
    return list(torch.autograd.grad(loss, leaves, allow_unused=True))


def grad_reverse(function: Callable, inputs: dict) -> dict:
    """Call it once for each lam, on the same x; send a gradient back through every use of x.

    x is itself computed from a leaf, as features are. Each result is added to something else, which
    the same gradient reaches.
    """
    leaf, other = (inputs["x"].clone().requires_grad_() for _ in range(2))
    x, beside = 2 * leaf, 2 * other
    results, record = [], {"raised": None, "effects": []}
    for lam in inputs["lams"]:
        result, now = watched("grad_reverse", function, x, lam)
        results.append(result)
        record["effects"] += now["effects"]
        record["raised"] = record["raised"] or now["raised"]
    answer = {**record, "returned": plain(results), "gradient": None, "beside": None}
    usable = [r for r in results if isinstance(r, Tensor) and r.shape == x.shape]
    if record["raised"] or len(usable) < len(results):
        return answer
    uses = zip([x, *(result + beside for result in results)], inputs["upstream"], strict=True)
    loss = sum((result * upstream).sum() for result, upstream in uses)
    found, second = watched("grad_reverse", lambda: _gradients(loss, [leaf, other]))
    gradient, beside = found or (None, None)
    return {
        **answer,
        "raised": second["raised"],
        "gradient": plain(gradient),
        "beside": plain(beside),
        "cut": not all(result.requires_grad for result in results),
    }


def adapt_batchnorm(function: Callable, inputs: dict) -> dict:
    model = build(inputs["model"])
    layers = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    momenta = inputs["momentum"]
    momenta = momenta if isinstance(momenta, list) else [momenta] * len(layers)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    settings = _settings(layers)
    images, before = inputs["target_images"].clone(), list(model.parameters())
    # The model is no argument here: it is meant to change.
    result, record = watched(
        "adapt_batchnorm", lambda x: function(model, x, inputs["batch_size"]), images
    )
    if not torch.equal(images, inputs["target_images"]):
        record["effects"].append("inputs")
    return {
        **record,
        "returned": plain(result),
        "same": result is model,
        "state": state_of(model),
        "settings_kept": _settings(layers) == settings,
        "trainable": all(parameter.requires_grad for parameter in before),
        "modes": modes_of(model),
    }


def _settings(layers: list) -> list[tuple]:
    return [(la.momentum, la.eps, la.affine, la.track_running_stats) for la in layers]


def select_model(function: Callable, inputs: dict) -> dict:
    return answered("select_model", function, inputs["runs"])
