from course_lib.transfer.freeze import freeze, thaw


def _check(model, stage):
    n = len(model.backbone.blocks)
    if not 0 <= stage <= n:
        raise ValueError(f"Stage {stage} does not exist: the backbone has {n} blocks.")
    return n


def _tell(model, optimizer, **options):
    """Put every trainable parameter that no group holds into one new group."""
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    if new:
        optimizer.add_param_group({"params": new, **options})
    return optimizer


def wrong_rate_by_default(model, optimizer, stage):
    """Lets add_param_group fill in the rate, which is the one of the optimiser's birth;
    contradicts "new groups get the rate of param_groups[0]" after that rate was changed or differs
    from the default.

    Named `rate`.
    """
    n = _check(model, stage)
    thaw(model)
    for block in list(model.backbone.blocks)[: n - stage]:
        freeze(block)
    return _tell(model, optimizer)


def wrong_shuts_by_flags(model, optimizer, stage):
    """Shuts blocks by requires_grad False and eval() once, so that old gradients stay and train()
    undoes it; contradicts "shut the blocks before them as thoroughly as freeze of module 01 does".

    Named `batchnorm`.
    """
    n = _check(model, stage)
    thaw(model)
    for block in list(model.backbone.blocks)[: n - stage]:
        for p in block.parameters():
            p.requires_grad_(False)
        block.eval()
    return _tell(model, optimizer, lr=optimizer.param_groups[0]["lr"])


def wrong_only_ever_opens(model, optimizer, stage):
    """Thinks that stages only go up, shuts the blocks once at stage 0 and never again; contradicts
    "any stage may follow any other" and "freeze the rest for good".

    Named `still_open`.
    """
    n = _check(model, stage)
    blocks = list(model.backbone.blocks)
    if stage == 0:
        for block in blocks:
            freeze(block)
    for block in blocks[n - stage :]:
        thaw(block)
    thaw(model.head)
    return _tell(model, optimizer, lr=optimizer.param_groups[0]["lr"])


def wrong_last_zero_blocks(model, optimizer, stage):
    """Takes blocks[-stage:] for the last `stage` blocks, which for 0 are all of them; contradicts
    "stage 0 opens the head only".

    Named `all_open`.
    """
    _check(model, stage)
    blocks = list(model.backbone.blocks)
    thaw(model)
    for block in blocks:
        freeze(block)
    for block in blocks[-stage:]:
        thaw(block)
    return _tell(model, optimizer, lr=optimizer.param_groups[0]["lr"])


def wrong_more_than_all_is_all(model, optimizer, stage):
    """Takes a stage beyond the last block for the last one; contradicts "beyond L a ValueError
    with a sentence".

    Named `too_far`.
    """
    blocks = list(model.backbone.blocks)
    thaw(model)
    for block in blocks[: max(len(blocks) - stage, 0)]:
        freeze(block)
    return _tell(model, optimizer, lr=optimizer.param_groups[0]["lr"])


def wrong_head_is_open_anyway(model, optimizer, stage):
    """Thinks that the head is always open and held already, and looks after the blocks alone;
    contradicts "open the head and the last `stage` blocks ... each trainable parameter is in
    exactly one group".

    Named `head_shut`.
    """
    n = _check(model, stage)
    thaw(model.backbone)
    for block in list(model.backbone.blocks)[: n - stage]:
        freeze(block)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    new = [p for p in model.backbone.parameters() if p.requires_grad and id(p) not in held]
    if new:
        optimizer.add_param_group({"params": new, "lr": optimizer.param_groups[0]["lr"]})
    return optimizer


def right_one_group_per_newcomer(model, optimizer, stage):
    """Forget the momentum of what is shut, leave the groups, add one group for each newcomer."""
    blocks = list(model.backbone.blocks)
    if stage < 0 or stage > len(blocks):
        raise ValueError(f"There are {len(blocks)} blocks, so there is no stage {stage}.")
    modes = {part: part.training for part in model.modules()}
    thaw(model)
    rate, groups = optimizer.param_groups[0]["lr"], optimizer.param_groups
    for i, block in enumerate(blocks):
        if i < len(blocks) - stage:
            freeze(block)
            for part in block.modules():
                modes.pop(part, None)
            for p in block.parameters():
                optimizer.state.pop(p, None)
    for part, mode in modes.items():
        part.training = mode
    for p in model.parameters():
        if p.requires_grad and not any(p is q for group in groups for q in group["params"]):
            optimizer.add_param_group({"params": [p], "lr": rate})
    return optimizer


def right_groups_made_anew(model, optimizer, stage):
    """Empty the optimiser and fill it again: old groups first, then the newcomers."""
    n = len(model.backbone.blocks)
    if stage not in range(n + 1):
        raise ValueError(f"The stage must be one of 0 to {n}, but it is {stage}.")
    modes = [(part, part.training) for part in model.modules()]
    thaw(model)
    for part, mode in modes:
        part.training = mode
    for block in list(model.backbone.blocks)[: n - stage]:
        freeze(block)
    wanted = {id(p): p for p in model.parameters() if p.requires_grad}
    old = list(optimizer.param_groups)
    first = {name: value for name, value in old[0].items() if name not in ("params", "param_names")}
    optimizer.param_groups.clear()
    optimizer.state.clear()
    for group in old:
        options = {k: v for k, v in group.items() if k not in ("params", "param_names")}
        params = [wanted.pop(id(p)) for p in group["params"] if id(p) in wanted]
        if params:
            optimizer.add_param_group({**options, "params": params})
    if wanted:
        optimizer.add_param_group({**first, "params": list(wanted.values())})
    return optimizer
