import heapq

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_iou


def wrong_best_box_even_if_taken(boxes, scores, truth, threshold=0.5):
    """Gives up when the true box that overlaps most is taken, against "each takes the true box
    that it overlaps most among those still free".

    Named `taken_is_final`.
    """
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    if len(boxes) == 0 or len(truth) == 0:
        return hits
    best, which = box_iou(boxes, truth).max(dim=1)
    taken = set()
    for i in scores.argsort(descending=True).tolist():
        if best[i] >= threshold and int(which[i]) not in taken:
            hits[i] = True
            taken.add(int(which[i]))
    return hits


def wrong_strictly_more_than_threshold(boxes, scores, truth, threshold=0.5):
    """Asks for more than the threshold, against "if that is at least threshold".

    Named `strict`.
    """
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    if len(boxes) == 0 or len(truth) == 0:
        return hits
    iou = box_iou(boxes, truth).clone()
    for i in scores.argsort(descending=True).tolist():
        best, which = iou[i].max(dim=0)
        if best > threshold:
            hits[i] = True
            iou[:, which] = -1
    return hits


def wrong_best_assignment(boxes, scores, truth, threshold=0.5):
    """Pairs all boxes so that the sum of the IoUs is largest, against "The predictions choose in
    the order of their scores".

    Named `optimal`.
    """
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    if len(boxes) == 0 or len(truth) == 0:
        return hits
    iou = box_iou(boxes, truth)
    useful = torch.where(iou >= threshold, iou, torch.zeros_like(iou))
    rows, columns = linear_sum_assignment(useful.numpy(), maximize=True)
    for i, j in zip(rows, columns, strict=False):
        hits[i] = bool(iou[i, j] >= threshold)
    return hits


def wrong_first_free_that_fits(boxes, scores, truth, threshold=0.5):
    """Takes the first free true box over the threshold and not the best, against "each prediction
    takes the free true box with the largest IoU".

    Named `first_fit`.
    """
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    iou = box_iou(boxes, truth)
    free = list(range(len(truth)))
    for i in scores.argsort(descending=True).tolist():
        for j in free:
            if iou[i, j] >= threshold:
                hits[i] = True
                free.remove(j)
                break
    return hits


def wrong_misses_take_a_box_too(boxes, scores, truth, threshold=0.5):
    """Lets a prediction occupy its best free box even if it overlaps too little to be a hit,
    against "takes the free true box with the largest IoU, if that is at least threshold".

    Named `misses_take`.
    """
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    iou = box_iou(boxes, truth)
    free = torch.ones(len(truth), dtype=torch.bool)
    for i in scores.argsort(descending=True).tolist():
        if not free.any():
            break
        candidates = torch.where(free, iou[i], -torch.ones_like(iou[i]))
        j = int(candidates.argmax())
        if candidates[j] > 0:
            free[j] = False
            hits[i] = bool(candidates[j] >= threshold)
    return hits


def wrong_nothing_to_find_no_answer(boxes, scores, truth, threshold=0.5):
    """Returns an empty answer when there is no true box, against "Return bool (P,), in the order
    of boxes" with "P or G may be 0" (each prediction is then a false alarm).

    Named `shape`.
    """
    if len(boxes) == 0 or len(truth) == 0:
        return torch.zeros(0, dtype=torch.bool)
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    iou = box_iou(boxes, truth).clone()
    for i in scores.argsort(descending=True).tolist():
        best, which = iou[i].max(dim=0)
        if best >= threshold:
            hits[i] = True
            iou[:, which] = -1
    return hits


def right_heap_in_numpy(boxes, scores, truth, threshold=0.5):
    """A heap of scores, rectangles in NumPy (float64), and a set of free boxes."""
    b, t = (np.asarray(x.detach().cpu(), dtype=np.float64).reshape(-1, 4) for x in (boxes, truth))
    queue = [(-float(s), i) for i, s in enumerate(scores)]
    heapq.heapify(queue)
    hits, free = np.zeros(len(b), dtype=bool), set(range(len(t)))

    def overlap(p, q):
        width = max(0.0, min(p[2], q[2]) - max(p[0], q[0]))
        height = max(0.0, min(p[3], q[3]) - max(p[1], q[1]))
        both = width * height
        either = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - both
        return both / either if either > 0 else 0.0

    while queue and free:
        _, i = heapq.heappop(queue)
        best, which = max((overlap(b[i], t[j]), -j) for j in free)
        if best >= threshold:
            hits[i] = True
            free.remove(-which)
    return hits


def right_columns_crossed_out(boxes, scores, truth, threshold=0.5, *, crossed_out=-1.0):
    """Sorts the whole matrix by score, crosses out columns, and sorts the answers back."""
    n = len(boxes)
    if n == 0 or len(truth) == 0:
        return [False] * n
    order = torch.sort(scores, descending=True, stable=True).indices
    table = box_iou(boxes.double(), truth.double())[order].nan_to_num(0.0)
    answers = []
    for place in range(n):
        row = table[place]
        column = row.argmax()
        hit = bool(row[column] >= threshold) and bool(row[column] != crossed_out)
        if hit:
            table[:, column] = crossed_out
        answers.append(hit)
    back = torch.empty_like(order)
    back[order] = torch.arange(n, device=order.device)
    return torch.tensor(answers)[back.cpu()]
