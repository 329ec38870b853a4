import math
import types

import torch
from torch import nn

from course_lib.peft import lora
from course_lib.peft.layers import swap
from course_lib.transfer.freeze import freeze


def _stay(self, mode=True):
    """train() of a module that is held in eval mode."""
    return self


def _hold(module):
    """Hold one module in eval mode, for good."""
    module.eval()
    module.train = types.MethodType(_stay, module)


def _checked(model, rank, names):
    """The named layers, or a ValueError before anything is changed."""
    everything = dict(model.named_modules(remove_duplicate=False))
    layers = {}
    for name in names:
        if not isinstance(everything.get(name), nn.Linear):
            raise ValueError(f"{name!r} is no nn.Linear of this model.")
        layers[name] = everything[name]
        if not 1 <= rank <= min(layers[name].weight.shape):
            raise ValueError(f"A rank of {rank} does not fit {name!r}.")
    return layers


def wrong_batchnorm_in_eval_mode_once(model, rank, alpha, names):
    """Puts batch-norm into eval mode without holding it there, against "batch-norm is held, also
    after train()".

    Named `batchnorm`.
    """
    layers = _checked(model, rank, names)
    for p in model.parameters():
        p.requires_grad_(False)
        p.grad = None
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()
    for name, layer in layers.items():
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, lora.LoRALinear(layer, rank, alpha))
    model.head.requires_grad_(True)
    return model, sum(p.numel() for p in model.parameters() if p.requires_grad)


def wrong_rank_noticed_on_the_way(model, rank, alpha, names):
    """Leaves the rank to LoRALinear, which refuses when other layers are swapped already, against
    "a rank above a named layer's size, is a ValueError with nothing changed".

    Named `half_done`.
    """
    parts = dict(model.named_modules())
    for name in names:
        if not isinstance(parts.get(name), nn.Linear):
            raise ValueError(f"{name!r} is no nn.Linear of this model.")
    freeze(model)
    for name in names:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, lora.LoRALinear(parts[name], rank, alpha))
    model.head.requires_grad_(True)
    return model, sum(p.numel() for p in model.parameters() if p.requires_grad)


def wrong_tied_weight_counted_twice(model, rank, alpha, names):
    """Counts what each layer trains, layer by layer, against "n_trainable counts numbers, each
    tensor once".

    Named `count_twice`.
    """
    layers = _checked(model, rank, names)
    freeze(model)
    for name, layer in layers.items():
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, lora.LoRALinear(layer, rank, alpha))
    model.head.requires_grad_(True)
    n = 0
    for part in model.modules():
        n += sum(p.numel() for p in part.parameters(recurse=False) if p.requires_grad)
    return model, n


def wrong_head_opened_before_the_swap(model, rank, alpha, names):
    """Thinks that the order of the steps is free, so that LoRALinear freezes a weight that the
    head shares, against "Only the factors and model.head train (also a weight that is tied to the
    head's)".

    Named `tied_frozen`.
    """
    layers = _checked(model, rank, names)
    freeze(model)
    model.head.requires_grad_(True)
    for name, layer in layers.items():
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, lora.LoRALinear(layer, rank, alpha))
    return model, sum(p.numel() for p in model.parameters() if p.requires_grad)


def wrong_unknown_names_passed_over_too(model, rank, alpha, names):
    """Walks over the model's layers and looks whether they are wanted, so nobody asks for a wanted
    one that is not there, against "A name that is unknown ... is a ValueError with nothing
    changed".

    Named `unknown`.
    """
    found = {name: part for name, part in model.named_modules() if name in set(names)}
    for name, part in found.items():
        if not isinstance(part, nn.Linear):
            raise ValueError(f"{name!r} is no nn.Linear.")
        if not 1 <= rank <= min(part.weight.shape):
            raise ValueError(f"A rank of {rank} does not fit {name!r}.")
    freeze(model)
    for name, part in found.items():
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, lora.LoRALinear(part, rank, alpha))
    model.head.requires_grad_(True)
    return model, sum(p.numel() for p in model.parameters() if p.requires_grad)


def wrong_old_gradients_left(model, rank, alpha, names):
    """Takes requires_grad=False for frozen although an old .grad still moves a weight, against
    "Only the factors and model.head train" and "with everything else really frozen".

    Named `old_gradient`.
    """
    layers = _checked(model, rank, names)
    for p in model.parameters():
        p.requires_grad_(False)
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            _hold(part)
    for name, layer in layers.items():
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, lora.LoRALinear(layer, rank, alpha))
    model.head.requires_grad_(True)
    return model, sum(p.numel() for p in model.parameters() if p.requires_grad)


def right_recursion_over_children(model, rank, alpha, names):
    """Walks down the tree by recursion, holds batch-norm by hand, and counts by identity."""
    wanted = _checked(model, rank, dict.fromkeys(names))
    for p in model.parameters():
        p.requires_grad_(False)
        p.grad = None
    made = {}

    def walk(parent, prefix):
        for child, part in list(parent._modules.items()):
            if part is None:
                continue
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                _hold(part)
            if prefix + child in wanted:
                if id(part) not in made:
                    made[id(part)] = lora.LoRALinear(part, rank=rank, alpha=alpha)
                parent._modules[child] = made[id(part)]
            else:
                walk(part, prefix + child + ".")

    walk(model, "")
    for p in model.head.parameters():
        p.requires_grad_(True)
    by_identity = {id(p): p.numel() for p in model.parameters() if p.requires_grad}
    return model, sum(by_identity.values())


class _OwnLoRA(nn.Module):
    """A layer of one's own: the update lies in a thin pair of tensors with other names."""

    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.old, self.by = linear, alpha / rank
        for p in linear.parameters():
            p.requires_grad_(False)
            p.grad = None
        down = torch.randn_like(linear.weight[:1].expand(rank, -1).contiguous())
        self.down = nn.Parameter(down.detach() / math.sqrt(linear.in_features))
        self.up = nn.Parameter(linear.weight.detach().new_zeros(linear.out_features, rank))

    def forward(self, x):
        return self.old(x) + self.by * torch.matmul(torch.matmul(x, self.down.T), self.up.T)


def right_own_layer_and_library_swap(model, rank, alpha, names, layer=_OwnLoRA):
    """An own LoRA layer, the library's freeze and swap, and a count over a set."""
    linears = _checked(model, rank, dict.fromkeys(names))
    freeze(model)
    swap(model, {name: layer(linear, rank, alpha) for name, linear in linears.items()})
    model.head.requires_grad_(True)
    return model, sum(map(torch.numel, {p for p in model.parameters() if p.requires_grad}))
