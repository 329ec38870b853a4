"""Figures of what an accuracy costs."""

from collections.abc import Mapping

from matplotlib.axes import Axes

from course_lib.plots.style import BLUE, ORANGE, new_axes, percent


def tradeoff(
    methods: Mapping[str, tuple[float, tuple[float, float, float]]],
    x_label: str,
    runs: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Show the accuracy of each method against its cost, with intervals.

    Parameters
    ----------
    methods
        Name → (cost above 0, (mean, low, high) in [0, 1]); costs on a logarithmic axis.
    x_label
        What the cost is, with its unit.
    runs
        Name → accuracy of one run of the reader's own, drawn as a cross at its method's cost.
    """
    ax = new_axes(ax, x_label, width=7.2, height=4.2)
    for name, (cost, (mean, low, high)) in methods.items():
        ax.errorbar(cost, mean, yerr=[[mean - low], [high - mean]], fmt="o", color=BLUE, capsize=3)
        ax.annotate(name, (cost, mean), (7, -3), textcoords="offset points", size=8, va="top")
    for index, (name, value) in enumerate((runs or {}).items()):
        label = None if index else "your run"
        ax.plot(methods[name][0], value, "x", color=ORANGE, markersize=9, mew=2, label=label)
    ax.set_xscale("log")
    ax.margins(x=0.16)
    percent(ax.yaxis, "accuracy (bar: 95 % interval)")
    if runs:
        ax.legend(frameon=False)
    return ax
