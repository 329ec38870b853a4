"""Answers to `param_groups`."""

import copy

import torch
from torch import nn

from course_lib.transfer.rates import param_groups as _of_the_library


def _parts(model):
    """The head and then the blocks, from the last to the first."""
    return [model.head, *reversed(list(model.backbone.blocks))]


def _split(part, lr, weight_decay):
    trainable = [p for p in part.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "lr": lr, "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "lr": lr, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _by_rate(model, rate, weight_decay):
    """Groups whose rate is `rate(depth)`, depth 0 for the head."""
    return [
        group
        for depth, part in enumerate(_parts(model))
        for group in _split(part, rate(depth), weight_decay)
    ]


def wrong_one_rate(model, head_lr, layer_decay, weight_decay):
    """Named `one_rate`."""
    return _by_rate(model, lambda depth: head_lr, weight_decay)


def wrong_backbone_and_head(model, head_lr, layer_decay, weight_decay):
    """Named `two_rates`."""
    return _by_rate(model, lambda depth: head_lr * layer_decay if depth else head_lr, weight_decay)


def wrong_from_the_input(model, head_lr, layer_decay, weight_decay):
    """Named `upside_down`."""
    n = len(model.backbone.blocks)
    return _by_rate(
        model, lambda d: head_lr * layer_decay ** (n - d + 1) if d else head_lr, weight_decay
    )


def wrong_from_the_input_counted_from_zero(model, head_lr, layer_decay, weight_decay):
    """Named `upside_down`."""
    groups = _split(model.head, head_lr, weight_decay)
    for i, block in enumerate(model.backbone.blocks):
        groups += _split(block, head_lr * layer_decay**i, weight_decay)
    return groups


def wrong_last_block_as_fast_as_the_head(model, head_lr, layer_decay, weight_decay):
    """Named `off_by_one`."""
    return _by_rate(model, lambda depth: head_lr * layer_decay ** max(depth - 1, 0), weight_decay)


def wrong_last_block_two_steps_below(model, head_lr, layer_decay, weight_decay):
    """Named `off_by_one`."""
    return _by_rate(
        model, lambda depth: head_lr * layer_decay ** (depth + 1) if depth else head_lr,
        weight_decay,
    )  # fmt: skip


def wrong_head_decayed_too(model, head_lr, layer_decay, weight_decay):
    """Named `head_rate`."""
    return _by_rate(model, lambda depth: head_lr * layer_decay ** (depth + 1), weight_decay)


def wrong_head_at_a_rate_of_its_own(model, head_lr, layer_decay, weight_decay):
    """Named `head_rate`."""
    return _by_rate(model, lambda d: head_lr * layer_decay**d if d else 5 * head_lr, weight_decay)


def wrong_divided(model, head_lr, layer_decay, weight_decay):
    """Named `above_head`."""
    return _by_rate(model, lambda depth: head_lr / layer_decay**depth, weight_decay)


def wrong_multiplied_with_the_number(model, head_lr, layer_decay, weight_decay):
    """Named `linear`."""
    return _by_rate(
        model, lambda depth: head_lr * layer_decay * depth if depth else head_lr, weight_decay
    )


def wrong_a_share_by_the_number(model, head_lr, layer_decay, weight_decay):
    """Named `linear`."""
    n = len(model.backbone.blocks) + 1
    return _by_rate(model, lambda depth: head_lr * (n - depth) / n, weight_decay)


def wrong_every_layer_a_step(model, head_lr, layer_decay, weight_decay):
    """Named `rate`."""
    layers = [part for part in model.backbone.modules() if list(part.parameters(recurse=False))]
    groups = _split(model.head, head_lr, weight_decay)
    for depth, layer in enumerate(reversed(layers), start=1):
        groups += _split(layer, head_lr * layer_decay**depth, weight_decay)
    return groups


def wrong_always_three_blocks(model, head_lr, layer_decay, weight_decay):
    """Named `off_by_one`."""
    groups = _split(model.head, head_lr, weight_decay)
    for i, block in enumerate(model.backbone.blocks):
        groups += _split(block, head_lr * layer_decay ** (3 - i), weight_decay)
    return groups


def wrong_children_in_the_order_of_registration(model, head_lr, layer_decay, weight_decay):
    """Named `rate`."""
    parts = [part for part in model.modules() if list(part.parameters(recurse=False))]
    groups = []
    for depth, part in enumerate(reversed(parts)):  # taken for the head first
        groups += _split(part, head_lr * layer_decay**depth, weight_decay)
    return groups


def wrong_decay_on_everything(model, head_lr, layer_decay, weight_decay):
    """Named `decay_everywhere`."""
    groups = []
    for depth, part in enumerate(_parts(model)):
        params = [p for p in part.parameters() if p.requires_grad]
        if params:
            lr = head_lr * layer_decay**depth
            groups.append({"params": params, "lr": lr, "weight_decay": weight_decay})
    return groups


def wrong_exempt_by_name(model, head_lr, layer_decay, weight_decay):
    """Named `by_name`."""
    groups = []
    for depth, part in enumerate(_parts(model)):
        for name, p in part.named_parameters():
            if p.requires_grad:
                decay = 0.0 if name.endswith("bias") else weight_decay
                lr = head_lr * layer_decay**depth
                groups.append({"params": [p], "lr": lr, "weight_decay": decay})
    return groups


def wrong_no_decay(model, head_lr, layer_decay, weight_decay):
    """Named `no_decay`."""
    return _by_rate(model, lambda depth: head_lr * layer_decay**depth, 0.0)


def wrong_decay_decays(model, head_lr, layer_decay, weight_decay):
    """Named `decay`."""
    groups = []
    for depth, part in enumerate(_parts(model)):
        factor = layer_decay**depth
        groups += _split(part, head_lr * factor, weight_decay * factor)
    return groups


def wrong_decay_swapped(model, head_lr, layer_decay, weight_decay):
    """Named `decay`."""
    groups = _of_right(model, head_lr, layer_decay, weight_decay)
    for group in groups:
        group["weight_decay"] = weight_decay - group["weight_decay"]
    return groups


def wrong_decay_not_stated(model, head_lr, layer_decay, weight_decay):
    """Named `states`."""
    return [
        {key: value for key, value in group.items() if key != "weight_decay" or value}
        for group in _of_right(model, head_lr, layer_decay, weight_decay)
    ]


def wrong_head_without_a_rate(model, head_lr, layer_decay, weight_decay):
    """Named `states`."""
    groups = _of_right(model, head_lr, layer_decay, weight_decay)
    return [{key: group[key] for key in ("params", "weight_decay")} for group in groups[:2]] + (
        groups[2:]
    )


def wrong_empty_groups(model, head_lr, layer_decay, weight_decay):
    """Named `empty`."""
    groups = []
    for depth, part in enumerate(_parts(model)):
        trainable = [p for p in part.parameters() if p.requires_grad]
        lr = head_lr * layer_decay**depth
        for few, decay in ((False, weight_decay), (True, 0.0)):
            params = [p for p in trainable if (p.ndim < 2) == few]
            groups.append({"params": params, "lr": lr, "weight_decay": decay})
    return groups


def wrong_names(model, head_lr, layer_decay, weight_decay):
    """Named `stranger`."""
    names = {id(p): name for name, p in model.named_parameters()}
    groups = _of_right(model, head_lr, layer_decay, weight_decay)
    for group in groups:
        group["params"] = [names[id(p)] for p in group["params"]]
    return groups


def wrong_copies(model, head_lr, layer_decay, weight_decay):
    """Named `stranger`."""
    return _of_right(copy.deepcopy(model), head_lr, layer_decay, weight_decay)


def wrong_frozen_too(model, head_lr, layer_decay, weight_decay):
    """Named `frozen`."""
    groups = []
    for depth, part in enumerate(_parts(model)):
        for p in part.parameters():
            decay = weight_decay if p.ndim >= 2 else 0.0
            lr = head_lr * layer_decay**depth
            groups.append({"params": [p], "lr": lr, "weight_decay": decay})
    return groups


def wrong_first_block_forgotten(model, head_lr, layer_decay, weight_decay):
    """Named `missing`."""
    groups = _split(model.head, head_lr, weight_decay)
    blocks = list(model.backbone.blocks)
    for depth in range(1, len(blocks)):
        groups += _split(blocks[-depth], head_lr * layer_decay**depth, weight_decay)
    return groups


def wrong_weights_only(model, head_lr, layer_decay, weight_decay):
    """Named `missing`."""
    return [
        group
        for group in _of_right(model, head_lr, layer_decay, weight_decay)
        if group["weight_decay"]
    ]


def wrong_backbone_only(model, head_lr, layer_decay, weight_decay):
    """Named `no_head`."""
    held = {id(p) for p in model.head.parameters()}
    return [
        group
        for group in _of_right(model, head_lr, layer_decay, weight_decay)
        if id(group["params"][0]) not in held
    ]


def wrong_biases_once_more(model, head_lr, layer_decay, weight_decay):
    """Named `twice`."""
    groups = _of_right(model, head_lr, layer_decay, weight_decay)
    biases = [p for p in model.parameters() if p.requires_grad and p.ndim < 2]
    return [*groups, {"params": biases, "lr": head_lr, "weight_decay": 0.0}]


def wrong_one_dict(model, head_lr, layer_decay, weight_decay):
    """Named `type`."""
    return _of_right(model, head_lr, layer_decay, weight_decay)[0]


def wrong_nothing_returned(model, head_lr, layer_decay, weight_decay):
    """Named `type`."""
    _of_right(model, head_lr, layer_decay, weight_decay)


def wrong_an_optimizer(model, head_lr, layer_decay, weight_decay):
    """Named `type`."""
    return torch.optim.AdamW(_of_right(model, head_lr, layer_decay, weight_decay))


def wrong_opens_everything(model, head_lr, layer_decay, weight_decay):
    """Named `changed`."""
    model.requires_grad_(True)
    return _of_right(model, head_lr, layer_decay, weight_decay)


def wrong_new_head(model, head_lr, layer_decay, weight_decay):
    """Named `changed`."""
    nn.init.zeros_(model.head.weight)
    return _of_right(model, head_lr, layer_decay, weight_decay)


def wrong_uphill(model, head_lr, layer_decay, weight_decay):
    """Named `step`."""
    return [group | {"maximize": True} for group in _of_right(
        model, head_lr, layer_decay, weight_decay)]  # fmt: skip


def wrong_calls_the_library(model, head_lr, layer_decay, weight_decay):
    """Named `library`."""
    return _of_the_library(model, head_lr, layer_decay, weight_decay)


def _of_right(model, head_lr, layer_decay, weight_decay):
    return _by_rate(model, lambda depth: head_lr * layer_decay**depth, weight_decay)


def right_two_groups_a_part(model, head_lr, layer_decay, weight_decay):
    return _of_right(model, head_lr, layer_decay, weight_decay)


def right_one_group_for_each_parameter(model, head_lr, layer_decay, weight_decay):
    n = len(model.backbone.blocks)
    groups = []
    for name, p in model.named_parameters():
        if p.requires_grad:
            i = n if name.startswith("head") else int(name.split(".")[2])
            decay = 0.0 if p.ndim <= 1 else weight_decay
            groups.append({"params": p, "lr": head_lr * layer_decay ** (n - i),
                           "weight_decay": decay})  # fmt: skip
    return groups


def right_generator(model, head_lr, layer_decay, weight_decay):
    lr = head_lr
    for part in _parts(model):
        for decay in (weight_decay, 0):
            params = [
                p for p in part.parameters() if p.requires_grad and (p.ndim >= 2) == bool(decay)
            ]
            if params:
                yield {"params": params, "lr": lr, "weight_decay": decay}
        lr *= layer_decay


def right_tuple_of_groups_with_generators(model, head_lr, layer_decay, weight_decay):
    groups = _of_right(model, head_lr, layer_decay, weight_decay)
    for group in groups:
        group["params"] = (p for p in group["params"])
    return tuple(reversed(groups))


def right_groups_across_blocks(model, head_lr, layer_decay, weight_decay):
    """What has the same rate and decay shares a group, in any order, with a name and tensors."""
    found = {}
    for group in _of_right(model, head_lr, layer_decay, weight_decay):
        key = group["lr"], group["weight_decay"]
        found.setdefault(key, []).extend(group["params"])
    return [
        {"params": params, "lr": torch.tensor(lr, dtype=torch.float64), "weight_decay": decay,
         "name": f"rate {lr}"}
        for (lr, decay), params in found.items()
    ]  # fmt: skip


class _Groups:
    def __call__(self, model, head_lr, layer_decay, weight_decay):
        groups = []
        for depth, part in enumerate(_parts(model)):
            groups.extend(self.of(part, head_lr * layer_decay**depth, weight_decay))
        return groups

    @staticmethod
    def of(part, lr, weight_decay):
        return _split(part, lr, weight_decay)


right_callable_object = _Groups()
