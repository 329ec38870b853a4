"""Module 04: unsupervised domain adaptation under two shifts, and where it fails."""

from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from course_lib.alignment.adabn import adapt_batchnorm
from course_lib.alignment.adapt import adapt
from course_lib.alignment.selection import information, select_model
from course_lib.alignment.terms import METHODS, term
from course_lib.data import digits, glyphs, shifts
from course_lib.evidence.evaluate import evaluate, forward_in_batches
from course_lib.models.convnet import Classifier
from course_lib.models.weights import load_backbone

KEYS = dict(zip(METHODS, ("source", "coral", "mmd", "dann", "mcc"), strict=True))
CANDIDATES = {
    "CORAL": [{"weight": 3.0}, {"weight": 30.0}],
    "MMD": [{"weight": 1.0}, {"weight": 3.0}],
    "DANN": [{"weight": w, "align_lr": r} for w, r in ((1.0, 3e-3), (1.0, 1e-3), (0.3, 1e-3))],
    "MCC": [{"weight": 1.0}, {"weight": 3.0}],
}

STEADY = [{"weight": w, "align_lr": r} for w in (1.0, 0.3, 0.1) for r in (3e-3, 1e-3)]

mild = partial(shifts.rotate_and_shear, degrees=6.0, shear=0.1)


class Task(NamedTuple):
    """Labelled source images, target images (their labels are for the reference alone), a test."""

    source: Tensor
    source_labels: Tensor
    target: Tensor
    target_labels: Tensor
    test: Tensor
    test_labels: Tensor


def choose(quick: bool) -> dict:
    """Choose each method's weight, and the best method, on characters of held-out scripts."""
    settings = {
        "chosen_on": "two shifts of ten characters of held-out scripts (other fonts, slanted and "
        "coarse; photographs behind them), never on digits",
        "steps": 2 if quick else 100,
        "batch_size": 64,
        "lr": 3e-3,
        "n_target": 64 if quick else 600,  # unlabelled for the methods, labelled for the reference
        "n_test": 64 if quick else 797,
        "methods": {"source only": {}, "augmentation": {"augment": True}, "reference": {}},
    }
    tasks = [
        (seed, other_task(kind, seed, settings)) for seed, kind in enumerate(("font", "photo"))
    ]
    rows = [(name, row) for name, rows in CANDIDATES.items() for row in rows[: 1 if quick else 9]]
    rows = [("source only", {}), *rows]
    scores: list[tuple[float, str, dict]] = []

    def score(name: str, row: dict) -> None:
        found = []
        for seed, task in tasks:
            model = train(name, task, seed, settings | {"methods": {name: row}})
            adapt_batchnorm(model, task.target)
            found.append(evaluate(model, task.test, task.test_labels, device="cpu"))
        scores.append((float(np.mean(found)), name, row))

    for name, row in tqdm(rows, desc="choosing settings", unit="setting"):
        score(name, row)
    for name in CANDIDATES:
        settings["methods"][name] = highest([s for s in scores if s[1] == name])[2]
    _, best, row = highest([s for s in scores if s[1] in CANDIDATES])
    combined = {**row, "method": best, "augment": True}
    score("combined", combined)
    settings["methods"]["combined"] = combined
    settings["best"] = highest(scores)[1]
    settings["scores"] = [[name, row, round(value, 4)] for value, name, row in scores]
    return settings | steady_dann(settings, quick)


def steady_dann(settings: dict, quick: bool) -> dict:
    """Choose a second setting of DANN without any label of the target, on two more seeds.

    The first one is not the same for every seed. What can be seen without labels is how much the
    predictions on the target say about its images (`select_model` looks at the same number).
    """
    scores = []
    for row in tqdm(STEADY[: 1 if quick else 6], desc="a steadier DANN", unit="setting"):
        found = []
        for seed in (10, 11):
            data = task("hand", seed, settings)
            model = train("DANN", data, seed, settings | {"methods": {"DANN": row}})
            adapt_batchnorm(model, data.target)
            logits = forward_in_batches(model, data.target, device="cpu")
            found.append(information(logits.softmax(dim=1)))
        scores.append((float(np.mean(found)), "steady", row))
    return {
        "methods": settings["methods"] | {"steady": highest(scores)[2] | {"method": "DANN"}},
        "steady_chosen_on": "the information in the predictions on unlabelled handwritten digits, "
        "seeds 10 and 11",
        "steady_scores": [[row, round(value, 4)] for value, _, row in scores],
    }


def highest(scores: list[tuple[float, str, dict]]) -> tuple[float, str, dict]:
    return max(scores, key=lambda score: score[0])


def other_task(kind: str, seed: int, settings: dict) -> Task:
    """Draw ten held-out characters: clean in some fonts, shifted in the others."""
    data, generator = glyphs.load("held_out"), Generator().manual_seed(seed)
    members = [torch.nonzero(data.labels == k).flatten() for k in data.labels.unique()]
    members = [m for m in members if len(m) >= 10]
    chosen = [members[k] for k in torch.randperm(len(members), generator=generator)[:10]]
    chosen = [m[torch.randperm(len(m), generator=generator)] for m in chosen]

    def draw(fonts: slice, n: int, times: int) -> tuple[Tensor, Tensor]:
        labels = torch.arange(n) % 10
        rows = [chosen[k][fonts] for k in labels]
        picks = [int(torch.randint(len(row), (), generator=generator)) for row in rows]
        images = data.images[[int(row[pick]) for row, pick in zip(rows, picks, strict=True)]]
        for _ in range(times):
            images = glyphs.augment(images, generator)
        return images, labels

    n_target, n_test = settings["n_target"], settings["n_test"]
    if kind == "font":
        slanted = partial(shifts.rotate_and_shear, generator=generator, degrees=25.0, shear=0.3)
        target, test = draw(slice(5), n_target, 0), draw(slice(5), n_test, 0)
        target, test = ((coarse(slanted(x)), y) for x, y in (target, test))
        return Task(*draw(slice(5, None), 150, 0), *target, *test)
    source = draw(slice(5, None), 400, 1)
    target, test = draw(slice(5), n_target, 1), draw(slice(5), n_test, 1)
    return Task(
        *source,
        shifts.photo_background(target[0], "train", generator), target[1],
        shifts.photo_background(test[0], "test", generator), test[1],
    )  # fmt: skip


def coarse(images: Tensor) -> Tensor:
    """Reduce to 8 x 8 pixels and enlarge again, as the handwritten digits are."""
    small = F.avg_pool2d(images[..., 4:28, 4:28], 3)
    return F.pad(F.interpolate(small, size=24, mode="bilinear"), (4, 4, 4, 4))


# --- The two shifts ------------------------------------------------------------------------------


def task(shift: str, seed: int, settings: dict) -> Task:
    """Draw 600 target images out of the pool; the test is the same for every seed.

    ``hand``: printed digits → handwritten ones. ``photo``: the 400 other handwritten digits, as
    they are → the 600 on photographs. ``difference``: the same with ``|photo - digit|``.
    """
    pool, test = digits.load("pool"), digits.load("test")
    generator = Generator().manual_seed(seed)
    order = torch.randperm(len(pool.labels), generator=generator)
    target, rest = order[: settings["n_target"]], order[600:]
    test = test._replace(
        images=test.images[: settings["n_test"]], labels=test.labels[: settings["n_test"]]
    )
    if shift == "hand":
        source = glyphs.printed_digits()[:2]
        return Task(*source, pool.images[target], pool.labels[target], test.images, test.labels)
    blend = {"photo": shifts.photo_background, "difference": shifts.photo_difference}[shift]
    return Task(
        pool.images[rest], pool.labels[rest],
        blend(pool.images[target], "train", generator), pool.labels[target],
        blend(test.images, "test", Generator().manual_seed(0)), test.labels,
    )  # fmt: skip


def train(
    method: str, task: Task, seed: int, settings: dict, history: list | None = None
) -> nn.Module:
    """Train from the shipped backbone by one method, a rival, or the reference."""
    model = Classifier(load_backbone(), 10, seed)
    own = settings["methods"][method]
    method = own.get("method", method)
    align = term(method, own.get("weight", 1.0), seed) if method in METHODS else None
    source = (task.target, task.target_labels) if method == "reference" else task[:2]
    rows = adapt(
        model, *source, task.target, align, steps=settings["steps"],
        batch_size=settings["batch_size"], lr=settings["lr"], align_lr=own.get("align_lr"),
        weight_decay=0.05, augment=glyphs.augment if own.get("augment") else mild,
        log_every=settings["steps"], seed=seed, device="cpu", progress=False,
    )  # fmt: skip
    if history is not None:
        history += rows
    return model.eval()


def measured(prefix: str, methods: list[str], task: Task, seed: int, settings: dict) -> dict:
    """Test accuracy of each method, as trained and with AdaBN on top; and of a label-free choice.

    ``.closed``: the share of the way from source-only to the reference.
    """
    found, runs = {}, []
    generator = Generator().manual_seed(seed + 1000)
    validation = mild(task.source, generator), task.source_labels
    for method in methods:
        key = f"{prefix}.{KEYS.get(method, method)}"
        history: list[dict] = []
        model = train(method, task, seed, settings, history)
        found[key] = evaluate(model, task.test, task.test_labels, device="cpu")
        if method == "reference":
            continue
        found[f"{key}.domain"] = history[-1]["domain_accuracy"]
        adapt_batchnorm(model, task.target)
        found[f"{key}.adabn"] = evaluate(model, task.test, task.test_labels, device="cpu")
        runs.append(
            {
                "source_val_accuracy": evaluate(model, *validation, device="cpu"),
                "target_probs": forward_in_batches(model, task.target, device="cpu").softmax(1),
                "accuracy": found[f"{key}.adabn"],
            }
        )
    best = f"{prefix}.{KEYS.get(settings['best'], settings['best'])}.adabn"
    if "combined" in methods:
        found[f"{prefix}.best"] = found[best]
    found[f"{prefix}.selected"] = runs[select_model(runs)]["accuracy"]
    found[f"{prefix}.tuned_on_test"] = max(run["accuracy"] for run in runs)
    if "reference" in methods:
        bottom, top = found[f"{prefix}.source"], found[f"{prefix}.reference"]
        for key in [key for key in found if key.endswith((".adabn", ".best", ".selected"))]:
            found[f"{key}.closed"] = (found[key] - bottom) / (top - bottom)
    return found


def two_shifts(shift: str, seed: int, settings: dict) -> dict[str, float]:
    """All methods, the rival and the reference under one shift."""
    methods = [*METHODS, "augmentation", "combined", "reference"]
    return measured(f"adapt.{shift}", methods, task(shift, seed, settings), seed, settings)


def honest_failure(seed: int, settings: dict) -> dict[str, float]:
    """``|photo - digit|``: the domains come closer, the classes do not."""
    methods = ["source only", "MMD", "DANN", "reference"]
    return measured("adapt.difference", methods, task("difference", seed, settings), seed, settings)


def missing_classes(seed: int, settings: dict) -> dict[str, float]:
    """Handwritten target with digits 0 to 4 only: alignment spreads them over all ten classes."""
    whole = task("hand", seed, settings)
    few, test = whole.target_labels < 5, whole.test_labels < 5
    half = whole._replace(
        target=whole.target[few], target_labels=whole.target_labels[few],
        test=whole.test[test], test_labels=whole.test_labels[test],
    )  # fmt: skip
    methods = ["source only", "MMD", "DANN", "MCC"]
    return measured("adapt.missing", methods, half, seed, settings)


def no_reversal(seed: int, settings: dict) -> dict[str, float]:
    """DANN whose gradient comes back without the minus: the backbone helps the discriminator."""
    weight = -settings["methods"]["DANN"]["weight"]
    row = settings["methods"]["DANN"] | {"method": "DANN", "weight": weight}
    settings = settings | {"methods": settings["methods"] | {"no reversal": row}}
    data, history = task("hand", seed, settings), []
    model = adapt_batchnorm(train("no reversal", data, seed, settings, history), data.target)
    return {
        "bugs.no_reversal.accuracy": evaluate(model, data.test, data.test_labels, device="cpu"),
        "bugs.no_reversal.domain": history[-1]["domain_accuracy"],
    }


def steadier_dann(seed: int, settings: dict) -> dict[str, float]:
    """DANN once more, in the setting that was chosen by what the target's predictions say."""
    found = {}
    for shift in ("hand", "photo"):
        data = task(shift, seed, settings)
        model = train("steady", data, seed, settings)
        found[f"adapt.{shift}.steady"] = evaluate(model, data.test, data.test_labels, device="cpu")
        adapt_batchnorm(model, data.target)
        found[f"adapt.{shift}.steady.adabn"] = evaluate(
            model, data.test, data.test_labels, device="cpu"
        )
    return found


CLAIMS = {
    "printed_to_handwritten": partial(two_shifts, "hand"),
    "clean_to_cluttered": partial(two_shifts, "photo"),
    "difference_failure": honest_failure,
    "missing_classes": missing_classes,
    "no_reversal": no_reversal,
    "steadier_dann": steadier_dann,
}
SEEDS = dict.fromkeys(CLAIMS, 5)
SPREADS = tuple(
    f"adapt.{shift}.{name}{end}"
    for shift, name, end in product(("hand", "photo"), ("dann", "steady"), ("", ".adabn"))
)
PAIRS = {
    f"adapt.{shift}.{name}.gain": (f"adapt.{shift}.{name}", f"adapt.{shift}.source")
    for shift, name in product(
        ("hand", "photo"),
        ("source.adabn", "coral.adabn", "mmd.adabn", "dann.adabn", "mcc.adabn", "best",
         "augmentation", "augmentation.adabn", "combined.adabn"),
    )
} | {
    "bugs.no_reversal.cost": ("bugs.no_reversal.accuracy", "adapt.hand.dann.adabn"),
    **{
        f"adapt.{shift}.steady.adabn.gain": (f"adapt.{shift}.steady.adabn", f"adapt.{shift}.source")
        for shift in ("hand", "photo")
    },
    **{
        f"bugs.tuned_on_target.{shift}": (f"adapt.{shift}.tuned_on_test", f"adapt.{shift}.selected")
        for shift in ("hand", "photo", "difference", "missing")
    },
    **{
        f"adapt.missing.{name}.gain": (f"adapt.missing.{name}", "adapt.missing.source")
        for name in ("source.adabn", "mmd.adabn", "dann.adabn", "mcc.adabn", "mmd", "dann", "mcc")
    },
    "adapt.difference.mmd.adabn.gain": ("adapt.difference.mmd.adabn",
                                        "adapt.difference.source.adabn"),
    "adapt.difference.dann.adabn.gain": ("adapt.difference.dann.adabn",
                                         "adapt.difference.source.adabn"),
}  # fmt: skip
