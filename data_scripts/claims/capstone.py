"""Module 08: every method in every situation of the capstone."""

from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor
from tqdm import tqdm

from course_lib.capstone import SITUATIONS, methods
from course_lib.data import glyphs, shifts
from course_lib.evidence.evaluate import evaluate
from course_lib.evidence.splits import k_shot_split

RATES = {
    "scratch": (1e-3, 3e-3, 1e-2),
    "fine-tune": (3e-4, 1e-3, 3e-3),
    "LP-FT": (1e-4, 3e-4, 1e-3),
}
KEYS = {
    "scratch": "scratch", "nearest centroid": "centroid", "freeze and probe": "probe",
    "fine-tune": "fine_tune", "LP-FT": "lp_ft", "fine-tune, then AdaBN": "adabn",
    "MMD, then AdaBN": "mmd",
}  # fmt: skip


def choose(quick: bool) -> dict:
    """Choose a learning rate for each method that trains, on clean and on cluttered characters."""
    steps = 4 if quick else 100
    data = glyphs.load("held_out", scripts=["Tifinagh", "N'Ko", "Lao"])
    tasks = {
        "clean": [_task(data, 2, seed) for seed in range(3)],
        "clutter": [_task(data, 4, seed, clutter=True) for seed in range(3)],
    }
    rates: dict[str, dict[str, float]] = {kind: {} for kind in tasks}
    bar = tqdm(total=6 * 3, desc="choosing rates", unit="rate")
    for kind, of_kind in tasks.items():
        for name, candidates in RATES.items():
            scores = {}
            for rate in candidates:
                found = []
                for seed, (x, y, query, query_y) in enumerate(of_kind[: 1 if quick else 3]):
                    trained = methods(dict.fromkeys(RATES, rate), steps)[name]
                    found.append(evaluate(trained(x, y, seed), query, query_y))
                scores[rate] = np.mean(found)
                bar.update()
            rates[kind][name] = max(scores, key=scores.get)
    bar.close()
    return {
        "chosen_on": "three tasks each of ten characters of Tifinagh, N'Ko and Lao, clean and on "
        "photographs; none of them is in a situation",
        "rates": rates,
        "steps": steps,
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
        found[f"{_key(name)}.{KEYS[method]}"] = accuracy
    return found


def _key(name: str) -> str:
    return "capstone." + name.replace(" ", "_").replace("-", "_")


CLAIMS = {_key(name): partial(situation, name) for name in SITUATIONS}
PAIRS = {
    f"{_key(name)}.{method}.gain": (f"{_key(name)}.{method}", f"{_key(name)}.scratch")
    for name in SITUATIONS
    for method in KEYS.values()
    if method != "scratch" and (method not in ("adabn", "mmd") or name == "no target label")
}
