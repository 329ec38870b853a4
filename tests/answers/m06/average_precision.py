"""Answers to `average_precision`."""

import math
from itertools import accumulate

import numpy as np
import torch
from sklearn.metrics import auc, average_precision_score

from course_lib.dense.scores import average_precision as _of_the_library


def _curve(is_tp, scores, n_truth):
    order = np.argsort(-np.asarray(scores))
    hits = np.asarray(is_tp, dtype=float)[order]
    found = hits.cumsum()
    return hits, found / np.arange(1, len(hits) + 1), found / n_truth


def _envelope(precision):
    return np.maximum.accumulate(precision[::-1])[::-1]


def _edges(is_tp, n_truth):
    """What the two edge cases give, or None."""
    return math.nan if n_truth == 0 else 0.0 if len(is_tp) == 0 else None


def _area(hits, precision, n_truth):
    return float((hits * _envelope(precision)).sum() / n_truth)


def wrong_input_order(is_tp, scores, n_truth):
    """Named `unsorted`."""
    edge = _edges(is_tp, n_truth)
    if edge is not None:
        return edge
    hits, precision, _ = _curve(is_tp, -np.arange(len(is_tp)), n_truth)
    return _area(hits, precision, n_truth)


def wrong_lowest_score_first(is_tp, scores, n_truth):
    """Named `ascending`."""
    edge = _edges(is_tp, n_truth)
    if edge is not None:
        return edge
    hits, precision, _ = _curve(is_tp, -scores, n_truth)
    return _area(hits, precision, n_truth)


def wrong_argsort_ascends(is_tp, scores, n_truth):
    """Named `ascending`."""
    if n_truth == 0:
        return float("nan")
    hits = is_tp[scores.argsort()].double()
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    best = precision.flip(0).cummax(0).values.flip(0)
    return (best * hits).sum() / n_truth


def wrong_recall_over_predictions(is_tp, scores, n_truth):
    """Named `recall_by_predictions`."""
    edge = _edges(is_tp, n_truth)
    if edge is not None:
        return edge
    hits, precision, _ = _curve(is_tp, scores, n_truth)
    return _area(hits, precision, len(hits))


def wrong_recall_over_hits(is_tp, scores, n_truth):
    """Named `recall_by_hits`."""
    edge = _edges(is_tp, n_truth)
    if edge is not None:
        return edge
    hits, precision, _ = _curve(is_tp, scores, n_truth)
    return _area(hits, precision, max(hits.sum(), 1))


def wrong_sklearn_without_the_missed(is_tp, scores, n_truth):
    """Named `recall_by_hits`."""
    edge = _edges(is_tp, n_truth)
    if edge is not None:
        return edge
    return average_precision_score(is_tp, scores) if is_tp.any() else 0.0


def wrong_no_envelope(is_tp, scores, n_truth):
    """Named `no_envelope`."""
    edge = _edges(is_tp, n_truth)
    if edge is not None:
        return edge
    hits, precision, _ = _curve(is_tp, scores, n_truth)
    return float((hits * precision).sum() / n_truth)


def wrong_sklearn_scaled_by_recall(is_tp, scores, n_truth):
    """Named `no_envelope`."""
    edge = _edges(is_tp, n_truth)
    if edge is not None:
        return edge
    if not is_tp.any():
        return 0.0
    return average_precision_score(is_tp, scores) * is_tp.sum().item() / n_truth


def wrong_envelope_from_the_front(is_tp, scores, n_truth):
    """Named `envelope_direction`."""
    edge = _edges(is_tp, n_truth)
    if edge is not None:
        return edge
    hits, precision, _ = _curve(is_tp, scores, n_truth)
    return float((hits * np.maximum.accumulate(precision)).sum() / n_truth)


def _sampled(is_tp, scores, n_truth, points):
    edge = _edges(is_tp, n_truth)
    if edge is not None:
        return edge
    _, precision, recall = _curve(is_tp, scores, n_truth)
    reached = [precision[recall >= r - 1e-9] for r in np.linspace(0, 1, points)]
    return float(np.mean([p.max() if len(p) else 0 for p in reached]))


def wrong_eleven_points_of_old_voc(is_tp, scores, n_truth):
    """Named `sampled`."""
    return _sampled(is_tp, scores, n_truth, 11)


def wrong_hundred_and_one_points_of_coco(is_tp, scores, n_truth):
    """Named `sampled`."""
    return _sampled(is_tp, scores, n_truth, 101)


def wrong_trapezoids(is_tp, scores, n_truth):
    """Named `trapezoid`."""
    edge = _edges(is_tp, n_truth)
    if edge is not None:
        return edge
    _, precision, recall = _curve(is_tp, scores, n_truth)
    return auc(recall, precision) if len(recall) > 1 else 0.0


def wrong_trapezoids_under_the_envelope(is_tp, scores, n_truth):
    """Named `trapezoid`."""
    edge = _edges(is_tp, n_truth)
    if edge is not None:
        return edge
    _, precision, recall = _curve(is_tp, scores, n_truth)
    return float(np.trapezoid(_envelope(precision), recall))


def wrong_only_precision(is_tp, scores, n_truth):
    """Named `precision`."""
    edge = _edges(is_tp, n_truth)
    return is_tp.double().mean().item() if edge is None else edge


def wrong_only_recall(is_tp, scores, n_truth):
    """Named `recall`."""
    edge = _edges(is_tp, n_truth)
    return is_tp.sum().item() / n_truth if edge is None else edge


def wrong_f1(is_tp, scores, n_truth):
    """Named `f1`."""
    edge = _edges(is_tp, n_truth)
    return 2 * is_tp.sum().item() / (len(is_tp) + n_truth) if edge is None else edge


def wrong_mean_of_all_precisions(is_tp, scores, n_truth):
    """Named `mean_of_precisions`."""
    edge = _edges(is_tp, n_truth)
    return float(_curve(is_tp, scores, n_truth)[1].mean()) if edge is None else edge


def wrong_in_per_cent(is_tp, scores, n_truth):
    """Named `percent`."""
    return 100 * right_loop(is_tp, scores, n_truth)


def wrong_sure_ones_only(is_tp, scores, n_truth):
    """Named `sure_ones_only`."""
    return right_loop(is_tp[scores >= 0.5], scores[scores >= 0.5], n_truth)


def wrong_scores_below_zero_left_out(is_tp, scores, n_truth):
    """Named `sure_ones_only`."""
    return right_loop(is_tp[scores >= 0], scores[scores >= 0], n_truth)


def wrong_eleven_thresholds_of_the_score(is_tp, scores, n_truth):
    """Named `value`."""
    edge = _edges(is_tp, n_truth)
    if edge is not None:
        return edge
    recall, precision = [0.0], [1.0]
    for threshold in np.linspace(scores.max(), scores.min(), 11):
        n, hits = (scores >= threshold).sum().item(), is_tp[scores >= threshold].sum().item()
        recall.append(hits / n_truth)
        precision.append(hits / max(n, 1))
    return float((np.diff(recall) * _envelope(np.array(precision))[1:]).sum())


def wrong_the_whole_curve(is_tp, scores, n_truth):
    """Named `curve`."""
    hits, precision, _ = _curve(is_tp, scores, n_truth)
    return hits * _envelope(precision) / n_truth


def wrong_always_perfect(is_tp, scores, n_truth):
    """Named `constant`."""
    return 1.0


def wrong_envelope_times_precision(is_tp, scores, n_truth):
    """Named `value`."""
    edge = _edges(is_tp, n_truth)
    if edge is not None:
        return edge
    hits, precision, _ = _curve(is_tp, scores, n_truth)
    return float((hits * precision * _envelope(precision)).sum() / n_truth)


def wrong_no_predictions_is_nan(is_tp, scores, n_truth):
    """Named `no_predictions`."""
    return right_loop(is_tp, scores, n_truth) if len(is_tp) else math.nan


def wrong_no_predictions_is_perfect(is_tp, scores, n_truth):
    """Named `no_predictions`."""
    return right_loop(is_tp, scores, n_truth) if len(is_tp) else 1.0


def wrong_no_truth_is_zero(is_tp, scores, n_truth):
    """Named `no_truth`."""
    return right_loop(is_tp, scores, n_truth) if n_truth else 0.0


def wrong_at_least_one_object(is_tp, scores, n_truth):
    """Named `no_truth`."""
    return right_loop(is_tp, scores, max(n_truth, 1))


def wrong_no_spread_in_one_object(is_tp, scores, n_truth):
    """Named `value`."""
    return right_loop(is_tp, scores, n_truth) if n_truth != 1 else 0.0


def wrong_no_predictions_asked_first(is_tp, scores, n_truth):
    """Named `no_truth`."""
    return right_loop(is_tp, scores, n_truth) if len(is_tp) else 0.0


def wrong_divides_by_zero(is_tp, scores, n_truth):
    """Named `raised`."""
    hits = is_tp[scores.argsort(descending=True)].tolist()
    precision = [p / (i + 1) for i, p in enumerate(accumulate(hits))]
    return sum(max(precision[i:]) for i, hit in enumerate(hits) if hit) / n_truth


def wrong_calls_the_library(is_tp, scores, n_truth):
    """Named `library`."""
    return _of_the_library(is_tp, scores, n_truth)


def right_loop(is_tp, scores, n_truth):
    if n_truth == 0:
        return float("nan")
    ranking = sorted(zip(scores.tolist(), is_tp.tolist(), strict=True), reverse=True)
    precision, found = [], 0
    for n, (_, hit) in enumerate(ranking, 1):
        found += hit
        precision.append(found / n)
    return sum(max(precision[i:]) for i, (_, hit) in enumerate(ranking) if hit) / n_truth


def right_steps_of_recall(is_tp, scores, n_truth):
    if n_truth == 0:
        return torch.tensor(float("nan"))
    hits = is_tp[torch.argsort(scores, descending=True)].float()
    recall = torch.cat([torch.zeros(1), hits.cumsum(0) / n_truth])
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    best = precision.flip(0).cummax(0).values.flip(0)
    return (recall.diff() * best).sum()


def right_as_in_the_voc_devkit(is_tp, scores, n_truth):
    if n_truth == 0:
        return np.nan
    _, precision, recall = _curve(is_tp, scores, n_truth)
    recall = np.concatenate([[0.0], recall, [1.0]])
    precision = np.concatenate([[0.0], precision, [0.0]])
    for i in range(len(precision) - 1, 0, -1):
        precision[i - 1] = max(precision[i - 1], precision[i])
    at = np.where(recall[1:] != recall[:-1])[0]
    return ((recall[at + 1] - recall[at]) * precision[at + 1]).sum()


def right_best_precision_at_each_recall(is_tp, scores, n_truth):
    if not n_truth:
        return math.nan
    order = scores.sort(descending=True).indices
    found = is_tp[order].int().cumsum(0)
    precision = found.double() / torch.arange(1, len(order) + 1)
    total = 0.0
    for k in range(1, n_truth + 1):
        reached = precision[found >= k]
        total += reached.max().item() if len(reached) else 0.0
    return total / n_truth


def right_an_integer_for_nothing(is_tp, scores, n_truth):
    if n_truth == 0:
        return np.float64("nan")
    return _area(*_curve(is_tp, scores, n_truth)[:2], n_truth) if len(is_tp) else 0


def right_a_zero_dimensional_array(is_tp, scores, n_truth):
    return np.array(right_loop(is_tp, scores, n_truth), dtype=np.float32)
