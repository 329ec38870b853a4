"""Answers to `coral_loss`."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.alignment.coral import coral_loss as _of_the_library


def _refuse(source, target):
    if source.shape[1] != target.shape[1]:
        raise ValueError("Source and target need the same number of features.")
    if min(len(source), len(target)) < 2:
        raise ValueError("Each domain needs at least two rows for a covariance.")


def _covariance(x):
    centred = x - x.mean(dim=0)
    return centred.T @ centred / (len(x) - 1)


def _gap(source, target):
    _refuse(source, target)
    return _covariance(source) - _covariance(target)


def wrong_four_d_four(source, target):
    """Named `four_d_four`."""
    d = source.shape[1]
    return _gap(source, target).square().sum() / (4 * d * 4)


def wrong_covariance_of_the_rows(source, target):
    """Named `axis`."""
    _refuse(source, target)
    gap = torch.cov(source) - torch.cov(target)
    return gap.square().sum() / (4 * source.shape[1] ** 2)


def wrong_transposed_by_hand(source, target):
    """Named `axis`."""
    _refuse(source, target)

    def covariance(x):
        centred = x - x.mean(dim=1, keepdim=True)
        return centred @ centred.T / (x.shape[1] - 1)

    return (covariance(source) - covariance(target)).square().sum() / (4 * len(source) ** 2)


def wrong_mean_of_squares(source, target):
    """Named `no_quarter`."""
    _refuse(source, target)
    return F.mse_loss(_covariance(source), _covariance(target))


def wrong_d_to_the_first_power(source, target):
    """Named `d_once`."""
    return _gap(source, target).square().sum() / (4 * source.shape[1])


def wrong_no_divisor(source, target):
    """Named `no_divisor`."""
    return _gap(source, target).square().sum()


def wrong_norm_not_squared(source, target):
    """Named `root`."""
    return torch.linalg.norm(_gap(source, target)) / (4 * source.shape[1] ** 2)


def wrong_root_of_the_whole(source, target):
    """Named `root`."""
    return torch.sqrt(_gap(source, target).square().sum() / (4 * source.shape[1] ** 2))


def wrong_uncentred(source, target):
    """Named `uncentred`."""
    _refuse(source, target)
    gap = source.T @ source / len(source) - target.T @ target / len(target)
    return gap.square().sum() / (4 * source.shape[1] ** 2)


def wrong_uncentred_over_n_minus_one(source, target):
    """Named `uncentred`."""
    _refuse(source, target)
    gap = source.T @ source / (len(source) - 1) - target.T @ target / (len(target) - 1)
    return gap.square().sum() / (4 * source.shape[1] ** 2)


def wrong_one_mean_for_all_features(source, target):
    """Named `pooled`."""
    _refuse(source, target)

    def covariance(x):
        centred = x - x.mean()
        return centred.T @ centred / (len(x) - 1)

    return (covariance(source) - covariance(target)).square().sum() / (4 * source.shape[1] ** 2)


def wrong_centred_by_both_domains(source, target):
    """Named `pooled`."""
    _refuse(source, target)
    mean = torch.cat([source, target]).mean(dim=0)
    s, t = source - mean, target - mean
    gap = s.T @ s / (len(s) - 1) - t.T @ t / (len(t) - 1)
    return gap.square().sum() / (4 * source.shape[1] ** 2)


def wrong_divided_by_n(source, target):
    """Named `population`."""
    _refuse(source, target)
    gap = torch.cov(source.T, correction=0) - torch.cov(target.T, correction=0)
    return gap.square().sum() / (4 * source.shape[1] ** 2)


def wrong_scatter_matrices(source, target):
    """Named `not_divided`."""
    _refuse(source, target)
    s, t = source - source.mean(0), target - target.mean(0)
    return (s.T @ s - t.T @ t).square().sum() / (4 * source.shape[1] ** 2)


def wrong_correlations(source, target):
    """Named `correlation`."""
    _refuse(source, target)
    gap = torch.corrcoef(source.T) - torch.corrcoef(target.T)
    return gap.square().sum() / (4 * source.shape[1] ** 2)


def wrong_variances_only(source, target):
    """Named `diagonal`."""
    _refuse(source, target)
    return (source.var(0) - target.var(0)).square().sum() / (4 * source.shape[1] ** 2)


def wrong_means_only(source, target):
    """Named `means`."""
    _refuse(source, target)
    return (source.mean(0) - target.mean(0)).square().sum()


def wrong_means_added_as_in_a_library(source, target):
    """Named `with_means`."""
    means = (source.mean(0) - target.mean(0)).square().mean()
    return _gap(source, target).square().mean() + means


def wrong_absolute_differences(source, target):
    """Named `absolute`."""
    return _gap(source, target).abs().sum() / (4 * source.shape[1] ** 2)


def wrong_constant(source, target):
    """Named `constant`."""
    _refuse(source, target)
    return (0 * source).sum() + (0 * target).sum()


def wrong_sum_instead_of_square(source, target):
    """Named `value`."""
    return _gap(source, target).sum() ** 2 / (4 * source.shape[1] ** 2)


def wrong_one_row_gives_nan(source, target):
    """Named `too_few`."""
    return (torch.cov(source.T) - torch.cov(target.T)).square().sum() / (4 * source.shape[1] ** 2)


def wrong_refuses_two_rows(source, target):
    """Named `raised`."""
    if min(len(source), len(target)) <= 2:
        raise ValueError("Each domain needs more than two rows for a covariance.")
    return _gap(source, target).square().sum() / (4 * source.shape[1] ** 2)


def wrong_features_not_compared(source, target):
    """Named `other_features`."""
    if min(len(source), len(target)) < 2:
        raise ValueError("Each domain needs at least two rows for a covariance.")
    gap = _covariance(source) - _covariance(target)
    return gap.square().sum() / (4 * source.shape[1] ** 2)


def wrong_a_python_number(source, target):
    """Named `gradient`."""
    return _gap(source, target).square().sum().item() / (4 * source.shape[1] ** 2)


def wrong_target_detached(source, target):
    """Named `gradient`."""
    return _gap(source, target.detach()).square().sum() / (4 * source.shape[1] ** 2)


def wrong_numpy(source, target):
    """Named `gradient`."""
    _refuse(source, target)
    s, t = (np.cov(x.detach().numpy(), rowvar=False) for x in (source, target))
    return torch.tensor(((s - t) ** 2).sum() / (4 * source.shape[1] ** 2))


class _InfiniteSlope(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.view_as(x)

    @staticmethod
    def backward(context, upstream):
        return upstream / 0 * 0


def wrong_nan_on_the_way_back(source, target):
    """Named `gradient_nan`."""
    return _InfiniteSlope.apply(_gap(source, target)).square().sum() / (4 * source.shape[1] ** 2)


def wrong_always_double(source, target):
    """Named `dtype`."""
    return _gap(source.double(), target.double()).square().sum() / (4 * source.shape[1] ** 2)


def wrong_always_float32(source, target):
    """Named `dtype`."""
    return _gap(source.float(), target.float()).square().sum() / (4 * source.shape[1] ** 2)


def wrong_float32_identity(source, target):
    """Named `raised`."""
    _refuse(source, target)

    def covariance(x):
        centring = torch.eye(len(x)) - 1 / len(x)
        return x.T @ centring @ x / (len(x) - 1)

    return (covariance(source) - covariance(target)).square().sum() / (4 * source.shape[1] ** 2)


def wrong_not_summed(source, target):
    """Named `type`."""
    return _gap(source, target).square() / (4 * source.shape[1] ** 2)


def wrong_centres_in_place(source, target):
    """Named `inputs`."""
    _refuse(source, target)
    with torch.no_grad():
        source -= source.mean(dim=0)
    return (_covariance(source) - _covariance(target)).square().sum() / (4 * source.shape[1] ** 2)


def wrong_calls_the_library(source, target):
    """Named `library`."""
    return _of_the_library(source, target)


def right_mse_over_four(source, target):
    _refuse(source, target)
    return F.mse_loss(torch.cov(source.T), torch.cov(target.T)) / 4


def right_trace(source, target):
    gap = _gap(source, target)
    return torch.trace(gap @ gap.T) / (4 * source.shape[1] ** 2)


def right_squared_norm(source, target):
    return torch.linalg.norm(_gap(source, target)) ** 2 / (4 * source.shape[1] ** 2)


def right_deep_coral_paper(source, target):
    """The formula of the paper: D'D - (1'D)'(1'D)/n."""
    _refuse(source, target)

    def covariance(x):
        ones = torch.ones(1, len(x), dtype=x.dtype)
        total = ones @ x
        return (x.T @ x - total.T @ total / len(x)) / (len(x) - 1)

    gap = covariance(source.double()) - covariance(target.double())
    return ((gap * gap).sum() / (4 * source.size(1) ** 2)).to(source.dtype)


def right_loop(source, target):
    _refuse(source, target)
    d, total = source.shape[1], 0
    s, t = source - source.mean(0), target - target.mean(0)
    for i in range(d):
        for j in range(d):
            cs = (s[:, i] * s[:, j]).sum() / (len(s) - 1)
            ct = (t[:, i] * t[:, j]).sum() / (len(t) - 1)
            total = total + (cs - ct) ** 2
    return total / (4 * d * d)


def right_einsum(source, target):
    _refuse(source, target)
    s, t = source - source.mean(0), target - target.mean(0)
    cs = torch.einsum("ni,nj->ij", s, s) / (len(s) - 1)
    ct = torch.einsum("ni,nj->ij", t, t) / (len(t) - 1)
    return torch.einsum("ij,ij->", cs - ct, cs - ct) / (4 * s.shape[1] ** 2)


class _Coral(nn.Module):
    def forward(self, source, target):
        return _gap(source, target).pow(2).mean() * 0.25


right_a_module = _Coral()
