"""Figures of few-shot learning: an episode in feature space, a sheet of signs as it was found."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from course_lib.plots.style import (
    COLOURS,
    MARKERS,
    RED,
    as_array,
    draw_picture,
    new_axes,
    new_figure,
)  # fmt: skip


def episode_spaces(
    spaces: Mapping[str, tuple[ArrayLike, ArrayLike]],
    support_labels: ArrayLike,
    query_labels: ArrayLike,
) -> Figure:
    """Show one episode in several feature spaces: prototypes as stars, queries around them.

    A panel per space: the two directions in which its features spread most (PCA of the episode).

    Parameters
    ----------
    spaces
        Name → support features (S, D) and query features (Q, D); D may differ.
    support_labels, query_labels : (S,), (Q,)
        Classes 0…W-1, at most six.
    """
    support_labels, query_labels = as_array(support_labels), as_array(query_labels)
    figure = new_figure(3.7 * len(spaces), 3.5)
    panels = figure.subplots(1, len(spaces), squeeze=False)[0]
    for ax, (name, parts) in zip(panels, spaces.items(), strict=True):
        support, query = (as_array(part).astype(float) for part in parts)
        everything = np.concatenate([support, query])
        centre = everything.mean(0)
        # The principal directions are the right singular vectors of the centred features.
        plane = np.linalg.svd(everything - centre, full_matrices=False)[2][:2].T
        new_axes(ax, "first principal direction")
        for k, colour, marker in zip(range(query_labels.max() + 1), COLOURS, MARKERS, strict=False):
            x, y = ((query[query_labels == k] - centre) @ plane).T
            ax.scatter(x, y, 22, color=colour, marker=marker, alpha=0.55, label=f"class {k}")
            x, y = (support[support_labels == k].mean(0) - centre) @ plane
            ax.scatter(x, y, 190, color=colour, marker="*", edgecolor="black", zorder=3)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title(name, fontsize=10)
    panels[0].set_ylabel("second principal direction")
    panels[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def spread_of_episodes(
    accuracies: ArrayLike, intervals: Mapping[str, tuple[float, float, float]]
) -> Axes:
    """Show how episodes differ, and below them intervals that may or may not be about their mean.

    Parameters
    ----------
    accuracies : (E,)
        In [0, 1].
    intervals
        Name → (mean, low, high).
    """
    accuracies = as_array(accuracies)
    ax = new_axes(None, "accuracy of an episode", width=6.4, height=2.6 + 0.3 * len(intervals))
    values, counts = np.unique(np.round(accuracies, 6), return_counts=True)
    width = 0.8 * np.diff(values).min() if len(values) > 1 else 0.01
    ax.bar(values, counts, width, color="0.75")
    top = counts.max()
    for place, ((name, (mean, low, high)), colour) in enumerate(
        zip(intervals.items(), COLOURS, strict=False), start=1
    ):
        y = -0.14 * top * place
        ax.errorbar(mean, y, xerr=[[mean - low], [high - mean]], color=colour, fmt="o", capsize=3)
        ax.annotate(name, (high, y), (6, 0), textcoords="offset points", va="center", fontsize=8)
    ax.axhline(0, color="0.3", linewidth=0.8)
    ticks = MaxNLocator(nbins=4, integer=True).tick_values(0, top)
    ax.set_yticks([tick for tick in ticks if 0 <= tick <= top])
    ax.set_ylabel("number of episodes", y=0.7)
    return ax


def sheet_found(photo: ArrayLike, marks: ArrayLike, cells: ArrayLike) -> Figure:
    """Show a photograph, the marks found in it, and the cells that follow from them.

    Parameters
    ----------
    photo : (H, W)
        Grey values in [0, 1].
    marks : (M, 2)
        Column and row of each mark.
    cells : (N, 4, 2)
        Column and row of each cell's corners.
    """
    photo = as_array(photo)
    height, width = photo.shape
    ax = new_figure(6.0 * min(1, width / height), 6.0 * min(1, height / width)).subplots()
    draw_picture(ax, photo)
    for cell in as_array(cells):
        ax.fill(*cell.T, fill=False, edgecolor=COLOURS[1], linewidth=0.8)
    ax.scatter(*as_array(marks).T, 130, facecolor="none", edgecolor=RED, linewidth=2)
    return ax.figure
