"""Cell nuclei under a microscope: the training images of the 2018 Data Science Bowl (BBBC038)."""

import io
import zipfile
import zlib
from collections import defaultdict
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from course_lib.data import files
from course_lib.errors import CourseError

SPLITS = ("train", "test")
CLASSES = ("background", "nucleus")


class Masked(NamedTuple):
    """Images (N, 3, H, W) in [0, 1], and masks (N, H, W): 1 where a nucleus is, 0 elsewhere."""

    images: Tensor
    masks: Tensor


def load(split: str, size: int = 97, limit: int | None = None) -> Masked:
    """Return nuclei of one split, each image cropped to its central square and resized.

    Reads the archive as the Broad Institute publishes it (``id/images/…``, and in ``id/masks/`` a
    file for each nucleus; Caicedo et al. 2019), or one with a single file of numbered nuclei for
    each image (``images/id.png``, ``instances/id.png``). Every third image, in the order of their
    names, is for testing.

    Parameters
    ----------
    split : {"train", "test"}
    size
        Side in pixels.
    limit
        Only so many images, the first by name; names are random.

    Raises
    ------
    ValueError
        Unknown split.
    CourseError
        The archive is missing or damaged.
    """
    if split not in SPLITS:
        raise ValueError(f"There is no split {split!r} of the nuclei: use train or test.")
    path = files.find("nuclei")
    images, masks = [], []
    try:
        with zipfile.ZipFile(path) as archive:
            pictures, drawn = {}, defaultdict(list)
            for name in sorted(archive.namelist()):
                parts = PurePosixPath(name)
                if parts.suffix == ".png" and parts.parent.name == "images":
                    pictures[parts.stem] = name
                elif parts.suffix == ".png" and parts.parent.name == "masks":
                    drawn[parts.parent.parent.name].append(name)
                elif parts.suffix == ".png" and parts.parent.name == "instances":
                    drawn[parts.stem].append(name)
            chosen = [key for key in sorted(pictures) if key in drawn]
            chosen = [key for i, key in enumerate(chosen) if (i % 3 == 2) == (split == "test")]
            for key in chosen[:limit]:
                images.append(_read(archive, pictures[key], size, Image.Resampling.BILINEAR))
                nuclei = [
                    _read(archive, name, size, Image.Resampling.NEAREST).max(axis=2)
                    for name in drawn[key]
                ]
                masks.append(np.max(nuclei, axis=0) > 0)
    except (OSError, SyntaxError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise CourseError(
            f"{path} cannot be read ({error}): delete it and run `course data fetch nuclei`."
        ) from error
    if not images:
        raise CourseError(
            f"{path} has no images with masks: delete it and run `course data fetch nuclei`."
        )
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return Masked(pixels.float().div_(255).contiguous(), torch.from_numpy(np.stack(masks)).long())


def _read(
    archive: zipfile.ZipFile, name: str, size: int, resampling: Image.Resampling
) -> np.ndarray:
    with Image.open(io.BytesIO(archive.read(name))) as image:
        image.load()
        if image.mode.startswith(("I", "F")):  # numbered nuclei, perhaps more than 255
            image = Image.fromarray((np.asarray(image) > 0).astype(np.uint8) * 255)
        elif resampling == Image.Resampling.NEAREST and image.mode == "P":
            image = Image.fromarray(np.asarray(image))  # palette indices are the numbers
        fitted = ImageOps.fit(image.convert("RGB"), (size, size), method=resampling)
    return np.asarray(fitted)
