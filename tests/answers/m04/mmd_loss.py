"""Answers to `mmd_loss`."""

import torch

from course_lib.alignment.mmd import mmd_loss as _of_the_library


def _refuse(source, target, unbiased):
    if unbiased and min(len(source), len(target)) < 2:
        raise ValueError("The unbiased form needs at least two rows in each domain.")


def _squared(x, y):
    return (x[:, None, :] - y[None, :, :]).square().sum(-1)


def _kernel(x, y, bandwidths):
    return sum(torch.exp(-_squared(x, y) / (2 * s**2)) for s in bandwidths) / len(bandwidths)


def _blocks(source, target, bandwidths, kernel=_kernel):
    return [kernel(a, b, bandwidths) for a, b in
            ((source, source), (target, target), (source, target))]  # fmt: skip


def _within(k, unbiased):
    n = len(k)
    return (k.sum() - k.diagonal().sum()) / (n * (n - 1)) if unbiased else k.mean()


def _mmd(source, target, bandwidths, unbiased, kernel=_kernel):
    _refuse(source, target, unbiased)
    ss, tt, st = _blocks(source, target, bandwidths, kernel)
    return _within(ss, unbiased) + _within(tt, unbiased) - 2 * st.mean()


def wrong_cross_term_once(source, target, bandwidths, unbiased=True):
    """Named `cross_once`."""
    _refuse(source, target, unbiased)
    ss, tt, st = _blocks(source, target, bandwidths)
    return _within(ss, unbiased) + _within(tt, unbiased) - st.mean()


def wrong_plus_the_cross_term(source, target, bandwidths, unbiased=True):
    """Named `sign`."""
    _refuse(source, target, unbiased)
    ss, tt, st = _blocks(source, target, bandwidths)
    return _within(ss, unbiased) + _within(tt, unbiased) + 2 * st.mean()


def wrong_negative(source, target, bandwidths, unbiased=True):
    """Named `sign`."""
    return -_mmd(source, target, bandwidths, unbiased)


def wrong_always_biased(source, target, bandwidths, unbiased=True):
    """Named `diagonal_kept`."""
    _refuse(source, target, unbiased)
    return _mmd(source, target, bandwidths, False)


def wrong_diagonal_kept_over_n_minus_one(source, target, bandwidths, unbiased=True):
    """Named `diagonal_kept`."""
    _refuse(source, target, unbiased)
    ss, tt, st = _blocks(source, target, bandwidths)
    n, m = len(source), len(target)
    if unbiased:
        return ss.sum() / (n * (n - 1)) + tt.sum() / (m * (m - 1)) - 2 * st.mean()
    return ss.mean() + tt.mean() - 2 * st.mean()


def wrong_without_diagonal_but_over_n_squared(source, target, bandwidths, unbiased=True):
    """Named `divisor`."""
    _refuse(source, target, unbiased)
    ss, tt, st = _blocks(source, target, bandwidths)
    if unbiased:
        ss, tt = (k * (1 - torch.eye(len(k), dtype=k.dtype)) for k in (ss, tt))
    return ss.mean() + tt.mean() - 2 * st.mean()


def wrong_always_unbiased(source, target, bandwidths, unbiased=True):
    """Named `always_unbiased`."""
    return _mmd(source, target, bandwidths, True)


def wrong_diagonal_of_the_cross_term(source, target, bandwidths, unbiased=True):
    """Named `cross_diagonal`."""
    _refuse(source, target, unbiased)
    ss, tt, st = _blocks(source, target, bandwidths)
    cross = _within(st, True) if unbiased and len(source) == len(target) else st.mean()
    return _within(ss, unbiased) + _within(tt, unbiased) - 2 * cross


def wrong_clamped(source, target, bandwidths, unbiased=True):
    """Named `clamped`."""
    return _mmd(source, target, bandwidths, unbiased).clamp(min=0)


def wrong_absolute(source, target, bandwidths, unbiased=True):
    """Named `clamped`."""
    return _mmd(source, target, bandwidths, unbiased).abs()


def wrong_root(source, target, bandwidths, unbiased=True):
    """Named `root`."""
    return (_mmd(source, target, bandwidths, unbiased).clamp(min=0) + 1e-12).sqrt()


def wrong_sum_over_bandwidths(source, target, bandwidths, unbiased=True):
    """Named `summed`."""
    return len(bandwidths) * _mmd(source, target, bandwidths, unbiased)


def wrong_first_bandwidth_only(source, target, bandwidths, unbiased=True):
    """Named `one_bandwidth`."""
    return _mmd(source, target, bandwidths[:1], unbiased)


def wrong_mean_bandwidth(source, target, bandwidths, unbiased=True):
    """Named `one_bandwidth`."""
    return _mmd(source, target, [sum(bandwidths) / len(bandwidths)], unbiased)


def wrong_product_of_kernels(source, target, bandwidths, unbiased=True):
    """Named `one_bandwidth`."""

    def kernel(x, y, bandwidths):
        return torch.exp(sum(-_squared(x, y) / (2 * s**2) for s in bandwidths))

    return _mmd(source, target, bandwidths, unbiased, kernel)


def wrong_without_the_two(source, target, bandwidths, unbiased=True):
    """Named `kernel`."""

    def kernel(x, y, bandwidths):
        return sum(torch.exp(-_squared(x, y) / s**2) for s in bandwidths) / len(bandwidths)

    return _mmd(source, target, bandwidths, unbiased, kernel)


def wrong_sigma_is_a_variance(source, target, bandwidths, unbiased=True):
    """Named `kernel`."""

    def kernel(x, y, bandwidths):
        return sum(torch.exp(-_squared(x, y) / (2 * s)) for s in bandwidths) / len(bandwidths)

    return _mmd(source, target, bandwidths, unbiased, kernel)


def wrong_sigma_is_a_gamma(source, target, bandwidths, unbiased=True):
    """Named `kernel`."""

    def kernel(x, y, bandwidths):
        return sum(torch.exp(-s * _squared(x, y)) for s in bandwidths) / len(bandwidths)

    return _mmd(source, target, bandwidths, unbiased, kernel)


def wrong_distance_not_squared(source, target, bandwidths, unbiased=True):
    """Named `distance`."""

    def kernel(x, y, bandwidths):
        distances = torch.cdist(x, y)
        return torch.stack([torch.exp(-distances / (2 * s**2)) for s in bandwidths]).mean(0)

    return _mmd(source, target, bandwidths, unbiased, kernel)


def wrong_mean_over_features(source, target, bandwidths, unbiased=True):
    """Named `distance`."""

    def kernel(x, y, bandwidths):
        squared = (x[:, None] - y[None]).square().mean(-1)
        return sum(torch.exp(-squared / (2 * s**2)) for s in bandwidths) / len(bandwidths)

    return _mmd(source, target, bandwidths, unbiased, kernel)


def wrong_linear(source, target, bandwidths, unbiased=True):
    """Named `means`."""
    _refuse(source, target, unbiased)
    return (source.mean(0) - target.mean(0)).square().sum()


def wrong_one_row_refused_when_biased(source, target, bandwidths, unbiased=True):
    """Named `one_row`."""
    _refuse(source, target, True)
    return _mmd(source, target, bandwidths, unbiased)


def wrong_nan_for_one_row(source, target, bandwidths, unbiased=True):
    """Named `too_few`."""
    ss, tt, st = _blocks(source, target, bandwidths)
    return _within(ss, unbiased) + _within(tt, unbiased) - 2 * st.mean()


def wrong_refuses_two_rows(source, target, bandwidths, unbiased=True):
    """Named `raised`."""
    if unbiased and min(len(source), len(target)) < 3:
        raise ValueError("The unbiased estimate needs more rows in each domain.")
    return _mmd(source, target, bandwidths, unbiased)


def wrong_always_three_bandwidths(source, target, bandwidths, unbiased=True):
    """Named `value`."""

    def kernel(x, y, bandwidths):
        return sum(torch.exp(-_squared(x, y) / (2 * s**2)) for s in bandwidths) / 3

    return _mmd(source, target, bandwidths, unbiased, kernel)


def wrong_as_many_target_rows_as_source_rows(source, target, bandwidths, unbiased=True):
    """Named `value`."""
    n = min(len(source), len(target))
    return _mmd(source[:n], target[:n], bandwidths, unbiased)


def wrong_zero_distances_left_out(source, target, bandwidths, unbiased=True):
    """Named `twins`."""
    _refuse(source, target, unbiased)

    def mean(x, y, inside):
        squared, k = _squared(x, y), _kernel(x, y, bandwidths)
        return k[squared > 0].mean() if inside and unbiased else k.mean()

    within = mean(source, source, True) + mean(target, target, True)
    return within - 2 * mean(source, target, False)


def wrong_root_of_distances_then_square(source, target, bandwidths, unbiased=True):
    """Named `gradient_nan`."""

    def kernel(x, y, bandwidths):
        distances = (x[:, None] - y[None]).square().sum(-1).sqrt()
        return sum(torch.exp(-(distances**2) / (2 * s**2)) for s in bandwidths) / len(bandwidths)

    return _mmd(source, target, bandwidths, unbiased, kernel)


def wrong_number(source, target, bandwidths, unbiased=True):
    """Named `gradient`."""
    return float(_mmd(source, target, bandwidths, unbiased))


def wrong_no_grad(source, target, bandwidths, unbiased=True):
    """Named `gradient`."""
    with torch.no_grad():
        return _mmd(source, target, bandwidths, unbiased)


def wrong_source_detached(source, target, bandwidths, unbiased=True):
    """Named `gradient`."""
    return _mmd(source.detach(), target, bandwidths, unbiased)


def wrong_double(source, target, bandwidths, unbiased=True):
    """Named `dtype`."""
    return _mmd(source.double(), target.double(), bandwidths, unbiased)


def wrong_always_float32(source, target, bandwidths, unbiased=True):
    """Named `dtype`."""
    return _mmd(source.float(), target.float(), bandwidths, unbiased)


def wrong_constant(source, target, bandwidths, unbiased=True):
    """Named `constant`."""
    _refuse(source, target, unbiased)
    return 0.1 + 0 * source.sum() + 0 * target.sum()


def wrong_median_of_the_cross_term(source, target, bandwidths, unbiased=True):
    """Named `value`."""
    _refuse(source, target, unbiased)
    ss, tt, st = _blocks(source, target, bandwidths)
    return _within(ss, unbiased) + _within(tt, unbiased) - 2 * st.median()


def wrong_a_row_of_losses(source, target, bandwidths, unbiased=True):
    """Named `type`."""
    return torch.stack([_mmd(source, target, [s], unbiased) for s in bandwidths])


def wrong_calls_the_library(source, target, bandwidths, unbiased=True):
    """Named `library`."""
    return _of_the_library(source, target, bandwidths, unbiased)


def right_broadcast(source, target, bandwidths, unbiased=True):
    return _mmd(source, target, bandwidths, unbiased)


def right_one_gram_matrix(source, target, bandwidths, unbiased=True):
    _refuse(source, target, unbiased)
    z, n = torch.cat([source, target]), len(source)
    gram = z @ z.T
    lengths = gram.diag()
    squared = (lengths.unsqueeze(0) + lengths.unsqueeze(1) - 2 * gram).clamp(min=0)
    k = torch.stack([torch.exp(-squared / (2 * s**2)) for s in bandwidths]).mean(0)
    ss, tt, st = k[:n, :n], k[n:, n:], k[:n, n:]
    if not unbiased:
        return ss.mean() + tt.mean() - 2 * st.mean()
    m = len(target)
    within = (ss.sum() - ss.trace()) / (n * (n - 1)) + (tt.sum() - tt.trace()) / (m * (m - 1))
    return within - 2 * st.mean()


def right_loops(source, target, bandwidths, unbiased=True):
    _refuse(source, target, unbiased)

    def k(x, y):
        squared = ((x - y) ** 2).sum()
        return sum((-squared / (2 * s * s)).exp() for s in bandwidths) / len(bandwidths)

    def within(rows):
        n, total = len(rows), 0
        for i in range(n):
            for j in range(n):
                if not (unbiased and i == j):
                    total = total + k(rows[i], rows[j])
        return total / (n * (n - 1) if unbiased else n * n)

    cross = 0
    for x in source:
        for y in target:
            cross = cross + k(x, y)
    return within(source) + within(target) - 2 * cross / (len(source) * len(target))


def right_cdist_squared(source, target, bandwidths, unbiased=True):
    def kernel(x, y, bandwidths):
        squared = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist") ** 2
        return torch.stack([torch.exp(-squared / (2 * s**2)) for s in bandwidths]).mean(0)

    return _mmd(source, target, bandwidths, unbiased, kernel)


def right_ones_on_the_diagonal_subtracted(source, target, bandwidths, unbiased=True):
    _refuse(source, target, unbiased)
    ss, tt, st = _blocks(source, target, bandwidths)
    n, m = ss.shape[0], tt.shape[0]
    if unbiased:
        return (ss.sum() - n) / (n * (n - 1)) + (tt.sum() - m) / (m * (m - 1)) - 2 * st.mean()
    return ss.mean() + tt.mean() - st.mean() * 2


def right_mean_of_single_losses(source, target, bandwidths, unbiased=True):
    return torch.stack([_mmd(source, target, [s], unbiased) for s in bandwidths]).mean()


def right_signed_weights(source, target, bandwidths, unbiased=True):
    """One sum over all pairs, with weights that say what each pair counts."""
    _refuse(source, target, unbiased)
    n, m = len(source), len(target)
    z = torch.cat([source, target])
    w = torch.full((n + m, n + m), -1 / (n * m), dtype=z.dtype)
    less = 1 if unbiased else 0
    w[:n, :n] = 1 / (n * (n - less))
    w[n:, n:] = 1 / (m * (m - less))
    if unbiased:
        w.fill_diagonal_(0)
    return (w * _kernel(z, z, bandwidths)).sum()
