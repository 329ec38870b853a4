"""Answers to `cosine_logits`."""

import numpy as np
import torch
from sklearn.metrics.pairwise import cosine_similarity
from torch.nn import functional as F

from course_lib.fewshot.cosine import cosine_logits as _of_the_library


def _unit(x):
    return F.normalize(x, dim=1)


def wrong_over_the_batch(features, weight, scale):
    """Named `batch_axis`."""
    return scale * F.normalize(features, dim=0) @ F.normalize(weight, dim=0).T


def wrong_features_over_the_batch(features, weight, scale):
    """Named `batch_axis`."""
    return scale * F.normalize(features, dim=0) @ _unit(weight).T


def wrong_one_length_for_the_table(features, weight, scale):
    """Named `batch_axis`."""
    return scale * (features / features.norm()) @ (weight / weight.norm()).T


def wrong_no_scale(features, weight, scale):
    """Named `no_scale`."""
    return _unit(features) @ _unit(weight).T


def wrong_scale_on_the_features_before(features, weight, scale):
    """Named `no_scale`."""
    return _unit(scale * features) @ _unit(weight).T


def wrong_only_the_features(features, weight, scale):
    """Named `features_only`."""
    return scale * _unit(features) @ weight.T


def wrong_only_the_weight(features, weight, scale):
    """Named `weight_only`."""
    return scale * features @ _unit(weight).T


def wrong_inner_products(features, weight, scale):
    """Named `not_normalised`."""
    return scale * features @ weight.T


def wrong_temperature(features, weight, scale):
    """Named `divided`."""
    return _unit(features) @ _unit(weight).T / scale


def wrong_scale_on_both_sides(features, weight, scale):
    """Named `scale_twice`."""
    return (scale * _unit(features)) @ (scale * _unit(weight)).T


def wrong_by_the_squared_length(features, weight, scale):
    """Named `squared_length`."""
    a, b = (x / x.square().sum(1, keepdim=True).clamp(min=1e-12) for x in (features, weight))
    return scale * a @ b.T


def wrong_sum_of_absolute_values(features, weight, scale):
    """Named `one_norm`."""
    return scale * F.normalize(features, p=1, dim=1) @ F.normalize(weight, p=1, dim=1).T


def wrong_softmax(features, weight, scale):
    """Named `softmax`."""
    return (scale * _unit(features) @ _unit(weight).T).softmax(dim=1)


def wrong_distance(features, weight, scale):
    """Named `distance`."""
    return scale * (1 - _unit(features) @ _unit(weight).T)


def wrong_sign(features, weight, scale):
    """Named `sign`."""
    return -scale * _unit(features) @ _unit(weight).T


def wrong_transposed(features, weight, scale):
    """Named `transposed`."""
    return scale * _unit(weight) @ _unit(features).T


def wrong_plain_division(features, weight, scale):
    """Named `zero_row`."""
    a, b = (x / x.norm(dim=1, keepdim=True) for x in (features, weight))
    return scale * a @ b.T


def wrong_zero_row_of_the_weight(features, weight, scale):
    """Named `zero_row`."""
    return scale * _unit(features) @ (weight / weight.norm(dim=1, keepdim=True)).T


def wrong_minus_one_for_zero(features, weight, scale):
    """Named `zero_row`."""
    cosine = _unit(features) @ _unit(weight).T
    dead = (features.norm(dim=1) == 0)[:, None] | (weight.norm(dim=1) == 0)
    return scale * torch.where(dead, -1.0, cosine)


def wrong_zero_everywhere(features, weight, scale):
    """Named `zero_spoils`."""
    if (features.norm(dim=1) == 0).any() or (weight.norm(dim=1) == 0).any():
        return torch.zeros(len(features), len(weight))
    return scale * _unit(features) @ _unit(weight).T


def wrong_large_epsilon(features, weight, scale):
    """Named `value`."""
    a, b = (x / (x.norm(dim=1, keepdim=True) + 0.1) for x in (features, weight))
    return scale * a @ b.T


def wrong_centred_first(features, weight, scale):
    """Named `value`."""
    a, b = (x - x.mean(dim=1, keepdim=True) for x in (features, weight))
    return scale * _unit(a) @ _unit(b).T


def wrong_lengths_in_float32(features, weight, scale):
    """Named `raised`."""
    lengths = torch.zeros(len(weight))
    torch.linalg.vector_norm(weight, dim=1, out=lengths)
    return scale * _unit(features) @ (weight / lengths.clamp(min=1e-8)[:, None]).T


def wrong_mean_of_the_squares_for_their_sum(features, weight, scale):
    """Named `root_mean_square`."""
    a, b = (x / x.square().mean(1, keepdim=True).sqrt().clamp(min=1e-8) for x in (features, weight))
    return scale * a @ b.T


def wrong_length_of_the_first_row(features, weight, scale):
    """Named `value`."""
    a, b = (x / x[0].norm().clamp(min=1e-8) for x in (features, weight))
    return scale * a @ b.T


def wrong_rows_against_rows(features, weight, scale):
    """Named `raised`."""
    return scale * F.cosine_similarity(features, weight, dim=1)


def wrong_calls_the_library(features, weight, scale):
    """Named `library`."""
    return _of_the_library(features, weight, scale)


def wrong_normalises_in_place(features, weight, scale):
    """Named `inputs`."""
    features /= features.norm(dim=1, keepdim=True).clamp(min=1e-8)
    return scale * features @ _unit(weight).T


def wrong_nothing(features, weight, scale):
    """Named `type`."""
    scale * _unit(features) @ _unit(weight).T


def wrong_best_only(features, weight, scale):
    """Named `shape`."""
    return (scale * _unit(features) @ _unit(weight).T).amax(dim=1)


def right_normalize(features, weight, scale):
    return scale * _unit(features) @ _unit(weight).T


def right_cosine_similarity(features, weight, scale):
    return scale * F.cosine_similarity(features[:, None], weight[None], dim=2)


def right_clamped_lengths(features, weight, scale):
    lengths = features.norm(dim=1)[:, None] * weight.norm(dim=1)
    return scale * (features @ weight.T) / lengths.clamp(min=1e-8)


def right_epsilon_added(features, weight, scale):
    a, b = (x / (x.norm(dim=1, keepdim=True) + 1e-8) for x in (features, weight))
    return F.linear(scale * a, b)


def right_scikit_learn(features, weight, scale):
    return scale * cosine_similarity(features.numpy(), weight.numpy())


def right_loops(features, weight, scale):
    rows = []
    for x in features.numpy():
        row = []
        for w in weight.numpy():
            length = np.linalg.norm(x) * np.linalg.norm(w)
            row.append(scale * float(x @ w) / length if length > 0 else 0.0)
        rows.append(row)
    return np.array(rows)


def right_nan_to_num(features, weight, scale):
    a, b = (torch.nan_to_num(x / x.norm(dim=1, keepdim=True)) for x in (features, weight))
    return a.mul(scale).mm(b.t())


class _Cosine(torch.nn.Module):
    def forward(self, features, weight, scale, eps=1e-12):
        one_by_one = torch.func.vmap(F.cosine_similarity, in_dims=(None, 0))
        both = torch.func.vmap(lambda x: one_by_one(x[None], weight[:, None]).squeeze(-1))
        return scale * both(features)


right_vmap_in_a_module = _Cosine()
