"""Answers to `prototype_logits`."""

import torch
from sklearn.neighbors import NearestCentroid
from torch.nn import functional as F

from course_lib.fewshot.prototypes import prototype_logits as _of_the_library


def _means(support, y):
    return torch.stack([support[y == k].mean(dim=0) for k in range(int(y.max()) + 1)])


def _squares(a, b):
    return (a[:, None] - b).square().sum(dim=-1)


def wrong_sign(support, support_labels, query):
    """Named `sign`."""
    return _squares(query, _means(support, support_labels))


def wrong_sign_of_cdist(support, support_labels, query):
    """Named `sign`."""
    return torch.cdist(query, _means(support, support_labels))


def wrong_unsquared(support, support_labels, query):
    """Named `unsquared`."""
    return -torch.cdist(query, _means(support, support_labels))


def wrong_grouped_by_position(support, support_labels, query):
    """Named `grouped`."""
    n_way = int(support_labels.max()) + 1
    if len(support) % n_way:
        return -_squares(query, _means(support, support_labels))
    return -_squares(query, support.view(n_way, -1, support.shape[1]).mean(dim=1))


def wrong_order_of_appearance(support, support_labels, query):
    """Named `columns`."""
    order = list(dict.fromkeys(support_labels.tolist()))
    return -_squares(query, _means(support, support_labels)[order])


def wrong_sums(support, support_labels, query):
    """Named `sums`."""
    members = F.one_hot(support_labels).to(support)
    return -_squares(query, members.T @ support)


def wrong_first_of_each_class(support, support_labels, query):
    """Named `first_example`."""
    first = [int((support_labels == k).nonzero()[0]) for k in range(int(support_labels.max()) + 1)]
    return -_squares(query, support[first])


def wrong_nearest_example(support, support_labels, query):
    """Named `nearest_example`."""
    apart = _squares(query, support)
    n_way = int(support_labels.max()) + 1
    return -torch.stack([apart[:, support_labels == k].amin(1) for k in range(n_way)], dim=1)


def wrong_mean_of_the_distances(support, support_labels, query):
    """Named `mean_distance`."""
    apart = _squares(query, support)
    n_way = int(support_labels.max()) + 1
    return -torch.stack([apart[:, support_labels == k].mean(1) for k in range(n_way)], dim=1)


def wrong_mean_over_the_features(support, support_labels, query):
    """Named `mean_over_features`."""
    return -(query[:, None] - _means(support, support_labels)).square().mean(dim=-1)


def wrong_half(support, support_labels, query):
    """Named `halved`."""
    return -0.5 * _squares(query, _means(support, support_labels))


def wrong_inner_product(support, support_labels, query):
    """Named `dot`."""
    return query @ _means(support, support_labels).T


def wrong_inner_product_twice(support, support_labels, query):
    """Named `dot`."""
    return 2 * query @ _means(support, support_labels).T


def wrong_cosine(support, support_labels, query):
    """Named `cosine`."""
    means = _means(support, support_labels)
    return F.normalize(query, dim=1) @ F.normalize(means, dim=1).T


def wrong_queries_refine_the_prototypes(support, support_labels, query):
    """Named `queries_inside`."""
    means = _means(support, support_labels)
    nearest = torch.cdist(query, means).argmin(dim=1)
    refined = torch.stack(
        [
            torch.cat([support[support_labels == k], query[nearest == k]]).mean(dim=0)
            for k in range(len(means))
        ]
    )
    return -_squares(query, refined)


def wrong_scaled_by_all_features(support, support_labels, query):
    """Named `queries_inside`."""
    scale = torch.cat([support, query]).std()
    return -_squares(query / scale, _means(support, support_labels) / scale)


def wrong_prototypes_in_the_middle_of_everything(support, support_labels, query):
    """Named `queries_inside`."""
    centre = torch.cat([support, query]).mean(dim=0)
    return -_squares(query, (_means(support, support_labels) + centre) / 2)


def wrong_absolute_differences(support, support_labels, query):
    """Named `absolute`."""
    return -torch.cdist(query, _means(support, support_labels), p=1)


def wrong_softmax(support, support_labels, query):
    """Named `probabilities`."""
    return (-_squares(query, _means(support, support_labels))).softmax(dim=1)


def wrong_transposed(support, support_labels, query):
    """Named `transposed`."""
    return -_squares(_means(support, support_labels), query)


def wrong_softmax_over_the_queries(support, support_labels, query):
    """Named `query_axis`."""
    return (-_squares(query, _means(support, support_labels))).log_softmax(dim=0)


def wrong_labels_in_order_of_a_dict(support, support_labels, query):
    """Named `columns`."""
    groups = {}
    for x, y in zip(support, support_labels.tolist(), strict=True):
        groups.setdefault(y, []).append(x)
    return -_squares(query, torch.stack([torch.stack(g).mean(0) for g in groups.values()]))


def wrong_zeros_of_float32(support, support_labels, query):
    """Named `raised`."""
    n_way = int(support_labels.max()) + 1
    sums = torch.zeros(n_way, support.shape[1]).index_add(0, support_labels, support)
    return -_squares(query, sums / support_labels.bincount()[:, None])


def wrong_only_when_shots_are_equal(support, support_labels, query):
    """Named `raised`."""
    n_way = int(support_labels.max()) + 1
    ordered = support[support_labels.argsort(stable=True)]
    return -_squares(query, ordered.view(n_way, len(support) // n_way, -1).mean(dim=1))


def wrong_median_instead_of_mean(support, support_labels, query):
    """Named `value`."""
    n_way = int(support_labels.max()) + 1
    rows = [support[support_labels == k].quantile(0.5, dim=0) for k in range(n_way)]
    return -_squares(query, torch.stack(rows))


def wrong_only_the_winner(support, support_labels, query):
    """Named `shape`."""
    return -_squares(query, _means(support, support_labels)).amin(dim=1)


def wrong_detached(support, support_labels, query):
    """Named `no_gradient`."""
    return -_squares(query, _means(support.detach(), support_labels))


def wrong_numpy(support, support_labels, query):
    """Named `no_gradient`."""
    means = _means(support, support_labels).detach().numpy()
    return torch.tensor(-((query.numpy()[:, None] - means) ** 2).sum(-1))


def wrong_half_of_the_way_back(support, support_labels, query):
    """Named `gradient`."""
    means = _means(support, support_labels)
    return 2 * query @ means.T - means.detach().square().sum(dim=1)


def wrong_calls_the_library(support, support_labels, query):
    """Named `library`."""
    return _of_the_library(support, support_labels, query)


def wrong_works_in_place(support, support_labels, query):
    """Named `inputs`."""
    query -= support.detach().mean(dim=0)
    return -_squares(query, _means(support - support.detach().mean(dim=0), support_labels))


def wrong_scikit_learn_predicts(support, support_labels, query):
    """Named `type`."""
    return NearestCentroid().fit(support.detach(), support_labels).predict(query).tolist()


def right_broadcast(support, support_labels, query):
    return -_squares(query, _means(support, support_labels))


def right_without_the_length_of_the_query(support, support_labels, query):
    means = _means(support, support_labels)
    return 2 * query @ means.T - means.square().sum(dim=1)


def right_log_probabilities(support, support_labels, query):
    return (-_squares(query, _means(support, support_labels))).log_softmax(dim=1)


def right_cdist_squared(support, support_labels, query):
    return -(torch.cdist(query, _means(support, support_labels)) ** 2)


def right_loops(support, support_labels, query):
    n_way = int(support_labels.max()) + 1
    rows = []
    for q in query:
        row = []
        for k in range(n_way):
            chosen = [x for x, y in zip(support, support_labels, strict=True) if y == k]
            row.append(-((q - sum(chosen) / len(chosen)) ** 2).sum())
        rows.append(torch.stack(row))
    return torch.stack(rows)


def right_one_hot(support, support_labels, query):
    members = F.one_hot(support_labels).to(support.dtype)
    means = (members.T @ support) / members.sum(dim=0)[:, None]
    return -(query.unsqueeze(1) - means.unsqueeze(0)).pow(2).sum(2)


def right_index_add(support, support_labels, query):
    n_way = int(support_labels.max()) + 1
    sums = torch.zeros(n_way, support.shape[1], dtype=support.dtype)
    sums = sums.index_add(0, support_labels, support)
    means = sums / support_labels.bincount()[:, None]
    return -_squares(query, means)


def right_centred_on_the_support(support, support_labels, query):
    centre = support.mean(dim=0)
    return -_squares(query - centre, _means(support - centre, support_labels))
