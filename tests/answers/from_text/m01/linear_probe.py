import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax
from sklearn.linear_model import LogisticRegression


def _numpy(x):
    return x.detach().cpu().numpy()


def _rows(fitted):
    """Weight (K, D) and bias (K,) of a fitted LogisticRegression."""
    weight, bias = fitted.coef_, fitted.intercept_
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias


def _fit(x, y, c):
    fitted = LogisticRegression(C=c, max_iter=10_000, tol=1e-8)
    return _rows(fitted.fit(_numpy(x).astype(np.float64), _numpy(y)))


def _hits(weight, bias, x, y):
    logits = _numpy(x).astype(np.float64) @ weight.T + bias
    return int((logits.argmax(axis=1) == _numpy(y)).sum())


def _result(strength, weight, bias, test_x, test_y):
    return {
        "strength": strength,
        "weight": torch.from_numpy(np.ascontiguousarray(weight)),
        "bias": torch.from_numpy(np.ascontiguousarray(bias)),
        "test_accuracy": _hits(weight, bias, test_x, test_y) / len(test_y),
    }


def wrong_last_is_strongest(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Takes the last of equals and so relies on strengths in rising order; contradicts "of equals
    the strongest".

    Named `tie`.
    """
    best = None
    for strength in strengths:
        weight, bias = _fit(train_x, train_y, 1 / strength)
        hits = _hits(weight, bias, val_x, val_y)
        if best is None or hits >= best[0]:
            best = hits, strength, weight, bias
    return _result(*best[1:], test_x, test_y)


def wrong_mean_of_losses(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Reads the loss as the mean over examples, as PyTorch does, and so divides C by N;
    contradicts "minimises the sum of cross-entropies on train + strength/2 * ||weight||^2".

    Named `mean`.
    """
    best = None
    for strength in strengths:
        weight, bias = _fit(train_x, train_y, 1 / (strength * len(train_y)))
        key = _hits(weight, bias, val_x, val_y), strength
        if best is None or key > best[0]:
            best = key, strength, weight, bias
    return _result(*best[1:], test_x, test_y)


def wrong_bias_as_a_column(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Adds a column of ones for the bias, which is then penalised like any weight; contradicts
    "(bias unpenalised)".

    Named `bias_penalised`.
    """
    x = _numpy(train_x).astype(np.float64)
    x = np.hstack([x, np.ones((len(x), 1))])
    best = None
    for strength in strengths:
        fitted = LogisticRegression(C=1 / strength, fit_intercept=False, max_iter=10_000, tol=1e-8)
        both = fitted.fit(x, _numpy(train_y)).coef_
        if len(both) == 1:
            both = np.concatenate([-both, both]) / 2
        weight, bias = both[:, :-1], both[:, -1]
        key = _hits(weight, bias, val_x, val_y), strength
        if best is None or key > best[0]:
            best = key, strength, weight, bias
    return _result(*best[1:], test_x, test_y)


def wrong_mirrored_rows(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Makes two rows of one as -w and w, which doubles the difference of the logits; contradicts
    "two rows, one per class, that give the same probabilities".

    Named `two_rows`.
    """
    best = None
    for strength in strengths:
        weight, bias = _fit(train_x, train_y, 1 / strength)
        if len(weight) == 2:
            weight, bias = 2 * weight, 2 * bias
        key = _hits(weight, bias, val_x, val_y), strength
        if best is None or key > best[0]:
            best = key, strength, weight, bias
    return _result(*best[1:], test_x, test_y)


def wrong_refits_on_both(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Fits the chosen strength again on training and validation data, to waste no label;
    contradicts "not refitted on val".

    Named `refit`.
    """
    keys = []
    for strength in strengths:
        keys.append((_hits(*_fit(train_x, train_y, 1 / strength), val_x, val_y), strength))
    strength = max(keys)[1]
    weight, bias = _fit(torch.cat([train_x, val_x]), torch.cat([train_y, val_y]), 1 / strength)
    return _result(strength, weight, bias, test_x, test_y)


def wrong_chooses_by_loss(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Chooses by the smallest cross-entropy on the validation data; contradicts "the strength with
    the best validation accuracy wins".

    Named `loss`.
    """
    best = None
    for strength in strengths:
        weight, bias = _fit(train_x, train_y, 1 / strength)
        scores = log_softmax(_numpy(val_x).astype(np.float64) @ weight.T + bias, axis=1)
        key = scores[np.arange(len(val_y)), _numpy(val_y)].sum(), strength
        if best is None or key > best[0]:
            best = key, strength, weight, bias
    return _result(*best[1:], test_x, test_y)


def right_own_minimiser(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """SciPy's L-BFGS on the sum as it is written; one row if K = 2, then halved."""
    x, y = _numpy(train_x).astype(np.float64), _numpy(train_y)
    _n, d, k = *x.shape, int(y.max()) + 1
    onehot = np.eye(k)[y]

    def many(flat, strength):
        w, b = flat[: k * d].reshape(k, d), flat[k * d :]
        logits = x @ w.T + b
        loss = -(log_softmax(logits, axis=1) * onehot).sum() + strength / 2 * (w * w).sum()
        error = softmax(logits, axis=1) - onehot
        return loss, np.concatenate([(error.T @ x + strength * w).ravel(), error.sum(axis=0)])

    def two(flat, strength):
        w, b = flat[:d], flat[d]
        z = x @ w + b
        loss = np.logaddexp(0, z).sum() - z[y == 1].sum() + strength / 2 * w @ w
        error = expit(z) - y
        return loss, np.concatenate([error @ x + strength * w, [error.sum()]])

    fits = []
    for strength in strengths:
        start = np.zeros(d + 1 if k == 2 else k * (d + 1))
        flat = minimize(
            two if k == 2 else many,
            start,
            args=(float(strength),),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-15, "gtol": 1e-8},
        ).x
        if k == 2:
            weight, bias = np.stack([-flat[:d], flat[:d]]) / 2, np.array([-flat[d], flat[d]]) / 2
        else:
            weight, bias = flat[: k * d].reshape(k, d), flat[k * d :]
        fits.append((_hits(weight, bias, val_x, val_y), strength, weight, bias))
    fits.sort(key=lambda one: one[:2])
    return _result(*fits[-1][1:], test_x, test_y)


def right_zero_row(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """From the strongest down; with K = 2 the first row is zero."""
    best = None
    for strength in sorted(strengths, reverse=True):
        fitted = LogisticRegression(C=1 / strength, max_iter=10_000, tol=1e-8)
        fitted.fit(_numpy(train_x).astype(np.float64), _numpy(train_y))
        weight, bias = fitted.coef_, fitted.intercept_
        if len(weight) == 1:
            weight = np.concatenate([np.zeros_like(weight), weight])
            bias = np.concatenate([np.zeros_like(bias), bias])
        hits = _hits(weight, bias, val_x, val_y)
        if best is None or hits > best[0]:
            best = hits, strength, weight, bias
    return _result(*best[1:], test_x, test_y)
