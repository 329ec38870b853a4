"""Figures of a class: numbers in, Axes out, in the style of the course's other figures."""

from collections import Counter
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from course_lib.plots.style import BLUE, GREEN, ORANGE, RED, name_rows, new_axes

# colours that any colour vision tells apart, and hatches for print in black and white
OUTCOMES = {
    "correct": (GREEN, ""),
    "not yet": (ORANGE, "//"),
    "raised": (RED, "xx"),
    "not attempted": ("#c8c8c8", ".."),
}


def distribution(points: Sequence[float], maximum: float) -> Axes:
    """Show how many learners have how many points, one bar for each whole number."""
    ax = new_axes(None, f"points (of {maximum:g})", height=2.6)
    counts = Counter(round(value) for value in points)
    ax.bar(list(counts), list(counts.values()), width=0.8, color=BLUE)
    ax.set_ylabel("learners")
    ax.set_xlim(-0.7, maximum + 0.7)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def outcomes(counts: Mapping[str, Mapping[str, int]]) -> Axes:
    """Show how each exercise ended: a bar for each, with its outcomes side by side.

    Parameters
    ----------
    counts
        Exercise -> outcome (those of `OUTCOMES`) -> how many learners.
    """
    ax = new_axes(None, "learners", height=0.9 + 0.42 * len(counts))
    for row, found in enumerate(counts.values()):
        left = 0
        for outcome, (colour, hatch) in OUTCOMES.items():
            width = found.get(outcome, 0)
            label = outcome if row == 0 else None
            ax.barh(
                row, width, 0.7, left, color=colour, hatch=hatch, edgecolor="white", label=label
            )
            if width:
                box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
                ax.text(left + width / 2, row, width, ha="center", va="center", bbox=box)
            left += width
    name_rows(ax, list(counts))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))
    return ax


def frequencies(counts: Mapping[str, int]) -> Axes:
    """Show how often each of several things was found, in the order given."""
    ax = new_axes(None, "learners", height=0.8 + 0.3 * len(counts))
    bars = ax.barh(range(len(counts)), list(counts.values()), 0.7, color=BLUE)
    ax.bar_label(bars, padding=3)
    name_rows(ax, list(counts))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax
