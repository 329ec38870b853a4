import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, jaccard_score
from torchvision.ops import box_iou

from course_lib.dense.scores import average_precision, match_boxes, mean_iou

seeds = st.integers(0, 2**31)
few = settings(max_examples=60, deadline=None)


def label_maps(seed: int, n_classes: int = 6):
    rng = torch.Generator().manual_seed(seed)
    shape = tuple(torch.randint(1, 7, (3,), generator=rng).tolist())
    return (torch.randint(n_classes, shape, generator=rng) for _ in range(2))


@few
@given(seeds)
def test_mean_iou_against_scikit_learn_and_sets(seed):
    pred, target = label_maps(seed)
    # scikit-learn's macro average is over the labels that occur on either side
    expected = jaccard_score(target.flatten(), pred.flatten(), average="macro")
    assert mean_iou(pred, target, 6) == pytest.approx(expected)
    assert mean_iou(pred, target, 40) == pytest.approx(expected)  # 34 more that are nowhere
    places = list(enumerate(zip(pred.flatten().tolist(), target.flatten().tolist(), strict=True)))
    ious = []
    for k in range(6):
        a, b = ({i for i, pair in places if pair[side] == k} for side in (0, 1))
        if a | b:
            ious.append(len(a & b) / len(a | b))
    assert mean_iou(pred, target, 6) == pytest.approx(sum(ious) / len(ious))


@few
@given(seeds)
def test_mean_iou_does_not_care_for_order_names_or_sides(seed):
    pred, target = label_maps(seed)
    rng = torch.Generator().manual_seed(seed)
    score = mean_iou(pred, target, 6)
    order = torch.randperm(len(pred), generator=rng)
    rename = torch.randperm(6, generator=rng)
    assert mean_iou(pred[order], target[order], 6) == pytest.approx(score)
    assert mean_iou(rename[pred], rename[target], 6) == pytest.approx(score)
    assert mean_iou(target, pred, 6) == pytest.approx(score)
    assert mean_iou(target, target, 6) == 1


def test_mean_iou_refuses_what_does_not_belong_together():
    maps = torch.zeros(2, 3, 4, dtype=torch.int64)
    for other in (maps[:1], maps.transpose(1, 2), maps.flatten()):
        with pytest.raises(ValueError, match="shapes"):
            mean_iou(maps, other, 2)
    with pytest.raises(ValueError, match="shapes"):
        mean_iou(maps[:0], maps[:0], 2)


def crowd(seed: int, n_truth: int | None = None):
    """Overlapping true boxes, and predictions around them."""
    rng = torch.Generator().manual_seed(seed)
    g = int(torch.randint(0, 5, (), generator=rng)) if n_truth is None else n_truth
    p = int(torch.randint(0, 8, (), generator=rng))
    corner = 20 * torch.rand(g, 2, generator=rng)
    truth = torch.cat([corner, corner + 8 + 8 * torch.rand(g, 2, generator=rng)], 1)
    if g:
        boxes = truth[torch.randint(g, (p,), generator=rng)]
        boxes = boxes + 2.5 * torch.rand(p, 4, generator=rng)
    else:
        boxes = torch.tensor([[0.0, 0, 5, 5]]).repeat(p, 1)
    return boxes, torch.rand(p, generator=rng), truth


def brute_force(boxes, scores, truth, threshold):
    """Of all ways to give each prediction a true box or none, the one that is first in order."""
    order = scores.argsort(descending=True).tolist()
    iou = box_iou(boxes, truth).tolist()

    def rank(choice):
        return [iou[i][j] if j is not None else -1 for i, j in zip(order, choice, strict=True)]

    ways = []
    for choice in itertools.product([None, *range(len(truth))], repeat=len(order)):
        taken = [j for j in choice if j is not None]
        fits = all(j is None or iou[i][j] >= threshold for i, j in zip(order, choice, strict=True))
        if fits and len(set(taken)) == len(taken):
            ways.append(choice)
    best = max(ways, key=rank)
    hits = [False] * len(order)
    for i, j in zip(order, best, strict=True):
        hits[i] = j is not None
    return hits


@few
@given(seeds, st.sampled_from([0.3, 0.5, 0.75]))
def test_match_boxes_against_all_ways_of_matching(seed, threshold):
    boxes, scores, truth = crowd(seed)
    boxes, scores = boxes[:5], scores[:5]
    hits = match_boxes(boxes, scores, truth[:3], threshold)
    assert hits.dtype == torch.bool
    assert hits.tolist() == brute_force(boxes, scores, truth[:3], threshold)


@few
@given(seeds)
def test_match_boxes_goes_along_with_permutations_and_needs_only_the_order_of_scores(seed):
    boxes, scores, truth = crowd(seed)
    hits = match_boxes(boxes, scores, truth)
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(boxes), generator=rng)
    others = truth[torch.randperm(len(truth), generator=rng)]
    assert torch.equal(match_boxes(boxes[order], scores[order], others), hits[order])
    assert torch.equal(match_boxes(3 * boxes + 7, scores.exp(), 3 * truth + 7), hits)
    assert hits.sum() <= len(truth)
    if len(boxes):  # a copy of the best prediction is a false alarm, unless it finds another box
        twice = torch.cat([boxes, boxes[:1]])
        more = match_boxes(twice, torch.cat([scores, scores.min()[None] - 1]), truth)
        assert torch.equal(more[:-1], hits)


def test_match_boxes_counts_an_iou_of_exactly_the_threshold():
    box, half = torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([[0.0, 0, 2, 4]])
    assert match_boxes(half, torch.ones(1), box).tolist() == [True]
    assert match_boxes(half, torch.ones(1), box, 0.5001).tolist() == [False]


def ranking(seed: int, n: int = 30):
    rng = torch.Generator().manual_seed(seed)
    scores = torch.rand(n, generator=rng)
    is_tp = torch.rand(n, generator=rng) < 0.6
    return is_tp, scores, int(is_tp.sum()) + int(torch.randint(0, 4, (), generator=rng))


@few
@given(seeds, st.integers(0, 30))
def test_average_precision_against_a_loop_over_recalls(seed, n):
    is_tp, scores, n_truth = ranking(seed, n)
    score = average_precision(is_tp, scores, n_truth)
    if n_truth == 0:
        assert math.isnan(score)
        return
    rows = sorted(zip(scores.tolist(), is_tp.tolist(), strict=True), reverse=True)
    points, found = [], 0
    for place, (_, hit) in enumerate(rows, 1):
        found += hit
        points.append((found, found / place))
    best = [max((p for f, p in points if f >= k), default=0.0) for k in range(1, n_truth + 1)]
    assert score == pytest.approx(sum(best) / n_truth)


@few
@given(seeds)
def test_average_precision_beside_scikit_learns(seed):
    """It has no envelope and knows no missed objects: never above, equal where hits come first."""
    is_tp, scores, _ = ranking(seed)
    if is_tp.any():
        n_truth = int(is_tp.sum())
        score = average_precision(is_tp, scores, n_truth)
        assert score >= average_precision_score(is_tp, scores) - 1e-9
        first = scores + is_tp
        assert average_precision(is_tp, first, 2 * n_truth) == pytest.approx(
            average_precision_score(is_tp, first) / 2
        )


@few
@given(seeds)
def test_average_precision_needs_only_the_order_of_scores(seed):
    is_tp, scores, n_truth = ranking(seed)
    if n_truth:
        order = torch.randperm(30, generator=torch.Generator().manual_seed(seed))
        score = average_precision(is_tp, scores, n_truth)
        assert average_precision(is_tp[order], 5 * scores[order] - 9, n_truth) == score
        more = torch.cat([is_tp, torch.tensor([False])]), torch.cat([scores, torch.tensor([-1.0])])
        assert average_precision(*more, n_truth) == pytest.approx(score)  # a false alarm at the end


def test_average_precision_by_hand_and_at_the_edges():
    is_tp, scores = torch.tensor([True, True, False]), torch.tensor([0.1, 0.9, 0.5])
    assert average_precision(is_tp, scores, 3) == pytest.approx(1 / 3 + 1 / 3 * 2 / 3)
    nothing = torch.zeros(0, dtype=torch.bool), torch.zeros(0)
    assert average_precision(*nothing, 4) == 0
    assert math.isnan(average_precision(*nothing, 0))
    assert math.isnan(average_precision(~is_tp, scores, 0))
