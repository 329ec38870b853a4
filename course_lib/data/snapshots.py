"""Photographs that nobody took: a filled-in sheet, drawn, lit and photographed by arithmetic.

They stand in for a learner's own photograph of `course_lib.data.signs.grid`.
"""

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy import ndimage

from course_lib.data import signs


def filled_sheet(rng: Generator, n_signs: int = signs.N_SIGNS, pen: float = 0.9) -> Image.Image:
    """Return the sheet with invented signs: strokes that nobody has seen, three times each.

    A sign is two to four curves. Every copy is drawn anew: its points are a little elsewhere, and
    it is turned, scaled and shifted, as by a hand.

    Parameters
    ----------
    pen
        Width of the strokes in mm.
    """
    sheet = signs.grid()
    scale = sheet.width / signs.SHEET[0]
    draw, corners = ImageDraw.Draw(sheet), signs.cell_corners()
    for sign in range(n_signs):
        curves = [rng.uniform(-1, 1, (rng.integers(3, 5), 2)) for _ in range(rng.integers(2, 5))]
        for copy in range(signs.N_COPIES):
            centre = corners[sign, copy].mean(0) + rng.normal(0, 0.7, 2)
            angle, size = rng.normal(0, 0.07), 0.33 * signs.CELL * rng.uniform(0.8, 1.0)
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            for curve in curves:
                moved = curve + rng.normal(0, 0.09, curve.shape)
                line = (centre + _bezier(moved) @ turn.T * size) * scale
                draw.line([tuple(point) for point in line], 40, round(pen * scale), "curve")
    return sheet


def photograph(
    sheet: Image.Image,
    rng: Generator,
    *,
    turn: int = 0,
    light: float = 1.0,
    blur: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Return a photograph of a sheet on a table: askew, unevenly lit, with a shadow, and noisy.

    Parameters
    ----------
    turn
        Quarter turns of the camera.
    light
        1 is a bright room, 0.1 a dark one.
    blur
        Standard deviation in pixels.
    shift
        Of the sheet, in widths and heights of the frame: (0.5, 0) leaves half of it out.

    Returns
    -------
    (1600, 1200), or turned (1200, 1600), float32
        Grey values in [0, 1].
    """
    height, width = 1600, 1200
    corners = np.array([(0.1, 0.08), (0.9, 0.08), (0.9, 0.92), (0.1, 0.92)])
    corners += rng.uniform(-0.05, 0.05, (4, 2)) + shift
    corners *= (width, height)
    page = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * np.array(sheet.size)
    rows, columns = np.mgrid[:height, :width]
    at = signs.project(signs.homography(corners, page), np.stack([columns, rows], -1))
    table = 0.35 + 0.05 * ndimage.gaussian_filter(rng.standard_normal((height, width)), 3) * 10
    paper = ndimage.gaussian_filter(np.asarray(sheet, np.float32) / 255, 0.6)
    inside = ((at >= 0) & (at <= np.array(sheet.size) - 1)).all(-1)
    picture = np.where(
        inside,
        0.92 * ndimage.map_coordinates(paper, [at[..., 1], at[..., 0]], order=1, mode="nearest"),
        table,
    )
    # The lamp stands on one side, and somebody's soft shadow falls across a corner.
    x, y = columns / width - 0.5, rows / height - 0.5
    direction = rng.uniform(0, 2 * np.pi)
    lamp = 0.8 + 0.35 * (np.cos(direction) * x + np.sin(direction) * y)
    edge = np.cos(direction + 1) * x + np.sin(direction + 1) * y - rng.uniform(-0.1, 0.2)
    shadow = 1 - 0.4 / (1 + np.exp(-edge / 0.03))
    picture = ndimage.gaussian_filter(light * lamp * shadow * picture, blur)
    picture += rng.normal(0, 0.02, picture.shape)
    return np.rot90(picture.clip(0, 1).astype(np.float32), turn)


def _bezier(points: np.ndarray, n: int = 40) -> np.ndarray:
    """Return n points on the Bézier curve of some control points (k, 2), by de Casteljau."""
    t = np.linspace(0, 1, n)[:, None, None]
    points = np.repeat(points[None], n, axis=0)
    while points.shape[1] > 1:
        points = (1 - t) * points[:, :-1] + t * points[:, 1:]
    return points[:, 0]
