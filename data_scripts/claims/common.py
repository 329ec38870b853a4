"""What several files of claims need: representations, a probe, scratch, and tasks to choose on."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn

from course_lib.data import glyphs
from course_lib.evidence.evaluate import n_correct
from course_lib.models.convnet import Classifier, random_backbone
from course_lib.models.weights import load_backbone
from course_lib.transfer.features import extract_features
from course_lib.transfer.probe import fit_logistic
from course_lib.transfer.train import fit


def represent(name: str, images: Tensor) -> Tensor:
    """Pixels, or the features of a random or of the pretrained frozen backbone."""
    if name == "pixels":
        return images.flatten(1)
    backbone = random_backbone(0).eval() if name == "random" else load_backbone()
    return extract_features(Classifier(backbone, 1), images)


def scaled(x: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """Bring features to a mean length of 10, by one number: a strength then means the same."""
    factor = 10 / x.norm(dim=1).mean()
    return tuple(part * factor for part in (x, *others))


def probe_accuracy(x: Tensor, y: Tensor, test_x: Tensor, test_y: Tensor, strength: float) -> float:
    """Accuracy of a logistic regression on features."""
    weight, bias = fit_logistic(x, y, strength)
    return n_correct(test_x @ weight.T + bias, test_y) / len(test_y)


def scratch(images: Tensor, labels: Tensor, seed: int, settings: dict) -> nn.Module:
    """Train the same network from random weights, every image newly distorted in every step."""
    model = Classifier(random_backbone(seed), 10, seed)
    fit(
        model, images, labels, steps=settings["scratch_steps"], lr=settings["learning_rate"],
        weight_decay=0.05, augment=glyphs.augment, log_every=settings["scratch_steps"], seed=seed,
        device="cpu", progress=False,
    )  # fmt: skip
    return model.eval()


def other_tasks() -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Draw tasks of ten held-out characters: support and query come from different fonts."""
    data, generator = glyphs.load("held_out"), Generator().manual_seed(1)
    images = glyphs.augment(data.images, generator)
    members = [torch.nonzero(data.labels == k).flatten() for k in data.labels.unique()]
    members = [indices for indices in members if len(indices) >= 4]
    while True:
        ways = [members[k] for k in torch.randperm(len(members), generator=generator)[:10]]
        picks = torch.stack([w[torch.randperm(len(w), generator=generator)[:4]] for w in ways])
        n_shot = int(torch.randint(1, 3, (), generator=generator))
        y = torch.arange(10)
        support, query = picks[:, :n_shot], picks[:, n_shot:]
        yield (
            images[support.flatten()], y.repeat_interleave(n_shot),
            images[query.flatten()], y.repeat_interleave(4 - n_shot),
        )  # fmt: skip
