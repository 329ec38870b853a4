"""Layer-wise transfer, bit by bit, on the course's own backbone and on one with other blocks."""

import pytest
import torch
from torch import nn

from course_lib.models.convnet import Classifier, random_backbone
from course_lib.transfer.layerwise import copy_first_k
from tests.transfer.nets import same_state, state


def model(seed: int, n_classes: int) -> Classifier:
    """A network whose buffers, too, are random."""
    net = Classifier(random_backbone(seed), n_classes, seed)
    generator = torch.Generator().manual_seed(seed)
    for value in net.buffers():
        value.copy_((100 * torch.rand(value.shape, generator=generator)).to(value.dtype))
    return net


@pytest.mark.parametrize("k", range(5))
def test_the_first_k_blocks_are_the_source_and_the_rest_is_not(k):
    source, target = model(1, 3), model(2, 10)
    theirs, before = state(source), state(target)
    names = copy_first_k(source, target, k)
    after = state(target)
    inside = {
        f"backbone.blocks.{i}.{name}"
        for i, block in enumerate(source.backbone.blocks)
        if i < k
        for name in block.state_dict()
    }
    assert set(names) == inside
    assert len(names) == len(inside)
    for name in after:
        expected = theirs if name in inside else before
        assert torch.equal(after[name], expected[name]), name
    assert same_state(theirs, state(source))


def test_what_is_copied_is_no_view():
    source, target = model(1, 3), model(2, 3)
    copy_first_k(source, target, 4)
    kept = state(source)
    with torch.no_grad():
        for value in target.state_dict().values():
            value.mul_(2).add_(1)
    assert same_state(kept, state(source))


def test_with_all_blocks_the_features_are_the_sources():
    source, target = model(1, 3).eval(), model(2, 5).eval()
    copy_first_k(source, target, 4)
    images = torch.rand(3, 1, 32, 32)
    assert torch.equal(source.backbone(images), target.backbone(images))


def test_copied_parameters_still_train_and_flags_stay():
    source, target = model(1, 3), model(2, 3)
    source.requires_grad_(False)
    parameters = dict(target.named_parameters())
    copy_first_k(source, target, 4)
    now = dict(target.named_parameters())
    assert all(now[name] is parameters[name] and now[name].requires_grad for name in now)


def test_only_the_copied_blocks_need_to_agree():
    source, target = model(1, 3), model(2, 3)
    target.backbone.blocks[2] = nn.Conv2d(32, 64, 1)
    assert copy_first_k(source, target, 2)
    before = state(target)
    with pytest.raises(ValueError, match=r"blocks\.2\."):
        copy_first_k(source, target, 3)
    assert same_state(before, state(target))


def test_another_shape_is_refused_before_anything_is_copied():
    source, target = model(1, 3), model(2, 3)
    target.backbone.blocks[3].norm1 = nn.BatchNorm2d(5)
    before = state(target)
    with pytest.raises(ValueError, match="norm1"):
        copy_first_k(source, target, 4)
    assert same_state(before, state(target))


@pytest.mark.parametrize("k", [-1, 5])
def test_more_blocks_than_there_are_is_refused(k):
    with pytest.raises(ValueError, match=f"first {k} blocks"):
        copy_first_k(model(1, 3), model(2, 3), k)


def test_a_shorter_model_on_either_side_is_refused():
    long, short = model(1, 3), model(2, 3)
    short.backbone.blocks = short.backbone.blocks[:2]
    for pair in ((long, short), (short, long)):
        with pytest.raises(ValueError, match="first 3 blocks"):
            copy_first_k(*pair, 3)
