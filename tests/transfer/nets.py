"""Small random models that obey the global contract, and states to compare bit by bit."""

import torch
from torch import Tensor, nn


class SmallNet(nn.Module):
    """``model(x)`` is ``head(backbone(x))``; batch-norm and dropout betray a wrong mode."""

    def __init__(self, seed: int, channels: int = 2, classes: int = 3, features: int = 6) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.backbone = nn.Sequential(
                nn.Conv2d(channels, 5, 3),
                nn.BatchNorm2d(5),
                nn.ReLU(),
                nn.Sequential(nn.Conv2d(5, features, 3), nn.BatchNorm2d(features), nn.ReLU()),
                nn.Dropout(0.3),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
            )
            self.head = nn.Linear(features, classes)
            for module in self.modules():  # statistics of a network that has seen data
                if isinstance(module, nn.BatchNorm2d):
                    module.running_mean.normal_()
                    module.running_var.uniform_(0.5, 2.0)
                    module.weight.data.uniform_(0.5, 2.0)
                    module.bias.data.normal_()

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def modes(module: nn.Module) -> dict[str, bool]:
    return {name: part.training for name, part in module.named_modules()}


def same_state(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Bit by bit, names included."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def scramble_modes(module: nn.Module, seed: int) -> None:
    flips = torch.rand(len(list(module.modules())), generator=torch.Generator().manual_seed(seed))
    for part, flip in zip(module.modules(), flips, strict=True):
        part.training = bool(flip > 0.5)
