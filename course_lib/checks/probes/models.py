"""Models from plain specifications, so that a model can be an input of a check.

A specification is ``{"blocks": [[layer, ...], ...], "classes": K, "head_first": bool,
"training": bool, "held": [name, ...], "pool": "mean" or "max", "state": {name: tensor}}``, of which
the last five may be missing; a layer is a list such as ``["conv", 3, 8, 3, 2]``.
"""

import torch
from torch import nn


class Noise(nn.Module):
    """A layer of the course's own that, like dropout, acts in train mode only."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.scale * torch.randn_like(x) if self.training else x


LAYERS = {
    "conv": lambda c_in, c_out, size, stride: nn.Conv2d(
        c_in, c_out, size, stride=stride, padding=size // 2
    ),
    "bn": nn.BatchNorm2d,
    "relu": nn.ReLU,
    "dropout": nn.Dropout,
    "noise": Noise,
}


class Backbone(nn.Module):
    """Blocks in order, then the mean or maximum over height and width: (N, C, H, W) -> (N, D)."""

    def __init__(self, blocks: list[list[list]], pool: str = "mean") -> None:
        super().__init__()
        self.pool = {"mean": torch.mean, "max": torch.amax}[pool]
        self.blocks = nn.ModuleList(
            nn.Sequential(*(LAYERS[kind](*sizes) for kind, *sizes in block)) for block in blocks
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            images = block(images)
        return self.pool(images, dim=(2, 3))


class Model(nn.Module):
    """``head(backbone(images))``; the head may be registered before the backbone."""

    def __init__(
        self, blocks: list[list[list]], classes: int, head_first: bool, pool: str = "mean"
    ) -> None:
        super().__init__()
        feature_dim = [layer for block in blocks for layer in block if layer[0] == "conv"][-1][2]
        parts = {"backbone": Backbone(blocks, pool), "head": nn.Linear(feature_dim, classes)}
        for name in sorted(parts, reverse=head_first):
            self.add_module(name, parts[name])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images))


def build(spec: dict) -> Model:
    """Build the model of a specification, in the mode it names; what is held is in eval mode."""
    model = Model(
        spec["blocks"], spec["classes"], spec.get("head_first", False), spec.get("pool", "mean")
    )
    if "state" in spec:
        model.load_state_dict(spec["state"])
    model.train(spec.get("training", False))
    for name in spec.get("held", []):
        model.get_submodule(name).eval()
    return model


def state_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter and buffer by name, as tensors that nothing else shares."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def modes_of(module: nn.Module) -> dict[str, bool]:
    """Train (True) or eval (False) of every submodule, by name ("" is the module itself)."""
    return {name: part.training for name, part in module.named_modules()}
