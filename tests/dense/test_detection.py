import math

import pytest
import torch
from torchvision.ops import box_iou

from course_lib.data import scenes
from course_lib.dense.detection import (
    STRIDE,
    Detections,
    Detector,
    assign,
    boxes_at,
    detect,
    detection_loss,
    places,
    score_detections,
)
from course_lib.dense.encoder import Encoder
from course_lib.models.convnet import random_backbone


@pytest.fixture(scope="module")
def some() -> scenes.Scenes:
    return scenes.make("val", 12, 3)


class Oracle(torch.nn.Module):
    """Answers with the truth of these scenes, in the form in which a detector answers."""

    def __init__(self, truth: scenes.Scenes, sure: float = 9.0) -> None:
        super().__init__()
        self.truth, self.sure = truth, sure

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(len(images), 14, 16, 16)
        out[:, :10] = -9
        owner = assign(self.truth.boxes, 16, 16)
        for n, row, column in (owner >= 0).nonzero().tolist():
            j = owner[n, row, column]
            x, y = places(16, 16)[row, column]
            left, top, right, bottom = self.truth.boxes[n, j]
            out[n, self.truth.labels[n, j], row, column] = self.sure
            out[n, 10:, row, column] = torch.stack([x - left, y - top, right - x, bottom - y])
        return out


def test_places_lie_in_the_middle_of_their_cells():
    grid = places(2, 3)
    assert grid.shape == (2, 3, 2)
    assert grid[1, 2].tolist() == [2.5 * STRIDE, 1.5 * STRIDE]


def test_a_place_belongs_to_the_box_whose_middle_it_is_in(some):
    owner = assign(some.boxes, 16, 16)
    for n in range(len(some.images)):
        for row, column in torch.cartesian_prod(torch.arange(16), torch.arange(16)).tolist():
            x, y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
            inside = []
            for j, (left, top, right, bottom) in enumerate(some.boxes[n].tolist()):
                if (
                    abs(x - (left + right) / 2) < (right - left) / 4
                    and abs(y - (top + bottom) / 2) < (bottom - top) / 4
                ):
                    inside.append(j)
            assert int(owner[n, row, column]) == (inside[0] if inside else -1)
    assert all(set(range(scenes.DIGITS)) <= set(one.unique().tolist()) for one in owner)


def test_the_truth_in_a_detectors_form_is_a_perfect_detection(some):
    found = detect(Oracle(some), some.images)
    assert score_detections(found, some, 0.5) == {"ap": 1.0, "f1": 1.0}
    for one, boxes, labels in zip(found, some.boxes, some.labels, strict=True):
        assert sorted(one.labels.tolist()) == sorted(labels.tolist())
        assert torch.allclose(box_iou(one.boxes, boxes).amax(1), torch.ones(len(boxes)))


def test_the_loss_is_near_zero_at_the_truth_and_larger_anywhere_else(some):
    out = Oracle(some)(some.images)
    at_truth = detection_loss(out, some).item()
    assert 0 <= at_truth < 0.01
    wide = out.clone()
    wide[:, 10:] += 2
    blind, elsewhere = -9 * torch.ones_like(out), out.clone()
    elsewhere[:, :10] = out[:, :10].roll(1, dims=1)  # each digit taken for the next
    for other in (wide, blind, elsewhere):
        assert detection_loss(other, some).item() > at_truth + 0.1


def test_the_loss_has_a_finite_gradient_where_there_is_no_object(some):
    nothing = some._replace(boxes=torch.zeros(12, 2, 4))
    out = torch.randn(12, 14, 16, 16, requires_grad=True)
    detection_loss(out, nothing).backward()
    assert out.grad.isfinite().all()
    assert out.grad.abs().sum() > 0


def test_suppression_leaves_one_box_per_object(some):
    everything = detect(Oracle(some), some.images, overlap=1.0)
    assert sum(len(one.scores) for one in everything) > 2 * some.labels.numel()
    found = detect(Oracle(some), some.images)
    assert all(len(one.scores) == scenes.DIGITS for one in found)
    scores = [one.scores for one in detect(Detector(Encoder(random_backbone(0))), some.images, 0.0)]
    assert all(torch.equal(s, s.sort(descending=True).values) for s in scores)


def test_boxes_are_put_together_from_four_distances():
    sides = torch.rand(2, 4, 3, 5)
    boxes = boxes_at(sides)
    x, y = places(3, 5)[1, 4]
    left, top, right, bottom = sides[1, :, 1, 4]
    assert torch.equal(boxes[1, 1, 4], torch.stack([x - left, y - top, x + right, y + bottom]))


def test_scores_by_hand(some):
    """Of each scene the first digit is found, and something that is not there."""
    found = [
        Detections(torch.stack([boxes[0], boxes[0] + 40]), torch.tensor([0.9, 0.3]), labels[[0, 0]])
        for boxes, labels in zip(some.boxes, some.labels, strict=True)
    ]
    n = len(some.images)
    scored = score_detections(found, some, least=0.5)
    expected = []
    for k in some.labels.unique():
        expected.append(float((some.labels[:, 0] == k).sum() / (some.labels == k).sum()))
    assert scored["ap"] == pytest.approx(sum(expected) / len(expected))
    assert scored["f1"] == pytest.approx(2 * n / (n + 2 * n))
    assert score_detections(found, some, least=0.2)["f1"] == pytest.approx(2 * n / (2 * n + 2 * n))


def test_a_box_of_another_class_is_no_hit(some):
    found = [
        Detections(boxes, torch.tensor([0.9, 0.8]), (labels + 1) % 10)
        for boxes, labels in zip(some.boxes, some.labels, strict=True)
    ]
    assert score_detections(found, some, least=0.5) == {"ap": 0.0, "f1": 0.0}


def test_before_training_nothing_is_found(some):
    out = Detector(Encoder(random_backbone(0))).eval()(some.images)
    assert out.shape == (12, 14, 16, 16)
    assert out[:, :10].sigmoid().median() < 0.05
    assert (out[:, 10:] > 0).all()
    assert math.isfinite(detection_loss(out, some).item())
