"""Answers to `lp_ft`."""

import copy

import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional as F

from course_lib.transfer.lp_ft import lp_ft as _of_the_library


def _features(model, images):
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    with torch.no_grad():
        features = model.backbone(images)
    for part, training in modes:
        part.training = training
    return features


def _probe(model, images, labels, steps, lr=0.1, features=None, clear=True):
    """Fit a new head with Adam on features computed once; a third of the steps is enough."""
    features = _features(model, images) if features is None else features
    model.head = nn.Linear(features.shape[1], int(labels.max()) + 1).train(model.training)
    optimizer = torch.optim.Adam(model.head.parameters(), lr=lr)
    for _ in range(steps // 3):
        loss = F.cross_entropy(model.head(features), labels)
        if clear:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def _tune(model, images, labels, steps, lr, parameters=None, hold=True, sign=1, clear=True):
    """Train everything with Adam, batch-norm in eval mode."""
    modes = [(part, part.training) for part in model.modules()]
    model.requires_grad_(True)
    optimizer = torch.optim.Adam(parameters or model.parameters(), lr=lr)
    model.train()
    if hold:
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
    for _ in range(steps):
        loss = sign * F.cross_entropy(model(images), labels)
        if clear:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for part, training in modes:
        part.training = training
    return model


def wrong_head_reset(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `head_reset`."""
    _probe(model, images, labels, probe_steps)
    if ft_steps:
        model.head.reset_parameters()
    return _tune(model, images, labels, ft_steps, ft_lr)


def wrong_new_model_for_phase_two(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `head_reset`."""
    probed = _probe(copy.deepcopy(model), images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr) if ft_steps else probed


def wrong_no_probe(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `probe`."""
    return _tune(model, images, labels, ft_steps, ft_lr)


def wrong_few_steps(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `probe`."""
    _probe(model, images, labels, 6, lr=1e-3)
    return _tune(model, images, labels, ft_steps, ft_lr)


def wrong_old_head_trained_on(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `old_head`."""
    features = _features(model, images)
    optimizer = torch.optim.Adam(model.head.parameters(), lr=0.02)
    for _ in range(probe_steps):
        optimizer.zero_grad()
        F.cross_entropy(model.head(features), labels).backward()
        optimizer.step()
    return _tune(model, images, labels, ft_steps, ft_lr)


def wrong_fitted_head_lost(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `probe`."""
    _probe(copy.deepcopy(model), images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr)


def wrong_labels_shuffled(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `probe`."""
    _probe(model, images, labels.flip(0), probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr)


def wrong_logits_as_features(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `type`."""
    with torch.no_grad():
        logits = copy.deepcopy(model).eval()(images)
    _probe(model, images, labels, probe_steps, features=logits)
    return model


def wrong_one_rate_for_both_phases(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `probe_rate`."""
    _probe(model, images, labels, probe_steps, lr=ft_lr)
    return _tune(model, images, labels, ft_steps, ft_lr)


def wrong_everything_moves_in_phase_one(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `backbone_moved`."""
    _tune(model, images, labels, probe_steps // 10, 0.05)
    return _tune(model, images, labels, ft_steps, ft_lr)


def wrong_weight_decay_on_everything(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `backbone_moved`."""
    _probe(model, images, labels, probe_steps)
    with torch.no_grad():
        for p in model.backbone.parameters():
            p.mul_(0.99)
    return _tune(model, images, labels, ft_steps, ft_lr)


def wrong_phase_one_in_train_mode(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `statistics`."""
    training = model.training
    model.train()
    with torch.no_grad():
        features = model.backbone(images)
    model.train(training)
    _probe(model, images, labels, probe_steps, features=features)
    return _tune(model, images, labels, ft_steps, ft_lr)


def wrong_batchnorm_moves_in_phase_two(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `batchnorm`."""
    _probe(model, images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr, hold=False)


def wrong_head_only_in_phase_two(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `backbone_frozen`."""
    _probe(model, images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr, list(model.head.parameters()))


def wrong_optimizer_of_the_old_head(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `head_frozen`."""
    parameters = list(model.parameters())
    _probe(model, images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr, parameters)


def wrong_backbone_only_in_phase_two(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `head_frozen`."""
    _probe(model, images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr, list(model.backbone.parameters()))


def wrong_no_second_phase(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `no_second_phase`."""
    return _probe(model, images, labels, probe_steps)


def wrong_weights_only_in_phase_two(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `some_frozen`."""
    _probe(model, images, labels, probe_steps)
    parameters = [p for p in model.parameters() if p.ndim > 1] + [model.head.bias]
    return _tune(model, images, labels, ft_steps, ft_lr, parameters)


def wrong_uphill(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `loss`."""
    _probe(model, images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr, sign=-1)


def wrong_rate_a_thousand_times_too_high(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `loss`."""
    _probe(model, images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, 1000 * ft_lr)


def wrong_gradients_add_up_in_phase_one(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `not_cleared`."""
    _probe(model, images, labels, probe_steps, clear=False)
    return _tune(model, images, labels, ft_steps, ft_lr)


def wrong_gradients_add_up_in_phase_two(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `not_cleared`."""
    _probe(model, images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr, clear=False)


def wrong_default_rate_in_phase_two(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `ft_rate`."""
    _probe(model, images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, 1e-3)


def wrong_weight_decay_in_phase_two(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `ft_rate`."""
    _probe(model, images, labels, probe_steps)
    _tune(model, images, labels, ft_steps, ft_lr)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1 - 1e-3 * (ft_steps > 0))
    return model


def wrong_mode_never_switched(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `statistics`."""
    with torch.no_grad():
        features = model.backbone(images)
    _probe(model, images, labels, probe_steps, features=features)
    optimizer = torch.optim.Adam(model.parameters(), lr=ft_lr)
    for _ in range(ft_steps):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return model


def wrong_left_in_eval_mode(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `mode`."""
    _probe(model, images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr).eval()


def wrong_always_left_in_train_mode(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `mode`."""
    _probe(model, images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr).train()


def wrong_only_with_a_graphics_card(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `raised`."""
    return right_adam(model, images.to("cuda"), labels, probe_steps, ft_steps, ft_lr)


def wrong_left_in_train_mode(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `mode`."""
    was_training = model.training
    _probe(model, images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr).train(not was_training)


def wrong_head_returned(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `type`."""
    _probe(model, images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr).head


def wrong_nothing_returned(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `type`."""
    _probe(model, images, labels, probe_steps)
    _tune(model, images, labels, ft_steps, ft_lr)


def wrong_divided_by_zero(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `not finite`."""
    _probe(model, images, labels, probe_steps)
    if ft_steps:
        with torch.no_grad():
            model.head.bias /= 0 * model.head.bias
    return model


def wrong_calls_the_library(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Named `library`."""
    return _of_the_library(
        model, images, labels, probe_steps, ft_steps, ft_lr, device="cpu", progress=False
    )


def right_adam(model, images, labels, probe_steps, ft_steps, ft_lr):
    _probe(model, images, labels, probe_steps)
    return _tune(model, images, labels, ft_steps, ft_lr)


def right_scikit_learn(model, images, labels, probe_steps, ft_steps, ft_lr):
    probe = LogisticRegression(C=1.0, max_iter=probe_steps)
    probe.fit(_features(model, images).numpy(), labels.numpy())
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(probe.coef_))
        model.head.bias.copy_(torch.from_numpy(probe.intercept_))
    return _tune(model, images, labels, ft_steps, ft_lr)


def right_sgd_on_a_copy(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Plain SGD in both phases; the given model stays as it was."""
    model = copy.deepcopy(model)
    features = _features(model, images)
    nn.init.zeros_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    phases = [
        (model.head, features, torch.optim.SGD(model.head.parameters(), lr=1.0), probe_steps),
        (model, images, torch.optim.SGD(model.parameters(), lr=ft_lr), ft_steps),
    ]
    training = model.training
    model.eval()
    for part, x, optimizer, steps in phases:
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(part(x), labels).backward()
            optimizer.step()
    return model.train(training)


def right_lbfgs(model, images, labels, probe_steps, ft_steps, ft_lr):
    features = _features(model, images)
    model.head.reset_parameters()
    optimizer = torch.optim.LBFGS(model.head.parameters(), max_iter=probe_steps)

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model.head(features), labels) + 1e-3 * model.head.weight.norm() ** 2
        loss.backward()
        return loss

    optimizer.step(closure)
    return _tune(model, images, labels, ft_steps, ft_lr)


def right_backbone_in_the_loop(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Phase one runs the frozen backbone in every step, in mini-batches."""
    training = model.training
    model.eval()
    model.backbone.requires_grad_(False)
    model.head = nn.Linear(model.head.in_features, int(labels.max()) + 1)
    optimizer = torch.optim.Adam(model.head.parameters(), lr=0.05)
    for _ in range(probe_steps // 5):
        for batch in torch.randperm(len(images)).split(40):
            optimizer.zero_grad()
            F.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
    model.backbone.requires_grad_(True)
    if ft_steps:
        _tune(model, images, labels, ft_steps, ft_lr)
    return model.train(training)


def right_cleared_at_the_end_of_each_step(model, images, labels, probe_steps, ft_steps, ft_lr):
    """In mini-batches whose gradients are added up for one step, cleared to zeros."""
    training = model.training
    features = _features(model, images)
    model.head = nn.Linear(features.shape[1], int(labels.max()) + 1)
    model.eval()
    phases = [
        (model.head, features, torch.optim.AdamW(model.head.parameters(), 0.1), probe_steps // 4),
        (model, images, torch.optim.RMSprop(model.parameters(), ft_lr), ft_steps),
    ]
    for part, x, optimizer, steps in phases:
        for _ in range(steps):
            for batch in torch.arange(len(x)).split(40):
                loss = F.cross_entropy(part(x[batch]), labels[batch]) * len(batch) / len(x)
                loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
    return model.train(training)


class _LinearProbeFineTune:
    def __call__(self, model, images, labels, probe_steps, ft_steps, ft_lr):
        self.probe(model, images, labels, probe_steps)
        return _tune(model, images, labels, ft_steps, ft_lr)

    probe = staticmethod(_probe)


right_callable_object = _LinearProbeFineTune()
