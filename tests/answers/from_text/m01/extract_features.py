import copy

import torch
import torch.nn.functional as F


def _modes(model):
    return [(part, part.training) for part in model.modules()]


def _restore(modes):
    for part, mode in modes:
        part.training = mode


def wrong_keeps_graph(model, images, batch_size=256):
    """Thinks that eval mode switches the gradient off; contradicts "in eval mode, detached from
    the graph".

    Named `graph`.
    """
    modes = _modes(model)
    model.eval()
    features = torch.cat([model.backbone(x) for x in images.split(batch_size)])
    _restore(modes)
    return features


def wrong_sweeps_all_hooks(model, images, batch_size=256):
    """Cleans up by removing every hook of the head, also those of other people; contradicts "head
    and hooks are as before".

    Named `hook`.
    """
    modes, seen = _modes(model), []
    model.head.register_forward_pre_hook(lambda part, inputs: seen.append(inputs[0].detach()))
    model.eval()
    with torch.no_grad():
        for x in images.split(batch_size):
            model(x)
    model.head._forward_pre_hooks.clear()
    _restore(modes)
    return torch.cat(seen)


def wrong_unit_length_too(model, images, batch_size=256):
    """Thinks that features are directions, because cosines follow, and gives them length 1;
    contradicts "return what enters model.head".

    Named `rescaled`.
    """
    modes = _modes(model)
    model.eval()
    with torch.no_grad():
        features = torch.cat([model.backbone(x) for x in images.split(batch_size)])
    _restore(modes)
    return F.normalize(features, dim=1)


def wrong_squeezes(model, images, batch_size=256):
    """Squeezes away every dimension of size 1, also those of a single image or feature;
    contradicts "a tensor (N, D), row i of image i".

    Named `shape`.
    """
    modes = _modes(model)
    model.eval()
    with torch.no_grad():
        features = torch.cat([model.backbone(x) for x in images.split(batch_size)])
    _restore(modes)
    return features.squeeze()


def wrong_flag_of_the_root(model, images, batch_size=256):
    """Thinks that the mode is one flag on the model and sets that alone; contradicts "in eval mode
    ... independent of batch_size".

    Named `value`.
    """
    was_training = model.training
    model.training = False
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    with torch.no_grad():
        features = torch.cat([model.backbone(x) for x in images.split(batch_size)])
        for name, value in model.named_buffers():
            value.copy_(buffers[name])
    model.training = was_training
    return features


def wrong_backbone_like_the_root(model, images, batch_size=256):
    """Restores the whole model by train(mode of the root), though a part may have come in another;
    contradicts "afterwards every submodule is in the mode in which it came".

    Named `mode`.
    """
    was_training = model.training
    model.eval()
    with torch.no_grad():
        features = torch.cat([model.backbone(x) for x in images.split(batch_size)])
    model.train(was_training)
    return features


def right_listens_at_the_head(model, images, batch_size=256):
    """A hook in front of the head writes down what enters; the handle takes away only itself."""
    modes, seen = _modes(model), []

    def listen(part, inputs):
        seen.append(inputs[0].detach().clone())

    handle = model.head.register_forward_pre_hook(listen)
    try:
        model.eval()
        with torch.no_grad():
            for x in images.split(batch_size):
                model(x)
    finally:
        handle.remove()
        _restore(modes)
    return torch.cat(seen)


def right_twin_by_halving(model, images, batch_size=256):
    """Ask a deep copy of the backbone, by recursion on halves."""
    twin = copy.deepcopy(model.backbone)
    twin.eval()

    def ask(x):
        if len(x) <= batch_size:
            return twin(x).detach()
        middle = len(x) // 2
        return torch.cat((ask(x[:middle]), ask(x[middle:])))

    with torch.no_grad():
        return ask(images)
