"""Probes of module 03: each calls the learner's function once and returns plain data."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.checks.answer import answered, watched
from course_lib.checks.probes.models import build, state_of
from course_lib.checks.wire import plain


class Fitted(nn.Module):
    """What the check's ``fit`` returns: logits by the nearest class mean, and a note of its use.

    The pixel [0, 0, 0] of each image is its number. In train mode the logits go to other classes.
    """

    def __init__(self, images: Tensor, labels: Tensor, n_classes: int) -> None:
        super().__init__()
        self.images, self.labels = images.detach().clone(), labels.detach().clone()
        self.means = class_means(self.images, self.labels, n_classes)
        self.asked: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.asked.append(images.detach()[:, 0, 0, 0].clone())
        logits = nearest_mean(self.means, images)
        return logits.roll(1, dims=1) if self.training else logits


def class_means(images: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """The mean image of each class, flat (n_classes, D), without the numbering pixel."""
    x = images.flatten(1)[:, 1:]
    empty = torch.full_like(x[:1], 100.0)  # a class without examples is far from everything
    return torch.cat(
        [x[labels == k].mean(0, keepdim=True) if (labels == k).any() else empty
         for k in range(n_classes)]
    )  # fmt: skip


def nearest_mean(means: Tensor, images: Tensor) -> Tensor:
    """Minus the squared distances to the means (N, n_classes); no random number, no matmul."""
    return -(images.flatten(1)[:, None, 1:] - means[None]).square().sum(dim=2)


def learning_curve(function: Callable, inputs: dict) -> dict:
    models: list[Fitted] = []

    def fit(images: Tensor, labels: Tensor) -> Fitted:
        images, labels = torch.as_tensor(images), torch.as_tensor(labels)
        models.append(Fitted(images, labels, inputs["n_classes"]))
        return models[-1]

    names = ("images", "labels", "test_images", "test_labels")
    arguments = [inputs[name].clone() for name in names]
    result, record = watched(
        "learning_curve", function, fit, *arguments, inputs["sizes"], inputs["seed"]
    )
    fits = [
        {
            "numbers": plain(model.images[:, 0, 0, 0]),
            "labels": plain(model.labels),
            "asked": torch.cat(model.asked) if model.asked else torch.empty(0),
        }
        for model in models
    ]
    return {**record, "returned": plain(result), "fits": fits}


_AS = {"list": Tensor.tolist, "array": Tensor.numpy, "tensor": Tensor.clone}


def transfer_gain(function: Callable, inputs: dict) -> dict:
    make = _AS[inputs["kind"]]
    return answered("transfer_gain", function, make(inputs["transfer"]), make(inputs["scratch"]))


def time_to_target(function: Callable, inputs: dict) -> dict:
    return answered("time_to_target", function, inputs["history"], inputs["target"])


def copy_first_k(function: Callable, inputs: dict) -> dict:
    source, target = build(inputs["source"]), build(inputs["target"])
    # Not an argument here: the target may change, and nothing else may.
    result, record = watched("copy_first_k", lambda: function(source, target, inputs["k"]))
    answer = {
        **record,
        "returned": plain(result),
        "source": state_of(source),
        "target": state_of(target),
        "trainable": all(p.requires_grad for m in (source, target) for p in m.parameters()),
    }
    # Whatever happens to the source from now on is no affair of the target's.
    with torch.no_grad():
        for value in source.state_dict().values():
            value.add_(1)
    after = state_of(target)
    answer["shared"] = [
        name
        for name, value in answer["target"].items()
        if name in after and not torch.equal(after[name], value)
    ]
    return answer
