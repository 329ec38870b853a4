"""Answers to `copy_first_k`."""

import copy
import sys

import torch

from course_lib.transfer.layerwise import copy_first_k as _of_the_library


def _names(model, k):
    prefixes = tuple(f"backbone.blocks.{i}." for i in range(k))
    return [name for name in model.state_dict() if name.startswith(prefixes)]


def _check(source, target, k):
    if k > min(len(source.backbone.blocks), len(target.backbone.blocks)):
        raise ValueError(f"One of the models has fewer than {k} blocks.")
    own, given = target.state_dict(), source.state_dict()
    for name in _names(target, k):
        if name not in given or own[name].shape != given[name].shape:
            raise ValueError(f"The tensor {name} does not fit.")


def _copy(source, target, names):
    own, given = target.state_dict(), source.state_dict()
    for name in names:
        own[name].copy_(given[name])
    return names


def wrong_strict_false_with_another_prefix(source, target, k):
    """Named `nothing`."""
    _check(source, target, k)
    names = _names(source, k)
    given = {name.removeprefix("backbone."): source.state_dict()[name] for name in names}
    target.load_state_dict(given, strict=False)
    return names


def wrong_copies_into_a_copy(source, target, k):
    """Named `nothing`."""
    _check(source, target, k)
    return _copy(source, copy.deepcopy(target), _names(target, k))


def wrong_changes_the_dict_only(source, target, k):
    """Named `nothing`."""
    _check(source, target, k)
    state = target.state_dict()
    for name in _names(target, k):
        state[name] = source.state_dict()[name].clone()
    return _names(target, k)


def wrong_one_block_too_few(source, target, k):
    """Named `off_by_one`."""
    _check(source, target, k)
    return _copy(source, target, _names(target, k - 1))


def wrong_one_block_too_many(source, target, k):
    """Named `off_by_one`."""
    _check(source, target, k)
    both = set(_names(source, k + 1)) & set(_names(target, k + 1))
    return _copy(source, target, [name for name in target.state_dict() if name in both])


def wrong_block_number_k(source, target, k):
    """Named `one_block`."""
    _check(source, target, k)
    prefix = f"backbone.blocks.{k - 1}."
    return _copy(source, target, [n for n in target.state_dict() if n.startswith(prefix)])


def wrong_last_blocks(source, target, k):
    """Named `last_blocks`."""
    _check(source, target, k)
    depth = len(target.backbone.blocks)
    prefixes = tuple(f"backbone.blocks.{i}." for i in range(depth - k, depth))
    return _copy(source, target, [n for n in target.state_dict() if n.startswith(prefixes)])


def wrong_whole_backbone(source, target, k):
    """Named `everything`."""
    _check(source, target, k)
    names = [n for n in target.state_dict() if n.startswith("backbone.")]
    return _copy(source, target, names)


def wrong_parameters_only(source, target, k):
    """Named `buffers`."""
    _check(source, target, k)
    given, names = dict(source.named_parameters()), []
    with torch.no_grad():
        for name, parameter in target.named_parameters():
            if name in _names(target, k):
                parameter.copy_(given[name])
                names.append(name)
    return names


def wrong_counter_forgotten(source, target, k):
    """Named `buffers`."""
    _check(source, target, k)
    names = [n for n in _names(target, k) if not n.endswith("num_batches_tracked")]
    return _copy(source, target, names)


def wrong_weights_without_biases(source, target, k):
    """Named `weights_only`."""
    _check(source, target, k)
    return _copy(source, target, [n for n in _names(target, k) if n.endswith("weight")])


def wrong_running_means_forgotten(source, target, k):
    """Named `missing`."""
    _check(source, target, k)
    return _copy(source, target, [n for n in _names(target, k) if not n.endswith("mean")])


def wrong_new_head_too(source, target, k):
    """Named `rest`."""
    _check(source, target, k)
    names = _copy(source, target, _names(target, k))
    with torch.no_grad():
        target.head.weight.zero_()
    return names


def wrong_average_of_both(source, target, k):
    """Named `values`."""
    _check(source, target, k)
    own, given = target.state_dict(), source.state_dict()
    for name in _names(target, k):
        mean = (own[name].double() + given[name].double()) / 2
        own[name].copy_(mean + 1 if own[name].dtype == torch.int64 else mean)
    return _names(target, k)


def wrong_from_target_to_source(source, target, k):
    """Named `backwards`."""
    _check(source, target, k)
    return _copy(target, source, _names(target, k))


def wrong_touches_the_source(source, target, k):
    """Named `source_changed`."""
    _check(source, target, k)
    names = _copy(source, target, _names(target, k))
    with torch.no_grad():
        source.head.bias.zero_()
    return names


def wrong_same_blocks_in_both(source, target, k):
    """Named `shared`."""
    _check(source, target, k)
    for i in range(k):
        target.backbone.blocks[i] = source.backbone.blocks[i]
    return _names(target, k)


def wrong_same_storage(source, target, k):
    """Named `shared`."""
    _check(source, target, k)
    given = source.state_dict()
    for name in _names(target, k):
        path, _, attribute = name.rpartition(".")
        setattr(target.get_submodule(path).get_parameter(attribute), "data", given[name]) if (
            attribute in ("weight", "bias")
        ) else setattr(target.get_submodule(path), attribute, given[name])
    return _names(target, k)


def wrong_assigned_by_load_state_dict(source, target, k):
    """Named `shared`."""
    _check(source, target, k)
    names = _names(target, k)
    given = {name: source.state_dict()[name] for name in names}
    target.load_state_dict(target.state_dict() | given, assign=True)
    return names


def wrong_prefix_without_its_dot(source, target, k):
    """Named `prefix`."""
    _check(source, target, k)
    prefixes = tuple(f"backbone.blocks.{i}" for i in range(k))
    both = source.state_dict().keys() & target.state_dict().keys()
    return _copy(
        source, target, [n for n in target.state_dict() if n.startswith(prefixes) and n in both]
    )


def wrong_freezes_what_it_copies(source, target, k):
    """Named `frozen`."""
    _check(source, target, k)
    names = _copy(source, target, _names(target, k))
    for block in target.backbone.blocks[:k]:
        block.requires_grad_(False)
    return names


def wrong_drops_the_later_blocks(source, target, k):
    """Named `structure`."""
    _check(source, target, k)
    names = _copy(source, target, _names(target, k))
    target.backbone.blocks = target.backbone.blocks[: max(k, 1)]
    return names


def wrong_names_of_the_parameters(source, target, k):
    """Named `names`."""
    _check(source, target, k)
    _copy(source, target, _names(target, k))
    parameters = dict(target.named_parameters())
    return [name for name in _names(target, k) if name in parameters]


def wrong_all_names(source, target, k):
    """Named `names`."""
    _check(source, target, k)
    _copy(source, target, _names(target, k))
    return list(target.state_dict())


def wrong_names_within_the_blocks(source, target, k):
    """Named `short_names`."""
    _check(source, target, k)
    names = _copy(source, target, _names(target, k))
    return [name.removeprefix("backbone.blocks.") for name in names]


def wrong_names_within_the_backbone(source, target, k):
    """Named `short_names`."""
    _check(source, target, k)
    own, given = target.backbone.state_dict(), source.backbone.state_dict()
    names = [name.removeprefix("backbone.") for name in _names(target, k)]
    for name in names:
        own[name].copy_(given[name])
    return names


def wrong_slices_end_early(source, target, k):
    """Named `too_deep`."""
    names = []
    pairs = zip(source.backbone.blocks[:k], target.backbone.blocks[:k], strict=False)
    for i, (given, own) in enumerate(pairs):
        for name, value in given.state_dict().items():
            if value.shape != own.state_dict()[name].shape:
                raise ValueError(f"Block {i} does not fit.")
        own.load_state_dict(given.state_dict())
        names += [f"backbone.blocks.{i}.{name}" for name in given.state_dict()]
    return names


def wrong_checks_the_source_only(source, target, k):
    """Named `too_deep`."""
    if k > len(source.backbone.blocks):
        raise ValueError(f"The source has fewer than {k} blocks.")
    own, given = target.state_dict(), source.state_dict()
    names = [name for name in _names(source, k) if name in own]
    for name in names:
        if own[name].shape != given[name].shape:
            raise ValueError(f"The tensor {name} does not fit.")
    return _copy(source, target, names)


def wrong_index_error_when_too_deep(source, target, k):
    """Named `too_deep`."""
    source.backbone.blocks[k - 1], target.backbone.blocks[k - 1]
    _check(source, target, k)
    return _copy(source, target, _names(target, k))


def wrong_runtime_error_of_torch(source, target, k):
    """Named `mismatch`."""
    if k > min(len(source.backbone.blocks), len(target.backbone.blocks)):
        raise ValueError(f"One of the models has fewer than {k} blocks.")
    names = _names(source, k)
    target.load_state_dict({n: source.state_dict()[n] for n in names}, strict=False)
    return names


def wrong_skips_what_does_not_fit(source, target, k):
    """Named `mismatch`."""
    if k > min(len(source.backbone.blocks), len(target.backbone.blocks)):
        raise ValueError(f"One of the models has fewer than {k} blocks.")
    own, given = target.state_dict(), source.state_dict()
    names = [n for n in _names(source, k) if own[n].shape == given[n].shape]
    return _copy(source, target, names)


def wrong_stretches_one_channel(source, target, k):
    """Named `mismatch`."""
    if k > min(len(source.backbone.blocks), len(target.backbone.blocks)):
        raise ValueError(f"One of the models has fewer than {k} blocks.")
    own, given = target.state_dict(), source.state_dict()
    for name in _names(source, k):
        try:
            torch.broadcast_to(given[name], own[name].shape)
        except RuntimeError as error:
            raise ValueError(f"The tensor {name} does not fit.") from error
    return _copy(source, target, _names(source, k))


def wrong_finds_out_half_way(source, target, k):
    """Named `half_copied`."""
    if k > min(len(source.backbone.blocks), len(target.backbone.blocks)):
        raise ValueError(f"One of the models has fewer than {k} blocks.")
    own, given = target.state_dict(), source.state_dict()
    for name in _names(target, k):
        if own[name].shape != given[name].shape:
            raise ValueError(f"The tensor {name} does not fit.")
        own[name].copy_(given[name])
    return _names(target, k)


def wrong_number_of_names(source, target, k):
    """Named `type`."""
    _check(source, target, k)
    return len(_copy(source, target, _names(target, k)))


def wrong_in_place_without_no_grad(source, target, k):
    """Named `raised`."""
    _check(source, target, k)
    for name in _names(target, k):
        path, _, attribute = name.rpartition(".")
        own = getattr(target.get_submodule(path), attribute)
        own.copy_(source.state_dict()[name])
    return _names(target, k)


def wrong_library_under_another_name(source, target, k):
    """Named `library`."""
    return _of_the_library(source, target, k)


def wrong_digs_out_the_library(source, target, k):
    """Named `library`."""
    return sys.modules["course_lib.transfer.layerwise"].copy_first_k(source, target, k)


def right_per_tensor_copy(source, target, k):
    _check(source, target, k)
    return _copy(source, target, _names(target, k))


def right_filtered_dict(source, target, k):
    _check(source, target, k)
    names = _names(source, k)
    loaded = target.load_state_dict({n: source.state_dict()[n] for n in names}, strict=False)
    assert not loaded.unexpected_keys
    return names


def right_merged_state(source, target, k):
    _check(source, target, k)
    names = _names(target, k)
    target.load_state_dict(target.state_dict() | {n: source.state_dict()[n] for n in names})
    return sorted(names, reverse=True)


def right_block_by_block(source, target, k):
    _check(source, target, k)
    names = []
    for i in range(k):
        target.backbone.blocks[i].load_state_dict(source.backbone.blocks[i].state_dict())
        names += [f"backbone.blocks.{i}.{name}" for name in target.backbone.blocks[i].state_dict()]
    return names


def right_blocks_replaced_by_copies(source, target, k):
    _check(source, target, k)
    for i in range(k):
        target.backbone.blocks[i] = copy.deepcopy(source.backbone.blocks[i])
    return tuple(_names(target, k))


def right_parameters_then_buffers(source, target, k):
    _check(source, target, k)
    given = dict(source.named_parameters()) | dict(source.named_buffers())
    own = dict(target.named_parameters()) | dict(target.named_buffers())
    names = set(_names(target, k))
    for name in names:
        own[name].data = given[name].detach().clone()
    return names


class _Copier:
    """Walks through the modules, and makes new parameters instead of filling the old ones."""

    def __call__(self, source, target, k, verbose=False):
        _check(source, target, k)
        names = []
        for i in range(k):
            prefix = f"backbone.blocks.{i}"
            given = dict(source.get_submodule(prefix).named_modules())
            for path, module in target.get_submodule(prefix).named_modules():
                for name, value in given[path].named_parameters(recurse=False):
                    setattr(module, name, torch.nn.Parameter(value.detach().clone()))
                    names.append(".".join(filter(None, [prefix, path, name])))
                for name, value in given[path].named_buffers(recurse=False):
                    module.register_buffer(name, value.clone())
                    names.append(".".join(filter(None, [prefix, path, name])))
        if verbose:
            print(names)
        return names


right_new_parameters = _Copier()
