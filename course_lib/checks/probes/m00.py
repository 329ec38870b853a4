"""Probes of module 00: each calls the learner's function once and returns plain data."""

from collections.abc import Callable

import torch

from course_lib.checks.answer import answered, watched
from course_lib.checks.probes.models import build, modes_of, state_of
from course_lib.checks.wire import plain


def n_correct(function: Callable, inputs: dict) -> dict:
    logits = inputs["logits"]
    if inputs["transposed"]:  # column after column in memory: not contiguous
        logits = logits.T.contiguous().T
    return answered("n_correct", function, logits, inputs["labels"])


def evaluate(function: Callable, inputs: dict) -> dict:
    model = build(inputs["model"])
    modes = modes_of(model)
    ran_in_train: list[bool] = []
    kept_graph: list[bool] = []

    # Hooks see the module that runs, be it this model's or a copy's.
    def note(module: torch.nn.Module, _inputs: tuple, output: torch.Tensor) -> None:
        ran_in_train.append(module.training)
        kept_graph.append(output.requires_grad)

    for part in model.modules():
        part.register_forward_hook(note)
    with torch.set_grad_enabled(inputs["gradients"]):
        result, record = watched(
            "evaluate", function, model, inputs["images"], inputs["labels"], **inputs["options"]
        )
    return {
        **record,
        "returned": plain(result),
        "ran_in_train": any(ran_in_train),
        "kept_graph": any(kept_graph),
        "state": state_of(model),
        "trainable": all(parameter.requires_grad for parameter in model.parameters()),
        "modes_restored": modes_of(model) == modes,
    }


def k_shot_split(function: Callable, inputs: dict) -> dict:
    return answered("k_shot_split", function, inputs["labels"], inputs["n_shot"], inputs["seed"])


_AS = {"list": torch.Tensor.tolist, "array": torch.Tensor.numpy, "tensor": torch.Tensor.clone}


def paired_effect(function: Callable, inputs: dict) -> dict:
    a, b = (_AS[kind](inputs[name]) for name, kind in zip("ab", inputs["kinds"], strict=True))
    return answered("paired_effect", function, a, b)
