"""Module 02: fine-tuning and LP-FT on digits, clutter, turned digits and scripts; forgetting; bugs.

Scratch and frozen on digits are measured in `claims.feature_extraction` (``digits.N.scratch``,
``digits.N.frozen``), with the same seeds and splits: gains are paired with them. Fine-tuning and
scratch see the same distortions; that scratch has twice as many steps. ``scratch_same_steps`` has
as many as fine-tuning, ``plain_scratch`` sees no distortions.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.optim import AdamW
from tqdm import tqdm

from course_lib.data import digits, glyphs
from course_lib.data.imageset import ImageSet
from course_lib.data.shifts import photo_background, rotate_and_shear
from course_lib.evidence import results
from course_lib.evidence.evaluate import evaluate, n_correct
from course_lib.evidence.splits import k_shot_split
from course_lib.models.convnet import Classifier, random_backbone
from course_lib.models.weights import load_backbone
from course_lib.transfer.checkpoint import best_checkpoint
from course_lib.transfer.features import extract_features
from course_lib.transfer.lp_ft import lp_ft
from course_lib.transfer.rates import param_groups
from course_lib.transfer.train import fit
from course_lib.transfer.unfreeze import unfreeze

CHOSEN_ON, REPORTED = ("Georgian", "Armenian", "Lao"), ("Hebrew", "Tifinagh", "N'Ko")
RATES = {"finetune": (3e-4, 1e-3, 3e-3), "lpft": (1e-4, 3e-4, 1e-3)}
CLUTTER_RATES = (1e-3, 3e-3)
ALIAS_RATE, ALIAS_EPOCHS = 1e-2, 20  # a rate so high that the epochs differ


# --- The claims ----------------------------------------------------------------------------------


def finetuned_digits(seed: int, settings: dict) -> dict[str, float]:
    """Digits, 1, 2 and 5 labels per class: fine-tuning and LP-FT."""
    return _finetuned(seed, settings, (1, 2, 5))


def finetuned_digits_20(seed: int, settings: dict) -> dict[str, float]:
    """The same with 20 labels per class."""
    return _finetuned(seed, settings, (20,))


def _finetuned(seed: int, settings: dict, n_shots: Sequence[int]) -> dict[str, float]:
    pool, test = digits.load("pool"), digits.load("test")
    found = {}
    for n_shot in n_shots:
        support, _ = k_shot_split(pool.labels, n_shot, seed)
        own = pool.images[support], pool.labels[support]
        for name, method in METHODS.items():
            model = method(*own, seed, settings)
            found[f"ft.digits.{n_shot}.{name}"] = evaluate(model, test.images, test.labels)
    return found


def same_steps(seed: int, settings: dict) -> dict[str, float]:
    """Scratch on digits with as many steps as fine-tuning, not twice as many."""
    pool, test, found = digits.load("pool"), digits.load("test"), {}
    half = settings | {"finetune_rate": settings["scratch_rate"], "steps": settings["steps"] / 2}
    for n_shot in (1, 2, 5):
        support, _ = k_shot_split(pool.labels, n_shot, seed)
        model = _scratch(pool.images[support], pool.labels[support], seed, half)
        found[f"ft.digits.{n_shot}.scratch_same_steps"] = evaluate(model, test.images, test.labels)
    return found


def phase_one(seed: int, settings: dict) -> dict[str, float]:
    """LP-FT's first phase alone: what its second phase has to add to."""
    pool, test = digits.load("pool"), digits.load("test")
    found = {}
    for n_shot in (1, 2, 5, 20):
        support, _ = k_shot_split(pool.labels, n_shot, seed)
        model = linear_probe(pool.images[support], pool.labels[support], seed, settings)
        found[f"ft.digits.{n_shot}.probe"] = evaluate(model, test.images, test.labels)
    return found


def rates_by_depth(seed: int, settings: dict) -> dict[str, float]:
    """Digits, 2 labels per class: rates that fall with depth, and gradual unfreezing."""
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, 2, seed)
    own = pool.images[support], pool.labels[support]
    models = {
        "discriminative": finetune(*own, seed, settings, decay=settings["layer_decay"]),
        "gradual": gradual(*own, seed, settings),
    }
    return {
        f"ft.digits.2.{name}": evaluate(model, test.images, test.labels)
        for name, model in models.items()
    }


def plain_scratch(seed: int, settings: dict) -> dict[str, float]:
    """Scratch as introductions do it: the images as they are, never distorted."""
    pool, test = digits.load("pool"), digits.load("test")
    found = {}
    for n_shot in (1, 2, 5):
        support, _ = k_shot_split(pool.labels, n_shot, seed)
        model = Classifier(random_backbone(seed), 10, seed)
        fit(
            model, pool.images[support], pool.labels[support], lr=settings["scratch_rate"],
            **_options(seed, 2 * settings["steps"]),
        )  # fmt: skip
        found[f"ft.digits.{n_shot}.plain_scratch"] = evaluate(model, test.images, test.labels)
    return found


def new_scripts(seed: int, settings: dict) -> dict[str, float]:
    """Ten characters of scripts that nothing was chosen on, one label each: near the source."""
    images, labels, query, query_labels = next(hard_tasks(REPORTED, 1, 100 + seed))
    models = {
        "frozen": linear_probe(images, labels, seed, settings),
        "finetune": finetune(images, labels, seed, settings),
        "lpft": linear_probe_then_finetune(images, labels, seed, settings),
    }  # fmt: skip
    return {
        f"ft.scripts.1.{name}": evaluate(model, query, query_labels)
        for name, model in models.items()
    }


def clutter(seed: int, settings: dict) -> dict[str, float]:
    """Digits in front of photographs, 5 labels per class; and the optimiser's classic bug."""
    (images, labels), test = cluttered("pool", 5, seed), cluttered("test")
    chosen = settings["clutter"]
    forgotten = _pretrained(seed)
    fit(  # every flag says "train", and the optimiser holds the head alone
        forgotten, images, labels, augment=glyphs.augment, **_options(seed, chosen["steps"]),
        optimizer=AdamW(forgotten.head.parameters(), lr=chosen["finetune"]),
    )  # fmt: skip
    found = {f"ft.clutter.{k}": v for k, v in _on_clutter(images, labels, test, seed, settings)}
    return found | {"bugs.never_got.accuracy": evaluate(forgotten, *test)}


def clutter_2(seed: int, settings: dict) -> dict[str, float]:
    """The same with 2 labels per class, without the bug."""
    (images, labels), test = cluttered("pool", 2, seed), cluttered("test")
    return {f"ft.clutter.2.{k}": v for k, v in _on_clutter(images, labels, test, seed, settings)}


def clutter_20(seed: int, settings: dict) -> dict[str, float]:
    """The same with 20 labels per class, without the bug."""
    (images, labels), test = cluttered("pool", 20, seed), cluttered("test")
    return {f"ft.clutter.20.{k}": v for k, v in _on_clutter(images, labels, test, seed, settings)}


def clutter_same_steps(seed: int, settings: dict) -> dict[str, float]:
    """Scratch on clutter with as many steps as fine-tuning, not twice as many."""
    test, chosen, found = cluttered("test"), settings["clutter"], {}
    half = settings | {"finetune_rate": chosen["scratch"], "steps": chosen["steps"] / 2}
    for n_shot in (2, 5, 20):
        model = _scratch(*cluttered("pool", n_shot, seed), seed, half)
        found[f"ft.clutter.{n_shot}.scratch_same_steps"] = evaluate(model, *test)
    return found


def clutter_by_depth(seed: int, settings: dict) -> dict[str, float]:
    """Clutter, 5 labels per class: rates that fall with depth, where the first layers must move."""
    (images, labels), test = cluttered("pool", 5, seed), cluttered("test")
    chosen = settings["clutter"]
    at_rate = settings | {"finetune_rate": chosen["finetune"], "steps": chosen["steps"]}
    model = finetune(images, labels, seed, at_rate, decay=settings["layer_decay"])
    return {"ft.clutter.discriminative": evaluate(model, *test)}


def _on_clutter(
    images: Tensor, labels: Tensor, test: tuple[Tensor, Tensor], seed: int, settings: dict
) -> Iterator[tuple[str, float]]:
    chosen = settings["clutter"]
    at_rate = settings | {"finetune_rate": chosen["finetune"], "steps": chosen["steps"]}
    scratch_rate = settings | {"finetune_rate": chosen["scratch"], "steps": chosen["steps"]}
    yield "frozen", evaluate(linear_probe(images, labels, seed, settings), *test)
    yield "scratch", evaluate(_scratch(images, labels, seed, scratch_rate), *test)
    yield "finetune", evaluate(finetune(images, labels, seed, at_rate), *test)


def distortion(seed: int, settings: dict) -> dict[str, float]:
    """Digits as they are, 2 labels per class; tested as they are, and turned and slanted.

    No training image is distorted here: that would prepare for the very shift that is tested.
    """
    pool, test = digits.load("pool"), digits.load("test")
    turned = rotate_and_shear(test.images, Generator().manual_seed(0))
    support, _ = k_shot_split(pool.labels, 2, seed)
    own = pool.images[support], pool.labels[support]
    full = _pretrained(seed)
    fit(full, *own, lr=settings["finetune_rate"], **_options(seed, settings["steps"]))
    options = {"seed": seed, "device": "cpu", "progress": False}
    probe = linear_probe(*own, seed, settings)
    both = lp_ft(_pretrained(seed), *own, settings["probe_steps"], settings["steps"],
                 settings["lpft_rate"], **options)  # fmt: skip
    found = {}
    for name, model in {"frozen": probe, "finetune": full, "lpft": both}.items():
        found[f"ft.shift.{name}.clean"] = evaluate(model, test.images, test.labels)
        found[f"ft.shift.{name}.turned"] = evaluate(model, turned, test.labels)
    return found


def forgetting(seed: int, settings: dict) -> dict[str, float]:
    """Printed characters in unseen fonts, before and after fine-tuning on digits, 5 labels each.

    The head of the pretraining is not shipped. This one is the nearest class mean by cosine, of the
    features of the pretrained backbone, or (``.new_head``) of the fine-tuned one's own.
    """
    pool, old, new_fonts = digits.load("pool"), glyphs.load("train"), glyphs.load("val")
    support, _ = k_shot_split(pool.labels, 5, seed)

    def directions(backbone: nn.Module, images: Tensor) -> Tensor:
        x = extract_features(Classifier(backbone, 1), images, device="cpu")
        return nn.functional.normalize(x, dim=1)

    def means(backbone: nn.Module) -> Tensor:
        sums = torch.zeros(len(old.classes), backbone.feature_dim)
        sums.index_add_(0, old.labels, directions(backbone, old.images))
        return nn.functional.normalize(sums, dim=1)

    def accuracy(backbone: nn.Module, head: Tensor) -> float:
        return n_correct(directions(backbone, new_fonts.images) @ head.T, new_fonts.labels) / len(
            new_fonts.labels
        )

    pretrained = load_backbone()
    head = means(pretrained)
    found = {"ft.forget.before": accuracy(pretrained, head)}
    for name, method in METHODS.items():
        backbone = method(pool.images[support], pool.labels[support], seed, settings).backbone
        found[f"ft.forget.{name}"] = accuracy(backbone, head)
        found[f"ft.forget.{name}.new_head"] = accuracy(backbone, means(backbone))
    return found


def finetuning_bugs(seed: int, settings: dict) -> dict[str, float]:
    """A rate for random weights, and a head reset between the phases; digits, 2 labels."""
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, 2, seed)
    own = pool.images[support], pool.labels[support]
    high = finetune(*own, seed, settings | {"finetune_rate": settings["too_high"]})

    reset = _pretrained(seed)  # whatever phase one had found is gone
    fit(reset, *own, lr=settings["lpft_rate"], augment=glyphs.augment, hold_batchnorm=True,
        **_options(seed, settings["steps"]))  # fmt: skip

    return {
        "bugs.too_high.accuracy": evaluate(high, test.images, test.labels),
        "bugs.head_reset.accuracy": evaluate(reset, test.images, test.labels),
    }


def alias(seed: int, settings: dict) -> dict[str, float]:
    """A nervous training, 2 labels: the best epoch of 50 validation images, or an alias of it."""
    pool, test = digits.load("pool"), digits.load("test")
    support, rest = k_shot_split(pool.labels, 2, seed)
    val = rest[k_shot_split(pool.labels[rest], 5, seed)[0]]
    images, labels = pool.images[support], pool.labels[support]
    model, generator = _pretrained(seed), Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=ALIAS_RATE)

    def epoch(model: nn.Module) -> None:
        model.train()
        for batch in torch.randperm(len(images), generator=generator).split(10):
            logits = model(glyphs.augment(images[batch], generator))
            loss = nn.functional.cross_entropy(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def val_score(model: nn.Module) -> float:
        return evaluate(model, pool.images[val], pool.labels[val], device="cpu")

    _, _, best = best_checkpoint(model, epoch, val_score, ALIAS_EPOCHS)
    aliased = evaluate(model, test.images, test.labels)  # an alias shows the last epoch
    model.load_state_dict(best)
    return {
        "bugs.alias.accuracy": aliased,
        "bugs.alias.right": evaluate(model, test.images, test.labels),
    }


CLAIMS = {
    "finetuned_digits": finetuned_digits,
    "finetuned_digits_20": finetuned_digits_20,
    "same_steps": same_steps,
    "phase_one": phase_one,
    "rates_by_depth": rates_by_depth,
    "plain_scratch": plain_scratch,
    "new_scripts": new_scripts,
    "clutter": clutter,
    "clutter_2": clutter_2,
    "clutter_20": clutter_20,
    "clutter_same_steps": clutter_same_steps,
    "clutter_by_depth": clutter_by_depth,
    "distortion": distortion,
    "forgetting": forgetting,
    "finetuning_bugs": finetuning_bugs,
    "alias": alias,
}
SEEDS = {"finetuned_digits_20": 5}
PAIRS = {
    f"ft.digits.{n}.{name}.over_{other}": (f"ft.digits.{n}.{name}", f"digits.{n}.{other}")
    for n in (1, 2, 5, 20)
    for name in ("finetune", "lpft")
    for other in ("scratch", "frozen")
}
PAIRS |= {
    f"ft.digits.{n}.lpft.over_probe": (f"ft.digits.{n}.lpft", f"ft.digits.{n}.probe")
    for n in (1, 2, 5, 20)
}
PAIRS |= {
    f"ft.digits.{n}.lpft.over_plain_scratch": (f"ft.digits.{n}.lpft",
                                               f"ft.digits.{n}.plain_scratch")
    for n in (1, 2, 5)
}  # fmt: skip
PAIRS |= {
    "ft.digits.2.discriminative.over_one_rate": (
        "ft.digits.2.discriminative", "ft.digits.2.finetune"),
    "ft.clutter.discriminative.over_one_rate": ("ft.clutter.discriminative", "ft.clutter.finetune"),
    "ft.digits.2.gradual.over_one_rate": ("ft.digits.2.gradual", "ft.digits.2.finetune"),
    "ft.scripts.1.finetune.over_frozen": ("ft.scripts.1.finetune", "ft.scripts.1.frozen"),
    "ft.scripts.1.lpft.over_frozen": ("ft.scripts.1.lpft", "ft.scripts.1.frozen"),
    "ft.shift.finetune.clean.over_frozen": ("ft.shift.finetune.clean", "ft.shift.frozen.clean"),
    "ft.shift.finetune.turned.over_frozen": ("ft.shift.finetune.turned", "ft.shift.frozen.turned"),
    "ft.shift.lpft.clean.over_finetune": ("ft.shift.lpft.clean", "ft.shift.finetune.clean"),
    "ft.shift.lpft.turned.over_finetune": ("ft.shift.lpft.turned", "ft.shift.finetune.turned"),
    "ft.shift.lpft.turned.over_frozen": ("ft.shift.lpft.turned", "ft.shift.frozen.turned"),
    "ft.forget.finetune.cost": ("ft.forget.finetune", "ft.forget.before"),
    "ft.forget.lpft.cost": ("ft.forget.lpft", "ft.forget.before"),
    "bugs.never_got.cost": ("bugs.never_got.accuracy", "ft.clutter.finetune"),
    "bugs.too_high.cost": ("bugs.too_high.accuracy", "ft.digits.2.finetune"),
    "bugs.head_reset.cost": ("bugs.head_reset.accuracy", "ft.digits.2.lpft"),
    "bugs.alias.cost": ("bugs.alias.accuracy", "bugs.alias.right"),
}  # fmt: skip


PAIRS |= {
    f"ft.digits.{n}.{name}.over_scratch_same_steps": (
        f"ft.digits.{n}.{name}", f"ft.digits.{n}.scratch_same_steps")
    for n in (1, 2, 5)
    for name in ("finetune", "lpft")
}  # fmt: skip
for n in (2, 5, 20):
    key = "ft.clutter" if n == 5 else f"ft.clutter.{n}"
    PAIRS |= {
        f"{key}.finetune.over_frozen": (f"{key}.finetune", f"{key}.frozen"),
        f"{key}.finetune.over_scratch": (f"{key}.finetune", f"{key}.scratch"),
        f"{key}.finetune.over_scratch_same_steps": (
            f"{key}.finetune", f"ft.clutter.{n}.scratch_same_steps"),
    }  # fmt: skip


# --- Settings, chosen on other targets -----------------------------------------------------------


def choose(quick: bool) -> dict:
    """Choose each method's rate on characters of three held-out scripts, distorted twice.

    Printed characters distorted once are too easy: the probe is nearly perfect. The rates for
    clutter are chosen on the same characters in front of photographs.
    """
    settings = {
        "chosen_on": "characters of Georgian, Armenian and Lao, distorted twice, with 1, 2 and 5 "
        "labels; for clutter the same in front of photographs; never on digits",
        "steps": 4 if quick else 150,
        "probe_steps": 100,
        "scratch_rate": results.settings("feature_extraction")["learning_rate"],
        "layer_decay": 0.5,
        "too_high": 3e-2,
        "clutter": {"steps": 4 if quick else 150},
    }
    tasks = [task for n in (1, 2, 5) for task in _first(1 if quick else 3, n)]
    images, generator = [], Generator().manual_seed(2)
    for x, y, query, query_y in _first(1 if quick else 3, 5):
        images.append((photo_background(x, "train", generator), y,
                       photo_background(query, "train", generator), query_y))  # fmt: skip
    runs = [("finetune", rate, finetune, tasks) for rate in RATES["finetune"]]
    runs += [("lpft", rate, linear_probe_then_finetune, tasks) for rate in RATES["lpft"]]
    runs += [("clutter", rate, finetune, images) for rate in CLUTTER_RATES]
    runs += [("scratch", rate, _scratch, images) for rate in CLUTTER_RATES]
    scores: dict[str, dict[float, float]] = {}
    for name, rate, method, on in tqdm(runs, desc="choosing rates", unit="rate"):
        trial = settings | {"finetune_rate": rate, "lpft_rate": rate}
        scores.setdefault(name, {})[rate] = float(np.mean(
            [evaluate(method(x, y, seed, trial), q, qy) for seed, (x, y, q, qy) in enumerate(on)]
        ))  # fmt: skip
    best = {name: max(of_rate, key=of_rate.get) for name, of_rate in scores.items()}
    settings["clutter"] |= {"finetune": best["clutter"], "scratch": best["scratch"]}
    return settings | {
        "method": max(("finetune", "lpft"), key=lambda name: scores[name][best[name]]),
        "finetune_rate": best["finetune"],
        "lpft_rate": best["lpft"],
        "scores": {
            name: {f"{rate:g}": round(score, 4) for rate, score in of_rate.items()}
            for name, of_rate in scores.items()
        },
    }


def _first(n_tasks: int, n_shot: int) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    for _, task in zip(range(n_tasks), hard_tasks(CHOSEN_ON, n_shot, 1), strict=False):
        yield task


def hard_tasks(
    scripts: Sequence[str], n_shot: int, seed: int
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Draw tasks of ten characters, each image distorted twice; queries are in other fonts."""
    data, generator = glyphs.load("held_out", scripts), Generator().manual_seed(seed)
    members = [torch.nonzero(data.labels == k).flatten() for k in data.labels.unique()]
    members = [indices for indices in members if len(indices) > n_shot]
    while True:
        ways = [members[k] for k in torch.randperm(len(members), generator=generator)[:10]]
        ways = [way[torch.randperm(len(way), generator=generator)] for way in ways]
        support = torch.cat([way[:n_shot] for way in ways])
        query = torch.cat([way[n_shot:][torch.arange(20) % (len(way) - n_shot)] for way in ways])
        x, query_x = (
            glyphs.augment(glyphs.augment(data.images[i], generator), generator)
            for i in (support, query)
        )
        y = torch.arange(10)
        yield x, y.repeat_interleave(n_shot), query_x, y.repeat_interleave(20)


# --- The methods ---------------------------------------------------------------------------------


def finetune(
    images: Tensor, labels: Tensor, seed: int, settings: dict, decay: float = 1.0
) -> nn.Module:
    """Train everything from the pretrained backbone and a new head, every image distorted anew."""
    model = _pretrained(seed)
    optimizer = AdamW(param_groups(model, settings["finetune_rate"], decay, weight_decay=0.05))
    fit(model, images, labels, optimizer=optimizer, augment=glyphs.augment,
        **_options(seed, settings["steps"]))  # fmt: skip
    return model


def linear_probe(images: Tensor, labels: Tensor, seed: int, settings: dict) -> nn.Module:
    """Fit the head on frozen features, and leave it at that."""
    return lp_ft(
        _pretrained(seed), images, labels, settings["probe_steps"], 0, 0.0, seed=seed, device="cpu"
    )


def linear_probe_then_finetune(
    images: Tensor, labels: Tensor, seed: int, settings: dict
) -> nn.Module:
    """Fit the head on frozen features, then train everything at a small rate, distorted anew."""
    return lp_ft(
        _pretrained(seed), images, labels, settings["probe_steps"], settings["steps"],
        settings["lpft_rate"], augment=glyphs.augment, seed=seed, device="cpu", progress=False,
    )  # fmt: skip


def gradual(images: Tensor, labels: Tensor, seed: int, settings: dict) -> nn.Module:
    """Train the head, then also the last block, then also the one before it, and so on."""
    model = _pretrained(seed)
    optimizer = AdamW(model.head.parameters(), lr=settings["finetune_rate"], weight_decay=0.05)
    stages = range(len(model.backbone.blocks) + 1)
    for stage in stages:
        unfreeze(model, optimizer, stage)
        fit(model, images, labels, optimizer=optimizer, augment=glyphs.augment,
            **_options(seed + 1000 * stage, max(1, settings["steps"] // len(stages))))  # fmt: skip
    return model


def _scratch(images: Tensor, labels: Tensor, seed: int, settings: dict) -> nn.Module:
    model = Classifier(random_backbone(seed), 10, seed)
    fit(model, images, labels, lr=settings["finetune_rate"], weight_decay=0.05,
        augment=glyphs.augment, **_options(seed, int(2 * settings["steps"])))  # fmt: skip
    return model


def _pretrained(seed: int) -> Classifier:
    return Classifier(load_backbone(), 10, seed)


def _options(seed: int, steps: int) -> dict:
    return {"seed": seed, "steps": steps, "log_every": steps, "device": "cpu", "progress": False}


# --- The targets ---------------------------------------------------------------------------------


def cluttered(split: str, n_shot: int = 0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Digits in front of photographs: a support set of the pool, or the whole test split."""
    data: ImageSet = digits.load(split)
    images, labels = data.images, data.labels
    if split == "pool":
        support, _ = k_shot_split(labels, n_shot, seed)
        images, labels = images[support], labels[support]
    half = "train" if split == "pool" else "test"  # of each photograph
    return photo_background(images, half, Generator().manual_seed(seed)), labels


METHODS = {"finetune": finetune, "lpft": linear_probe_then_finetune}
