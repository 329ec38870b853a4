import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib.peft.layers import layers_at, n_trainable, swap, train_only
from tests.transfer.nets import SmallNet, same_state, state

WAYS = {
    "head": lambda name, p: False,
    "biases": lambda name, p: name.endswith("bias"),
    "batch-norm": lambda name, p: ".1." in name,
}


@pytest.mark.parametrize("way", WAYS)
def test_only_what_is_wanted_and_the_head_move_and_statistics_never(way):
    model = SmallNet(0)
    n = train_only(model, WAYS[way])
    before = state(model)
    wanted = {
        name
        for name, p in model.named_parameters()
        if name.startswith("head") or WAYS[way](name, p)
    }
    assert n == n_trainable(model) == sum(before[name].numel() for name in wanted)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        model.train()
        optimizer.zero_grad(set_to_none=False)
        images = 2 + torch.rand(9, 2, 8, 8, generator=generator)
        F.cross_entropy(model(images), torch.arange(9) % 3).backward()
        optimizer.step()
    now = state(model)
    moved = {name for name in before if not torch.equal(before[name], now[name])}
    assert moved == wanted


def test_train_only_opens_again_what_another_method_had_frozen():
    model = SmallNet(0)
    train_only(model, WAYS["head"])
    assert train_only(model, lambda name, p: True) == sum(p.numel() for p in model.parameters())


def test_swap_undoes_itself():
    model = SmallNet(0).eval()
    parts, before = dict(model.named_modules()), state(model)
    new = {"backbone.3.0": nn.Conv2d(5, 6, 3), "head": nn.Linear(6, 9)}
    old = swap(model, new)
    assert model(torch.rand(2, 2, 8, 8)).shape == (2, 9)
    assert old == {name: parts[name] for name in new}
    assert swap(model, old) == new
    assert dict(model.named_modules()) == parts
    assert same_state(before, state(model))


def test_layers_at_says_what_stands_there():
    model = SmallNet(0)
    assert layers_at(model, ["head"], nn.Linear) == {"head": model.head}
    with pytest.raises(ValueError, match="BatchNorm2d, and should be Linear or Conv2d"):
        layers_at(model, ["head", "backbone.1"], (nn.Linear, nn.Conv2d))
    with pytest.raises(ValueError, match="'neck' is no layer"):
        layers_at(model, ["neck"], nn.Linear)
