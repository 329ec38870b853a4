"""The digits are scikit-learn's, split once and for all."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from course_lib.data import digits


def test_pool_and_test_are_the_whole_set_and_share_nothing():
    pool, test = digits.load("pool"), digits.load("test")
    assert (len(pool.labels), len(test.labels)) == (1000, 797)
    originals, labels = load_digits(return_X_y=True)
    # Averaging the frame's 3 x 3 cells nearly undoes the enlargement: enough to know each image.
    seen = []
    for images, y, _ in (pool, test):
        small = F.avg_pool2d(images[..., 4:28, 4:28], 3).flatten(1).numpy() * 16
        match = cdist(small, originals).argmin(1)
        assert (labels[match] == y.numpy()).all()
        seen.append(match)
    assert len(set(seen[0]) | set(seen[1])) >= 1790  # a few drawings are near twins
    assert len(set(seen[0]) & set(seen[1])) <= 4


def test_splits_are_stratified_and_the_same_each_time():
    whole = np.bincount(load_digits().target) / 1797
    for split, n in (("pool", 1000), ("test", 797)):
        first, second = digits.load(split), digits.load(split)
        assert torch.equal(first.images, second.images)
        assert torch.equal(first.labels, second.labels)
        assert np.abs(np.bincount(first.labels) - whole * n).max() <= 1
        order = first.labels[1:] >= first.labels[:-1]
        assert not order.all()


def test_digits_fill_the_glyphs_frame():
    images = digits.load("pool").images
    assert images.shape[1:] == (1, 32, 32)
    assert images.dtype == torch.float32
    assert images.min() == 0
    assert images.max() == 1
    border = images.clone()
    border[..., 4:28, 4:28] = 0
    assert border.sum() == 0
    assert torch.equal(images.amax((0, 1))[4:28, 15] > 0, torch.ones(24, dtype=torch.bool))


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match="pool or test"):
        digits.load("train")
