"""A set of labelled images, the one shape in which every dataset arrives."""

from typing import NamedTuple

from torch import Tensor


class ImageSet(NamedTuple):
    """Images with their labels and the labels' names.

    Attributes
    ----------
    images : Tensor
        float32 (N, C, H, W) in [0, 1].
    labels : Tensor
        int64 (N,); label ``k`` is the class ``classes[k]``.
    classes : tuple of str
        One readable name per class.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
