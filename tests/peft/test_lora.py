import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib.models.convnet import Classifier, random_backbone
from course_lib.peft import lora
from course_lib.peft.layers import n_trainable, swap
from tests.transfer.nets import same_state, state

SHAPES = [  # in, out, kernel, options
    (3, 8, 3, {"padding": 1, "stride": 2}),
    (6, 4, 1, {"bias": False}),
    (4, 8, 3, {"groups": 2, "dilation": 2, "padding": 2}),
    (5, 5, (1, 3), {"padding_mode": "circular", "padding": (0, 1)}),
]


def filled(module: nn.Module, seed: int) -> nn.Module:
    """Give both factors numbers, as training would."""
    generator = torch.Generator().manual_seed(seed)
    for factor in (module.A, module.B):
        factor.data = torch.randn(factor.shape, generator=generator, dtype=factor.dtype)
    return module


def linears():
    for seed, (n_in, n_out, rank, bias) in enumerate(
        [(5, 8, 3, True), (9, 4, 2, False), (6, 6, 6, True), (7, 1, 1, True)]
    ):
        linear = nn.Linear(n_in, n_out, bias=bias, dtype=torch.float64)
        yield linear, rank, torch.randn(2, 3, n_in, dtype=torch.float64), seed


def convs():
    for seed, (n_in, n_out, kernel, options) in enumerate(SHAPES):
        conv = nn.Conv2d(n_in, n_out, kernel, dtype=torch.float64, **options)
        yield conv, 2, torch.randn(3, n_in, 9, 8, dtype=torch.float64), seed


def test_linear_against_numpy():
    for linear, rank, x, seed in linears():
        module = filled(lora.LoRALinear(linear, rank, alpha=5.0), seed)
        w, a, b, rows = (t.detach().numpy() for t in (linear.weight, module.A, module.B, x))
        bias = 0 if linear.bias is None else linear.bias.detach().numpy()
        truth = np.zeros((*x.shape[:-1], len(w)))
        for i, j in np.ndindex(x.shape[:-1]):
            truth[i, j] = w @ rows[i, j] + bias + 5.0 / rank * (b @ (a @ rows[i, j]))
        assert np.allclose(module(x).detach().numpy(), truth, rtol=1e-10)


def test_convolution_is_two_convolutions_where_that_can_be_written():
    """Without groups the update is a convolution to `rank` channels, then a 1 x 1 one."""
    for conv, rank, x, seed in convs():
        if conv.groups > 1 or conv.padding_mode != "zeros":
            continue
        module = filled(lora.LoRAConv2d(conv, rank, alpha=3.0), seed)
        down = module.A.view(rank, *conv.weight.shape[1:])
        low = F.conv2d(x, down, stride=conv.stride, padding=conv.padding, dilation=conv.dilation)
        truth = conv(x) + 3.0 / rank * torch.einsum("or,nrhw->nohw", module.B, low)
        assert torch.allclose(module(x), truth)


@pytest.mark.parametrize("layers", [linears, convs])
def test_starts_at_the_given_layer_and_only_the_factors_train(layers):
    wrapper = lora.LoRALinear if layers is linears else lora.LoRAConv2d
    for layer, rank, x, _ in layers():
        truth, before = layer(x).detach(), state(layer)
        module = wrapper(layer, rank, alpha=4.0)
        assert torch.allclose(module(x), truth, atol=0)
        assert n_trainable(module) == rank * (layer.weight[0].numel() + len(layer.weight))
        assert torch.linalg.matrix_rank(module.A) == rank
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1, weight_decay=0.1)
        for _ in range(3):
            optimizer.zero_grad(set_to_none=False)
            module.train()(x).square().sum().backward()
            optimizer.step()
        assert same_state(before, state(layer))
        assert module.A.any()
        assert module.B.any()
        assert not torch.allclose(module(x), truth)


@pytest.mark.parametrize("layers", [linears, convs])
def test_gradients(layers):
    wrapper = lora.LoRALinear if layers is linears else lora.LoRAConv2d
    for layer, rank, x, seed in layers():
        module = filled(wrapper(layer, rank, alpha=4.0), seed)

        def output(x, a, b, module=module):
            return torch.func.functional_call(module, {"A": a, "B": b}, (x,))

        inputs = [t.detach().clone().requires_grad_() for t in (x, module.A, module.B)]
        assert torch.autograd.gradcheck(output, inputs, fast_mode=True)


@pytest.mark.parametrize("layers", [linears, convs])
def test_merged_equals_unmerged_and_the_module_keeps_the_pretrained_weights(layers):
    wrapper = lora.LoRALinear if layers is linears else lora.LoRAConv2d
    for layer, rank, x, seed in layers():
        before, kind = state(layer), type(layer)
        module = filled(wrapper(layer, rank, alpha=4.0), seed)
        merged = lora.merge(module)
        assert type(merged) is kind
        assert lora.merge(merged) is merged
        assert (merged.bias is None) == (layer.bias is None)
        assert torch.allclose(merged(x), module(x))
        assert not torch.allclose(merged(x), layer(x))
        assert same_state(before, state(layer))
        merged.weight.data.zero_()
        assert same_state(before, state(layer)), "nothing is shared"


@pytest.mark.parametrize("rank", [0, -1, 6])
def test_a_rank_that_does_not_fit_is_refused_before_anything_is_frozen(rank):
    for layer in (nn.Linear(5, 9), nn.Conv2d(1, 5, 3)):
        wrapper = lora.LoRALinear if isinstance(layer, nn.Linear) else lora.LoRAConv2d
        with pytest.raises(ValueError, match="rank of 1 to 5"):
            wrapper(layer, rank, 1.0)
        assert all(p.requires_grad for p in layer.parameters())


def test_factors_in_the_dtype_and_on_the_device_of_the_weight():
    module = lora.LoRALinear(nn.Linear(4, 5, dtype=torch.bfloat16, device="meta"), 2, 1.0)
    for factor in (module.A, module.B):
        assert (factor.dtype, factor.device.type) == (torch.bfloat16, "meta")


# --- Whole models --------------------------------------------------------------------------------


def adapted(seed: int = 0, rank: int = 2):
    model = Classifier(random_backbone(seed), 5, seed)
    for part in model.modules():  # statistics of a network that has seen data
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    model.eval()
    names = [name for name, part in model.named_modules() if isinstance(part, nn.Conv2d)]
    pretrained = copy.deepcopy(model)
    returned, n = lora.apply_lora_conv(model, rank, 4.0, names)
    assert returned is model
    return model, pretrained, n, names


def train(model: nn.Module, steps: int = 3) -> None:
    """Ordinary training, with all that moves a network that is not really frozen."""
    generator = torch.Generator().manual_seed(5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.1)
    for _ in range(steps):
        model.train()
        optimizer.zero_grad(set_to_none=False)
        images = 2 + torch.rand(6, 1, 32, 32, generator=generator)
        F.cross_entropy(model(images), torch.arange(6) % 5).backward()
        optimizer.step()
    model.eval()


def test_training_moves_factors_and_head_alone_and_switching_off_leads_back_bit_for_bit():
    model, pretrained, n, names = adapted()
    images = torch.rand(4, 1, 32, 32)
    source = pretrained.backbone(images)
    assert torch.allclose(model.train()(images), pretrained(images), atol=1e-6)
    head = state(model.head)
    train(model)
    assert not torch.allclose(model.backbone(images), source)
    assert not torch.equal(head["weight"], model.head.weight)
    layers = lora.switch_off(model)
    assert list(layers) == names
    assert torch.equal(model.backbone(images), source)
    assert same_state(state(model.backbone), state(pretrained.backbone))
    swap(model, layers)
    assert n == n_trainable(model)


def test_the_count_is_by_hand():
    _, pretrained, n, names = adapted(rank=3)
    shapes = [pretrained.get_submodule(name).weight.flatten(1).shape for name in names]
    assert n == sum(3 * sum(shape) for shape in shapes) + 128 * 5 + 5


def test_merge_all_and_back():
    model, *_ = adapted()
    train(model)
    images = torch.rand(4, 1, 32, 32)
    beside, before = model(images), state(model)
    layers = lora.merge_all(model)
    assert not any(isinstance(part, lora.LORA) for part in model.modules())
    assert torch.allclose(model(images), beside, rtol=1e-4, atol=1e-4)
    assert lora.merge_all(model) == {}
    swap(model, layers)
    assert torch.equal(model(images), beside)
    assert same_state(before, state(model))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 4))
        self.head = nn.Linear(4, 6)
        self.backbone[0].weight = self.head.weight

    def forward(self, x):
        return self.head(self.backbone(x))


def test_a_weight_tied_to_the_head_trains_and_counts_once():
    for names in (["backbone.2"], ["backbone.0", "backbone.2"]):
        model = Tied()
        _, n = lora.apply_lora(model, 2, 1.0, names)
        assert model.head.weight.requires_grad
        assert n == 2 * 10 * len(names) + 24 + 6
        assert not model.train().backbone[1].training


@pytest.mark.parametrize(
    ("names", "rank"),
    [
        (["backbone.0", "backbone.7"], 2),
        (["backbone.0", "backbone.1"], 2),
        (["backbone.0", "backbone"], 2),
        (["backbone.0"], 5),
        (["backbone.0"], 0),
    ],
)
def test_what_cannot_be_adapted_is_refused_with_nothing_changed(names, rank):
    model = Tied()
    parts, before = list(model.modules()), state(model)
    with pytest.raises(ValueError, match=r"\w+ \w+ \w+"):
        lora.apply_lora(model, rank, 1.0, names)
    assert list(model.modules()) == parts
    assert same_state(before, state(model))
    assert all(part.training for part in model.modules())
    assert all(p.requires_grad for p in model.parameters())


def test_linear_layers_and_convolutions_are_not_taken_for_each_other():
    model, _, _, names = adapted()
    with pytest.raises(ValueError, match="should be Linear"):
        lora.apply_lora(Classifier(random_backbone(0), 5), 2, 1.0, names[:1])
    with pytest.raises(ValueError, match="should be Conv2d"):
        lora.apply_lora_conv(model, 2, 1.0, ["head"])
