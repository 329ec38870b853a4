"""Judges of module 01: they know the truth and see only plain data."""

from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.judges.probing import linear_probe
from course_lib.checks.judges.reading import completed, describe, refused, returned, tensor
from course_lib.checks.judges.specs import draw, random_model
from course_lib.checks.probes import m01 as probes
from course_lib.checks.probes.models import build
from course_lib.checks.run import Ask
from course_lib.checks.verdict import NotYet

__all__ = ["extract_features", "freeze", "linear_probe", "preprocess"]


def preprocess(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    # The cube comes first: there a wrong axis broadcasts without an error, and can be named.
    # Then sizes that all differ, images without any 255, and nearly black ones.
    rounds = [
        ((3, 3, 3, 3), 255),
        ((draw(rng, 4, 6), 2, 7, draw(rng, 8, 11)), 190),
        ((1, 1, draw(rng, 3, 8), 9), 1),
    ]
    if hard:
        rounds += [
            ((2, 3, 12, 5), 255),
            ((1, 4, 1, 6), 120),
            ((5, 1, 6, 7), 255),
            ((2, 3, 8, 5), 1),
        ]
    for i, (shape, brightest) in enumerate(rounds):
        images = torch.randint(0, brightest + 1, shape, dtype=torch.uint8, generator=rng)
        images.view(-1)[:2] = torch.tensor([0, brightest], dtype=torch.uint8)
        # Spread over the channels, so that no two of them can be mistaken for each other.
        spread = torch.randperm(shape[1], generator=rng) / shape[1]
        mean = 0.25 + 0.4 * spread + 0.05 * torch.rand(shape[1], generator=rng)
        std = 0.12 + 0.15 * spread.flip(0) + 0.02 * torch.rand(shape[1], generator=rng)
        question = {"images": images, "mean": mean, "std": std, "channels_last": i % 2 == 1}
        value = returned(ask(question))
        _read_preprocessed(value, images, mean, std)
    for kind in [torch.float32, torch.float64, *([torch.float16] if hard else [])]:
        for scale in (1, 255):
            floats = (scale * torch.rand(2, 3, 5, 4, generator=rng)).to(kind)
            refused(
                ask(
                    {"images": floats, "mean": torch.full((3,), 0.5), "std": torch.full((3,), 0.2)}
                ),
                "float_input",
                expected="a ValueError that says which images are expected",
            )


def _read_preprocessed(value: object, images: Tensor, mean: Tensor, std: Tensor) -> None:
    mean, std = (v.double()[:, None, None] for v in (mean, std))
    raw = images.double()
    x = raw / 255
    truth = (x - mean) / std
    expected = f"a float32 tensor of shape {tuple(truth.shape)}"
    if isinstance(value, Tensor) and value.ndim == 4 and value.shape != truth.shape:
        if sorted(value.shape) == sorted(truth.shape):
            raise NotYet("layout", expected=expected, seen=describe(value))
        if value.shape[:2] == truth.shape[:2]:
            raise NotYet("resized", expected=expected, seen=describe(value))
    seen = tensor(value, tuple(truth.shape), expected=expected).double()

    def near(other: Tensor) -> bool:
        # Float32 is off by some 1e-6; dividing by 256 moves a bright pixel by more than 0.01.
        return torch.allclose(seen, other, rtol=5e-6, atol=5e-5)

    if not near(truth):
        slips = {
            "guessed" if raw.max() <= 1 else "not_scaled": [(raw - mean) / std, raw],
            "order": [(raw - mean) / std / 255],
            "not_normalised": [x],
            "256": [(raw / 256 - mean) / std],
            "one_statistic": [(x - mean.mean()) / std.mean(), (x - mean[0]) / std[0]],
            "constants": [(x - 0.5) / 0.5],
            "multiplied": [(x - mean) * std, x * std + mean],
            "half_done": [x / std, x - mean],
            "variance": [(x - mean) / std**2, (x - mean) / std.sqrt()],
            "swapped": [(x - std) / mean],
            "brightest": [(raw / raw.max() - mean) / std],
            "integers": [((images // 255).double() - mean) / std],
            "clipped": [truth.clamp(0, 1), truth.clamp(-1, 1), truth.clamp(min=0)],
            "layout": [truth.permute(0, *order) for order in permutations((1, 2, 3))],
            "channels": [(x.flip(1) - mean) / std, (x - mean.flip(0)) / std.flip(0)],
        }
        if images.shape[1] == 3:
            centre = x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]
            slips["constants"] += [centre / torch.tensor([0.229, 0.224, 0.225])[:, None, None]]
        if len(set(images.shape)) == 1:
            m, s = mean.flatten(), std.flatten()
            axes = [(-1,), (-1, 1), (-1, 1, 1, 1)]
            slips["axis"] = [(x - m.view(axis)) / s.view(axis) for axis in axes]
        found = [
            key
            for key, others in slips.items()
            if any(other.shape == truth.shape and near(other) for other in others)
        ]
        if not found and any(_standardised(seen, axes) for axes in _OWN_AXES):
            found = ["own_statistics"]
        worst = (seen - truth).abs().argmax()
        n, c, h, w = (int(i) for i in torch.unravel_index(worst, truth.shape))
        raise NotYet(
            found[0] if found else "value",
            expected=f"{truth[n, c, h, w]:.4f} from a pixel of {int(images[n, c, h, w])} "
            f"(image {n}, channel {c}, row {h}, column {w})",
            seen=f"{seen[n, c, h, w]:.4f}",
            byte=int(images[n, c, h, w]),
            mean=f"{mean.flatten()[c]:.3f}",
            std=f"{std.flatten()[c]:.3f}",
        )
    if value.dtype != torch.float32:
        raise NotYet("dtype", expected="float32", seen=str(value.dtype).removeprefix("torch."))


_OWN_AXES = [(0, 2, 3), (2, 3), (1, 2, 3), (0, 1, 2, 3)]


def _standardised(x: Tensor, axes: tuple[int, ...]) -> bool:
    """Whether x has mean 0 and variance 1 over these axes, with either divisor."""
    std = x.std(axes, correction=0)
    return bool(x.mean(axes).abs().max() < 0.01 and (std - 1).abs().max() < 0.07)


def extract_features(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    size = draw(rng, 5, 8)
    rounds = [
        # As many features as classes, so that a shape cannot tell them apart, negative ones among
        # them, and a model that arrives in train mode, but for one part.
        {
            "last_width": size,
            "classes": size,
            "last_relu": False,
            "training": True,
            "held": ["backbone.blocks.0.1"],
        },
        # The head is registered first, and fits the image's width: a chain of the model's children
        # in their order runs without an error.
        {
            "channels": 3,
            "last_width": 12,
            "classes": 5,
            "head_first": True,
            "dropout": True,
            "pool": "max",
        },
    ]
    if hard:
        rounds += [
            {"n_blocks": 3, "classes": 7, "dropout": True, "training": True},
            {"n_blocks": 1, "classes": 3, "last_relu": False, "noise": True, "head_first": True},
            {"classes": 1, "pool": "max", "noise": True, "training": True},
            {"channels": 2, "last_width": 12, "classes": 12, "head_first": True},
        ]
    batch_sizes = [draw(rng, 5, 9), draw(rng, 5, 9), 1, 6, None, 100]
    for i, (options, batch_size) in enumerate(zip(rounds, batch_sizes, strict=False)):
        n = 2 * batch_size + draw(rng, 2, batch_size - 2) if i < 2 else 12  # ragged, or not
        spec, images = _telling(rng, n, options)
        later = torch.rand(3, *images.shape[1:], generator=rng)
        answer = ask(
            {
                "model": spec,
                "images": images,
                "later": later,
                "options": {} if batch_size is None else {"batch_size": batch_size},
            }
        )
        _read_features(answer, spec, images, batch_size or 256)
        _read_model_afterwards(answer, spec, later)
    one = {"model": spec, "images": images[:1], "later": later, "options": {}}
    _read_features(ask(one), spec, images[:1], 256)


@torch.no_grad()
def _telling(rng: torch.Generator, n: int, options: dict) -> tuple[dict, Tensor]:
    """Draw a model and images whose features clearly differ from image to image."""
    while True:
        spec = random_model(rng, **options)
        images = torch.rand(n, options.get("channels", 1), 14, 12, generator=rng)
        features = build({**spec, "training": False}).backbone(images)
        spread = features.std(dim=0)
        if not options.get("last_relu", True):
            # Move the mean to a third of the spread: negative features, but not centred ones.
            bias = f"backbone.blocks.{len(spec['blocks']) - 1}.1.bias"
            spec["state"][bias] = spec["state"][bias] - features.mean(dim=0) + spread / 3
        if spread.max() > 0.02 * features.abs().max():
            return spec, images


@torch.no_grad()
def _read_features(answer: dict, spec: dict, images: Tensor, batch_size: int) -> None:
    model = build({**spec, "training": False})
    *_, before, last = _block_outputs(model, images)
    truth = model.backbone(images)
    n, d = truth.shape
    ragged = n % batch_size
    value = returned(answer)
    moved = any(
        name.endswith("num_batches_tracked")
        and not torch.equal(kept, answer["state"].get(name, kept))
        for name, kept in spec["state"].items()
    )
    expected = f"a tensor of shape ({n}, {d}): one row for each image, one column for each feature"
    if isinstance(value, Tensor) and value.shape != truth.shape and value.ndim > 0:
        shape, seen = tuple(value.shape), describe(value)
        if spec["head_first"] and shape == (*images.shape[:3], model.head.out_features):
            raise NotYet("children", expected=expected, seen=seen)
        if shape[1:] in (last.shape[1:], (last[0].numel(),)):
            raise NotYet("not_pooled", expected=expected, seen=seen)
        if shape[1:] == (d,) and ragged and shape[0] == n - ragged:
            raise NotYet("ragged", expected=expected, seen=seen)
        if shape[1:] == (d,) and shape[0] in (batch_size, ragged):
            raise NotYet("one_batch", expected=expected, seen=seen)
        if shape == (n, model.head.out_features):
            raise NotYet("logits", expected=expected, seen=seen)
        if shape == (n, before.shape[1]):
            raise NotYet("earlier_block", expected=expected, seen=seen)
        if moved and not spec["training"]:
            raise NotYet("train_mode", expected="eval mode", seen="train mode during the call")
    seen = tensor(value, (n, d), expected=expected).double()

    def near(other: Tensor) -> bool:
        # Float32 through three small convolutions: relative errors of some 1e-6.
        other = other.double()
        return other.shape == seen.shape and torch.allclose(
            seen, other, rtol=1e-4, atol=1e-4 * float(truth.abs().max())
        )

    if near(truth):
        if moved:
            raise NotYet("buffers", expected="batch-norm statistics as before", seen="they moved")
        return
    logits = model.head(truth)
    centred = truth - truth.mean(dim=0)
    slips = {
        "logits": [logits, logits.softmax(dim=1), logits.log_softmax(dim=1)],
        "relu": [truth.relu()],
        "pooling": [last.mean(dim=(2, 3)), last.amax(dim=(2, 3)), last.sum(dim=(2, 3))],
        "earlier_block": [before.mean(dim=(2, 3)), before.amax(dim=(2, 3))],
        "rescaled": [F.normalize(truth), centred, centred / centred.std(dim=0)],
    }
    key = next((key for key, others in slips.items() if any(map(near, others))), None)
    if key is None and near(truth[_nearest_rows(seen, truth)]):
        key = "order"
    if key is None and (moved or near(_in_train_mode(spec, images, batch_size))):
        key = "train_mode"
    worst = int((seen - truth).abs().argmax())
    raise NotYet(
        key or "value",
        expected=f"{truth.flatten()[worst]:.4f} for image {worst // d}, feature {worst % d}",
        seen=f"{seen.flatten()[worst]:.4f}",
    )


def _block_outputs(model: nn.Module, images: Tensor) -> list[Tensor]:
    outputs = [images]
    for block in model.backbone.blocks:
        outputs.append(block(outputs[-1]))
    return outputs


def _in_train_mode(spec: dict, images: Tensor, batch_size: int) -> Tensor:
    backbone = build({**spec, "training": True, "held": []}).backbone
    return torch.cat([backbone(batch) for batch in images.split(batch_size)])


def _nearest_rows(seen: Tensor, truth: Tensor) -> Tensor:
    """The order that puts each row of `truth` where it was seen, if there is one."""
    return torch.cdist(seen, truth.double()).argmin(dim=1)


@torch.no_grad()
def _read_model_afterwards(answer: dict, spec: dict, later: Tensor) -> None:
    if answer["requires_grad"]:
        raise NotYet("graph", expected="requires_grad False", seen="requires_grad True")
    if not answer["same_head"]:
        raise NotYet("head", expected="the model's own head", seen="another head, or none")
    if not answer["hooks_removed"]:
        raise NotYet("hook", expected="the hooks that were there", seen="one more, or one fewer")
    if not answer["modes_restored"]:
        mode = "train" if spec["training"] else "eval"
        parts = "every part but one" if spec["held"] else "every part"
        raise NotYet("mode", expected=f"{parts} in {mode} mode, as before", seen="another mode")
    if not answer["trainable"]:
        raise NotYet("model", expected="parameters that can train", seen="requires_grad False")
    state = answer["state"]
    for name, value in spec["state"].items():
        if name not in state or not torch.equal(state[name], value):
            raise NotYet("model", expected=f"{name} as it was", seen=f"{name} changed or missing")
    truth = build({**spec, "training": False})(later)
    logits = answer["logits"]
    if not (
        isinstance(logits, Tensor)
        and logits.shape == truth.shape
        and torch.allclose(logits, truth, rtol=1e-3, atol=1e-4 * float(truth.abs().max()))
    ):
        seen = "other numbers" if getattr(logits, "shape", 0) == truth.shape else describe(logits)
        expected = f"logits of shape {tuple(truth.shape)} from `model(images)`, as before"
        raise NotYet("model", expected=expected, seen=seen)


def freeze(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    backbone = {"where": "backbone", "inside": "blocks.0"}
    plain = {**backbone, "options": {"training": True, "n_blocks": 2}, "optimizer_before": True}
    mixed = {
        **backbone,
        "options": {"dropout": True, "noise": True, "head_first": True},
        "train": ["parent", "module", "submodules"],
        "off": True,
    }
    rounds = [plain, mixed, {**plain, "twice": True}]
    if hard:
        rounds += [
            {"where": "", "inside": "backbone.blocks.0", "options": {"channels": 3}},
            {"where": "backbone.blocks.0", "options": {"n_blocks": 3, "training": True}},
            {"where": "backbone.blocks.0.1", "options": {"training": True}},
            {
                **mixed,
                "options": {**mixed["options"], "n_blocks": 3, "training": True},
                "twice": True,
            },
            {**plain, "options": {"n_blocks": 1, "pool": "max"}, "train": ["submodules"]},
        ]
    answers = []
    for case in rounds:
        inputs = _freezing(rng, **case)
        answers.append(ask(inputs))
        try:
            _read_frozen(answers[-1], inputs)
        except NotYet as found:
            # The same case has just passed with one call.
            if case is rounds[2]:
                raise NotYet("twice", expected=found.expected, seen=found.seen) from None
            raise

    views = [view for answer in answers for view in answer["views"].values()]
    training = [name for view in views for name in view["training"]]
    if training:
        expected = "`training` False for every part, also before the next forward pass"
        seen = f"True for {training[0] or 'the module itself'}"
        raise NotYet("late", expected=expected, seen=seen)


def _freezing(rng: torch.Generator, options: dict, where: str, inside: str = "", **case) -> dict:
    spec = random_model(rng, classes=3, **options)
    images = [torch.rand(6, options.get("channels", 1), 12, 10, generator=rng) for _ in range(4)]
    model = build(spec)
    module_input = images[0]
    if where == "backbone.blocks.0.1":
        with torch.no_grad():
            module_input = model.backbone.blocks[0][0](module_input)
    output = model.get_submodule(where)(module_input)
    return {
        "model": spec,
        "where": where,
        "inside": inside,
        "module_input": module_input,
        "cotangent": torch.randn(output.shape, generator=rng),
        "steps": [[x, torch.randint(3, (6,), generator=rng)] for x in images[1:]],
        "train": ["parent"],
        "optimizer_before": False,
        "off": False,
        "twice": False,
        **case,
    }


def _truly_frozen(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    for part in module.modules():
        part.eval()
        part.train = lambda mode=True, part=part: part
    return module


_UNDONE = {
    "nobody": "still_training",
    "parent": "undone",
    "module": "undone",
    "submodules": "root_only",
}


def _read_frozen(answer: dict, inputs: dict) -> None:
    completed(answer)
    # The learner's side shows what it did; what it cannot make up are the outputs, the gradients
    # and the weights that trained on top of the frozen part.
    truth = probes.freeze(_truly_frozen, inputs)
    if not answer["same"]:
        key = "nothing_returned" if answer["returned"] is None else "copy"
        seen = describe(answer["returned"])
        raise NotYet(key, expected="the very module that was given", seen=seen)
    _read_flags(answer, inputs)
    if answer["changed"]:
        name = answer["changed"][0]
        raise NotYet("reset", expected=f"{name} as pretrained", seen=f"another {name}")
    if answer["unusable"]:
        raised = answer["unusable"]
        raise NotYet(
            "unusable",
            expected="`train()`, forward and backward passes that work as usual",
            seen=f"{raised['type']}: {raised['message'][:150]}",
        )
    layers = {layer[0] for block in inputs["model"]["blocks"] for layer in block}
    for who, view in truth["views"].items():
        _read_view(who, answer["views"][who], view["output"], answer["lost"], layers)
    if inputs["inside"] and not _close(answer["inside"], truth["inside"]):
        expected = f"eval mode in {inputs['inside']}, also when it is called by itself"
        raise NotYet("called_alone", expected=expected, seen="train mode there")
    if answer["gradients"]:
        key = "zeroed" if answer["gradients_zero"] else "stale"
        seen = f"{answer['gradients']} parameters whose `.grad` is a tensor" + (
            " of zeros" if answer["gradients_zero"] else ""
        )
        raise NotYet(key, expected="`.grad` is None for every parameter", seen=seen)
    frozen = f"{inputs['where']}." if inputs["where"] else ""
    for name, value in truth["after"].items():
        held = name.startswith(frozen)
        now = answer["after"].get(name)
        if held and now is not None and not torch.equal(now, value):
            raise NotYet("moved", expected=f"{name} as pretrained", seen=f"{name} moved")
        if not held and not _close(now, value):
            expected = f"{name} as it trains on top of the frozen part"
            raise NotYet("rest", expected=expected, seen=f"another {name}")
    if not _close(answer["input_gradient"], truth["input_gradient"]):
        seen = "no gradient" if answer["input_gradient"] is None else "another gradient"
        expected = "the gradient of the output with respect to the images"
        raise NotYet("input_gradient", expected=expected, seen=seen)


def _read_flags(answer: dict, inputs: dict) -> None:
    trainable = answer["trainable"]
    if not trainable:
        return
    module = build(inputs["model"]).get_submodule(inputs["where"])
    total = len(list(module.parameters()))
    fields = {
        "expected": f"`requires_grad` False for all {total} parameters",
        "seen": f"True for {len(trainable)}, such as {trainable[0]}",
    }
    named = [name for name in answer["attributes"] if any(w in name for w in _WORDS)]
    if len(trainable) < total:
        raise NotYet("some", **fields)
    if "requires_grad" in named:
        raise NotYet("on_the_module", **fields)
    if named:
        raise NotYet("misspelt", **fields, name=named[0])
    raise NotYet("nothing_frozen", **fields)


_WORDS = ("grad", "trainable", "froze", "freez")


def _read_view(who: str, view: dict, truth: Tensor, lost: list[str], layers: set[str]) -> None:
    after = {
        "nobody": "right after `freeze`",
        "parent": "after `train()` on the model around it",
        "module": "after `train()` on the module itself",
        "submodules": "after `train()` on its submodules",
    }[who]
    moved = view["moved"]
    statistics = [name for name in moved if not name.endswith("num_batches_tracked")]
    if _close(view["output"], truth) and not moved:
        return
    worst = ""
    if isinstance(view["output"], Tensor) and view["output"].shape == truth.shape:
        worst = f", off by up to {float((view['output'] - truth).abs().max()):.2g}"
    lost = [name for name in lost if name.endswith(("running_mean", "running_var"))]
    if lost:
        key, seen = "buffers_lost", f"no {lost[0]} any more"
    elif statistics:
        key, seen = _UNDONE[who], f"{statistics[0]} moved {after}"
    elif moved:
        key, seen = "counter", f"{moved[0]} moved {after}"
    elif layers & {"dropout", "noise"}:
        key, seen = "other_layers", f"another output {after}{worst}"
    else:
        key, seen = "batch_statistics", f"another output {after}{worst}"
    raise NotYet(key, expected="the pretrained eval output, every buffer unchanged", seen=seen)


def _close(seen: object, truth: Tensor | None) -> bool:
    if truth is None or not isinstance(seen, Tensor):
        return seen is truth
    # Float32 sums in another order, over three training steps at most: some 1e-5 relative.
    scale = float(truth.abs().max()) if truth.numel() else 0.0
    return seen.shape == truth.shape and torch.allclose(
        seen.double(), truth.double(), rtol=1e-3, atol=1e-4 * scale + 1e-6
    )
