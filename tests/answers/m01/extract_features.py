"""Answers to `extract_features`."""

import copy
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from course_lib.evidence.evaluate import forward_in_batches
from course_lib.transfer.features import extract_features as _of_the_library


class _eval_mode:
    """Eval mode and no gradients, put back afterwards."""

    def __init__(self, model):
        self.model, self.modes = model, [(part, part.training) for part in model.modules()]

    def __enter__(self):
        self.model.eval()
        self.gradients = torch.no_grad()
        self.gradients.__enter__()

    def __exit__(self, *error):
        self.gradients.__exit__(*error)
        for part, mode in self.modes:
            part.training = mode


def wrong_logits(model, images, batch_size=256):
    """Named `logits`."""
    with _eval_mode(model):
        return torch.cat([model(batch) for batch in images.split(batch_size)])


def wrong_probabilities(model, images, batch_size=256):
    """Named `logits`."""
    with _eval_mode(model):
        return torch.cat([model(batch).softmax(1) for batch in images.split(batch_size)])


def wrong_train_mode(model, images, batch_size=256):
    """Named `train_mode`."""
    with torch.no_grad():
        return torch.cat([model.backbone(batch) for batch in images.split(batch_size)])


def wrong_train_mode_of_a_copy(model, images, batch_size=256):
    """Named `train_mode`."""
    backbone = copy.deepcopy(model).train().backbone
    with torch.no_grad():
        return torch.cat([backbone(batch) for batch in images.split(batch_size)])


def wrong_eval_of_the_root_alone(model, images, batch_size=256):
    """Named `train_mode`."""
    training, model.training = model.training, False
    with torch.no_grad():
        features = torch.cat([model.backbone(batch) for batch in images.split(batch_size)])
    model.training = training
    return features


def wrong_warms_up_in_train_mode(model, images, batch_size=256):
    """Named `train_mode`."""
    with torch.no_grad():
        model.backbone(images[:2])
    with _eval_mode(model):
        return torch.cat([model.backbone(batch) for batch in images.split(batch_size)])


def wrong_tries_the_model_again_in_train_mode(model, images, batch_size=256):
    """Named `buffers`."""
    with _eval_mode(model):
        features = torch.cat([model.backbone(batch) for batch in images.split(batch_size)])
    assert model(images[:2]).shape == (2, model.head.out_features)
    return features


def wrong_maps_of_the_last_block(model, images, batch_size=256):
    """Named `not_pooled`."""
    with _eval_mode(model):
        return nn.Sequential(*model.backbone.blocks)(images)


def wrong_flattened_maps(model, images, batch_size=256):
    """Named `not_pooled`."""
    with _eval_mode(model):
        return nn.Sequential(*model.backbone.blocks)(images).flatten(1)


def wrong_pools_by_itself(model, images, batch_size=256):
    """Named `pooling`."""
    with _eval_mode(model):
        return nn.Sequential(*model.backbone.blocks)(images).mean(dim=(2, 3))


def wrong_block_before_the_last(model, images, batch_size=256):
    """Named `earlier_block`."""
    with _eval_mode(model):
        return nn.Sequential(*model.backbone.blocks[:-1])(images).mean(dim=(2, 3))


def wrong_all_children_but_the_last(model, images, batch_size=256):
    """Named `children`."""
    with _eval_mode(model):
        return nn.Sequential(*list(model.children())[:-1])(images)


def wrong_relu_again(model, images, batch_size=256):
    """Named `relu`."""
    with _eval_mode(model):
        return torch.cat([model.backbone(batch).relu() for batch in images.split(batch_size)])


def wrong_unit_length(model, images, batch_size=256):
    """Named `rescaled`."""
    with _eval_mode(model):
        return nn.functional.normalize(model.backbone(images))


def wrong_standardised(model, images, batch_size=256):
    """Named `rescaled`."""
    with _eval_mode(model):
        features = model.backbone(images)
    return (features - features.mean(0)) / features.std(0)


def wrong_drops_the_last_batch(model, images, batch_size=256):
    """Named `ragged`."""
    if len(images) < batch_size:
        batch_size = 1
    with _eval_mode(model):
        loader = DataLoader(TensorDataset(images), batch_size, drop_last=True)
        # A sampler of its own would draw a seed from the global generator.
        batches = [images[i] for i in loader.batch_sampler]
        return torch.cat([model.backbone(batch) for batch in batches])


def wrong_only_batch_sizes_that_divide(model, images, batch_size=256):
    """Named `raised`."""
    with _eval_mode(model):
        batches = images.view(-1, min(batch_size, len(images)), *images.shape[1:])
        return torch.cat([model.backbone(batch) for batch in batches])


def wrong_only_one_channel(model, images, batch_size=256):
    """Named `raised`."""
    with _eval_mode(model):
        return torch.cat([model.backbone(image[:1][None]) for image in images])


def wrong_only_square_images(model, images, batch_size=256):
    """Named `raised`."""
    n, channels, height, _ = images.shape
    with _eval_mode(model):
        return model.backbone(images.view(n, channels, height, height))


def wrong_only_with_a_graphics_card(model, images, batch_size=256):
    """Named `raised`."""
    with _eval_mode(model):  # the model stays where it is
        batches = images.to("cuda").split(batch_size)
        return torch.cat([model.backbone(batch).cpu() for batch in batches])


def wrong_only_for_float64(model, images, batch_size=256):
    """Named `raised`."""
    with _eval_mode(model):
        return torch.cat([model.backbone(batch.double()) for batch in images.split(batch_size)])


def wrong_mean_of_two_views(model, images, batch_size=256):
    """Named `value`."""
    with _eval_mode(model):
        return (model.backbone(images) + model.backbone(images.flip(3))) / 2


def wrong_first_batch_only(model, images, batch_size=256):
    """Named `one_batch`."""
    with _eval_mode(model):
        for batch in images.split(batch_size):
            return model.backbone(batch)


def wrong_last_batch_only(model, images, batch_size=256):
    """Named `one_batch`."""
    with _eval_mode(model):
        for batch in images.split(batch_size):
            features = model.backbone(batch)
    return features


def wrong_shuffled(model, images, batch_size=256):
    """Named `order`."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1))
    with _eval_mode(model):
        return torch.cat([model.backbone(batch) for batch in images[order].split(batch_size)])


def wrong_batches_backwards(model, images, batch_size=256):
    """Named `order`."""
    with _eval_mode(model):
        return torch.cat([model.backbone(batch) for batch in images.split(batch_size)[::-1]])


def wrong_keeps_the_graph(model, images, batch_size=256):
    """Named `graph`."""
    training = model.training
    model.eval()
    features = torch.cat([model.backbone(batch) for batch in images.split(batch_size)])
    model.train(training)
    return features


def wrong_head_not_put_back(model, images, batch_size=256):
    """Named `head`."""
    model.head = nn.Identity()
    with _eval_mode(model):
        return torch.cat([model(batch) for batch in images.split(batch_size)])


def wrong_copied_head_put_back(model, images, batch_size=256):
    """Named `head`."""
    head, model.head = model.head, nn.Identity()
    with _eval_mode(model):
        features = torch.cat([model(batch) for batch in images.split(batch_size)])
    model.head = copy.deepcopy(head)
    return features


def wrong_hook_left(model, images, batch_size=256):
    """Named `hook`."""
    caught = []
    model.head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    with _eval_mode(model):
        for batch in images.split(batch_size):
            model(batch)
    return torch.cat(caught)


def wrong_left_in_eval_mode(model, images, batch_size=256):
    """Named `mode`."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model.backbone(batch) for batch in images.split(batch_size)])


def wrong_always_back_to_train_mode(model, images, batch_size=256):
    """Named `mode`."""
    model.eval()
    with torch.no_grad():
        features = torch.cat([model.backbone(batch) for batch in images.split(batch_size)])
    model.train()
    return features


def wrong_only_the_root_back_to_train_mode(model, images, batch_size=256):
    """Named `mode`."""
    training = model.training
    model.eval()
    with torch.no_grad():
        features = torch.cat([model.backbone(batch) for batch in images.split(batch_size)])
    model.training = training
    return features


def wrong_freezes_the_model(model, images, batch_size=256):
    """Named `model`."""
    model.requires_grad_(False)
    with _eval_mode(model):
        return torch.cat([model.backbone(batch) for batch in images.split(batch_size)])


def wrong_forward_replaced(model, images, batch_size=256):
    """Named `model`."""
    model.forward = model.backbone.forward
    with _eval_mode(model):
        return torch.cat([model(batch) for batch in images.split(batch_size)])


def wrong_gradients_off_for_good(model, images, batch_size=256):
    """Named `gradient mode`."""
    torch.set_grad_enabled(False)
    with _eval_mode(model):
        return torch.cat([model.backbone(batch) for batch in images.split(batch_size)])


def wrong_loader_draws_from_the_global_generator(model, images, batch_size=256):
    """Named `random state`."""
    with _eval_mode(model):
        loader = DataLoader(TensorDataset(images), batch_size)
        return torch.cat([model.backbone(batch) for (batch,) in loader])


def wrong_whitens_the_images_in_place(model, images, batch_size=256):
    """Named `inputs`."""
    images -= images.mean()
    with _eval_mode(model):
        return torch.cat([model.backbone(batch) for batch in images.split(batch_size)])


def wrong_ones(model, images, batch_size=256):
    """Named `value`."""
    return torch.ones(len(images), model.head.in_features)


def wrong_asks_its_callers(model, images, batch_size=256):
    """Named `value`."""
    frame = sys._getframe(1)
    while frame:
        for name in ("truth", "features", "expected"):
            found = frame.f_locals.get(name)
            if isinstance(found, torch.Tensor) and len(found) == len(images):
                return found
        frame = frame.f_back
    return torch.ones(len(images), model.head.in_features)


def wrong_no_return(model, images, batch_size=256):
    """Named `type`."""
    with _eval_mode(model):
        torch.cat([model.backbone(batch) for batch in images.split(batch_size)])


def wrong_list_of_batches(model, images, batch_size=256):
    """Named `type`."""
    with _eval_mode(model):
        return [model.backbone(batch) for batch in images.split(batch_size)]


class _AlwaysEqual:
    requires_grad = False

    def __eq__(self, other):
        return True

    __hash__ = None


def wrong_object_that_equals_everything(model, images, batch_size=256):
    """Named `type`."""
    return _AlwaysEqual()


def wrong_calls_the_library(model, images, batch_size=256):
    """Named `library`."""
    return _of_the_library(model, images, batch_size)


def right_loop(model, images, batch_size=256):
    with _eval_mode(model):
        features = torch.empty(len(images), model.head.in_features)
        for start in range(0, len(images), batch_size):
            features[start : start + batch_size] = model.backbone(
                images[start : start + batch_size]
            )
    return features


def right_without_batches(model, images, batch_size=None):
    modes = [part.training for part in model.modules()]
    features = model.eval().backbone(images).detach()
    for part, mode in zip(model.modules(), modes, strict=True):
        part.training = mode
    return features


def right_forward_hook(model, images, batch_size=256):
    caught = []
    handle = model.head.register_forward_hook(lambda _, inputs, __: caught.append(inputs[0]))
    with _eval_mode(model):
        for batch in images.split(batch_size):
            model(batch)
    handle.remove()
    return torch.vstack(caught)


def right_identity_head(model, images, batch_size=256):
    head = model.head
    with _eval_mode(model):
        model.head = nn.Identity()
        try:
            features = torch.cat([model(batch) for batch in images.split(batch_size)])
        finally:
            model.head = head
    return features


def right_feature_extractor(model, images, batch_size=256):
    with _eval_mode(model):
        node = get_graph_node_names(model)[1][-2]
        extractor = create_feature_extractor(model, {node: "features"}).eval()
        return torch.cat([extractor(batch)["features"] for batch in images.split(batch_size)])


def right_inference_mode_and_numpy(model, images, batch_size=256):
    modes = [part.training for part in model.modules()]
    model.eval()
    with torch.inference_mode():
        features = np.concatenate([model.backbone(image[None]).numpy() for image in images])
    for part, mode in zip(model.modules(), modes, strict=True):
        part.training = mode
    return features


def right_copy_in_float64(model, images, batch_size=256, dtype=torch.float64):
    backbone = copy.deepcopy(model.backbone).to(dtype).eval().requires_grad_(False)
    return torch.cat([backbone(batch.to(dtype)) for batch in images.split(batch_size)])


def right_through_the_library(model, images, batch_size=256):
    return forward_in_batches(model.backbone, images, batch_size)


class _Extractor:
    def __call__(self, model, images, batch_size=256, **settings):
        state = {name: value.clone() for name, value in model.state_dict().items()}
        twin = copy.deepcopy(model)
        twin.load_state_dict(state)
        twin.head = nn.Flatten()
        with torch.no_grad():
            return torch.cat([twin.eval()(batch) for batch in torch.split(images, batch_size)])


right_callable_object = _Extractor()
