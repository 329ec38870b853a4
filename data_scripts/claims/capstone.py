"""Module 08: every method in every situation of the capstone; and bugs for the museum."""

from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from tqdm import tqdm

from claims.common import probe_accuracy, represent, scaled
from course_lib.capstone import SITUATIONS, methods
from course_lib.data import digits, glyphs, shifts
from course_lib.evidence.evaluate import evaluate, forward_in_batches
from course_lib.evidence.splits import k_shot_split
from course_lib.models.weights import load_backbone
from course_lib.transfer.train import fit

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


def museum(seed: int, settings: dict) -> dict[str, float]:
    """Bugs of modules 00 and 01 on digits, five labels per class, nearest centroid by cosine."""
    pool, test = digits.load("pool"), digits.load("test")
    backbone = load_backbone()
    x, test_x = represent("frozen", pool.images), represent("frozen", test.images)
    support, _ = k_shot_split(pool.labels, 5, seed)

    def centroid(train: Tensor, query: Tensor, chosen: Tensor = support) -> float:
        y = pool.labels[chosen]
        classes = y.unique()
        means = torch.stack([train[chosen][y == k].mean(dim=0) for k in classes])
        predicted = classes[(query @ F.normalize(means, dim=1).T).argmax(dim=1)]
        return (predicted == test.labels).float().mean().item()

    found = {"bugs.00.right": centroid(x, test_x)}
    draw = torch.randperm(len(pool.labels), generator=Generator().manual_seed(seed))
    found["bugs.unstratified.without"] = centroid(x, test_x, draw[:20])
    found["bugs.unstratified.with"] = centroid(x, test_x, k_shot_split(pool.labels, 2, seed)[0])
    found["bugs.form.without"] = centroid(x, represent("frozen", 1 - test.images))
    five = pool.labels < 5
    old_head = torch.nn.Linear(128, 5)
    fit(old_head, x[five], pool.labels[five], steps=100, lr=1e-2, seed=seed, log_every=100,
        device="cpu", progress=False)  # fmt: skip
    logits = [forward_in_batches(old_head, features) for features in (x, test_x)]
    found["bugs.logits.without"] = centroid(*logits)
    by_class = test.labels.argsort()
    with torch.no_grad():
        backbone.train()
        moved = torch.cat([backbone(batch) for batch in test.images[by_class].split(16)])
    found["bugs.train_mode.without"] = centroid(x, moved[by_class.argsort()])

    # The strength chosen on 50 test images and reported on them; the other 747 say the truth.
    few, _ = k_shot_split(pool.labels, 2, seed)
    own_x, scaled_test = scaled(x[few], test_x)
    fits = [
        torch.tensor(
            [probe_accuracy(own_x, pool.labels[few], part, labels, strength)
             for strength in (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)]
        )
        for part, labels in _halves(scaled_test, test.labels, seed)
    ]  # fmt: skip
    best = fits[0].argmax()
    found["bugs.tuned_on_test.without"] = fits[0][best].item()
    found["bugs.tuned_on_test.with"] = fits[1][best].item()
    return found


def _halves(x: Tensor, y: Tensor, seed: int) -> list[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(y), generator=Generator().manual_seed(seed))
    return [(x[part], y[part]) for part in (order[:50], order[50:])]


CLAIMS = {_key(name): partial(situation, name) for name in SITUATIONS} | {"museum": museum}
PAIRS = {
    f"{_key(name)}.{method}.gain": (f"{_key(name)}.{method}", f"{_key(name)}.scratch")
    for name in SITUATIONS
    for method in KEYS.values()
    if method != "scratch" and (method not in ("adabn", "mmd") or name == "no target label")
} | {
    "bugs.form.cost": ("bugs.form.without", "bugs.00.right"),
    "bugs.logits.cost": ("bugs.logits.without", "bugs.00.right"),
    "bugs.train_mode.cost": ("bugs.train_mode.without", "bugs.00.right"),
    "bugs.unstratified.cost": ("bugs.unstratified.without", "bugs.unstratified.with"),
    "bugs.tuned_on_test.cost": ("bugs.tuned_on_test.without", "bugs.tuned_on_test.with"),
}
