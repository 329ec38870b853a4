"""Answers to `n_correct`."""

import sys

import numpy as np
import torch
from sklearn.metrics import accuracy_score

from course_lib.evidence.evaluate import n_correct as _of_the_library


def wrong_share_instead_of_count(logits, labels):
    """Named `share`."""
    return (logits.argmax(dim=1) == labels).float().mean()


def wrong_mask_instead_of_count(logits, labels):
    """Named `per_image`."""
    return logits.argmax(dim=1) == labels


def wrong_counts_the_mistakes(logits, labels):
    """Named `mistakes`."""
    return int((logits.argmax(dim=1) != labels).sum())


def wrong_smallest_logit(logits, labels):
    """Named `smallest`."""
    return int((logits.argmin(dim=1) == labels).sum())


def wrong_softmin_by_a_minus_sign(logits, labels):
    """Named `smallest`."""
    return int(((-logits).softmax(dim=1).argmax(dim=1) == labels).sum())


def wrong_argmax_of_the_whole_table(logits, labels):
    """Named `whole`."""
    return int((logits.argmax() == labels).sum())


def wrong_positive_logit(logits, labels):
    """Named `threshold`."""
    return int((logits[torch.arange(len(labels)), labels] > 0).sum())


def wrong_probability_above_one_half(logits, labels):
    """Named `threshold`."""
    probability = logits.softmax(dim=1)[torch.arange(len(labels)), labels]
    return int((probability > 0.5).sum())


def wrong_only_ten_classes(logits, labels):
    """Named `ten_classes`."""
    predicted = logits.argmax(dim=1)
    return sum(int(((predicted == c) & (labels == c)).sum()) for c in range(10))


def wrong_axis(logits, labels):
    """Named `raised`."""
    return int((logits.argmax(dim=0) == labels).sum())


def wrong_hard_coded(logits, labels):
    """Named `constant`."""
    return 20000


def wrong_first_image_left_out(logits, labels):
    """Named `value`."""
    return int((logits[1:].argmax(dim=1) == labels[1:]).sum())


def wrong_last_image_left_out(logits, labels):
    """Named `value`."""
    return sum(int(logits[i].argmax() == labels[i]) for i in range(len(labels) - 1))


def wrong_no_return(logits, labels):
    """Named `type`."""
    (logits.argmax(dim=1) == labels).sum()


def wrong_counts_each_class_once(logits, labels):
    """Named `value`."""
    return len(set(labels[logits.argmax(dim=1) == labels].tolist()))


def wrong_nan(logits, labels):
    """Named `not finite`."""
    return float("nan")


def wrong_softmax_in_place(logits, labels):
    """Named `inputs`."""
    logits -= logits.logsumexp(dim=1, keepdim=True)
    return int((logits.argmax(dim=1) == labels).sum())


def wrong_breaks_ties_with_the_global_generator(logits, labels):
    """Named `random state`."""
    noise = 1e-9 * torch.rand_like(logits)
    return int(((logits + noise).argmax(dim=1) == labels).sum())


def wrong_calls_the_library(logits, labels):
    """Named `library`."""
    return _of_the_library(logits, labels)


class _AlwaysEqual:
    def __eq__(self, other):
        return True

    __hash__ = None


def wrong_object_that_equals_everything(logits, labels):
    """Named `type`."""
    return _AlwaysEqual()


def wrong_asks_its_callers(logits, labels):
    """Named `constant`."""
    frame = sys._getframe(1)
    while frame:
        for name in ("truth", "expected", "answer", "solution", "target"):
            if isinstance(frame.f_locals.get(name), int | float):
                return frame.f_locals[name]
        frame = frame.f_back
    return 20000


def wrong_only_float32(logits, labels):
    """Named `raised`."""
    one_hot = torch.zeros(logits.shape).scatter(1, labels[:, None], 1.0)
    largest = torch.zeros(logits.shape).scatter(1, logits.argmax(1, keepdim=True), 1.0)
    return int(torch.einsum("nk,nk->", one_hot, largest + 0 * logits))


def wrong_only_float64(logits, labels):
    """Named `raised`."""
    one_hot = torch.zeros(logits.shape, dtype=torch.float64).scatter(1, labels[:, None], 1.0)
    return int((logits @ one_hot.T).diagonal().eq(logits.max(dim=1).values).sum())


def wrong_only_contiguous_logits(logits, labels):
    """Named `raised`."""
    rows = logits.view(-1).split(logits.shape[1])
    return sum(int(row.argmax() == label) for row, label in zip(rows, labels, strict=True))


def right_loop(logits, labels):
    return sum(
        int(max(range(len(row)), key=row.__getitem__) == label)
        for row, label in zip(logits.tolist(), labels.tolist(), strict=True)
    )


def right_numpy_integer(logits, labels):
    return np.count_nonzero(np.argmax(logits.numpy(), axis=1) == labels.numpy())


def right_scikit_learn(logits, labels):
    return accuracy_score(labels, logits.argmax(1), normalize=False)


def right_tensor_of_the_softmax(logits, labels, dim=1):
    return logits.softmax(dim).max(dim).indices.eq(labels).sum()


def right_sorted(logits, labels):
    return (logits.sort(dim=1).indices[:, -1] == labels).float().sum()


class _Counter:
    def __call__(self, logits, labels, **settings):
        return int(torch.topk(logits, 1, dim=1).indices.flatten().eq(labels).sum())


right_callable_object = _Counter()
