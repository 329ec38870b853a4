"""Module 03: a race to a target, layer by layer, which source, negative transfer, X-rays; bugs.

Scratch with few labels is measured in `claims.feature_extraction` (``digits.5.scratch``), with the
same seeds, splits and steps: gains are paired with it.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from claims.common import other_tasks, probe_accuracy, scaled
from claims.fine_tuning import finetune, linear_probe_then_finetune
from course_lib.data import digits, glyphs, medical
from course_lib.errors import CourseError
from course_lib.evidence import results
from course_lib.evidence.curves import learning_curve
from course_lib.evidence.evaluate import evaluate, forward_in_batches
from course_lib.evidence.similarity import neighbour_accuracy
from course_lib.evidence.speed import time_to_target
from course_lib.evidence.splits import k_shot_split
from course_lib.models.convnet import Classifier, random_backbone
from course_lib.models.weights import SHIPPED, SOURCES, imagenet, load_source
from course_lib.transfer.features import extract_features
from course_lib.transfer.freeze import freeze
from course_lib.transfer.layerwise import copy_first_k
from course_lib.transfer.train import fit

ALL_SOURCES = ("random", *SOURCES)
BAD = ("photographs", "turned")
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
RATES = (1e-3, 3e-3, 1e-2)
TARGET, BATCH = 0.9, 50  # of the race
WAYS = ("scratch", "finetuned", "frozen")
XRAY_SIZES = (5, 20, 100)
XRAY_WAYS = ("pixels", "random", "glyphs", "imagenet")
FAIR_SIZES = (1, 2, 3, 5, 8)


# --- The claims ----------------------------------------------------------------------------------


def which_source(seed: int, settings: dict) -> dict[str, float]:
    """Six sources, 5 labels per class: leave-one-out nearest neighbour, and a probe's accuracy."""
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, 5, seed)
    found, y = {}, pool.labels[support]
    for source in ALL_SOURCES:
        x, test_x = _digit_features(source)
        found[f"similar.{source}.neighbour"] = neighbour_accuracy(x[support], y)
        found[f"similar.{source}.frozen"] = probe_accuracy(
            x[support], y, test_x, test.labels, settings["strengths"][source]
        )
    return found


def negative_transfer(seed: int, settings: dict) -> dict[str, float]:
    """The two bad sources, fine-tuned, 5 labels per class.

    The recipe is that of scratch, steps and rate included: only the first weights differ.
    """
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, 5, seed)
    found = {}
    for source in BAD:
        model = Classifier(load_source(source), 10, seed)
        train(model, pool.images[support], pool.labels[support], seed, settings["scratch"])
        found[f"negative.{source}.finetuned"] = evaluate(model, test.images, test.labels)
    return found


def layer_by_layer(seed: int, settings: dict) -> dict[str, float]:
    """The first k blocks from the glyphs, the rest new; 5 labels per class; the k held, or not."""
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, 5, seed)
    source, found = Classifier(load_source("glyphs"), 10), {}
    trials = {"layers.0": (0, False)} | {
        f"layers.{k}.{way}": (k, way == "held") for k in range(1, 5) for way in ("held", "trained")
    }
    for key, (k, held) in trials.items():
        model = Classifier(random_backbone(seed), 10, seed)
        copy_first_k(source, model, k)
        for block in model.backbone.blocks[: k if held else 0]:
            freeze(block)
        train(model, pool.images[support], pool.labels[support], seed, settings["layers"])
        found[key] = evaluate(model, test.images, test.labels)
    return found


def race(seed: int, settings: dict) -> dict[str, float]:
    """Epochs and CPU time until 90 % of 200 validation digits are right; 20 labels per class.

    The clock counts training, and the one pass that makes the features; not validation, and not
    the pretraining, which ``faster.break_even`` sets against what one task saves. Who does not
    arrive counts with the last step, and ``faster.arrived`` says how many arrived.
    """
    pool, target = digits.load("pool"), settings["race"]["target"]
    support, rest = k_shot_split(pool.labels, 20, seed)
    val = rest[k_shot_split(pool.labels[rest], 20, seed)[0]]
    own, held_back = ((pool.images[i], pool.labels[i]) for i in (support, val))
    found, arrived = {}, []
    for way in WAYS:
        history = timed(way, own, held_back, seed, settings["race"][way])
        step = time_to_target(history, target)
        arrived.append(step < math.inf)
        row = next((row for row in history if row["step"] == step), history[-1])
        per_epoch = len(support) / BATCH
        found[f"faster.{way}.epochs"] = row["step"] / per_epoch
        found[f"faster.{way}.cpu"] = row["cpu"]
        below, last = True, row["step"]
        for now in history:
            if below and now["val_accuracy"] >= target:
                last = now["step"]
            below = now["val_accuracy"] < target
        found[f"bugs.last_crossing.{way}.epochs"] = last / per_epoch
    scratch_epochs, scratch_cpu = (found[f"faster.scratch.{unit}"] for unit in ("epochs", "cpu"))
    for way in WAYS[1:]:
        found[f"faster.{way}.fewer_epochs"] = scratch_epochs / found[f"faster.{way}.epochs"]
        found[f"faster.{way}.less_cpu"] = scratch_cpu / found[f"faster.{way}.cpu"]
        found[f"faster.{way}.saved"] = scratch_cpu - found[f"faster.{way}.cpu"]
    bill = json.loads(SHIPPED.with_suffix(".json").read_text("utf-8"))["cpu_seconds_of_this_run"]
    found["faster.break_even"] = bill / found["faster.frozen.saved"]
    found["faster.arrived"] = float(np.mean(arrived))
    return found


def xrays(seed: int, settings: dict) -> dict[str, float]:
    """Chest X-rays, normal or pneumonia, by labels per class; 234 test images of each class."""
    (pool, labels), (test, test_labels) = xray_set("pool"), xray_set("test")
    chosen = settings["xrays"]
    if chosen is None:
        raise CourseError("The X-rays were not here when the settings were chosen: use --again.")

    def scratch(images: Tensor, labels: Tensor) -> nn.Module:
        model = Classifier(random_backbone(seed), 2, seed)
        train(model, images, labels, seed, chosen["scratch"], augment=None)
        return model

    arguments = as_input("scratch", pool), labels, as_input("scratch", test), test_labels
    curve = learning_curve(scratch, *arguments, XRAY_SIZES, seed)
    found = {f"medical.{n}.scratch": a for n, a in zip(XRAY_SIZES, curve, strict=True)}
    for way in XRAY_WAYS:
        x, test_x = scaled(_xray_features(way, "pool"), _xray_features(way, "test"))
        for n in XRAY_SIZES:
            support, _ = k_shot_split(labels, n, seed)
            found[f"medical.{n}.{way}"] = probe_accuracy(
                x[support], labels[support], test_x, test_labels, chosen["strengths"][way]
            )
    return found


def all_labels(seed: int, settings: dict) -> dict[str, float]:
    """Fine-tuning and LP-FT on all 1,000 labels: the end of the curves of ``ft.digits.{n}``.

    As `claims.fine_tuning` does it, with half the steps of scratch (``digits.all.scratch``).
    """
    pool, test = digits.load("pool"), digits.load("test")
    chosen = results.settings("fine_tuning") | {"steps": settings["scratch"]["steps"] // 2}
    methods = {"finetune": finetune, "lpft": linear_probe_then_finetune}
    return {
        f"curve.all.{name}": evaluate(
            method(pool.images, pool.labels, seed, chosen), test.images, test.labels
        )
        for name, method in methods.items()
    }


def unfair_curves(seed: int, settings: dict) -> dict[str, float]:
    """Share of steps to more labels at which the accuracy falls; fair curves and unfair ones.

    Frozen features. Fair: nested subsets, the whole test set. Unfair: for each size a fresh draw
    of the labels and 100 test images of its own.
    """
    pool, test = digits.load("pool"), digits.load("test")
    x, test_x = _digit_features("glyphs")
    strength, falls = settings["strengths"]["glyphs"], {"right": [], "wrong": []}
    for draw in range(8 * seed, 8 * seed + 8):
        for way in falls:
            curve = []
            for i, n in enumerate(FAIR_SIZES):
                fresh = 1000 * draw + i if way == "wrong" else draw
                support, _ = k_shot_split(pool.labels, n, fresh)
                tested = torch.arange(len(test.labels))
                if way == "wrong":
                    generator = Generator().manual_seed(fresh)
                    tested = torch.randperm(len(test.labels), generator=generator)[:100]
                curve.append(
                    probe_accuracy(
                        x[support], pool.labels[support], test_x[tested], test.labels[tested],
                        strength,
                    )
                )  # fmt: skip
            falls[way] += [after < before for before, after in pairwise(curve)]
    return {f"bugs.unfair_curve.{way}": float(np.mean(of_way)) for way, of_way in falls.items()}


def best_epoch_on_test(seed: int, settings: dict) -> dict[str, float]:
    """Scratch, 2 labels per class: the best of 20 checkpoints by 100 test images, and its worth."""
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, 2, seed)
    order = torch.randperm(len(test.labels), generator=Generator().manual_seed(seed))
    seen, strangers = [], []
    model = Classifier(random_backbone(seed), 10, seed)

    def look(_history: list[dict]) -> None:
        hits = forward_in_batches(model, test.images).argmax(1) == test.labels
        seen.append(hits[order[:100]].double().mean().item())
        strangers.append(hits[order[100:]].double().mean().item())

    setting = settings["scratch"] | {"steps": settings["scratch"]["steps"] // 2}
    train(
        model, pool.images[support], pool.labels[support], seed, setting,
        log_every=math.ceil(setting["steps"] / 20), on_row=look,
    )  # fmt: skip
    best = int(np.argmax(seen))
    return {
        "bugs.best_epoch.reported": seen[best],
        "bugs.best_epoch.true": strangers[best],
        "bugs.best_epoch.last": strangers[-1],
    }


CLAIMS = {
    "which_source": which_source,
    "race": race,
    "negative_transfer": negative_transfer,
    "layer_by_layer": layer_by_layer,
    "xrays": xrays,
    "unfair_curves": unfair_curves,
    "best_epoch_on_test": best_epoch_on_test,
    "all_labels": all_labels,
}
SEEDS = {"layer_by_layer": 5, "xrays": 5, "all_labels": 5}
PAIRS = {
    "curve.all.finetune.over_scratch": ("curve.all.finetune", "digits.all.scratch"),
    "curve.all.lpft.over_scratch": ("curve.all.lpft", "digits.all.scratch"),
    "curve.half_the_labels": ("ft.digits.1.lpft", "digits.2.scratch"),
    **{
        f"negative.{source}.frozen.gain": (f"similar.{source}.frozen", "digits.5.scratch")
        for source in ALL_SOURCES
    },
    **{
        f"negative.{source}.finetuned.gain": (f"negative.{source}.finetuned", "digits.5.scratch")
        for source in BAD
    },
    **{
        f"negative.{source}.below_random": (f"similar.{source}.frozen", "similar.random.frozen")
        for source in BAD
    },
    **{
        f"layers.{k}.{way}.gain": (f"layers.{k}.{way}", "layers.0")
        for k in range(1, 5)
        for way in ("held", "trained")
    },
    **{
        f"medical.{n}.{way}.gain": (f"medical.{n}.{way}", f"medical.{n}.scratch")
        for n in XRAY_SIZES
        for way in XRAY_WAYS
    },
    "bugs.unfair_curve.cost": ("bugs.unfair_curve.wrong", "bugs.unfair_curve.right"),
    "bugs.best_epoch.cost": ("bugs.best_epoch.reported", "bugs.best_epoch.true"),
    "bugs.nothing_loaded.cost": ("similar.random.frozen", "similar.glyphs.frozen"),
}
UNITS = {f"faster.{way}.epochs": "epochs" for way in WAYS}
UNITS |= {f"bugs.last_crossing.{way}": "epochs" for way in WAYS}
UNITS |= {f"faster.{way}.{what}": "number" for way in WAYS for what in ("cpu", "saved")}
UNITS |= {f"faster.{way}.{what}": "times" for way in WAYS for what in ("fewer_epochs", "less_cpu")}
UNITS |= {"faster.break_even": "number"}


# --- Settings, chosen on other targets -----------------------------------------------------------


def choose(quick: bool) -> dict:
    """Choose probe strengths and the racers' settings on held-out scripts."""
    of_scratch = results.settings("feature_extraction")
    scratch = {"rate": of_scratch["learning_rate"], "steps": 10 if quick else 300}
    tasks = [task for _, task in zip(range(4 if quick else 20), other_tasks(), strict=False)]
    strengths, rates = ([1.0], [3e-3]) if quick else (list(STRENGTHS), list(RATES))
    bar = tqdm(desc="choosing settings", unit="setting")

    def best(candidates: list, score: Callable) -> object:
        scores = []
        for candidate in candidates:
            scores.append(score(candidate))
            bar.update()
        return candidates[int(np.argmax(scores))]

    def probed(source: str) -> Callable[[float], float]:
        backbone, seen = load_source(source), []
        for support, y, query, query_y in tasks:
            features = (extract_features(Classifier(backbone, 1), x) for x in (support, query))
            x, query_x = scaled(*features)
            seen.append((x, y, query_x, query_y))
        return lambda strength: float(np.mean([probe_accuracy(*one, strength) for one in seen]))

    def fast(way: str) -> Callable[[dict], float]:
        def score(setting: dict) -> float:
            steps = []
            for seed, sets in zip(range(1 if quick else 2), large_tasks(), strict=False):
                arrival = time_to_target(timed(way, *sets, seed, setting), TARGET)
                steps.append(min(arrival, 2 * setting["steps"]))
            return -float(np.mean(steps))

        return score

    # One budget for all three: half of it is enough on printed characters, but not on digits.
    steps = 12 if quick else 60
    whole = [{"rate": rate, "steps": steps} for rate in rates]
    head = [{"rate": rate, "steps": steps} for rate in (1e-2, 3e-2, 1e-1)]
    chosen = {
        "chosen_on": "tasks of ten characters of the held-out scripts, not on digits, except the "
        "number of steps of the race: half of it was too few on digits; of the X-rays, their "
        "validation split",
        "scratch": scratch,
        "layers": scratch | {"steps": scratch["steps"] // 2},
        "strengths": {source: best(strengths, probed(source)) for source in ALL_SOURCES},
        "race": {
            "target": 0.2 if quick else TARGET,
            "scratch": best(whole, fast("scratch")),
            "finetuned": best(whole, fast("finetuned")),
            "frozen": best(head, fast("frozen")),
        },
    }
    try:
        val, val_labels = xray_set("val")
        pool, labels = xray_set("pool")
    except CourseError:
        bar.close()
        return chosen | {"xrays": None}

    def xray_probed(way: str) -> Callable[[float], float]:
        x, val_x = scaled(_xray_features(way, "pool"), _xray_features(way, "val"))
        draws = [k_shot_split(labels, n, 100 + s)[0] for n in XRAY_SIZES for s in range(3)]
        return lambda strength: float(
            np.mean([probe_accuracy(x[i], labels[i], val_x, val_labels, strength) for i in draws])
        )

    def xray_scratch(rate: float) -> float:
        found, setting = [], {"rate": rate, "steps": 10 if quick else 150}
        for seed in range(100, 102):
            support, _ = k_shot_split(labels, 20, seed)
            model = Classifier(random_backbone(seed), 2, seed)
            images = as_input("scratch", pool[support])
            train(model, images, labels[support], seed, setting, augment=None)
            found.append(evaluate(model, as_input("scratch", val), val_labels))
        return float(np.mean(found))

    chosen["xrays"] = {
        "strengths": {way: best(strengths, xray_probed(way)) for way in XRAY_WAYS},
        "scratch": {"rate": best(rates, xray_scratch), "steps": 10 if quick else 150},
    }
    bar.close()
    return chosen


def large_tasks() -> Iterator[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
    """Draw tasks of ten held-out characters with 20 distorted images each, and 20 to validate on.

    Training and validation come from different fonts.
    """
    data, generator = glyphs.load("held_out"), Generator().manual_seed(3)
    members = [torch.nonzero(data.labels == k).flatten() for k in data.labels.unique()]
    members = [indices for indices in members if len(indices) >= 6]
    y = torch.arange(10).repeat_interleave(20)
    while True:
        ways = [members[k] for k in torch.randperm(len(members), generator=generator)[:10]]
        sides = ([], [])
        for way in ways:
            way = way[torch.randperm(len(way), generator=generator)]
            for side, half in zip(sides, way.tensor_split(2), strict=True):
                side.append(half[torch.arange(20) % len(half)])
        yield tuple((glyphs.augment(data.images[torch.cat(side)], generator), y) for side in sides)


# --- What they share -----------------------------------------------------------------------------


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    seed: int,
    setting: dict,
    augment: Callable | None = glyphs.augment,
    **options: object,
) -> None:
    """Train as `claims.common.scratch` does."""
    fit(
        model, images, labels, steps=setting["steps"], lr=setting["rate"], weight_decay=0.05,
        augment=augment, seed=seed, device="cpu", progress=False,
        **{"log_every": setting["steps"]} | options,
    )  # fmt: skip


def timed(
    way: str,
    own: tuple[Tensor, Tensor],
    val: tuple[Tensor, Tensor],
    seed: int,
    setting: dict,
) -> list[dict]:
    """Train one way; return step, validation accuracy and CPU-seconds of training, step by step."""
    backbone = random_backbone(seed) if way == "scratch" else load_source("glyphs")
    model = Classifier(backbone, 10, seed)
    images, labels = own
    _warm_up()
    history, used, since = [], 0.0, time.process_time()

    def note(rows: list[dict]) -> None:
        nonlocal used, since
        used += time.process_time() - since
        accuracy = evaluate(part, *val, device="cpu")
        history.append({"step": rows[-1]["step"], "val_accuracy": accuracy, "cpu": used})
        since = time.process_time()

    part = model
    if way == "frozen":
        part, images = model.head, extract_features(model, images, device="cpu")
        used += time.process_time() - since
        val = extract_features(model, val[0], device="cpu"), val[1]
        since = time.process_time()
    fit(
        part, images, labels, steps=setting["steps"], batch_size=BATCH, lr=setting["rate"],
        weight_decay=0.05, augment=None if way == "frozen" else glyphs.augment,
        log_every=1, on_row=note, seed=seed, device="cpu", progress=False,
    )  # fmt: skip
    return history


@cache
def _warm_up() -> None:
    """The first step of a process is slow, whoever takes it."""
    model = Classifier(random_backbone(0), 2)
    fit(model, torch.rand(4, 1, 32, 32), torch.arange(4) % 2, steps=2, device="cpu", progress=False)


@cache
def _digit_features(source: str) -> tuple[Tensor, Tensor]:
    """Scaled features of the pool and of the test digits."""
    model = Classifier(load_source(source), 1)
    return scaled(*(extract_features(model, digits.load(part).images) for part in ("pool", "test")))


@cache
def xray_set(name: str) -> tuple[Tensor, Tensor]:
    """Return X-rays with both classes equally often: a pool of 600, 270 to choose on, 468 to test.

    Equal classes make guessing 50 %, and the accuracy what doctors call balanced.
    """
    split, n = {"pool": ("train", 300), "val": ("val", 135), "test": ("test", 234)}[name]
    data = medical.load(split)
    chosen, _ = k_shot_split(data.labels, n, seed=0)
    return data.images[chosen], data.labels[chosen]


def as_input(way: str, images: Tensor) -> Tensor:
    """Bring X-rays into the form a network expects: 32 pixels grey, or 97 as ImageNet's colours."""
    if way != "imagenet":
        return F.interpolate(images, size=32, mode="bilinear")
    large = F.interpolate(images, size=97, mode="bilinear").expand(-1, 3, -1, -1)
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    return (large - mean) / std


@cache
def _xray_features(way: str, name: str) -> Tensor:
    images = xray_set(name)[0]
    if way == "pixels":
        return images.flatten(1)
    model = imagenet() if way == "imagenet" else Classifier(load_source(way), 1)
    return extract_features(model, as_input(way, images), batch_size=64)
