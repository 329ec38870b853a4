import copy

import torch


def _short(k, *models):
    if any(len(model.backbone.blocks) < k for model in models):
        raise ValueError(f"Both networks need at least {k} blocks.")


def _names(source, k):
    """Full names in the first k blocks, in order."""
    starts = tuple(f"backbone.blocks.{i}." for i in range(k))
    return [name for name in source.state_dict() if k and name.startswith(starts)]


def _same_shapes(source, target, names):
    a, b = source.state_dict(), target.state_dict()
    for name in names:
        if name not in b or a[name].shape != b[name].shape:
            raise ValueError(f"{name} does not fit into the target.")


def wrong_parameters_only_too(source, target, k):
    """Thinks that a block is its weights; contradicts "Parameters and buffers" ("Buffers belong to
    a block, too").

    Named `buffers`.
    """
    _short(k, source, target)
    names = _names(source, k)
    _same_shapes(source, target, names)
    a, b = dict(source.named_parameters()), dict(target.named_parameters())
    copied = [name for name in names if name in a]
    with torch.no_grad():
        for name in copied:
            b[name].copy_(a[name])
    return copied


def wrong_prefix_without_dot(source, target, k):
    """Thinks that names which start with "backbone.blocks.1" are those of block 1, but blocks 10
    to 19 are meant, too; contradicts "later blocks ... stay as they are".

    Named `prefix`.
    """
    _short(k, source, target)
    starts = tuple(f"backbone.blocks.{i}" for i in range(k))
    a, b = source.state_dict(), target.state_dict()
    names = [name for name in a if name.startswith(starts)]
    for name in names:
        if name not in b or a[name].shape != b[name].shape:
            raise ValueError(f"{name} does not fit into the target.")
    for name in names:
        b[name].copy_(a[name])
    return names


def wrong_half_done_when_refused(source, target, k):
    """Thinks that a refusal may come when the misfit is met, block after block; contradicts "is a
    ValueError with a sentence, and the target is unchanged".

    Named `half_copied`.
    """
    _short(k, source, target)
    copied = []
    for i in range(k):
        a = source.backbone.blocks[i].state_dict()
        b = target.backbone.blocks[i].state_dict()
        if {n: v.shape for n, v in a.items()} != {n: v.shape for n, v in b.items()}:
            raise ValueError(f"Block {i} has other shapes in the source than in the target.")
        for name, value in a.items():
            b[name].copy_(value)
            copied.append(f"backbone.blocks.{i}.{name}")
    return copied


def wrong_assigned(source, target, k):
    """Thinks that load_state_dict(assign=True) is the faster copy, although it makes both networks
    hold the same tensors; contradicts "Nothing is shared afterwards".

    Named `shared`.
    """
    _short(k, source, target)
    names = _names(source, k)
    _same_shapes(source, target, names)
    state = source.state_dict()
    target.load_state_dict({name: state[name] for name in names}, strict=False, assign=True)
    return names


def wrong_whole_networks_must_fit(source, target, k):
    """Thinks that networks must be alike all over before anything may be copied; contradicts
    "heads and later blocks may differ".

    Named `raised`.
    """
    _short(k, source, target)
    a, b = source.state_dict(), target.state_dict()
    if {n: v.shape for n, v in a.items()} != {n: v.shape for n, v in b.items()}:
        raise ValueError("Source and target are not the same kind of network.")
    names = _names(source, k)
    for name in names:
        b[name].copy_(a[name])
    return names


def wrong_copy_broadcasts(source, target, k):
    """Thinks that copy_ complains about every other shape, but it broadcasts where it can, such as
    one channel into three; contradicts "another shape inside the first k blocks is a ValueError".

    Named `mismatch`.
    """
    _short(k, source, target)
    names = _names(source, k)
    trial = copy.deepcopy(target)
    for network in (trial, target):
        a, b = source.state_dict(), network.state_dict()
        try:
            for name in names:
                b[name].copy_(a[name])
        except (KeyError, RuntimeError) as misfit:
            raise ValueError(f"The first {k} blocks do not fit: {misfit}") from misfit
    return names


def right_merged_state_too(source, target, k):
    """The target's own state with the first k blocks replaced, loaded strictly and at once."""
    a, b = list(source.backbone.blocks), list(target.backbone.blocks)
    if min(len(a), len(b)) < k:
        raise ValueError(f"Asked for {k} blocks, but there are {len(a)} and {len(b)}.")
    children = [name for name, _ in source.backbone.blocks.named_children()][:k]
    starts = [f"backbone.blocks.{name}." for name in children]
    theirs, own = source.state_dict(), target.state_dict()

    def inside(names):
        return {name for name in names if any(name.startswith(start) for start in starts)}

    names = inside(theirs)
    if names != inside(own):
        raise ValueError("The first blocks do not hold the same tensors.")
    merged = {}
    for name, value in own.items():
        if name in names:
            if theirs[name].shape != value.shape:
                raise ValueError(f"{name}: {tuple(theirs[name].shape)} is not {tuple(value.shape)}")
            merged[name] = theirs[name].detach().clone()
        else:
            merged[name] = value.detach().clone()
    if names:
        target.load_state_dict(merged, strict=True)
    return sorted(names, reverse=True)


def right_plan_then_fill(source, target, k):
    """First a plan of (name, from, to) triples, nothing touched; then every tensor is filled."""
    pairs = [list(model.backbone.blocks.named_children()) for model in (source, target)]
    for blocks in pairs:
        if len(blocks) < k:
            raise ValueError(f"There are only {len(blocks)} blocks, not {k}.")
    plan = []
    for (name, a), (_, b) in zip(pairs[0][:k], pairs[1][:k], strict=True):
        given, taken = a.state_dict(), b.state_dict()
        if sorted(given) != sorted(taken):
            raise ValueError(f"Block {name} holds other tensors in the target.")
        for key in given:
            if tuple(given[key].shape) != tuple(taken[key].shape):
                raise ValueError(f"{key} of block {name} has another shape in the target.")
            plan.append((f"backbone.blocks.{name}.{key}", given[key], taken[key]))
    with torch.no_grad():
        for _, value, place in plan:
            place[...] = value.to(device=place.device, dtype=place.dtype)
    return [name for name, _, _ in plan]
