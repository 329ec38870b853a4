import math
from fractions import Fraction

import numpy as np
import torch


def wrong_no_envelope_too(is_tp, scores, n_truth):
    """Sums the precision at each hit as it is, against "precision at a recall is the best that is
    reached there or at a higher recall: the envelope".

    Named `no_envelope`.
    """
    if n_truth == 0:
        return math.nan
    if len(is_tp) == 0:
        return 0.0
    hits = is_tp[scores.argsort(descending=True)].double()
    precision = hits.cumsum(dim=0) / torch.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / n_truth)


def wrong_envelope_from_the_left(is_tp, scores, n_truth):
    """Takes the best precision so far, that is at lower recalls, against "the best that is reached
    there or at a higher recall".

    Named `envelope_direction`.
    """
    if n_truth == 0:
        return math.nan
    if len(is_tp) == 0:
        return 0.0
    hits = is_tp[scores.argsort(descending=True)].double()
    precision = hits.cumsum(dim=0) / torch.arange(1, len(hits) + 1)
    envelope = precision.cummax(dim=0).values
    return float((envelope * hits).sum() / n_truth)


def wrong_recall_among_the_found(is_tp, scores, n_truth):
    """Divides by the objects that were found at all, against "what share of all objects has been
    found so far" and "The third object was never reported, and costs its third".

    Named `recall_by_hits`.
    """
    if n_truth == 0:
        return math.nan
    hits = is_tp[scores.argsort(descending=True)].double()
    if hits.sum() == 0:
        return 0.0
    precision = hits.cumsum(dim=0) / torch.arange(1, len(hits) + 1)
    envelope = precision.flip(0).cummax(dim=0).values.flip(0)
    return float((envelope * hits).sum() / hits.sum())


def wrong_at_101_recalls(is_tp, scores, n_truth):
    """Averages the envelope at 101 fixed recalls as COCO does, against "AP is a sum, over the
    hits: 1 / objects, times the envelope".

    Named `sampled`.
    """
    if n_truth == 0:
        return math.nan
    if len(is_tp) == 0:
        return 0.0
    hits = is_tp[scores.argsort(descending=True)].double()
    recall = hits.cumsum(dim=0) / n_truth
    precision = hits.cumsum(dim=0) / torch.arange(1, len(hits) + 1)
    levels = torch.linspace(0, 1, 101, dtype=torch.float64)
    best = [
        precision[recall >= r - 1e-12].max() if (recall >= r - 1e-12).any() else 0.0 for r in levels
    ]
    return float(sum(best) / 101)


def wrong_no_predictions_first(is_tp, scores, n_truth):
    """Thinks that whoever reports nothing has 0 in any case, against "No objects: nan, with or
    without predictions".

    Named `no_truth`.
    """
    if len(is_tp) == 0:
        return 0.0
    if n_truth == 0:
        return math.nan
    hits = is_tp[scores.argsort(descending=True)].double()
    precision = hits.cumsum(dim=0) / torch.arange(1, len(hits) + 1)
    envelope = precision.flip(0).cummax(dim=0).values.flip(0)
    return float((envelope * hits).sum() / n_truth)


def right_fractions_from_the_end(is_tp, scores, n_truth):
    """Exact fractions, from the least sure prediction to the surest."""
    if n_truth == 0:
        return float("nan")
    ranked = [
        bool(hit)
        for _, _, hit in sorted(
            (-float(s), i, bool(h)) for i, (h, s) in enumerate(zip(is_tp, scores, strict=False))
        )
    ]
    found, best, area = sum(ranked), Fraction(0), Fraction(0)
    for rank in range(len(ranked), 0, -1):
        best = max(best, Fraction(found, rank))
        if ranked[rank - 1]:
            area += best
            found -= 1
    return float(area / int(n_truth))


def right_ranks_of_hits(is_tp, scores, n_truth, *, nothing=0.0):
    """Only the ranks of the hits matter: the j-th hit at rank r has precision j / r."""
    n = int(n_truth)
    if n == 0:
        return torch.tensor(float("nan"))
    s = np.array([float(v) for v in scores])
    order = np.argsort(-s, kind="mergesort")
    ranks = 1 + np.flatnonzero(np.array([bool(v) for v in is_tp], dtype=bool)[order])
    area = nothing
    for j in range(1, len(ranks) + 1):
        area += max(k / ranks[k - 1] for k in range(j, len(ranks) + 1))
    return torch.tensor(area / n, dtype=torch.float64)
