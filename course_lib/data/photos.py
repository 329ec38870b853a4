"""Real photographs of ants and bees, the data of PyTorch's transfer learning tutorial."""

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from course_lib.data import files
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError


def load(split: str, size: int = 224) -> ImageSet:
    """Return the photographs of one split, each cropped to its central square and resized.

    Read from ``hymenoptera_data.zip`` or from the unpacked folder, whichever is in the data folder.

    Parameters
    ----------
    split : {"train", "val"}
        244 or 153 photographs.
    size : int
        Side in pixels.

    Returns
    -------
    ImageSet
        Images (N, 3, size, size), RGB in [0, 1] (not normalised), classes ``"ants"``, ``"bees"``.

    Raises
    ------
    ValueError
        Unknown split.
    CourseError
        The photographs are missing, or one of them is damaged.
    """
    if split not in ("train", "val"):
        raise ValueError(f"There is no split {split!r} of the photos: use train or val.")
    found = files.find("photos")
    try:
        root = (found if found.is_dir() else zipfile.Path(found, "hymenoptera_data/")) / split
        folders = [f for f in root.iterdir() if f.is_dir()] if root.is_dir() else []
    except (OSError, zipfile.BadZipFile) as error:
        raise CourseError(
            f"{found} cannot be read ({error}): delete it and run `course data fetch photos`."
        ) from error
    folders.sort(key=lambda folder: folder.name)
    images, labels = [], []
    for label, folder in enumerate(folders):
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            # The official archive has a stray .gif.
            if Path(file.name).suffix.lower() in (".jpg", ".jpeg", ".png"):
                images.append(_decode(file, size))
                labels.append(label)
    if not images:
        raise CourseError(
            f"{found} has no photographs for {split}: delete it and run `course data fetch photos`."
        )
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return ImageSet(
        pixels.float().div_(255).contiguous(),
        torch.tensor(labels),
        tuple(folder.name for folder in folders),
    )


def _decode(file: Path | zipfile.Path, size: int) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            image.draft("RGB", (size, size))  # lets a JPEG be decoded at a smaller scale
            return np.asarray(ImageOps.fit(image.convert("RGB"), (size, size)))
    except (OSError, SyntaxError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise CourseError(
            f"The photograph {file} is damaged: delete the photographs and run "
            "`course data fetch photos`."
        ) from error
