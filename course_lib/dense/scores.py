"""Scores of dense predictions: intersection over union, and average precision.

Accuracy over pixels is no score here: where nine pixels of ten are background, a network that
never finds anything has 90 %.
"""

import math

import torch
from torch import Tensor
from torchvision.ops import box_iou


def mean_iou(pred: Tensor, target: Tensor, n_classes: int) -> float:
    """Return the mean over classes of intersection over union, counted over the whole set.

    Parameters
    ----------
    pred, target : Tensor (N, H, W)
        Integers 0…n_classes-1, a class for each pixel.

    Returns
    -------
    float
        In [0, 1]. A class that occurs on neither side has no IoU and is left out of the mean; one
        that is predicted but not there has 0.

    Raises
    ------
    ValueError
        If the shapes differ, or there is no pixel.
    """
    if pred.shape != target.shape or pred.numel() == 0:
        raise ValueError(
            "Prediction and target need one class for each of the same pixels: their shapes are "
            f"{tuple(pred.shape)} and {tuple(target.shape)}."
        )
    pairs = n_classes * target.flatten() + pred.flatten()
    counts = torch.bincount(pairs, minlength=n_classes**2).view(n_classes, n_classes)
    intersection = counts.diag()
    union = counts.sum(dim=0) + counts.sum(dim=1) - intersection
    present = union > 0
    return float((intersection[present] / union[present]).mean())


def match_boxes(boxes: Tensor, scores: Tensor, truth: Tensor, threshold: float = 0.5) -> Tensor:
    """Say which predictions of one class in one image are hits (true positives).

    The predictions choose in the order of their scores: each takes the box of the truth that it
    overlaps most, among those not yet taken, if the IoU reaches the threshold. A second prediction
    on an object that has been found is a false alarm.

    Parameters
    ----------
    boxes : Tensor (P, 4)
        Left, top, right, bottom.
    scores : Tensor (P,)
    truth : Tensor (G, 4)
    threshold
        Least IoU of a hit.

    Returns
    -------
    Tensor (P,), bool
        In the order of `boxes`.
    """
    iou = box_iou(boxes, truth)
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    if not len(truth):
        return hits
    for i in scores.argsort(descending=True).tolist():
        best = int(iou[i].argmax())
        if iou[i, best] >= threshold:
            hits[i] = True
            iou[:, best] = -1  # taken
    return hits


def average_precision(is_tp: Tensor, scores: Tensor, n_truth: int) -> float:
    """Return the area under the precision-recall curve of one class.

    Go down the predictions by score. After each, precision is the share of hits so far, recall
    the share of the truth that was found. Precision at a recall is the best that is reached there
    or further down (the envelope, as in Pascal VOC since 2010), and AP is its mean over recall.

    Parameters
    ----------
    is_tp : Tensor (P,), bool
        Which predictions are hits, over all images.
    scores : Tensor (P,)
    n_truth
        Number of objects in all images.

    Returns
    -------
    float
        In [0, 1]; 0 without predictions, NaN without objects.
    """
    if n_truth == 0:
        return math.nan
    hits = is_tp[scores.argsort(descending=True)].double()
    found = hits.cumsum(dim=0)
    precision = found / torch.arange(1, len(hits) + 1)
    envelope = precision.flip(0).cummax(dim=0).values.flip(0)
    return float((envelope * hits).sum() / n_truth)  # each hit moves recall on by 1 / n_truth
