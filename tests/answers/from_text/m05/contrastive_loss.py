import torch


def _distance(a, b):
    d2 = (a - b).square().sum(dim=1)
    apart = d2 > 0
    return d2, torch.where(apart, torch.where(apart, d2, torch.ones_like(d2)).sqrt(), 0 * d2)


def wrong_margin_on_the_square(a, b, same, margin):
    """Holds the squared distance against the margin; contradicts "max(0, margin - d)^2".

    Named `no_root`.
    """
    d2, _ = _distance(a, b)
    same = same.to(a.dtype)
    return (same * d2 + (1 - same) * (margin - d2).clamp_min(0)).mean()


def wrong_mended_after_the_root(a, b, same, margin):
    """Takes the root everywhere and replaces the result where d is 0, but the backward pass still
    goes through the infinite slope; contradicts "The gradient is finite, also where d = 0".

    Named `nan_gradient`.
    """
    d2 = (a - b).square().sum(dim=1)
    d = torch.where(d2 > 0, d2.sqrt(), torch.zeros_like(d2))
    same = same.to(a.dtype)
    return (same * d2 + (1 - same) * (margin - d).clamp_min(0).square()).mean()


def wrong_each_kind_its_own_mean(a, b, same, margin):
    """Averages like and unlike pairs each by themselves and takes the mean of the two; contradicts
    "mean over the pairs".

    Named `two_means`.
    """
    d2, d = _distance(a, b)
    alike = same.bool()
    kinds = [
        part.mean() for part in (d2[alike], (margin - d[~alike]).clamp_min(0).square()) if len(part)
    ]
    return torch.stack(kinds).mean()


def wrong_half_as_in_the_paper(a, b, same, margin):
    """Keeps the paper's factor 1/2; contradicts "mean over the pairs of same · d² + (1 - same) ·
    max(0, margin - d)²", which has none.

    Named `halved`.
    """
    d2, d = _distance(a, b)
    same = same.to(a.dtype)
    return (same * d2 + (1 - same) * (margin - d).clamp_min(0).square()).mean() / 2


def wrong_not_for_bool(a, b, same, margin):
    """Computes 1 - same as it comes, which PyTorch refuses for bool; contradicts "same (N,) is ...
    of dtype bool, int or float".

    Named `raised`.
    """
    d2, d = _distance(a, b)
    return (same * d2 + (1 - same) * (margin - d).clamp_min(0).square()).mean()


def wrong_pulls_back_from_afar(a, b, same, margin):
    """Wants unlike pairs to be at the margin, and pulls together those beyond it; contradicts
    "pushes others apart, until they are a margin away" (max(0, ...)).

    Named `no_clamp`.
    """
    d2, d = _distance(a, b)
    same = same.to(a.dtype)
    return (same * d2 + (1 - same) * (margin - d).square()).mean()


def right_pair_by_pair(a, b, same, margin):
    """A loop over the pairs; an unlike pair that is equal or far enough has no slope to follow."""
    losses = []
    for x, y, alike in zip(a.double(), b.double(), same.tolist(), strict=True):
        squared = torch.dot(x - y, x - y)
        if alike:
            losses.append(squared)
        elif float(squared.detach()) == 0.0:
            losses.append(squared + max(0.0, float(margin)) ** 2)
        else:
            losses.append(torch.relu(margin - squared.sqrt()) ** 2)
    return (sum(losses) / len(losses)).to(a.dtype)


def right_expanded(a, b, same, margin):
    """The square written out: d² for like pairs; below the margin margin² - 2 margin d + d² for
    unlike ones; in double precision, by a weighted sum."""
    gap = a.double() - b.double()
    d2 = torch.einsum("nd,nd->n", gap, gap)
    equal = d2 == 0
    d = (d2 + equal.to(d2.dtype)).sqrt() * (~equal).to(d2.dtype)
    like = (same != 0).to(d2.dtype)
    close = (d < margin).to(d2.dtype)
    loss = like * d2 + (1 - like) * close * (margin**2 - 2 * margin * d + d2)
    return (loss.sum() / len(loss)).to(a.dtype)
