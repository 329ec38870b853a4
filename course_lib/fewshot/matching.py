"""Matching networks (Vinyals et al. 2016): a query pays attention to single support examples."""

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.fewshot.cosine import cosine_logits


def matching_logits(
    support: Tensor, support_labels: Tensor, query: Tensor, scale: float = 10.0
) -> Tensor:
    """Return log-probabilities: how much attention a query pays to the examples of each class.

    The attention of a query is a softmax over all support examples of ``scale`` times its cosine
    to them; a class gets the sum over its examples. With one example per class these are the
    `log_softmax` of `cosine_logits`; with more, one near example counts for more than a near mean.
    (The paper has no scale, that is 1, and embeds each example in the light of the others, which
    is left out here.)

    Shapes as in `prototypes.prototype_logits`.
    """
    attention = cosine_logits(query, support, scale).softmax(-1)  # (..., Q, S)
    shares = attention @ F.one_hot(support_labels).to(attention)
    return shares.clamp(min=torch.finfo(shares.dtype).tiny).log()
