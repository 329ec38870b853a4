import copy

import numpy as np
import torch
from torch import nn

from course_lib.peft import lora


def wrong_divided_by_rank_again(module):
    """Takes .scale for alpha and divides by the rank once more, against ".scale is alpha / rank"
    and "(W + scale · B A) x".

    Named `scale`.
    """
    if isinstance(module, nn.Linear):
        return module
    with torch.no_grad():
        module.linear.weight += module.scale / module.A.shape[0] * module.B @ module.A
    return module.linear


def wrong_bias_of_zeros(module):
    """Gives the new layer a bias of zeros where there was none, against "The bias is kept, and
    None stays None".

    Named `bias_made`.
    """
    if isinstance(module, nn.Linear):
        return module
    old = module.linear
    new = copy.deepcopy(old)
    new.weight.data = old.weight.data + module.scale * (module.B @ module.A).data
    bias = torch.zeros_like(old.weight[:, 0]) if old.bias is None else old.bias.detach().clone()
    new.bias = nn.Parameter(bias)
    return new


def wrong_new_layer_in_float32(module):
    """Makes the new layer in the default dtype on the default device, so it refuses the module's
    own inputs, against "an nn.Linear that computes what the module does".

    Named `dtype`.
    """
    if isinstance(module, nn.Linear):
        return module
    old = module.linear
    new = nn.Linear(old.in_features, old.out_features, bias=old.bias is not None)
    with torch.no_grad():
        new.weight.copy_(old.weight + module.scale * module.B @ module.A)
        if old.bias is not None:
            new.bias.copy_(old.bias)
    return new


def wrong_still_the_lora_layer(module):
    """Puts the update into the weight and sets B to zero, but hands back the layer that still
    multiplies three times, against "Return exactly an nn.Linear".

    Named `still_lora`.
    """
    if isinstance(module, nn.Linear):
        return module
    with torch.no_grad():
        module.linear.weight.add_(module.scale * module.B @ module.A)
        module.B.zero_()
    return module


def wrong_added_twice(module):
    """Believes that weight.data is a copy, so the update goes in with += and then once more,
    against "(W + scale · B A) x".

    Named `merged_twice`.
    """
    if isinstance(module, nn.Linear):
        return module
    update = module.scale * (module.B @ module.A).detach()
    merged = module.linear.weight.data
    merged += update
    new = copy.deepcopy(module.linear)
    new.weight.data = module.linear.weight.data + update
    return new


def wrong_plain_layers_frozen(module):
    """Takes merging for "ready for use" and freezes plain layers too, against "a plain nn.Linear,
    which comes back unchanged" ("they come back as they are").

    Named `plain`.
    """
    if hasattr(module, "A"):
        with torch.no_grad():
            module.linear.weight.copy_(module.linear.weight + module.scale * module.B @ module.A)
        module = module.linear
    return module.requires_grad_(False)


def right_one_direction_after_another(module):
    """Adds the outer products of the columns of B and the rows of A to the old layer itself."""
    if not isinstance(module, lora.LoRALinear):
        return module
    layer, scale = module.linear, float(module.scale)
    with torch.no_grad():
        for column, row in zip(module.B.unbind(dim=1), module.A.unbind(dim=0), strict=False):
            layer.weight.addr_(column, row, alpha=scale)
    return layer


def right_numpy_in_a_copy(module, *, dtype=np.float64):
    """A deep copy of the old layer, whose weight comes from an einsum in NumPy, in double."""
    if type(module) is nn.Linear:
        return module
    new = copy.deepcopy(module.linear)
    w, a, b = (
        t.detach().cpu().double().numpy().astype(dtype) for t in (new.weight, module.A, module.B)
    )
    total = w + float(module.scale) * np.einsum("or,ri->oi", b, a)
    new.weight.data = torch.from_numpy(total).to(new.weight.device, new.weight.dtype)
    return new
