"""Random models for judges to ask about, as plain specifications."""

from collections.abc import Sequence

import torch

from course_lib.checks.probes.models import build, state_of


def draw(rng: torch.Generator, low: int, high: int) -> int:
    """Draw an integer from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=rng))


def random_model(
    rng: torch.Generator,
    *,
    channels: int = 1,
    classes: int = 4,
    n_blocks: int = 2,
    last_width: int | None = None,
    last_relu: bool = True,
    dropout: bool = False,
    noise: bool = False,
    pool: str = "mean",
    head_first: bool = False,
    training: bool = False,
    held: Sequence[str] = (),
) -> dict:
    """Draw a small convolutional model whose every value is random.

    Batch-norm statistics are far from what any batch has, so that train and eval mode differ.
    `last_width` is the number of features, `last_relu` False lets them be negative.
    """
    blocks, width = [], channels
    for i in range(n_blocks):
        last = i == n_blocks - 1
        wider = last_width if last and last_width else draw(rng, 4, 8)
        layers = [["conv", width, wider, 3, draw(rng, 1, 2)], ["bn", wider]]
        layers += [["relu"]] if last_relu or not last else []
        layers += [["dropout", 0.5]] if dropout else []
        layers += [["noise", 1.0]] if noise else []
        blocks.append(layers)
        width = wider
    spec = {
        "blocks": blocks,
        "classes": classes,
        "head_first": head_first,
        "training": training,
        "held": list(held),
        "pool": pool,
    }
    state = state_of(build(spec))
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(draw(rng, 5, 500))
        elif name.endswith("running_var"):
            state[name] = 0.5 + 2 * torch.rand(value.shape, generator=rng)
        else:
            state[name] = torch.randn(value.shape, generator=rng) * (
                0.5 if value.ndim > 1 or name.endswith("running_mean") else 0.2
            )
            if value.ndim == 1 and name.endswith("1.weight"):  # batch-norm scale
                state[name] += 1.0
    return {**spec, "state": state}
