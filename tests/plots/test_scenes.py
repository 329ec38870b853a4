import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from course_lib import plots
from course_lib.data import scenes
from course_lib.dense.scores import average_precision


@pytest.fixture(scope="module")
def some() -> scenes.Scenes:
    return scenes.make("val", 5, 0)


def words(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_masks_are_coloured_where_they_are_and_named(some):
    figure = plots.scene_masks(some.images, {"mask": some.masks})
    below = figure.axes[5:]
    for ax, image, mask, labels in zip(below, some.images, some.masks, some.labels, strict=True):
        drawn = ax.images[0].get_array()
        rest = (mask == 0).numpy()
        assert np.allclose(drawn[rest], 0.35 * image[0].numpy()[rest, None])
        for label in labels.unique():
            (colour,) = np.unique(drawn[(mask == 1 + label).numpy()], axis=0)
            assert not np.allclose(colour, colour[0]) or label in (7, 8)  # white and grey
        assert {w for w in words(ax) if w.isdigit()} == {str(int(label)) for label in labels}
    assert words(below[0])[-1] == "mask" or "mask" in words(below[0])


def test_a_colour_image_and_classes_without_a_name():
    masks = torch.zeros(2, 20, 20, dtype=torch.int64)
    masks[:, 5:12, 5:12] = 1
    figure = plots.scene_masks(torch.rand(2, 3, 20, 20), {"a": masks, "b": 0 * masks}, names=[""])
    assert len(figure.axes) == 6
    assert [words(ax) for ax in figure.axes] == [["scene"], [], ["a"], [], ["b"], []]


def test_every_box_is_drawn_and_hits_are_told_from_false_alarms(some):
    truth = list(zip(some.boxes, some.labels, strict=True))
    found = [
        (
            torch.stack([boxes[0] + 1, boxes[1] + 40, boxes[1]]),
            torch.tensor([0.9, 0.5, 0.25]),
            torch.stack([labels[0], labels[1], (labels[1] + 1) % 10]),  # right, elsewhere, another
        )
        for boxes, labels in truth
    ]
    figure = plots.scene_boxes(some.images, truth, {"found": found})
    for ax, (boxes, labels) in zip(figure.axes[:5], truth, strict=True):
        patches = [p for p in ax.patches if isinstance(p, Rectangle)]
        for patch, (left, top, right, bottom) in zip(patches, boxes.tolist(), strict=True):
            assert patch.get_bbox().bounds == (left - 0.5, top - 0.5, right - left, bottom - top)
        assert [w for w in words(ax) if w.isdigit()] == [str(k) for k in labels.tolist()]
    for ax, (_, labels) in zip(figure.axes[5:], truth, strict=True):
        assert [p.get_linestyle() for p in ax.patches] == ["-", "--", "--"]
        assert f"{labels[0]}  90 %" in words(ax)


def test_the_area_under_the_drawn_line_is_average_precision():
    rng = torch.Generator().manual_seed(0)
    hits, scores = torch.rand(40, generator=rng) < 0.6, torch.rand(40, generator=rng)
    found = hits[scores.argsort(descending=True)].cumsum(0)
    recall, precision = found / 30, found / torch.arange(1, 41)
    ax = plots.precision_recall({"a": (recall, precision)})
    line = next(line for line in ax.lines if line.get_drawstyle() == "steps-pre")
    x, y = (np.asarray(values) for values in line.get_data())
    area = float((np.diff(x) * y[1:]).sum())
    assert area == pytest.approx(average_precision(hits, scores, 30), abs=1e-6)
    markers = next(line for line in ax.lines if line.get_label() == "a")
    assert len(markers.get_xdata()) == int(hits.sum())
