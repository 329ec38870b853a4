import pytest
import torch
from torch.nn import functional as F

from course_lib.models.convnet import Classifier, random_backbone
from course_lib.transfer.freeze import freeze
from course_lib.transfer.rates import param_groups


def model_of(seed: int) -> Classifier:
    return Classifier(random_backbone(seed), n_classes=3, seed=seed)


def rate_and_decay(groups: list[dict]) -> dict[int, tuple[float, float]]:
    """By the parameter's identity; a parameter in two groups would be counted once too few."""
    return {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}


@pytest.mark.parametrize("decay", [0.3, 1.0])
def test_every_block_is_a_step_below_the_next_one(decay):
    model = model_of(0)
    found = rate_and_decay(param_groups(model, 0.1, decay, 0.2))
    expected = {}
    for name, parameter in model.named_parameters():
        # The oracle is written out: stem 4 steps below the head, then 3, 2, 1.
        steps = 0 if name.startswith("head") else 4 - int(name.split(".")[2])
        expected[id(parameter)] = 0.1 * decay**steps, 0.2 if parameter.dim() > 1 else 0.0
    assert found.keys() == expected.keys()
    for key, numbers in expected.items():
        assert found[key] == pytest.approx(numbers)


def test_each_trainable_parameter_once_and_no_frozen_one():
    model = model_of(1)
    freeze(model.backbone.blocks[0])
    model.backbone.blocks[1].conv1.weight.requires_grad_(False)
    groups = param_groups(model, 0.1, 0.5, 0.2)
    members = [id(p) for group in groups for p in group["params"]]
    assert sorted(members) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    assert all(group["params"] for group in groups)
    assert all(group.keys() == {"params", "lr", "weight_decay"} for group in groups)


def test_an_optimiser_moves_each_parameter_by_its_own_rate():
    """SGD's first step is the rate times the gradient: seen from outside, whatever the groups."""
    model = model_of(2)
    images = torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    F.cross_entropy(model(images), torch.arange(6) % 3).backward()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    torch.optim.SGD(param_groups(model, 0.1, 0.5, 0.0), lr=9.0).step()
    for name, p in model.named_parameters():
        steps = 0 if name.startswith("head") else 4 - int(name.split(".")[2])
        assert torch.allclose(before[name] - p, 0.1 * 0.5**steps * p.grad, atol=1e-7)
