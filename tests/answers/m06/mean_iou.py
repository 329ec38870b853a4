"""Answers to `mean_iou`."""

import numpy as np
import torch
from sklearn.metrics import confusion_matrix, jaccard_score

from course_lib.dense.scores import mean_iou as _of_the_library


def _same_shape(pred, target):
    if pred.shape != target.shape:
        raise ValueError(f"The shapes differ: {tuple(pred.shape)} and {tuple(target.shape)}.")


def _counts(pred, target, n_classes):
    _same_shape(pred, target)
    rows = [
        (
            ((pred == k) & (target == k)).sum().item(),
            (pred == k).sum().item(),
            (target == k).sum().item(),
        )
        for k in range(n_classes)
    ]
    return np.array(rows, dtype=float).T


def wrong_pixel_accuracy(pred, target, n_classes):
    """Named `pixel_accuracy`."""
    _same_shape(pred, target)
    return (pred == target).float().mean().item()


def wrong_absent_class_is_zero(pred, target, n_classes):
    """Named `absent_zero`."""
    both, p, t = _counts(pred, target, n_classes)
    return float((both / np.maximum(p + t - both, 1)).mean())


def wrong_epsilon_below_only(pred, target, n_classes):
    """Named `absent_zero`."""
    both, p, t = _counts(pred, target, n_classes)
    return float((both / (p + t - both + 1e-9)).mean())


def wrong_epsilon_on_both_sides(pred, target, n_classes):
    """Named `absent_one`."""
    both, p, t = _counts(pred, target, n_classes)
    return float(((both + 1e-9) / (p + t - both + 1e-9)).mean())


def wrong_absent_class_is_perfect(pred, target, n_classes):
    """Named `absent_one`."""
    both, p, t = _counts(pred, target, n_classes)
    union = p + t - both
    return float(np.where(union > 0, both / np.maximum(union, 1), 1).mean())


def wrong_zero_by_zero(pred, target, n_classes):
    """Named `absent_nan`."""
    _same_shape(pred, target)
    ious = [
        ((pred == k) & (target == k)).sum() / ((pred == k) | (target == k)).sum()
        for k in range(n_classes)
    ]
    return torch.stack(ious).mean()


def wrong_classes_of_the_target_only(pred, target, n_classes):
    """Named `false_class_left_out`."""
    both, p, t = _counts(pred, target, n_classes)
    return float((both / np.maximum(p + t - both, 1))[t > 0].mean())


def wrong_unique_classes_of_the_target(pred, target, n_classes):
    """Named `false_class_left_out`."""
    _same_shape(pred, target)
    ious = []
    for k in target.unique():
        a, b = pred == k, target == k
        ious.append(((a & b).sum() / (a | b).sum()).item())
    return sum(ious) / len(ious)


def wrong_mean_over_images(pred, target, n_classes):
    """Named `per_image`."""
    _same_shape(pred, target)
    scores = [_of_counts(p, t, n_classes) for p, t in zip(pred, target, strict=True)]
    return sum(scores) / len(scores)


def _of_counts(pred, target, n_classes):
    both, p, t = _counts(pred, target, n_classes)
    union = p + t - both
    return float((both[union > 0] / union[union > 0]).mean())


def wrong_mean_over_images_and_all_classes(pred, target, n_classes):
    """Named `per_image`."""
    _same_shape(pred, target)
    scores = []
    for p, t in zip(pred, target, strict=True):
        both, a, b = _counts(p, t, n_classes)
        scores.append((both / np.maximum(a + b - both, 1)).mean())
    return float(np.mean(scores))


def wrong_background_left_out(pred, target, n_classes):
    """Named `background`."""
    both, p, t = _counts(pred, target, n_classes)
    union = p + t - both
    ious = np.full(n_classes, np.nan)
    ious[union > 0] = both[union > 0] / union[union > 0]
    return float(np.nanmean(ious[1:]))


def wrong_sums_divided_once(pred, target, n_classes):
    """Named `summed`."""
    both, p, t = _counts(pred, target, n_classes)
    return both.sum() / (p + t - both).sum()


def wrong_micro_average_of_sklearn(pred, target, n_classes):
    """Named `summed`."""
    _same_shape(pred, target)
    return jaccard_score(target.flatten(), pred.flatten(), average="micro")


def wrong_weighted_average_of_sklearn(pred, target, n_classes):
    """Named `weighted`."""
    _same_shape(pred, target)
    return jaccard_score(target.flatten(), pred.flatten(), average="weighted")


def wrong_class_accuracy(pred, target, n_classes):
    """Named `recall`."""
    both, _, t = _counts(pred, target, n_classes)
    return float((both[t > 0] / t[t > 0]).mean())


def wrong_divided_by_the_predicted(pred, target, n_classes):
    """Named `precision`."""
    both, p, _ = _counts(pred, target, n_classes)
    return float((both[p > 0] / p[p > 0]).mean())


def wrong_dice(pred, target, n_classes):
    """Named `dice`."""
    both, p, t = _counts(pred, target, n_classes)
    size = p + t
    return float((2 * both[size > 0] / size[size > 0]).mean())


def wrong_union_counts_the_overlap_twice(pred, target, n_classes):
    """Named `union`."""
    both, p, t = _counts(pred, target, n_classes)
    size = p + t
    return float((both[size > 0] / size[size > 0]).mean())


def wrong_in_per_cent(pred, target, n_classes):
    """Named `percent`."""
    _same_shape(pred, target)
    return 100 * _of_counts(pred, target, n_classes)


def wrong_one_number_for_each_class(pred, target, n_classes):
    """Named `per_class`."""
    both, p, t = _counts(pred, target, n_classes)
    return both / np.maximum(p + t - both, 1)


def wrong_always_the_same(pred, target, n_classes):
    """Named `constant`."""
    return 0.5


def wrong_neighbouring_class(pred, target, n_classes):
    """Named `value`."""
    _same_shape(pred, target)
    return _of_counts((pred + 1) % n_classes, target, n_classes)


def wrong_nothing_is_refused(pred, target, n_classes):
    """Named `mismatch`."""
    n = min(pred.numel(), target.numel())
    return _of_counts(pred.flatten()[:n], target.flatten()[:n], n_classes)


def wrong_assertion_instead_of_value_error(pred, target, n_classes):
    """Named `mismatch`."""
    assert pred.shape == target.shape, "the shapes of both must be the same"
    return _of_counts(pred, target, n_classes)


def wrong_calls_the_library(pred, target, n_classes):
    """Named `library`."""
    return _of_the_library(pred, target, n_classes)


def wrong_recodes_in_place(pred, target, n_classes):
    """Named `inputs`."""
    _same_shape(pred, target)
    pred *= n_classes
    counts = torch.bincount((pred + target).flatten(), minlength=n_classes**2)
    counts = counts.view(n_classes, n_classes)
    union = counts.sum(0) + counts.sum(1) - counts.diag()
    return (counts.diag()[union > 0] / union[union > 0]).mean()


def wrong_classes_without_a_hit_left_out(pred, target, n_classes):
    """Named `false_class_left_out`."""
    both, p, t = _counts(pred, target, n_classes)
    return float((both[both > 0] / (p + t - both)[both > 0]).mean())


def wrong_one_pixel_is_noise(pred, target, n_classes):
    """Named `rare`."""
    both, p, t = _counts(pred, target, n_classes)
    union = p + t - both
    return float((both[union > 1] / union[union > 1]).mean())


def wrong_classes_in_a_row(pred, target, n_classes):
    """Named `in_a_row`."""
    _same_shape(pred, target)
    n = len(torch.cat([pred, target]).unique())  # right where these are 0...n-1
    both, p, t = _counts(pred, target, n)
    return float((both / np.maximum(p + t - both, 1)).mean())


def wrong_square_images_only(pred, target, n_classes):
    """Named `value`."""
    _same_shape(pred, target)
    n_pixels = len(pred) * pred.shape[1] ** 2
    ious = []
    for k in range(n_classes):
        union = n_pixels - ((pred != k) & (target != k)).sum().item()
        if union != 0:
            ious.append(((pred == k) & (target == k)).sum().item() / union)
    return sum(ious) / len(ious)


def wrong_first_image_only(pred, target, n_classes):
    """Named `value`."""
    _same_shape(pred, target)
    return _of_counts(pred[0], target[0], n_classes)


def wrong_only_masks_in_one_piece_of_memory(pred, target, n_classes):
    """Named `raised`."""
    _same_shape(pred, target)
    return _of_counts(pred.view(-1), target.view(-1), n_classes)


def right_loop_over_classes(pred, target, n_classes):
    if pred.shape != target.shape:
        raise ValueError("The two maps must have the same shape.")
    ious = []
    for k in range(n_classes):
        intersection = ((pred == k) & (target == k)).sum().item()
        union = ((pred == k) | (target == k)).sum().item()
        if union > 0:
            ious.append(intersection / union)
    return sum(ious) / len(ious)


def right_python_sets(pred, target, n_classes):
    _same_shape(pred, target)
    pred, target = pred.flatten().tolist(), target.flatten().tolist()
    total, n = 0.0, 0
    for k in range(n_classes):
        a = {i for i, c in enumerate(pred) if c == k}
        b = {i for i, c in enumerate(target) if c == k}
        if a | b:
            total, n = total + len(a & b) / len(a | b), n + 1
    return total / n


def right_confusion_matrix_of_sklearn(pred, target, n_classes):
    _same_shape(pred, target)
    table = confusion_matrix(target.flatten(), pred.flatten(), labels=range(n_classes))
    union = table.sum(0) + table.sum(1) - table.diagonal()
    with np.errstate(invalid="ignore"):
        return np.nanmean(table.diagonal() / union)


def right_macro_average_of_sklearn(pred, target, n_classes):
    # scikit-learn averages the labels that occur on either side
    _same_shape(pred, target)
    return jaccard_score(target.flatten(), pred.flatten(), average="macro")


def right_one_hot_and_einsum(pred, target, n_classes):
    if pred.shape != target.shape:
        raise ValueError(f"{pred.shape} is not {target.shape}: nothing to compare.")
    p = torch.nn.functional.one_hot(pred, n_classes).double()
    t = torch.nn.functional.one_hot(target, n_classes).double()
    both = torch.einsum("nhwk,nhwk->k", p, t)
    union = torch.maximum(p, t).sum((0, 1, 2))
    return (both / union).nanmean()


class _Score:
    def __call__(self, pred, target, n_classes):
        _same_shape(pred, target)
        return np.float32(_of_counts(pred, target, n_classes))


right_a_callable_object = _Score()
