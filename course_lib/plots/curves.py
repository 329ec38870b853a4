"""Figures of what changes with time or with the number of labels."""

import math
from collections.abc import Mapping, Sequence

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
)


def training_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """Show the loss and the accuracies of a `course_lib.transfer.train.fit` history by step."""
    figure = new_figure(8, 2.8)
    loss, accuracy = (new_axes(ax, "step (batches seen)") for ax in figure.subplots(1, 2))
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
    percent(accuracy.yaxis, "accuracy")
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
    ax = new_axes(ax, x_label)
    sizes = as_array(sizes)
    for index, (name, values) in enumerate(methods.items()):
        mean, low, high = as_array(values).T
        colour = COLOURS[index % len(COLOURS)]
        ax.plot(sizes, mean, color=colour, marker=MARKERS[index % len(MARKERS)], label=name)
        ax.fill_between(sizes, low, high, color=colour, alpha=0.18, linewidth=0)
    ax.set_xscale("log")
    ax.set_xticks(sizes, [f"{size:g}" for size in sizes])
    ax.minorticks_off()
    percent(ax.yaxis, "accuracy (band: 95 % interval)")
    ax.legend(frameon=False)
    return ax
