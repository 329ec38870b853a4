"""The linear probe: how good are the features, if all we may add is one linear layer?

The strength of its penalty is chosen on validation data. The test set is looked at once, with the
strength already chosen.
"""

import sys
from collections.abc import Sequence

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from tqdm import tqdm

from course_lib.evidence.evaluate import n_correct

Line = tuple[Tensor, Tensor]
"""The layer ``x @ weight.T + bias``: weight (K, D), bias (K,)."""


def linear_probe(
    train_x: Tensor,
    train_y: Tensor,
    val_x: Tensor,
    val_y: Tensor,
    test_x: Tensor,
    test_y: Tensor,
    strengths: Sequence[float],
) -> dict:
    """Fit a logistic regression on frozen features, its strength chosen on validation data.

    Parameters
    ----------
    train_x, val_x, test_x : Tensor (N, D)
        Features as given, not standardised.
    train_y, val_y, test_y : Tensor (N,)
        Labels 0…K-1; each of them occurs in train_y.
    strengths
        Candidates above 0; larger pulls the weights harder towards zero. See `fit_logistic`.

    Returns
    -------
    dict
        ``strength`` (best validation accuracy; of equals the strongest), ``weight`` (K, D) and
        ``bias`` (K,) of that fit on train_x alone, and ``test_accuracy`` in [0, 1].

    Raises
    ------
    ValueError
        If there is no strength above 0, a class has no training example, or a feature is NaN.
    """
    _check(train_x, train_y, strengths)
    fits = {
        strength: fit_logistic(train_x, train_y, strength)
        for strength in tqdm(strengths, "strengths", leave=False, delay=3, file=sys.stdout)
    }
    return _choose(fits, val_x, val_y, test_x, test_y)


def fit_logistic(x: Tensor, y: Tensor, strength: float) -> Line:
    """Minimise sum of cross-entropies + strength/2 · ||weight||², the bias without penalty.

    The sum, not the mean: the more examples, the less the penalty counts. scikit-learn's
    ``C`` is 1/strength.

    Parameters
    ----------
    x : Tensor (N, D)
    y : Tensor (N,)
        Labels 0…K-1, each of them at least once.

    Returns
    -------
    weight, bias : Tensor (K, D), Tensor (K,)
        In the dtype of x. Two classes have two rows too.
    """
    two_classes = int(y.max()) == 1
    # For two classes scikit-learn fits one row, the difference of ours. Its square is twice the
    # penalty of our two rows, -w/2 and +w/2; doubling C makes both problems the same.
    solver = LogisticRegression(C=(2 if two_classes else 1) / strength, tol=1e-6, max_iter=10_000)
    solver.fit(x.cpu().double().numpy(), y.cpu().numpy())
    weight, bias = torch.from_numpy(solver.coef_), torch.from_numpy(solver.intercept_)
    if two_classes:
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    return weight.to(x), bias.to(x)


def _check(x: Tensor, y: Tensor, strengths: Sequence[float]) -> None:
    if len(strengths) == 0 or min(strengths) <= 0:
        raise ValueError("A probe needs at least one strength, and every strength above 0.")
    if not x.isfinite().all():
        raise ValueError("The training features hold NaN or infinity: a probe cannot be fitted.")
    classes = y.unique()
    if len(classes) < 2 or not torch.equal(classes, torch.arange(len(classes)).to(classes)):
        raise ValueError(
            "A probe needs training examples of every class 0…K-1, at least two classes; "
            f"the training labels hold {classes.tolist()}."
        )


def _choose(
    fits: dict[float, Line], val_x: Tensor, val_y: Tensor, test_x: Tensor, test_y: Tensor
) -> dict:
    """Choose on validation data, then look at the test set once."""

    def accuracy(strength: float, x: Tensor, y: Tensor) -> float:
        weight, bias = fits[strength]
        return n_correct(x @ weight.T + bias, y) / len(y)

    best = max(fits, key=lambda strength: (accuracy(strength, val_x, val_y), strength))
    weight, bias = fits[best]
    return {
        "strength": best,
        "weight": weight,
        "bias": bias,
        "test_accuracy": accuracy(best, test_x, test_y),
    }
