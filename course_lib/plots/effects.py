"""Figures of effects and their intervals, of confusions, and of predictions."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from course_lib.plots.style import (
    BAR,
    BLUE,
    ORANGE,
    as_array,
    name_rows,
    new_axes,
    new_figure,
    percent,
)


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
    ax = new_axes(ax, f"{x_label} (bar: 95 % interval)", height=0.8 + 0.45 * len(results))
    if reference is not None:
        ax.axvline(reference, color="0.4", linestyle="--", linewidth=1)
    for place, (mean, low, high) in enumerate(results.values()):
        ax.errorbar(mean, place, xerr=[[mean - low], [high - mean]], **BAR)
        text = f"{mean:.3g}"
        ax.annotate(text, (mean, place), (0, 6), textcoords="offset points", ha="center", size=8)
    name_rows(ax, list(results))
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
    a, b = as_array(a), as_array(b)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"Pairs need one number per seed and method, not {a.shape} and {b.shape}.")
    ax = new_axes(ax, "", width=3.6, height=3.4)
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
    matrix = as_array(matrix)
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(f"{len(classes)} classes need a square matrix, not {matrix.shape}.")
    side = 1.6 + 0.36 * len(classes)
    ax = new_axes(ax, "predicted class", width=side + 0.6, height=side)
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
    percent(bar.ax.yaxis, "share of the true class")
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
    figure = new_figure(7.5, sum(1.0 + 0.5 * len(group) for group in groups))
    panels = figure.subplots(
        len(units), 1, squeeze=False, height_ratios=[2 + len(group) for group in groups]
    )
    for ax, unit, group in zip(panels[:, 0], units, groups, strict=True):
        new_axes(ax, unit)
        for place, row in enumerate(group):
            mean = row["measured"]
            low, high = (mean if row[end] is None else row[end] for end in ("low", "high"))
            ax.plot([row["predicted"], mean], [place, place], color="0.8", zorder=0)
            ax.errorbar(mean, place, xerr=[[mean - low], [high - mean]], **BAR)
            ax.plot(row["predicted"], place, color=ORANGE, marker="D", ls="none", mfc="white")
        name_rows(ax, [row["key"] for row in group])
    handles = [ax.lines[-1], ax.containers[-1]]
    panels[0, 0].legend(
        handles, ("predicted", "measured (bar: 95 % interval)"), frameon=False, ncols=2,
        loc="lower left", bbox_to_anchor=(0, 1),
    )  # fmt: skip
    return figure
