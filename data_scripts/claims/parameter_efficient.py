"""Module 07: accuracy against trainable parameters; storing, merging, switching off; four bugs."""

import copy
import functools
import time
from statistics import median

import torch
from safetensors.torch import save
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from course_lib.data import digits, glyphs
from course_lib.data.shifts import photo_background
from course_lib.evidence.evaluate import evaluate
from course_lib.evidence.splits import k_shot_split
from course_lib.models.convnet import Classifier
from course_lib.models.mlp import MLP
from course_lib.models.weights import load_backbone
from course_lib.peft import adapters, lora
from course_lib.peft.layers import n_trainable, swap, train_only
from course_lib.transfer.features import extract_features
from course_lib.transfer.train import fit

METHODS = (
    "head", "biases", "batchnorm", "lora.1", "lora.2", "lora.4", "lora.8", "bottleneck", "adapter",
    "full_held", "full",
)  # fmt: skip
TURNED = ("head", "lora.1", "lora.2", "lora.4", "lora.16", "full")
N_SHOT, ALPHA, WIDTH = 20, 8, 8
RATES = (1e-3, 3e-3, 1e-2, 3e-2)


# --- The claims ----------------------------------------------------------------------------------


def adapt_cluttered(seed: int, settings: dict) -> dict[str, float]:
    """Digits on photographs, 20 labels per class: each method, its size, and the classic bugs."""
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, N_SHOT, seed)
    generator = Generator().manual_seed(seed)
    images = photo_background(pool.images[support], "train", generator)
    test_images = photo_background(test.images, "test", Generator().manual_seed(0))
    task = images, pool.labels[support], seed, settings

    found, models = {"peft.source.before": _reads_source(load_backbone(), settings)}, {}
    for method in METHODS:
        models[method] = _trained(adapted(method, seed), method, *task)
        found[f"peft.cluttered.{method}"] = evaluate(models[method], test_images, test.labels)

    found["peft.source.full"] = _reads_source(models["full"].backbone, settings)
    right = models["lora.4"]
    found["peft.source.lora.on"] = _reads_source(right.backbone, settings)
    on = lora.switch_off(right)
    found["peft.source.lora.off"] = _reads_source(right.backbone, settings)

    def accuracy(model: nn.Module) -> float:
        return evaluate(model, test_images, test.labels)

    swap(right, {name: _merged_twice(layer) for name, layer in on.items()})
    found["bugs.merged_twice.wrong"] = accuracy(right)

    no_start = adapted("lora.4", seed)
    for layer in _lora_layers(no_start):
        nn.init.zeros_(layer.A)
    found["bugs.both_zero.wrong"] = accuracy(_trained(no_start, "lora.4", *task))

    too_large = adapted("lora.8", seed)
    for layer in _lora_layers(too_large):
        layer.scale = ALPHA
    found["bugs.alpha.wrong"] = accuracy(_trained(too_large, "lora.8", *task))

    left = adapted("lora.4", seed)
    for parameter in left.parameters():
        parameter.requires_grad_(True)
    found["bugs.rest_trains.wrong"] = accuracy(_trained(left, "lora.4", *task))
    lora.switch_off(left)
    found["bugs.rest_trains.source"] = _reads_source(left.backbone, settings)
    return found


def adapt_clean(seed: int, settings: dict) -> dict[str, float]:
    """The same digits without a photograph behind them: what a frozen backbone reads already."""
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, N_SHOT, seed)
    task = pool.images[support], pool.labels[support], seed, settings
    return {
        f"peft.clean.{method}": evaluate(
            _trained(adapted(method, seed), method, *task), test.images, test.labels
        )
        for method in METHODS
    }


def turned_pages(seed: int, settings: dict) -> dict[str, float]:
    """A network of linear layers that reads upright digits learns to read them turned by 90°."""
    test = digits.load("test")
    found = {f"peft.turned.{method}": turned(method, seed, settings, _quarter) for method in TURNED}
    upright = mlp_reader(seed, settings["pretrain_steps"])
    return found | {
        "peft.turned.upright": evaluate(upright, test.images, test.labels),
        "peft.turned.before": evaluate(upright, _quarter(test.images), test.labels),
    }


def sizes_and_speeds(seed: int, settings: dict) -> dict[str, float]:
    """Share of parameters that train, bytes for ten tasks, and time unmerged over merged."""
    found = {}
    network = Classifier(load_backbone(), 10)
    whole = n_trainable(network)
    ten_copies = 10 * _bytes(network.state_dict())
    for method in METHODS:
        model = adapted(method, seed)
        if method not in ("full", "full_held"):
            found[f"peft.share.{method}"] = n_trainable(model) / whole
            task = {name: p for name, p in model.named_parameters() if p.requires_grad}
            one_backbone = _bytes(network.backbone.state_dict())
            found[f"peft.smaller.{method}"] = ten_copies / (one_backbone + 10 * _bytes(task))

    images = digits.load("test").images
    model = _not_zero(adapted("lora.4", seed), seed).eval()
    found["peft.speed.conv"] = _unmerged_over_merged(model, images[:256])
    found["peft.speed.conv_one"] = _unmerged_over_merged(model, images[:1])
    linear = Classifier(MLP(seed), 10)
    lora.apply_lora(linear, 4, ALPHA, LINEAR)
    found["peft.speed.linear"] = _unmerged_over_merged(_not_zero(linear, seed).eval(), images[:256])
    found["peft.speed.linear_one"] = _unmerged_over_merged(linear, images[:1])
    return found


CLAIMS = {
    "adapt_cluttered": adapt_cluttered,
    "adapt_clean": adapt_clean,
    "turned_pages": turned_pages,
    "sizes_and_speeds": sizes_and_speeds,
}
SEEDS = {"adapt_cluttered": 8, "adapt_clean": 5}
PAIRS = {
    f"peft.{target}.{method}.{versus}": (f"peft.{target}.{method}", f"peft.{target}.{other}")
    for target in ("cluttered", "clean")
    for method in METHODS
    for versus, other in (("over_head", "head"), ("to_full", "full"))
    if method != other
} | {
    "peft.turned.lora.4.over_head": ("peft.turned.lora.4", "peft.turned.head"),
    "peft.turned.lora.4.to_full": ("peft.turned.lora.4", "peft.turned.full"),
    "peft.source.full.cost": ("peft.source.full", "peft.source.before"),
    "peft.source.lora.on.cost": ("peft.source.lora.on", "peft.source.before"),
    "bugs.merged_twice.cost": ("bugs.merged_twice.wrong", "peft.cluttered.lora.4"),
    "bugs.both_zero.cost": ("bugs.both_zero.wrong", "peft.cluttered.lora.4"),
    "bugs.alpha.cost": ("bugs.alpha.wrong", "peft.cluttered.lora.8"),
    "bugs.rest_trains.gain": ("bugs.rest_trains.wrong", "peft.cluttered.lora.4"),
    "bugs.rest_trains.cost": ("bugs.rest_trains.source", "peft.source.lora.off"),
}
UNITS = {"peft.speed.": "times", "peft.smaller.": "times"}


# --- Settings, chosen on other targets -----------------------------------------------------------


def choose(quick: bool) -> dict:
    """Choose the rate of each family of methods: for all ranks one, as alpha / rank promises."""
    steps, pretrain_steps = (2, 2) if quick else (150, 400)
    candidates, n_tasks = (RATES[:1], 1) if quick else (RATES, 2)
    families = [m for m in METHODS if not m.startswith("lora")] + ["lora.4"]
    tasks = [_other_task(seed) for seed in range(n_tasks)]
    rates, linear_rates = {}, {}
    for method in tqdm(families, "choosing rates", unit="method"):
        scores = {}
        for rate in candidates:
            settings = {"rates": {_family(method): rate}, "steps": steps}
            scores[rate] = 0.0
            for seed, (images, labels, query, query_y) in enumerate(tasks):
                model = _trained(adapted(method, seed), method, images, labels, seed, settings)
                scores[rate] += evaluate(model, query, query_y)
        rates[_family(method)] = max(scores, key=scores.get)
    for method in ("head", "lora.4", "full"):
        scores = {}
        for rate in candidates:
            settings = {
                "linear_rates": {_family(method): rate},
                "steps": steps,
                "pretrain_steps": pretrain_steps,
            }
            scores[rate] = sum(turned(method, seed, settings, _mirror) for seed in range(n_tasks))
        linear_rates[_family(method)] = max(scores, key=scores.get)
    return {
        "chosen_on": "ten held-out characters on photographs for the convolutions, mirrored digits "
        "for the linear layers: neither is reported",
        "rates": rates,
        "linear_rates": linear_rates,
        "steps": steps,
        "pretrain_steps": pretrain_steps,
        "alpha": ALPHA,
        "width": WIDTH,
        "n_shot": N_SHOT,
        "source_scripts": ["Greek"] if quick else ["Latin", "Greek", "Cyrillic"],
    }


def _other_task(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw ten held-out characters on photographs; support and query are of different fonts."""
    data, generator = glyphs.load("held_out"), Generator().manual_seed(seed)
    members = [torch.nonzero(data.labels == k).flatten() for k in data.labels.unique()]
    members = [m for m in members if len(m) >= 8]
    ways = [members[k] for k in torch.randperm(len(members), generator=generator)[:10]]
    fonts = torch.stack([w[torch.randperm(len(w), generator=generator)[:8]] for w in ways])
    y = torch.arange(10).repeat_interleave(N_SHOT)
    found = []
    for side in (fonts[:, :4], fonts[:, 4:]):
        printed = data.images[side.repeat(1, N_SHOT // 4).flatten()]
        bent = glyphs.augment(printed, generator)
        found += [photo_background(bent, "train", generator), y]
    return tuple(found)


# --- What they share -----------------------------------------------------------------------------


def adapted(method: str, seed: int) -> nn.Module:
    """Return the pretrained backbone with a new head, ready to be trained by a method."""
    model = Classifier(load_backbone(), 10, seed)
    convs = [name for name, part in model.named_modules() if isinstance(part, nn.Conv2d)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        match method.split("."):
            case ["head"]:
                train_only(model, lambda name, parameter: False)
            case ["biases"]:
                train_only(model, lambda name, parameter: name.endswith("bias"))
            case ["batchnorm"]:
                train_only(model, lambda name, parameter: parameter.ndim == 1)
            case ["lora", rank]:
                lora.apply_lora_conv(model, int(rank), ALPHA, convs)
            case ["bottleneck"]:
                adapters.apply_adapters(model, convs, WIDTH)
            case ["adapter"]:
                adapters.apply_adapters(model, convs)
    return model


def _family(method: str) -> str:
    return method.split(".")[0]


def _trained(
    model: nn.Module, method: str, images: Tensor, labels: Tensor, seed: int, settings: dict
) -> nn.Module:
    """Train what the method left trainable; only in "full" do batch-norm's statistics move."""
    options = {
        "steps": settings["steps"], "lr": settings["rates"][_family(method)], "seed": seed,
        "batch_size": 100, "log_every": settings["steps"], "device": "cpu", "progress": False,
    }  # fmt: skip
    if method == "head":
        fit(model.head, extract_features(model, images), labels, **options)
    else:
        fit(model, images, labels, hold_batchnorm=method != "full", **options)
    return model.eval()


LINEAR = ["backbone.blocks.0.linear", "backbone.blocks.1.linear"]


@functools.cache
def _pretrained_mlp(seed: int, steps: int) -> nn.Module:
    pool = digits.load("pool")
    model = Classifier(MLP(seed), 10, seed)
    fit(model, pool.images, pool.labels, steps=steps, lr=2e-3, augment=glyphs.augment, seed=seed,
        log_every=steps, device="cpu", progress=False)  # fmt: skip
    return model.eval()


def mlp_reader(seed: int, steps: int) -> nn.Module:
    """Return a network of linear layers that was trained on the pool's upright digits."""
    return copy.deepcopy(_pretrained_mlp(seed, steps))


def _quarter(images: Tensor) -> Tensor:
    return images.rot90(1, (2, 3))


def _mirror(images: Tensor) -> Tensor:
    return images.flip(-1)


def turned(method: str, seed: int, settings: dict, turn) -> float:
    """Adapt the reader of upright digits to turned ones, ten labels per class; test accuracy."""
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, 10, seed)
    model = Classifier(mlp_reader(seed, settings["pretrain_steps"]).backbone, 10, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if method == "head":
            train_only(model, lambda name, parameter: False)
        elif method != "full":
            lora.apply_lora(model, int(method.removeprefix("lora.")), ALPHA, LINEAR)
    steps, rate = settings["steps"], settings["linear_rates"][_family(method)]
    fit(model, turn(pool.images[support]), pool.labels[support], steps=steps, lr=rate, seed=seed,
        batch_size=100, log_every=steps, device="cpu", progress=False)  # fmt: skip
    return evaluate(model, turn(test.images), test.labels)


def _reads_source(backbone: nn.Module, settings: dict) -> float:
    """Accuracy of the nearest class mean on letters of the source, in fonts it never saw."""
    train, val = (
        glyphs.load(split, scripts=settings["source_scripts"]) for split in ("train", "val")
    )
    model = Classifier(backbone, 1)
    x, query = (F.normalize(extract_features(model, s.images), dim=1) for s in (train, val))
    classes = train.labels.unique()
    means = torch.stack([x[train.labels == k].mean(0) for k in classes])
    nearest = classes[(query @ F.normalize(means, dim=1).T).argmax(1)]
    return (nearest == val.labels).float().mean().item()


def _lora_layers(model: nn.Module) -> list[nn.Module]:
    return [part for part in model.modules() if isinstance(part, lora.LORA)]


def _merged_twice(layer: nn.Module) -> nn.Module:
    """The bug: the update is added to a weight that has it already."""
    once, twice = layer.conv, lora.merge(layer)
    twice.weight.data += twice.weight.data - once.weight.data
    return twice


def _not_zero(model: nn.Module, seed: int) -> nn.Module:
    """Give the updates some size: as after training, for what only measures time."""
    generator = Generator().manual_seed(seed)
    for layer in _lora_layers(model):
        layer.B.data = 0.01 * torch.randn(layer.B.shape, generator=generator)
    return model


def _unmerged_over_merged(model: nn.Module, images: Tensor) -> float:
    """Median time of a forward pass with the updates beside the layers, over merged into them."""
    merged = copy.deepcopy(model)
    lora.merge_all(merged)
    repeats = 15 if len(images) > 1 else 200
    times = {"unmerged": [], "merged": []}
    with torch.no_grad():
        for _ in range(repeats):
            for name, network in (("unmerged", model), ("merged", merged)):
                start = time.process_time()
                network(images)
                times[name].append(time.process_time() - start)
    return median(times["unmerged"][2:]) / median(times["merged"][2:])


def _bytes(tensors: dict[str, Tensor]) -> int:
    """Size of a file with these tensors."""
    return len(save({name: tensor.detach().contiguous() for name, tensor in tensors.items()}))
