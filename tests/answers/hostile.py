"""Hostile answers that can be made for every exercise, each around its reference solution.

What is hostile for one exercise only stands in its own file of the catalogue.
"""

import sys
from collections.abc import Callable

import numpy as np
import torch

from tests.mutants import defined

# Exercises that make layers draw their first weights from the global generator, as PyTorch does.
MAY_DRAW = {"lp_ft", "LoRALinear", "merge", "apply_lora"}
# Exercises that are given nothing but texts and numbers.
NOTHING_TO_CHANGE = {"write_prediction"}


def hostile(exercise: str) -> dict[str, tuple[Callable, str | None]]:
    """Return answers by name, each with the key it must be rejected by; None: by any."""
    right = defined(exercise)[exercise]
    made = {
        "equals_everything": (lambda *args, **kwargs: _Equal(), None),
        "first_result_for_ever": (_first_result(right), None),
        "asks_its_callers": (_asks_its_callers, None),
        "leaves_gradients_off": (_gradients_off(right), "gradient mode"),
    }
    if exercise not in NOTHING_TO_CHANGE:
        made["changes_its_inputs"] = (_changes_its_inputs(right), None)
    if exercise not in MAY_DRAW:
        made["draws_from_the_global_generator"] = (_draws(right), "random state")
    return made


class _Equal:
    """Equal to everything, and whatever is computed with it is so too."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = object.__hash__
    __lt__ = __le__ = __gt__ = __ge__ = __eq__

    def __getattr__(self, name: str) -> "_Equal":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def _itself(self, *args: object, **kwargs: object) -> "_Equal":
        return self

    __call__ = __add__ = __sub__ = __mul__ = __truediv__ = __getitem__ = __abs__ = _itself


def _first_result(right: Callable) -> Callable:
    kept = []

    def answer(*args: object, **kwargs: object) -> object:
        if not kept:
            kept.append(right(*args, **kwargs))
        return kept[0]

    return answer


def _asks_its_callers(*args: object, **kwargs: object) -> object:
    wanted = ("expected", "truth", "right", "want", "answer", "target")
    frame = sys._getframe(1)
    while frame is not None:
        for name in wanted:
            if name in frame.f_locals:
                return frame.f_locals[name]
        frame = frame.f_back
    return None


def _changes_its_inputs(right: Callable) -> Callable:
    def answer(*args: object, **kwargs: object) -> object:
        result = right(*args, **kwargs)
        for value in (*args, *kwargs.values()):
            if _change(value):
                break
        return result

    return answer


def _change(value: object) -> bool:
    """Change the first thing in a value that can be changed; tell whether there was one."""
    if isinstance(value, torch.Tensor | np.ndarray) and np.prod(value.shape):
        with torch.no_grad():
            value[...] = value == 0 if value.dtype in (torch.bool, bool) else value + 1
        return True
    if isinstance(value, torch.nn.Module):
        return any(_change(parameter) for parameter in value.parameters())
    if isinstance(value, list):
        value.append(value[-1] if value else 0)
        return True
    if isinstance(value, dict):
        value["more"] = 1
        return True
    return False


def _draws(right: Callable) -> Callable:
    def answer(*args: object, **kwargs: object) -> object:
        torch.rand(1)
        return right(*args, **kwargs)

    return answer


def _gradients_off(right: Callable) -> Callable:
    def answer(*args: object, **kwargs: object) -> object:
        result = right(*args, **kwargs)
        torch.set_grad_enabled(False)
        return result

    return answer
