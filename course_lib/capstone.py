"""The capstone's material: situations to decide in, and methods to choose from.

A situation is a target task; a method is ``fit(images, labels, seed)``, as `run_study` takes it.
Any function of that form is a method: these are only the course's own, side by side.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from course_lib.alignment.adabn import adapt_batchnorm
from course_lib.alignment.adapt import Outputs, adapt
from course_lib.alignment.mmd import median_bandwidths, mmd_loss
from course_lib.data import digits, glyphs, shifts
from course_lib.evidence.study import Fit
from course_lib.models.convnet import Classifier, random_backbone
from course_lib.models.weights import load_backbone
from course_lib.transfer.features import extract_features
from course_lib.transfer.freeze import freeze, thaw
from course_lib.transfer.probe import fit_logistic
from course_lib.transfer.train import fit

# ---------------------------------------------------------------- situations


class Situation(NamedTuple):
    """A target task.

    Attributes
    ----------
    name : str
        In a few words, as a study quotes it.
    images, labels : Tensor (N, C, H, W), Tensor (N,)
        The pool; a study draws ``n_shot`` of each class from it.
    test_images, test_labels : Tensor (M, C, H, W), Tensor (M,)
    n_shot : int
        Labels of each class that the budget pays for.
    rates : str
        Which of the chosen learning rates fit: "clean" or "clutter".
    unlabelled : Tensor (U, C, H, W) or None
        Images like the test images, without labels.
    """

    name: str
    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    n_shot: int
    rates: str
    unlabelled: Tensor | None = None


def few_labels() -> Situation:
    """Handwritten digits, two labels of each."""
    pool, test = digits.load("pool"), digits.load("test")
    return Situation("ten digits, 2 labels each", *pool[:2], *test[:2], 2, "clean")


def clutter() -> Situation:
    """Handwritten digits on photographs, twenty labels of each; other photographs for the test."""
    pool, test = digits.load("pool"), digits.load("test")
    images = shifts.photo_background(pool.images, "train", Generator().manual_seed(0))
    test_images = shifts.photo_background(test.images, "test", Generator().manual_seed(1))
    return Situation(
        "ten digits on photographs, 20 labels each",
        images, pool.labels, test_images, test.labels, 20, "clutter",
    )  # fmt: skip


def no_target_label() -> Situation:
    """Labels for clean digits only; the test, and 400 images without labels, are on photographs."""
    pool, test = digits.load("pool"), digits.load("test")
    unlabelled = shifts.photo_background(pool.images[600:], "train", Generator().manual_seed(0))
    test_images = shifts.photo_background(test.images, "test", Generator().manual_seed(1))
    return Situation(
        "40 clean labels each, tested on photographs, no label there",
        pool.images[:600], pool.labels[:600], test_images, test.labels, 40, "clean", unlabelled,
    )  # fmt: skip


def one_shot() -> Situation:
    """Twenty letters of scripts that nothing was trained on, one example of each."""
    letters = glyphs.load("held_out", scripts=["Georgian", "Armenian", "Hebrew"])
    draw = Generator().manual_seed(0)
    sizes = letters.labels.bincount()
    classes = (sizes >= 6).nonzero().flatten()
    chosen = classes[torch.randperm(len(classes), generator=draw)[:20]]
    pool, pool_y, test, test_y = [], [], [], []
    for label, of_letter in enumerate(chosen):
        fonts = (letters.labels == of_letter).nonzero().flatten()
        fonts = fonts[torch.randperm(len(fonts), generator=draw)]
        seen, unseen = fonts[: len(fonts) // 2], fonts[len(fonts) // 2 :].repeat(8)[:24]
        pool.append(letters.images[seen])
        test.append(letters.images[unseen])
        pool_y += [label] * len(seen)
        test_y += [label] * len(unseen)
    return Situation(
        "20 unknown letters, 1 example each",
        glyphs.augment(torch.cat(pool), draw), torch.tensor(pool_y),
        glyphs.augment(torch.cat(test), draw), torch.tensor(test_y), 1, "clean",
    )  # fmt: skip


SITUATIONS: dict[str, Callable[[], Situation]] = {
    "few labels": few_labels,
    "clutter": clutter,
    "no target label": no_target_label,
    "one-shot": one_shot,
}

# ---------------------------------------------------------------- methods


def methods(
    rates: Mapping[str, float],
    steps: int,
    unlabelled: Tensor | None = None,
    backbone: Callable[[], nn.Module] = load_backbone,
) -> dict[str, Fit]:
    """Return the course's methods by name, each as ``fit(images, labels, seed)``.

    Parameters
    ----------
    rates
        The highest learning rates of "scratch", "fine-tune" and "LP-FT".
    steps
        The budget of whatever trains a network.
    unlabelled
        Target images without labels; with them there are two methods more.
    backbone
        Makes the pretrained backbone, a new one for each fit.
    """
    train = partial(_trained, steps=steps)
    fits: dict[str, Fit] = {
        "scratch": partial(train, make=random_backbone, lr=rates["scratch"]),
        "nearest centroid": partial(_centroid, backbone=backbone),
        "freeze and probe": partial(_probe, backbone=backbone),
        "fine-tune": partial(train, make=lambda seed: backbone(), lr=rates["fine-tune"]),
        "LP-FT": partial(_lp_ft, backbone=backbone, steps=steps, lr=rates["LP-FT"]),
    }
    if unlabelled is None:
        return fits

    def then_adabn(images: Tensor, labels: Tensor, seed: int) -> nn.Module:
        return adapt_batchnorm(fits["fine-tune"](images, labels, seed), unlabelled)

    def mmd_then_adabn(images: Tensor, labels: Tensor, seed: int) -> nn.Module:
        model = Classifier(backbone(), _n_classes(labels), seed)
        adapt(
            model, images, labels, unlabelled, _mmd, steps=steps, batch_size=32,
            lr=rates["fine-tune"], augment=glyphs.augment, log_every=steps, seed=seed,
            progress=False,
        )  # fmt: skip
        return adapt_batchnorm(model, unlabelled)

    return fits | {"fine-tune, then AdaBN": then_adabn, "MMD, then AdaBN": mmd_then_adabn}


def _n_classes(labels: Tensor) -> int:
    return int(labels.max()) + 1


def _trained(
    images: Tensor,
    labels: Tensor,
    seed: int,
    *,
    make: Callable[[int], nn.Module],
    steps: int,
    lr: float,
) -> nn.Module:
    """Train everything from the backbone that ``make(seed)`` gives, each image newly distorted."""
    model = Classifier(make(seed), _n_classes(labels), seed)
    fit(
        model, images, labels, steps=steps, batch_size=32, lr=lr, augment=glyphs.augment,
        log_every=steps, seed=seed, progress=False,
    )  # fmt: skip
    return model


def _lp_ft(
    images: Tensor,
    labels: Tensor,
    seed: int,
    *,
    backbone: Callable[[], nn.Module],
    steps: int,
    lr: float,
) -> nn.Module:
    """Go on from the probe: as `transfer.lp_ft`, in batches as large as those of the others."""
    model = thaw(_probe(images, labels, seed, backbone=backbone))
    fit(
        model, images, labels, steps=steps, batch_size=32, lr=lr, hold_batchnorm=True,
        augment=glyphs.augment, log_every=steps, seed=seed, progress=False,
    )  # fmt: skip
    return model


def _probe(
    images: Tensor, labels: Tensor, seed: int, *, backbone: Callable[[], nn.Module]
) -> nn.Module:
    """Put a logistic regression on frozen features, which are scaled to a mean length of 10."""
    model = Classifier(freeze(backbone()), _n_classes(labels), seed)
    features = extract_features(model, images)
    scale = 10 / features.norm(dim=1).mean()
    weight, bias = fit_logistic(scale * features, labels, strength=1.0)
    return _with_head(model, scale * weight, bias)


def _centroid(
    images: Tensor, labels: Tensor, seed: int, *, backbone: Callable[[], nn.Module]
) -> nn.Module:
    """Answer with the class whose mean feature points most nearly the same way."""
    model = Classifier(freeze(backbone()), _n_classes(labels), seed)
    features = extract_features(model, images)
    means = torch.stack([features[labels == k].mean(dim=0) for k in range(_n_classes(labels))])
    # The length of a query's features scales all its cosines alike, so it needs no division.
    return _with_head(model, F.normalize(means, dim=1), torch.zeros(len(means)))


def _with_head(model: nn.Module, weight: Tensor, bias: Tensor) -> nn.Module:
    with torch.no_grad():
        model.head.weight.copy_(weight)
        model.head.bias.copy_(bias)
    return model


def _mmd(source: Outputs, target: Outputs, progress: float) -> Tensor:
    """Align the features by MMD, little at first."""
    widths = median_bandwidths(source.features, target.features)
    return min(1.0, 2 * progress) * mmd_loss(source.features, target.features, widths)
