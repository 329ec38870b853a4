"""Figures that set one thing beside or against another: run by run, or guess against outcome."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from course_lib.plots.style import COLOURS, MARKERS, as_array, new_axes, new_figure, percent


def single_runs(
    x: ArrayLike,
    ways: Mapping[str, ArrayLike],
    x_label: str = "labelled examples per class",
    y_label: str = "accuracy (a line: one run)",
) -> Figure:
    """Show every run as a line of its own, a panel per way, all with the same scale.

    Parameters
    ----------
    x : (n,)
    ways
        Name → (runs, n): shares in [0, 1].
    """
    figure = new_figure(3.7 * len(ways), 3.0)
    panels = figure.subplots(1, len(ways), sharey=True, squeeze=False)[0]
    x = as_array(x)
    for ax, (name, values), colour in zip(panels, ways.items(), COLOURS, strict=False):
        new_axes(ax, x_label)
        ax.plot(x, as_array(values).T, color=colour, marker="o", markersize=3, alpha=0.6)
        ax.set_title(name, fontsize=10)
        ax.set_xscale("log")
        ax.set_xticks(x, [f"{value:g}" for value in x])
        ax.minorticks_off()
    percent(panels[0].yaxis, y_label)
    return figure


def against(
    points: Mapping[str, tuple[ArrayLike, ArrayLike]],
    x_label: str,
    y_label: str,
    ax: Axes | None = None,
) -> Axes:
    """Show a guess against an outcome: a cloud of runs for each name, a larger mark at its mean.

    Parameters
    ----------
    points
        Name → (x (S,), y (S,)): shares in [0, 1].
    """
    ax = new_axes(ax, x_label, height=3.8)
    for i, (name, (x, y)) in enumerate(points.items()):
        x, y = as_array(x), as_array(y)
        style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        ax.scatter(x, y, s=12, alpha=0.5, **style)
        ax.scatter(x.mean(), y.mean(), s=80, edgecolor="black", label=name, **style)
    percent(ax.xaxis, x_label)
    percent(ax.yaxis, y_label)
    ax.legend(frameon=False)
    return ax
