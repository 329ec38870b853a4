import pytest
import torch
from torch import nn

from course_lib.peft.adapters import (
    BottleneckAdapter,
    ResidualAdapter,
    apply_adapters,
    merge_adapter,
)
from course_lib.peft.layers import n_trainable
from tests.transfer.nets import SmallNet, same_state, state


def layers():
    yield nn.Linear(5, 7, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    conv = nn.Conv2d(3, 6, 3, stride=2, dtype=torch.float64)
    yield conv, torch.randn(4, 3, 9, 9, dtype=torch.float64)


def all_adapters():
    for layer, x in layers():
        yield BottleneckAdapter(layer, 2), layer, x
    yield ResidualAdapter(layer), layer, x


def test_they_start_as_the_identity_and_the_layer_stays():
    for adapter, layer, x in all_adapters():
        before, truth = state(layer), layer(x)
        assert torch.equal(adapter(x), truth)
        optimizer = torch.optim.SGD(adapter.parameters(), lr=0.1, weight_decay=0.1)
        for _ in range(3):
            optimizer.zero_grad(set_to_none=False)
            adapter.train()(x).square().sum().backward()
            optimizer.step()
        assert same_state(before, state(layer))
        assert not torch.allclose(adapter(x), truth)


def test_gradients():
    for adapter, _, x in all_adapters():
        names = [name for name, p in adapter.named_parameters() if p.requires_grad]
        values = [nn.init.normal_(adapter.get_parameter(name)).detach().clone() for name in names]

        def output(x, *values, adapter=adapter, names=names):
            return torch.func.functional_call(adapter, dict(zip(names, values, strict=True)), (x,))

        inputs = [value.requires_grad_() for value in (x, *values)]
        assert torch.autograd.gradcheck(output, inputs, fast_mode=True)


def test_counts():
    linear, conv = (layer for layer, _ in layers())
    assert n_trainable(BottleneckAdapter(linear, 2)) == 2 * 7 + 2 + 7 * 2 + 7
    assert n_trainable(BottleneckAdapter(conv, 4)) == 4 * 6 + 4 + 6 * 4 + 6
    assert n_trainable(ResidualAdapter(conv)) == 36


def test_bottleneck_by_hand():
    _, (conv, x) = layers()
    adapter = BottleneckAdapter(conv, 2)
    nn.init.normal_(adapter.up.weight)
    nn.init.normal_(adapter.up.bias)
    y = conv(x).movedim(1, -1)  # at each position, a small network of two layers
    hidden = (y @ adapter.down.weight[:, :, 0, 0].T + adapter.down.bias).clamp(min=0)
    truth = y + hidden @ adapter.up.weight[:, :, 0, 0].T + adapter.up.bias
    assert torch.allclose(adapter(x).movedim(1, -1), truth)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_merged_residual_adapter_computes_the_same(bias, groups):
    conv = nn.Conv2d(4, 6, 3, padding=1, groups=groups, bias=bias, dtype=torch.float64)
    adapter = ResidualAdapter(conv)
    nn.init.normal_(adapter.adapter.weight)
    x = torch.randn(2, 4, 7, 7, dtype=torch.float64)
    before = state(adapter)
    if groups == 1:
        assert torch.allclose(merge_adapter(adapter)(x), adapter(x))
        assert same_state(before, state(adapter))
    else:  # channels of different groups are mixed: one convolution with groups cannot do that
        with pytest.raises(ValueError, match="groups"):
            merge_adapter(adapter)


def test_apply_adapters():
    model = SmallNet(0)
    images = torch.rand(6, 2, 8, 8)
    truth = model.eval()(images)
    held = {n: v for n, v in state(model).items() if n.startswith("backbone")}
    returned, n = apply_adapters(model, ["backbone.0", "backbone.3.0"])
    assert returned is model
    assert n == 5 * 5 + 6 * 6 + 6 * 3 + 3
    assert torch.equal(model.train()(images), truth)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad(set_to_none=False)
        model.train()(images).square().sum().backward()
        optimizer.step()
    now = state(model)
    for name, value in held.items():
        place = name.replace(".0.weight", ".0.conv.weight").replace(".0.bias", ".0.conv.bias")
        assert torch.equal(now[place] if place in now else now[name], value), name


@pytest.mark.parametrize(
    ("names", "width"), [(["head"], None), (["backbone.9"], 3), (["backbone.1"], 3), (["head"], 0)]
)
def test_what_cannot_be_adapted_is_refused_with_nothing_changed(names, width):
    model = SmallNet(0)
    before, parts = state(model), list(model.modules())
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        apply_adapters(model, ["backbone.0", *names], width)
    assert list(model.modules()) == parts
    assert same_state(before, state(model))
    assert all(p.requires_grad for p in model.parameters())
