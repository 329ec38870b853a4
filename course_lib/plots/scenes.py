"""Figures of scenes: masks, boxes, and the precision-recall curve."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike
from scipy import ndimage

from course_lib.plots.style import (
    COLOURS,
    MARKERS,
    ORANGE,
    SKY,
    as_array,
    draw_picture,
    new_axes,
    new_figure,
    percent,
    pictures,
)

# One for each digit; the digit itself is written beside it.
_MASK_COLOURS = (*COLOURS, "#F0E442", "#FFFFFF", "#999999", "#B07AF5")


def scene_masks(
    images: ArrayLike, rows: Mapping[str, ArrayLike], names: Sequence[str] = "0123456789"
) -> Figure:
    """Show scenes, and below each its masks, with the class written beside each patch of colour.

    Parameters
    ----------
    images : (N, C, H, W)
    rows
        Name → masks (N, H, W): 0 is background, k the class that is called ``names[k - 1]``.
    names
        An empty name is not written.
    """
    images = pictures(images)
    axes = _rows(images, ["scene", *rows])
    for line, masks in zip(axes[1:], rows.values(), strict=True):
        for ax, image, mask in zip(line, images, as_array(masks), strict=True):
            dim = 0.35 * (image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2))
            for number in np.unique(mask[mask > 0]):
                dim[mask == number] = to_rgb(_MASK_COLOURS[(number - 1) % len(_MASK_COLOURS)])
                _name_patches(ax, mask == number, names[number - 1])
            draw_picture(ax, dim)
    return axes[0, 0].figure


def _name_patches(ax: Axes, where: np.ndarray, name: str) -> None:
    """Write a class's name above each of its patches (below at the upper edge), specks left out."""
    patches, n = ndimage.label(where, np.ones((3, 3)))
    for i in range(1, n + 1):
        y, x = np.nonzero(patches == i)
        if len(y) >= 12 and name:
            high = y.min() > 8
            ax.text(
                x.mean(),
                y.min() - 1 if high else y.max() + 1,
                name,
                color="white",
                size=8,
                ha="center",
                va="bottom" if high else "top",
                weight="bold",
                clip_on=True,
            )


def scene_boxes(
    images: ArrayLike,
    truth: Sequence[tuple[ArrayLike, ArrayLike]],
    found: Mapping[str, Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]]] | None = None,
) -> Figure:
    """Show scenes with their true boxes, and below what was found.

    Parameters
    ----------
    images : (N, 1, H, W)
    truth
        For each scene boxes (M, 4) and labels (M,).
    found
        Name → for each scene boxes (P, 4), scores (P,) and labels (P,). Each gets the digit and
        its score; the line is solid where the digit is true and the IoU with its box is at least
        one half, dashed otherwise.
    """
    images = pictures(images)
    found = found or {}
    axes = _rows(images, ["truth", *found])
    for ax, (boxes, labels) in zip(axes[0], truth, strict=True):
        for box, label in zip(as_array(boxes), as_array(labels), strict=True):
            _box(ax, box, str(int(label)), SKY, "-")
    for line, predictions in zip(axes[1:], found.values(), strict=True):
        for ax, image, (boxes, scores, labels), true in zip(
            line, images, predictions, truth, strict=True
        ):
            draw_picture(ax, image)
            for box, score, label in zip(*map(as_array, (boxes, scores, labels)), strict=True):
                hit = any(
                    int(k) == int(label) and _iou(box, other) >= 0.5
                    for other, k in zip(*map(as_array, true), strict=True)
                )
                text = f"{int(label)}  {100 * score:.0f} %"
                _box(ax, box, text, SKY if hit else ORANGE, "-" if hit else "--")
    return axes[0, 0].figure


def precision_recall(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]], ax: Axes | None = None
) -> Axes:
    """Show precision by recall, a marker where recall rises and the envelope as a thin line.

    Parameters
    ----------
    curves
        Name → recall (P,) and precision (P,), in the order of descending scores.
    """
    ax = new_axes(ax, "recall", width=5.4, height=3.4)
    for index, (name, (recall, precision)) in enumerate(curves.items()):
        recall, precision = as_array(recall), as_array(precision)
        colour = COLOURS[index % len(COLOURS)]
        rises = np.diff(recall, prepend=0) > 0
        ax.plot(
            recall[rises], precision[rises], color=colour, label=name, linestyle="none",
            marker=MARKERS[index % len(MARKERS)], markersize=3.5, alpha=0.7,
        )  # fmt: skip
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        ax.step(np.r_[0, recall], np.r_[envelope[:1], envelope], where="pre", color=colour)
    percent(ax.xaxis, "recall: share of the objects that were found")
    percent(ax.yaxis, "precision: share of hits so far")
    ax.set_xlim(0, 1.02)
    ax.set_ylim(0, 1.05)
    ax.legend(frameon=False, loc="lower left")
    return ax


def _rows(images: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return axes (rows, N) with the images in the first row and each row's name beside it."""
    figure = new_figure(1.35 * len(images) + 1.0, 1.45 * len(names))
    axes = figure.subplots(len(names), len(images), squeeze=False)
    for ax, image in zip(axes[0], images, strict=True):
        draw_picture(ax, image)
    for line, name in zip(axes, names, strict=True):
        line[0].text(-0.08, 0.5, name, transform=line[0].transAxes, ha="right", va="center", size=9)
    return axes


def _box(ax: Axes, box: np.ndarray, text: str, colour: str, line: str) -> None:
    left, top, right, bottom = box
    ax.add_patch(
        Rectangle(
            (left - 0.5, top - 0.5),
            right - left,
            bottom - top,
            fill=False,
            edgecolor=colour,
            linestyle=line,
            linewidth=1.6,
        )
    )
    y, side = (top - 1.5, "bottom") if top > 8 else (bottom + 0.5, "top")
    behind = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 0.8}
    ax.text(left - 0.5, y, text, color=colour, size=7, va=side, clip_on=True, bbox=behind)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    overlap = sides.clip(min=0).prod()
    return overlap / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - overlap)
