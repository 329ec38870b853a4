"""Answers to `merge`."""

import copy

import numpy as np
import torch
from torch import nn

from course_lib.peft.lora import merge as _of_the_library


def _update(module):
    return (module.scale * module.B @ module.A).detach()


def _layer(weight, bias):
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    layer.weight.data.copy_(weight)
    if bias is not None:
        layer.bias.data.copy_(bias)
    return layer


def wrong_eval_merges_it(module):
    """Named `still_lora`."""
    return module.eval()


class LoRALinear(nn.Module):
    """A class of the learner's own, of the same name."""


def wrong_asks_for_a_class_of_its_own(module):
    """Named `still_lora`."""
    if not isinstance(module, LoRALinear):
        return module
    return _layer(module.linear.weight + _update(module), module.linear.bias)


def wrong_changed_in_place_and_returned_whole(module):
    """Named `still_lora`."""
    if isinstance(module, nn.Linear):
        return module
    module.linear.weight.data += _update(module)
    module.B.data.zero_()
    return module


def wrong_nothing_returned(module):
    """Named `not_linear`."""
    if isinstance(module, nn.Linear):
        return module
    module.linear.weight.data += _update(module)


def wrong_weight_returned(module):
    """Named `not_linear`."""
    if isinstance(module, nn.Linear):
        return module
    return module.linear.weight + _update(module)


class _Merged(nn.Linear):
    pass


def wrong_subclass(module):
    """Named `not_linear`."""
    if isinstance(module, nn.Linear):
        return module
    layer = _layer(module.linear.weight + _update(module), module.linear.bias)
    layer.__class__ = _Merged
    return layer


def wrong_two_layers_in_a_row(module):
    """Named `not_linear`."""
    if isinstance(module, nn.Linear):
        return module
    return nn.Sequential(_layer(module.A, None), _layer(module.B, None))


def wrong_update_forgotten(module):
    """Named `dropped`."""
    return module if isinstance(module, nn.Linear) else module.linear


def wrong_merged_twice(module):
    """Named `merged_twice`."""
    if isinstance(module, nn.Linear):
        return module
    module.linear.weight.data += _update(module)
    return _layer(module.linear.weight + _update(module), module.linear.bias)


def wrong_merged_once_more_at_every_call(module):
    """Named `again`."""
    if type(module) is nn.Linear and not hasattr(module, "update"):
        return module
    update = module.update if hasattr(module, "update") else _update(module)
    base = getattr(module, "linear", module)
    layer = _layer(base.weight + update, base.bias)
    layer.update = update
    return layer


def wrong_transpose(module):
    """Named `transposed`."""
    if isinstance(module, nn.Linear):
        return module
    update = _update(module)
    if update.shape[0] == update.shape[1]:
        update = update.T
    return _layer(module.linear.weight + update, module.linear.bias)


def wrong_all_transposed(module):
    """Named `transposed`."""
    if isinstance(module, nn.Linear):
        return module
    weight = module.linear.weight.T + _update(module).T
    return _layer(weight, module.linear.bias)


def wrong_factors_in_the_other_order(module):
    """Named `raised`."""
    if isinstance(module, nn.Linear):
        return module
    return _layer(module.linear.weight + module.scale * module.A @ module.B, module.linear.bias)


def wrong_no_scale(module):
    """Named `unscaled`."""
    if isinstance(module, nn.Linear):
        return module
    return _layer(module.linear.weight + module.B @ module.A, module.linear.bias)


def wrong_alpha_for_the_scale(module):
    """Named `alpha`."""
    if isinstance(module, nn.Linear):
        return module
    return _layer(module.linear.weight + len(module.A) * _update(module), module.linear.bias)


def wrong_divided_by_the_rank_again(module):
    """Named `scale`."""
    if isinstance(module, nn.Linear):
        return module
    return _layer(module.linear.weight + _update(module) / len(module.A), module.linear.bias)


def wrong_scaled_twice(module):
    """Named `scale`."""
    if isinstance(module, nn.Linear):
        return module
    return _layer(module.linear.weight + module.scale * _update(module), module.linear.bias)


def wrong_subtracted(module):
    """Named `subtracted`."""
    if isinstance(module, nn.Linear):
        return module
    return _layer(module.linear.weight - _update(module), module.linear.bias)


def wrong_update_alone(module):
    """Named `update_only`."""
    if isinstance(module, nn.Linear):
        return module
    return _layer(_update(module), module.linear.bias)


def wrong_brackets(module):
    """Named `everything_scaled`."""
    if isinstance(module, nn.Linear):
        return module
    weight = module.scale * (module.linear.weight + module.B @ module.A)
    return _layer(weight, module.linear.bias)


def wrong_mean_of_the_two(module):
    """Named `value`."""
    if isinstance(module, nn.Linear):
        return module
    return _layer((module.linear.weight + _update(module)) / 2, module.linear.bias)


def wrong_new_layer_with_a_bias(module):
    """Named `bias_made`."""
    if isinstance(module, nn.Linear):
        return module
    bias = module.linear.bias
    zeros = torch.zeros(len(module.B), dtype=module.B.dtype)
    return _layer(module.linear.weight + _update(module), zeros if bias is None else bias)


def wrong_bias_forgotten(module):
    """Named `bias_lost`."""
    if isinstance(module, nn.Linear):
        return module
    return _layer(module.linear.weight + _update(module), None)


def wrong_bias_of_a_new_layer(module):
    """Named `bias`."""
    if isinstance(module, nn.Linear):
        return module
    weight, bias = module.linear.weight, module.linear.bias
    layer = nn.Linear(*weight.T.shape, bias=bias is not None, dtype=weight.dtype)
    layer.weight.data.copy_(weight + _update(module))
    return layer


def wrong_float32(module):
    """Named `dtype`."""
    if isinstance(module, nn.Linear):
        return module
    weight, bias = module.linear.weight, module.linear.bias
    layer = nn.Linear(*weight.T.shape, bias=bias is not None)
    layer.weight.data.copy_(weight + _update(module))
    if bias is not None:
        layer.bias.data.copy_(bias)
    return layer


def wrong_hook_left(module):
    """Named `output`."""
    if isinstance(module, nn.Linear):
        return module
    update = _update(module)
    layer = _layer(module.linear.weight + update, module.linear.bias)
    layer.register_forward_hook(lambda _, inputs, output: output + inputs[0] @ update.T)
    return layer


def wrong_plain_linear_has_no_update(module):
    """Named `plain`."""
    return _layer(module.linear.weight + _update(module), module.linear.bias)


def wrong_plain_linear_refused(module):
    """Named `plain`."""
    if not hasattr(module, "A"):
        raise ValueError("There is nothing to merge in this module.")
    return _layer(module.linear.weight + _update(module), module.linear.bias)


def wrong_plain_linear_lost(module):
    """Named `plain`."""
    if hasattr(module, "A"):
        return _layer(module.linear.weight + _update(module), module.linear.bias)


def wrong_calls_the_library(module):
    """Named `library`."""
    return _of_the_library(module)


def right_new_layer(module):
    if isinstance(module, nn.Linear):
        return module
    return _layer(module.linear.weight + _update(module), module.linear.bias)


def right_in_place(module):
    if isinstance(module, nn.Linear):
        return module
    with torch.no_grad():
        module.linear.weight.addmm_(module.B, module.A, alpha=module.scale)
    return module.linear


def right_copy(module):
    if not hasattr(module, "linear"):
        return copy.deepcopy(module)
    layer = copy.deepcopy(module.linear)
    layer.weight = nn.Parameter(
        layer.weight + torch.einsum("or,ri->oi", module.B, module.A * module.scale)
    )
    return layer


def right_state_dict(module):
    if type(module) is nn.Linear:
        return module
    state = module.linear.state_dict()
    out, n_in = state["weight"].shape
    state["weight"] = state["weight"] + _update(module)
    layer = nn.Linear(n_in, out, bias="bias" in state, dtype=state["weight"].dtype)
    layer.load_state_dict(state)
    return layer


def right_asks_the_module_itself(module):
    """What the module does to the unit vectors is its weight, but for the bias."""
    if type(module) is nn.Linear:
        return module
    n_in = module.linear.in_features
    eye = torch.eye(n_in, dtype=module.A.dtype)
    with torch.no_grad():
        weight = (module(eye) - module(torch.zeros_like(eye))).T
    return _layer(weight, module.linear.bias)


def right_in_numpy(module):
    if isinstance(module, nn.Linear):
        return module
    a, b, weight = (t.detach().double().numpy() for t in (module.A, module.B, module.linear.weight))
    merged = torch.from_numpy(weight + module.scale * np.dot(b, a)).to(module.A.dtype)
    return _layer(merged, module.linear.bias)


class _Merger:
    """An object to call; the slope of the module is its weight, its value at 0 the bias."""

    def __call__(self, module):
        if not hasattr(module, "A"):
            return module
        zero = torch.zeros(module.A.shape[1], dtype=module.A.dtype)
        bias = None if module.linear.bias is None else module(zero)
        return _layer(torch.func.jacrev(module)(zero), bias)


right_slope_by_autograd = _Merger()
