"""Probes of module 00: each calls the learner's function once and returns plain data."""

from collections.abc import Callable

from course_lib.checks.answer import answered, watched
from course_lib.checks.probes.models import build, modes_of, state_of
from course_lib.checks.wire import plain


def n_correct(function: Callable, inputs: dict) -> dict:
    return answered("n_correct", function, inputs["logits"], inputs["labels"])


def evaluate(function: Callable, inputs: dict) -> dict:
    model = build(inputs["model"])
    modes = modes_of(model)
    keeps_graph: list[bool] = []
    model.head.register_forward_hook(
        lambda _module, _inputs, output: keeps_graph.append(output.requires_grad)
    )
    result, record = watched(
        "evaluate", function, model, inputs["images"], inputs["labels"], **inputs["options"]
    )
    return {
        **record,
        "returned": plain(result),
        "keeps_graph": any(keeps_graph),
        "state": state_of(model),
        "modes_restored": modes_of(model) == modes,
    }
