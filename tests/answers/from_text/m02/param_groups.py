import math


def _groups(parts, weight_decay, decays=lambda p: p.ndim >= 2):
    """parts: (parameters, rate) in any order."""
    groups = []
    for parameters, lr in parts:
        parameters = [p for p in parameters if p.requires_grad]
        for decayed in (True, False):
            chosen = [p for p in parameters if decays(p) == decayed]
            if chosen:
                groups.append(
                    {"params": chosen, "lr": lr, "weight_decay": weight_decay if decayed else 0.0}
                )
    return groups


def wrong_last_block_like_the_head(model, head_lr, layer_decay, weight_decay):
    """Gives the last block the head's own rate and begins to decay below it; contradicts "the last
    block lies one step below the head" and the exponent L - i + 1.

    Named `off_by_one`.
    """
    blocks = list(model.backbone.blocks)
    parts = [(model.head.parameters(), head_lr)]
    for i, block in enumerate(blocks, start=1):
        parts.append((block.parameters(), head_lr * layer_decay ** (len(blocks) - i)))
    return _groups(parts, weight_decay)


def wrong_exempts_by_name(model, head_lr, layer_decay, weight_decay):
    """Exempts what is called "bias" and forgets the scales of batch-norm, whose name is "weight";
    contradicts "parameters with ndim < 2 get no decay".

    Named `by_name`.
    """
    blocks = list(model.backbone.blocks)
    parts = [(model.head, head_lr)]
    for i, block in enumerate(blocks, start=1):
        parts.append((block, head_lr * layer_decay ** (len(blocks) - i + 1)))
    groups = []
    for part, lr in parts:
        for is_bias in (False, True):
            chosen = [
                p
                for name, p in part.named_parameters()
                if p.requires_grad and name.endswith("bias") == is_bias
            ]
            if chosen:
                decay = 0.0 if is_bias else weight_decay
                groups.append({"params": chosen, "lr": lr, "weight_decay": decay})
    return groups


def wrong_filters_only(model, head_lr, layer_decay, weight_decay):
    """Thinks that weight decay is for filters alone and exempts matrices such as the head's;
    contradicts "exempts everything with fewer than two dimensions", and a matrix has two.

    Named `decay`.
    """
    blocks = list(model.backbone.blocks)
    parts = [(model.head.parameters(), head_lr)]
    for i, block in enumerate(blocks, start=1):
        parts.append((block.parameters(), head_lr * layer_decay ** (len(blocks) - i + 1)))
    return _groups(parts, weight_decay, decays=lambda p: p.ndim > 2)


def wrong_four_blocks(model, head_lr, layer_decay, weight_decay):
    """Thinks that each backbone has four blocks like the shipped one; contradicts "block i of L
    ... head_lr * layer_decay ** (L - i + 1)".

    Named `off_by_one`.
    """
    parts = [(model.head.parameters(), head_lr)]
    for i, block in enumerate(model.backbone.blocks, start=1):
        parts.append((block.parameters(), head_lr * layer_decay ** (4 - i + 1)))
    return _groups(parts, weight_decay)


def wrong_counts_open_blocks(model, head_lr, layer_decay, weight_decay):
    """Numbers only the blocks that train, so that a frozen block costs no step; contradicts "block
    i of L (i = 1 at the input)", where L counts all blocks.

    Named `open_blocks`.
    """
    parts, lr = [(model.head.parameters(), head_lr)], head_lr
    for block in reversed(list(model.backbone.blocks)):
        if any(p.requires_grad for p in block.parameters()):
            lr = lr * layer_decay
            parts.append((block.parameters(), lr))
    return _groups(parts, weight_decay)


def wrong_two_groups_for_each(model, head_lr, layer_decay, weight_decay):
    """Makes two groups for each part whether or not anything is in them; contradicts "no group is
    empty".

    Named `empty`.
    """
    blocks = list(model.backbone.blocks)
    parts = [(model.head, head_lr)]
    for i, block in enumerate(blocks, start=1):
        parts.append((block, head_lr * layer_decay ** (len(blocks) - i + 1)))
    groups = []
    for part, lr in parts:
        open_ones = [p for p in part.parameters() if p.requires_grad]
        many = [p for p in open_ones if p.ndim >= 2]
        few = [p for p in open_ones if p.ndim < 2]
        groups.append({"params": many, "lr": lr, "weight_decay": weight_decay})
        groups.append({"params": few, "lr": lr, "weight_decay": 0.0})
    return groups


def right_one_each(model, head_lr, layer_decay, weight_decay):
    """A group of its own for each parameter, input first."""

    def of(part, lr):
        return [
            {"params": [p], "lr": lr, "weight_decay": weight_decay * (p.dim() > 1)}
            for p in part.parameters()
            if p.requires_grad
        ]

    def below(blocks, power):
        if not blocks:
            return []
        lr = head_lr * math.pow(layer_decay, power)
        return below(blocks[:-1], power + 1) + of(blocks[-1], lr)

    return below(list(model.backbone.blocks), 1) + of(model.head, head_lr)


def right_merged(model, head_lr, layer_decay, weight_decay):
    """One dict of (rate, decay) to parameters: parts that share both share a group."""
    steps = {id(p): 0 for p in model.head.parameters()}
    for step, block in enumerate(reversed(list(model.backbone.blocks)), start=1):
        for p in block.parameters():
            steps[id(p)] = step
    merged = {}
    for p in model.parameters():
        if p.requires_grad:
            decay = weight_decay if len(p.shape) >= 2 else 0.0
            merged.setdefault((head_lr * layer_decay ** steps[id(p)], decay), []).append(p)
    return [dict(params=ps, lr=lr, weight_decay=wd) for (lr, wd), ps in merged.items()]
