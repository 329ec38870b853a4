"""Module 08: every method in every situation of the capstone; two ways to spoil a study."""

from functools import partial

import numpy as np
import torch
from scipy import stats
from torch import Generator, Tensor
from tqdm import tqdm

from course_lib.capstone import SITUATIONS, methods
from course_lib.data import glyphs, shifts
from course_lib.evidence.evaluate import evaluate
from course_lib.evidence.intervals import paired_effect
from course_lib.evidence.splits import k_shot_split

RATES = {
    "scratch": (1e-3, 3e-3, 1e-2),
    "fine-tune": (3e-4, 1e-3, 3e-3),
    "LP-FT": (1e-4, 3e-4, 1e-3),
}


def choose(quick: bool) -> dict:
    """Choose a learning rate for each method that trains, on clean and on cluttered characters."""
    steps = 4 if quick else 100
    data = glyphs.load("held_out", scripts=["Tifinagh", "N'Ko", "Lao"])
    tasks = {
        "clean": [_task(data, 2, seed) for seed in range(2)],
        "clutter": [_task(data, 4, seed, clutter=True) for seed in range(2)],
    }
    rates: dict[str, dict[str, float]] = {kind: {} for kind in tasks}
    bar = tqdm(total=6 * 3, desc="choosing rates", unit="rate")
    for kind, of_kind in tasks.items():
        for name, candidates in RATES.items():
            scores = {}
            for rate in candidates:
                found = []
                for seed, (x, y, query, query_y) in enumerate(of_kind[: 1 if quick else 2]):
                    trained = methods(dict.fromkeys(RATES, rate), steps)[name]
                    found.append(evaluate(trained(x, y, seed), query, query_y))
                scores[rate] = np.mean(found)
                bar.update()
            rates[kind][name] = max(scores, key=scores.get)
    bar.close()
    return {
        "chosen_on": "two tasks each of ten characters of Tifinagh, N'Ko and Lao, clean and on "
        "photographs; none of them is in a situation",
        "rates": rates,
        "steps": steps,
        "studies": 100 if quick else 5000,
        "splits": 2 if quick else 10,
    }


def _task(
    data: glyphs.ImageSet, n_shot: int, seed: int, clutter: bool = False
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw ten characters; support and query come from different fonts and photographs."""
    draw = Generator().manual_seed(seed)
    classes = (data.labels.bincount() >= 2 * n_shot).nonzero().flatten()
    chosen = classes[torch.randperm(len(classes), generator=draw)[:10]]
    sides: tuple[list, list] = ([], [])
    for character in chosen:
        fonts = (data.labels == character).nonzero().flatten()
        fonts = fonts[torch.randperm(len(fonts), generator=draw)]
        sides[0].append(fonts[:n_shot])
        sides[1].append(fonts[n_shot:])
    parts: list[Tensor] = []
    for side, split in zip(sides, ("train", "test"), strict=True):
        images = glyphs.augment(data.images[torch.cat(side)], draw)
        labels = torch.cat([torch.full((len(fonts),), k) for k, fonts in enumerate(side)])
        parts += [shifts.photo_background(images, split, draw) if clutter else images, labels]
    return tuple(parts)


def situation(name: str, seed: int, settings: dict) -> dict[str, float]:
    """Test accuracy of every method, all fitted on the same labelled images of this seed."""
    task = SITUATIONS[name]()
    support, _ = k_shot_split(task.labels, task.n_shot, seed)
    found = {}
    for method, trained in methods(
        settings["rates"][task.rates], settings["steps"], task.unlabelled
    ).items():
        model = trained(task.images[support], task.labels[support], seed)
        accuracy = evaluate(model, task.test_images, task.test_labels)
        found[f"capstone.{name}.{method}"] = accuracy
    return found


def stopping(seed: int, settings: dict) -> dict[str, float]:
    """Studies of two methods that are equally good: which share of them finds a difference?

    With ten seeds, and with three to ten, stopping as soon as the interval excludes 0.
    """
    draws = np.random.default_rng(seed).normal(size=(settings["studies"], 10))
    decided = np.stack([_excludes_zero(draws[:, :n]) for n in range(3, 11)])
    return {
        "bugs.stopping.planned": decided[-1].mean(),
        "bugs.stopping.clear": decided.any(axis=0).mean(),
    }


def _excludes_zero(differences: np.ndarray) -> np.ndarray:
    """Tell for each study, a row, whether its 95 % t interval excludes 0."""
    n = differences.shape[1]
    half = stats.t.ppf(0.975, df=n - 1) * stats.sem(differences, axis=1)
    return np.abs(differences.mean(axis=1)) > half


def two_splits(seed: int, settings: dict) -> dict[str, float]:
    """How much wider the interval is if each method draws labelled images of its own.

    Probe against nearest centroid, few labels, ten splits.
    """
    task = SITUATIONS["few labels"]()
    of_task = methods(settings["rates"][task.rates], settings["steps"])
    accuracies = []
    for method, shift in (
        ("freeze and probe", 0),
        ("nearest centroid", 0),
        ("nearest centroid", 1),
    ):
        accuracies.append([])
        for draw in range(settings["splits"]):
            support, _ = k_shot_split(task.labels, task.n_shot, 100 * seed + 10 * shift + draw)
            model = of_task[method](task.images[support], task.labels[support], draw)
            accuracies[-1].append(evaluate(model, task.test_images, task.test_labels))
    (_, low, high), (_, low_2, high_2) = (
        paired_effect(accuracies[0], other) for other in accuracies[1:]
    )
    return {"bugs.two_splits.width": (high_2 - low_2) / (high - low)}


CLAIMS = {f"capstone {name}": partial(situation, name) for name in SITUATIONS} | {
    "stopping": stopping,
    "two_splits": two_splits,
}
SEEDS = {"capstone no target label": 5}
ALWAYS = ("nearest centroid", "freeze and probe", "fine-tune", "LP-FT")
WITH_UNLABELLED = ("fine-tune, then AdaBN", "MMD, then AdaBN")
PAIRS = {
    f"capstone.{name}.{method}.gain": (f"capstone.{name}.{method}", f"capstone.{name}.scratch")
    for name in SITUATIONS
    for method in ALWAYS + (WITH_UNLABELLED if name == "no target label" else ())
} | {
    "capstone.no target label.adabn": (
        "capstone.no target label.fine-tune, then AdaBN",
        "capstone.no target label.fine-tune",
    ),
    "capstone.no target label.mmd": (
        "capstone.no target label.MMD, then AdaBN",
        "capstone.no target label.fine-tune, then AdaBN",
    ),
    "bugs.stopping.cost": ("bugs.stopping.clear", "bugs.stopping.planned"),
}
UNITS = {"bugs.two_splits.": "times"}
