"""Invent your alphabet: a sheet to print and fill in, and a photograph of it turned into images.

The sheet has sixty cells, for twenty signs drawn three times each, and five round marks: one in
each corner, and one in the middle of the upper edge, which says where up is. From where the marks
lie in a photograph follows where every cell lies, however the camera was held.

Positions on the sheet are (x, y) in millimetres from its upper left corner, positions in a
photograph (column, row) in pixels.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from scipy import ndimage

from course_lib.data.drawings import framed
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError

N_SIGNS, N_COPIES = 20, 3
SHEET = (210, 297)  # A4; another paper is fine, the marks move with it
CELL, COLUMNS, ROWS, LEFT, TOP = 24, 2 * N_COPIES, N_SIGNS // 2, 33, 36
CORNERS = np.array([(18, 20), (192, 20), (192, 284), (18, 284)], float)
UP = (CORNERS[0] + CORNERS[1]) / 2
DISC, RING = 2.4, (3.6, 5.2)  # a mark: a disc in a ring, radii in mm

_LONGEST = 2000  # pixels to which a photograph is reduced
_PIXELS = 96  # of a cell's side when its drawing is cut out
_EDGE = 1.5  # mm of a cell that are left out: its printed border


def grid(dpi: int = 150) -> Image.Image:
    """Return the empty sheet; ``grid().save("grid.pdf", resolution=150)`` is ready to print."""
    scale = dpi / 25.4
    sheet = Image.new("L", tuple(round(side * scale) for side in SHEET), 255)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(4.5 * scale)

    def disc(centre: np.ndarray, radius: float, grey: int) -> None:
        pen.ellipse([*((centre - radius) * scale), *((centre + radius) * scale)], fill=grey)

    for mark in (*CORNERS, UP):
        for radius, grey in ((RING[1], 0), (RING[0], 255), (DISC, 0)):
            disc(mark, radius, grey)
    for column, row in np.ndindex(COLUMNS, ROWS):
        corner = np.array([LEFT + column * CELL, TOP + row * CELL]) * scale
        # Light lines are above the threshold for ink; heavier ones divide the two signs of a row.
        pen.rectangle([*corner, *(corner + CELL * scale)], outline=205, width=round(0.35 * scale))
    for sign in range(N_SIGNS):
        x = LEFT - 6 if sign % 2 == 0 else LEFT + COLUMNS * CELL + 6
        y = TOP + (sign // 2 + 0.5) * CELL
        pen.text((x * scale, y * scale), str(sign + 1), 120, font, anchor="mm")
    middle = LEFT + COLUMNS * CELL / 2
    pen.line([(middle * scale, TOP * scale), (middle * scale, (TOP + ROWS * CELL) * scale)], 160, 3)
    text = "Twenty signs of your own: each of them three times, side by side"
    pen.text((UP[0] * scale, (TOP - 6) * scale), text, 120, font, anchor="mm")
    return sheet


def open_photo(path: str | Path) -> np.ndarray:
    """Return a photograph as grey values in [0, 1], upright, its longer side at most 2,000 pixels.

    Raises
    ------
    CourseError
        There is no such file, or it is no picture that can be read.
    """
    path = Path(path)
    try:
        with Image.open(path) as picture:
            picture.draft("L", (_LONGEST, _LONGEST))
            picture = ImageOps.exif_transpose(picture).convert("L")
            picture.thumbnail((_LONGEST, _LONGEST))
            return np.asarray(picture, np.float32) / 255
    except FileNotFoundError as error:
        raise CourseError(f"There is no file {path}: copy your photograph there.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CourseError(
            f"{path} cannot be read as a picture: save the photograph as JPEG or PNG."
        ) from error


def read(photo: np.ndarray) -> ImageSet:
    """Cut the drawings out of a photograph of the sheet.

    Light may be uneven: what counts as ink is dark *beside its surroundings*. Empty cells are
    left out, so an alphabet may have fewer than twenty signs.

    Parameters
    ----------
    photo : (H, W)
        Grey values in [0, 1], the sheet somewhere in it, in any direction.

    Returns
    -------
    ImageSet
        Images (N, 1, 32, 32) framed like the glyphs, at most 60; labels 0…; classes ``"sign 1"``…
        Of each sign the first image is the one in its first cell.

    Raises
    ------
    CourseError
        The photograph is too dark or blurred, a mark is missing, or fewer than two signs were
        drawn at least twice.
    """
    ink, to_photo = darkness(photo), find_sheet(photo)
    black = _sampled(ink, to_photo, CORNERS + DISC / 4)
    cells = _sampled(ndimage.gaussian_filter(ink, 0.7), to_photo, _points()) > 0.4 * np.median(
        black
    )
    images, labels, classes = [], [], []
    for sign in range(N_SIGNS):
        drawings = [framed(d) for d in map(_without_specks, cells[sign]) if d.any()]
        if len(drawings) >= 2:
            images += drawings
            labels += [len(classes)] * len(drawings)
            classes.append(f"sign {sign + 1}")
    if len(classes) < 2:
        raise CourseError(
            f"The sheet was found, but {len(classes)} signs have two drawings or more: fill in at "
            "least two rows, with a dark pen."
        )
    return ImageSet(torch.tensor(np.stack(images))[:, None], torch.tensor(labels), tuple(classes))


def darkness(photo: np.ndarray) -> np.ndarray:
    """Return how much darker each pixel is than the paper around it: 0 for paper, 1 for black.

    The paper's brightness is what is left when everything narrower than about a fifteenth of the
    photograph is filled with its surroundings, smoothed.
    """
    step = max(1, max(photo.shape) // 250)
    small = ndimage.uniform_filter(photo, step)[::step, ::step]
    paper = ndimage.grey_closing(small, max(small.shape) // 15)
    paper = ndimage.gaussian_filter(paper, max(small.shape) / 60)
    rows, columns = (np.arange(side) / step for side in photo.shape)
    across = np.stack([np.interp(columns, np.arange(small.shape[1]), row) for row in paper])
    place = rows.clip(0, len(paper) - 1)
    low = place.astype(int).clip(0, max(len(paper) - 2, 0))
    share = (place - low)[:, None]
    paper = (1 - share) * across[low] + share * across[(low + 1).clip(max=len(paper) - 1)]
    return (1 - photo / paper.clip(min=1e-3)).clip(0, 1)


def find_sheet(photo: np.ndarray) -> np.ndarray:
    """Return the homography (3, 3) from millimetres on the sheet to pixels of a photograph.

    Raises
    ------
    CourseError
        The photograph is too dark or blurred, or not all five marks are in it.
    """
    if np.quantile(photo, 0.99) < 0.2:
        raise CourseError("The photograph is too dark: take it again with more light.")
    marks = _marks(darkness(photo))
    if len(marks) < 5:
        soft = ndimage.gaussian_filter(photo, 1.0)
        slope = np.quantile(np.hypot(*np.gradient(soft)), 0.999)
        if slope < 0.15 * np.ptp(np.quantile(soft, [0.01, 0.99])):  # an edge is 6 pixels wide
            raise CourseError(
                "The photograph is blurred: hold the camera still and let it focus on the sheet."
            )
        raise CourseError(
            f"{len(marks) or 'None'} of the five round marks can be seen: photograph the whole "
            "sheet, flat, with nothing on its marks."
        )
    width = np.ptp(marks, axis=0).max()
    best, off = None, np.inf
    for five in combinations(marks[:8], 5):  # largest first: more than five are rare
        for i in range(5):
            corners = np.array(five[:i] + five[i + 1 :])
            around = corners - corners.mean(0)
            corners = corners[np.arctan2(around[:, 1], around[:, 0]).argsort()]  # clockwise
            for turn in range(4):
                found = homography(CORNERS, np.roll(corners, turn, axis=0))
                distance = np.linalg.norm(project(found, UP[None])[0] - five[i])
                if distance < off:
                    best, off = found, distance
    if off > 0.03 * width:
        raise CourseError(
            "Round marks can be seen, but they do not lie as on the sheet: lay it flat and take "
            "the photograph from above."
        )
    return best


def homography(points: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return the projective map (3, 3) that takes points (n, 2) to images (n, 2), n at least 4."""
    (x, y), (u, v) = points.T, images.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], 1),
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], 1),
        ]
    )
    entries = np.linalg.lstsq(rows, np.concatenate([u, v]), rcond=None)[0]
    return np.append(entries, 1.0).reshape(3, 3)


def project(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply a homography to points (..., 2)."""
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    return mapped[..., :2] / mapped[..., 2:]


def cell_corners() -> np.ndarray:
    """Return the corners of every cell on the sheet: (20 signs, 3 copies, 4 corners, 2)."""
    sign, copy = np.ogrid[:N_SIGNS, :N_COPIES]
    x = LEFT + ((sign % 2) * N_COPIES + copy) * CELL
    y = TOP + (sign // 2) * CELL + 0 * copy
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * CELL
    return np.stack([x, y], -1)[:, :, None] + square


def _points() -> np.ndarray:
    """Where the pixels of each cell's drawing lie on the sheet: (20, 3, rows, columns, 2)."""
    steps = np.linspace(_EDGE, CELL - _EDGE, _PIXELS)
    inside = np.stack(np.meshgrid(steps, steps), -1)
    return cell_corners()[:, :, 0, None, None] + inside


def _sampled(picture: np.ndarray, to_photo: np.ndarray, points: np.ndarray) -> np.ndarray:
    x, y = np.moveaxis(project(to_photo, points), -1, 0)
    return ndimage.map_coordinates(picture, [y, x], order=1, mode="nearest")


def _without_specks(drawing: np.ndarray) -> np.ndarray:
    """Drop what is smaller than a dot of a pen, and a drawing that is hardly there at all."""
    parts, n = ndimage.label(drawing, np.ones((3, 3)))
    sizes = ndimage.sum_labels(drawing, parts, np.arange(n + 1))
    drawing = (sizes >= 8)[parts] & drawing
    return drawing & (drawing.sum() >= 40)


def _marks(ink: np.ndarray) -> list[np.ndarray]:
    """Find discs that have a ring around them; return their centres, the largest first.

    An ellipse of area A and covariance C has A = 4 π √det C, a ring has less: so disc and ring are
    told apart, and from most else, in any size, direction and perspective.
    """
    dark = ndimage.gaussian_filter(ink, 0.7) > 0.4
    parts, n = ndimage.label(dark)
    rows, columns = dark.nonzero()
    part = parts[dark]
    area = np.bincount(part, minlength=n + 1)[1:].clip(min=1)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(part, values, minlength=n + 1)[1:] / area

    x, y = mean(columns), mean(rows)
    dx, dy = columns - x[part - 1], rows - y[part - 1]
    # A pixel is a square, not a point: its own variance is 1/12.
    xx, yy, xy = mean(dx * dx) + 1 / 12, mean(dy * dy) + 1 / 12, mean(dx * dy)
    solid = area / (4 * np.pi * np.sqrt((xx * yy - xy * xy).clip(min=1e-9)))
    long = (xx + yy) ** 2 < 8 * (xx * yy - xy * xy)  # not more than about 2.4 times as long as wide
    discs = np.flatnonzero((solid > 0.9) & (area >= 20) & long)
    rings = np.flatnonzero((solid > 0.15) & (solid < 0.7) & (area >= 40) & long)
    found = []
    for disc in discs[area[discs].argsort()[::-1]]:
        radius = np.sqrt(area[disc] / np.pi)
        near = np.hypot(x[rings] - x[disc], y[rings] - y[disc]) < 0.4 * radius
        ratio = area[rings] / area[disc]
        if (near & (ratio > 1.2) & (ratio < 5)).any():
            found.append(np.array([x[disc], y[disc]]))
    return found
