import torch
import torch.nn.functional as F


def wrong_short_rows_stay_short(features, weight, scale):
    """Guards against zero by dividing by a length of at least 1, so that shorter rows keep their
    length; contradicts "Each *row* is divided by its own length".

    Named `value`.
    """
    a = features / features.norm(dim=1, keepdim=True).clamp_min(1.0)
    b = weight / weight.norm(dim=1, keepdim=True).clamp_min(1.0)
    return scale * a @ b.T


def wrong_zero_only_in_features(features, weight, scale):
    """Thinks that only an image can have no direction, and lets a zero row of weight give NaN;
    contradicts "A row of zeros, on either side, gives 0".

    Named `zero_row`.
    """
    return scale * F.normalize(features, dim=1) @ (weight / weight.norm(dim=1, keepdim=True)).T


def wrong_centred_rows(features, weight, scale):
    """Takes the mean out of each row first, which gives the correlation; contradicts "the cosine
    of each row of features and each row of weight".

    Named `value`.
    """
    a = F.normalize(features - features.mean(dim=1, keepdim=True), dim=1)
    b = F.normalize(weight - weight.mean(dim=1, keepdim=True), dim=1)
    return scale * a @ b.T


def wrong_never_negative(features, weight, scale):
    """Thinks that a similarity goes from 0 to 1, and cuts off what points away; contradicts "A
    cosine lies in [-1, 1]".

    Named `value`.
    """
    return scale * (F.normalize(features, dim=1) @ F.normalize(weight, dim=1).T).clamp_min(0)


def wrong_normalises_the_head_itself(features, weight, scale):
    """Brings the rows of the weight that came in to length 1, for good; contradicts "what comes in
    is not changed, unless the exercise says so".

    Named `inputs`.
    """
    with torch.no_grad():
        weight.copy_(F.normalize(weight, dim=1))
    return scale * F.normalize(features, dim=1) @ F.normalize(weight, dim=1).T


def wrong_one_length_for_all(features, weight, scale):
    """Divides each matrix by the mean length of its rows, one number, so that a long row still
    speaks louder; contradicts "Each *row* is divided by its own length".

    Named `value`.
    """
    a = features / features.norm(dim=1).mean().clamp_min(1e-12)
    b = weight / weight.norm(dim=1).mean().clamp_min(1e-12)
    return scale * a @ b.T


def right_squares_under_one_root(features, weight, scale):
    """One column per row of weight: the product over the root of both squared lengths."""
    x = features.double()
    columns = []
    for row in weight.double():
        both = x.square().sum(dim=1) * row.square().sum()
        nothing = both == 0
        length = torch.where(nothing, torch.ones_like(both), both).sqrt()
        columns.append(torch.where(nothing, torch.zeros_like(both), (x @ row) / length))
    return torch.stack(columns, dim=1).to(features.dtype) * scale


def right_from_distances(features, weight, scale):
    """Unit vectors a, b have |a - b|² = 2 - 2 cos; rows of zeros are masked at the end."""

    def unit(x):
        x = x.double()
        empty = (x == 0).all(dim=1, keepdim=True)
        x = torch.where(empty, torch.ones_like(x), x)
        x = x / x.detach().abs().amax(dim=1, keepdim=True)
        return x / x.pow(2).sum(dim=1, keepdim=True).sqrt(), ~empty

    (a, some_a), (b, some_b) = unit(features), unit(weight)
    cosine = 1 - (a[:, None, :] - b[None, :, :]).pow(2).sum(dim=2) / 2
    there = (some_a & some_b.T).to(cosine.dtype)
    return (cosine * there).to(features.dtype) * scale
