"""The backbone's contract: ordered blocks that hold everything, and features as stated."""

import copy

import pytest
import torch

from course_lib.models.convnet import Backbone, Classifier, random_backbone


def test_every_parameter_and_buffer_is_in_exactly_one_block():
    backbone = random_backbone(0)
    for kind in ("parameters", "buffers"):
        in_blocks = [id(t) for block in backbone.blocks for t in getattr(block, kind)()]
        assert len(in_blocks) == len(set(in_blocks)) > 0
        assert set(in_blocks) == {id(t) for t in getattr(backbone, kind)()}
    assert len(backbone.blocks) == 4


def test_blocks_in_order_then_the_mean_are_the_backbone():
    backbone = random_backbone(1).eval()
    images = torch.rand(5, 1, 32, 32)
    x = images
    with torch.inference_mode():
        sides = []
        for block in backbone.blocks:
            x = block(x)
            sides.append(x.shape[-1])
        assert sides == [16, 8, 4, 2]
        assert torch.allclose(backbone(images), x.flatten(2).mean(2), atol=1e-6)
        assert backbone(images).shape == (5, backbone.feature_dim)
        assert backbone(torch.rand(2, 1, 48, 40)).shape == (2, 128)  # any size will do


def test_a_block_is_residual():
    block = copy.deepcopy(random_backbone(2).blocks[1]).eval()
    with torch.no_grad():
        block.norm2.weight.zero_()  # silence the branch: the shortcut alone is left
        block.norm2.bias.zero_()
    x = torch.rand(3, 16, 16, 16)
    with torch.inference_mode():
        assert torch.allclose(block(x), block.shortcut_norm(block.shortcut(x)).relu())


def test_in_eval_mode_an_image_does_not_depend_on_its_batch():
    backbone = random_backbone(3).eval()
    images = torch.rand(6, 1, 32, 32)
    with torch.inference_mode():
        together = backbone(images)
        alone = torch.cat([backbone(image[None]) for image in images])
    assert torch.allclose(together, alone, atol=1e-6)


def test_classifier_is_head_of_backbone():
    model = Classifier(random_backbone(4), n_classes=7).eval()
    images = torch.rand(3, 1, 32, 32)
    with torch.inference_mode():
        by_hand = model.backbone(images) @ model.head.weight.T + model.head.bias
        assert torch.allclose(model(images), by_hand, atol=1e-5)
    names = set(dict(model.named_parameters()))
    assert {"head.weight", "head.bias"} == {n for n in names if not n.startswith("backbone.")}


def test_gradients_reach_every_parameter():
    model = Classifier(random_backbone(5), n_classes=3).train()
    model(torch.rand(8, 1, 32, 32)).logsumexp(1).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("seed", [0, 123])
def test_random_backbone_is_its_seed_and_keeps_the_global_state(seed):
    torch.manual_seed(99)
    state = torch.random.get_rng_state()
    first, second, other = (random_backbone(s) for s in (seed, seed, seed + 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    pairs = list(zip(first.parameters(), second.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert any(not torch.equal(a, c) for a, _, c in pairs)
    torch.manual_seed(seed)
    reference = Backbone()
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), reference.parameters(), strict=True)
    )


def test_a_new_head_depends_on_its_seed_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    one = Classifier(random_backbone(2), 4, seed=5).head.weight
    assert torch.equal(torch.rand(3), expected), "the global seed is kept"
    torch.rand(7)
    assert torch.equal(Classifier(random_backbone(2), 4, seed=5).head.weight, one)
    assert not torch.equal(Classifier(random_backbone(2), 4, seed=6).head.weight, one)
