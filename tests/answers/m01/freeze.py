"""Answers to `freeze`."""

import copy
import functools
import sys
import types

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import FrozenBatchNorm2d

from course_lib.transfer.freeze import freeze as _of_the_library


def _no_gradients(module):
    for parameter in module.parameters():
        parameter.requires_grad = False
        parameter.grad = None


def _stay_in_eval(module):
    for part in module.modules():
        part.eval()
        part.train = lambda mode=True, part=part: part


def wrong_only_requires_grad(module):
    """Named `still_training`."""
    _no_gradients(module)
    return module


def wrong_torchs_own_requires_grad(module):
    """Named `still_training`."""
    return module.requires_grad_(False)


def wrong_eval_once(module):
    """Named `undone`."""
    _no_gradients(module)
    return module.eval()


def wrong_only_batch_norm_in_eval_once(module):
    """Named `undone`."""
    _no_gradients(module)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    return module


def wrong_misspelt_attribute(module):
    """Named `misspelt`."""
    for parameter in module.parameters():
        parameter.require_grad = False
        parameter.grad = None
    _stay_in_eval(module)
    return module


def wrong_attribute_of_another_library(module):
    """Named `misspelt`."""
    module.trainable = False
    _stay_in_eval(module)
    return module


def wrong_attribute_on_the_module(module):
    """Named `on_the_module`."""
    module.requires_grad = False
    _stay_in_eval(module)
    return module


def wrong_attribute_on_every_layer(module):
    """Named `on_the_module`."""
    for part in module.modules():
        part.requires_grad = False
    _stay_in_eval(module)
    return module


def wrong_mode_but_no_flags(module):
    """Named `nothing_frozen`."""
    for parameter in module.parameters():
        parameter.grad = None
    _stay_in_eval(module)
    return module


def wrong_loops_over_names(module):
    """Named `nothing_frozen`."""
    for name, _ in module.named_parameters():
        types.SimpleNamespace(name=name, requires_grad=False)
    _stay_in_eval(module)
    return module


def wrong_only_weights(module):
    """Named `some`."""
    for name, parameter in module.named_parameters():
        if name.endswith("weight"):
            parameter.requires_grad = False
        parameter.grad = None
    _stay_in_eval(module)
    return module


def wrong_only_the_last_block(module):
    """Named `some`."""
    _stay_in_eval(module)
    for parameter in list(module.parameters())[-3:]:
        parameter.requires_grad = False
    return module


def wrong_only_the_first_block(module):
    """Named `some`."""
    _stay_in_eval(module)
    blocks = getattr(module, "blocks", [module])
    _no_gradients(blocks[0])
    return module


def wrong_not_batch_norms_scale_and_shift(module):
    """Named `some`."""
    for part in module.modules():
        if not isinstance(part, nn.BatchNorm2d):
            for parameter in part.parameters(recurse=False):
                parameter.requires_grad, parameter.grad = False, None
    _stay_in_eval(module)
    return module


def wrong_batch_norm_only(module):
    """Named `some`."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            _no_gradients(part)
    _stay_in_eval(module)
    return module


def wrong_train_of_the_root_only(module):
    """Named `root_only`."""
    _no_gradients(module)
    module.eval()
    module.train = lambda mode=True: module
    return module


def wrong_subclass_of_the_root_only(module):
    """Named `root_only`."""
    _no_gradients(module)
    module.eval()
    kind = type(module)
    module.__class__ = type(
        "Frozen" + kind.__name__, (kind,), {"train": lambda self, mode=True: self}
    )
    return module


def wrong_train_of_the_children_only(module):
    """Named `root_only`."""
    _no_gradients(module)
    module.eval()
    for part in [module, *module.children()]:
        part.train = lambda mode=True, part=part: part
    return module


def wrong_hook_on_the_root(module):
    """Named `called_alone`."""
    _no_gradients(module)
    module.eval().register_forward_pre_hook(lambda part, _: part.eval() and None)
    return module


def wrong_stale_gradients(module):
    """Named `stale`."""
    module.requires_grad_(False)
    _stay_in_eval(module)
    return module


def wrong_gradients_set_to_zero(module):
    """Named `zeroed`."""
    for parameter in module.parameters():
        parameter.requires_grad = False
        if parameter.grad is not None:
            parameter.grad.zero_()
    _stay_in_eval(module)
    return module


def wrong_zero_grad_without_none(module):
    """Named `zeroed`."""
    module.zero_grad(set_to_none=False)
    module.requires_grad_(False)
    _stay_in_eval(module)
    return module


def wrong_momentum_of_zero(module):
    """Named `counter`."""
    _no_gradients(module)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 0.0
    return module


def wrong_no_running_statistics(module):
    """Named `batch_statistics`."""
    _no_gradients(module)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.track_running_stats = False
    return module.eval()


def wrong_statistics_deleted(module):
    """Named `buffers_lost`."""
    _no_gradients(module)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean = part.running_var = part.num_batches_tracked = None
    _stay_in_eval(module)
    return module


def wrong_statistics_reset(module):
    """Named `reset`."""
    _no_gradients(module)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
    _stay_in_eval(module)
    return module


def wrong_weights_reset(module):
    """Named `reset`."""
    for parameter in module.parameters():
        parameter.data = torch.zeros_like(parameter)
    _no_gradients(module)
    _stay_in_eval(module)
    return module


def wrong_weights_drawn_anew(module):
    """Named `random state`."""
    for part in module.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    _no_gradients(module)
    _stay_in_eval(module)
    return module


def wrong_only_batch_norm_stays(module):
    """Named `other_layers`."""
    _no_gradients(module)
    module.eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.train = lambda mode=True, part=part: part
    return module


def wrong_only_known_layers_stay(module):
    """Named `other_layers`."""
    _no_gradients(module)
    module.eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d | nn.Dropout):
            part.train = lambda mode=True, part=part: part
    return module


def wrong_frozen_copy(module):
    """Named `copy`."""
    module = copy.deepcopy(module)
    _no_gradients(module)
    _stay_in_eval(module)
    return module


def wrong_wrapped(module):
    """Named `copy`."""
    _no_gradients(module)
    _stay_in_eval(module)
    return nn.Sequential(module)


class _AlwaysEqual:
    def __eq__(self, other):
        return True

    __hash__ = None


def wrong_object_that_equals_everything(module):
    """Named `copy`."""
    _no_gradients(module)
    _stay_in_eval(module)
    return _AlwaysEqual()


def wrong_list_of_parameters(module):
    """Named `copy`."""
    _no_gradients(module)
    _stay_in_eval(module)
    return list(module.parameters())


def wrong_nothing_returned(module):
    """Named `nothing_returned`."""
    _no_gradients(module)
    _stay_in_eval(module)


def wrong_forward_without_gradients(module):
    """Named `input_gradient`."""
    _no_gradients(module)
    _stay_in_eval(module)
    module.forward = torch.no_grad()(module.forward)
    return module


def wrong_output_detached(module):
    """Named `input_gradient`."""
    _no_gradients(module)
    _stay_in_eval(module)
    module.register_forward_hook(lambda _, inputs, output: output.detach())
    return module


def wrong_forward_in_inference_mode(module):
    """Named `unusable`."""
    _no_gradients(module)
    _stay_in_eval(module)
    module.forward = torch.inference_mode()(module.forward)
    return module


def wrong_train_takes_no_mode(module):
    """Named `unusable`."""
    _no_gradients(module)
    for part in module.modules():
        part.training = False
        part.train = lambda part=None: part
        part.train = types.MethodType(lambda part: part, part)
    return module


def wrong_train_removed(module):
    """Named `unusable`."""
    _no_gradients(module)
    module.eval()
    for part in module.modules():
        part.train = None
    return module


def wrong_new_parameters_in_the_old_memory(module):
    """Named `moved`."""
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            # An optimiser made before still has the old ones, and their gradients.
            setattr(part, name, nn.Parameter(parameter.data, requires_grad=False))
    _stay_in_eval(module)
    return module


def wrong_toggles(module):
    """Named `twice`."""
    if all(not parameter.requires_grad for parameter in module.parameters()):
        module.requires_grad_(True)
        return module
    _no_gradients(module)
    _stay_in_eval(module)
    return module


def wrong_second_call_puts_train_back(module):
    """Named `twice`."""
    _no_gradients(module)
    for part in module.modules():
        if "train" in vars(part):
            del part.train
        else:
            part.train = lambda mode=True, part=part: part
        part.training = False
    return module


def wrong_gradients_off_for_good(module):
    """Named `gradient mode`."""
    torch.set_grad_enabled(False)
    _no_gradients(module)
    _stay_in_eval(module)
    return module


def wrong_tries_it_with_random_images(module):
    """Named `random state`."""
    _no_gradients(module)
    _stay_in_eval(module)
    torch.rand(1, 3, 8, 8)
    return module


def wrong_needs_a_backbone(module):
    """Named `raised`."""
    _no_gradients(module.backbone)
    _stay_in_eval(module.backbone)
    return module


def wrong_asks_its_callers(module):
    """Named `copy`."""
    frame = sys._getframe(1)
    while frame:
        for name in ("truth", "expected", "frozen"):
            if isinstance(frame.f_locals.get(name), nn.Module):
                return frame.f_locals[name]
        frame = frame.f_back
    return copy.copy(module)


def wrong_calls_the_library(module):
    """Named `library`."""
    return _of_the_library(module)


def right_train_of_every_part(module):
    _no_gradients(module)
    _stay_in_eval(module)
    return module


class _Frozen:
    """Mixed into the class of every part: its train() keeps eval mode."""

    def train(self, mode=True):
        self.training = False
        for child in self.children():
            child.train(mode)
        return self


@functools.cache
def _frozen(kind):
    return type(f"Frozen{kind.__name__}", (_Frozen, kind), {})


def right_classes_swapped(module):
    module.requires_grad_(False).zero_grad(set_to_none=True)
    for part in module.modules():
        if not isinstance(part, _Frozen):
            part.__class__ = _frozen(type(part))
    return module.train()


def right_recursion(module):
    for parameter in module.parameters(recurse=False):
        parameter.requires_grad_(False)
        parameter.grad = None
    for child in module.children():
        right_recursion(child)
    module.training = False
    module.train = types.MethodType(lambda part, mode=True: part, module)
    return module


def wrong_hook_on_every_part(module, mode=False):
    """Named `late`."""
    _no_gradients(module)
    for part in module.modules():
        part.eval()
        part.register_forward_pre_hook(lambda part, _: part.__setattr__("training", mode))
    return module


def wrong_forward_of_every_part(module):
    """Named `late`."""

    def held(part, forward):
        def in_eval(*args, **kwargs):
            before, part.training = part.training, False
            try:
                return forward(*args, **kwargs)
            finally:
                part.training = before

        return in_eval

    _no_gradients(module)
    for part in module.modules():
        part.forward = held(part, part.forward)
    return module


def _frozen_batch_norm(layer):
    frozen = FrozenBatchNorm2d(layer.num_features, eps=layer.eps)
    state = layer.state_dict()
    state.pop("num_batches_tracked", None)
    frozen.load_state_dict(state)
    return frozen


def right_batch_norm_replaced(module):
    for part in list(module.modules()):
        for name, child in part.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(part, name, _frozen_batch_norm(child))
    _no_gradients(module)
    _stay_in_eval(module)
    return module


class _FunctionalBatchNorm(nn.Module):
    """Keeps the parameters and buffers of the layer it stands for, under their names."""

    def __init__(self, layer):
        super().__init__()
        self.eps = layer.eps
        for name, value in {**layer._parameters, **layer._buffers}.items():
            self.register_buffer(name, value.detach().clone())

    def forward(self, x):
        state = self.running_mean, self.running_var, self.weight, self.bias
        return F.batch_norm(x, *state, training=False, eps=self.eps)


def right_batch_norm_replaced_by_a_function(module):
    for name, part in list(module.named_modules()):
        if name and isinstance(part, nn.BatchNorm2d):
            parent, _, last = name.rpartition(".")
            setattr(module.get_submodule(parent), last, _FunctionalBatchNorm(part))
    return right_train_of_every_part(module)


class _Freezer:
    def __call__(self, module, **settings):
        module.apply(self.hold)
        return module.eval()

    @staticmethod
    def hold(part):
        part.requires_grad_(False)
        part.zero_grad()
        part.train = functools.partial(nn.Module.train, part, False)
        part.train = functools.partial(lambda part, mode=True: part, part)
        part.training = False


right_callable_object = _Freezer()
