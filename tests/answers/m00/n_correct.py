"""Answers to `n_correct`."""


def wrong_share_instead_of_count(logits, labels):
    """Named `share`."""
    return (logits.argmax(dim=1) == labels).float().mean()


def right_loop(logits, labels):
    return sum(
        int(max(range(len(row)), key=row.__getitem__) == label)
        for row, label in zip(logits.tolist(), labels.tolist(), strict=True)
    )
