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
    ax = new_axes(ax, x_label, width=8, height=4.2)
    ordered = sorted(methods.items(), key=lambda item: item[1][0])
    best, lower = 0.0, 0
    for name, (cost, (mean, low, high)) in ordered:
        ax.errorbar(cost, mean, yerr=[[mean - low], [high - mean]], fmt="o", color=BLUE, capsize=3)
        better, best = mean > best, max(mean, best)  # names stand on the free side of the curve
        lower = 0 if better else lower + 1  # and not beside each other below it
        ax.annotate(
            name, (cost, high if better else low), (-4, 3) if better else (4, 8 - 11 * lower),
            textcoords="offset points", ha="right" if better else "left",
            va="bottom" if better else "top", size=8,
        )  # fmt: skip
    for index, (name, value) in enumerate((runs or {}).items()):
        label = None if index else "your run"
        ax.plot(methods[name][0], value, "x", color=ORANGE, markersize=9, mew=2, label=label)
    ax.set_xscale("log")
    ax.margins(x=0.08, y=0.12)
    percent(ax.yaxis, "accuracy (bar: 95 % interval)")
    if runs:
        ax.legend(frameon=False, loc="lower right")
    return ax
