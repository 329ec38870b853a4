import copy

import numpy as np
import torch
from torch import nn


def _modes(model):
    return [(part, part.training) for part in model.modules()]


def _restore(modes):
    for part, mode in modes:
        part.training = mode


def wrong_mean_of_batches(model, images, labels, batch_size=256):
    """Thinks that the accuracy is the mean of the batches' accuracies; contradicts "right answers
    over N" where N is no multiple of batch_size.

    Named `batch_mean`.
    """
    if len(images) == 0:
        raise ValueError("There are no images, so there is no accuracy.")
    modes = _modes(model)
    model.eval()
    accuracies = []
    with torch.no_grad():
        for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=False):
            accuracies.append(float((model(x).argmax(dim=1) == y).float().mean()))
    _restore(modes)
    return sum(accuracies) / len(accuracies)


def wrong_mode_of_the_root(model, images, labels, batch_size=256):
    """Thinks that a model has one mode, that of its root; contradicts "afterwards every submodule
    is in the mode in which it came".

    Named `part_modes`.
    """
    if len(images) == 0:
        raise ValueError("There are no images, so there is no accuracy.")
    was_training = model.training
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=False):
            right += int((model(x).argmax(dim=1) == y).sum())
    model.train(was_training)
    return right / len(images)


def wrong_gradients_on_afterwards(model, images, labels, batch_size=256):
    """Thinks that gradients are always on outside, and switches them on at the end; contradicts
    "each submodule leaves in the mode in which it came; so does the gradient mode".

    Named `gradient mode`.
    """
    if len(images) == 0:
        raise ValueError("There are no images, so there is no accuracy.")
    modes = _modes(model)
    model.eval()
    torch.set_grad_enabled(False)
    right = 0
    for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=False):
        right += int((model(x).argmax(dim=1) == y).sum())
    torch.set_grad_enabled(True)
    _restore(modes)
    return right / len(images)


def wrong_whole_batches_only(model, images, labels, batch_size=256):
    """Drops a last batch that is not full, as loaders do in training, and divides by what it saw;
    contradicts "right answers over N ... N need not be a multiple of batch_size".

    Named `last_batch_lost`.
    """
    if len(images) == 0:
        raise ValueError("There are no images, so there is no accuracy.")
    batch_size = min(batch_size, len(images))
    modes = _modes(model)
    model.eval()
    right = seen = 0
    with torch.no_grad():
        for start in range(0, len(images) - batch_size + 1, batch_size):
            x, y = images[start : start + batch_size], labels[start : start + batch_size]
            right += int((model(x).argmax(dim=1) == y).sum())
            seen += len(y)
    _restore(modes)
    return right / seen


def wrong_nothing_is_zero(model, images, labels, batch_size=256):
    """Guards the division so that no images give 0.0; contradicts "N = 0 is a ValueError with a
    sentence".

    Named `empty`.
    """
    modes = _modes(model)
    model.eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            x, y = images[start : start + batch_size], labels[start : start + batch_size]
            right += int((model(x).argmax(dim=1) == y).sum())
    _restore(modes)
    return right / max(len(images), 1)


def wrong_known_layers_only(model, images, labels, batch_size=256):
    """Thinks that only Dropout and BatchNorm2d have a mode and puts no other layer into eval;
    contradicts "asks in eval mode", for BatchNorm1d or a layer of one's own.

    Named `train_mode`.
    """
    if len(images) == 0:
        raise ValueError("There are no images, so there is no accuracy.")
    modes = _modes(model)
    for part in model.modules():
        if isinstance(part, (nn.Dropout, nn.BatchNorm2d)):
            part.eval()
    right = 0
    with torch.no_grad():
        for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=False):
            right += int((model(x).argmax(dim=1) == y).sum())
    _restore(modes)
    return right / len(images)


def right_on_a_copy(model, images, labels, batch_size=256):
    """Ask a deep copy, so that the model itself cannot change."""
    if len(images) == 0:
        raise ValueError("There are no images, so there is no accuracy.")
    twin = copy.deepcopy(model)
    twin.eval()
    hits = []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            winners = twin(images[start : start + batch_size]).argmax(dim=1).cpu().numpy()
            hits.append(winners == labels[start : start + batch_size].cpu().numpy())
    return float(np.count_nonzero(np.concatenate(hits)) / len(images))


def right_by_halving(model, images, labels, batch_size=256):
    """Recursion: halve what is larger than a batch."""
    if len(images) == 0:
        raise ValueError("An accuracy of no images does not exist; give at least one.")

    def count(x, y):
        if len(x) > batch_size:
            middle = len(x) // 2
            return count(x[:middle], y[:middle]) + count(x[middle:], y[middle:])
        return int((model(x).argmax(dim=1) == y).sum())

    modes = _modes(model)
    try:
        model.eval()
        with torch.no_grad():
            right = count(images, labels)
    finally:
        _restore(modes)
    return torch.tensor(right / len(images), dtype=torch.float64)
