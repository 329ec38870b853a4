import torch
from torch import nn


def _shut_parameters(module):
    for parameter in module.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None


def _stay_eval(part):
    part.eval()
    part.train = lambda mode=True: part


def wrong_only_the_root_refuses(module):
    """Thinks that train() always comes from above and lets the root alone refuse it; contradicts
    "every submodule is in eval mode and stays so after train() on it".

    Named `root_only`.
    """
    _shut_parameters(module)
    module.eval()
    module.train = lambda mode=True: module
    return module


def wrong_zeros_are_nothing(module):
    """Thinks that a gradient of zeros moves nothing; contradicts "grad None" and "no parameter
    changes, also under momentum and weight decay".

    Named `zeroed`.
    """
    for parameter in module.parameters():
        parameter.requires_grad_(False)
        if parameter.grad is not None:
            parameter.grad.zero_()
    for part in module.modules():
        _stay_eval(part)
    return module


def wrong_forward_without_graph(module):
    """Thinks that a frozen module needs no graph and runs its forward pass in no_grad; contradicts
    "the gradient still flows through to the input".

    Named `input_gradient`.
    """
    _shut_parameters(module)
    for part in module.modules():
        _stay_eval(part)
    module.forward = torch.no_grad()(module.forward)
    return module


def wrong_batchnorm_only(module):
    """Thinks that only batch-norm has to stay in eval mode, since only it has buffers; contradicts
    "every submodule is in eval mode and stays so", dropout among them.

    Named `other_layers`.
    """
    _shut_parameters(module)
    module.eval()
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            _stay_eval(part)
    return module


def wrong_skips_what_is_off(module):
    """Thinks that a parameter with requires_grad False is frozen already, though an old gradient
    may lie in it; contradicts "every parameter: requires_grad False, grad None".

    Named `stale`.
    """
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter.requires_grad_(False)
            parameter.grad = None
    for part in module.modules():
        _stay_eval(part)
    return module


def wrong_eval_before_each_call(module):
    """Thinks that it is enough to switch back to eval mode just before each forward pass;
    contradicts "is in eval mode and stays so after train() on it, on the module or on a parent".

    Named `late`.
    """
    _shut_parameters(module)
    module.eval()

    def back_to_eval(part, inputs):
        part.training = False

    for part in module.modules():
        part.register_forward_pre_hook(back_to_eval)
    return module


class _Deaf:
    """Answers train() of one part: does nothing and returns the part."""

    def __init__(self, part):
        self.part = part

    def __call__(self, mode=True):
        return self.part


def right_callable_object_too(module):
    """An object as the answer to train(), put straight into the instance's dictionary."""
    for part in list(module.modules()):
        part.training = False
        vars(part)["train"] = _Deaf(part)
        for parameter in part.parameters(recurse=False):
            parameter.grad = None
            parameter.requires_grad = False
    return module


def right_changes_the_class(module):
    """Each part becomes an instance of a subclass in which train() does nothing."""

    def visit(part):
        own = type(part)
        if not getattr(own, "_hears_no_train", False):
            methods = {"train": lambda self, mode=True: self, "_hears_no_train": True}
            part.__class__ = type(own.__name__, (own,), methods)
        part.training = False
        for parameter in part.parameters(recurse=False):
            parameter.requires_grad_(False)
            parameter.grad = None
        for child in part.children():
            visit(child)

    visit(module)
    return module
