"""Handwritten digits, the target task: scikit-learn's small set, enlarged to the glyphs' frame."""

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from course_lib.data.imageset import ImageSet


def load(split: str) -> ImageSet:
    """Return real handwritten digits (UCI Optical Recognition of Handwritten Digits).

    The 8 x 8 images are enlarged to 24 x 24 (bilinear) in a 32 x 32 frame. The split is fixed and
    stratified. The library gives no writer ids, so the same writers are probably in both parts:
    accuracies on ``test`` may flatter a model that meets new writers.

    Parameters
    ----------
    split : {"pool", "test"}
        1000 images to draw training and validation sets from, or 797 test images.

    Returns
    -------
    ImageSet
        Images (N, 1, 32, 32), classes ``"0"`` … ``"9"``.

    Raises
    ------
    ValueError
        Unknown split.
    """
    if split not in ("pool", "test"):
        raise ValueError(f"There is no split {split!r} of the digits: use pool or test.")
    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(
        np.arange(len(labels)), train_size=1000, stratify=labels, random_state=0
    )
    chosen = np.sort(parts[split == "test"])
    small = torch.from_numpy(pixels[chosen]).float().view(-1, 1, 8, 8) / 16
    images = F.pad(F.interpolate(small, size=24, mode="bilinear"), (4, 4, 4, 4))
    return ImageSet(images, torch.from_numpy(labels[chosen]).long(), tuple("0123456789"))
