"""Probes of module 06: each calls the learner's function and returns plain data."""

from collections.abc import Callable

import torch
from torch import nn

from course_lib.checks.answer import answered, watched
from course_lib.checks.probes.models import LAYERS, state_of
from course_lib.checks.wire import plain


def mean_iou(function: Callable, inputs: dict) -> dict:
    pred, target = inputs["pred"], inputs["target"]
    if inputs.get("strided"):  # column after column in memory
        pred, target = pred.mT.contiguous().mT, target.mT.contiguous().mT
    return answered("mean_iou", function, pred, target, inputs["n_classes"])


def match_boxes(function: Callable, inputs: dict) -> dict:
    return answered(
        "match_boxes",
        function,
        inputs["boxes"],
        inputs["scores"],
        inputs["truth"],
        **inputs["options"],
    )


def average_precision(function: Callable, inputs: dict) -> dict:
    return answered(
        "average_precision", function, inputs["is_tp"], inputs["scores"], inputs["n_truth"]
    )


class Chain(nn.Module):
    """Named layers, one after the other; they are registered in the order of the specification."""

    def __init__(self, parts: dict[str, list[list]]) -> None:
        super().__init__()
        for name, layers in parts.items():
            built = [LAYERS[kind](*sizes) for kind, *sizes in layers]
            self.add_module(name, nn.Sequential(*built))


class _Segmenter(nn.Module):
    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder


def _chain(spec: dict) -> nn.Module:
    chain = Chain({name: layers for name, layers in spec["parts"]})
    if any(value.dtype == torch.float64 for value in spec["state"].values()):
        chain.double()
    chain.load_state_dict(spec["state"])
    return chain


def transfer_encoder(function: Callable, inputs: dict) -> dict:
    encoder = _chain(inputs["encoder"])
    segmenter = _Segmenter(_chain(inputs["own_encoder"]), _chain(inputs["decoder"]))
    for module in (encoder, segmenter):
        module.train(inputs["training"])
    result, record = watched("transfer_encoder", lambda: function(encoder, segmenter))
    answer = {
        **record,
        "returned": plain(result),
        "encoder": state_of(encoder),
        "own_encoder": state_of(segmenter.encoder),
        "decoder": state_of(segmenter.decoder),
        "trainable": all(parameter.requires_grad for parameter in segmenter.parameters()),
        "same_modes": all(
            part.training == inputs["training"]
            for module in (encoder, segmenter)
            for part in module.modules()
        ),
    }
    # If they share memory, training the one moves the other.
    with torch.no_grad():
        for value in encoder.state_dict().values():
            value.add_(1)
    return {**answer, "later": state_of(segmenter.encoder)}
