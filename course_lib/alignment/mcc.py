"""Minimum class confusion (Jin et al. 2020): predictions on the target that mix no two classes."""

from torch import Tensor


def mcc_loss(logits: Tensor, temperature: float = 2.5) -> Tensor:
    """Return how much a batch of predictions confuses classes with each other.

    Two classes are confused where one image gives both a probability. Softened by the
    temperature, confident images weighted more (the weights are detached: they are no way to
    lower the loss), each class normalised, the off-diagonal share is the loss. It uses no source
    and no label.

    Parameters
    ----------
    logits : Tensor (N, K)
        Of unlabelled target images.

    Returns
    -------
    Tensor, 0-d
        From 0 (each image is one class) to 1 - 1/K (no image prefers any).
    """
    scaled = logits / temperature
    probabilities, log_probabilities = scaled.softmax(dim=1), scaled.log_softmax(dim=1)
    entropy = -(probabilities * log_probabilities).sum(dim=1, keepdim=True).detach()
    weights = 1 + (-entropy).exp()
    weights = weights * len(logits) / weights.sum()
    confusion = (weights * probabilities).T @ probabilities
    confusion = confusion / confusion.sum(dim=1, keepdim=True)
    return (confusion.sum() - confusion.diagonal().sum()) / logits.shape[1]
