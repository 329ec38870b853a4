import math

import torch
import torch.nn.functional as F
from torch import nn


class wrong_bias_left_trainable(nn.Module):
    """Freezes the weight and forgets that a linear layer has a bias too, against "with the given
    linear frozen" and "Only the factors train".

    Named `base_trains`.
    """

    def __init__(self, linear, rank, alpha):
        super().__init__()
        if not 1 <= rank <= min(linear.in_features, linear.out_features):
            raise ValueError(f"A rank of {rank} does not fit this layer.")
        self.linear = linear
        self.linear.weight.requires_grad_(False)
        self.scale = alpha / rank
        like = {"dtype": linear.weight.dtype, "device": linear.weight.device}
        self.A = nn.Parameter(
            torch.randn(rank, linear.in_features, **like) / math.sqrt(linear.in_features)
        )
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank, **like))

    def forward(self, x):
        return self.linear(x) + self.scale * (x @ self.A.T) @ self.B.T


class wrong_rank_up_to_the_larger_side(nn.Module):
    """Thinks that a matrix can have a rank as large as its larger side, against "A rank below 1 or
    above min(in, out) is a ValueError with a sentence".

    Named `rank`.
    """

    def __init__(self, linear, rank, alpha):
        super().__init__()
        if rank < 1 or rank > max(linear.weight.shape):
            raise ValueError(
                f"A rank of {rank} does not fit a layer of {tuple(linear.weight.shape)}."
            )
        self.linear = linear
        for p in linear.parameters():
            p.requires_grad_(False)
        self.scale = alpha / rank
        like = {"dtype": linear.weight.dtype, "device": linear.weight.device}
        self.A = nn.Parameter(
            torch.randn(rank, linear.in_features, **like) / math.sqrt(linear.in_features)
        )
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank, **like))

    def forward(self, x):
        return self.linear(x) + self.scale * F.linear(F.linear(x, self.A), self.B)


class wrong_only_rows_of_a_table(nn.Module):
    """Takes x for a table (N, in) always and transposes it, against "for x (..., in)".

    Named `raised`.
    """

    def __init__(self, linear, rank, alpha):
        super().__init__()
        if not 1 <= rank <= min(linear.in_features, linear.out_features):
            raise ValueError(f"A rank of {rank} does not fit this layer.")
        self.linear = linear.requires_grad_(False)
        self.scale = alpha / rank
        self.A = nn.Parameter(linear.weight.new_empty(rank, linear.in_features).normal_(std=0.05))
        self.B = nn.Parameter(linear.weight.new_zeros(linear.out_features, rank))

    def forward(self, x):
        return self.linear(x) + self.scale * (self.B @ (self.A @ x.t())).t()


class wrong_factors_always_float32(nn.Module):
    """Makes the factors in the default dtype on the default device and converts what goes in and
    out, against "in the weight's dtype and on its device".

    Named `dtype`.
    """

    def __init__(self, linear, rank, alpha):
        super().__init__()
        if not 1 <= rank <= min(linear.in_features, linear.out_features):
            raise ValueError(f"A rank of {rank} does not fit this layer.")
        self.linear = linear.requires_grad_(False)
        self.scale = alpha / rank
        self.A = nn.Parameter(torch.randn(rank, linear.in_features) / math.sqrt(linear.in_features))
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x):
        update = F.linear(F.linear(x.to(self.A), self.A), self.B)
        return self.linear(x) + self.scale * update.to(x)


class wrong_base_under_no_grad(nn.Module):
    """Takes "frozen" for "no graph", so no gradient comes through W to the layers in front,
    against "It takes an nn.Linear and stands in its place" with W x in the formula (frozen, in
    module 01: "The gradient still flows through to the input").

    Named `input_gradient`.
    """

    def __init__(self, linear, rank, alpha):
        super().__init__()
        if not 1 <= rank <= min(linear.in_features, linear.out_features):
            raise ValueError(f"A rank of {rank} does not fit this layer.")
        self.linear = linear.requires_grad_(False)
        self.scale = alpha / rank
        self.A = nn.Parameter(linear.weight.new_empty(rank, linear.in_features).normal_(std=0.05))
        self.B = nn.Parameter(linear.weight.new_zeros(linear.out_features, rank))

    def forward(self, x):
        with torch.no_grad():
            base = self.linear(x)
        return base + self.scale * x @ self.A.T @ self.B.T


class wrong_both_random_and_subtracted(nn.Module):
    """Makes both factors random and takes their product out of the start by subtraction, against
    "exactly one factor is zero, the other random".

    Named `none_zero`.
    """

    def __init__(self, linear, rank, alpha):
        super().__init__()
        if not 1 <= rank <= min(linear.in_features, linear.out_features):
            raise ValueError(f"A rank of {rank} does not fit this layer.")
        self.linear = linear.requires_grad_(False)
        self.scale = alpha / rank
        self.A = nn.Parameter(linear.weight.new_empty(rank, linear.in_features).normal_(std=0.05))
        self.B = nn.Parameter(linear.weight.new_empty(linear.out_features, rank).normal_(std=0.05))
        self.register_buffer("start", (self.B @ self.A).detach().clone())

    def forward(self, x):
        return self.linear(x) + self.scale * F.linear(x, self.B @ self.A - self.start)


class right_one_weight_made_on_the_fly(nn.Module):
    """One multiplication by W + scale * B A; here A is the zero factor and B the random one."""

    def __init__(self, linear, rank, alpha):
        super().__init__()
        n_out, n_in = linear.weight.shape
        if rank not in range(1, min(n_out, n_in) + 1):
            raise ValueError(f"The rank must be from 1 to {min(n_out, n_in)}, and is {rank}.")
        self.base = linear
        for p in linear.parameters():
            p.requires_grad_(False)
            p.grad = None
        like = {"dtype": linear.weight.dtype, "device": linear.weight.device}
        self.factors = nn.ParameterList(
            [torch.zeros(rank, n_in, **like), torch.randn(n_out, rank, **like) / rank**0.5]
        )
        self.share = alpha / rank

    def forward(self, x):
        a, b = self.factors
        return F.linear(x, torch.addmm(self.base.weight, b, a, alpha=self.share), self.base.bias)


class right_two_thin_layers(nn.Module):
    """Two nn.Linear without bias, one behind the other, fed with x times the scale."""

    def __init__(self, linear, rank, alpha, *, thin=nn.Linear):
        super().__init__()
        largest = min(linear.in_features, linear.out_features)
        if rank < 1 or rank > largest:
            raise ValueError(
                f"A layer of this size takes ranks from 1 to {largest}; {rank} is none."
            )
        like = dict(bias=False, dtype=linear.weight.dtype, device=linear.weight.device)
        self.add_module("given", linear)
        self.given.requires_grad_(False)
        self.given.zero_grad(set_to_none=True)
        self.thin = nn.Sequential(
            thin(linear.in_features, rank, **like), thin(rank, linear.out_features, **like)
        )
        nn.init.zeros_(self.thin[1].weight)
        self.alpha, self.rank = alpha, rank

    def forward(self, x):
        return torch.add(self.given(x), self.thin(x * (self.alpha / self.rank)))
