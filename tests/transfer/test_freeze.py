import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib.transfer.freeze import freeze, thaw
from tests.transfer.nets import SmallNet, modes, same_state, state


def batch(seed: int):
    generator = torch.Generator().manual_seed(seed)
    images = 3 + torch.rand(12, 2, 8, 8, generator=generator)  # far from what batch-norm has seen
    return images, torch.randint(3, (12,), generator=generator)


def hostile_steps(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 4) -> None:
    for step in range(steps):
        model.train()
        for part in model.modules():
            part.train()
        optimizer.zero_grad(set_to_none=False)
        images, labels = batch(step)
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()


def optimizers(model: nn.Module):
    parameters = list(model.parameters())
    return (
        torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.1),
        torch.optim.AdamW(parameters, lr=0.1, weight_decay=0.1),
    )


@pytest.mark.parametrize("which", [0, 1], ids=["SGD", "AdamW"])
@pytest.mark.parametrize("seed", range(2))
def test_nothing_moves_in_hostile_steps_though_gradients_and_momentum_were_there(which, seed):
    model = SmallNet(seed)
    optimizer = optimizers(model)[which]
    hostile_steps(model, optimizer, 2)  # not frozen yet: momentum builds up ...
    images, labels = batch(9)
    F.cross_entropy(model(images), labels).backward()  # ... and a gradient is left behind
    pretrained = state(model.backbone)
    truth = copy.deepcopy(model.backbone).eval()(images)
    head = state(model.head)

    assert freeze(model.backbone) is model.backbone
    hostile_steps(model, optimizer)

    assert same_state(pretrained, state(model.backbone))
    assert torch.equal(truth, model.train().backbone(images))
    assert not torch.equal(head["weight"], model.head.weight)  # the head does learn
    assert all(p.grad is None and not p.requires_grad for p in model.backbone.parameters())


def holders(model: nn.Module):
    """Whoever may call train(): the frozen module, each part of it, and parents around it."""
    return [*model.backbone.modules(), model, nn.Sequential(nn.ModuleList([model]))]


def test_eval_survives_train_called_anywhere():
    model = SmallNet(0)
    freeze(model.backbone)
    assert not any(modes(model.backbone).values())  # at once, before any train()
    for caller in holders(model):
        assert caller.train() is caller
        caller.train(True)
        assert not any(modes(model.backbone).values())
    assert model.training
    assert model.head.training
    model.eval()
    assert not model.head.training


def through_pickle(model):
    return pickle.loads(pickle.dumps(model))


def through_torch(model):
    stream = io.BytesIO()
    torch.save(model, stream)
    stream.seek(0)
    return torch.load(stream, weights_only=False)


@pytest.mark.parametrize("travel", [copy.deepcopy, through_pickle, through_torch])
def test_a_copy_is_frozen_and_separate(travel):
    model = SmallNet(0)
    freeze(model.backbone)
    twin = travel(model)
    before = state(twin.backbone)
    hostile_steps(twin, optimizers(twin)[0])
    assert same_state(before, state(twin.backbone))
    thaw(model.backbone)
    model.train()
    assert all(modes(model.backbone).values())
    assert not any(modes(twin.train().backbone).values())  # the original's fate is its own


def test_the_class_the_names_and_the_state_stay():
    model = SmallNet(0)
    names, before = list(model.state_dict()), type(model.backbone)
    printed = repr(model)
    freeze(model)
    assert (list(model.state_dict()), type(model.backbone), repr(model)) == (names, before, printed)
    other = SmallNet(1)
    model.load_state_dict(other.state_dict())
    assert same_state(state(model), state(other))
    assert not any(modes(model.train()).values())


def test_gradient_flows_through_to_the_input():
    model = SmallNet(0)
    freeze(model)
    images = batch(0)[0].requires_grad_()
    model.train()(images).sum().backward()
    reference = images.grad.clone()
    images.grad = None
    SmallNet(0).eval()(images).sum().backward()
    assert reference.abs().sum() > 0
    assert torch.allclose(images.grad, reference)


def test_twice_is_once_and_thaw_is_the_way_back():
    model = SmallNet(0).train()
    frozen = freeze(freeze(model.backbone))
    assert thaw(frozen) is frozen
    before = state(model.backbone)
    hostile_steps(model, optimizers(model)[0])
    after = state(model.backbone)
    assert all(modes(model).values())
    unmoved = [name for name in before if torch.equal(before[name], after[name])]
    assert unmoved == []  # every weight, statistic and counter moves again
    assert "train" not in vars(model.backbone)


def test_a_new_layer_put_inside_a_frozen_module_is_not_held():
    backbone = freeze(SmallNet(0).backbone)
    backbone.append(nn.Dropout())
    backbone.train()
    assert backbone[-1].training
    assert not any(part.training for part in backbone[:-1].children())
