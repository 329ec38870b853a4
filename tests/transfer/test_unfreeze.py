import pytest
import torch
from torch.nn import functional as F

from course_lib.models.convnet import Classifier, random_backbone
from course_lib.transfer.unfreeze import unfreeze
from tests.transfer.nets import modes, same_state, state


def trained(model: Classifier, optimizer: torch.optim.Optimizer, steps: int = 2) -> None:
    generator = torch.Generator().manual_seed(steps)
    for _ in range(steps):
        model.train()
        optimizer.zero_grad(set_to_none=False)  # zeros, which momentum and decay go on from
        images = 3 + torch.rand(6, 1, 32, 32, generator=generator)
        F.cross_entropy(model(images), torch.arange(6) % 3).backward()
        optimizer.step()


def new(seed: int) -> Classifier:
    return Classifier(random_backbone(seed), n_classes=3, seed=seed)


@pytest.mark.parametrize("stages", [(0, 1, 2, 3, 4), (4, 2, 0, 3), (1, 1, 4, 4, 0, 0)])
@pytest.mark.parametrize("everything", [True, False])
def test_exactly_what_is_open_moves_whatever_came_before(stages, everything):
    model = new(0)
    held = model if everything else model.head
    optimizer = torch.optim.SGD(held.parameters(), lr=0.05, momentum=0.9, weight_decay=0.1)
    trained(model, optimizer)
    for stage in stages:
        kept = state(model)
        assert unfreeze(model, optimizer, stage) is optimizer
        assert same_state(kept, state(model))  # the call itself moves nothing
        trained(model, optimizer)
        for i, block in enumerate(model.backbone.blocks):
            prefix = f"backbone.blocks.{i}."
            before = {n.removeprefix(prefix): v for n, v in kept.items() if n.startswith(prefix)}
            now = state(block)
            is_open = i >= 4 - stage
            moved = {name for name in before if not torch.equal(before[name], now[name])}
            assert moved == (set(before) if is_open else set()), (stage, i)
            assert set(modes(block).values()) == {is_open}
        assert not torch.equal(kept["head.weight"], model.head.weight)


def test_each_trainable_parameter_is_in_one_group_at_the_first_ones_rate():
    model = new(1)
    optimizer = torch.optim.AdamW(model.head.parameters(), lr=0.5)
    optimizer.param_groups[0]["lr"] = 0.3  # a schedule has moved it
    for stage in (0, 2, 2, 4, 1):
        unfreeze(model, optimizer, stage)
        members = [id(p) for group in optimizer.param_groups for p in group["params"]]
        assert len(members) == len(set(members))
        assert {id(p) for p in model.parameters() if p.requires_grad} <= set(members)
        assert {group["lr"] for group in optimizer.param_groups} == {0.3}


def test_momentum_of_what_stays_open_is_kept():
    model = new(2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    trained(model, optimizer)
    momentum = optimizer.state[model.head.weight]["momentum_buffer"].clone()
    unfreeze(model, optimizer, 1)
    assert torch.equal(optimizer.state[model.head.weight]["momentum_buffer"], momentum)


def test_the_mode_is_the_models():
    model = new(3).eval()
    unfreeze(model, torch.optim.SGD(model.head.parameters(), lr=0.1), 2)
    assert not any(modes(model).values())


@pytest.mark.parametrize("stage", [-1, 5])
def test_no_such_stage(stage):
    model = new(4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=f"no stage {stage}"):
        unfreeze(model, optimizer, stage)
    assert all(p.requires_grad for p in model.parameters())
