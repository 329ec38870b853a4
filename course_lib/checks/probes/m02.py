"""Probes of module 02: each calls the learner's function and returns plain data."""

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.optimizer import register_optimizer_step_post_hook

from course_lib.checks.answer import watched
from course_lib.checks.probes.models import build, modes_of, state_of
from course_lib.checks.wire import plain


def param_groups(function: Callable, inputs: dict) -> dict:
    """List the groups by the parameters' names, then take one step with them."""
    model = build(inputs["model"])
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in inputs["frozen"])
    flags = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = (inputs["head_lr"], inputs["layer_decay"], inputs["weight_decay"])

    def listed() -> tuple[object, list | None]:
        result = function(model, *rates)
        if isinstance(result, dict | torch.Tensor) or not isinstance(result, Iterable):
            return result, None
        groups = list(result)  # a generator of groups is read here, once
        if not all(isinstance(group, dict) for group in groups):
            return groups, None
        return groups, [_read_group(group) for group in groups]

    result, record = watched("param_groups", listed)
    shown, groups = result or (None, None)
    answer = {
        **record,
        "returned": plain(shown) if groups is None else None,
        "groups": groups and [
            {"params": [names.get(id(p), "") for p in group["params"]],
             **{key: group[key] for key in ("lr", "weight_decay", "complete")}}
            for group in groups
        ],
        "is_list": groups is not None,
        "flags": flags == {name: p.requires_grad for name, p in model.named_parameters()},
        "before": state_of(model),
    }  # fmt: skip

    def step() -> None:
        optimizer = torch.optim.SGD(groups, lr=1.0)
        F.cross_entropy(model.eval()(inputs["images"]), inputs["labels"]).backward()
        optimizer.step()
        answer["after"] = state_of(model)

    if groups and all(group["complete"] for group in groups):
        watched("param_groups", step)  # what is amiss shows in the names and numbers above
    return answer


def _read_group(group: dict) -> dict:
    """Return a group's parts; ``params`` as a list, whatever it came as."""
    params = group.get("params", [])
    params = [params] if isinstance(params, torch.Tensor) else list(params)
    complete = all(key in group for key in ("params", "lr", "weight_decay"))
    return {
        **group,
        "params": params,
        "lr": plain(group.get("lr")),
        "weight_decay": plain(group.get("weight_decay")),
        "complete": complete,
    }


def best_checkpoint(function: Callable, inputs: dict) -> dict:
    """Give it callables that write down who calls them, in which order, with which model."""
    model = build(inputs["model"])
    events: list[str] = []
    others: list[str] = []

    def move(step: int) -> None:
        """Change every parameter and buffer in place, as training does."""
        for value in model.state_dict().values():
            value += inputs["moves"][step] if value.is_floating_point() else 1

    def train_one_epoch(given: nn.Module) -> None:
        events.append("train")
        if given is not model:
            others.append("train_one_epoch")
        move(min(events.count("train"), len(inputs["moves"])) - 1)

    def val_score(given: nn.Module) -> float:
        events.append("score")
        if given is not model:
            others.append("val_score")
        epoch = max(1, min(events.count("train"), len(inputs["scores"])))
        return inputs["scores"][epoch - 1]

    result, record = watched(
        "best_checkpoint", function, model, train_one_epoch, val_score, inputs["epochs"]
    )
    answer = {
        **record,
        "events": events[:100],
        "others": others[:1],
        "returned": plain(result),
        "final": state_of(model),
    }
    move(0)  # training goes on after the function has returned
    return answer | {"later": plain(result)}


def unfreeze(function: Callable, inputs: dict) -> dict:
    """Call it for one stage after the other, and train hostilely after each."""
    model = build(inputs["model"]).requires_grad_(not inputs["frozen"])
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    kind = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[inputs["optimizer"]]
    options = {"momentum": 0.9} if inputs["optimizer"] == "sgd" else {}
    held = [p for name, p in model.named_parameters() if name in inputs["held"]]
    if inputs["two_rates"]:
        held = [{"params": held[:1]}, {"params": held[1:]}]
    optimizer = kind(held, lr=0.5, weight_decay=0.1, **options)
    for i, group in enumerate(optimizer.param_groups):  # as a schedule does
        group["lr"] = inputs["lr"] * 2**i
    record: dict = {}
    stages = []
    for stage in inputs["stages"]:
        before = state_of(model)
        now = optimizer  # not an argument: it changes, and holds no plain data
        result, record = watched("unfreeze", lambda s=stage, o=now: function(model, o, s))
        if record["raised"] is not None:
            break
        is_optimizer = isinstance(result, torch.optim.Optimizer)
        optimizer = result if is_optimizer else optimizer
        answer = {
            "returned": "an optimiser" if is_optimizer else plain(result),
            "trainable": [name for name, p in model.named_parameters() if p.requires_grad],
            "groups": [
                {"params": [names.get(id(p), "") for p in group["params"]],
                 "lr": plain(group.get("lr"))}
                for group in optimizer.param_groups
            ],
            "gradients": [name for name, p in model.named_parameters() if p.grad is not None],
            "before": before,
            "called": state_of(model),
        }  # fmt: skip
        stages.append(answer)

        def hostilities(
            answer: dict = answer, optimizer: torch.optim.Optimizer = optimizer
        ) -> None:
            for images, labels in inputs["steps"]:
                model.train()
                optimizer.zero_grad(set_to_none=False)
                loss = F.cross_entropy(model(images), labels)
                if loss.requires_grad:
                    loss.backward()
                optimizer.step()
            answer["after"] = state_of(model)

        _, then = watched("unfreeze", hostilities)
        answer["unusable"] = then["raised"]
        if then["raised"] is not None:
            break
    return {**record, "stages": stages}


def lp_ft(function: Callable, inputs: dict) -> dict:
    """Call it once from the given start, with the given random numbers.

    After each step of an optimiser the gradients become NaN: who clears them before the next never
    sees it.
    """
    model = build(inputs["model"]).train(inputs["training"])
    torch.default_generator.manual_seed(inputs["seed"])
    arrived = modes_of(model)

    def poison(optimizer: torch.optim.Optimizer, *_: object) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.fill_(torch.nan)

    hook = register_optimizer_step_post_hook(poison) if inputs["poison"] else None
    try:
        result, record = watched(
            "lp_ft", function, model, inputs["images"], inputs["labels"], inputs["probe_steps"],
            inputs["steps"], inputs["rate"],
        )  # fmt: skip
    finally:
        if hook:
            hook.remove()
    is_model = isinstance(result, nn.Module)
    left = modes_of(result) if is_model else {}
    return {
        **record,
        "returned": "a model" if is_model else plain(result),
        "state": state_of(result) if is_model else {},
        "kept_mode": all(left.get(name, mode) == mode for name, mode in arrived.items()),
    }
