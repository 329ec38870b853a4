"""What all figures share: the palette, empty figures and axes, arrays as matplotlib reads them.

The colours are those of Okabe and Ito (2008), told apart with any colour vision; whatever a
colour says, a marker, a position or a word says too.
"""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)
MARKERS = "os^DvP"


BAR = {"fmt": "o", "color": BLUE, "capsize": 3}


def as_array(values: ArrayLike) -> np.ndarray:
    """Return an array, also from a tensor on any device."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def pictures(images: ArrayLike) -> np.ndarray:
    """Return (N, H, W) or (N, H, W, 3), as matplotlib reads them."""
    images = as_array(images)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(f"Images are (N, C, H, W) with C = 1 or 3, not {images.shape}.")
    return images[:, 0] if images.shape[1] == 1 else images.transpose(0, 2, 3, 1)


def new_figure(width: float, height: float) -> Figure:
    """Return a figure that belongs to nobody: no pyplot, no global state, nothing to close."""
    return Figure(figsize=(width, height), layout="constrained")


def grid(n: int, columns: int, height: float = 1.05) -> np.ndarray:
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    return (
        new_figure(1.05 * columns, height * rows).subplots(rows, columns, squeeze=False).flatten()
    )


def draw_picture(
    ax: Axes, image: np.ndarray | None, cmap: str = "gray", vmin: float = 0.0, vmax: float = 1.0
) -> None:
    """Draw one image without axes; an empty place where there is none."""
    ax.axis("off")
    if image is not None:
        ax.imshow(image, cmap=cmap, vmin=vmin, vmax=vmax, interpolation="nearest")


def new_axes(ax: Axes | None, x_label: str, width: float = 6.4, height: float = 3.4) -> Axes:
    ax = ax or new_figure(width, height).subplots()
    ax.set_xlabel(x_label)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def percent(axis, label: str) -> None:
    axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.set_label_text(label)


def name_rows(ax: Axes, names: list[str]) -> None:
    """Write the names down the y axis, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.xaxis.set_major_locator(MaxNLocator(6))
