"""Probes of module 01: each calls the learner's function and returns plain data."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.checks.answer import answered, watched
from course_lib.checks.probes.models import build, modes_of, state_of
from course_lib.checks.wire import plain


def preprocess(function: Callable, inputs: dict) -> dict:
    images = inputs["images"]
    if inputs.get("channels_last"):  # in memory, as photographs are read; the shape is the same
        images = images.contiguous(memory_format=torch.channels_last)
    return answered("preprocess", function, images, inputs["mean"], inputs["std"])


def linear_probe(function: Callable, inputs: dict) -> dict:
    names = ("train_x", "train_y", "val_x", "val_y", "test_x", "test_y", "strengths")
    return answered("linear_probe", function, *(inputs[name] for name in names))


def extract_features(function: Callable, inputs: dict) -> dict:
    model = build(inputs["model"])
    model.head.register_forward_pre_hook(lambda *_: None)  # somebody else's
    head, modes, hooks = model.head, modes_of(model), _n_hooks(model)
    result, record = watched(
        "extract_features", function, model, inputs["images"], **inputs["options"]
    )
    left = {
        "requires_grad": isinstance(result, torch.Tensor) and result.requires_grad,
        "same_head": getattr(model, "head", None) is head,
        "hooks_removed": _n_hooks(model) == hooks,
        "modes_restored": modes_of(model) == modes,
        "trainable": all(parameter.requires_grad for parameter in model.parameters()),
        "state": state_of(model),
    }
    # The model must go on working; if it does not, there are no logits.
    logits, _ = watched("extract_features", lambda: model.eval()(inputs["later"]))
    return {**record, **left, "returned": plain(result), "logits": plain(logits)}


def freeze(function: Callable, inputs: dict) -> dict:
    """Freeze a part of a model that has just been trained, then try everything to move it."""
    model = build(inputs["model"])
    parent = nn.Sequential(model)
    module = model.get_submodule(inputs["where"])
    optimizer = _optimizer(model)
    # One step fills the momentum; then the weights become the pretrained ones again, and a second
    # backward pass leaves gradients lying in `.grad`.
    _backward(model, *inputs["steps"][0])
    optimizer.step()
    optimizer.zero_grad()
    _backward(model, *inputs["steps"][0])
    model.load_state_dict(inputs["model"]["state"])
    if not inputs["optimizer_before"]:
        optimizer = _optimizer(model)
    if inputs["off"]:  # which does not take away the gradient that it has
        next(module.parameters()).requires_grad_(False)
    pretrained, attributes = state_of(module), _attributes(module)

    # Not an argument here: this module may change, its class included.
    result, record = watched("freeze", lambda: function(module))
    if inputs["twice"] and record["raised"] is None:
        result, record = watched("freeze", lambda: function(module))
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    answer = {
        **record,
        "returned": plain(result),
        "same": result is module,
        "trainable": [name for name, p in module.named_parameters() if p.requires_grad],
        "attributes": sorted(_attributes(module) - attributes),
        "lost": sorted(pretrained.keys() - state_of(module).keys()),
        "changed": _moved(pretrained, module),
        "gradients": len(gradients),
        "gradients_zero": all(not gradient.any() for gradient in gradients),
    }

    def hostilities() -> None:
        answer["views"] = {}
        for who in ("nobody", "parent", "module", "submodules"):
            _train(who, parent, module)
            training = [name for name, mode in modes_of(module).items() if mode]
            with torch.no_grad():
                output = module(inputs["module_input"])
            answer["views"][who] = {
                "training": training,
                "output": plain(output),
                "moved": _moved(pretrained, module),
            }
        if inputs["inside"]:
            _train("submodules", parent, module)
            with torch.no_grad():
                alone = module.get_submodule(inputs["inside"])(inputs["module_input"])
            answer["inside"] = plain(alone)
        for images, labels in inputs["steps"]:
            for who in inputs["train"]:
                _train(who, parent, module)
            optimizer.zero_grad(set_to_none=False)
            _backward(model, images, labels)
            optimizer.step()
        answer["after"] = state_of(model)
        x = inputs["module_input"].clone().requires_grad_()
        output = module(x)
        if output.requires_grad:
            (output * inputs["cotangent"]).sum().backward()
        answer["input_gradient"] = plain(x.grad)

    if record["raised"] is None:
        _, then = watched("freeze", hostilities)  # trained layers may draw random numbers
        answer["unusable"] = then["raised"]
    return answer


def _optimizer(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.1)


def _backward(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    loss = F.cross_entropy(model(images), labels)
    if loss.requires_grad:
        loss.backward()


def _train(who: str, parent: nn.Module, module: nn.Module) -> None:
    if who == "parent":
        parent.train()
    elif who == "module":
        module.train()
    elif who == "submodules":
        for part in list(module.modules())[1:]:
            part.train()


def _moved(before: dict[str, torch.Tensor], module: nn.Module) -> list[str]:
    """Names of the parameters and buffers that are no longer what they were."""
    now = state_of(module)
    return [name for name in before if name in now and not torch.equal(before[name], now[name])]


def _attributes(module: nn.Module) -> set[str]:
    """Names of the Python attributes that somebody has set on the parameters and modules."""
    parts = [*module.parameters(), *module.modules()]
    return {name for part in parts for name in vars(part) if not name.startswith("_")}


def _n_hooks(model: nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())
