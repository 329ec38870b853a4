"""Figures: arrays in, Axes or a Figure out.

The colours are those of Okabe and Ito (2008), told apart with any colour vision; whatever a
colour says, a marker, a position or a word says too. `show` puts a figure into a notebook, with
a caption, and with a text for those who do not see it.
"""

import io
import math
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from itertools import zip_longest

import numpy as np
from IPython import get_ipython
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)
MARKERS = "os^DvP"

# ---------------------------------------------------------------- in a notebook


def show(figure: Figure | Axes, caption: str, alt: str) -> None:
    """Display a figure with its caption, and with alternative text for a screen reader.

    Parameters
    ----------
    figure
        A Figure, or an Axes of one.
    caption
        What to learn from it, in a sentence.
    alt
        What is to be seen in it. Outside a notebook this is printed instead of the picture.

    Raises
    ------
    ValueError
        If caption or alt is empty.
    """
    if not (caption.strip() and alt.strip()):
        raise ValueError("Every figure needs a caption and an alternative text (alt).")
    figure = getattr(figure, "figure", figure)
    if get_ipython() is None:
        print(alt)
    else:
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=110, bbox_inches="tight", facecolor="white")
        html = (
            f'<figure><img src="data:image/png;base64,{b64encode(picture.getvalue()).decode()}" '
            f'alt="{escape(alt)}" style="max-width:100%;height:auto">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
        display({"text/html": html, "text/plain": alt}, raw=True)
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close(figure)  # or a notebook would draw it a second time


# ---------------------------------------------------------------- images


def image_grid(images: ArrayLike, titles: Sequence[str] = (), columns: int = 8) -> Figure:
    """Show images, each with its title if there is one.

    Parameters
    ----------
    images : (N, C, H, W) or (N, H, W)
        Values in [0, 1]; C is 1 or 3.
    """
    images = _pictures(images)
    axes = _grid(len(images), columns, height=1.3 if len(titles) else 1.05)
    for ax, image, title in zip_longest(axes, images, titles[: len(images)]):
        _picture(ax, image)
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
    support, query, predictions = _pictures(support), _pictures(query), _array(predictions)
    columns = max(len(support), len(query))
    figure = _figure(max(4.0, 0.5 * columns + 0.8), 2.1)
    axes = figure.subplots(3, columns, squeeze=False)
    rows = (support, query, support[predictions])
    for line, images, name in zip(axes, rows, ("support", "query", "read as"), strict=True):
        for ax, image in zip_longest(line, images):
            _picture(ax, image)
        line[0].text(-0.2, 0.5, name, transform=line[0].transAxes, ha="right", va="center")
    for ax, number in zip(axes[0], range(len(support)), strict=False):
        ax.set_title(number, fontsize=8, pad=2)
    if labels is not None:
        for ax, right in zip(axes[1], predictions == _array(labels), strict=False):
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
    weights = _array(weights)
    if weights.ndim != 4 or weights.shape[1] not in (1, 3):
        raise ValueError(f"Filters of a first layer are (n, 1 or 3, h, w), not {weights.shape}.")
    axes = _grid(len(weights), columns)
    figure, largest = axes[0].figure, np.abs(weights).max()
    if weights.shape[1] == 3:
        low, high = weights.min((1, 2, 3), keepdims=True), weights.max((1, 2, 3), keepdims=True)
        for ax, image in zip_longest(axes, _pictures((weights - low) / (high - low + 1e-12))):
            _picture(ax, image)
        return figure
    for ax, image in zip_longest(axes, weights[:, 0]):
        _picture(ax, image, cmap="PuOr", vmin=-largest, vmax=largest)
    figure.colorbar(axes[0].images[0], ax=axes, label="weight", shrink=0.8)
    return figure


def feature_maps(maps: ArrayLike, columns: int = 8) -> Figure:
    """Show what the channels of a layer answer to one image, on one scale for all.

    Parameters
    ----------
    maps : (C, H, W)
    """
    maps = _array(maps)
    if maps.ndim != 3:
        raise ValueError(f"The feature maps of one image are (C, H, W), not {maps.shape}.")
    axes = _grid(len(maps), columns)
    for ax, image in zip_longest(axes, maps):
        _picture(ax, image, cmap="viridis", vmin=maps.min(), vmax=maps.max())
    axes[0].figure.colorbar(axes[0].images[0], ax=axes, label="activation", shrink=0.8)
    return axes[0].figure


# ---------------------------------------------------------------- numbers


def training_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """Show the loss and the accuracies of a `course_lib.transfer.train.fit` history by step."""
    figure = _figure(8, 2.8)
    loss, accuracy = (_axes(ax, "step (batches seen)") for ax in figure.subplots(1, 2))
    steps = [row["step"] for row in history]
    loss.plot(steps, [row["loss"] for row in history], color=BLUE, marker="o", markersize=4)
    loss.set_ylabel("training loss (nats)")
    for key, name, colour, marker in (
        ("train_accuracy", "training", BLUE, "o"),
        ("val_accuracy", "validation", ORANGE, "s"),
    ):
        values = [row[key] for row in history]
        if not all(map(math.isnan, values)):
            accuracy.plot(steps, values, color=colour, marker=marker, markersize=4, label=name)
    _percent(accuracy.yaxis, "accuracy")
    accuracy.set_ylim(0, 1.02)
    accuracy.legend(frameon=False)
    return figure


def learning_curves(
    sizes: ArrayLike,
    methods: Mapping[str, ArrayLike],
    x_label: str = "labelled examples per class",
    ax: Axes | None = None,
) -> Axes:
    """Show accuracy by number of labels, a line per method with its intervals.

    Parameters
    ----------
    sizes : (n,)
        Above 0; drawn on a logarithmic axis.
    methods
        Name → (n, 3): mean, low and high at each size, in [0, 1].
    """
    ax = _axes(ax, x_label)
    sizes = _array(sizes)
    for index, (name, values) in enumerate(methods.items()):
        mean, low, high = _array(values).T
        colour = COLOURS[index % len(COLOURS)]
        ax.plot(sizes, mean, color=colour, marker=MARKERS[index % len(MARKERS)], label=name)
        ax.fill_between(sizes, low, high, color=colour, alpha=0.18, linewidth=0)
    ax.set_xscale("log")
    ax.set_xticks(sizes, [f"{size:g}" for size in sizes])
    ax.minorticks_off()
    _percent(ax.yaxis, "accuracy (band: 95 % interval)")
    ax.legend(frameon=False)
    return ax


def intervals(
    results: Mapping[str, tuple[float, float, float]],
    x_label: str,
    reference: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Show a dot with its 95 % interval for each named result, first on top.

    Parameters
    ----------
    results
        Name → (mean, low, high).
    x_label
        What is measured, with its unit.
    reference
        Where to draw a dashed line, such as 0 for differences or chance for accuracies.
    """
    ax = _axes(ax, f"{x_label} (bar: 95 % interval)", height=0.8 + 0.45 * len(results))
    if reference is not None:
        ax.axvline(reference, color="0.4", linestyle="--", linewidth=1)
    for place, (mean, low, high) in enumerate(results.values()):
        ax.errorbar(mean, place, xerr=[[mean - low], [high - mean]], **_BAR)
        text = f"{mean:.3g}"
        ax.annotate(text, (mean, place), (0, 6), textcoords="offset points", ha="center", size=8)
    _names(ax, list(results))
    return ax


def paired_dots(
    a: ArrayLike,
    b: ArrayLike,
    names: tuple[str, str] = ("a", "b"),
    y_label: str = "accuracy",
    ax: Axes | None = None,
) -> Axes:
    """Show two methods seed by seed, a line joining what the same seed gave to both.

    Lines that all rise or all fall mean that the methods differ, however far the seeds spread.

    Parameters
    ----------
    a, b : (S,)
        In the same order of seeds.
    """
    a, b = _array(a), _array(b)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"Pairs need one number per seed and method, not {a.shape} and {b.shape}.")
    ax = _axes(ax, "", width=3.6, height=3.4)
    ax.plot([0, 1], [a, b], color="0.7", linewidth=1, zorder=1)
    for place, values, colour, marker in ((0, a, BLUE, "o"), (1, b, ORANGE, "s")):
        ax.scatter(np.full(len(values), place), values, color=colour, marker=marker, zorder=2)
    ax.set_xticks([0, 1], names)
    ax.set_xlim(-0.4, 1.4)
    ax.set_ylabel(f"{y_label} (a line: one seed)")
    return ax


def confusion_matrix(matrix: ArrayLike, classes: Sequence[str], ax: Axes | None = None) -> Axes:
    """Show how often each true class (row) was taken for each class (column).

    Parameters
    ----------
    matrix : (K, K)
        Counts. Colours are shares of the row, numbers are counts.
    """
    matrix = _array(matrix)
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(f"{len(classes)} classes need a square matrix, not {matrix.shape}.")
    side = 1.6 + 0.36 * len(classes)
    ax = _axes(ax, "predicted class", width=side + 0.6, height=side)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    drawn = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(matrix), strict=True):
        ink = "white" if shares[row, column] > 0.5 else "black"
        text = f"{matrix[row, column]:g}"
        ax.text(column, row, text, ha="center", va="center", color=ink, size=8)
    places = range(len(classes))
    ax.set_xticks(places, classes, rotation=90 if max(map(len, classes)) > 2 else 0)
    ax.set_yticks(places, classes)
    ax.set_ylabel("true class")
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.8)
    _percent(bar.ax.yaxis, "share of the true class")
    return ax


def ledger(rows: Sequence[Mapping]) -> Figure:
    """Show predictions beside what was measured, an Axes per unit.

    Parameters
    ----------
    rows
        As `course_lib.evidence.ledger.rows` returns them; rows without both numbers are left out.
    """
    rows = [row for row in rows if None not in (row["predicted"], row["measured"])]
    if not rows:
        raise ValueError("The ledger has no prediction yet that was measured.")
    units = list(dict.fromkeys(row["unit"] for row in rows))
    groups = [[row for row in rows if row["unit"] == unit] for unit in units]
    figure = _figure(7.5, sum(1.0 + 0.5 * len(group) for group in groups))
    panels = figure.subplots(
        len(units), 1, squeeze=False, height_ratios=[2 + len(group) for group in groups]
    )
    for ax, unit, group in zip(panels[:, 0], units, groups, strict=True):
        _axes(ax, unit)
        for place, row in enumerate(group):
            mean = row["measured"]
            low, high = (mean if row[end] is None else row[end] for end in ("low", "high"))
            ax.plot([row["predicted"], mean], [place, place], color="0.8", zorder=0)
            ax.errorbar(mean, place, xerr=[[mean - low], [high - mean]], **_BAR)
            ax.plot(row["predicted"], place, color=ORANGE, marker="D", ls="none", mfc="white")
        _names(ax, [row["key"] for row in group])
    handles = [ax.lines[-1], ax.containers[-1]]
    panels[0, 0].legend(
        handles, ("predicted", "measured (bar: 95 % interval)"), frameon=False, ncols=2,
        loc="lower left", bbox_to_anchor=(0, 1),
    )  # fmt: skip
    return figure


# ---------------------------------------------------------------- shared

_BAR = {"fmt": "o", "color": BLUE, "capsize": 3}


def _array(values: ArrayLike) -> np.ndarray:
    """Return an array, also from a tensor on any device."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _pictures(images: ArrayLike) -> np.ndarray:
    """Return (N, H, W) or (N, H, W, 3), as matplotlib reads them."""
    images = _array(images)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(f"Images are (N, C, H, W) with C = 1 or 3, not {images.shape}.")
    return images[:, 0] if images.shape[1] == 1 else images.transpose(0, 2, 3, 1)


def _figure(width: float, height: float) -> Figure:
    """Return a figure that belongs to nobody: no pyplot, no global state, nothing to close."""
    return Figure(figsize=(width, height), layout="constrained")


def _grid(n: int, columns: int, height: float = 1.05) -> np.ndarray:
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    return _figure(1.05 * columns, height * rows).subplots(rows, columns, squeeze=False).flatten()


def _picture(
    ax: Axes, image: np.ndarray | None, cmap: str = "gray", vmin: float = 0.0, vmax: float = 1.0
) -> None:
    """Draw one image without axes; an empty place where there is none."""
    ax.axis("off")
    if image is not None:
        ax.imshow(image, cmap=cmap, vmin=vmin, vmax=vmax, interpolation="nearest")


def _axes(ax: Axes | None, x_label: str, width: float = 6.4, height: float = 3.4) -> Axes:
    ax = ax or _figure(width, height).subplots()
    ax.set_xlabel(x_label)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _percent(axis, label: str) -> None:
    axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.set_label_text(label)


def _names(ax: Axes, names: list[str]) -> None:
    """Write the names down the y axis, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.xaxis.set_major_locator(MaxNLocator(6))
