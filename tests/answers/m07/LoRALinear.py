"""Answers to `LoRALinear`: classes, and whatever makes a module."""

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from course_lib.peft.lora import LoRALinear as _OfTheLibrary


def _checked(linear, rank):
    if not 1 <= rank <= min(linear.in_features, linear.out_features):
        raise ValueError(f"The rank {rank} does not fit this layer.")
    return linear.requires_grad_(False)


class _Right(nn.Module):
    """A textbook answer, whose parts the mistaken ones replace."""

    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = _checked(linear, rank)
        self.like = {"dtype": linear.weight.dtype, "device": linear.weight.device}
        self.A = nn.Parameter(torch.randn(rank, linear.in_features, **self.like))
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank, **self.like))
        self.rank, self.alpha = rank, alpha

    def update(self, x):
        return x @ self.A.T @ self.B.T

    def forward(self, x):
        return self.linear(x) + self.alpha / self.rank * self.update(x)


class wrong_both_factors_zero(_Right):
    """Named `both_zero`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        nn.init.zeros_(self.A)


class wrong_both_factors_random(_Right):
    """Named `none_zero`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        nn.init.normal_(self.B)


class wrong_both_nearly_zero(_Right):
    """Named `none_zero`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        nn.init.normal_(self.B, std=1e-6)


class wrong_ones(_Right):
    """Named `not_random`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        nn.init.constant_(self.A, 0.1)


class wrong_one_row_repeated(_Right):
    """Named `not_random`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.A.data[:] = self.A.data[0]


class wrong_identity(_Right):
    """Named `not_random`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        nn.init.eye_(self.A)


class wrong_alpha_without_rank(_Right):
    """Named `alpha`."""

    def forward(self, x):
        return self.linear(x) + self.alpha * self.update(x)


class wrong_no_scale(_Right):
    """Named `unscaled`."""

    def forward(self, x):
        return self.linear(x) + self.update(x)


class wrong_rank_over_alpha(_Right):
    """Named `scale`."""

    def forward(self, x):
        return self.linear(x) + self.rank / self.alpha * self.update(x)


class wrong_root_of_the_rank(_Right):
    """Named `scale`."""

    def forward(self, x):
        return self.linear(x) + self.alpha / math.sqrt(self.rank) * self.update(x)


class wrong_scaled_twice(_Right):
    """Named `scale`."""

    def forward(self, x):
        scale = self.alpha / self.rank
        return self.linear(x) + scale * F.linear(x, scale * self.B @ self.A)


class wrong_everything_scaled(_Right):
    """Named `everything_scaled`."""

    def forward(self, x):
        return self.alpha / self.rank * (self.linear(x) + self.update(x))


class wrong_update_alone(_Right):
    """Named `no_base`."""

    def forward(self, x):
        return self.alpha / self.rank * self.update(x)


class wrong_bias_forgotten(_Right):
    """Named `no_bias`."""

    def forward(self, x):
        return F.linear(x, self.linear.weight + self.alpha / self.rank * self.B @ self.A)


class wrong_subtracted(_Right):
    """Named `subtracted`."""

    def forward(self, x):
        return self.linear(x) - self.alpha / self.rank * self.update(x)


class wrong_relu_between(_Right):
    """Named `activation`."""

    def update(self, x):
        return (x @ self.A.T).relu() @ self.B.T


class wrong_dropout(_Right):
    """Named `value`."""

    def update(self, x):
        return F.dropout(x, 0.5, self.training) @ self.A.T @ self.B.T


class wrong_input_added(_Right):
    """Named `start`."""

    def forward(self, x):
        return super().forward(x) + x.sum(-1, keepdim=True)


class wrong_update_never_used(_Right):
    """Named `no_update`."""

    def forward(self, x):
        return self.linear(x)


class wrong_merged_once_and_for_all(_Right):
    """Named `no_update`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.register_buffer("merged", (linear.weight + alpha / rank * self.B @ self.A).detach())

    def forward(self, x):
        return F.linear(x, self.merged, self.linear.bias)


class wrong_without_gradient(_Right):
    """Named `no_gradient`."""

    def forward(self, x):
        with torch.no_grad():
            update = super().update(x)
        return self.linear(x) + self.alpha / self.rank * update


class wrong_one_factor_detached(_Right):
    """Named `no_gradient`."""

    def update(self, x):
        return x @ self.A.detach().T @ self.B.T


class wrong_gradient_made_larger(_Right):
    """Named `training`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.B.register_hook(lambda gradient: 16 * gradient)


class wrong_first_factor_frozen(_Right):
    """Named `one_factor`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.A.requires_grad = False


class wrong_plain_tensors(_Right):
    """Named `nothing_trains`."""

    def __init__(self, linear, rank, alpha):
        nn.Module.__init__(self)
        self.linear = _checked(linear, rank)
        self.A = torch.randn(rank, linear.in_features, dtype=linear.weight.dtype)
        self.A.requires_grad_()
        self.B = torch.zeros(linear.out_features, rank, dtype=linear.weight.dtype)
        self.B.requires_grad_()
        self.rank, self.alpha = rank, alpha


class wrong_everything_frozen(_Right):
    """Named `nothing_trains`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.requires_grad_(False)


class wrong_base_not_frozen(_Right):
    """Named `base_trains`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        linear.requires_grad_(True)


class wrong_only_the_weight_frozen(_Right):
    """Named `base_trains`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        if linear.bias is not None:
            linear.bias.requires_grad = True


class wrong_base_hidden_in_a_list(_Right):
    """Named `base_trains`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        linear.requires_grad_(True)
        del self.linear
        self.hidden = [linear]

    def forward(self, x):
        return self.hidden[0](x) + self.alpha / self.rank * self.update(x)


class wrong_bias_in_a_factor(_Right):
    """Named `factors`."""

    def __init__(self, linear, rank, alpha):
        nn.Module.__init__(self)
        self.linear = _checked(linear, rank)
        self.down = nn.Linear(linear.in_features, rank, bias=False).to(linear.weight)
        self.up = nn.Linear(rank, linear.out_features).to(linear.weight)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        self.rank, self.alpha = rank, alpha

    def update(self, x):
        return self.up(self.down(x))


class wrong_update_in_full_size(_Right):
    """Named `factors`."""

    def __init__(self, linear, rank, alpha):
        nn.Module.__init__(self)
        self.linear = _checked(linear, rank)
        self.delta = nn.Parameter(torch.zeros_like(linear.weight))
        self.rank, self.alpha = rank, alpha

    def update(self, x):
        return x @ self.delta.T


class wrong_factors_of_float32(_Right):
    """Named `dtype`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.A = nn.Parameter(self.A.data.float())
        self.B = nn.Parameter(self.B.data.float())


class wrong_input_converted_to_float32(_Right):
    """Named `dtype`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.A = nn.Parameter(self.A.data.float())
        self.B = nn.Parameter(self.B.data.float())

    def update(self, x):
        return (x.float() @ self.A.T @ self.B.T).to(x.dtype)


class wrong_factors_on_the_cpu(_Right):
    """Named `device`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        dtype = linear.weight.dtype
        self.A = nn.Parameter(torch.randn(rank, linear.in_features, dtype=dtype))
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank, dtype=dtype))


class wrong_base_reset(_Right):
    """Named `base_changed`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        linear.reset_parameters()


class wrong_trains_into_the_weight(_Right):
    """Named `base_changed`."""

    def forward(self, x):
        if self.training:
            self.linear.weight.data += 1e-2 * self.B.data @ self.A.data
        return super().forward(x)


class wrong_any_rank(_Right):
    """Named `rank`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, max(1, min(rank, linear.in_features, linear.out_features)), alpha)


class wrong_rank_by_assertion(_Right):
    """Named `rank`."""

    def __init__(self, linear, rank, alpha):
        assert 1 <= rank <= min(linear.in_features, linear.out_features), "no such rank"
        super().__init__(linear, rank, alpha)


class wrong_rank_refused_without_a_sentence(_Right):
    """Named `rank`."""

    def __init__(self, linear, rank, alpha):
        if not 1 <= rank <= min(linear.in_features, linear.out_features):
            raise ValueError(rank)
        super().__init__(linear, rank, alpha)


class wrong_largest_rank_refused(_Right):
    """Named `rank_refused`."""

    def __init__(self, linear, rank, alpha):
        if rank >= min(linear.in_features, linear.out_features):
            raise ValueError("The rank must be smaller than both sides.")
        super().__init__(linear, rank, alpha)


class wrong_rank_one_refused(_Right):
    """Named `rank_refused`."""

    def __init__(self, linear, rank, alpha):
        if rank <= 1:
            raise ValueError("A rank of one is too small.")
        super().__init__(linear, rank, alpha)


class wrong_divided_in_whole_numbers(_Right):
    """Named `scale`."""

    def forward(self, x):
        return self.linear(x) + self.alpha // self.rank * self.update(x)


class wrong_for_float32_only(_Right):
    """Named `raised`."""

    def update(self, x):
        return F.linear(F.linear(x, self.A.float()), self.B.float())


class wrong_square_layers_only(_Right):
    """Named `factors`."""

    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.B = nn.Parameter(torch.zeros(linear.in_features, rank, **self.like))

    def update(self, x):
        return (x @ self.A.T @ self.B.T)[..., :1]


class wrong_one_batch_axis(_Right):
    """Named `raised`."""

    def update(self, x):
        return torch.einsum("ni,ri,or->no", x, self.A, self.B)


class wrong_without_super(_Right):
    """Named `raised`."""

    def __init__(self, linear, rank, alpha):
        self.linear = linear


class wrong_input_in_place(_Right):
    """Named `inputs`."""

    def forward(self, x):
        out = super().forward(x)
        x *= 0.5
        return out


def wrong_no_module(linear, rank, alpha):
    """Named `module`."""
    _checked(linear, rank)
    return lambda x: linear(x)


class wrong_flattened(_Right):
    """Named `shape`."""

    def forward(self, x):
        return super().forward(x).flatten(0, -2) if x.ndim > 2 else super().forward(x)


class wrong_of_the_library(_OfTheLibrary):
    """Named `library`."""


right_textbook = _Right


class right_other_factor_zero(_Right):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        nn.init.zeros_(self.A)
        nn.init.normal_(self.B)


class right_layout_of_the_other_side(nn.Module):
    """As in public code: A (in, rank), B (rank, out), x A B."""

    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = _checked(linear, rank)
        self.A = nn.Parameter(linear.weight.new_empty(linear.in_features, rank))
        self.B = nn.Parameter(linear.weight.new_zeros(rank, linear.out_features))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.scaling = alpha / rank

    def forward(self, x):
        return self.linear(x) + (x @ self.A @ self.B) * self.scaling


class right_factors_as_layers(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.base = _checked(linear, rank)
        self.down = nn.Linear(linear.in_features, rank, bias=False).to(linear.weight)
        self.up = nn.Linear(rank, linear.out_features, bias=False).to(linear.weight)
        nn.init.zeros_(self.up.weight)
        self.scale = alpha / rank

    def forward(self, x):
        return self.base(x) + self.scale * self.up(self.down(x))


class right_merged_weight_in_every_pass(_Right):
    def forward(self, x):
        weight = self.linear.weight + self.alpha / self.rank * (self.B @ self.A)
        return F.linear(x, weight, self.linear.bias)


class right_frozen_copy(_Right):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.linear = copy.deepcopy(linear)
        linear.requires_grad_(True)


class right_buffers(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        if rank < 1 or rank > min(linear.weight.shape):
            raise ValueError("rank must lie between 1 and min(in, out)")
        self.register_buffer("weight", linear.weight.detach())
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())
        parts = {
            "A": torch.rand(rank, linear.in_features).to(linear.weight) - 0.5,
            "B": torch.zeros(linear.out_features, rank).to(linear.weight),
        }
        self.factors = nn.ParameterDict({k: nn.Parameter(v) for k, v in parts.items()})
        self.scale = alpha / rank

    def forward(self, x):
        y = torch.einsum("...i,oi->...o", x, self.weight)
        y = y if self.bias is None else y + self.bias
        low = torch.einsum("...i,ri->...r", x, self.factors["A"])
        return y + torch.einsum("...r,or->...o", low * self.scale, self.factors["B"])


class _Beside(nn.Module):
    def __init__(self, weight, rank, alpha):
        super().__init__()
        self.A = nn.Parameter(torch.empty_like(weight[:rank] if rank <= len(weight) else weight))
        nn.init.orthogonal_(self.A) if not weight.is_meta else None
        self.B = nn.Parameter(weight.new_zeros(len(weight), rank))
        self.scale = alpha / rank

    def forward(self, weight):
        return weight + self.scale * self.B @ self.A


def right_parametrization(linear, rank, alpha):
    """PyTorch's own way to compute a weight from others."""
    _checked(linear, rank)
    parametrize.register_parametrization(
        linear, "weight", _Beside(linear.weight, rank, alpha), unsafe=True
    )
    return linear


def right_function_that_makes_one(linear, rank, alpha):
    return _Right(linear, rank=rank, alpha=alpha)


class right_always_the_same_random_numbers(_Right):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        values = torch.randn(self.A.shape, generator=torch.Generator().manual_seed(0))
        self.A.data.copy_(values)
