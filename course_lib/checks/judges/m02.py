"""Judges of module 02: they know the truth and see only plain data."""

import math
from collections import Counter
from collections.abc import Callable

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.judges.reading import completed, describe, number, refused
from course_lib.checks.judges.specs import draw, random_model
from course_lib.checks.probes import m02 as probes
from course_lib.checks.probes.models import build, state_of
from course_lib.checks.run import Ask
from course_lib.checks.verdict import NotYet
from course_lib.transfer.rates import param_groups as _library_groups

# --- param_groups --------------------------------------------------------------------------------


def param_groups(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # Three blocks tell every formula from the others; then a model whose second block and part of
    # whose third are frozen, with the head registered before the backbone.
    rounds = [({"n_blocks": 3}, slice(0)), ({"n_blocks": 4, "head_first": True}, slice(4, 9))]
    if hard:
        rounds += [
            ({"n_blocks": 1, "channels": 3}, slice(0)),
            ({"n_blocks": 4, "dropout": True, "training": True}, slice(5)),
            ({"n_blocks": 2}, slice(-1)),  # all but one batch-norm shift, and the head
        ]
    for options, frozen in rounds:
        spec = random_model(rng, classes=3, **options)
        names = [name for name, _ in build(spec).named_parameters()]
        backbone = [name for name in names if name.startswith("backbone.")]
        inputs = {
            "model": spec,
            "frozen": backbone[frozen],
            "head_lr": 10 ** -(1 + float(torch.rand((), generator=rng))),
            "layer_decay": 0.3 + 0.4 * float(torch.rand((), generator=rng)),
            "weight_decay": 0.05 + 0.1 * float(torch.rand((), generator=rng)),
            "images": torch.rand(4, options.get("channels", 1), 12, 10, generator=rng),
            "labels": torch.randint(3, (4,), generator=rng),
        }
        _read_groups(ask(inputs), inputs, names)


def _read_groups(answer: dict, inputs: dict, names: list[str]) -> None:
    completed(answer)
    if not answer["is_list"]:
        seen = describe(answer["returned"])
        raise NotYet("type", expected="a list of dicts, one for each group", seen=seen)
    for name, value in inputs["model"]["state"].items():
        if not torch.equal(answer["before"].get(name, value[:0] if value.ndim else value), value):
            raise NotYet("changed", expected=f"{name} as it was", seen=f"another {name}")
    if not answer["flags"]:
        raise NotYet("changed", expected="`requires_grad` as it was", seen="changed flags")
    groups = answer["groups"] or []
    for i, group in enumerate(groups):
        if not group["complete"]:
            missing = [key for key in ("params", "lr", "weight_decay") if group[key] in (None, [])]
            seen = f"group {i} without {' and '.join(missing) or 'one of them'}"
            raise NotYet("states", expected="`params`, `lr` and `weight_decay` each", seen=seen)
        if not group["params"]:
            seen = f"group {i} holds no parameter"
            raise NotYet("empty", expected="at least one parameter in each group", seen=seen)
    _read_members(groups, inputs["frozen"], names)
    _read_numbers(groups, inputs)
    truth = probes.param_groups(_library_groups, inputs)["after"]
    after = answer.get("after", {})
    for name, value in truth.items():
        seen = after.get(name)
        # One float32 step, computed in the same way: some 1e-7.
        if seen is None or not torch.allclose(seen, value, rtol=1e-4, atol=1e-6):
            raise NotYet("step", expected=f"{name} after one step", seen=f"another {name}")


def _read_members(groups: list[dict], frozen: list[str], names: list[str]) -> None:
    members = [name for group in groups for name in group["params"]]
    trainable = [name for name in names if name not in frozen]
    if "" in members:
        seen = "something else in a group: a name, a copy or a module"
        raise NotYet("stranger", expected="the model's own parameters", seen=seen)
    caught = [name for name in members if name in frozen]
    if caught:
        seen = f"{caught[0]}, which is frozen"
        raise NotYet("frozen", expected="trainable parameters only", seen=seen)
    missing = [name for name in trainable if name not in members]
    if missing:
        key = "no_head" if all(name.startswith("head.") for name in missing) else "missing"
        seen = f"{len(missing)} in none, such as {missing[0]}"
        raise NotYet(key, expected=f"all {len(trainable)} trainable parameters", seen=seen)
    twice = [name for name, times in Counter(members).items() if times > 1]
    if twice:
        seen = f"{twice[0]} more than once"
        raise NotYet("twice", expected="each parameter once", seen=seen)


def _read_numbers(groups: list[dict], inputs: dict) -> None:
    lr, decay = inputs["head_lr"], inputs["layer_decay"]
    n_blocks = len(inputs["model"]["blocks"])
    shapes = {name: value.ndim for name, value in inputs["model"]["state"].items()}
    rates, decays, blocks = {}, {}, {}
    for group in groups:
        for name in group["params"]:
            rates[name] = number(group["lr"], expected="a learning rate in each group")
            decays[name] = number(group["weight_decay"], expected="a weight decay in each group")
            # n_blocks + 1 is the head
            blocks[name] = n_blocks + 1 if name.startswith("head.") else int(name.split(".")[2]) + 1

    def gives(formula) -> bool:
        return all(math.isclose(rates[n], formula(i), rel_tol=1e-6) for n, i in blocks.items())

    def truth(i: int) -> float:
        return lr * decay ** (n_blocks - i + 1)

    if not gives(truth):
        head = n_blocks + 1
        slips = {
            "one_rate": lambda i: lr,
            "two_rates": lambda i: lr if i == head else lr * decay,
            "upside_down": lambda i: lr if i == head else lr * decay**i,
            "upside_down_0": lambda i: lr if i == head else lr * decay ** (i - 1),
            "off_by_one": lambda i: lr if i == head else lr * decay ** (n_blocks - i),
            "off_by_two": lambda i: lr if i == head else lr * decay ** (n_blocks - i + 2),
            "head_too": lambda i: lr * decay ** (n_blocks - i + 2),
            "above_head": lambda i: lr / decay ** (n_blocks - i + 1),
            "linear": lambda i: lr if i == head else lr * decay * (n_blocks - i + 1),
            "linear_share": lambda i: lr if i == head else lr * i / head,
            "open_blocks": lambda i: lr * decay ** sum(j > i for j in set(blocks.values())),
        }
        key = next((key for key, formula in slips.items() if gives(formula)), "rate")
        key = {"upside_down_0": "upside_down", "off_by_two": "off_by_one", "head_too": "head_rate",
               "linear_share": "linear"}.get(key, key)  # fmt: skip
        worst = max(blocks, key=lambda n: abs(math.log(max(rates[n], 1e-30) / truth(blocks[n]))))
        if key == "rate" and blocks[worst] == head:
            key = "head_rate"
        raise NotYet(
            key,
            expected=f"{truth(blocks[worst]):.5f} for {worst}, with head_lr {lr:.5f}, layer_decay "
            f"{decay:.3f} and {n_blocks} blocks",
            seen=f"{rates[worst]:.5f}",
        )
    wanted = {n: inputs["weight_decay"] if shapes[n] >= 2 else 0.0 for n in decays}
    off = [n for n in decays if not math.isclose(decays[n], wanted[n], rel_tol=1e-6)]
    if off:
        if all(decays[n] == 0 for n in decays):
            key = "no_decay"
        elif all(decays[n] == inputs["weight_decay"] for n in decays):
            key = "decay_everywhere"
        elif all(shapes[n] < 2 and n.endswith(".weight") for n in off):
            key = "by_name"
        elif all(shapes[n] < 2 for n in off):
            key = "decay_everywhere"
        else:
            key = "decay"
        raise NotYet(
            key, expected=f"weight_decay {wanted[off[0]]:.4f} for {off[0]} "
            f"({shapes[off[0]]} dimensions)", seen=f"{decays[off[0]]:.4f}",
        )  # fmt: skip


# --- best_checkpoint -----------------------------------------------------------------------------

_NAN = float("nan")


def best_checkpoint(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    def scores(n: int) -> list[float]:
        return (0.2 + 0.6 * torch.rand(n, generator=rng)).tolist()

    # The best in the middle, with the runner-up, the lowest and the last elsewhere; a tie for the
    # best; NaN first and last; all below zero.
    other = sorted(scores(4))
    middle = [other[3], 0.1, other[0], 0.9, other[2], other[1]]
    tie = [0.3, 0.9, 0.5, 0.9, 0.4]
    holes = [_NAN, *scores(3), 0.1, _NAN]
    losses = [-3.0, *(-1 - s for s in scores(3)), -2.5]
    rounds = [middle, tie, holes, losses]
    if hard:
        rounds += [[0.4], [_NAN, 0.2], scores(9), [0.9, *scores(3)], [*scores(3), 0.9], [0.0, 0.0]]
    for of_epochs in rounds:
        inputs = _checkpoint_inputs(rng, of_epochs)
        _read_checkpoint(ask(inputs), inputs, hard)
    for n in (1, 4) if hard else (3,):
        refused(
            ask(_checkpoint_inputs(rng, [_NAN] * n)),
            "all_nan",
            expected=f"a ValueError, because none of the {n} epochs has a score",
        )


def _checkpoint_inputs(rng: torch.Generator, scores: list[float]) -> dict:
    moves = (0.1 + torch.rand(len(scores), generator=rng)).tolist()
    spec = random_model(rng, classes=3, n_blocks=1)
    return {"model": spec, "scores": scores, "epochs": len(scores), "moves": moves}


def _read_checkpoint(answer: dict, inputs: dict, hard: bool) -> None:
    completed(answer)
    scores, epochs = inputs["scores"], inputs["epochs"]
    n_trained, n_scored = (answer["events"].count(what) for what in ("train", "score"))
    if answer["others"]:
        seen = f"{answer['others'][0]} got another object"
        raise NotYet("copy", expected="the very model that was given", seen=seen)
    if answer["events"] != ["train", "score"] * epochs:
        seen = f"{n_trained} of training and {n_scored} of scoring"
        key = "calls"
        if n_trained == n_scored == epochs:
            key, seen = "order", "another order: " + ", ".join(answer["events"][:4]) + ", ..."
        elif n_trained < epochs:
            key = "stopped"
        raise NotYet(key, expected=f"{epochs} calls of each, in turn", seen=seen)

    states = [inputs["model"]["state"]]
    for move in inputs["moves"]:
        states.append(
            {n: v + (move if v.is_floating_point() else 1) for n, v in states[-1].items()}
        )
    # What the hidden tests have asked is not shown.
    shown = "" if hard else " of the scores " + ", ".join(f"{score:.2f}" for score in scores)
    valid = [k for k in range(epochs) if not math.isnan(scores[k])]
    best = max(valid, key=lambda k: (scores[k], -k)) + 1
    value = answer["returned"]
    if not (isinstance(value, list) and len(value) == 3):
        expected = "three things: the epoch, its score, its state_dict"
        raise NotYet("type", expected=expected, seen=describe(value))
    epoch, score, state = value
    negative = max(scores[k] for k in valid) < 0
    if negative and (epoch in (None, 0) or not isinstance(state, dict) or not state):
        seen = f"epoch {describe(epoch)}"
        raise NotYet("negative", expected=f"epoch {best}{shown}", seen=seen)
    epoch = int(number(epoch, expected="the number of an epoch"))
    if epoch != best:
        k = epoch - 1
        key = "epoch"
        if 0 <= k < epochs and math.isnan(scores[k]):
            key = "nan"
        elif epoch == best - 1:
            key = "from_zero"
        elif 0 <= k < epochs and scores[k] == scores[best - 1]:
            key = "latest"
        elif 0 <= k < epochs and scores[k] == min(scores[k] for k in valid):
            key = "lowest"
        elif epoch == epochs:
            key = "last"
        raise NotYet(key, expected=f"epoch {best}{shown}", seen=f"epoch {epoch}")
    score = score.item() if isinstance(score, Tensor) and score.ndim == 0 else score
    if isinstance(score, float) and math.isnan(score):
        raise NotYet("nan", expected=f"{scores[best - 1]:.4f}", seen="NaN")
    if abs(number(score) - scores[best - 1]) > 1e-6:
        raise NotYet("score", expected=f"{scores[best - 1]:.4f}", seen=f"{number(score):.4f}")
    _read_state(state, answer["later"], states, best, epochs)
    for name, truth in states[-1].items():
        if not _near(answer["final"].get(name), truth):
            seen = f"{name} of another moment"
            raise NotYet("rewound", expected="the model at its last epoch", seen=seen)


def _read_state(state: object, later: object, states: list[dict], best: int, epochs: int) -> None:
    truth = states[best]
    expected = f"a dict of {len(truth)} tensors, as `model.state_dict()`"
    if not isinstance(state, dict) or "object of type" in state:
        raise NotYet("no_state", expected=expected, seen=describe(state))
    missing = [name for name in truth if name not in state]
    if missing:
        buffers = ("running_mean", "running_var", "num_batches_tracked")
        key = "buffers" if all(name.endswith(buffers) for name in missing) else "no_state"
        raise NotYet(key, expected=expected, seen=f"no {missing[0]}")
    later = later[2] if isinstance(later, list) and len(later) == 3 else {}
    for name, value in truth.items():
        now = later.get(name) if isinstance(later, dict) else None
        if _near(state[name], value) and _near(now, value):
            continue
        expected = f"{name} as it was after epoch {best}, also when training goes on"
        if not _near(now, state[name]):
            seen = f"{name} moves on with the model"
            raise NotYet("aliased", expected=expected, seen=seen)
        which = [k for k in range(epochs + 1) if _near(state[name], states[k][name])]
        seen = f"{name} of epoch {which[0]}" if which else f"another {name}"
        key = (
            {epochs: "last_state", best - 1: "before"}.get(which[0], "state") if which else "state"
        )
        raise NotYet(key, expected=expected, seen=seen)


def _near(seen: object, truth: object) -> bool:
    # Sums of a few float32 numbers, added in the same order: equal but for a change of dtype.
    return (
        isinstance(seen, Tensor)
        and isinstance(truth, Tensor)
        and seen.shape == truth.shape
        and torch.allclose(seen.double(), truth.double(), rtol=1e-5, atol=1e-6)
    )


# --- unfreeze ------------------------------------------------------------------------------------


def unfreeze(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # Up and down again; the optimiser begins with the head alone, or with everything.
    rounds = [
        ({"n_blocks": 3}, "sgd", "head", [0, 1, 1, 3, 1]),
        ({"n_blocks": 2, "head_first": True}, "sgd", "all", [2, 0]),
    ]
    if hard:
        rounds += [
            ({"n_blocks": 4}, "adamw", "head", [0, 2, 4, 1]),
            ({"n_blocks": 1, "channels": 3}, "adamw", "all", [1, 0, 1]),
            ({"n_blocks": 3, "training": True}, "sgd", "head", [3, 2, 2]),
        ]
    for options, optimizer, held, stages in rounds:
        inputs = _unfreezing(rng, options, optimizer, held, stages)
        _read_stages(ask(inputs), inputs)
    # Nothing asks for a gradient when the model arrives, the head neither.
    inputs = _unfreezing(rng, {"n_blocks": 2}, "sgd", "all", [1], frozen=True)
    _read_stages(ask(inputs), inputs)
    # Two groups for the head, the second twice as fast: which one do new groups follow?
    inputs = _unfreezing(rng, {"n_blocks": 1}, "sgd", "head", [1])
    inputs["two_rates"] = True
    _read_stages(ask(inputs), inputs)
    too_far = _unfreezing(rng, {"n_blocks": 2}, "sgd", "head", [3])
    refused(ask(too_far), "too_far", expected="a ValueError: two blocks have no stage 3")


def _unfreezing(
    rng: torch.Generator,
    options: dict,
    optimizer: str,
    held: str,
    stages: list[int],
    frozen: bool = False,
) -> dict:
    spec = random_model(rng, classes=3, **options)
    names = [name for name, _ in build(spec).named_parameters()]
    channels = options.get("channels", 1)
    return {
        "model": spec,
        "optimizer": optimizer,
        "held": [name for name in names if held == "all" or name.startswith("head.")],
        "frozen": frozen,
        "two_rates": False,
        "lr": 0.02 + 0.03 * float(torch.rand((), generator=rng)),
        "stages": stages,
        "steps": [
            [torch.rand(6, channels, 10, 10, generator=rng), torch.arange(6) % 3] for _ in range(2)
        ],
    }


def _read_stages(answer: dict, inputs: dict) -> None:
    completed(answer)
    n_blocks = len(inputs["model"]["blocks"])
    names = [name for name, _ in build(inputs["model"]).named_parameters()]
    highest, last, n_groups = 0, None, 0
    for stage, seen in zip(inputs["stages"], answer["stages"], strict=False):
        if seen["returned"] != "an optimiser":
            raise NotYet("no_optimizer", expected="an optimiser", seen=describe(seen["returned"]))
        is_open = {name: _block(name) >= n_blocks - stage for name in names}
        at = f"stage {stage} of {n_blocks} blocks"
        _read_open(set(seen["trainable"]), is_open, stage, highest, n_blocks, at)
        highest = max(highest, stage)
        for name, value in seen["before"].items():
            if not torch.equal(seen["called"].get(name, value), value):
                raise NotYet("reset", expected=f"{name} as it was", seen=f"another {name} at {at}")
        new = {name for name, opened in is_open.items() if opened}
        if inputs["two_rates"]:  # the rates of what was held already are free
            new -= set(inputs["held"])
        _read_optimizer(seen["groups"], is_open, new, inputs["lr"], at)
        if stage == last and len(seen["groups"]) > n_groups:
            expected = f"{n_groups} groups of the optimiser, as after the call before"
            what = f"{len(seen['groups'])} after a second call at {at}"
            raise NotYet("again", expected=expected, seen=what)
        last, n_groups = stage, len(seen["groups"])
        if seen["unusable"]:
            raised = seen["unusable"]
            seen = f"{raised['type']}: {raised['message'][:150]}"
            raise NotYet("unusable", expected="a model that trains as usual", seen=seen)
        _read_training(seen, is_open, at)


def _block(name: str) -> float:
    """The number of a parameter's or buffer's block, from 0; infinity for the head."""
    return math.inf if name.startswith("head.") else int(name.split(".")[2])


def _read_open(
    trainable: set[str], is_open: dict[str, bool], stage: int, highest: int, n_blocks: int, at: str
) -> None:
    wanted = {name for name, opened in is_open.items() if opened}
    if trainable == wanted:
        return

    def with_head(blocks: range) -> set[str]:
        return {name for name in is_open if _block(name) in (*blocks, math.inf)}

    slips = {
        "still_open" if stage < highest else "all_open": set(is_open),
        "head_shut": {name for name in wanted if _block(name) < math.inf},
        "from_input": with_head(range(stage)),
        "not_cumulative": with_head(range(n_blocks - stage, n_blocks - stage + 1)),
        "one_too_many": with_head(range(max(0, n_blocks - stage - 1), n_blocks)),
        "one_too_few": with_head(range(n_blocks - stage + 1, n_blocks)),
    }
    key = next((key for key, names in slips.items() if trainable == names), None)
    if key is None:
        left_open, left_shut = trainable - wanted, wanted - trainable
        key = "still_open" if left_open and not left_shut else "flags"
    key = {"one_too_many": "off_by_one", "one_too_few": "off_by_one"}.get(key, key)
    opened = sorted({_block(name) for name in wanted} - {math.inf})
    seen = sorted({_block(name) for name in trainable} - {math.inf})
    head = "the head" if any(name.startswith("head.") for name in trainable) else "not the head"
    raise NotYet(
        key,
        expected=f"at {at}: the head and the blocks {[int(i) + 1 for i in opened]} train",
        seen=f"{head} and (at least in part) the blocks {[int(i) + 1 for i in seen]}",
    )


def _read_optimizer(
    groups: list[dict], is_open: dict[str, bool], new: set[str], lr: float, at: str
) -> None:
    members = Counter(name for group in groups for name in group["params"])
    lost = [name for name, opened in is_open.items() if opened and not members[name]]
    if lost:
        seen = f"{len(lost)} that it does not hold, such as {lost[0]}, at {at}"
        raise NotYet("never_got", expected="an optimiser with all that trains", seen=seen)
    twice = [name for name, times in members.items() if times > 1 and name]
    if twice:
        raise NotYet("twice", expected="each parameter once", seen=f"{twice[0]} twice, at {at}")
    for group in groups:
        if new & set(group["params"]) and not math.isclose(
            number(group["lr"], expected="a learning rate"), lr, rel_tol=1e-6
        ):
            raise NotYet("rate", expected=f"{lr:.4f}", seen=f"{group['lr']:.4f} at {at}")


def _read_training(seen: dict, is_open: dict[str, bool], at: str) -> None:
    shut = {_block(name) for name, opened in is_open.items() if not opened}
    before, after = seen["before"], seen["after"]
    moved = [
        name for name in before
        if _block(name) in shut and not torch.equal(before[name], after.get(name, before[name]))
    ]  # fmt: skip
    weights = [name for name in moved if name in is_open]
    if weights:
        worst = float((after[weights[0]] - before[weights[0]]).abs().max())
        expected = f"{weights[0]} still, because its block is shut at {at}"
        raise NotYet("stale", expected=expected, seen=f"it moved by up to {worst:.2g}")
    if moved:
        raise NotYet("batchnorm", expected=f"{moved[0]} still at {at}", seen="it moved")
    # Filters and weight matrices: a bias before batch-norm has no gradient in train mode.
    weights = [name for name, opened in is_open.items() if opened and before[name].ndim > 1]
    still = [name for name in weights if torch.equal(before[name], after[name])]
    if still:
        raise NotYet("still", expected=f"{still[0]} that trains at {at}", seen="it did not move")


# --- lp_ft ---------------------------------------------------------------------------------------

_TINY, _SMALL = 1e-12, 3e-4


def lp_ft(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    rounds = [{"n_blocks": 2}]
    if hard:
        rounds += [{"n_blocks": 3, "head_first": True}]
    for options in rounds:
        _read_phases(ask, _probing(rng, options))


@torch.no_grad()
def _probing(rng: torch.Generator, options: dict) -> dict:
    """Draw a model whose features have mean 0 and spread 1, and labels they mostly explain."""
    n, classes = 80, draw(rng, 3, 4)
    width = draw(rng, 6, 8)
    spec = random_model(
        rng, classes=classes, channels=3, last_width=width, last_relu=False, **options
    )
    # Mostly a colour: then the mean over all places, a feature, varies as much as each place does.
    colour, texture = (torch.rand(n, 3, *size, generator=rng) for size in ((1, 1), (8, 7)))
    images = 0.8 * colour + 0.2 * texture
    # Batch-norm as after training on such images, so that gradients have a sensible size.
    model = build({**spec, "training": True})
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model(images)
    features = model.eval().backbone(images)
    # The last layer is batch-norm, and the features its mean: so they can be shifted and scaled.
    mean, std = features.mean(0), features.std(0)
    norms[-1].weight /= std
    norms[-1].bias.copy_((norms[-1].bias - mean) / std)
    spec["state"] = state_of(model)
    features = (features - mean) / std
    labels = torch.zeros(n, dtype=torch.int64)
    while labels.bincount(minlength=classes).min() < n / classes / 4:
        # A linear head can be right everywhere: so a weak penalty, or none, is no drawback.
        scores = features @ torch.randn(features.shape[1], classes, generator=rng)
        labels = ((scores - scores.mean(0)) / scores.std(0)).argmax(1)
    # A head that is sure of nonsense: what it can do afterwards a new one has learned in the call.
    spec["state"]["head.weight"] = 30 * torch.randn(classes, features.shape[1], generator=rng)
    return {
        "model": spec,
        "images": images,
        "labels": labels,
        "probe_steps": 500,
        "seed": draw(rng, 0, 10**6),
        "poison": True,
    }


def _read_phases(ask: Ask, inputs: dict) -> None:
    start = inputs["model"]["state"]
    weights = [name for name, _ in build(inputs["model"]).named_parameters()]
    backbone = [name for name in start if name.startswith("backbone.")]
    buffers = [name for name in backbone if name not in weights]

    def moved(state: dict, among: list[str]) -> list[str]:
        return [name for name in among if not torch.equal(state[name], start[name])]

    # All calls have the same start and the same random numbers, so that the ends compare.
    probed, kept_mode = _phases(ask, inputs, 0, _TINY, training=True)
    names = moved(probed, backbone)
    _require_still(names, weights, ("backbone_moved", "statistics"), "ft_steps = 0")
    wanted, accuracy = _peer(inputs)
    # Over 60 drawn cases Adam at 0.01, 0.02 and 0.05 and SGD at 1 were never below the logistic
    # regression, so far from the two points; their accuracies were 3 to 5 points above on average.
    # tests/TRUST.md asks the reference and the right answers some 2,000 times.
    expected = f"at least {wanted - 0.02:.3f} on the training images (a logistic regression: "
    expected += f"{wanted:.3f})"
    if accuracy(probed) < wanted - 0.02 - 1e-6:
        fast = ask({**inputs, "steps": 0, "rate": 0.1, "training": False})["state"]
        key = "probe_rate" if fast and accuracy(fast) > accuracy(probed) + 0.1 else "probe"
        # A new head has nothing of the old one, which is far longer than any that was fitted.
        old, head = start["head.weight"], probed["head.weight"]
        if not torch.equal(head, old) and (head * old).sum() > 0.5 * old.square().sum():
            key = "old_head"
        raise NotYet(key, expected=expected, seen=f"{accuracy(probed):.3f} with ft_steps = 0")

    inputs = {**inputs, "probe_steps": 100}  # enough for what phase two does, and quicker
    probed, _ = _phases(ask, inputs, 0, _TINY, training=False)
    held, kept_mode_again = _phases(ask, inputs, 20, _TINY, training=False)
    names = [  # a rate of almost nothing may still change a last bit
        name for name in moved(held, backbone)
        if not torch.allclose(held[name], start[name], rtol=1e-5, atol=1e-7)
    ]  # fmt: skip
    _require_still(names, weights, ("ft_rate", "batchnorm"), f"ft_lr = {_TINY:g}")
    if accuracy(held) < accuracy(probed) - 0.02 - 1e-6:
        expected = f"about {accuracy(probed):.3f} on the training images, as with ft_steps = 0"
        seen = f"{accuracy(held):.3f} after 20 steps with ft_lr = {_TINY:g}"
        raise NotYet("head_reset", expected=expected, seen=seen)

    tuned, _ = _phases(ask, inputs, 20, _SMALL, training=True)
    still = [name for name in backbone if name in weights and name not in moved(tuned, backbone)]
    head_moved = any(not torch.equal(tuned[n], held[n]) for n in ("head.weight", "head.bias"))
    steps = f"20 steps with ft_lr = {_SMALL:g}"
    if still:
        n = sum(name in weights for name in backbone)
        key = "some_frozen"
        if len(still) == n:
            key = "backbone_frozen" if head_moved else "no_second_phase"
        seen = f"{len(still)} of {n} unmoved after {steps}, such as {still[0]}"
        raise NotYet(key, expected="every parameter of the backbone moves", seen=seen)
    if not head_moved:
        raise NotYet("head_frozen", expected="the head moves, too", seen=f"unmoved after {steps}")
    if moved(tuned, buffers):
        seen = f"{moved(tuned, buffers)[0]} moved in phase two"
        raise NotYet("batchnorm", expected="batch-norm's statistics as pretrained", seen=seen)
    # Plain SGD, the slowest, gained 1e-4 or more in 60 drawn cases; float32 is off by some 1e-7.
    before, after = (_loss(inputs, state) for state in (held, tuned))
    if after >= before:
        seen = f"{after:.4f} after {steps}"
        raise NotYet("loss", expected=f"a loss below the probe's {before:.4f}", seen=seen)
    for kept, mode in ((kept_mode, "train"), (kept_mode_again, "eval")):
        if not kept:
            seen = "another mode in some part"
            raise NotYet("mode", expected=f"{mode} mode, as it came", seen=seen)


def _phases(
    ask: Ask, inputs: dict, steps: int, rate: float, *, training: bool
) -> tuple[dict, bool]:
    """Return the state that a call ends with, and whether every part kept its mode."""
    question = {**inputs, "steps": steps, "rate": rate, "training": training}
    answer = ask(question)
    # Building a layer draws random numbers, which is no fault here.
    effects = [effect for effect in answer.get("effects", []) if effect != "random state"]
    completed({**answer, "effects": effects})
    if answer["returned"] != "a model":
        raise NotYet("type", expected="the model", seen=describe(answer["returned"]))
    state = answer["state"]
    for name, value in inputs["model"]["state"].items():
        seen = state.get(name)
        if not isinstance(seen, Tensor) or seen.shape != value.shape:
            raise NotYet("type", expected=f"a model with {name}", seen=describe(seen))
        if not seen.isfinite().all():
            clean = ask({**question, "poison": False})["state"]
            if clean and all(value.isfinite().all() for value in clean.values()):
                seen = "a step that also took what an earlier backward pass had left in `.grad`"
                raise NotYet("not_cleared", expected="each step with its own gradient", seen=seen)
            raise NotYet("not finite", expected="finite weights", seen=f"NaN in {name}")
    return state, answer["kept_mode"]


def _require_still(names: list[str], weights: list[str], keys: tuple[str, str], what: str) -> None:
    """Raise the first verdict if one of these names is a weight, the second if any is there."""
    if [name for name in names if name in weights]:
        seen = f"{names[0]} moved with {what}"
        raise NotYet(keys[0], expected="the backbone as it was", seen=seen)
    if names:
        seen = f"{names[0]} moved with {what}"
        raise NotYet(keys[1], expected="batch-norm as it was", seen=seen)


def _peer(inputs: dict) -> tuple[float, Callable[[dict], float]]:
    """Return a logistic regression's accuracy, and what measures the accuracy of another head."""
    y = inputs["labels"]
    with torch.no_grad():
        features = build({**inputs["model"], "training": False}).backbone(inputs["images"])
    peer = LogisticRegression(C=1.0, max_iter=1000).fit(features.numpy(), y.numpy())

    def accuracy(state: dict) -> float:
        logits = features @ state["head.weight"].T + state["head.bias"]
        return float((logits.argmax(1) == y).float().mean())

    return float(peer.score(features.numpy(), y.numpy())), accuracy


@torch.no_grad()
def _loss(inputs: dict, state: dict) -> float:
    model = build({**inputs["model"], "state": state, "training": False})
    return float(F.cross_entropy(model(inputs["images"]), inputs["labels"]))
