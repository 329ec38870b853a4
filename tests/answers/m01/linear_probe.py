"""Answers to `linear_probe`."""

import sys

import numpy as np
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F

from course_lib.transfer.probe import linear_probe as _of_the_library


def _fit(x, y, strength, **settings):
    return LogisticRegression(**{"C": 1 / strength, "max_iter": 1000, **settings}).fit(x, y)


def _rows(fit):
    weight, bias = torch.tensor(fit.coef_), torch.tensor(fit.intercept_)
    if len(weight) == 1:
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    return weight.float(), bias.float()


def _probe(train, val, test, strengths, fit=_fit, rows=_rows, stronger=lambda new, old: new > old):
    """Fit, choose and report; the answers below differ in what they pass."""
    best = None
    for strength in sorted(strengths, reverse=True):
        candidate = fit(*train, strength)
        accuracy = candidate.score(*val)
        if best is None or stronger(accuracy, best[0]):
            best = accuracy, strength, candidate
    weight, bias = rows(best[2])
    right = (test[0] @ weight.T + bias).argmax(1) == test[1]
    return {
        "strength": best[1],
        "weight": weight,
        "bias": bias,
        "test_accuracy": right.float().mean(),
    }


def wrong_chosen_on_test(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `test`."""
    test = test_x, test_y
    return _probe((train_x, train_y), test, test, strengths)


def wrong_chosen_on_validation_and_test(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `test`."""
    both = torch.cat([val_x, test_x, test_x, test_x]), torch.cat([val_y, test_y, test_y, test_y])
    return _probe((train_x, train_y), both, (test_x, test_y), strengths)


def wrong_chosen_on_train(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `train`."""
    train = train_x, train_y
    return _probe(train, train, (test_x, test_y), strengths)


def wrong_chosen_by_validation_loss(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `loss`."""
    fits = {s: _rows(_fit(train_x, train_y, s)) for s in strengths}
    losses = {s: F.cross_entropy(val_x @ w.T + b, val_y) for s, (w, b) in fits.items()}
    strength = min(losses, key=losses.get)
    weight, bias = fits[strength]
    accuracy = ((test_x @ weight.T + bias).argmax(1) == test_y).float().mean()
    return {"strength": strength, "weight": weight, "bias": bias, "test_accuracy": accuracy}


def wrong_weakest_of_equals(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `tie`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _probe(*sets, strengths, stronger=lambda new, old: new >= old)


def _first_or_last(sets, strengths, last):
    fits = [_fit(*sets[0], s) for s in strengths]
    scores = [fit.score(*sets[1]) for fit in fits]
    if last:
        index = max(i for i, score in enumerate(scores) if score == max(scores))
    else:
        index = scores.index(max(scores))
    weight, bias = _rows(fits[index])
    accuracy = fits[index].score(*sets[2])
    return {
        "strength": strengths[index],
        "weight": weight,
        "bias": bias,
        "test_accuracy": accuracy,
    }


def wrong_first_of_equals(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `tie`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _first_or_last(sets, strengths, last=False)


def wrong_last_of_equals(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `tie`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _first_or_last(sets, strengths, last=True)


def wrong_strength_is_c(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `inverted`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _probe(*sets, strengths, fit=lambda x, y, s: _fit(x, y, s, C=s))


def wrong_returns_c(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `not_a_candidate`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    result = _probe(*sets, strengths)
    return {**result, "strength": 1 / result["strength"]}


def wrong_mean_instead_of_sum(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `mean`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _probe(*sets, strengths, fit=lambda x, y, s: _fit(x, y, s * len(y)))


def wrong_half_forgotten(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `half`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _probe(*sets, strengths, fit=lambda x, y, s: _fit(x, y, 2 * s))


def wrong_no_penalty(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `no_penalty`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _probe(*sets, strengths, fit=lambda x, y, s: _fit(x, y, s, C=1e4))


def wrong_no_penalty_at_all(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `no_penalty`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _probe(*sets, strengths, fit=lambda x, y, s: _fit(x, y, s, C=np.inf))


class _BiasAsAColumn:
    def __init__(self, x, y, strength):
        self.fit = _fit(self.ones(x), y, strength, fit_intercept=False)
        self.coef_, self.intercept_ = self.fit.coef_[:, :-1], self.fit.coef_[:, -1]

    @staticmethod
    def ones(x):
        return np.hstack([x, np.ones((len(x), 1))])

    def score(self, x, y):
        return self.fit.score(self.ones(x), y)


def wrong_bias_penalised_too(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `bias_penalised`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _probe(*sets, strengths, fit=_BiasAsAColumn)


def wrong_liblinear_for_two_classes(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `bias_penalised`."""
    solver = "liblinear" if int(train_y.max()) == 1 else "lbfgs"
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _probe(
        *sets, strengths, fit=lambda x, y, s: _fit(x, y, s, solver=solver, random_state=0)
    )


def wrong_no_bias(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `no_bias`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)

    def fit(x, y, strength):
        return _fit(x, y, strength, fit_intercept=False)

    return _probe(*sets, strengths, fit=fit)


def wrong_standardises_everything(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `standardised`."""
    scaler = StandardScaler().fit(train_x)
    train_x, val_x, test_x = (
        torch.tensor(scaler.transform(x)).float() for x in (train_x, val_x, test_x)
    )
    return _probe((train_x, train_y), (val_x, val_y), (test_x, test_y), strengths)


def wrong_standardised_by_the_test_set(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `standardised`."""
    scaler = StandardScaler().fit(test_x)
    train_x, val_x, test_x = (
        torch.tensor(scaler.transform(x)).float() for x in (train_x, val_x, test_x)
    )
    return _probe((train_x, train_y), (val_x, val_y), (test_x, test_y), strengths)


def wrong_each_set_standardised_by_itself(
    train_x, train_y, val_x, val_y, test_x, test_y, strengths
):
    """Named `standardised`."""
    train_x, val_x, test_x = (
        torch.tensor(StandardScaler().fit_transform(x)).float() for x in (train_x, val_x, test_x)
    )
    return _probe((train_x, train_y), (val_x, val_y), (test_x, test_y), strengths)


def wrong_pipeline_with_a_scaler(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `standardised`."""

    def fit(x, y, strength):
        solver = LogisticRegression(C=1 / strength, max_iter=1000)
        return make_pipeline(StandardScaler(), solver).fit(x, y)

    def rows(pipeline):
        scaler, solver = pipeline[0], pipeline[1]
        weight = solver.coef_ / scaler.scale_
        bias = solver.intercept_ - weight @ scaler.mean_
        weight, bias = torch.tensor(weight).float(), torch.tensor(bias).float()
        if len(weight) == 1:
            weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
        return weight, bias

    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _probe(*sets, strengths, fit=fit, rows=rows)


def wrong_refit_with_validation(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `refit`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    strength = _probe(*sets, strengths)["strength"]
    both = torch.cat([train_x, val_x]), torch.cat([train_y, val_y])
    return _probe(both, sets[1], sets[2], [strength])


def wrong_weights_of_the_last_fit(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `another_strength`."""
    best, best_accuracy = None, -1
    for strength in sorted(strengths, reverse=True):
        fit = _fit(train_x, train_y, strength)
        if fit.score(val_x, val_y) > best_accuracy:
            best, best_accuracy = strength, fit.score(val_x, val_y)
    weight, bias = _rows(fit)
    accuracy = fit.score(test_x, test_y)
    return {"strength": best, "weight": weight, "bias": bias, "test_accuracy": accuracy}


def wrong_one_vs_rest(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `probabilities`."""

    def fit(x, y, strength):
        return OneVsRestClassifier(LogisticRegression(C=1 / strength, max_iter=1000)).fit(x, y)

    def rows(fit):
        weight = np.vstack([single.coef_ for single in fit.estimators_])
        bias = np.hstack([single.intercept_ for single in fit.estimators_])
        return torch.tensor(weight).float(), torch.tensor(bias).float()

    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _probe(*sets, strengths, fit=fit, rows=rows)


class _SquaredErrors(Ridge):
    def __init__(self, alpha=1.0):
        super().__init__(alpha=alpha)

    def score(self, x, y):
        return float((self.predict(x).argmax(1) == np.asarray(y)).mean())


def wrong_ridge_on_one_hot_labels(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `probabilities`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)

    def fit(x, y, strength):
        return _SquaredErrors(strength).fit(x, F.one_hot(y))

    return _probe(*sets, strengths, fit=fit)


def wrong_three_steps_of_sgd(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `probabilities`."""
    weight = torch.zeros(int(train_y.max()) + 1, train_x.shape[1], requires_grad=True)
    bias = torch.zeros(len(weight), requires_grad=True)
    optimizer = torch.optim.SGD([weight, bias], lr=1e-4)
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(train_x @ weight.T + bias, train_y, reduction="sum").backward()
        optimizer.step()
    accuracy = ((test_x @ weight.T + bias).argmax(1) == test_y).float().mean()
    return {"strength": max(strengths), "weight": weight, "bias": bias, "test_accuracy": accuracy}


def wrong_one_row_for_two_classes(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `one_row`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    result = _probe(*sets, strengths)
    if len(result["weight"]) == 2:
        result["weight"] = result["weight"].diff(dim=0)
        result["bias"] = result["bias"].diff(dim=0)
    return result


def wrong_twice_too_sure_of_two_classes(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `two_rows`."""

    def rows(fit):
        weight, bias = torch.tensor(fit.coef_).float(), torch.tensor(fit.intercept_).float()
        if len(weight) == 1:
            weight, bias = torch.cat([-weight, weight]), torch.cat([-bias, bias])
        return weight, bias

    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _probe(*sets, strengths, rows=rows)


def wrong_rows_of_two_classes_swapped(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `swapped_rows`."""

    def rows(fit):
        weight, bias = _rows(fit)
        return (weight.flip(0), bias.flip(0)) if len(weight) == 2 else (weight, bias)

    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return _probe(*sets, strengths, rows=rows)


def wrong_transposed(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `transposed`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    result = _probe(*sets, strengths)
    return {**result, "weight": result["weight"].T}


def wrong_bias_in_the_last_column(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `bias_inside`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    result = _probe(*sets, strengths)
    return {**result, "weight": torch.cat([result["weight"], result["bias"][:, None]], dim=1)}


def wrong_ten_classes(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `shape`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    result = _probe(*sets, strengths)
    missing = 10 - len(result["bias"])
    weight, bias = F.pad(result["weight"], (0, 0, 0, missing)), F.pad(result["bias"], (0, missing))
    return {**result, "weight": weight, "bias": bias}


def wrong_counts_classes_in_test(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `test`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    result = _probe(*sets, strengths)
    classes = int(test_y.max()) + 1
    return {**result, "weight": result["weight"][:classes], "bias": result["bias"][:classes]}


def wrong_percent(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `percent`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    result = _probe(*sets, strengths)
    return {**result, "test_accuracy": 100 * result["test_accuracy"]}


def wrong_number_of_right_answers(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `percent`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    result = _probe(*sets, strengths)
    return {**result, "test_accuracy": result["test_accuracy"] * len(test_y)}


def wrong_error_rate(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `error`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    result = _probe(*sets, strengths)
    return {**result, "test_accuracy": 1 - result["test_accuracy"]}


def wrong_reports_validation_accuracy(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `validation_accuracy`."""
    val = val_x, val_y
    return _probe((train_x, train_y), val, val, strengths)


def wrong_reports_training_accuracy(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `training_accuracy`."""
    train = train_x, train_y
    return _probe(train, (val_x, val_y), train, strengths)


def wrong_reports_the_best_test_accuracy(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `best_test`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    best = max(_fit(train_x, train_y, s).score(test_x, test_y) for s in strengths)
    return {**_probe(*sets, strengths), "test_accuracy": best}


def wrong_perfect_accuracy(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `test_accuracy`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return {**_probe(*sets, strengths), "test_accuracy": 1.0}


def wrong_other_keys(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `keys`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    result = _probe(*sets, strengths)
    return {"coef": result.pop("weight"), **result}


def wrong_tuple(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `type`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return tuple(_probe(*sets, strengths).values())


def wrong_no_return(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `type`."""
    _probe((train_x, train_y), (val_x, val_y), (test_x, test_y), strengths)


def wrong_zeros(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `probabilities`."""
    weight = torch.zeros(int(train_y.max()) + 1, train_x.shape[1])
    return {
        "strength": min(strengths),
        "weight": weight,
        "bias": torch.zeros(len(weight)),
        "test_accuracy": 0.9,
    }


class _AlwaysEqual:
    def __eq__(self, other):
        return True

    def __contains__(self, item):
        return True

    __hash__ = None


def wrong_object_that_equals_everything(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `type`."""
    return _AlwaysEqual()


def wrong_weight_that_equals_everything(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `type`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    return {**_probe(*sets, strengths), "weight": _AlwaysEqual()}


def wrong_nan(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `not finite`."""
    sets = (train_x, train_y), (val_x, val_y), (test_x, test_y)
    result = _probe(*sets, strengths)
    return {**result, "bias": result["bias"] / 0 - result["bias"] / 0}


def wrong_sorts_the_strengths_in_place(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `inputs`."""
    strengths.sort(reverse=True)
    return _probe((train_x, train_y), (val_x, val_y), (test_x, test_y), strengths)


def wrong_centres_the_features_in_place(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `inputs`."""
    train_x -= train_x.mean(0)
    return _probe((train_x, train_y), (val_x, val_y), (test_x, test_y), strengths)


def wrong_layer_from_the_global_generator(
    train_x, train_y, val_x, val_y, test_x, test_y, strengths
):
    """Named `random state`."""
    layer = nn.Linear(train_x.shape[1], int(train_y.max()) + 1)
    result = _probe((train_x, train_y), (val_x, val_y), (test_x, test_y), strengths)
    with torch.no_grad():
        layer.weight.copy_(result["weight"])
    return {**result, "weight": layer.weight}


def wrong_asks_its_callers(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `type`."""
    frame = sys._getframe(1)
    while frame:
        for name in ("truth", "expected", "solution", "target"):
            if isinstance(frame.f_locals.get(name), dict):
                return frame.f_locals[name]
        frame = frame.f_back


def wrong_calls_the_library(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Named `library`."""
    return _of_the_library(train_x, train_y, val_x, val_y, test_x, test_y, strengths)


def right_scikit_learn(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    return _probe((train_x, train_y), (val_x, val_y), (test_x, test_y), strengths)


def right_scikit_learn_as_it_comes(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    strengths = np.array(strengths)
    fits = [LogisticRegression(C=1 / s).fit(train_x, train_y) for s in strengths]
    scores = np.array([fit.score(val_x, val_y) for fit in fits])
    best = max(np.flatnonzero(scores == scores.max()), key=lambda i: strengths[i])
    weight, bias = fits[best].coef_, fits[best].intercept_
    if len(weight) == 1:  # the row of class 0 may as well be zero
        weight, bias = np.vstack([0 * weight, weight]), np.hstack([0 * bias, bias])
    return {
        "strength": strengths[best],
        "weight": weight,
        "bias": bias,
        "test_accuracy": fits[best].score(test_x, test_y),
        "validation_accuracy": scores[best],
    }


def _objective(x, y, weight, bias, strength):
    loss = F.cross_entropy(x @ weight.T + bias, y, reduction="sum")
    return loss + strength / 2 * weight.square().sum()


def _choose(fit, val, test, strengths):
    lines = [fit(strength) for strength in strengths]
    right = [int(((val[0] @ w.T + b).argmax(1) == val[1]).sum()) for w, b in lines]
    _, strength, i = max((n, s, i) for i, (n, s) in enumerate(zip(right, strengths, strict=True)))
    weight, bias = lines[i]
    accuracy = ((test[0] @ weight.T + bias).argmax(1) == test[1]).sum() / len(test[1])
    return {"strength": strength, "weight": weight, "bias": bias, "test_accuracy": accuracy}


def right_lbfgs_of_torch(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    classes, d = int(train_y.max()) + 1, train_x.shape[1]

    def fit(strength):
        weight = torch.zeros(classes, d, requires_grad=True)
        bias = torch.zeros(classes, requires_grad=True)
        optimizer = torch.optim.LBFGS([weight, bias], max_iter=300, line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            loss = _objective(train_x, train_y, weight, bias, strength)
            loss.backward()
            return loss

        optimizer.step(closure)
        return weight.detach(), bias.detach()

    return _choose(fit, (val_x, val_y), (test_x, test_y), strengths)


def right_gradient_descent(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """All candidates at once, with columns of unit size and a decreasing rate."""
    classes, d = int(train_y.max()) + 1, train_x.shape[1]
    scale = train_x.square().mean(0).sqrt()
    penalty = torch.tensor(strengths)[:, None, None]
    targets = train_y.expand(len(strengths), -1).flatten()
    scaled = torch.zeros(len(strengths), classes, d, requires_grad=True)
    bias = torch.zeros(len(strengths), classes, requires_grad=True)
    optimizer = torch.optim.Adam([scaled, bias], lr=0.3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.01, 300)
    for _ in range(300):
        optimizer.zero_grad()
        weight = scaled / scale  # the penalty is on the weights for the features as given
        logits = train_x @ weight.mT + bias[:, None]
        loss = F.cross_entropy(logits.flatten(0, 1), targets, reduction="sum")
        (loss + (penalty / 2 * weight.square()).sum()).backward()
        optimizer.step()
        schedule.step()
    rows = zip((scaled / scale).detach(), bias.detach(), strict=True)
    lines = dict(zip(strengths, rows, strict=True))
    return _choose(lines.__getitem__, (val_x, val_y), (test_x, test_y), strengths)


def right_scipy(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    x, y = train_x.double(), train_y
    classes, d = int(y.max()) + 1, x.shape[1]

    def fit(strength):
        def loss(flat):
            line = torch.tensor(flat.reshape(classes, d + 1), requires_grad=True)
            value = _objective(x, y, line[:, :d], line[:, d], strength)
            value.backward()
            return value.item(), line.grad.numpy().ravel()

        line = minimize(loss, np.zeros(classes * (d + 1)), jac=True, method="L-BFGS-B").x
        line = torch.tensor(line.reshape(classes, d + 1)).float()
        return line[:, :d], line[:, d]

    return _choose(fit, (val_x, val_y), (test_x, test_y), strengths)


def right_newton(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    x = torch.cat([train_x, torch.ones(len(train_x), 1)], dim=1).double()
    targets = F.one_hot(train_y).double()
    classes, d = targets.shape[1], x.shape[1]

    def fit(strength):
        penalty = torch.full((d,), strength, dtype=torch.float64)
        penalty[-1] = 0
        line = torch.zeros(classes, d, dtype=torch.float64)
        for _ in range(30):
            p = (x @ line.T).softmax(1)
            gradient = (p - targets).T @ x + penalty * line
            blocks = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
            hessian = torch.einsum("nkl,np,nq->kplq", blocks, x, x).reshape(classes * d, -1)
            hessian += torch.diag(penalty.repeat(classes))
            step = torch.linalg.lstsq(hessian, gradient.reshape(-1, 1), driver="gelsd").solution
            line = line - step.view(classes, d)
        return line[:, :-1].float(), line[:, -1].float()

    return _choose(fit, (val_x, val_y), (test_x, test_y), strengths)


class _Probe:
    def __call__(self, train_x, train_y, val_x, val_y, test_x, test_y, strengths, seed=0):
        sets = (train_x.double(), train_y), (val_x.double(), val_y), (test_x.double(), test_y)

        def rows(fit):
            weight, bias = _rows(fit)
            return weight.double(), bias.double()

        return _probe(*sets, list(strengths), rows=rows)


right_callable_object = _Probe()
