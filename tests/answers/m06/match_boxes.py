"""Answers to `match_boxes`."""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_iou, nms

from course_lib.dense.scores import match_boxes as _of_the_library


def _match(iou, order, threshold):
    hits, free = torch.zeros(len(iou), dtype=torch.bool), set(range(iou.shape[1]))
    for i in order:
        best = max(free, key=lambda j: iou[i, j], default=None)
        if best is not None and iou[i, best] >= threshold:
            hits[i] = True
            free.remove(best)
    return hits


def _by_score(scores):
    return scores.argsort(descending=True).tolist()


def wrong_one_truth_matched_twice(boxes, scores, truth, threshold=0.5):
    """Named `twice`."""
    if not len(truth):
        return torch.zeros(len(boxes), dtype=torch.bool)
    return box_iou(boxes, truth).amax(1) >= threshold


def wrong_input_order(boxes, scores, truth, threshold=0.5):
    """Named `input_order`."""
    return _match(box_iou(boxes, truth), range(len(boxes)), threshold)


def wrong_lowest_score_first(boxes, scores, truth, threshold=0.5):
    """Named `lowest_first`."""
    return _match(box_iou(boxes, truth), scores.argsort().tolist(), threshold)


def wrong_result_in_sorted_order(boxes, scores, truth, threshold=0.5):
    """Named `sorted_result`."""
    order = scores.argsort(descending=True)
    return _match(box_iou(boxes[order], truth), range(len(boxes)), threshold)


def wrong_best_of_all_or_nothing(boxes, scores, truth, threshold=0.5):
    """Named `taken_is_final`."""
    iou, taken = box_iou(boxes, truth), set()
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    for i in _by_score(scores) if len(truth) else []:
        best = int(iou[i].argmax())
        if iou[i, best] >= threshold and best not in taken:
            hits[i] = True
            taken.add(best)
    return hits


def wrong_first_that_fits(boxes, scores, truth, threshold=0.5):
    """Named `first_fit`."""
    iou, taken = box_iou(boxes, truth), set()
    hits = [False] * len(boxes)
    for i in _by_score(scores):
        for j in range(len(truth)):
            if j not in taken and iou[i, j] >= threshold:
                hits[i] = True
                taken.add(j)
                break
    return hits


def wrong_largest_overlap_first(boxes, scores, truth, threshold=0.5):
    """Named `by_iou`."""
    iou = box_iou(boxes, truth)
    order = iou.amax(1).argsort(descending=True).tolist() if len(truth) else []
    return _match(iou, order, threshold)


def wrong_optimal_assignment(boxes, scores, truth, threshold=0.5):
    """Named `optimal`."""
    fits = (box_iou(boxes, truth) >= threshold).numpy()
    rows, columns = linear_sum_assignment(fits, maximize=True)
    hits = np.zeros(len(boxes), dtype=bool)
    hits[rows[fits[rows, columns]]] = True
    return hits


def wrong_truth_chooses(boxes, scores, truth, threshold=0.5):
    """Named `truth_chooses`."""
    iou = box_iou(boxes, truth)
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    for j in range(len(truth)) if len(boxes) else []:
        if iou[:, j].max() >= threshold:
            hits[iou[:, j].argmax()] = True
    return hits


def wrong_threshold_of_one_half(boxes, scores, truth, threshold=0.5):
    """Named `threshold`."""
    return _match(box_iou(boxes, truth), _by_score(scores), 0.5)


def wrong_strictly_above(boxes, scores, truth, threshold=0.5):
    """Named `strict`."""
    return _match(box_iou(boxes, truth), _by_score(scores), threshold + 1e-6)


def wrong_only_confident_ones(boxes, scores, truth, threshold=0.5):
    """Named `score_threshold`."""
    sure = (scores >= threshold).nonzero().flatten()
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    hits[sure] = _match(box_iou(boxes[sure], truth), _by_score(scores[sure]), threshold)
    return hits


def wrong_over_the_predicted_area(boxes, scores, truth, threshold=0.5):
    """Named `overlap`."""
    corner = torch.maximum(boxes[:, None, :2], truth[None, :, :2])
    opposite = torch.minimum(boxes[:, None, 2:], truth[None, :, 2:])
    overlap = (opposite - corner).clamp(min=0).prod(2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return _match(overlap / area[:, None], _by_score(scores), threshold)


def wrong_corner_and_size(boxes, scores, truth, threshold=0.5):
    """Named `xywh`."""
    a, b = (torch.cat([x[:, :2], x[:, :2] + x[:, 2:]], dim=1) for x in (boxes, truth))
    return _match(box_iou(a, b), _by_score(scores), threshold)


def wrong_marks_false_alarms(boxes, scores, truth, threshold=0.5):
    """Named `inverted`."""
    return ~_match(box_iou(boxes, truth), _by_score(scores), threshold)


def wrong_stops_at_the_first_false_alarm(boxes, scores, truth, threshold=0.5):
    """Named `stops_early`."""
    iou = box_iou(boxes, truth)
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    for i in _by_score(scores):
        if not len(truth) or iou[i].max() < threshold:
            break
        hits[i] = True
        iou[:, iou[i].argmax()] = -1
    return hits


def wrong_strikes_out_one_cell(boxes, scores, truth, threshold=0.5):
    """Named `twice`."""
    iou = box_iou(boxes, truth)
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    for i in _by_score(scores) if len(truth) else []:
        best = iou[i].argmax()
        if iou[i, best] >= threshold:
            hits[i] = True
            iou[i, best] = -1
    return hits


def wrong_one_pixel_more(boxes, scores, truth, threshold=0.5):
    """Named `pixel`."""
    more = torch.tensor([0, 0, 1, 1])
    return _match(box_iou(boxes + more, truth + more), _by_score(scores), threshold)


def wrong_whole_pixels(boxes, scores, truth, threshold=0.5):
    """Named `pixel`."""
    return _match(box_iou(boxes.round(), truth.round()), _by_score(scores), threshold)


def wrong_dice_for_iou(boxes, scores, truth, threshold=0.5):
    """Named `pixel`."""
    iou = box_iou(boxes, truth)
    return _match(2 * iou / (1 + iou), _by_score(scores), threshold)


def wrong_suppression_instead_of_matching(boxes, scores, truth, threshold=0.5):
    """Named `value`."""
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    kept = nms(boxes, scores, threshold)
    if len(truth):
        hits[kept] = box_iou(boxes[kept], truth).amax(1) >= threshold
    return hits


def wrong_table_transposed(boxes, scores, truth, threshold=0.5):
    """Named `raised`."""
    return _match(box_iou(truth, boxes), _by_score(scores), threshold)


def wrong_zeros_and_ones(boxes, scores, truth, threshold=0.5):
    """Named `dtype`."""
    return _match(box_iou(boxes, truth), _by_score(scores), threshold).long()


def wrong_positions_of_the_hits(boxes, scores, truth, threshold=0.5):
    """Named `shape`."""
    return _match(box_iou(boxes, truth), _by_score(scores), threshold).nonzero().flatten()


def wrong_no_truth_not_thought_of(boxes, scores, truth, threshold=0.5):
    """Named `raised`."""
    iou = box_iou(boxes, truth)
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    for i in _by_score(scores):
        best = int(iou[i].argmax())
        if iou[i, best] >= threshold:
            hits[i] = True
            iou[:, best] = 0
    return hits


def wrong_table_of_hits(boxes, scores, truth, threshold=0.5):
    """Named `shape`."""
    return box_iou(boxes, truth) >= threshold


def wrong_writes_into_the_scores(boxes, scores, truth, threshold=0.5):
    """Named `inputs`."""
    iou, order = box_iou(boxes, truth), []
    for _ in range(len(scores)):
        order.append(int(scores.argmax()))
        scores[order[-1]] = -1
    return _match(iou, order, threshold)


def wrong_calls_the_library(boxes, scores, truth, threshold=0.5):
    """Named `library`."""
    return _of_the_library(boxes, scores, truth, threshold)


def right_columns_struck_out(boxes, scores, truth, threshold=0.5):
    iou = box_iou(boxes, truth)
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    if len(truth) == 0:
        return hits
    for i in torch.argsort(scores, descending=True):
        best = iou[i].argmax()
        if iou[i, best] >= threshold:
            hits[i] = True
            iou[:, best] = -1
    return hits


def right_sets_and_lists(boxes, scores, truth, threshold=0.5):
    return _match(box_iou(boxes, truth), _by_score(scores), threshold).tolist()


def right_own_overlap_in_numpy(boxes, scores, truth, threshold=0.5):
    a, b = boxes.double().numpy(), truth.double().numpy()
    hits, free = np.zeros(len(a), dtype=bool), list(range(len(b)))
    for i in np.argsort(-scores.numpy()):
        best, where = 0.0, None
        for j in free:
            wide = min(a[i, 2], b[j, 2]) - max(a[i, 0], b[j, 0])
            high = min(a[i, 3], b[j, 3]) - max(a[i, 1], b[j, 1])
            both = max(wide, 0) * max(high, 0)
            sizes = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a[i], b[j])]
            if both / (sum(sizes) - both) > best:
                best, where = both / (sum(sizes) - both), j
        if where is not None and best >= threshold:
            hits[i] = True
            free.remove(where)
    return hits


def right_below_the_threshold_first(boxes, scores, truth, threshold=0.5):
    iou = box_iou(boxes, truth)
    iou = torch.where(iou >= threshold, iou, torch.zeros(()))
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    for i in scores.sort(descending=True).indices.tolist():
        if iou[i].numel() and iou[i].max() > 0:
            hits[i] = True
            iou[:, iou[i].argmax()] = 0
    return hits


def right_recursion(boxes, scores, truth, threshold=0.5):
    hits = torch.zeros(len(boxes), dtype=torch.bool)

    def choose(left, free):
        if not left or not len(free):
            return
        iou = box_iou(boxes[left[:1]], free)[0]
        best = int(iou.argmax())
        if iou[best] >= threshold:
            hits[left[0]] = True
            free = torch.cat([free[:best], free[best + 1 :]])
        choose(left[1:], free)

    choose(_by_score(scores), truth)
    return hits


def right_sorted_then_put_back(boxes, scores, truth, threshold=0.5):
    order = scores.argsort(descending=True)
    hits = _match(box_iou(boxes[order], truth), range(len(boxes)), threshold)
    result = torch.empty_like(hits)
    result[order] = hits
    return result
