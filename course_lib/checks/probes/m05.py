"""Probes of module 05: each calls the learner's function and returns plain data."""

from collections.abc import Callable

import torch

from course_lib.checks.answer import answered, watched
from course_lib.checks.wire import plain


def sample_episode(function: Callable, inputs: dict) -> dict:
    """Draw several episodes from one generator, one after the other."""

    def episodes(
        labels: torch.Tensor, n_way: int, n_shot: int, n_query: int, rng: torch.Generator
    ) -> list:
        drawn = [function(labels, n_way, n_shot, n_query, rng) for _ in range(inputs["repeat"])]
        return drawn if len(drawn) == 1 else [_as_lists(episode) for episode in drawn]

    rng = torch.Generator().manual_seed(inputs["seed"])
    numbers = (inputs[name] for name in ("n_way", "n_shot", "n_query"))
    return answered("sample_episode", episodes, inputs["labels"], *numbers, rng)


def _as_lists(episode: object) -> object:
    """Tensors as lists: a thousand tiny ones take long to send."""
    if not isinstance(episode, tuple | list):
        return episode
    return [part.tolist() if isinstance(part, torch.Tensor) else part for part in episode]


def prototype_logits(function: Callable, inputs: dict) -> dict:
    """Also the gradient of a loss (logits times a cotangent, behind a softmax) to the support."""
    support = inputs["support"].clone().requires_grad_()
    result, record = watched(
        "prototype_logits", function, support, inputs["support_labels"], inputs["query"]
    )

    def backward() -> None:
        (result.softmax(dim=1) * inputs["cotangent"]).sum().backward()

    if isinstance(result, torch.Tensor) and result.requires_grad:
        watched("prototype_logits", backward)
    return {**record, "returned": plain(result), "gradient": plain(support.grad)}


def contrastive_loss(function: Callable, inputs: dict) -> dict:
    a, b = (inputs[name].clone().requires_grad_() for name in "ab")
    result, record = watched("contrastive_loss", function, a, b, inputs["same"], inputs["margin"])
    if isinstance(result, torch.Tensor) and result.requires_grad and result.ndim == 0:
        watched("contrastive_loss", result.backward)
    gradients = {f"gradient_{name}": plain(x.grad) for name, x in (("a", a), ("b", b))}
    return {**record, **gradients, "returned": plain(result)}


def cosine_logits(function: Callable, inputs: dict) -> dict:
    arguments = (inputs[name] for name in ("features", "weight", "scale"))
    return answered("cosine_logits", function, *arguments)


def episode_interval(function: Callable, inputs: dict) -> dict:
    return answered("episode_interval", function, inputs["accuracies"])
