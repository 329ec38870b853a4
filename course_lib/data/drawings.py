"""Drawings brought into the form of the printed glyphs: cropped, centred, of one stroke width."""

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

from course_lib.data.glyphs import BOX, FRAME

STROKE = 2.0  # pixels in the frame; on Omniglot's background set 1.25 to 2.25 do equally well


def framed(ink: np.ndarray) -> np.ndarray:
    """Return a drawing as the glyphs are: its longer side 24 pixels, centred, white on black.

    A pen is thin beside a printed letter, and a small drawing is enlarged more than a large one;
    so thin strokes are thickened, in the drawing's own pixels, until they will be 2 pixels
    wide. Thick ones stay.

    Parameters
    ----------
    ink : (h, w), bool
        True where the pen was, anywhere in the picture and of any size.

    Returns
    -------
    (32, 32), float32
        In [0, 1]; all 0 if there is no ink.
    """
    if not ink.any():
        return np.zeros((FRAME, FRAME), np.float32)
    ink = _cropped(ink)
    # In a long stroke of width w the mean distance to the edge is w / 4. From pixel centre to pixel
    # centre it is half a pixel more.
    inside = distance_transform_edt(np.pad(ink, 1))[1:-1, 1:-1][ink]
    grow = (STROKE * max(ink.shape) / BOX - 4 * (inside.mean() - 0.5)) / 2
    if grow > 0:
        away = np.pad(~ink, int(grow) + 1, constant_values=True)
        ink = _cropped(distance_transform_edt(away) - 0.5 <= grow)
    drawing = Image.fromarray(np.uint8(255) * ink)
    scale = BOX / max(drawing.size)
    width, height = (max(1, round(side * scale)) for side in drawing.size)
    frame = Image.new("L", (FRAME, FRAME))
    smaller = drawing.resize((width, height), Image.Resampling.BOX)
    frame.paste(smaller, ((FRAME - width) // 2, (FRAME - height) // 2))
    return np.asarray(frame, np.float32) / 255


def _cropped(ink: np.ndarray) -> np.ndarray:
    rows, columns = ink.any(1).nonzero()[0], ink.any(0).nonzero()[0]
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
