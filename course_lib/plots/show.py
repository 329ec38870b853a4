"""Put a figure into a notebook, with a caption, and with a text for those who do not see it."""

import io
import sys
from base64 import b64encode
from html import escape

from IPython import get_ipython
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure


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
        display({"text/html": as_html(figure, caption, alt), "text/plain": alt}, raw=True)
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close(figure)  # or a notebook would draw it a second time


def as_html(figure: Figure | Axes, caption: str, alt: str) -> str:
    """Return a figure with its caption as HTML that holds the picture in itself."""
    picture = io.BytesIO()
    figure = getattr(figure, "figure", figure)
    figure.savefig(picture, format="png", dpi=110, bbox_inches="tight", facecolor="white")
    return (
        f'<figure><img src="data:image/png;base64,{b64encode(picture.getvalue()).decode()}" '
        f'alt="{escape(alt)}" style="max-width:100%;height:auto">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
