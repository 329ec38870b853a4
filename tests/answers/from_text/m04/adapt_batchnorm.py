import torch
from torch.nn.modules.batchnorm import _BatchNorm


def _layers(model, kind=_BatchNorm):
    return [m for m in model.modules() if isinstance(m, kind) and m.running_mean is not None]


def wrong_momentum_of_the_documentation(model, target_images, batch_size):
    """Puts momentum back to PyTorch's default 0.1 instead of what each layer had; contradicts "no
    setting of a layer" changes ("Put `momentum` back afterwards").

    Named `settings`.
    """
    model.eval()
    layers = _layers(model)
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    with torch.no_grad():
        for batch in target_images.split(batch_size):
            model(batch)
    for layer in layers:
        layer.momentum = 0.1
    return model.eval()


def wrong_no_reset(model, target_images, batch_size):
    """Thinks that momentum=None starts a new average by itself, but it goes on from the batches
    counted in training; contradicts "Reset, then the mean over consecutive batches".

    Named `not_reset`.
    """
    model.eval()
    layers = _layers(model)
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = None
        layer.train()
    with torch.no_grad():
        for batch in target_images.split(batch_size):
            model(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return model.eval()


def wrong_listens_in_eval_mode(model, target_images, batch_size):
    """Collects each layer's inputs while all layers, batch-norm too, still normalise with the
    source's numbers; contradicts "Only batch-norm layers are in train mode" ("forget what is
    stored, send target images through").

    Named `eval_pass`.
    """
    model.eval()
    layers = _layers(model)
    means, variances = {layer: [] for layer in layers}, {layer: [] for layer in layers}

    def listen(layer, inputs):
        x = inputs[0].transpose(0, 1).flatten(1)
        means[layer].append(x.mean(dim=1))
        variances[layer].append(x.var(dim=1))

    hooks = [layer.register_forward_pre_hook(listen) for layer in layers]
    with torch.no_grad():
        for batch in target_images.split(batch_size):
            model(batch)
    for hook in hooks:
        hook.remove()
    for layer in layers:
        layer.running_mean.copy_(torch.stack(means[layer]).mean(dim=0))
        layer.running_var.copy_(torch.stack(variances[layer]).mean(dim=0))
        layer.num_batches_tracked.fill_(len(means[layer]))
    return model


def wrong_modes_put_back(model, target_images, batch_size):
    """Lets every submodule leave in the mode in which it came, the course's general rule;
    contradicts what the stub says instead: "the model ends in eval mode".

    Named `left_in_train`.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    layers = _layers(model)
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    with torch.no_grad():
        for batch in target_images.split(batch_size):
            model(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    for module, mode in modes:
        module.training = mode
    return model


def right_own_average(model, target_images, batch_size):
    """momentum 1 leaves each batch's own statistics in the layer; a hook adds them up in double
    precision, and the mean is written back."""
    model.eval()
    layers = _layers(model)
    if not layers:
        return model
    kept = {layer: (layer.momentum, [0.0, 0.0, 0]) for layer in layers}

    def add(layer, inputs, output):
        sums = kept[layer][1]
        sums[0] = sums[0] + layer.running_mean.double()
        sums[1] = sums[1] + layer.running_var.double()
        sums[2] += 1

    hooks = []
    try:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = 1.0
            layer.train()
            hooks.append(layer.register_forward_hook(add))
        with torch.no_grad():
            for start in range(0, len(target_images), batch_size):
                model(target_images[start : start + batch_size])
    finally:
        for hook in hooks:
            hook.remove()
        for layer, (momentum, (mean, variance, n)) in kept.items():
            layer.momentum = momentum
            if n:
                layer.running_mean.copy_(mean / n)
                layer.running_var.copy_(variance / n)
        model.eval()
    return model


def right_harmonic_momentum(model, target_images, batch_size):
    """The running mean by hand: the t-th batch comes in with momentum 1 / t."""
    for module in model.modules():
        module.training = isinstance(module, _BatchNorm)
    layers = _layers(model)
    before = [(layer, layer.momentum) for layer in layers]
    rest, t = target_images, 1
    for layer in layers:
        layer.reset_running_stats()
    try:
        while layers and len(rest):
            for layer in layers:
                layer.momentum = 1.0 / t
            with torch.no_grad():
                model(rest[:batch_size])
            rest, t = rest[batch_size:], t + 1
    finally:
        for layer, momentum in before:
            layer.momentum = momentum
        for module in model.modules():
            module.training = False
    return model
