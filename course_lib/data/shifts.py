"""Domain shifts: the same images, made to look otherwise.

Each function takes white-on-black images (digits, glyphs) and a generator, and keeps the labels'
meaning. The photographs are those that come with scikit-learn and matplotlib, in grey; the left
half of each is for training, the right half for testing, so that no background is in both.
"""

from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import cbook
from PIL import Image
from torch import Generator, Tensor

from course_lib.errors import CourseError

PHOTOGRAPHS = ("china", "flower", "grace_hopper")
SHRINK = (1, 2, 3)  # a crop shows 32, 64 or 96 pixels of its photograph, at random


def photo_background(
    images: Tensor, split: str, generator: Generator, strength: float = 0.6
) -> Tensor:
    """Put a random piece of a photograph behind each image: ``max(image, strength * photo)``.

    Parameters
    ----------
    images : Tensor (N, 1, H, W)
        In [0, 1], white on black; not changed.
    split : {"train", "test"}
        Which half of the photographs the pieces come from.
    generator : torch.Generator
        The only source of randomness.
    strength : float
        Brightness of the photographs: white becomes this.

    Returns
    -------
    Tensor (N, 1, H, W)
        In [0, 1].
    """
    return torch.maximum(images, strength * _behind(images, split, generator))


def photo_difference(images: Tensor, split: str, generator: Generator) -> Tensor:
    """Blend each image with a random piece of a photograph: ``|photo - image|``.

    The blend of MNIST-M (Ganin et al. 2016): strokes are light where the photograph is dark, and
    dark where it is light. Parameters and result as in `photo_background`.
    """
    return (_behind(images, split, generator) - images).abs()


def invert(images: Tensor) -> Tensor:
    """Dark on white: ``1 - image``."""
    return 1 - images


def rotate_and_shear(
    images: Tensor, generator: Generator, degrees: float = 40.0, shear: float = 0.4
) -> Tensor:
    """Turn and slant each image by its own random amount, uniform up to the given ones.

    Parameters
    ----------
    images : Tensor (N, C, H, W)
        In [0, 1]; what comes in from outside the frame is black.
    generator : torch.Generator
        The only source of randomness.
    degrees, shear : float
        Largest rotation to either side; largest horizontal shift per vertical pixel.

    Returns
    -------
    Tensor (N, C, H, W)
    """
    angle, slant = (2 * torch.rand(2, len(images), generator=generator) - 1).to(images)
    angle, slant = torch.deg2rad(degrees * angle), shear * slant
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    rows = [cos, cos * slant - sin, zero, sin, sin * slant + cos, zero]
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(images.shape), False)
    return F.grid_sample(images, grid, align_corners=False)


def backgrounds(which: Tensor, split: str, generator: Generator, size: int = 32) -> Tensor:
    """Cut a random square out of a photograph for each entry, at a random scale, maybe mirrored.

    Parameters
    ----------
    which : Tensor (N,)
        Positions in `PHOTOGRAPHS`.
    split : {"train", "test"}
        The left or the right half of each photograph.
    generator : torch.Generator
        The only source of randomness.
    size : int
        Side in pixels, at most 64.

    Returns
    -------
    Tensor (N, 1, size, size)
        Grey, in [0, 1].

    Raises
    ------
    ValueError
        Unknown split, or size too large.
    CourseError
        A photograph is missing or damaged.
    """
    if split not in ("train", "test"):
        raise ValueError(f"There is no split {split!r} of the photographs: use train or test.")
    if not 1 <= size <= 64:
        raise ValueError(f"A background's side is 1 to 64 pixels, not {size}.")
    n = len(which)
    place = torch.rand(2, n, 1, 1, generator=generator)
    shrink = torch.randint(len(SHRINK), (n,), generator=generator)
    mirrored = torch.rand(n, generator=generator) < 0.5
    out = torch.empty(n, size, size)
    side = torch.arange(size)
    for photo in which.unique().tolist():
        for level, picture in enumerate(_halves(photo, split)):
            chosen = (which == photo) & (shrink == level)
            free = torch.tensor(picture.shape).view(2, 1, 1, 1) - size + 1
            top, left = (place[:, chosen] * free).long()
            out[chosen] = picture[top + side.view(1, -1, 1), left + side.view(1, 1, -1)]
    out[mirrored] = out[mirrored].flip(-1)
    return out.unsqueeze(1)


def _behind(images: Tensor, split: str, generator: Generator) -> Tensor:
    which = torch.randint(len(PHOTOGRAPHS), (len(images),), generator=generator)
    return backgrounds(which, split, generator, images.shape[-1]).to(images)


@cache
def _halves(photo: int, split: str) -> tuple[Tensor, ...]:
    """Return one half of a photograph, grey (H, W) in [0, 1], in the sizes of `SHRINK`."""
    name = f"{PHOTOGRAPHS[photo]}.jpg"
    try:
        if name == "grace_hopper.jpg":
            path = Path(cbook.get_sample_data(name, asfileobj=False))
        else:
            path = resources.files("sklearn.datasets.images") / name
        with path.open("rb") as file, Image.open(file) as image:
            grey = image.convert("L")
    except (OSError, SyntaxError, ModuleNotFoundError) as error:
        raise CourseError(
            f"The photograph {name} of scikit-learn or matplotlib is missing or damaged: install "
            "both again (`pip install --force-reinstall scikit-learn matplotlib`)."
        ) from error
    middle = grey.width // 2
    half = grey.crop((0, 0, middle, grey.height) if split == "train" else (middle, 0, *grey.size))
    return tuple(
        torch.from_numpy(np.asarray(half.reduce(factor), np.float32) / 255) for factor in SHRINK
    )
