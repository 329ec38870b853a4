"""Module 01: frozen features against pixels, a random backbone and scratch; caching; batch-norm."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F
from tqdm import tqdm

from claims.common import other_tasks, probe_accuracy, represent, scaled, scratch
from course_lib.data import digits
from course_lib.evidence.evaluate import evaluate
from course_lib.evidence.splits import k_shot_split
from course_lib.models.convnet import Classifier
from course_lib.models.weights import load_backbone
from course_lib.transfer.features import extract_features
from course_lib.transfer.freeze import freeze
from course_lib.transfer.probe import fit_logistic
from course_lib.transfer.train import fit

N_SHOTS = (1, 2, 5, 20, "all")
METHODS = ("pixels", "random", "frozen", "scratch")
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
RATES = (1e-3, 3e-3, 1e-2)


def choose(quick: bool) -> dict:
    """Choose probe strengths and the learning rate from scratch on held-out scripts.

    Twenty (probes) and three (scratch) tasks of ten characters, one and five labels per class.
    """
    steps = 10 if quick else 300
    tasks = [task for _, task in zip(range(20), other_tasks(), strict=False)]

    def probed(name: str, strength: float) -> float:
        found = []
        for support, support_y, query, query_y in tasks:
            x, query_x = scaled(represent(name, support), represent(name, query))
            found.append(probe_accuracy(x, support_y, query_x, query_y, strength))
        return float(np.mean(found))

    def trained(lr: float) -> float:
        found = []
        for seed, (support, support_y, query, query_y) in enumerate(tasks[:3]):
            rate = {"learning_rate": lr, "scratch_steps": steps}
            model = scratch(support, support_y, seed, rate)
            found.append(evaluate(model, query, query_y))
        return float(np.mean(found))

    bar = tqdm(total=3 * len(STRENGTHS) + len(RATES), desc="choosing settings", unit="setting")

    def best(candidates: Sequence[float], score: Callable[[float], float]) -> float:
        scores = {}
        for candidate in candidates:
            scores[candidate] = score(candidate)
            bar.update()
        return max(scores, key=scores.get)

    strengths = {name: best(STRENGTHS, partial(probed, name)) for name in METHODS[:3]}
    rate = best(RATES, trained)
    bar.close()
    return {
        "chosen_on": "tasks of ten characters of the held-out scripts, not on digits",
        "strengths": strengths,
        "learning_rate": rate,
        "scratch_steps": steps,
    }


def less_data(seed: int, settings: dict) -> dict[str, float]:
    """Accuracy on 797 handwritten digits by labels per class, for four ways to begin."""
    pool, test = digits.load("pool"), digits.load("test")
    found = {}
    for n_shot in N_SHOTS:
        if n_shot == "all":
            support = torch.arange(len(pool.labels))
        else:
            support, _ = k_shot_split(pool.labels, n_shot, seed)
        for name in METHODS[:3]:
            strength = settings["strengths"][name]
            x, test_x = scaled(represent(name, pool.images), represent(name, test.images))
            found[f"digits.{n_shot}.{name}"] = probe_accuracy(
                x[support], pool.labels[support], test_x, test.labels, strength
            )
        model = scratch(pool.images[support], pool.labels[support], seed, settings)
        found[f"digits.{n_shot}.scratch"] = evaluate(model, test.images, test.labels)
    return found


def one_shot_digits(seed: int, settings: dict) -> dict[str, float]:
    """Nearest labelled example by cosine, one per class: digits no network was trained on."""
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, 1, seed)
    found = {}
    for name, title in (("frozen", "backbone"), ("pixels", "pixels"), ("random", "random")):
        x = F.normalize(represent(name, pool.images)[support], dim=1)
        query = F.normalize(represent(name, test.images), dim=1)
        nearest = pool.labels[support][(query @ x.T).argmax(1)]
        found[f"one_shot.digits.{title}"] = (nearest == test.labels).float().mean().item()
    return found


def caching(seed: int, settings: dict) -> dict[str, float]:
    """CPU time of ten epochs of head training: features in every epoch, over features once."""
    pool = digits.load("pool")
    epochs, batch_size = 10, 100
    steps = epochs * len(pool.labels) // batch_size

    model = Classifier(freeze(load_backbone()), 10, seed)
    start = time.process_time()
    fit(model, pool.images, pool.labels, steps=steps, batch_size=batch_size, lr=1e-2, seed=seed,
        log_every=steps, device="cpu", progress=False)  # fmt: skip
    every_epoch = time.process_time() - start

    model = Classifier(freeze(load_backbone()), 10, seed)
    start = time.process_time()
    features = extract_features(model, pool.images)
    fit(model.head, features, pool.labels, steps=steps, batch_size=batch_size, lr=1e-2, seed=seed,
        log_every=steps, device="cpu", progress=False)  # fmt: skip
    return {"speed.cached_over_loop": every_epoch / (time.process_time() - start)}


def moving_batchnorm(seed: int, settings: dict) -> dict[str, float]:
    """Head training on a frozen backbone, and on one whose batch-norm statistics move on."""
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, 5, seed)
    found = {}
    for name in ("right", "moving"):
        model = Classifier(load_backbone(), 10, seed)
        if name == "right":
            freeze(model.backbone)
        else:
            model.backbone.requires_grad_(False)
        before = extract_features(model, test.images)
        fit(model, pool.images[support], pool.labels[support], steps=100, batch_size=25, lr=1e-2,
            seed=seed, log_every=100, device="cpu", progress=False)  # fmt: skip
        after = extract_features(model, test.images)
        found[f"bugs.batchnorm.{name}"] = evaluate(model, test.images, test.labels)
        found[f"bugs.batchnorm.{name}.drift"] = ((after - before).norm() / before.norm()).item()
    return found


def wrong_features(seed: int, settings: dict) -> dict[str, float]:
    """Nearest centroid on five labels per class: right features, and the classic slips."""
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, 5, seed)
    model = Classifier(load_backbone(), 5, seed)
    x, test_x = (extract_features(model, split.images) for split in (pool, test))
    old = pool.labels < 5  # a head for the digits 0 to 4, from the days before
    fit(model.head, x[old], pool.labels[old], steps=200, lr=1e-2, seed=seed, device="cpu",
        progress=False)  # fmt: skip
    with torch.no_grad():
        logits, test_logits = model.head(x), model.head(test_x)
    looks = {  # (labelled examples, test)
        "bugs.features.right": (x, test_x),
        "bugs.features.inverted": (x, extract_features(model, 1 - test.images)),
        "bugs.features.bytes": (x, extract_features(model, 255 * test.images)),
        "bugs.features.logits": (logits, test_logits),
    }
    found = {}
    for name, (examples, queries) in looks.items():
        own, y = examples[support], pool.labels[support]
        centroids = torch.stack([own[y == k].mean(dim=0) for k in range(10)])
        cosines = F.normalize(queries, dim=1) @ F.normalize(centroids, dim=1).T
        found[name] = (cosines.argmax(dim=1) == test.labels).double().mean().item()
    return found


def tuned_on_test(seed: int, settings: dict) -> dict[str, float]:
    """Choose a strength on 50 test digits: its accuracy on them, and on the other 747."""
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, 2, seed)
    x, test_x = represent("frozen", pool.images), represent("frozen", test.images)
    hits = []
    for strength in STRENGTHS:
        weight, bias = fit_logistic(x[support], pool.labels[support], strength)
        hits.append(((test_x @ weight.T + bias).argmax(dim=1) == test.labels).double())
    hits, generator = torch.stack(hits), torch.Generator().manual_seed(seed)
    reported, true = [], []
    for _ in range(50):
        order = torch.randperm(len(test.labels), generator=generator)
        seen, strangers = hits[:, order[:50]].mean(dim=1), hits[:, order[50:]].mean(dim=1)
        best = seen.argmax()
        reported.append(float(seen[best]))
        true.append(float(strangers[best]))
    return {
        "bugs.tuned_on_test.reported": float(np.mean(reported)),
        "bugs.tuned_on_test.true": float(np.mean(true)),
    }


def shared_backbone(seed: int, settings: dict) -> dict[str, float]:
    """A digit head, before and after somebody trained another head on the same "frozen" backbone.

    The other head is for dark digits on white; of the backbone only ``requires_grad`` is off.
    """
    pool, test = digits.load("pool"), digits.load("test")
    support, _ = k_shot_split(pool.labels, 5, seed)
    labels, shared = pool.labels[support], load_backbone()
    reader = Classifier(shared, 10)
    weight, bias = fit_logistic(extract_features(reader, pool.images[support]), labels, 1.0)
    reader.head.weight.data, reader.head.bias.data = weight, bias
    before = evaluate(reader, test.images, test.labels)
    other = Classifier(shared.requires_grad_(False), 10, seed)
    fit(other, 1 - pool.images[support], labels, steps=40, lr=1e-2, seed=seed, log_every=40,
        device="cpu", progress=False)  # fmt: skip
    after = evaluate(reader, test.images, test.labels)
    return {"bugs.shared_backbone.before": before, "bugs.shared_backbone.after": after}


CLAIMS = {
    "less_data": less_data,
    "one_shot_digits": one_shot_digits,
    "caching": caching,
    "moving_batchnorm": moving_batchnorm,
    "wrong_features": wrong_features,
    "tuned_on_test": tuned_on_test,
    "shared_backbone": shared_backbone,
}
PAIRS = {
    f"digits.{n_shot}.gain": (f"digits.{n_shot}.frozen", f"digits.{n_shot}.scratch")
    for n_shot in N_SHOTS
} | {
    "bugs.batchnorm.cost": ("bugs.batchnorm.moving", "bugs.batchnorm.right"),
    "bugs.input_form.cost": ("bugs.features.inverted", "bugs.features.right"),
    "bugs.bytes.cost": ("bugs.features.bytes", "bugs.features.right"),
    "bugs.last_layer.cost": ("bugs.features.logits", "bugs.features.right"),
    "bugs.tuned_on_test.cost": ("bugs.tuned_on_test.reported", "bugs.tuned_on_test.true"),
    "bugs.shared_backbone.cost": ("bugs.shared_backbone.after", "bugs.shared_backbone.before"),
}
UNITS = {"speed.": "times"}
