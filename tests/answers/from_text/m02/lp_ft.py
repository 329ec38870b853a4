import warnings

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn

from course_lib.transfer.features import extract_features
from course_lib.transfer.freeze import freeze, thaw


def _modes(model):
    return [(part, part.training) for part in model.modules()]


def _restore(modes):
    for part, mode in modes:
        part.training = mode


def _put(head, weight, bias):
    """Put a weight and a bias into a head, in place."""
    with torch.no_grad():
        head.weight.copy_(torch.as_tensor(weight))
        head.bias.copy_(torch.as_tensor(bias))


def _probe(head, x, labels, steps):
    """scikit-learn's logistic regression with C = 1, at most `steps` steps."""
    if steps == 0:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(C=1.0, max_iter=steps)
        fitted.fit(x.detach().cpu().double().numpy(), labels.cpu().numpy())
    weight, bias = fitted.coef_, fitted.intercept_
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    _put(head, weight, bias)


def _tune(model, images, labels, steps, lr):
    """Phase two, all in eval mode, every parameter."""
    if steps == 0:
        return
    wishes = [(p, p.requires_grad) for p in model.parameters()]
    modes = _modes(model)
    model.eval()
    with torch.enable_grad():
        for p, _ in wishes:
            p.requires_grad_(True)
        optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        optimizer.zero_grad()
    for p, wish in wishes:
        p.requires_grad_(wish)
    _restore(modes)


def wrong_tunes_on_kept_features(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Thinks that the features of phase one may be kept for phase two, where no gradient then
    reaches the backbone; contradicts "phase two: every parameter".

    Named `backbone_frozen`.
    """
    x = extract_features(model, images)
    _probe(model.head, x, labels, probe_steps)
    optimizer = torch.optim.AdamW(model.parameters(), lr=ft_lr, weight_decay=0.0)
    with torch.enable_grad():
        for _ in range(ft_steps):
            optimizer.zero_grad()
            F.cross_entropy(model.head(x.clone()), labels).backward()
            optimizer.step()
        optimizer.zero_grad()
    return model


def wrong_freezes_the_norms(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Holds batch-norm in eval mode by freezing it, scales and shifts included; contradicts "phase
    two: every parameter".

    Named `some_frozen`.
    """
    _probe(model.head, extract_features(model, images), labels, probe_steps)
    modes = _modes(model)
    model.train()
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            freeze(part)
    chosen = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(chosen, lr=ft_lr, weight_decay=0.0)
    with torch.enable_grad():
        for _ in range(ft_steps):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        optimizer.zero_grad()
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            thaw(part)
    _restore(modes)
    return model


def wrong_one_small_rate(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Trains the head at ft_lr in phase one, too, where it does not arrive; contradicts "phase one
    has a rate of its own; ft_lr is for phase two" and "near LogisticRegression(C=1)".

    Named `probe_rate`.
    """
    x = extract_features(model, images).clone()
    optimizer = torch.optim.AdamW(model.head.parameters(), lr=ft_lr, weight_decay=0.0)
    with torch.enable_grad():
        for _ in range(probe_steps):
            optimizer.zero_grad()
            penalty = model.head.weight.square().sum() / (2 * len(labels))
            (F.cross_entropy(model.head(x), labels) + penalty).backward()
            optimizer.step()
        optimizer.zero_grad()
    _tune(model, images, labels, ft_steps, ft_lr)
    return model


def wrong_penalty_beside_a_mean(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Adds the whole penalty to the mean of the losses, which makes it N times too strong;
    contradicts "near LogisticRegression(C=1) on the training images", whose loss is a sum.

    Named `probe`.
    """
    x = extract_features(model, images).clone()
    if probe_steps > 0:
        _put(model.head, torch.zeros_like(model.head.weight), torch.zeros_like(model.head.bias))
        optimizer = torch.optim.LBFGS(
            model.head.parameters(), max_iter=probe_steps, line_search_fn="strong_wolfe"
        )

        def closure():
            optimizer.zero_grad()
            penalty = model.head.weight.square().sum() / 2
            loss = F.cross_entropy(model.head(x), labels) + penalty
            loss.backward()
            return loss

        with torch.enable_grad():
            optimizer.step(closure)
        optimizer.zero_grad()
    _tune(model, images, labels, ft_steps, ft_lr)
    return model


def wrong_train_mode_in_phase_two(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Begins phase two with model.train() as any training loop does, batch-norm included;
    contradicts "batch-norm stays in eval mode".

    Named `batchnorm`.
    """
    _probe(model.head, extract_features(model, images), labels, probe_steps)
    modes = _modes(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=ft_lr, weight_decay=0.0)
    with torch.enable_grad():
        for _ in range(ft_steps):
            model.train()
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        optimizer.zero_grad()
    _restore(modes)
    return model


def right_scikit_learn_first(model, images, labels, probe_steps, ft_steps, ft_lr):
    """scikit-learn fits the head; then AdamW on all, the whole model in eval mode."""
    _probe(model.head, extract_features(model, images, batch_size=64), labels, probe_steps)
    _tune(model, images, labels, ft_steps, ft_lr)
    return model


def right_by_hand(model, images, labels, probe_steps, ft_steps, ft_lr):
    """SciPy fits the head in float64; phase two is Adam written out, with torch.autograd.grad."""
    x = extract_features(model, images).detach().cpu().double().numpy()
    y, (k, d) = labels.cpu().numpy(), model.head.weight.shape
    onehot = np.eye(k)[y]

    def many(flat):
        w, b = flat[: k * d].reshape(k, d), flat[k * d :]
        logits = x @ w.T + b
        error = softmax(logits, axis=1) - onehot
        loss = -(log_softmax(logits, axis=1) * onehot).sum() + (w * w).sum() / 2
        return loss, np.concatenate([(error.T @ x + w).ravel(), error.sum(axis=0)])

    def two(flat):
        w, b = flat[:d], flat[d]
        z = x @ w + b
        error = expit(z) - y
        loss = np.logaddexp(0, z).sum() - z[y == 1].sum() + w @ w / 2
        return loss, np.concatenate([error @ x + w, [error.sum()]])

    if probe_steps > 0:
        start = np.zeros(d + 1 if k == 2 else k * (d + 1))
        options = {"maxiter": probe_steps, "maxfun": 50 * probe_steps + 100}
        goal = two if k == 2 else many
        flat = minimize(goal, start, jac=True, method="L-BFGS-B", options=options).x
        if k == 2:
            _put(model.head, np.stack([-flat[:d], flat[:d]]) / 2, np.array([-flat[d], flat[d]]) / 2)
        else:
            _put(model.head, flat[: k * d].reshape(k, d), flat[k * d :])
    if ft_steps == 0:
        return model

    modes, parameters = _modes(model), list(model.parameters())
    wishes = [p.requires_grad for p in parameters]
    first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    for part, _ in modes:
        part.training = False
    for p in parameters:
        p.requires_grad_(True)
    for t in range(1, ft_steps + 1):
        with torch.enable_grad():
            loss = F.cross_entropy(model(images), labels)
        slopes = torch.autograd.grad(loss, parameters, allow_unused=True)
        with torch.no_grad():
            for p, g, m, v in zip(parameters, slopes, first, second, strict=False):
                if g is None:
                    continue
                m.mul_(0.9).add_(g, alpha=0.1)
                v.mul_(0.999).addcmul_(g, g, value=0.001)
                p -= ft_lr * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    for p, wish in zip(parameters, wishes, strict=False):
        p.requires_grad_(wish)
    _restore(modes)
    return model
