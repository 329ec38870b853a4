"""Pretrain the four small sources of module 03; write their weights and one card for all.

    python data_scripts/pretrain_sources.py

All have the same network, first weights, number of steps and printed glyphs to look at; what they
are asked differs. So a difference between them is a difference between source tasks.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from safetensors.torch import save
from threadpoolctl import threadpool_limits
from torch import Generator, Tensor
from torch.nn import functional as F

from course_lib.data import glyphs, shifts
from course_lib.errors import CourseError
from course_lib.home import write_atomically
from course_lib.models.convnet import Classifier, random_backbone
from course_lib.models.weights import SHIPPED
from course_lib.transfer.train import fit

BATCH, LEARNING_RATE, WEIGHT_DECAY, LABEL_SMOOTHING = 128, 4e-3, 0.05, 0.1


class Task(NamedTuple):
    """What a source is asked."""

    question: str
    images: Tensor
    labels: Tensor
    augment: Callable[[Tensor, Generator], Tensor] | None


def tasks() -> dict[str, Task]:
    """Return the source tasks by name."""
    train, greek = glyphs.load("train"), glyphs.load("train", scripts=["Greek"])
    generator = Generator().manual_seed(0)
    behind = torch.randint(len(shifts.PHOTOGRAPHS), (3 * len(train.labels),), generator=generator)
    in_front = glyphs.augment(train.images.repeat(3, 1, 1, 1), generator)
    photographs = shifts.backgrounds(behind, "train", generator)
    return {
        "short": Task("which character is it?", *train[:2], glyphs.augment),
        "greek": Task("which Greek letter is it?", *greek[:2], glyphs.augment),
        "turned": Task(
            "which character is it, turned by any quarter and perhaps mirrored?", *train[:2], turned
        ),
        "photographs": Task(
            "which of three photographs is behind the character?",
            torch.maximum(in_front, 0.6 * photographs),
            behind,
            None,
        ),
    }


def turned(images: Tensor, generator: Generator) -> Tensor:
    """Distort glyphs as in pretraining, then turn each by 0 to 3 quarters and maybe mirror it."""
    images = glyphs.augment(images, generator)
    quarters = torch.randint(4, (len(images),), generator=generator)
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    for k in range(1, 4):
        images[quarters == k] = images[quarters == k].rot90(k, (2, 3))
    images[mirrored] = images[mirrored].flip(3)
    return images


def main(
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps of each source.")] = 600,
    out: Annotated[Path, typer.Option(help="The folder for the weights.")] = SHIPPED.parent,
) -> None:
    """Pretrain each source and write NAME.safetensors (fp16), NAME.json and sources.md."""
    records = {}
    for name, task in tasks().items():
        start = time.process_time()
        model = Classifier(random_backbone(0), int(task.labels.max()) + 1, 0)
        history = fit(
            model, task.images, task.labels, steps=steps, batch_size=BATCH, lr=LEARNING_RATE,
            weight_decay=WEIGHT_DECAY, augment=task.augment, seed=0, device="cpu",
            loss=partial(F.cross_entropy, label_smoothing=LABEL_SMOOTHING),
        )  # fmt: skip
        state = model.backbone.state_dict()
        content = save(
            {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}
        )
        records[name] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "question": task.question,
            "classes": int(task.labels.max()) + 1,
            "steps": steps,
            "seed": 0,
            "cpu_seconds_of_this_run": round(time.process_time() - start),
            "train_accuracy": history[-1]["train_accuracy"],
        }
        write_atomically(out / f"{name}.safetensors", content)
        text = json.dumps(records[name], indent=2) + "\n"
        write_atomically(out / f"{name}.json", text.encode())
        print(name, records[name])
    write_atomically(out / "sources.md", card(records).encode())


def card(records: dict[str, dict]) -> str:
    """Return the model card, every number of it from the records."""
    rows = "\n".join(
        f"| {name} | {r['question']} | {r['classes']} | {100 * r['train_accuracy']:.1f} % "
        f"| {r['cpu_seconds_of_this_run']} |"
        for name, r in records.items()
    )
    steps = next(iter(records.values()))["steps"]
    return f"""# Model card: the four small sources of module 03

Written by `data_scripts/pretrain_sources.py` from what it measured; do not edit.

**What for.** To compare source tasks: when does a source help, and when does it hurt? For use
elsewhere take `glyphs.safetensors`, which was trained ten times as long.

**Model and data.** The network of `glyphs.md`, from the same first weights (seed 0), on the same
printed glyphs; no digit, no handwriting. {steps} steps of AdamW each (batch {BATCH}, highest rate
{LEARNING_RATE:g}, weight decay {WEIGHT_DECAY:g}, label smoothing {LABEL_SMOOTHING:g}).

| name | question of the source task | classes | training accuracy, last tenth | CPU-seconds |
|---|---|---|---|---|
{rows}

The photographs are the left halves of those that scikit-learn and matplotlib bring along.

**Limits.** One pretraining seed each: a difference between two sources may in part be luck. Trained
briefly on purpose.
"""


if __name__ == "__main__":
    threadpool_limits(1)
    try:
        typer.run(main)
    except CourseError as error:
        sys.exit(str(error))
