import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from course_lib.transfer.probe import fit_logistic, linear_probe

STRENGTHS = [1e-2, 1.0, 100.0]


def blobs(seed: int, n: int, classes: int, dims: int = 5, noise: float = 1.5):
    """Overlapping clouds that are neither centred nor of unit scale."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 1, (classes, dims))
    y = np.arange(n) % classes
    x = 2 + 3 * (centres[y] + noise * rng.normal(size=(n, dims)))
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def sets(seed: int, classes: int):
    return [part for k in range(3) for part in blobs(10 * seed + k, 60, classes)]


@pytest.mark.parametrize("classes", [2, 3, 6])
@pytest.mark.parametrize("strength", STRENGTHS)
def test_logistic_is_at_the_minimum_of_its_objective(classes, strength):
    """Brute force: SciPy minimises the sentence in the docstring, all K rows penalised."""
    x, y = blobs(classes, 60, classes)
    inputs, targets = x.double(), y

    def objective(flat):
        parameters = torch.tensor(flat, requires_grad=True)
        weight = parameters[: classes * 5].view(classes, 5)
        logits = inputs @ weight.T + parameters[classes * 5 :]
        value = F.cross_entropy(logits, targets, reduction="sum") + strength / 2 * (weight**2).sum()
        value.backward()
        return value.item(), parameters.grad.numpy()

    start = np.zeros(classes * 6)
    best = minimize(objective, start, jac=True, options={"maxiter": 10_000, "gtol": 1e-7})
    weight = torch.tensor(best.x[: classes * 5], dtype=torch.float32).view(classes, 5)
    bias = torch.tensor(best.x[classes * 5 :], dtype=torch.float32)
    found = fit_logistic(x, y, strength)
    assert found[0].shape == (classes, 5)
    # Probabilities: only the differences between biases are determined.
    probabilities = [(x @ w.T + b).softmax(1) for w, b in (found, (weight, bias))]
    assert torch.allclose(*probabilities, atol=2e-3)
    assert torch.allclose(found[0], weight, atol=5e-3)


def test_logistic_is_scikit_learns_with_c_one_over_strength():
    x, y = blobs(0, 90, 4)
    for strength in STRENGTHS:
        weight, bias = fit_logistic(x, y, strength)
        theirs = LogisticRegression(C=1 / strength, max_iter=10_000).fit(x.numpy(), y.numpy())
        expected = torch.tensor(theirs.predict_proba(x.numpy()), dtype=torch.float32)
        assert torch.allclose((x @ weight.T + bias).softmax(1), expected, atol=0.01)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_the_strength_is_the_best_on_validation_and_the_strongest_of_equals(classes, seed):
    train_x, train_y, val_x, val_y, test_x, test_y = sets(seed, classes)
    strengths = [10.0**k for k in (3, -3, 5, 0, 2, -1)]
    result = linear_probe(train_x, train_y, val_x, val_y, test_x, test_y, strengths)
    scores = {}
    for strength in strengths:
        alone = linear_probe(train_x, train_y, val_x, val_y, val_x, val_y, [strength])
        scores[strength] = alone["test_accuracy"]  # here: of the validation set
    best = max(scores.values())
    assert result["strength"] == max(s for s, score in scores.items() if score == best)
    logits = test_x @ result["weight"].T + result["bias"]
    assert result["test_accuracy"] == sum(logits.argmax(1) == test_y).item() / len(test_y)
    assert result["weight"].shape == (classes, 5)
    assert result["bias"].shape == (classes,)
    assert result["weight"].dtype == torch.float32


def test_test_labels_choose_nothing_and_validation_trains_nothing():
    train_x, train_y, val_x, val_y, test_x, test_y = sets(5, 3)
    honest = linear_probe(train_x, train_y, val_x, val_y, test_x, test_y, STRENGTHS)
    poisoned = linear_probe(train_x, train_y, val_x, val_y, test_x, (test_y + 1) % 3, STRENGTHS)
    only = linear_probe(
        train_x, train_y, val_x[:2], val_y[:2], test_x, test_y, [honest["strength"]]
    )
    for key in ("strength", "weight", "bias"):
        assert torch.equal(torch.as_tensor(honest[key]), torch.as_tensor(poisoned[key]))
        assert torch.equal(torch.as_tensor(honest[key]), torch.as_tensor(only[key]))
    assert poisoned["test_accuracy"] != honest["test_accuracy"]


def test_hard_problems_end_without_a_warning_and_inputs_stay():
    parts = sets(0, 3)
    for x in parts[::2]:
        x *= torch.tensor([1.0, 10, 100, 1e3, 1e3])  # features of very different sizes
    copies = [part.clone() for part in parts]
    random = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        linear_probe(*parts, [1e-3, 1e3])
    assert all(torch.equal(a, b) for a, b in zip(parts, copies, strict=True))
    assert torch.equal(random, torch.get_rng_state())


def test_what_cannot_be_fitted_is_refused_in_a_sentence():
    train_x, train_y, *others = sets(0, 3)
    with pytest.raises(ValueError, match="at least one strength"):
        linear_probe(train_x, train_y, *others, [])
    with pytest.raises(ValueError, match="above 0"):
        linear_probe(train_x, train_y, *others, [1.0, 0.0])
    with pytest.raises(ValueError, match="every class"):
        linear_probe(train_x, train_y * 2, *others, STRENGTHS)
    with pytest.raises(ValueError, match="every class"):
        linear_probe(train_x, train_y * 0, *others, STRENGTHS)
    with pytest.raises(ValueError, match="NaN"):
        linear_probe(train_x / 0, train_y, *others, STRENGTHS)
