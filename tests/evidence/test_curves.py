"""A learning curve's promises, seen from inside ``fit``."""

import pytest
import torch
from torch import nn

from course_lib.evidence.curves import learning_curve
from course_lib.evidence.evaluate import evaluate


class Centroids(nn.Module):
    """Logits by the nearest class mean; its classes are labels 0…K-1."""

    def __init__(self, images, labels, n_classes):
        super().__init__()
        x = images.flatten(1)
        self.means = torch.stack([x[labels == k].mean(0) for k in range(n_classes)])

    def forward(self, images):
        return -torch.cdist(images.flatten(1), self.means)


class Watch:
    """A ``fit`` that keeps what it was given; image i holds its own number i."""

    def __init__(self, n_classes):
        self.n_classes, self.seen, self.models = n_classes, [], []

    def __call__(self, images, labels):
        self.seen.append((images[:, 0, 0, 0].tolist(), labels.tolist()))
        self.models.append(Centroids(images, labels, self.n_classes))
        return self.models[-1]


def data(seed, n=90, n_classes=3):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % n_classes
    labels = labels[torch.randperm(n, generator=generator)]
    images = torch.randn(n, 1, 4, 4, generator=generator) + labels[:, None, None, None]
    images[:, 0, 0, 0] = torch.arange(n)
    return images, labels


def test_subsets_are_stratified_nested_and_keep_their_labels():
    images, labels = data(0)
    fit, sizes = Watch(3), [1, 4, 5, 30]
    learning_curve(fit, images, labels, *data(1), sizes, seed=3)
    assert [len(seen) for seen, _ in fit.seen] == [3 * size for size in sizes]
    smaller = set()
    for (numbers, own), size in zip(fit.seen, sizes, strict=True):
        assert own == labels[torch.tensor(numbers).long()].tolist()
        assert torch.tensor(own).bincount().tolist() == [size] * 3
        assert smaller < set(numbers)
        smaller = set(numbers)


def test_every_accuracy_is_that_model_on_the_whole_test_set():
    images, labels = data(0)
    test = data(1, n=500)
    fit = Watch(3)
    curve = learning_curve(fit, images, labels, *test, [1, 3, 10], seed=0)
    assert curve == [evaluate(model, *test) for model in fit.models]
    assert len(set(curve)) > 1


def test_seeds_decide_the_subsets():
    images, labels = data(0)
    fits = [Watch(3) for _ in range(3)]
    for fit, seed in zip(fits, (5, 5, 6), strict=True):
        learning_curve(fit, images, labels, images, labels, [2, 4], seed)
    assert fits[0].seen == fits[1].seen
    assert fits[0].seen != fits[2].seen


def test_too_large_a_size_is_refused_before_any_fit():
    images, labels = data(0)
    fit = Watch(3)
    with pytest.raises(ValueError, match="30 examples"):
        learning_curve(fit, images, labels, images, labels, [1, 31], 0)
    assert not fit.seen
