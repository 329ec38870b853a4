"""Learning curves: accuracy by the number of labelled examples, with everything else held fixed."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from course_lib.evidence.evaluate import evaluate
from course_lib.evidence.splits import k_shot_split


def learning_curve(
    fit: Callable[[Tensor, Tensor], nn.Module],
    images: Tensor,
    labels: Tensor,
    test_images: Tensor,
    test_labels: Tensor,
    sizes: Sequence[int],
    seed: int,
) -> list[float]:
    """Return the test accuracy after fitting to each number of labelled examples per class.

    Two points of a curve differ in their labels only: each subset contains the smaller ones, so a
    step to the right adds examples and takes none away, and all are tested on the same images.

    Parameters
    ----------
    fit
        ``fit(images, labels)`` → a model whose logits `evaluate` can count. Called once per size.
    images, labels
        What the subsets are drawn from.
    test_images, test_labels
        Used whole for every size, and never by ``fit``.
    sizes
        Examples per class, ascending.
    seed
        The same seed draws the same subsets: give it to every method that is compared.

    Returns
    -------
    list of float
        Accuracies in [0, 1], in the order of ``sizes``.

    Raises
    ------
    ValueError
        If a class has fewer examples than a size asks for; no model has been fitted then.
    """
    supports = [k_shot_split(labels, n_shot, seed)[0] for n_shot in sizes]  # nested, stratified
    return [
        evaluate(fit(images[support], labels[support]), test_images, test_labels)
        for support in supports
    ]
