"""Measure every number that the notebooks' prose states, and write them to one results file.

    python data_scripts/measure_claims.py --help

The file (``course_lib/evidence/results.json``) keeps the value of every seed; the build puts means
and intervals into the prose, so a number can neither be typed nor grow old. An interrupted run goes
on where it stopped. Settings are chosen on characters of the held-out scripts, never on the digits
that are reported, and the file says which.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from threadpoolctl import threadpool_limits
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from course_lib.data import digits, glyphs
from course_lib.errors import CourseError
from course_lib.evidence import results
from course_lib.evidence.evaluate import evaluate, n_correct
from course_lib.evidence.intervals import mean_interval, paired_effect
from course_lib.evidence.splits import k_shot_split
from course_lib.home import write_atomically
from course_lib.models.convnet import Classifier, random_backbone
from course_lib.models.weights import SHIPPED, load_backbone
from course_lib.transfer.features import extract_features
from course_lib.transfer.freeze import freeze
from course_lib.transfer.probe import fit_logistic
from course_lib.transfer.train import fit

N_SHOTS = (1, 2, 5, 20, "all")
METHODS = ("pixels", "random", "frozen", "scratch")
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
RATES = (1e-3, 3e-3, 1e-2)
SCRATCH_STEPS = 300


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of each comparison.")] = 10,
    out: Annotated[Path, typer.Option(help="The results file.")] = results.SHIPPED,
    only: Annotated[str, typer.Option(help="Measure only this claim again.")] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Two seeds, short runs: to try it out.")
    ] = False,
) -> None:
    """Measure the claims, seed by seed, and write the results file after each of them."""
    if quick and out == results.SHIPPED:
        raise typer.BadParameter("--quick does not replace the shipped results: give --out.")
    if only and only not in CLAIMS:
        raise typer.BadParameter(f"There is no claim {only!r}; there are {', '.join(CLAIMS)}.")
    seeds, steps = (2, 10) if quick else (seeds, SCRATCH_STEPS)
    record = json.loads(out.read_text("utf-8")) if out.exists() else {}
    runs = record.setdefault("runs", {})
    for claim in [only] if only else []:
        runs.pop(claim, None)

    settings = record.get("settings")
    if not settings or settings["scratch_steps"] != steps:
        settings = record["settings"] = choose_settings(steps)
        runs.clear()
        _write(out, record)
    todo = [(claim, seed) for claim in CLAIMS for seed in range(seeds)]
    for claim, seed in (bar := tqdm(todo, desc="measuring", unit="run")):
        bar.set_postfix_str(f"{claim} {seed}")
        if str(seed) in runs.setdefault(claim, {}):
            continue
        start = time.process_time()
        values = CLAIMS[claim](seed, settings)
        runs[claim][str(seed)] = values
        bar.write(f"{claim} {seed}: {time.process_time() - start:.1f} CPU-seconds")
        _write(out, record)
    record["numbers"] = numbers(runs)
    _write(out, record)


# --- The claims: one function each, a seed in, numbers out ---------------------------------------


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


def five_seeds(seed: int, settings: dict) -> dict[str, float]:
    """Share of 95 % intervals from five normal values that hold the true mean, in 5,000 draws."""
    from scipy.stats import t

    rng = np.random.default_rng(seed)
    values = rng.standard_normal((5000, 5))
    mean, error = values.mean(1), values.std(1, ddof=1) / np.sqrt(5)
    picks = values[np.arange(5000)[:, None, None], rng.integers(5, size=(5000, 400, 5))]
    low, high = np.quantile(picks.mean(2), [0.025, 0.975], axis=1)
    return {
        "coverage.t": float((abs(mean) <= t.ppf(0.975, 4) * error).mean()),
        "coverage.z": float((abs(mean) <= 1.96 * error).mean()),
        "coverage.bootstrap": float(((low <= 0) & (high >= 0)).mean()),
    }


def best_of_many(seed: int, settings: dict) -> dict[str, float]:
    """The best of 25 checkpoints that are all 95 % right, each scored on 153 images of its own."""
    right = np.random.default_rng(seed).binomial(153, 0.95, size=(1000, 25)) / 153
    return {"best_of_many.reported": float(right.max(1).mean()), "best_of_many.true": 0.95}


CLAIMS: dict[str, Callable[[int, dict], dict[str, float]]] = {
    "less_data": less_data,
    "one_shot_digits": one_shot_digits,
    "caching": caching,
    "moving_batchnorm": moving_batchnorm,
    "five_seeds": five_seeds,
    "best_of_many": best_of_many,
}


# --- Settings, chosen on other targets -----------------------------------------------------------


def choose_settings(steps: int) -> dict:
    """Choose probe strengths and the learning rate from scratch on held-out scripts.

    Twenty (probes) and three (scratch) tasks of ten characters, one and five labels per class.
    """
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


def other_tasks() -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Draw tasks of ten held-out characters: support and query come from different fonts."""
    data, generator = glyphs.load("held_out"), Generator().manual_seed(1)
    images = glyphs.augment(data.images, generator)
    members = [torch.nonzero(data.labels == k).flatten() for k in data.labels.unique()]
    members = [indices for indices in members if len(indices) >= 4]
    while True:
        ways = [members[k] for k in torch.randperm(len(members), generator=generator)[:10]]
        picks = torch.stack([w[torch.randperm(len(w), generator=generator)[:4]] for w in ways])
        n_shot = int(torch.randint(1, 3, (), generator=generator))
        y = torch.arange(10)
        support, query = picks[:, :n_shot], picks[:, n_shot:]
        yield (
            images[support.flatten()], y.repeat_interleave(n_shot),
            images[query.flatten()], y.repeat_interleave(4 - n_shot),
        )  # fmt: skip


# --- What they share -----------------------------------------------------------------------------


def represent(name: str, images: Tensor) -> Tensor:
    """Pixels, or the features of a random or of the pretrained frozen backbone."""
    if name == "pixels":
        return images.flatten(1)
    backbone = random_backbone(0).eval() if name == "random" else load_backbone()
    return extract_features(Classifier(backbone, 1), images)


def scaled(x: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """Bring features to a mean length of 10, by one number: a strength then means the same."""
    factor = 10 / x.norm(dim=1).mean()
    return tuple(part * factor for part in (x, *others))


def probe_accuracy(x: Tensor, y: Tensor, test_x: Tensor, test_y: Tensor, strength: float) -> float:
    """Accuracy of a logistic regression on features."""
    weight, bias = fit_logistic(x, y, strength)
    return n_correct(test_x @ weight.T + bias, test_y) / len(test_y)


def scratch(images: Tensor, labels: Tensor, seed: int, settings: dict) -> nn.Module:
    """Train the same network from random weights, every image newly distorted in every step."""
    model = Classifier(random_backbone(seed), 10, seed)
    fit(
        model, images, labels, steps=settings["scratch_steps"], lr=settings["learning_rate"],
        weight_decay=0.05, augment=glyphs.augment, log_every=settings["scratch_steps"], seed=seed,
        device="cpu", progress=False,
    )  # fmt: skip
    return model.eval()


# --- From values to texts ------------------------------------------------------------------------


def numbers(runs: dict) -> dict[str, dict]:
    """Turn the values of all seeds into the numbers that the prose may name."""
    values: dict[str, list[float]] = {}
    for by_seed in runs.values():
        for seed in sorted(by_seed, key=int):
            for key, value in by_seed[seed].items():
                values.setdefault(key, []).append(value)

    found = {}
    for key, of_seeds in values.items():
        unit = "times" if key.startswith("speed.") else "%"
        found |= _entries(key, mean_interval(of_seeds), of_seeds, unit)
    for n_shot in N_SHOTS:
        pair = [values[f"digits.{n_shot}.{name}"] for name in ("frozen", "scratch")]
        gains = [a - b for a, b in zip(*pair, strict=True)]
        found |= _entries(f"digits.{n_shot}.gain", paired_effect(*pair), gains, "points")
    pair = [values[f"bugs.batchnorm.{name}"] for name in ("moving", "right")]
    costs = [a - b for a, b in zip(*pair, strict=True)]
    found |= _entries("bugs.batchnorm.cost", paired_effect(*pair), costs, "points")
    card = json.loads(SHIPPED.with_suffix(".json").read_text("utf-8"))
    for name, title in (("pretrained", "backbone"), ("pixels", "pixels"), ("random", "random")):
        key = f"one_shot.held_out.{title}"
        found |= _entries(key, card[name]["one_shot"], [], "%", n=card["n_episodes"])
    return found


def _entries(
    key: str, interval: tuple[float, float, float], values: list[float], unit: str, n: int = 0
) -> dict[str, dict]:
    mean, low, high = interval
    if unit == "times":
        short, ends = f"{mean:.1f} times", f"[{low:.1f}, {high:.1f}]"
    else:
        sign = "+" if unit == "points" else ""
        # one decimal, but an end that is nearly 0 keeps its sign in a second one
        places = 2 if 0 < min(abs(low), abs(high)) < 0.0005 else 1
        short = f"{100 * mean:{sign}.{places}f} {unit}"
        ends = f"[{100 * low:{sign}.{places}f}, {100 * high:{sign}.{places}f}]"
    entry = {
        "text": short if low == high else f"{short} {ends}",
        "mean": mean,
        "low": low,
        "high": high,
        "unit": unit,
        "n": n or len(values),
        "values": values,
    }
    return {key: entry, f"{key}.mean": {"text": short}}


def _write(path: Path, record: dict) -> None:
    write_atomically(path, (json.dumps(record, indent=1) + "\n").encode())


if __name__ == "__main__":
    threadpool_limits(1)  # layers this small gain nothing from more, and lose when they wait
    try:
        typer.run(main)
    except CourseError as error:
        sys.exit(str(error))
