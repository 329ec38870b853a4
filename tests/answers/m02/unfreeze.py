"""Answers to `unfreeze`."""

import copy
import functools

import torch
from torch import nn

from course_lib.transfer.freeze import freeze as _freeze
from course_lib.transfer.freeze import thaw as _thaw
from course_lib.transfer.unfreeze import unfreeze as _of_the_library


def _checked(model, stage):
    blocks = list(model.backbone.blocks)
    if stage > len(blocks):
        raise ValueError(f"There are only {len(blocks)} blocks, so no stage {stage}.")
    return blocks


def _split(model, stage):
    """The parts to open and the parts to shut."""
    blocks = _checked(model, stage)
    n_shut = len(blocks) - stage
    return [*blocks[n_shut:], model.head], blocks[:n_shut]


def _set(parts_open, parts_shut):
    for part in parts_open:
        _thaw(part)
    for part in parts_shut:
        _freeze(part)


def _add_new(model, optimizer, lr=None):
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    if new:
        lr = optimizer.param_groups[0]["lr"] if lr is None else lr
        optimizer.add_param_group({"params": new, "lr": lr})
    return optimizer


def wrong_flag_only(model, optimizer, stage):
    """Named `never_got`."""
    _set(*_split(model, stage))
    return optimizer


def wrong_optimizer_of_the_head(model, optimizer, stage):
    """Named `never_got`."""
    _set(*_split(model, stage))
    return torch.optim.SGD(model.head.parameters(), lr=optimizer.param_groups[0]["lr"])


def wrong_weights_added_only(model, optimizer, stage):
    """Named `never_got`."""
    _set(*_split(model, stage))
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    new = [p for p in model.parameters() if p.requires_grad and p.ndim > 1 and id(p) not in held]
    if new:
        optimizer.add_param_group({"params": new, "lr": optimizer.param_groups[0]["lr"]})
    return optimizer


def wrong_copies_in_the_optimizer(model, optimizer, stage):
    """Named `never_got`."""
    _set(*_split(model, stage))
    lr = optimizer.param_groups[0]["lr"]
    return torch.optim.SGD(copy.deepcopy(model).parameters(), lr=lr)


def wrong_nothing_shut(model, optimizer, stage):
    """Named `all_open`."""
    for part in _split(model, stage)[0]:
        part.requires_grad_(True)
    return _add_new(model, optimizer)


def wrong_everything_open(model, optimizer, stage):
    """Named `all_open`."""
    _checked(model, stage)
    model.requires_grad_(True)
    return _add_new(model, optimizer)


def wrong_never_shut_again(model, optimizer, stage):
    """Named `still_open`."""
    parts_open, parts_shut = _split(model, stage)
    first = not getattr(model, "called_before", False)
    model.called_before = True
    _set(parts_open, parts_shut if first else [])
    return _add_new(model, optimizer)


def wrong_only_weights_shut(model, optimizer, stage):
    """Named `still_open`."""
    parts_open, parts_shut = _split(model, stage)
    _set(parts_open, parts_shut)
    for part in parts_shut:
        for p in part.parameters():
            p.requires_grad_(p.ndim < 2)
    return _add_new(model, optimizer)


def wrong_head_shut(model, optimizer, stage):
    """Named `head_shut`."""
    _set(*_split(model, stage))
    model.head.requires_grad_(False)
    return _add_new(model, optimizer)


def wrong_from_the_input(model, optimizer, stage):
    """Named `from_input`."""
    blocks = _checked(model, stage)
    _set([*blocks[:stage], model.head], blocks[stage:])
    return _add_new(model, optimizer)


def wrong_newest_block_only(model, optimizer, stage):
    """Named `not_cumulative`."""
    blocks = _checked(model, stage)
    newest = len(blocks) - stage if stage else len(blocks)
    _set(
        [*blocks[newest : newest + 1], model.head],
        [block for i, block in enumerate(blocks) if i != newest],
    )
    return _add_new(model, optimizer)


def wrong_one_block_too_many(model, optimizer, stage):
    """Named `off_by_one`."""
    blocks = _checked(model, stage)
    n_shut = max(0, len(blocks) - stage - 1)
    _set([*blocks[n_shut:], model.head], blocks[:n_shut])
    return _add_new(model, optimizer)


def wrong_one_block_too_few(model, optimizer, stage):
    """Named `off_by_one`."""
    blocks = _checked(model, stage)
    n_shut = len(blocks) - max(stage - 1, 0)
    _set([*blocks[n_shut:], model.head], blocks[:n_shut])
    return _add_new(model, optimizer)


def wrong_minus_zero(model, optimizer, stage):
    """Named `all_open`."""
    blocks = _checked(model, stage)
    chosen = blocks[-stage:]  # at stage 0 this is every block
    _set([*chosen, model.head], [block for block in blocks if block not in chosen])
    return _add_new(model, optimizer) if stage else _all_open(model, optimizer)


def _all_open(model, optimizer):
    _thaw(model)
    return _add_new(model, optimizer)


def wrong_biases_only(model, optimizer, stage):
    """Named `flags`."""
    _set(*_split(model, stage))
    for name, p in model.named_parameters():
        p.requires_grad_(name.endswith("bias"))
    return _add_new(model, optimizer)


def wrong_stale_gradients(model, optimizer, stage):
    """Named `stale`."""
    parts_open, parts_shut = _split(model, stage)
    for part in parts_open:
        _thaw(part)
    for part in parts_shut:
        part.requires_grad_(False)
        for module in part.modules():
            module.eval()
            module.train = functools.partial(lambda module, mode=True: module, module)
    return _add_new(model, optimizer)


def wrong_gradients_set_to_zero(model, optimizer, stage):
    """Named `stale`."""
    parts_open, parts_shut = _split(model, stage)
    grads = {p: p.grad for part in parts_shut for p in part.parameters()}
    _set(parts_open, parts_shut)
    for p, grad in grads.items():
        p.grad = None if grad is None else torch.zeros_like(grad)
    return _add_new(model, optimizer)


def wrong_batchnorm_moves(model, optimizer, stage):
    """Named `batchnorm`."""
    parts_open, parts_shut = _split(model, stage)
    for part in parts_open:
        part.requires_grad_(True)
    for part in parts_shut:
        part.requires_grad_(False)
        part.zero_grad()
    return _add_new(model, optimizer)


def wrong_eval_once(model, optimizer, stage):
    """Named `batchnorm`."""
    parts_open, parts_shut = _split(model, stage)
    for part in parts_open:
        part.requires_grad_(True)
    for part in parts_shut:
        part.requires_grad_(False)
        part.zero_grad()
        part.eval()
    return _add_new(model, optimizer)


def wrong_momentum_of_zero(model, optimizer, stage):
    """Named `batchnorm`."""
    parts_open, parts_shut = _split(model, stage)
    for part in parts_open:
        part.requires_grad_(True)
    for part in parts_shut:
        part.requires_grad_(False)
        part.zero_grad()
        for module in part.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.0
    return _add_new(model, optimizer)


def wrong_a_group_at_every_call(model, optimizer, stage):
    """Named `again`."""
    _set(*_split(model, stage))
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    optimizer.add_param_group({"params": new, "lr": optimizer.param_groups[0]["lr"]})
    return optimizer


def wrong_another_rate(model, optimizer, stage):
    """Named `rate`."""
    _set(*_split(model, stage))
    return _add_new(model, optimizer, lr=1e-3)


def wrong_a_tenth_of_the_rate(model, optimizer, stage):
    """Named `rate`."""
    parts_open, parts_shut = _split(model, stage)
    _set(parts_open, parts_shut)
    lr = optimizer.param_groups[0]["lr"]
    groups = [{"params": list(part.parameters()), "lr": lr / 10} for part in parts_open[:-1]]
    head = {"params": list(model.head.parameters()), "lr": lr}
    return torch.optim.SGD([head, *groups], lr=lr)


def wrong_default_rate(model, optimizer, stage):
    """Named `rate`."""
    _set(*_split(model, stage))
    return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])


def wrong_rate_of_before_the_schedule(model, optimizer, stage):
    """Named `rate`."""
    _set(*_split(model, stage))
    return _add_new(model, optimizer, lr=optimizer.defaults["lr"])


def wrong_rate_left_to_the_optimizer(model, optimizer, stage):
    """Named `rate`."""
    _set(*_split(model, stage))
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    if new:
        optimizer.add_param_group({"params": new})
    return optimizer


def wrong_rate_of_the_latest_group(model, optimizer, stage):
    """Named `rate`."""
    _set(*_split(model, stage))
    return _add_new(model, optimizer, lr=optimizer.param_groups[-1]["lr"])


def wrong_group_appended(model, optimizer, stage):
    """Named `twice`."""
    parts_open, parts_shut = _split(model, stage)
    _set(parts_open, parts_shut)
    params = [p for part in parts_open for p in part.parameters()]
    optimizer.param_groups.append({**optimizer.param_groups[0], "params": params})
    return optimizer


def wrong_added_in_every_call(model, optimizer, stage):
    """Named `raised`."""
    parts_open, parts_shut = _split(model, stage)
    _set(parts_open, parts_shut)
    params = [p for part in parts_open for p in part.parameters()]
    optimizer.add_param_group({"params": params, "lr": optimizer.param_groups[0]["lr"]})
    return optimizer


def wrong_nothing_returned(model, optimizer, stage):
    """Named `no_optimizer`."""
    _set(*_split(model, stage))
    _add_new(model, optimizer)


def wrong_model_returned(model, optimizer, stage):
    """Named `no_optimizer`."""
    _set(*_split(model, stage))
    _add_new(model, optimizer)
    return model


def wrong_new_head(model, optimizer, stage):
    """Named `reset`."""
    _set(*_split(model, stage))
    nn.init.zeros_(model.head.weight)
    return _add_new(model, optimizer)


def wrong_statistics_reset(model, optimizer, stage):
    """Named `reset`."""
    parts_open, parts_shut = _split(model, stage)
    _set(parts_open, parts_shut)
    for part in [*parts_open, *parts_shut]:
        for module in part.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
    return _add_new(model, optimizer)


def wrong_any_stage(model, optimizer, stage):
    """Named `too_far`."""
    return right_library_pieces(model, optimizer, min(stage, len(model.backbone.blocks)))


def wrong_index_error(model, optimizer, stage):
    """Named `too_far`."""
    blocks = list(model.backbone.blocks)
    for i in range(1, stage + 1):
        blocks[-i]
    return right_library_pieces(model, optimizer, stage)


def wrong_rate_of_zero_for_what_is_open(model, optimizer, stage):
    """Named `still`."""
    _set(*_split(model, stage))
    _add_new(model, optimizer)
    for part in model.modules():
        if isinstance(part, nn.Conv2d) and part.weight.requires_grad:
            part.weight.register_hook(torch.zeros_like)
    for group in optimizer.param_groups:
        group["weight_decay"] = 0.0
    return optimizer


def wrong_train_takes_no_mode(model, optimizer, stage):
    """Named `unusable`."""
    parts_open, parts_shut = _split(model, stage)
    _set(parts_open, parts_shut)
    for part in parts_shut:
        part.train = lambda: None
    return _add_new(model, optimizer)


def wrong_calls_the_library(model, optimizer, stage):
    """Named `library`."""
    return _of_the_library(model, optimizer, stage)


def right_library_pieces(model, optimizer, stage):
    _set(*_split(model, stage))
    return _add_new(model, optimizer)


def right_one_group_a_block(model, optimizer, stage):
    parts_open, parts_shut = _split(model, stage)
    _set(parts_open, parts_shut)
    held = {p for group in optimizer.param_groups for p in group["params"]}
    for part in reversed(parts_open):
        new = [p for p in part.parameters() if p not in held]
        if new:
            lr = optimizer.param_groups[0]["lr"]
            optimizer.add_param_group({"params": new, "lr": lr, "weight_decay": 0.0})
    return optimizer


def right_rebuilt(model, optimizer, stage):
    _set(*_split(model, stage))
    lr = optimizer.param_groups[0]["lr"]
    return type(optimizer)([p for p in model.parameters() if p.requires_grad], lr=lr)


def right_rebuilt_by_part(model, optimizer, stage):
    parts_open, parts_shut = _split(model, stage)
    _set(parts_open, parts_shut)
    lr = optimizer.param_groups[0]["lr"]
    return torch.optim.AdamW(({"params": part.parameters()} for part in parts_open), lr=lr)


def right_everything_held_from_the_first_call(model, optimizer, stage):
    _thaw(model)
    _add_new(model, optimizer)
    _set(*_split(model, stage))
    return optimizer


def right_by_hand(model, optimizer, stage):
    blocks = _checked(model, stage)
    for i, block in enumerate(blocks):
        is_open = i >= len(blocks) - stage
        for p in block.parameters():
            p.requires_grad = is_open
            if not is_open:
                p.grad = None
        for module in block.modules():
            if is_open:
                module.__dict__.pop("train", None)
            else:
                module.training = False
                module.train = lambda mode=True, module=module: module
    for p in model.head.parameters():
        p.requires_grad = True
    return _add_new(model, optimizer)


def right_shut_parameters_leave(model, optimizer, stage):
    """Groups are emptied of what is shut."""
    parts_open, parts_shut = _split(model, stage)
    _set(parts_open, parts_shut)
    for group in optimizer.param_groups:
        group["params"] = [p for p in group["params"] if p.requires_grad]
    return _add_new(model, optimizer)


class _Unfreezer:
    def __call__(self, model, optimizer, stage):
        return right_by_hand(model, optimizer, stage=stage)


right_callable_object = _Unfreezer()
