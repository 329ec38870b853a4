"""Answers to `transfer_encoder`."""

import copy

import torch

from course_lib.dense.encoder import transfer_encoder as _of_the_library


def _fits(encoder, segmenter):
    source, target = encoder.state_dict(), segmenter.encoder.state_dict()
    if source.keys() != target.keys():
        raise ValueError("The encoders have tensors of different names.")
    if any(source[name].shape != target[name].shape for name in source):
        raise ValueError("The encoders have tensors of different shapes.")
    return source


def wrong_not_strict_into_the_segmenter(encoder, segmenter):
    """Named `nothing_loaded`."""
    state = encoder.state_dict()
    segmenter.load_state_dict({f"backbone.{name}": v for name, v in state.items()}, strict=False)
    return list(state)


def wrong_not_strict_without_the_prefix(encoder, segmenter):
    """Named `nothing_loaded`."""
    segmenter.load_state_dict(encoder.state_dict(), strict=False)
    return list(encoder.state_dict())


def wrong_names_filtered_away(encoder, segmenter):
    """Named `nothing_loaded`."""
    own = segmenter.state_dict()
    fitting = {name: v for name, v in encoder.state_dict().items() if name in own}
    own.update(fitting)
    segmenter.load_state_dict(own)
    return list(encoder.state_dict())


def wrong_into_a_copy(encoder, segmenter):
    """Named `nothing_loaded`."""
    state = _fits(encoder, segmenter)
    copy.deepcopy(segmenter).encoder.load_state_dict(state)
    return list(state)


def wrong_parameters_only(encoder, segmenter):
    """Named `buffers_skipped`."""
    state = _fits(encoder, segmenter)
    own = dict(segmenter.encoder.named_parameters())
    with torch.no_grad():
        for name, value in encoder.named_parameters():
            own[name].copy_(value)
    return list(state)


def wrong_not_strict_with_parameters(encoder, segmenter):
    """Named `buffers_skipped`."""
    state = _fits(encoder, segmenter)
    segmenter.encoder.load_state_dict(dict(encoder.named_parameters()), strict=False)
    return list(state)


def wrong_floating_tensors_only(encoder, segmenter):
    """Named `counter`."""
    state = _fits(encoder, segmenter)
    segmenter.encoder.load_state_dict(
        {name: v for name, v in state.items() if v.is_floating_point()}, strict=False
    )
    return list(state)


def wrong_in_step(encoder, segmenter):
    """Named `by_position`."""
    state = _fits(encoder, segmenter)
    with torch.no_grad():
        for a, b in zip(state.values(), segmenter.encoder.state_dict().values(), strict=True):
            b.copy_(a)
    return list(state)


def wrong_modules_in_step(encoder, segmenter):
    """Named `by_position`."""
    state = _fits(encoder, segmenter)
    for a, b in zip(encoder.modules(), segmenter.encoder.modules(), strict=True):
        if not list(a.children()):
            b.load_state_dict(a.state_dict())
    return list(state)


def wrong_without_biases(encoder, segmenter):
    """Named `values`."""
    state = _fits(encoder, segmenter)
    segmenter.encoder.load_state_dict(
        {name: v for name, v in state.items() if not name.endswith("bias")}, strict=False
    )
    return list(state)


def wrong_averaged(encoder, segmenter):
    """Named `values`."""
    state, own = _fits(encoder, segmenter), segmenter.encoder.state_dict()
    with torch.no_grad():
        for name, value in own.items():
            value.copy_((value + state[name]) / 2)
    return list(state)


def wrong_every_name_with_that_end(encoder, segmenter):
    """Named `decoder`."""
    state = _fits(encoder, segmenter)
    with torch.no_grad():
        for name, value in segmenter.state_dict().items():
            for end, pretrained in state.items():
                if name.endswith(f".{end}"):
                    value.copy_(pretrained)
    return list(state)


def wrong_decoder_reset(encoder, segmenter):
    """Named `decoder`."""
    state = _fits(encoder, segmenter)
    segmenter.encoder.load_state_dict(state)
    with torch.no_grad():
        for parameter in segmenter.decoder.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(0))
    return list(state)


def wrong_layers_left_out(encoder, segmenter):
    """Named `layers`."""
    state = _fits(encoder, segmenter)
    segmenter.encoder = torch.nn.Sequential(*copy.deepcopy(encoder).children())
    return list(state)


def wrong_direction(encoder, segmenter):
    """Named `direction`."""
    state = _fits(encoder, segmenter)
    encoder.load_state_dict(segmenter.encoder.state_dict())
    return list(state)


def wrong_encoder_zeroed(encoder, segmenter):
    """Named `encoder_changed`."""
    state = _fits(encoder, segmenter)
    segmenter.encoder.load_state_dict(state)
    with torch.no_grad():
        for value in state.values():
            value.zero_()
    return list(state)


def wrong_the_very_same_module(encoder, segmenter):
    """Named `aliased`."""
    state = _fits(encoder, segmenter)
    segmenter.encoder = encoder
    return list(state)


def wrong_tensors_assigned(encoder, segmenter):
    """Named `aliased`."""
    state = _fits(encoder, segmenter)
    segmenter.encoder.load_state_dict(state, assign=True)
    return list(state)


def wrong_data_handed_over(encoder, segmenter):
    """Named `aliased`."""
    state = _fits(encoder, segmenter)
    segmenter.encoder.load_state_dict(state)
    own = dict(segmenter.encoder.named_parameters())
    for name, parameter in encoder.named_parameters():
        own[name].data = parameter.data
    return list(state)


def wrong_frozen_too(encoder, segmenter):
    """Named `not_trainable`."""
    state = _fits(encoder, segmenter)
    segmenter.encoder.load_state_dict(state)
    segmenter.encoder.requires_grad_(False)
    return list(state)


def wrong_by_way_of_float32(encoder, segmenter):
    """Named `values`."""
    state = _fits(encoder, segmenter)
    segmenter.encoder.load_state_dict(
        {name: v.float() if v.is_floating_point() else v for name, v in state.items()}
    )
    return list(state)


def wrong_ready_for_use(encoder, segmenter):
    """Named `mode`."""
    state = _fits(encoder.eval(), segmenter)
    segmenter.encoder.load_state_dict(state)
    return list(state)


def wrong_ready_for_training(encoder, segmenter):
    """Named `mode`."""
    segmenter.encoder.load_state_dict(_fits(encoder, segmenter))
    segmenter.train()
    return list(encoder.state_dict())


def wrong_names_with_a_prefix(encoder, segmenter):
    """Named `prefix`."""
    state = _fits(encoder, segmenter)
    segmenter.encoder.load_state_dict(state)
    return [f"encoder.{name}" for name in state]


def wrong_names_of_parameters(encoder, segmenter):
    """Named `names`."""
    segmenter.encoder.load_state_dict(_fits(encoder, segmenter))
    return [name for name, _ in encoder.named_parameters()]


def wrong_names_that_were_missing(encoder, segmenter):
    """Named `names`."""
    return segmenter.encoder.load_state_dict(_fits(encoder, segmenter)).missing_keys


def wrong_returns_the_segmenter(encoder, segmenter):
    """Named `type`."""
    segmenter.encoder.load_state_dict(_fits(encoder, segmenter))
    return segmenter


def wrong_passes_over_other_names(encoder, segmenter):
    """Named `mismatch`."""
    state, own = encoder.state_dict(), segmenter.encoder.state_dict()
    fitting = {name: v for name, v in state.items() if name in own}
    if any(own[name].shape != v.shape for name, v in fitting.items()):
        raise ValueError("The encoders have tensors of different shapes.")
    segmenter.encoder.load_state_dict(fitting, strict=False)
    return list(state)


def wrong_runtime_error_of_pytorch(encoder, segmenter):
    """Named `mismatch`."""
    segmenter.encoder.load_state_dict(encoder.state_dict())
    return list(encoder.state_dict())


def wrong_only_missing_names_are_refused(encoder, segmenter):
    """Named `mismatch`."""
    state, own = encoder.state_dict(), segmenter.encoder.state_dict()
    if any(name not in own or own[name].shape != v.shape for name, v in state.items()):
        raise ValueError("A tensor of the encoder does not fit the segmenter.")
    segmenter.encoder.load_state_dict(state, strict=False)
    return list(state)


def wrong_passes_over_other_shapes(encoder, segmenter):
    """Named `shape_mismatch`."""
    state, own = encoder.state_dict(), segmenter.encoder.state_dict()
    if state.keys() != own.keys():
        raise ValueError("The encoders have tensors of different names.")
    fitting = {name: v for name, v in state.items() if own[name].shape == v.shape}
    segmenter.encoder.load_state_dict(fitting, strict=False)
    return list(state)


def wrong_checks_while_copying(encoder, segmenter):
    """Named `half_copied`."""
    own = segmenter.encoder.state_dict()
    with torch.no_grad():
        for name, value in encoder.state_dict().items():
            if name not in own or own[name].shape != value.shape:
                raise ValueError(f"There is no place for {name} in the segmenter.")
            own[name].copy_(value)
    if own.keys() != encoder.state_dict().keys():
        raise ValueError("The segmenter's encoder has layers of its own.")
    return list(own)


def wrong_other_error_afterwards(encoder, segmenter):
    """Named `half_copied`."""
    try:
        segmenter.encoder.load_state_dict(encoder.state_dict())
    except RuntimeError as error:
        raise ValueError(f"The encoders differ: {error}") from None
    return list(encoder.state_dict())


def wrong_calls_the_library(encoder, segmenter):
    """Named `library`."""
    return _of_the_library(encoder, segmenter)


def right_checked_then_loaded(encoder, segmenter):
    state = _fits(encoder, segmenter)
    segmenter.encoder.load_state_dict(state)
    return list(state)


def right_tensor_by_tensor(encoder, segmenter):
    source, target = encoder.state_dict(), segmenter.encoder.state_dict()
    if set(source) != set(target):
        raise ValueError(f"These names are on one side only: {set(source) ^ set(target)}.")
    for name in source:
        if source[name].shape != target[name].shape:
            raise ValueError(f"The shapes of {name} differ between the two.")
    with torch.no_grad():
        for name, value in source.items():
            target[name].copy_(value)
    return sorted(source)


def right_with_the_prefix_into_the_whole(encoder, segmenter):
    state = _fits(encoder, segmenter)
    prefixed = {f"encoder.{name}": value for name, value in state.items()}
    keys = segmenter.load_state_dict(prefixed, strict=False)
    assert not keys.unexpected_keys
    return [name.removeprefix("encoder.") for name in prefixed]


def right_replaced_by_a_copy(encoder, segmenter):
    names = set(_fits(encoder, segmenter))
    segmenter.encoder = copy.deepcopy(encoder)
    return names


def right_new_parameters(encoder, segmenter):
    state = {name: value.clone() for name, value in _fits(encoder, segmenter).items()}
    segmenter.encoder.load_state_dict(state, assign=True)
    segmenter.encoder.requires_grad_(True)
    return tuple(state)


def right_parameters_and_buffers_apart(encoder, segmenter):
    _fits(encoder, segmenter)
    copied = []
    for kind in ("named_parameters", "named_buffers"):
        own = dict(getattr(segmenter.encoder, kind)())
        for name, value in getattr(encoder, kind)():
            own[name].data.copy_(value.data)
            copied.append(name)
    return copied


def right_tried_on_a_copy_first(encoder, segmenter):
    trial = copy.deepcopy(segmenter.encoder)
    try:
        trial.load_state_dict(encoder.state_dict())
    except RuntimeError as error:
        raise ValueError(f"Nothing was copied: {error}") from error
    segmenter.encoder.load_state_dict(encoder.state_dict())
    return list(encoder.state_dict().keys())
