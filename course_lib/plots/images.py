"""Figures of images: grids, episodes, filters, feature maps."""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from course_lib.plots.style import BLUE, RED, as_array, draw_picture, grid, new_figure, pictures


def image_grid(images: ArrayLike, titles: Sequence[str] = (), columns: int = 8) -> Figure:
    """Show images, each with its title if there is one.

    Parameters
    ----------
    images : (N, C, H, W) or (N, H, W)
        Values in [0, 1]; C is 1 or 3.
    """
    images = pictures(images)
    axes = grid(len(images), columns, height=1.3 if len(titles) else 1.05)
    for ax, image, title in zip_longest(axes, images, titles[: len(images)]):
        draw_picture(ax, image)
        if title is not None:
            ax.set_title(title, fontsize=8)
    return axes[0].figure


def episode(
    support: ArrayLike, query: ArrayLike, predictions: ArrayLike, labels: ArrayLike | None = None
) -> Figure:
    """Show a one-shot episode: the support set, and under each query the sign it was taken for.

    Parameters
    ----------
    support : (n_way, C, H, W)
        One image of each class 0…n_way-1.
    query : (Q, C, H, W)
    predictions : (Q,)
        Classes 0…n_way-1.
    labels : (Q,), optional
        The true classes: a tick or a cross then stands over each query.
    """
    support, query, predictions = pictures(support), pictures(query), as_array(predictions)
    columns = max(len(support), len(query))
    figure = new_figure(max(4.0, 0.5 * columns + 0.8), 2.1)
    axes = figure.subplots(3, columns, squeeze=False)
    rows = (support, query, support[predictions])
    for line, images, name in zip(axes, rows, ("support", "query", "read as"), strict=True):
        for ax, image in zip_longest(line, images):
            draw_picture(ax, image)
        line[0].text(-0.2, 0.5, name, transform=line[0].transAxes, ha="right", va="center")
    for ax, number in zip(axes[0], range(len(support)), strict=False):
        ax.set_title(number, fontsize=8, pad=2)
    if labels is not None:
        for ax, right in zip(axes[1], predictions == as_array(labels), strict=False):
            ax.set_title(
                "✓" if right else "✗", color=BLUE if right else RED, size=10, pad=1, weight="bold"
            )
    return figure


def filters(weights: ArrayLike, columns: int = 8) -> Figure:
    """Show the filters of a first layer.

    Parameters
    ----------
    weights : (n_filters, C, h, w)
        C = 1: orange is negative, white 0, purple positive, on one scale for all. C = 3: as
        colours, each filter stretched to [0, 1].
    """
    weights = as_array(weights)
    if weights.ndim != 4 or weights.shape[1] not in (1, 3):
        raise ValueError(f"Filters of a first layer are (n, 1 or 3, h, w), not {weights.shape}.")
    axes = grid(len(weights), columns)
    figure, largest = axes[0].figure, np.abs(weights).max()
    if weights.shape[1] == 3:
        low, high = weights.min((1, 2, 3), keepdims=True), weights.max((1, 2, 3), keepdims=True)
        for ax, image in zip_longest(axes, pictures((weights - low) / (high - low + 1e-12))):
            draw_picture(ax, image)
        return figure
    for ax, image in zip_longest(axes, weights[:, 0]):
        draw_picture(ax, image, cmap="PuOr", vmin=-largest, vmax=largest)
    figure.colorbar(axes[0].images[0], ax=axes, label="weight", shrink=0.8)
    return figure


def feature_maps(maps: ArrayLike, columns: int = 8) -> Figure:
    """Show what the channels of a layer answer to one image, on one scale for all.

    Parameters
    ----------
    maps : (C, H, W)
    """
    maps = as_array(maps)
    if maps.ndim != 3:
        raise ValueError(f"The feature maps of one image are (C, H, W), not {maps.shape}.")
    axes = grid(len(maps), columns)
    for ax, image in zip_longest(axes, maps):
        draw_picture(ax, image, cmap="viridis", vmin=maps.min(), vmax=maps.max())
    axes[0].figure.colorbar(axes[0].images[0], ax=axes, label="activation", shrink=0.8)
    return axes[0].figure
