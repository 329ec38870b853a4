import torch


def _squared(x, y):
    return ((x[:, None] - y[None]) ** 2).sum(dim=2)


def _kernel(x, y, bandwidths):
    d2 = _squared(x, y)
    return torch.stack([torch.exp(-d2 / (2 * s**2)) for s in bandwidths]).mean(dim=0)


def _refuse(source, target, unbiased):
    if unbiased and min(len(source), len(target)) < 2:
        raise ValueError("The unbiased form needs two rows in each domain.")


def _within(k, unbiased):
    n = len(k)
    return (k.sum() - k.diagonal().sum()) / (n * (n - 1)) if unbiased else k.mean()


def wrong_kernel_without_two(source, target, bandwidths, unbiased=True):
    """Takes the Gaussian kernel as exp(-d² / sigma²); contradicts "k(x, y) = exp(-‖x - y‖² / 2
    sigma²)".

    Named `kernel`.
    """
    _refuse(source, target, unbiased)

    def kernel(x, y):
        return torch.stack([torch.exp(-_squared(x, y) / s**2) for s in bandwidths]).mean(dim=0)

    return (
        _within(kernel(source, source), unbiased)
        + _within(kernel(target, target), unbiased)
        - 2 * kernel(source, target).mean()
    )


def wrong_mean_bandwidth_too(source, target, bandwidths, unbiased=True):
    """Averages the bandwidths and uses one kernel; contradicts "the kernel is the *mean* over
    several" (the mean over the bandwidths).

    Named `one_bandwidth`.
    """
    _refuse(source, target, unbiased)
    one = [sum(bandwidths) / len(bandwidths)]
    return (
        _within(_kernel(source, source, one), unbiased)
        + _within(_kernel(target, target, one), unbiased)
        - 2 * _kernel(source, target, one).mean()
    )


def wrong_cross_without_diagonal(source, target, bandwidths, unbiased=True):
    """Leaves row i with row i out of the mixed average, too, when both domains have n rows;
    contradicts "Across the domains always the mean of all n m pairs".

    Named `cross_diagonal`.
    """
    _refuse(source, target, unbiased)
    mixed = _kernel(source, target, bandwidths)
    across = _within(mixed, unbiased) if len(source) == len(target) else mixed.mean()
    return (
        _within(_kernel(source, source, bandwidths), unbiased)
        + _within(_kernel(target, target, bandwidths), unbiased)
        - 2 * across
    )


def wrong_never_negative(source, target, bandwidths, unbiased=True):
    """Thinks that a squared distance cannot be below 0, and cuts it off there; contradicts "when
    the truth is 0, it is negative about half the time".

    Named `clamped`.
    """
    _refuse(source, target, unbiased)
    mmd = (
        _within(_kernel(source, source, bandwidths), unbiased)
        + _within(_kernel(target, target, bandwidths), unbiased)
        - 2 * _kernel(source, target, bandwidths).mean()
    )
    return mmd.clamp_min(0)


def wrong_root_and_square(source, target, bandwidths, unbiased=True):
    """Takes the distance first and squares it afterwards, which has no gradient where rows are
    equal; contradicts "No square root is needed anywhere, and none should be taken".

    Named `gradient_nan`.
    """
    _refuse(source, target, unbiased)

    def kernel(x, y):
        distance = _squared(x, y).sqrt()
        return torch.stack([torch.exp(-(distance**2) / (2 * s**2)) for s in bandwidths]).mean(dim=0)

    return (
        _within(kernel(source, source), unbiased)
        + _within(kernel(target, target), unbiased)
        - 2 * kernel(source, target).mean()
    )


def wrong_biased_needs_two_rows(source, target, bandwidths, unbiased=True):
    """Thinks that a single row never has a distance to anything; contradicts "Biased: all n²
    pairs, one row is enough".

    Named `one_row`.
    """
    _refuse(source, target, True)
    return (
        _within(_kernel(source, source, bandwidths), unbiased)
        + _within(_kernel(target, target, bandwidths), unbiased)
        - 2 * _kernel(source, target, bandwidths).mean()
    )


def right_row_by_row(source, target, bandwidths, unbiased=True):
    """One row at a time against all the others; the pair with itself is never formed."""
    if unbiased and (len(source) < 2 or len(target) < 2):
        raise ValueError("The unbiased form needs at least two rows on each side.")

    def alike(row, others):
        d2 = (others - row).pow(2).sum(dim=1)
        return sum(torch.exp(d2 / (-2.0 * s * s)).sum() for s in bandwidths) / len(bandwidths)

    def within(x):
        n = len(x)
        if not unbiased:
            return sum(alike(row, x) for row in x) / n**2
        rest = [torch.cat([x[:i], x[i + 1 :]]) for i in range(n)]
        return sum(alike(row, others) for row, others in zip(x, rest, strict=True)) / (n * (n - 1))

    across = sum(alike(row, target) for row in source) / (len(source) * len(target))
    return within(source) + within(target) - across - across


def right_one_weighted_sum(source, target, bandwidths, unbiased=True):
    """Both domains in one matrix: one Gram matrix in double precision, and a weight per pair."""
    n, m = len(source), len(target)
    if unbiased and min(n, m) < 2:
        raise ValueError("Fewer than two rows have no unbiased average.")
    z = torch.cat([source, target]).double()
    z = z - z.mean(dim=0).detach()
    gram = z @ z.T
    squares = z.square().sum(dim=1)
    d2 = squares[:, None] + squares[None, :] - 2 * gram
    weight = torch.full((n + m, n + m), -1.0 / (n * m), dtype=z.dtype, device=z.device)
    weight[:n, :n] = 1 / (n * (n - 1)) if unbiased else 1 / n**2
    weight[n:, n:] = 1 / (m * (m - 1)) if unbiased else 1 / m**2
    if unbiased:
        weight.fill_diagonal_(0)
    total = sum((weight * torch.exp(-d2 / (2 * float(s) ** 2))).sum() for s in bandwidths)
    return (total / len(bandwidths)).to(source.dtype)
