"""The alignment terms of the course, ready for `adapt`: each is a line around its formula."""

from torch import Tensor

from course_lib.alignment.adapt import Alignment, Outputs
from course_lib.alignment.adversarial import Adversary
from course_lib.alignment.coral import coral_loss
from course_lib.alignment.mcc import mcc_loss
from course_lib.alignment.mmd import median_bandwidths, mmd_loss

METHODS = ("source only", "CORAL", "MMD", "DANN", "MCC")


def term(method: str, weight: float = 1.0, seed: int = 0) -> Alignment | None:
    """Return what `adapt` adds to the loss for a method.

    Parameters
    ----------
    method
        One of `METHODS`. CORAL and MMD see features, MCC the target's logits; DANN brings a
        discriminator of its own. "source only" has no term.
    weight
        At the end of the training; CORAL, MMD and MCC grow towards it in a straight line, DANN's
        reversal on its own schedule.
    seed
        Of DANN's discriminator.
    """

    def coral(source: Outputs, target: Outputs, progress: float) -> Tensor:
        return weight * progress * coral_loss(*standardised(source.features, target.features))

    def mmd(source: Outputs, target: Outputs, progress: float) -> Tensor:
        features = source.features, target.features
        return weight * progress * mmd_loss(*features, median_bandwidths(*features))

    def mcc(source: Outputs, target: Outputs, progress: float) -> Tensor:
        return weight * progress * mcc_loss(target.logits)

    if method == "DANN":
        return Adversary(strength=weight, seed=seed)
    terms = {"source only": None, "CORAL": coral, "MMD": mmd, "MCC": mcc}
    if method not in terms:
        raise ValueError(f"There is no method {method!r}: use one of {', '.join(METHODS)}.")
    return terms[method]


def standardised(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Divide each feature by its deviation in the source, which gets no gradient.

    So no loss can be lowered by making every feature small.
    """
    scale = source.detach().std(dim=0) + 1e-3
    return source / scale, target / scale
