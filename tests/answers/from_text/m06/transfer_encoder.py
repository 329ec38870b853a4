import io

import numpy as np
import torch


def wrong_counters_skipped(encoder, segmenter):
    """Takes only numbers with a point for weights and leaves num_batches_tracked out, against
    "Every parameter and every buffer".

    Named `counter`.
    """
    source, target = encoder.state_dict(), segmenter.encoder.state_dict()
    if set(source) != set(target):
        raise ValueError(f"Names on one side only: {sorted(set(source) ^ set(target))}.")
    for name, value in source.items():
        if value.shape != target[name].shape:
            raise ValueError(f"The shapes of {name} differ.")
    for name, value in source.items():
        if value.is_floating_point():
            target[name].copy_(value)
    return list(source)


def wrong_paired_by_position(encoder, segmenter):
    """Compares the names as a set but then pairs the tensors in their order, against "Copy encoder
    into segmenter.encoder by name" and "Only the name says which layer is which".

    Named `by_position`.
    """
    source, target = encoder.state_dict(), segmenter.encoder.state_dict()
    if set(source) != set(target):
        raise ValueError(f"Names on one side only: {sorted(set(source) ^ set(target))}.")
    pairs = list(zip(source.values(), target.values(), strict=False))
    if any(new.shape != old.shape for new, old in pairs):
        raise ValueError("A shape differs between the encoder and the segmenter.")
    with torch.no_grad():
        for new, old in pairs:
            old.copy_(new)
    return list(source)


def wrong_assigned(encoder, segmenter):
    """Believes that a state_dict is a copy and puts its tensors in, against "afterwards the two
    share no memory".

    Named `aliased`.
    """
    source, target = encoder.state_dict(), segmenter.encoder.state_dict()
    if set(source) != set(target):
        raise ValueError(f"Names on one side only: {sorted(set(source) ^ set(target))}.")
    for name in source:
        if source[name].shape != target[name].shape:
            raise ValueError(f"The shapes of {name} differ.")
    segmenter.encoder.load_state_dict(source, assign=True)
    return list(source)


def wrong_shape_noticed_on_the_way(encoder, segmenter):
    """Lets load_state_dict find the wrong shape, which copies all that fits before it complains,
    against "raise a ValueError before anything has been copied".

    Named `half_copied`.
    """
    source = encoder.state_dict()
    strangers = set(source) ^ set(segmenter.encoder.state_dict())
    if strangers:
        raise ValueError(f"Names on one side only: {sorted(strangers)}.")
    try:
        segmenter.encoder.load_state_dict(source)
    except RuntimeError as error:
        raise ValueError(f"The encoder does not fit: {error}") from error
    return list(source)


def wrong_unfilled_names_allowed(encoder, segmenter):
    """Asks only whether each weight finds its place, not whether each place gets a weight, against
    "A name on one side only ... is a ValueError".

    Named `mismatch`.
    """
    source, target = encoder.state_dict(), segmenter.encoder.state_dict()
    for name, value in source.items():
        if name not in target:
            raise ValueError(f"The segmenter's encoder has no {name}.")
        if target[name].shape != value.shape:
            raise ValueError(f"The shapes of {name} differ.")
    for name, value in source.items():
        target[name].copy_(value)
    return list(source)


def wrong_reshaped_to_fit(encoder, segmenter):
    """Compares how many numbers a tensor has and views them in the other shape, against "a shape
    that differs, is a ValueError".

    Named `shape_mismatch`.
    """
    source, target = encoder.state_dict(), segmenter.encoder.state_dict()
    if source.keys() != target.keys():
        raise ValueError(f"Names on one side only: {sorted(set(source) ^ set(target))}.")
    for name, value in source.items():
        if value.numel() != target[name].numel():
            raise ValueError(f"{name} has another size in the segmenter.")
    with torch.no_grad():
        for name, value in source.items():
            target[name].copy_(value.reshape(target[name].shape))
    return list(source)


def right_through_a_file(encoder, segmenter):
    """Checks all, then saves to memory and loads a copy that shares nothing."""
    here = {name: tuple(t.shape) for name, t in encoder.state_dict().items()}
    there = {name: tuple(t.shape) for name, t in segmenter.encoder.state_dict().items()}
    if here != there:
        differ = sorted(name for name, _ in set(here.items()) ^ set(there.items()))
        raise ValueError(f"These names do not fit, or their shapes do not: {', '.join(differ)}.")
    file = io.BytesIO()
    torch.save(encoder.state_dict(), file)
    file.seek(0)
    segmenter.encoder.load_state_dict(torch.load(file, weights_only=True))
    return list(here)


def right_numpy_loop(encoder, segmenter, *, order=sorted):
    """Walks over parameters and buffers, through NumPy, in alphabetical order of the names."""
    place = segmenter.encoder.state_dict()  # detached, but the memory of the segmenter itself
    plan, rest = [], set(place)
    for name, value in encoder.state_dict().items():
        if name not in rest:
            raise ValueError(f"The segmenter's encoder knows no {name!r}; nothing was copied.")
        rest.remove(name)
        if list(value.shape) != list(place[name].shape):
            raise ValueError(f"{name!r} has two different shapes; nothing was copied.")
        plan.append((name, np.array(value.detach().cpu().numpy(), copy=True)))
    if rest:
        raise ValueError(f"The encoder has no {rest.pop()!r}; nothing was copied.")
    while plan:
        name, numbers = plan.pop()
        place[name][...] = torch.from_numpy(numbers).to(place[name].device)
    return order(encoder.state_dict())
