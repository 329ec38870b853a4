from collections import Counter

import numpy as np
import torch
from sklearn.metrics import jaccard_score


def wrong_mean_of_batches(pred, target, n_classes):
    """Takes mIoU for something that can be averaged over batches, against "intersections and
    unions are summed over the whole set of images, then divided once per class".

    Named `per_image`.
    """
    if pred.shape != target.shape:
        raise ValueError(f"The masks have different shapes: {pred.shape} and {target.shape}.")
    scores = []
    for p, t in zip(pred.split(8), target.split(8), strict=False):
        ious = []
        for k in range(n_classes):
            union = ((p == k) | (t == k)).sum().item()
            if union:
                ious.append(((p == k) & (t == k)).sum().item() / union)
        scores.append(sum(ious) / len(ious))
    return sum(scores) / len(scores)


def wrong_absent_class_counts_zero(pred, target, n_classes):
    """Believes that a class which is nowhere has an IoU of 0, against "A class whose union is
    empty is left out of the mean".

    Named `absent_zero`.
    """
    if pred.shape != target.shape:
        raise ValueError(f"The masks have different shapes: {pred.shape} and {target.shape}.")
    classes = torch.arange(n_classes, device=pred.device)[:, None]
    p, t = pred.reshape(1, -1) == classes, target.reshape(1, -1) == classes
    intersection, union = (p & t).sum(dim=1).double(), (p | t).sum(dim=1)
    return float((intersection / union.clamp(min=1)).mean())


def wrong_only_classes_of_the_target(pred, target, n_classes):
    """Averages over the classes that truly occur only, against "one that is predicted but not
    there has 0".

    Named `false_class_left_out`.
    """
    if pred.shape != target.shape:
        raise ValueError(f"The masks have different shapes: {pred.shape} and {target.shape}.")
    ious = []
    for k in range(n_classes):
        p, t = pred == k, target == k
        if not t.any():
            continue
        ious.append((p & t).sum().item() / (p | t).sum().item())
    return float(np.mean(ious))


def wrong_smoothed(pred, target, n_classes, eps=1e-6):
    """Avoids 0 / 0 with a small constant above and below, so an absent class has 1, against "A
    class whose union is empty is left out of the mean".

    Named `absent_one`.
    """
    if pred.shape != target.shape:
        raise ValueError(f"The masks have different shapes: {pred.shape} and {target.shape}.")
    ious = []
    for k in range(n_classes):
        p, t = pred == k, target == k
        ious.append(((p & t).sum().item() + eps) / ((p | t).sum().item() + eps))
    return sum(ious) / n_classes


def wrong_background_is_no_class(pred, target, n_classes):
    """Takes background for "nothing" and begins with class 1, against "Return the mean over
    classes ... Values are 0...n_classes-1" and "the rarest class counts as much as the
    background".

    Named `background`.
    """
    if pred.shape != target.shape:
        raise ValueError(f"The masks have different shapes: {pred.shape} and {target.shape}.")
    ious = []
    for k in range(1, n_classes):
        p, t = pred == k, target == k
        union = (p | t).sum().item()
        if union:
            ious.append((p & t).sum().item() / union)
    return float(np.mean(ious)) if ious else 0.0


def wrong_only_number_of_pixels_checked(pred, target, n_classes):
    """Thinks that two masks fit if they have equally many pixels, against "Masks of different
    shapes are a ValueError with a sentence".

    Named `mismatch`.
    """
    if pred.numel() != target.numel():
        raise ValueError("The two masks do not have the same number of pixels.")
    p, t = pred.reshape(-1).long(), target.reshape(-1).long()
    table = torch.bincount(n_classes * t + p, minlength=n_classes**2)
    table = table.reshape(n_classes, n_classes).double()
    intersection = table.diagonal()
    union = table.sum(dim=0) + table.sum(dim=1) - intersection
    return float((intersection / union)[union > 0].mean())


def right_sklearn_jaccard(pred, target, n_classes):
    """Scikit-learn's Jaccard score, macro-averaged over the classes that occur on either side."""
    if tuple(pred.shape) != tuple(target.shape):
        raise ValueError(
            f"Both masks must have one shape, not {tuple(pred.shape)} and {tuple(target.shape)}."
        )
    p, t = (m.detach().cpu().numpy().astype(np.int64).ravel() for m in (pred, target))
    there = np.union1d(p, t)
    return float(jaccard_score(t, p, labels=there, average="macro", zero_division=0))


def right_counters_and_dice(pred, target, n_classes, *, verbose=False):
    """Pure Python counts; IoU from the Dice score d as d / (2 - d)."""
    if pred.shape != target.shape:
        raise ValueError(
            "The predicted and the true masks differ in shape, so no pixel has a partner."
        )
    p, t = pred.flatten().tolist(), target.flatten().tolist()
    in_pred, in_target = Counter(p), Counter(t)
    in_both = Counter(a for a, b in zip(p, t, strict=False) if a == b)
    total, n = 0.0, 0
    for k in range(n_classes):
        size = in_pred[k] + in_target[k]
        if size == 0:
            continue
        dice = 2 * in_both[k] / size
        total, n = total + dice / (2 - dice), n + 1
        if verbose:
            print(k, dice)
    return torch.tensor(total / n, dtype=torch.float64)
