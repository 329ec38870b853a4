"""Chest X-rays of children, small: PneumoniaMNIST, of the MedMNIST collection."""

import numpy as np
import torch

from course_lib.data import files
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError

SPLITS = ("train", "val", "test")


def load(split: str) -> ImageSet:
    """Return one split of PneumoniaMNIST (Yang et al. 2023, from Kermany et al. 2018).

    Grey images, cropped and shrunk by the collection's authors, in MedMNIST's own file layout.
    A benchmark to compare methods on, not for any medical use. The classes are not balanced: in
    ``train`` and ``val`` about three images of four show a pneumonia.

    Parameters
    ----------
    split : {"train", "val", "test"}
        4,708, 524 or 624 images.

    Returns
    -------
    ImageSet
        Images (N, 1, 28, 28) in [0, 1], classes ``"normal"``, ``"pneumonia"``.

    Raises
    ------
    ValueError
        Unknown split.
    CourseError
        The file is missing, damaged, or not PneumoniaMNIST.
    """
    if split not in SPLITS:
        raise ValueError(f"There is no split {split!r} of the X-rays: use {', '.join(SPLITS)}.")
    path = files.find("pneumonia")
    try:
        with np.load(path) as arrays:
            pixels, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
    except Exception as error:  # a damaged zip raises whatever its bytes make it raise
        raise CourseError(
            f"{path} is damaged: delete it and run `course data fetch pneumonia`."
        ) from error
    if (
        pixels.dtype != np.uint8
        or pixels.shape[1:] != (28, 28)
        or labels.shape != (len(pixels), 1)
        or not np.isin(labels, (0, 1)).all()
    ):
        raise CourseError(
            f"{path} is not PneumoniaMNIST at 28 x 28 pixels: delete it and run "
            "`course data fetch pneumonia`."
        )
    images = torch.from_numpy(pixels).unsqueeze(1).float().div_(255)
    return ImageSet(images, torch.from_numpy(labels[:, 0]).long(), ("normal", "pneumonia"))
