import numpy as np
import torch


def wrong_more_than_half(logits, labels):
    """Thinks that an answer must be more likely than all others together; contradicts "an image
    counts as right if the largest of its logits stands at its label".

    Named `threshold`.
    """
    own = logits.softmax(dim=1).gather(1, labels[:, None]).squeeze(1)
    return int((own > 0.5).sum())


def wrong_strongest_magnitude(logits, labels):
    """Thinks that a logit far from zero on either side is a strong one; contradicts "any real
    number, larger means more likely".

    Named `magnitude`.
    """
    return int((logits.abs().argmax(dim=1) == labels).sum())


def wrong_every_pair_compared(logits, labels):
    """Keeps the column of winners and compares it with the row of labels, N by N; contradicts "how
    many rows of logits have their largest value at the label".

    Named `value`.
    """
    winners = logits.argmax(dim=1, keepdim=True)
    return int((winners == labels).sum())


def wrong_sigmoid_first(logits, labels):
    """Thinks that any squashing to probabilities keeps the order, but float sigmoids of large
    logits are all 1; contradicts "have their largest value at the label" for "any real number".

    Named `squashed`.
    """
    return int((torch.sigmoid(logits).argmax(dim=1) == labels).sum())


def wrong_negative_is_no_vote(logits, labels):
    """Takes negative logits for no vote at all; contradicts "a logit: any real number, larger
    means more likely".

    Named `negative`.
    """
    return int((logits.clamp(min=0).argmax(dim=1) == labels).sum())


def wrong_shifts_in_place(logits, labels):
    """Subtracts the row's maximum from the caller's own tensor; contradicts "what comes in is not
    changed, unless the exercise says so".

    Named `inputs`.
    """
    logits -= logits.max(dim=1, keepdim=True).values
    return int((logits.gather(1, labels[:, None]) == 0).sum())


def right_plain_python(logits, labels):
    """Plain lists, no tensor arithmetic at all."""
    count = 0
    for row, label in zip(logits.detach().tolist(), labels.tolist(), strict=False):
        if max(range(len(row)), key=row.__getitem__) == label:
            count += 1
    return count


def right_trace_of_confusion(logits, labels):
    """Fill a confusion matrix and return its trace."""
    k = logits.shape[1]
    winners = logits.detach().topk(1, dim=1).indices[:, 0].cpu().numpy()
    confusion = np.zeros((k, k), dtype=np.int64)
    np.add.at(confusion, (labels.cpu().numpy().astype(np.int64), winners), 1)
    return int(np.trace(confusion))
