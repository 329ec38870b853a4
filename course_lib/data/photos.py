"""Real photographs of ants and bees, the data of PyTorch's transfer learning tutorial."""

import io
import zipfile
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
    images, labels = [], []
    try:
        root = found if found.is_dir() else zipfile.Path(found, "hymenoptera_data/")
        folders = sorted(
            (f for f in (root / split).iterdir() if f.is_dir()), key=lambda folder: folder.name
        )
        for label, folder in enumerate(folders):
            for file in sorted(folder.iterdir(), key=lambda file: file.name):
                # The official archive has a stray .gif.
                if Path(file.name).suffix.lower() in (".jpg", ".jpeg", ".png"):
                    images.append(
                        _decode(file.read_bytes(), size, f"{split}/{folder.name}/{file.name}")
                    )
                    labels.append(label)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise CourseError(
            f"{found} cannot be read ({error}): delete it and run `course data fetch photos`."
        ) from error
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


def _decode(content: bytes, size: int, name: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.draft("RGB", (size, size))  # lets a JPEG be decoded at a smaller scale
            return np.asarray(ImageOps.fit(image.convert("RGB"), (size, size)))
    except (OSError, SyntaxError, ValueError) as error:
        raise CourseError(
            f"The photograph {name} is damaged: delete the photographs and run "
            "`course data fetch photos`."
        ) from error
