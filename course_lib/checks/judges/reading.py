"""How a judge reads an answer: plain data in, a value of the expected kind out, or a verdict."""

import math

import torch

from course_lib.checks.verdict import CodeRaised, NotAttempted, NotYet

_EFFECTS = {
    "library": ("your own code", "a call of the library's own solution"),
    "inputs": ("inputs unchanged", "an input that changed during the call"),
    "random state": ("the same state before and after", "a changed global random state"),
    "gradient mode": ("the same mode before and after", "gradients switched on or off for good"),
}


def completed(answer: dict) -> dict:
    """Return the answer if the call returned and had no side effect, else raise the verdict."""
    if answer.get("missing"):
        raise NotAttempted("Run the cell that defines the function, then check again.")
    if "not plain" in answer:
        raise NotYet("not plain", expected="plain data", seen=str(answer["not plain"]))
    raised = answer.get("raised")
    if raised is not None:
        if is_stub(raised):
            raise NotAttempted("Replace the line `raise NotImplementedError()` by your code.")
        raise CodeRaised(raised)
    effects = answer.get("effects", [])
    for effect, (expected, seen) in _EFFECTS.items():
        if effect in effects:
            raise NotYet(effect, expected=expected, seen=seen)
    return answer


def is_stub(raised: dict | None) -> bool:
    """Tell the stub's ``NotImplementedError()`` from PyTorch's own, which has a message."""
    return raised is not None and raised["type"] == "NotImplementedError" and not raised["message"]


def returned(answer: dict) -> object:
    """Return what the learner's function returned (plain data), or raise the verdict."""
    return completed(answer)["returned"]


def refused(answer: dict, key: str, *, expected: str) -> None:
    """Require a `ValueError` with a sentence; any other ending raises `NotYet(key)`."""
    raised = answer.get("raised")
    if answer.get("missing") or is_stub(raised):
        completed(answer)
    if raised is None:
        raise NotYet(key, expected=expected, seen=f"returned {describe(answer.get('returned'))}")
    if not raised["is_value_error"]:
        raise NotYet(key, expected=expected, seen=f"{raised['type']}: {raised['message'][:200]}")
    if len(raised["message"].split()) < 3:
        seen = f"ValueError({raised['message']!r}), which does not say what is the matter"
        raise NotYet(key, expected=expected, seen=seen)


def number(value: object, *, expected: str = "one number") -> float:
    """Read a float or a tensor of no dimensions; raises NotYet("type") or ("not finite")."""
    if isinstance(value, torch.Tensor) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotYet("type", expected=expected, seen=describe(value))
    if not math.isfinite(value):
        raise NotYet("not finite", expected=expected, seen=f"{value}")
    return float(value)


def vector(value: object, *, expected: str) -> torch.Tensor:
    """Read a list, array or tensor of numbers with one axis."""
    if isinstance(value, list):
        numbers = [v.item() if isinstance(v, torch.Tensor) and v.ndim == 0 else v for v in value]
        if all(isinstance(v, bool | int | float) for v in numbers):
            value = torch.tensor(numbers) if numbers else torch.empty(0, dtype=torch.int64)
    if not isinstance(value, torch.Tensor):
        raise NotYet("type", expected=expected, seen=describe(value))
    if value.ndim != 1:
        raise NotYet("shape", expected=expected, seen=describe(value))
    return value


def tensor(value: object, shape: tuple[int, ...], *, expected: str = "") -> torch.Tensor:
    """Read a finite tensor of exactly this shape."""
    expected = expected or f"a tensor of shape {tuple(shape)}"
    if not isinstance(value, torch.Tensor):
        raise NotYet("type", expected=expected, seen=describe(value))
    if tuple(value.shape) != tuple(shape):
        raise NotYet("shape", expected=expected, seen=describe(value))
    if value.is_floating_point() and not torch.isfinite(value).all():
        raise NotYet(
            "not finite", expected=expected, seen=f"{describe(value)} with NaN or infinity"
        )
    return value


def explained(
    seen: list[float],
    truth: list[float],
    others: list[tuple[str, list[float]]],
    *,
    tolerance: float,
    texts: list[str],
) -> None:
    """Require the truth in every round, or name the formula that gives what was seen.

    `others` are ``(key, its value in each round)``. A formula is named only when it gives every
    round's value, so none is named by chance; ``"constant"`` and ``"value"`` are the last resorts.
    `texts` say what was expected in each round.
    """

    def gives(values: list[float]) -> bool:
        return all(abs(a - b) <= tolerance for a, b in zip(seen, values, strict=True))

    if gives(truth):
        return
    others = [*others, ("constant", [seen[0]] * len(seen))]
    key = next((key for key, values in others if gives(values)), "value")
    worst = max(range(len(seen)), key=lambda i: abs(seen[i] - truth[i]))
    raise NotYet(key, expected=texts[worst], seen=f"{seen[worst]:.4g}")


def describe(value: object) -> str:
    """Say in a few words what a plain value is."""
    if value is None:
        return "None"
    if isinstance(value, torch.Tensor):
        if value.ndim == 0:
            return f"{value.item():.6g}"
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}"
    if isinstance(value, dict) and "object of type" in value:
        return f"an object of type {value['object of type']}"
    if isinstance(value, dict):
        return f"a dict with the keys {', '.join(sorted(value)) or '(none)'}"
    if isinstance(value, list):
        return f"a sequence of {len(value)} values"
    if isinstance(value, float):
        return f"{value:.6g}"
    return repr(value)[:80]
