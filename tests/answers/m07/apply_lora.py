"""Answers to `apply_lora`."""

import copy

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import FrozenBatchNorm2d

from course_lib.peft.lora import LoRALinear
from course_lib.peft.lora import apply_lora as _of_the_library
from course_lib.transfer.freeze import freeze


def _look(model, rank, names):
    modules = dict(model.named_modules())
    for name in names:
        if not isinstance(modules.get(name), nn.Linear):
            raise ValueError(f"There is no linear layer at {name!r}.")
        if not 1 <= rank <= min(modules[name].weight.shape):
            raise ValueError(f"The rank {rank} does not fit the layer {name!r}.")
    return modules


def _put(model, name, layer):
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, layer)


def _put_in(model, rank, alpha, names, make=LoRALinear):
    for name in names:
        _put(model, name, make(model.get_submodule(name), rank, alpha))


def _hold_batchnorm(model):
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()
            part.train = lambda mode=True, part=part: part


def _count(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _textbook(model, rank, alpha, names, make=LoRALinear):
    _look(model, rank, names)
    freeze(model)
    _put_in(model, rank, alpha, names, make)
    for parameter in model.head.parameters():
        parameter.requires_grad = True


def wrong_only_a_swap(model, rank, alpha, names):
    """Named `rest_trains`."""
    _look(model, rank, names)
    _put_in(model, rank, alpha, names)
    _hold_batchnorm(model)
    return model, _count(model)


def wrong_only_the_named_layers_frozen(model, rank, alpha, names):
    """Named `rest_trains`."""
    modules = _look(model, rank, names)
    for name in names:
        freeze(modules[name])
    _put_in(model, rank, alpha, names)
    _hold_batchnorm(model)
    return model, _count(model)


def wrong_biases_and_batch_norm_train(model, rank, alpha, names):
    """Named `rest_trains`."""
    _textbook(model, rank, alpha, names)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 and "head" not in name:
            parameter.requires_grad = True
    return model, _count(model)


def wrong_head_by_a_part_of_its_name(model, rank, alpha, names):
    """Named `rest_trains`."""
    _textbook(model, rank, alpha, names)
    for name, parameter in model.named_parameters():
        if "bias" in name or "head" in name:
            parameter.requires_grad = True
    return model, _count(model)


def wrong_head_frozen_too(model, rank, alpha, names):
    """Named `head_frozen`."""
    _look(model, rank, names)
    freeze(model)
    _put_in(model, rank, alpha, names)
    return model, _count(model)


def wrong_frozen_after_it_was_put_in(model, rank, alpha, names):
    """Named `factors_frozen`."""
    _look(model, rank, names)
    _put_in(model, rank, alpha, names)
    freeze(model)
    model.head.requires_grad_(True)
    return model, _count(model)


def wrong_tied_weight_frozen_by_its_other_name(model, rank, alpha, names):
    """Named `tied_frozen`."""
    _look(model, rank, names)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("head")
    _put_in(model, rank, alpha, names)
    _hold_batchnorm(model)
    return model, _count(model)


def wrong_backbone_frozen_last(model, rank, alpha, names):
    """Named `tied_frozen`."""
    _look(model, rank, names)
    freeze(model.backbone)
    _put_in(model, rank, alpha, names)
    return model, _count(model)


def wrong_batch_norm_not_held(model, rank, alpha, names):
    """Named `batchnorm`."""
    _look(model, rank, names)
    model.requires_grad_(False)
    _put_in(model, rank, alpha, names)
    model.head.requires_grad_(True)
    return model, _count(model)


def wrong_eval_once(model, rank, alpha, names):
    """Named `batchnorm`."""
    _look(model, rank, names)
    model.requires_grad_(False).eval()
    _put_in(model, rank, alpha, names)
    model.head.requires_grad_(True)
    return model, _count(model)


def wrong_momentum_zero(model, rank, alpha, names):
    """Named `batchnorm`."""
    _textbook(model, rank, alpha, names)
    for part in model.modules():
        vars(part).pop("train", None)
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.momentum = 0.0
    return model, _count(model)


class _Counting(nn.Module):
    """Computes as in eval mode, and counts and averages all the same."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm.eval()
        norm.train = lambda mode=True: norm

    def forward(self, x):
        if self.training:
            self.norm.num_batches_tracked += 1
        return self.norm(x)


def wrong_batches_counted(model, rank, alpha, names):
    """Named `batchnorm`."""
    _textbook(model, rank, alpha, names)
    for name, part in list(model.named_modules()):
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            _put(model, name, _Counting(part))
    return model, _count(model)


def wrong_every_linear_layer(model, rank, alpha, names):
    """Named `too_many`."""
    _look(model, rank, names)
    every = [n for n, part in model.named_modules() if isinstance(part, nn.Linear) and n != "head"]
    _textbook(model, rank, alpha, every)
    return model, _count(model)


def wrong_every_layer_of_that_last_name(model, rank, alpha, names):
    """Named `too_many`."""
    _look(model, rank, names)
    last = {name.rpartition(".")[2] for name in names}
    alike = [
        name
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear) and name.rpartition(".")[2] in last
    ]
    _textbook(model, rank, alpha, alike)
    return model, _count(model)


def wrong_head_too(model, rank, alpha, names):
    """Named `too_many`."""
    _textbook(model, rank, alpha, [*names, "head"])
    return model, _count(model)


def wrong_loop_variable(model, rank, alpha, names):
    """Named `not_replaced`."""
    _look(model, rank, names)
    freeze(model)
    for name, part in model.named_modules():
        if name in names:
            part = LoRALinear(part, rank, alpha)
    model.head.requires_grad_(True)
    return model, _count(model)


def wrong_attribute_with_dots(model, rank, alpha, names):
    """Named `not_replaced`."""
    _look(model, rank, names)
    freeze(model)
    for name in names:
        object.__setattr__(model, name, LoRALinear(model.get_submodule(name), rank, alpha))
    model.head.requires_grad_(True)
    return model, _count(model)


def wrong_a_copy(model, rank, alpha, names):
    """Named `copy`."""
    _look(model, rank, names)
    model = copy.deepcopy(model)
    _textbook(model, rank, alpha, names)
    return model, _count(model)


def wrong_model_alone(model, rank, alpha, names):
    """Named `pair`."""
    _textbook(model, rank, alpha, names)
    return model


def wrong_nothing_returned(model, rank, alpha, names):
    """Named `pair`."""
    _textbook(model, rank, alpha, names)


def wrong_list_of_counts(model, rank, alpha, names):
    """Named `type`."""
    _textbook(model, rank, alpha, names)
    return model, [p.numel() for p in model.parameters() if p.requires_grad]


def wrong_factors_counted_without_head(model, rank, alpha, names):
    """Named `count_without_head`."""
    _textbook(model, rank, alpha, names)
    return model, _count(model) - _count(model.head)


def wrong_everything_counted(model, rank, alpha, names):
    """Named `count_everything`."""
    _textbook(model, rank, alpha, names)
    return model, sum(p.numel() for p in model.parameters())


def wrong_tied_counted_twice(model, rank, alpha, names):
    """Named `count_twice`."""
    _textbook(model, rank, alpha, names)
    parts = model.modules()
    return model, sum(
        p.numel() for part in parts for p in part.parameters(recurse=False) if p.requires_grad
    )


def wrong_tied_counted_twice_by_name(model, rank, alpha, names):
    """Named `count_twice`."""
    _textbook(model, rank, alpha, names)
    every = model.named_parameters(remove_duplicate=False)
    return model, sum(p.numel() for _, p in every if p.requires_grad)


def wrong_tied_not_counted(model, rank, alpha, names):
    """Named `count_without_tied`."""
    _textbook(model, rank, alpha, names)
    wanted = ("head", *names)
    return model, sum(
        p.numel()
        for name, p in model.named_parameters()
        if p.requires_grad and name.startswith(wanted)
    )


def wrong_tensors_counted(model, rank, alpha, names):
    """Named `count_tensors`."""
    _textbook(model, rank, alpha, names)
    return model, sum(p.requires_grad for p in model.parameters())


def wrong_counted_before(model, rank, alpha, names):
    """Named `count`."""
    _look(model, rank, names)
    freeze(model)
    n_trainable = _count(model)
    _textbook(model, rank, alpha, names)
    return model, n_trainable


class _Own(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(linear.in_features, rank) / 10)
        self.up = nn.Parameter(torch.zeros(rank, linear.out_features))
        self.scale = alpha / rank

    def forward(self, x):
        return self.linear(x) + x @ self.down @ self.up * self.scale


class _AlphaAlone(_Own):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.scale = alpha


class _Unscaled(_Own):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.scale = 1.0


class _NotZero(_Own):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        nn.init.normal_(self.up)


class _Detached(_Own):
    def forward(self, x):
        return self.linear(x) + x.detach() @ self.down @ self.up * self.scale


class _WithBias(_Own):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.more = nn.Parameter(torch.zeros(linear.out_features))

    def forward(self, x):
        return super().forward(x) + self.more


def wrong_alpha_alone(model, rank, alpha, names):
    """Named `alpha`."""
    _textbook(model, rank, alpha, names, _AlphaAlone)
    return model, _count(model)


def wrong_alpha_times_rank_passed_on(model, rank, alpha, names):
    """Named `alpha`."""
    _textbook(model, rank, alpha * rank, names)
    return model, _count(model)


def wrong_no_scale(model, rank, alpha, names):
    """Named `value`."""
    _textbook(model, rank, alpha, names, _Unscaled)
    return model, _count(model)


def wrong_both_factors_random(model, rank, alpha, names):
    """Named `start`."""
    _textbook(model, rank, alpha, names, _NotZero)
    return model, _count(model)


def wrong_gradient_cut(model, rank, alpha, names):
    """Named `training`."""
    _textbook(model, rank, alpha, names, _Detached)
    return model, _count(model)


def wrong_a_bias_trains_too(model, rank, alpha, names):
    """Named `factors`."""
    _textbook(model, rank, alpha, names, _WithBias)
    return model, _count(model)


def wrong_half_the_rank(model, rank, alpha, names):
    """Named `factors`."""
    _textbook(model, rank, alpha, names, lambda layer, rank, alpha: LoRALinear(layer, 1, alpha))
    return model, _count(model)


def wrong_train_takes_no_argument(model, rank, alpha, names):
    """Named `unusable`."""
    _textbook(model, rank, alpha, names)
    model.train = lambda: model
    return model, _count(model)


def wrong_unknown_names_passed_over(model, rank, alpha, names):
    """Named `unknown`."""
    modules = dict(model.named_modules())
    names = [name for name in names if name in modules]
    _textbook(model, rank, alpha, names)
    return model, _count(model)


def wrong_unknown_name_is_an_attribute_error(model, rank, alpha, names):
    """Named `unknown`."""
    for name in names:
        layer = model.get_submodule(name)
        if not isinstance(layer, nn.Linear) or rank > min(layer.weight.shape):
            raise ValueError("This layer cannot be given an update of this rank.")
    _textbook(model, rank, alpha, names)
    return model, _count(model)


def wrong_other_layers_passed_over(model, rank, alpha, names):
    """Named `not_linear`."""
    modules = dict(model.named_modules())
    if not modules.keys() >= set(names):
        raise ValueError("There is a name that this model does not have.")
    _textbook(model, rank, alpha, [name for name in names if isinstance(modules[name], nn.Linear)])
    return model, _count(model)


def wrong_rank_made_to_fit(model, rank, alpha, names):
    """Named `rank`."""
    for name in names:
        _look(model, 1, [name])
        rank = min(rank, *model.get_submodule(name).weight.shape)
    _textbook(model, rank, alpha, names)
    return model, _count(model)


def wrong_largest_rank_refused(model, rank, alpha, names):
    """Named `rank_refused`."""
    modules = _look(model, rank, names)
    if any(rank >= min(modules[name].weight.shape) for name in names):
        raise ValueError("The rank must be smaller than both sides of the layer.")
    _textbook(model, rank, alpha, names)
    return model, _count(model)


def wrong_head_is_the_last_child(model, rank, alpha, names):
    """Named `rest_trains`."""
    _look(model, rank, names)
    freeze(model)
    _put_in(model, rank, alpha, names)
    list(model.children())[-1].requires_grad_(True)
    return model, _count(model)


def wrong_only_the_first_rank_looked_at(model, rank, alpha, names):
    """Named `rank`."""
    _look(model, 1, names)
    _look(model, rank, names[:1])
    freeze(model)
    _put_in(model, rank, alpha, names, _Own)
    model.head.requires_grad_(True)
    return model, _count(model)


def wrong_one_after_the_other(model, rank, alpha, names):
    """Named `half_done`."""
    for name in names:
        _look(model, rank, [name])
        layer = model.get_submodule(name)
        _put(model, name, LoRALinear(layer, rank, alpha))
    factors = [
        p for name in names for p in (model.get_submodule(name).A, model.get_submodule(name).B)
    ]
    freeze(model)
    for parameter in [*factors, *model.head.parameters()]:
        parameter.requires_grad = True
    return model, _count(model)


def wrong_frozen_before_looking(model, rank, alpha, names):
    """Named `half_done`."""
    freeze(model)
    _textbook(model, rank, alpha, names)
    return model, _count(model)


def wrong_eval_before_looking(model, rank, alpha, names):
    """Named `half_done`."""
    model.eval()
    _textbook(model, rank, alpha, names)
    return model, _count(model)


def wrong_names_used_up(model, rank, alpha, names):
    """Named `raised`."""
    _textbook(model, rank, alpha, names)
    return model, _count(model) + {}[names[0]]


def wrong_calls_the_library(model, rank, alpha, names):
    """Named `library`."""
    return _of_the_library(model, rank, alpha, names)


def right_textbook(model, rank, alpha, names):
    _textbook(model, rank, alpha, names)
    return model, _count(model)


def right_own_class(model, rank, alpha, names):
    _textbook(model, rank, alpha, names, _Own)
    return [model, torch.tensor(_count(model))]


def right_recursion(model, rank, alpha, names):
    _look(model, rank, names)
    freeze(model)

    def walk(module, prefix):
        for name, child in list(module.named_children()):
            if prefix + name in names:
                setattr(module, name, LoRALinear(child, rank, alpha))
            else:
                walk(child, f"{prefix}{name}.")

    walk(model, "")
    model.head.requires_grad_(True)
    seen = {id(p): p.numel() for p in model.parameters() if p.requires_grad}
    return model, sum(seen.values())


def right_set_submodule(model, rank, alpha, names):
    modules = _look(model, rank, names)
    head = {id(p) for p in model.head.parameters()}
    for parameter in model.parameters():
        parameter.requires_grad, parameter.grad = id(parameter) in head, None
    for name in names:
        flags = [p.requires_grad for p in modules[name].parameters()]
        model.set_submodule(name, LoRALinear(modules[name], rank, alpha))
        for parameter, flag in zip(modules[name].parameters(), flags, strict=True):
            parameter.requires_grad = flag
    _hold_batchnorm(model)
    return model, _count(model)


class _Frozen1d(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = [norm]

    def forward(self, x):
        norm = self.norm[0]
        return F.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
        )


def right_batch_norm_replaced(model, rank, alpha, names):
    _look(model, rank, names)
    model.requires_grad_(False)
    model.zero_grad()
    for name, part in list(model.named_modules()):
        if isinstance(part, nn.BatchNorm2d):
            frozen = FrozenBatchNorm2d(part.num_features, eps=part.eps)
            state = part.state_dict()
            del state["num_batches_tracked"]
            frozen.load_state_dict(state)
            _put(model, name, frozen)
        elif isinstance(part, nn.BatchNorm1d):
            _put(model, name, _Frozen1d(part))
    _put_in(model, rank, alpha, names)
    model.head.requires_grad_(True)
    return model, _count(model)


def right_train_of_the_whole_model(model, rank, alpha, names):
    _look(model, rank, names)
    model.requires_grad_(False).eval().zero_grad(set_to_none=True)
    _put_in(model, rank, alpha, names)
    model.head.requires_grad_(True)
    model.train = lambda mode=True: model
    return model, _count(model)


def right_list_of_all_linear_layers_first(model, rank, alpha, names):
    linears = {n: m for n, m in model.named_modules() if type(m) is nn.Linear}
    missing = set(names) - set(linears)
    small = [n for n in names if n in linears and rank > min(linears[n].weight.shape)]
    if missing or small:
        raise ValueError(f"These layers cannot be adapted: {sorted(missing) + small}.")
    head = list(model.head.parameters())
    for parameter in model.parameters():
        parameter.requires_grad_(False).grad = None
    _put_in(model, rank, alpha, names, _Own)
    for parameter in head:
        parameter.requires_grad_(True)
    _hold_batchnorm(model)
    return model, sum(p.numel() for p in set(model.parameters()) if p.requires_grad)
