"""Two domains in one feature space, before and after adaptation."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from course_lib.plots.style import (
    BLUE,
    COLOURS,
    MARKERS,
    ORANGE,
    as_array,
    new_axes,
    new_figure,
    percent,
)  # fmt: skip


def domain_spaces(
    spaces: Mapping[str, tuple[ArrayLike, ArrayLike]],
    source_labels: ArrayLike,
    target_labels: ArrayLike,
) -> Figure:
    """Show the features of both domains in the plane, once by PCA and once by t-SNE.

    A column per space; a single one lies in a row. Each image is the character of its class: blue
    for the source, orange and bold for the target. Both maps are fitted to both domains together.

    Parameters
    ----------
    spaces
        Name → source features (n, D) and target features (m, D).
    source_labels, target_labels : (n,), (m,)
        Classes 0…9.
    """
    labels = np.concatenate([as_array(source_labels), as_array(target_labels)])
    is_target = np.arange(len(labels)) >= len(as_array(source_labels))
    if len(spaces) == 1:
        figure = new_figure(8.8, 4.3)
        panels = figure.subplots(1, 2).reshape(2, 1)
    else:
        figure = new_figure(4.4 * len(spaces), 8.2)
        panels = figure.subplots(2, len(spaces))
    for column, (name, domains) in zip(panels.T, spaces.items(), strict=True):
        features = np.concatenate([as_array(part).astype(float) for part in domains])
        for ax, (how, place) in zip(column, _maps(features).items(), strict=True):
            for colour, weight, chosen in (
                (BLUE, "normal", ~is_target), (ORANGE, "bold", is_target),
            ):  # fmt: skip
                for (x, y), label in zip(place[chosen], labels[chosen], strict=True):
                    ax.text(x, y, str(label), color=colour, weight=weight, fontsize=7,
                            ha="center", va="center")  # fmt: skip
            ax.set(xlim=_span(place[:, 0]), ylim=_span(place[:, 1]), xticks=[], yticks=[])
            ax.set_title(f"{name}, {how}", fontsize=10)
    handles = [
        panels[0, 0].plot([], [], color=colour, marker="s", linestyle="none")[0]
        for colour in (BLUE, ORANGE)
    ]
    figure.legend(handles, ("source", "target (bold)"), ncols=2, loc="outside lower center")
    return figure


def _maps(features: np.ndarray) -> dict[str, np.ndarray]:
    from sklearn.decomposition import PCA  # slow to import
    from sklearn.manifold import TSNE

    few = PCA(min(30, *features.shape), random_state=0).fit_transform(features)
    near = TSNE(perplexity=min(30, (len(few) - 1) / 3), init="pca", random_state=0)
    return {"PCA": few[:, :2], "t-SNE": near.fit_transform(few.astype(np.float32))}


def _span(values: np.ndarray) -> tuple[float, float]:
    margin = 0.05 * (np.ptp(values) + 1e-9)
    return values.min() - margin, values.max() + margin


def seeds_and_mine(
    shipped: Mapping[str, Sequence[ArrayLike]],
    series: Sequence[str],
    mine: Mapping[str, Sequence[float | None]],
    x_label: str = "accuracy on the target",
    references: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Show every shipped seed as a dot, and the learner's own run as a cross over them.

    Parameters
    ----------
    shipped
        Name of a row, first on top → for each series the values of all seeds, shares in [0, 1].
    series
        What the values of a row are, such as ``("as trained", "with AdaBN")``.
    mine
        Name of a row → for each series one's own value, or None.
    references
        Name → where to draw a dashed line.
    """
    ax = new_axes(ax, x_label, width=7.6, height=1.0 + 0.5 * len(shipped))
    for place, (name, row) in enumerate(shipped.items()):
        own = mine.get(name, [None] * len(series))
        for i, (values, cross) in enumerate(zip(row, own, strict=True)):
            y = place + 0.3 * (i - (len(series) - 1) / 2)
            values = as_array(values)
            ax.scatter(values, np.full(len(values), y), s=16, color=COLOURS[i], alpha=0.6,
                       marker=MARKERS[i], label=series[i] if place == 0 else None)  # fmt: skip
            ax.plot([values.mean()] * 2, [y - 0.12, y + 0.12], color=COLOURS[i], linewidth=2)
            if cross is not None:
                ax.plot(cross, y, marker="x", color="black", markersize=8, linestyle="none")
    if mine:
        ax.plot([], [], marker="x", color="black", linestyle="none", label="your seed")
    for name, x in (references or {}).items():
        ax.axvline(x, color="0.4", linestyle="--", linewidth=1)
        ax.annotate(name, (x, -0.55), (3, 0), textcoords="offset points", fontsize=8, va="bottom")
    ax.set_yticks(range(len(shipped)), list(shipped))
    ax.set_ylim(len(shipped) - 0.4, -0.7)
    percent(ax.xaxis, x_label)
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax
