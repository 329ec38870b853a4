"""Answers to `contrastive_loss`."""

import torch
from torch.nn import functional as F

from course_lib.fewshot.contrastive import contrastive_loss as _of_the_library


def _d(a, b):
    return torch.linalg.vector_norm(a - b, dim=1)


def _loss(same, alike, unlike):
    same = same.to(alike.dtype)
    return (same * alike + (1 - same) * unlike).mean()


def wrong_flipped(a, b, same, margin):
    """Named `flipped`."""
    d = _d(a, b)
    return _loss(same, (margin - d).clamp(min=0) ** 2, d**2)


def wrong_not_clamped(a, b, same, margin):
    """Named `no_clamp`."""
    d = _d(a, b)
    return _loss(same, d**2, (margin - d) ** 2)


def wrong_clamped_after_the_square(a, b, same, margin):
    """Named `no_clamp`."""
    d = _d(a, b)
    return _loss(same, d**2, ((margin - d) ** 2).clamp(min=0))


def wrong_half(a, b, same, margin):
    """Named `halved`."""
    d = _d(a, b)
    return _loss(same, 0.5 * d**2, 0.5 * (margin - d).clamp(min=0) ** 2)


def wrong_sum(a, b, same, margin):
    """Named `summed`."""
    d = _d(a, b)
    return len(a) * _loss(same, d**2, (margin - d).clamp(min=0) ** 2)


def wrong_unsquared(a, b, same, margin):
    """Named `unsquared`."""
    d = _d(a, b)
    return _loss(same, d, (margin - d).clamp(min=0))


def wrong_hinge_unsquared(a, b, same, margin):
    """Named `unsquared`."""
    d = _d(a, b)
    return _loss(same, d**2, (margin - d).clamp(min=0))


def wrong_alike_unsquared(a, b, same, margin):
    """Named `unsquared`."""
    d = _d(a, b)
    return _loss(same, d, (margin - d).clamp(min=0) ** 2)


def wrong_squared_distance_for_the_distance(a, b, same, margin):
    """Named `no_root`."""
    d = (a - b).square().sum(1)
    return _loss(same, d**2, (margin - d).clamp(min=0) ** 2)


def wrong_margin_beside_the_square(a, b, same, margin):
    """Named `no_root`."""
    d2 = (a - b).square().sum(1)
    return _loss(same, d2, (margin - d2).clamp(min=0))


def wrong_difference_of_squares(a, b, same, margin):
    """Named `no_root`."""
    d2 = (a - b).square().sum(1)
    return _loss(same, d2, (margin**2 - d2).clamp(min=0))


def wrong_no_margin(a, b, same, margin):
    """Named `no_margin`."""
    d2 = (a - b).square().sum(1)
    return _loss(same, d2, -d2)


def wrong_mean_over_the_features(a, b, same, margin):
    """Named `mean_over_features`."""
    d2 = (a - b).square().mean(1)
    d = (d2 + 1e-12).sqrt()
    return _loss(same, d2, (margin - d).clamp(min=0) ** 2)


def wrong_only_alike_pairs(a, b, same, margin):
    """Named `alike_only`."""
    return (same.to(a.dtype) * (a - b).square().sum(1)).mean()


def wrong_each_kind_its_mean(a, b, same, margin):
    """Named `two_means`."""
    d, same = _d(a, b), same.bool()
    return (d[same] ** 2).mean() + ((margin - d[~same]).clamp(min=0) ** 2).mean()


def wrong_mean_of_two_means(a, b, same, margin):
    """Named `two_means`."""
    d, same = _d(a, b), same.bool()
    return ((d[same] ** 2).mean() + ((margin - d[~same]).clamp(min=0) ** 2).mean()) / 2


def wrong_per_pair(a, b, same, margin):
    """Named `per_pair`."""
    d, same = _d(a, b), same.to(a.dtype)
    return same * d**2 + (1 - same) * (margin - d).clamp(min=0) ** 2


def wrong_root_at_zero(a, b, same, margin):
    """Named `nan_gradient`."""
    d = (a - b).square().sum(1).sqrt()
    return _loss(same, d**2, (margin - d).clamp(min=0) ** 2)


def wrong_one_half_detached(a, b, same, margin):
    """Named `no_gradient`."""
    d = _d(a, b.detach())
    return _loss(same, d**2, (margin - d).clamp(min=0) ** 2)


def wrong_a_plain_float(a, b, same, margin):
    """Named `no_gradient`."""
    d = _d(a, b)
    return _loss(same, d**2, (margin - d).clamp(min=0) ** 2).item()


def wrong_distance_detached_in_one_term(a, b, same, margin):
    """Named `gradient`."""
    d = _d(a, b)
    return _loss(same, d**2, (margin - d.detach()).clamp(min=0) ** 2)


def wrong_one_minus_bool(a, b, same, margin):
    """Named `raised`."""
    d = _d(a, b)
    return (same * d**2 + (1 - same) * (margin - d).clamp(min=0) ** 2).mean()


def wrong_cosine_distance(a, b, same, margin):
    """Named `value`."""
    d = 1 - F.cosine_similarity(a, b, dim=1)
    return _loss(same, d**2, (margin - d).clamp(min=0) ** 2)


def wrong_absolute_distance(a, b, same, margin):
    """Named `value`."""
    d = (a - b).abs().sum(1)
    return _loss(same, d**2, (margin - d).clamp(min=0) ** 2)


def wrong_margin_forgotten(a, b, same, margin):
    """Named `value`."""
    d = _d(a, b)
    return _loss(same, d**2, (0.8 - d).clamp(min=0) ** 2)


def wrong_margin_on_the_alike_pairs_too(a, b, same, margin):
    """Named `value`."""
    d = _d(a, b)
    return _loss(same, d.clamp(max=margin) ** 2, (margin - d).clamp(min=0) ** 2)


def wrong_labels_always_float32(a, b, same, margin):
    """Named `raised`."""
    d, same = _d(a, b), same.float()
    return (same @ d**2 + (1 - same) @ (margin - d).clamp(min=0) ** 2) / len(d)


def wrong_calls_the_library(a, b, same, margin):
    """Named `library`."""
    return _of_the_library(a, b, same, margin)


def right_vector_norm(a, b, same, margin):
    d = _d(a, b)
    return _loss(same, d**2, (margin - d).clamp(min=0) ** 2)


def right_epsilon_in_the_root(a, b, same, margin):
    d2 = (a - b).square().sum(1)
    d = (d2 + 1e-9).sqrt()
    return _loss(same, d2, F.relu(margin - d) ** 2)


def right_pairwise_distance(a, b, same, margin):
    d = F.pairwise_distance(a, b)
    return _loss(same, d**2, F.relu(margin - d).square())


def right_where(a, b, same, margin):
    d2 = (a - b).pow(2).sum(dim=1)
    d = torch.sqrt(d2.clamp(min=1e-12))
    unlike = torch.clamp(margin - d, min=0) ** 2
    return torch.where(same.bool(), d2, unlike).mean()


def right_loop(a, b, same, margin):
    total = 0.0
    for x, y, alike in zip(a, b, same.tolist(), strict=True):
        d2 = ((x - y) ** 2).sum()
        if alike:
            total = total + d2
        elif d2 < margin**2:
            total = total + (margin - (d2 + 1e-10) ** 0.5) ** 2
    return total / len(a)


def right_hinge_embedding(a, b, same, margin):
    d = F.pairwise_distance(a, b)
    hinge = F.hinge_embedding_loss(d, 2 * same.to(d) - 1, margin=margin, reduction="none")
    return hinge.square().mean()


class _Contrastive(torch.nn.Module):
    """Pair by pair, by `vmap`; and the square of the distance without a root."""

    def forward(self, a, b, same, margin, reduction="mean"):
        def one(x, y, alike):
            d2 = (x - y).square().sum()
            hinge = F.relu(margin - (d2 + 1e-12).sqrt())
            return alike * d2 + (1 - alike) * hinge * hinge

        return getattr(torch.func.vmap(one)(a, b, same.to(a)), reduction)()


right_vmap_in_a_module = _Contrastive()


def right_product_with_booleans(a, b, same, margin):
    d, alike = _d(a, b), same == 1
    return (alike * d.square() + ~alike * (margin - d).clamp(min=0).square()).sum() / len(d)
