"""Pretrain the course's backbone on printed glyphs; write its weights and its model card.

    python data_scripts/pretrain_backbone.py --help

An interrupted run continues where its last checkpoint was written, and ends with the same weights
as one that was never interrupted.
"""

import hashlib
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as F
import typer
from safetensors.torch import save
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import Generator, Tensor
from tqdm import tqdm

from course_lib.data import digits, glyphs
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.evidence.intervals import mean_interval
from course_lib.evidence.splits import k_shot_split
from course_lib.home import folder, write_atomically
from course_lib.models.convnet import Classifier, random_backbone
from course_lib.models.weights import SHIPPED, load_backbone

BATCH, LEARNING_RATE, WEIGHT_DECAY, LABEL_SMOOTHING = 128, 4e-3, 0.05, 0.1


def main(
    steps: Annotated[int, typer.Option(min=2, help="Optimiser steps.")] = 6000,
    seed: Annotated[int, typer.Option(help="Of the first weights and of every batch.")] = 0,
    out: Annotated[Path, typer.Option(help="Weights; .json and .md are written beside.")] = SHIPPED,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two scripts and short measurements: to try it out.")
    ] = False,
) -> None:
    """Pretrain the backbone on printed glyphs; write weights (fp16), measurements and card."""
    if quick and out == SHIPPED:
        raise typer.BadParameter("--quick does not replace the shipped weights: give --out.")
    scripts = ("Greek", "Coptic") if quick else None
    train, val = glyphs.load("train", scripts), glyphs.load("val", scripts)
    checkpoint = folder("cache") / f"pretrain-{steps}-{seed}-{len(train.classes)}.pt"
    start = time.process_time()
    model = pretrain(train, steps, seed, checkpoint)
    seconds = time.process_time() - start

    content = save({k: _half(v) for k, v in model.backbone.state_dict().items()})
    record = {"sha256": hashlib.sha256(content).hexdigest()}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, content)
    write_atomically(out.with_suffix(".json"), _json(record))
    model.backbone = load_backbone(out)  # measure what is shipped, rounding included
    record |= {
        "steps": steps,
        "seed": seed,
        "cpu_seconds_of_this_run": round(seconds),
        "classes": len(train.classes),
        "images": len(train.labels),
        "parameters": sum(p.numel() for p in model.backbone.parameters()),
        "bytes": len(content),
        **measure(model, train, val, n_episodes=50 if quick else 600, n_seeds=3 if quick else 10),
    }
    write_atomically(out.with_suffix(".json"), _json(record))
    write_atomically(out.with_suffix(".md"), card(record).encode())
    print(card(record))


def pretrain(
    data: ImageSet, steps: int, seed: int, checkpoint: Path, checkpoint_every: int = 200
) -> Classifier:
    """Train a classifier of the glyphs from scratch: AdamW under a one-cycle learning rate.

    The random draws of a step depend on ``seed`` and the step alone, so a checkpoint needs no
    random state.
    """
    model = Classifier(random_backbone(seed), len(data.classes), seed)
    model = model.to(memory_format=torch.channels_last).train()
    decayed = [p for p in model.parameters() if p.ndim > 1]
    exempt = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed}, {"params": exempt, "weight_decay": 0.0}], weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    first = 0
    if checkpoint.exists():
        try:
            saved = torch.load(checkpoint, weights_only=True)
        except Exception as error:
            raise CourseError(f"{checkpoint} is damaged: delete it to start over.") from error
        first = saved.pop("step")
        for name, state in saved.items():
            parts[name].load_state_dict(state)

    by_class, count = data.labels.argsort(stable=True), data.labels.bincount()
    start = count.cumsum(0) - count
    bar = tqdm(range(first, steps), initial=first, total=steps, desc="pretraining", unit="step")
    for step in bar:
        generator = Generator().manual_seed(seed * 1_000_003 + step)
        # First the class, then one of its fonts: scripts that few fonts have count as much.
        labels = torch.randint(len(count), (BATCH,), generator=generator)
        font = (torch.rand(BATCH, generator=generator) * count[labels]).long()
        images = glyphs.augment(data.images[by_class[start[labels] + font]], generator)
        logits = model(images.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits, labels, label_smoothing=LABEL_SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            bar.set_postfix(loss=f"{loss.item():.2f}")
        if (step + 1) % checkpoint_every == 0 and step + 1 < steps:
            buffer = io.BytesIO()
            states = {name: part.state_dict() for name, part in parts.items()}
            torch.save(states | {"step": step + 1}, buffer)
            write_atomically(checkpoint, buffer.getvalue())
    checkpoint.unlink(missing_ok=True)
    return model.eval()


def measure(
    model: Classifier, train: ImageSet, val: ImageSet, n_episodes: int, n_seeds: int
) -> dict[str, Any]:
    """Measure a pretrained classifier, and its backbone beside pixels and a random backbone."""
    generator = Generator().manual_seed(12345)  # distortions that no training step has drawn
    held_out = glyphs.load("held_out")
    distorted = glyphs.augment(held_out.images, generator)
    pool, test = digits.load("pool"), digits.load("test")

    def accuracy(data: ImageSet) -> float:
        logits = _map(model, glyphs.augment(data.images, generator))
        return (logits.argmax(1) == data.labels).float().mean().item()

    result: dict[str, Any] = {
        "n_episodes": n_episodes,
        "n_seeds": n_seeds,
        "accuracy_fresh_augmentation": accuracy(train),
        "accuracy_unseen_fonts": accuracy(val),
    }
    representations: dict[str, Callable[[Tensor], Tensor]] = {
        "pixels": lambda images: images.flatten(1),
        "random": random_backbone(seed=0).eval(),
        "pretrained": model.backbone,
    }
    for name, represent in representations.items():
        pool_x, test_x = _map(represent, pool.images), _map(represent, test.images)
        result[name] = {
            "one_shot": one_shot(_map(represent, distorted), held_out.labels, n_episodes),
            "digits_1": probe(pool_x, pool.labels, test_x, test.labels, 1, n_seeds),
            "digits_5": probe(pool_x, pool.labels, test_x, test.labels, 5, n_seeds),
        }
    return result


def one_shot(
    features: Tensor, labels: Tensor, n_episodes: int, n_way: int = 20
) -> tuple[float, float, float]:
    """Return the accuracy of ``n_way``-way one-shot classification and its 95 % interval.

    The nearest support image by cosine, one query per class, in another font than the support.
    """
    generator = Generator().manual_seed(0)
    features = F.normalize(features, dim=1)
    members = [torch.nonzero(labels == k).flatten() for k in labels.unique()]
    members = [indices for indices in members if len(indices) >= 2]
    accuracies = []
    for _ in range(n_episodes):
        ways = [members[k] for k in torch.randperm(len(members), generator=generator)[:n_way]]
        pairs = [way[torch.randperm(len(way), generator=generator)[:2]] for way in ways]
        support, query = features[torch.stack(pairs, 1)]
        nearest = (query @ support.T).argmax(1)
        accuracies.append((nearest == torch.arange(n_way)).float().mean().item())
    return mean_interval(accuracies)


def probe(
    pool_x: Tensor, pool_y: Tensor, test_x: Tensor, test_y: Tensor, n_shot: int, n_seeds: int
) -> tuple[float, float, float]:
    """Return a linear probe's test accuracy at ``n_shot`` labels per class and its 95 % interval.

    Logistic regression, C = 1, on features scaled by one number to a mean length of 10: the
    penalty then weighs the same on every representation.
    """
    scale = 10 / pool_x.norm(dim=1).mean()
    accuracies = []
    for seed in range(n_seeds):
        support, _ = k_shot_split(pool_y, n_shot, seed)
        fitted = LogisticRegression(max_iter=5000).fit(scale * pool_x[support], pool_y[support])
        accuracies.append(fitted.score(scale * test_x, test_y))
    return mean_interval(accuracies)


def card(record: dict[str, Any]) -> str:
    """Return the model card, every number of it from the record."""

    def row(key: str, title: str) -> str:
        cells = [
            "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * x for x in record[name][key]))
            for name in ("pixels", "random", "pretrained")
        ]
        return " | ".join([f"| {title}", *cells]) + " |"

    return f"""# Model card: the glyph backbone

Written by `data_scripts/pretrain_backbone.py` from what it measured; do not edit.

**Model.** A residual network (`course_lib/models/convnet.py`): 32 x 32 grey images to 128 features,
{record["parameters"]:,} parameters, stored in half precision ({record["bytes"] / 1e6:.2f} MB,
sha256 `{record["sha256"]}`). The head it was trained with is not kept.

**Data.** {record["classes"]:,} classes of printed characters, {record["images"]:,} renderings in
{len(glyphs.TRAIN_FONTS)} of the fonts that matplotlib ships (`course_lib/data/glyphs.py`). No digit
or number of any script, and no character of {", ".join(glyphs.HELD_OUT_SCRIPTS.values())}, is among
them; no handwriting either.

**Recipe.** {record["steps"]:,} steps of AdamW (batch {BATCH}, one cycle up to {LEARNING_RATE:g},
weight decay {WEIGHT_DECAY:g}, label smoothing {LABEL_SMOOTHING:g}) from random weights, seed
{record["seed"]}; every image newly distorted (`glyphs.augment`); classes drawn uniformly.

**Measured**, in %, on distorted images: training classes and fonts
{100 * record["accuracy_fresh_augmentation"]:.1f}, training classes in two unseen fonts
{100 * record["accuracy_unseen_fonts"]:.1f}. Against two baselines, with 95 % intervals:

| | pixels | random backbone | this backbone |
|---|---|---|---|
{row("one_shot", f"held-out scripts, 20-way 1-shot ({record['n_episodes']} episodes)")}
{row("digits_1", f"handwritten digits, probe, 1 label per class ({record['n_seeds']} seeds)")}
{row("digits_5", f"handwritten digits, probe, 5 labels per class ({record['n_seeds']} seeds)")}

One-shot: nearest distorted image by cosine, the query in another font than the support. Probe:
logistic regression (C = 1) on frozen features of mean length 10, tested on 797 digits.

**Limits.** One pretraining seed. The intervals cover the choice of episodes or labels, not the
choice of weights. Some scripts come in two styles of one typeface, so one-shot accuracy flatters.
Letters that resemble digits (O, S, Z) are in the source. The digits name no writers. Made for
teaching on small white-on-black characters: photographs, colour and other sizes are out of scope.
"""


def _map(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.cat([function(batch) for batch in images.split(512)])


def _half(tensor: Tensor) -> Tensor:
    return (tensor.half() if tensor.is_floating_point() else tensor).contiguous()


def _json(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, indent=2) + "\n").encode()


if __name__ == "__main__":
    threadpool_limits(1)  # layers this small gain nothing from more, and lose when they wait
    try:
        typer.run(main)
    except CourseError as error:
        sys.exit(str(error))
