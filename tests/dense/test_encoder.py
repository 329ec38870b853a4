import copy

import pytest
import torch
from torch import nn

from course_lib.dense.encoder import Decoder, Encoder, transfer_encoder
from course_lib.dense.segmentation import Segmenter
from course_lib.models.convnet import random_backbone
from course_lib.models.weights import load_backbone


def state(module: nn.Module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def images(n: int = 2) -> torch.Tensor:
    return torch.rand(n, 1, 64, 64, generator=torch.Generator().manual_seed(n))


def test_the_encoder_keeps_the_backbones_maps_each_half_as_large():
    backbone = load_backbone()
    encoder = Encoder(backbone)
    maps = encoder(images())
    assert [tuple(m.shape[1:]) for m in maps] == [
        (channels, 64 // 2**i, 64 // 2**i) for i, channels in enumerate(encoder.channels, 1)
    ]
    assert torch.equal(maps[-1].mean((2, 3)), backbone(images()))


def test_what_a_coarse_map_knows_reaches_every_fine_place():
    decoder = Decoder((3, 4, 5), (6, 7)).eval()
    maps = [torch.rand(1, 3, 8, 8), torch.rand(1, 4, 4, 4), torch.rand(1, 5, 2, 2)]
    maps[2].requires_grad_()
    out = decoder(maps)
    assert out.shape == (1, 6, 8, 8)
    out[0, :, 1, 1].sum().backward()
    assert maps[2].grad.abs().sum((0, 1))[0, 0] > 0


def test_transfer_copies_everything_and_shares_nothing():
    pretrained, model = load_backbone(), Segmenter(Encoder(random_backbone(3)))
    source, decoder = state(pretrained), state(model.decoder)
    names = transfer_encoder(pretrained, model)
    assert set(names) == set(source)
    assert same(state(model.encoder), source)
    assert any(name.endswith("running_var") for name in names)
    assert same(state(model.decoder), decoder)
    model.train()(images(4)).sum().backward()
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    assert not same(state(model.encoder), source)
    assert same(state(pretrained), source)


def test_names_decide_not_positions():
    class Swapped(nn.Module):
        def __init__(self, order):
            super().__init__()
            for name in order:
                self.add_module(name, nn.Conv2d(2, 2, 3))

    source, model = Swapped("abc"), nn.Module()
    model.encoder = Swapped("cab")
    transfer_encoder(source, model)
    assert torch.equal(model.encoder.a.weight, source.a.weight)
    assert not torch.equal(model.encoder.a.weight, source.c.weight)


@pytest.mark.parametrize("where", ["more", "less", "shape"])
def test_what_does_not_fit_is_refused_before_anything_is_copied(where):
    pretrained, model = load_backbone(), Segmenter(Encoder(random_backbone(0)))
    target = model.encoder if where == "more" else pretrained
    if where == "shape":
        pretrained.blocks[3].norm2 = nn.BatchNorm2d(7)
    else:
        target.extra = nn.Linear(2, 2)
    before = state(model)
    with pytest.raises(ValueError, match="nothing was copied"):
        transfer_encoder(pretrained, model)
    assert same(state(model), before)


def test_a_segmenter_depends_on_its_seed_alone_and_keeps_the_global_one():
    encoder = Encoder(random_backbone(0))
    torch.manual_seed(1)
    random = torch.get_rng_state()
    one = state(Segmenter(copy.deepcopy(encoder), seed=5))
    assert torch.equal(torch.get_rng_state(), random)
    torch.manual_seed(2)
    assert same(one, state(Segmenter(copy.deepcopy(encoder), seed=5)))
    assert not same(one, state(Segmenter(copy.deepcopy(encoder), seed=6)))
