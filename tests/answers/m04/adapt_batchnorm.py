"""Answers to `adapt_batchnorm`."""

import copy

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from course_lib.alignment.adabn import adapt_batchnorm as _of_the_library


def _layers(model):
    return [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]


def _adapt(model, images, batch_size, momentum=None, reset=True, everything=False):
    model.eval()
    before = [layer.momentum for layer in _layers(model)]
    for layer in _layers(model):
        if reset:
            layer.reset_running_stats()
        layer.momentum = momentum
        layer.train()
    if everything:
        model.train()
    with torch.no_grad():
        for batch in images.split(batch_size):
            model(batch)
    for layer, old in zip(_layers(model), before, strict=True):
        layer.momentum = old
    return model.eval()


def wrong_nothing_happens(model, target_images, batch_size):
    """Named `unchanged`."""
    model.eval()
    with torch.no_grad():
        for batch in target_images.split(batch_size):
            model(batch)
    return model


def wrong_reset_and_eval(model, target_images, batch_size):
    """Named `reset_only`."""
    for layer in _layers(model):
        layer.reset_running_stats()
    return wrong_nothing_happens(model, target_images, batch_size)


def wrong_exponential_average_of_the_source(model, target_images, batch_size):
    """Named `exponential`."""
    return _adapt(model, target_images, batch_size, momentum=0.1, reset=False)


def wrong_momentum_as_it_was(model, target_images, batch_size):
    """Named `exponential`."""
    model.eval()
    for layer in _layers(model):
        layer.train()
    with torch.no_grad():
        for batch in target_images.split(batch_size):
            model(batch)
    return model.eval()


def wrong_exponential_after_the_reset(model, target_images, batch_size):
    """Named `exponential_from_zero`."""
    return _adapt(model, target_images, batch_size, momentum=0.1)


def wrong_counter_not_reset(model, target_images, batch_size):
    """Named `not_reset`."""
    return _adapt(model, target_images, batch_size, reset=False)


def wrong_momentum_of_one(model, target_images, batch_size):
    """Named `last_batch`."""
    return _adapt(model, target_images, batch_size, momentum=1.0)


def wrong_first_batch_only(model, target_images, batch_size):
    """Named `first_batch`."""
    return _adapt(model, target_images[:batch_size], batch_size)


def wrong_all_at_once(model, target_images, batch_size):
    """Named `one_batch`."""
    return _adapt(model, target_images, len(target_images))


def wrong_strided_batches(model, target_images, batch_size):
    """Named `variance`."""
    n = len(target_images) // batch_size
    order = torch.arange(len(target_images)).view(n, batch_size).T.reshape(-1)
    return _adapt(model, target_images[order], batch_size)


def wrong_shuffled_batches(model, target_images, batch_size):
    """Named `variance`."""
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(target_images), generator=generator)
    return _adapt(model, target_images[order], batch_size)


def wrong_always_batches_of_64(model, target_images, batch_size):
    """Named `one_batch`."""
    return _adapt(model, target_images, 64)


def wrong_update_bn_of_torch(model, target_images, batch_size):
    """Named `other_layers`."""
    update_bn(target_images.split(batch_size), model)
    return model.eval()


def wrong_momentum_back_to_its_default(model, target_images, batch_size):
    """Named `settings`."""
    _adapt(model, target_images, batch_size)
    for layer in _layers(model):
        layer.momentum = 0.1
    return model


def wrong_whole_model_in_train_mode(model, target_images, batch_size):
    """Named `other_layers`."""
    return _adapt(model, target_images, batch_size, everything=True)


def wrong_first_layer_only(model, target_images, batch_size):
    """Named `first_only`."""
    model.eval()
    for layer in _layers(model)[:1]:
        momentum = layer.momentum
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    with torch.no_grad():
        for batch in target_images.split(batch_size):
            model(batch)
    for layer in _layers(model)[:1]:
        layer.momentum = momentum
    return model.eval()


def _by_hooks(model, images, batch_size, correction=1, train=True):
    """Gather each layer's batch statistics by hand and write their means into it."""
    model.eval()
    gathered = {layer: [] for layer in _layers(model)}

    def hook(layer, inputs):
        x = inputs[0]
        gathered[layer].append((x.mean((0, 2, 3)), x.var((0, 2, 3), correction=correction)))

    handles = [layer.register_forward_pre_hook(hook) for layer in gathered]
    for layer in gathered:
        layer.training = train
    with torch.no_grad():
        for batch in images.split(batch_size):
            model(batch)
        for layer, pairs in gathered.items():
            means, variances = zip(*pairs, strict=True)
            layer.running_mean.copy_(torch.stack(means).mean(0))
            layer.running_var.copy_(torch.stack(variances).mean(0))
    for handle in handles:
        handle.remove()
    return model.eval()


def wrong_variance_over_n(model, target_images, batch_size):
    """Named `population`."""
    return _by_hooks(model, target_images, batch_size, correction=0)


def wrong_gathered_in_eval_mode(model, target_images, batch_size):
    """Named `eval_pass`."""
    return _by_hooks(model, target_images, batch_size, train=False)


def wrong_standard_deviation(model, target_images, batch_size):
    """Named `variance`."""
    _adapt(model, target_images, batch_size)
    for layer in _layers(model):
        layer.running_var.sqrt_()
    return model


def wrong_images_scaled(model, target_images, batch_size):
    """Named `statistics`."""
    return _adapt(model, target_images * 1.5, batch_size)


def wrong_reset_parameters(model, target_images, batch_size):
    """Named `weights`."""
    for layer in _layers(model):
        layer.reset_parameters()
    return _adapt(model, target_images, batch_size)


def wrong_trains_the_scales_too(model, target_images, batch_size):
    """Named `weights`."""
    _adapt(model, target_images, batch_size)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    model(target_images).softmax(1).log().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
    return model


def wrong_requires_grad_off(model, target_images, batch_size):
    """Named `requires_grad`."""
    model.requires_grad_(False)
    return _adapt(model, target_images, batch_size)


def wrong_left_in_train(model, target_images, batch_size):
    """Named `left_in_train`."""
    return _adapt(model, target_images, batch_size).train()


def wrong_layers_left_in_train(model, target_images, batch_size):
    """Named `left_in_train`."""
    _adapt(model, target_images, batch_size)
    for layer in _layers(model):
        layer.train()
    return model


def wrong_momentum_left_at_none(model, target_images, batch_size):
    """Named `settings`."""
    _adapt(model, target_images, batch_size)
    for layer in _layers(model):
        layer.momentum = None
    return model


def wrong_one_momentum_for_all_layers(model, target_images, batch_size):
    """Named `settings`."""
    layers = _layers(model)
    _adapt(model, target_images, batch_size)
    for layer in layers:
        layer.momentum = layers[-1].momentum
    return model


def wrong_copy(model, target_images, batch_size):
    """Named `copy`."""
    return _adapt(copy.deepcopy(model), target_images, batch_size)


def wrong_returns_nothing(model, target_images, batch_size):
    """Named `nothing_returned`."""
    _adapt(model, target_images, batch_size)


def wrong_statistics_switched_off(model, target_images, batch_size):
    """Named `buffers_lost`."""
    _adapt(model, target_images, batch_size)
    for layer in _layers(model):
        del layer.num_batches_tracked
        layer.register_buffer("num_batches_tracked", None)
    return model


def wrong_fails_without_batchnorm(model, target_images, batch_size):
    """Named `without`."""
    _layers(model)[0].eval()
    return _adapt(model, target_images, batch_size)


def wrong_scales_the_images_in_place(model, target_images, batch_size):
    """Named `inputs`."""
    result = _adapt(model, target_images, batch_size)
    target_images.div_(2)
    return result


def wrong_gradients_off_for_good(model, target_images, batch_size):
    """Named `gradient mode`."""
    torch.set_grad_enabled(False)
    return _adapt(model, target_images, batch_size)


def wrong_calls_the_library(model, target_images, batch_size):
    """Named `library`."""
    return _of_the_library(model, target_images, batch_size)


def right_momentum_none(model, target_images, batch_size):
    return _adapt(model, target_images, batch_size)


def right_means_by_hand(model, target_images, batch_size):
    return _by_hooks(model, target_images, batch_size)


def right_momentum_one_over_the_count(model, target_images, batch_size):
    model.eval()
    layers = _layers(model)
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.train()
    with torch.no_grad():
        for i, batch in enumerate(target_images.split(batch_size), start=1):
            for layer in layers:
                layer.momentum = 1 / i
            model(batch)
    for layer, momentum in zip(layers, before, strict=True):
        layer.momentum = momentum
    return model.eval()


def right_twice_over_the_images(model, target_images, batch_size):
    """The mean of everything twice is the mean of everything."""
    model.eval()
    before = {}
    for layer in _layers(model):
        before[layer] = layer.momentum
        layer.running_mean.zero_()
        layer.running_var.fill_(1)
        layer.num_batches_tracked.zero_()
        layer.momentum = None
        layer.training = True
    with torch.inference_mode():
        for _ in range(2):
            for start in range(0, len(target_images), batch_size):
                model(target_images[start : start + batch_size])
    for layer in _layers(model):
        layer.momentum = before[layer]
    model.eval()
    return model


def right_state_of_a_twin(model, target_images, batch_size):
    twin = _adapt(copy.deepcopy(model), target_images, batch_size)
    model.load_state_dict(twin.state_dict())
    return model.eval()


def right_backbone_only(model, target_images, batch_size):
    """The head has no batch-norm: its forward pass is not needed."""
    model.eval()
    kept = {}
    for part in model.backbone.modules():
        if hasattr(part, "running_mean"):
            kept[part] = part.momentum
            part.reset_running_stats()
            part.momentum = None
            part.train()
    with torch.no_grad():
        for chunk in torch.split(target_images, batch_size):
            model.backbone(chunk)
    for part, momentum in kept.items():
        part.momentum = momentum
        part.eval()
    return model


class _AdaBN:
    """`update_bn` of torch, told which layers to leave alone."""

    def __call__(self, model, target_images, batch_size, device=None):
        model.eval()
        others = [part for part in model.modules() if not isinstance(part, nn.BatchNorm2d)]
        for part in others:
            part.train = lambda mode=True, part=part: _of_its_parts(part, mode)
        try:
            update_bn(target_images.split(batch_size), model, device)
        finally:
            for part in others:
                del part.train
        return model.eval()


def _of_its_parts(part, mode):
    for child in part.children():
        child.train(mode)
    return part


right_update_bn_of_torch_and_nothing_else = _AdaBN()
