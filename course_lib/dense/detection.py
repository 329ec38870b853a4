"""Object detection: a box and a class for every object, from an encoder and a grid.

One stage and no anchors, in the manner of FCOS (Tian et al. 2019), made small: a single grid of
places, four pixels apart. Each place says which classes have an object's middle here, and how
far it is to the four sides of the object's box.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import batched_nms, generalized_box_iou_loss, sigmoid_focal_loss

from course_lib.data.scenes import Scenes
from course_lib.dense.encoder import Decoder, Encoder
from course_lib.dense.scores import average_precision, match_boxes
from course_lib.evidence.evaluate import forward_in_batches

STRIDE = 4  # pixels between two places of the grid
WIDTH = 64
CENTRE = 0.5  # a place is an object's if it lies in the middle half of the box, in x and in y
RARE = 0.01  # the score of every class before training: most places are empty (Lin et al. 2017)


class Detections(NamedTuple):
    """What was found in one image, best first: boxes (P, 4) xyxy, scores (P,), labels (P,)."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor


class Detector(nn.Module):
    """Images (N, C, H, W) to (N, n_classes + 4, H/4, W/4): logits, and distances to four sides.

    ``encoder`` is the transferable part; the rest is new, its first weights decided by the seed.
    """

    def __init__(self, encoder: Encoder, n_classes: int = 10, seed: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        channels = encoder.channels[1:]  # from stride 4 on
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.decoder = Decoder(channels, [WIDTH] * (len(channels) - 1))
            self.head = nn.Conv2d(WIDTH, n_classes + 4, 3, padding=1)
        bias = torch.zeros(n_classes + 4)
        bias[:n_classes] = torch.logit(torch.tensor(RARE))
        self.head.bias.data = bias

    def forward(self, images: Tensor) -> Tensor:
        out = self.head(self.decoder(self.encoder(images)[1:]))
        logits, sides = out[:, :-4], out[:, -4:]
        return torch.cat([logits, 2 * STRIDE * F.softplus(sides)], dim=1)


def places(height: int, width: int) -> Tensor:
    """Return the middles (x, y) of a grid's places in pixels: (height, width, 2)."""
    y, x = (STRIDE * (torch.arange(side) + 0.5) for side in (height, width))
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=2)


def boxes_at(sides: Tensor) -> Tensor:
    """Turn distances (N, 4, h, w) to the left, top, right, bottom into boxes (N, h, w, 4)."""
    middle = places(*sides.shape[-2:]).to(sides)
    left_top, right_bottom = sides.permute(0, 2, 3, 1).split(2, dim=3)
    return torch.cat([middle - left_top, middle + right_bottom], dim=3)


def assign(boxes: Tensor, height: int, width: int) -> Tensor:
    """Say which box each place belongs to: (N, height, width), -1 for none.

    Parameters
    ----------
    boxes : Tensor (N, M, 4)
        A place belongs to a box if it lies in the box's middle half; of several, to the first.
    """
    middle = places(height, width).to(boxes)
    low, high = boxes[:, :, None, None].split(2, dim=4)
    margin = (high - low) * (1 - CENTRE) / 2
    inside = ((middle > low + margin) & (middle < high - margin)).all(dim=4)
    return torch.where(inside.any(dim=1), inside.int().argmax(dim=1), -1)


def detection_loss(out: Tensor, scenes: Scenes) -> Tensor:
    """Focal loss at every place, generalised IoU loss where an object is: 0-d, per object place."""
    logits, sides = out[:, :-4].permute(0, 2, 3, 1), out[:, -4:]
    owner = assign(scenes.boxes, *out.shape[-2:])
    found = owner >= 0
    image = torch.arange(len(out))[:, None, None].expand_as(owner)[found]
    target = torch.zeros_like(logits)
    target[found] = F.one_hot(scenes.labels[image, owner[found]], logits.shape[-1]).to(logits)
    boxes = scenes.boxes[image, owner[found]]
    classes = sigmoid_focal_loss(logits, target, reduction="sum")
    places = generalized_box_iou_loss(boxes_at(sides)[found], boxes, reduction="sum")
    return (classes + places) / found.sum().clamp(min=1)


def detect(
    model: nn.Module, images: Tensor, least: float = 0.05, overlap: float = 0.5
) -> list[Detections]:
    """Find the objects in each image, in eval mode; best first.

    Every place and class with a score of at least `least` is a candidate. Of candidates of one
    class whose IoU is above `overlap`, the best stays (non-maximum suppression).
    """
    out = forward_in_batches(model, images, 64, device="cpu")
    all_scores, all_boxes = out[:, :-4].sigmoid().permute(0, 2, 3, 1), boxes_at(out[:, -4:])
    size = torch.tensor(images.shape[-1:-3:-1]).repeat(2)
    found = []
    for scores, boxes in zip(all_scores.flatten(1, 2), all_boxes.flatten(1, 2), strict=True):
        place, label = (scores >= least).nonzero(as_tuple=True)
        boxes = boxes[place].clamp(min=0).minimum(size)
        kept = batched_nms(boxes, scores[place, label], label, iou_threshold=overlap)
        found.append(Detections(boxes[kept], scores[place, label][kept], label[kept]))
    return found


def score_detections(
    found: Sequence[Detections],
    scenes: Scenes,
    least: float,
    match: Callable = match_boxes,
    area: Callable = average_precision,
) -> dict[str, float]:
    """Compare what was found with the truth, at an IoU of one half.

    Parameters
    ----------
    found
        For each scene.
    least
        From which score on a prediction counts for F1.
    match, area
        `match_boxes` and `average_precision`, or somebody's own.

    Returns
    -------
    dict
        ``ap``, the mean over the classes that occur, and ``f1``, 2 · hits / (predictions +
        objects) over all classes together.
    """
    areas, hits_above, n_above = [], 0, 0
    for k in scenes.labels.unique().tolist():
        hits, scores = [], []
        for one, boxes, labels in zip(found, scenes.boxes, scenes.labels, strict=True):
            own = one.labels == k
            matched = match(one.boxes[own], one.scores[own], boxes[labels == k])
            hits.append(torch.as_tensor(matched, dtype=torch.bool))
            scores.append(one.scores[own])
        hits, scores = torch.cat(hits), torch.cat(scores)
        areas.append(area(hits, scores, int((scenes.labels == k).sum())))
        hits_above += int(hits[scores >= least].sum())
        n_above += int((scores >= least).sum())
    f1 = 2 * hits_above / (n_above + scenes.labels.numel())
    return {"ap": sum(map(float, areas)) / len(areas), "f1": f1}
