"""Judges of module 00: they know the truth and see only plain data."""

import torch

from course_lib.checks.judges.reading import completed, number, refused
from course_lib.checks.judges.specs import draw, random_model
from course_lib.checks.probes.models import build
from course_lib.checks.run import Ask
from course_lib.checks.verdict import NotYet


def evaluate(ask: Ask, rng: torch.Generator, hard: bool) -> None:
    for round_ in range(6 if hard else 2):
        batch_size = draw(rng, 7, 16)
        n = batch_size * draw(rng, 2, 4) + draw(rng, 1, batch_size - 1)  # a ragged last batch
        spec = random_model(rng, dropout=True, classes=3, training=round_ % 2 == 0)
        images = torch.rand(n, 1, 12, 12, generator=rng)
        with torch.no_grad():
            logits = build({**spec, "training": False})(images)
        # Labels that agree often, and above all in the last batch: there a mean of batch
        # accuracies differs from the accuracy by far more than rounding.
        labels = logits.argmax(dim=1)
        flip = torch.rand(n, generator=rng) < 0.5
        flip[n - n % batch_size :] = False
        labels = torch.where(flip, (labels + 1) % 3, labels)
        truth = (~flip).float().mean().item()

        answer = completed(
            ask(
                {
                    "model": spec,
                    "images": images,
                    "labels": labels,
                    "options": {"batch_size": batch_size},
                }
            )
        )
        seen = number(answer["returned"], expected="one number between 0 and 1")
        ...
    refused(
        ask(
            {
                "model": spec,
                "images": torch.empty(0, 1, 12, 12),
                "labels": torch.empty(0, dtype=torch.int64),
                "options": {},
            }
        ),
        "empty",
        expected="a ValueError: the accuracy of no images does not exist",
    )
    _ = truth, seen, NotYet
