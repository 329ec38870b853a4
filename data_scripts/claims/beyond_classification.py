"""Module 06: digits in scenes, to be coloured and to be boxed, with and without transfer."""

import functools
from collections.abc import Iterator

import torch
from torch import nn
from torchvision.ops import box_iou

from course_lib.data import scenes
from course_lib.data.scenes import CLASSES, Scenes
from course_lib.dense.detection import (
    Detector,
    detect,
    detection_loss,
    score_detections,
)
from course_lib.dense.encoder import Encoder, transfer_encoder
from course_lib.dense.scores import average_precision, mean_iou
from course_lib.dense.segmentation import Segmenter, segment, segmentation_loss
from course_lib.dense.training import fit_scenes
from course_lib.models.convnet import random_backbone
from course_lib.models.weights import load_backbone
from course_lib.transfer.freeze import freeze

WAYS = ("scratch", "frozen", "tuned")
TASKS = {"segmentation": (Segmenter, segmentation_loss), "detection": (Detector, detection_loss)}
LEARNING_RATES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)  # tried from the first on, until it gets worse
THRESHOLDS = (0.2, 0.3, 0.4, 0.5)
CHOOSING_SEED = 1000


def choose(quick: bool) -> dict:
    """Choose each way's learning rate, and the score from which a detection counts, on validation.

    Validation scenes are made of digits of the pool that no training scene has.
    """
    settings = {
        "sizes": [8, 16] if quick else [50, 200],
        "test_scenes": 20 if quick else 300,
        "steps": {"segmentation": 2, "detection": 2}
        if quick
        else {"segmentation": 250, "detection": 200},
        "chosen_on": "200 validation scenes, made of digits of the pool that are in no training "
        f"scene, after training on {16 if quick else 200} scenes of seed {CHOOSING_SEED}",
    }
    rates: dict[str, dict[str, float]] = {task: {} for task in TASKS}
    tried, f1 = {}, dict.fromkeys(THRESHOLDS, 0.0)
    for task in TASKS:
        for way in WAYS:
            found: dict[float, tuple[float, list[float]]] = {}
            for lr in LEARNING_RATES[:1] if quick else LEARNING_RATES:
                found[lr] = attempt(task, way, lr, settings)
                if found[lr][0] < max(score for score, _ in found.values()):
                    break
            tried |= {f"{task}, {way}, {lr:g}": round(score, 4) for lr, (score, _) in found.items()}
            best = rates[task][way] = max(found, key=lambda lr: found[lr][0])
            for least, value in zip(THRESHOLDS, found[best][1], strict=False):
                f1[least] += value
    return settings | {
        "learning_rates": rates,
        "score_threshold": max(f1, key=f1.__getitem__),  # one for all ways
        "tried": tried,
    }


def attempt(task: str, way: str, lr: float, settings: dict) -> tuple[float, list[float]]:
    """Train with one learning rate; return mIoU or AP on validation, and F1 at each threshold."""
    own = scenes.make("train", settings["sizes"][-1], CHOOSING_SEED)
    val = scenes.make("val", min(200, settings["test_scenes"]), CHOOSING_SEED)
    model = trained(task, way, own, CHOOSING_SEED, settings["steps"][task], lr)
    if task == "segmentation":
        return mean_iou(segment(model, val.images), val.masks, len(CLASSES)), []
    seen = detect(model, val.images)
    scored = [score_detections(seen, val, least) for least in THRESHOLDS]
    return scored[0]["ap"], [s["f1"] for s in scored]


def trained(
    task: str, way: str, own: Scenes, seed: int, steps: int, lr: float, buffers: bool = True
) -> nn.Module:
    """Train a segmenter or a detector on labelled scenes, its encoder got in one of the ways."""
    network, loss = TASKS[task]
    model = network(Encoder(random_backbone(seed)), seed=seed)
    if way != "scratch":
        fresh = {name: value.clone() for name, value in model.encoder.named_buffers()}
        transfer_encoder(load_backbone(), model)
        if not buffers:  # the bug: batch-norm's statistics stay behind
            for name, value in model.encoder.named_buffers():
                value.copy_(fresh[name])
    if way == "frozen":
        freeze(model.encoder)
    fit_scenes(model, own, loss, steps=steps, lr=lr, seed=seed, progress=False)
    return model


@functools.cache
def _data(seed: int, n: int, test_scenes: int) -> tuple[Scenes, Scenes]:
    return scenes.make("train", n, seed), scenes.make("test", test_scenes, 0)


def _runs(
    task: str, which: int, seed: int, settings: dict
) -> Iterator[tuple[int, str, nn.Module, Scenes]]:
    """Yield ``(size, way, trained model, test scenes)``; a smaller set is part of the larger."""
    everything, test = _data(seed, max(settings["sizes"]), settings["test_scenes"])
    n = settings["sizes"][which]
    own = Scenes(*(part[:n] for part in everything))
    for way in WAYS:
        lr = settings["learning_rates"][task][way]
        yield n, way, trained(task, way, own, seed, settings["steps"][task], lr), test


def segmentation(which: int, seed: int, settings: dict) -> dict[str, float]:
    """Score masks by class, masks of digit against rest, and the share of right pixels."""
    values = {}
    for n, way, model, test in _runs("segmentation", which, seed, settings):
        pred = segment(model, test.images)
        values[f"scenes.mask.{n}.{way}"] = mean_iou(pred, test.masks, len(CLASSES))
        binary = (pred > 0).long(), (test.masks > 0).long()
        values[f"scenes.binary.{n}.{way}"] = mean_iou(*binary, 2)
        values[f"scenes.pixels.{n}.{way}"] = float((pred == test.masks).double().mean())
    if n < max(settings["sizes"]):
        return values
    # The last model is tuned on all scenes. The bugs are in the scoring alone.
    nothing = torch.zeros_like(test.masks)
    values["scenes.bugs.background.pixels"] = float((nothing == test.masks).double().mean())
    values["scenes.bugs.background.mask"] = mean_iou(nothing, test.masks, len(CLASSES))
    right, wrong = [], []
    for p, t in zip(pred.split(4), test.masks.split(4), strict=True):  # a few scenes at a time
        there = len(torch.cat([p, t]).unique())
        right.append(mean_iou(p, t, len(CLASSES)))
        wrong.append(right[-1] * there / len(CLASSES))  # the absent ones as zeros
    values["scenes.bugs.absent.right"] = sum(right) / len(right)
    values["scenes.bugs.absent.wrong"] = sum(wrong) / len(wrong)
    return values


def detection(which: int, seed: int, settings: dict) -> dict[str, float]:
    """Score boxes: average precision at an IoU of one half, mean over digits, and F1."""
    values = {}
    for n, way, model, test in _runs("detection", which, seed, settings):
        scored = score_detections(detect(model, test.images), test, settings["score_threshold"])
        values[f"scenes.ap.{n}.{way}"] = scored["ap"]
        values[f"scenes.f1.{n}.{way}"] = scored["f1"]
    if n < max(settings["sizes"]):
        return values
    found = detect(model, test.images)  # tuned on all scenes

    def unsorted(hits, scores, n_truth):
        return average_precision(hits, -torch.arange(len(hits)).double(), n_truth)

    def twice(boxes, scores, truth):
        return (box_iou(boxes, truth) >= 0.5).any(dim=1)

    repeated = detect(model, test.images, overlap=1.0)  # no suppression
    values["scenes.bugs.unsorted.wrong"] = score_detections(found, test, 0.5, area=unsorted)["ap"]
    values["scenes.bugs.twice.right"] = score_detections(repeated, test, 0.5)["ap"]
    values["scenes.bugs.twice.wrong"] = score_detections(repeated, test, 0.5, match=twice)["ap"]
    return values


def buffers(seed: int, settings: dict) -> dict[str, float]:
    """Detect with a frozen encoder that got the weights, and not batch-norm's statistics."""
    n = max(settings["sizes"])
    own, test = _data(seed, n, settings["test_scenes"])
    lr, steps = settings["learning_rates"]["detection"]["frozen"], settings["steps"]["detection"]
    model = trained("detection", "frozen", own, seed, steps, lr, buffers=False)
    return {
        "scenes.bugs.buffers.wrong": score_detections(detect(model, test.images), test, 0.5)["ap"]
    }


CLAIMS = {
    "scenes_masks_few": functools.partial(segmentation, 0),
    "scenes_masks_more": functools.partial(segmentation, 1),
    "scenes_boxes_few": functools.partial(detection, 0),
    "scenes_boxes_more": functools.partial(detection, 1),
    "scenes_buffers": buffers,
}
SEEDS = dict.fromkeys(CLAIMS, 5)
PAIRS = {
    **{
        f"scenes.{score}.{n}.{name}": (f"scenes.{score}.{n}.{way}", f"scenes.{score}.{n}.scratch")
        for score in ("mask", "binary", "pixels", "ap", "f1")
        for n in (50, 200)
        for name, way in (("gain", "tuned"), ("frozen_gain", "frozen"))
    },
    **{  # with a quarter of the labels
        f"scenes.{score}.quarter": (f"scenes.{score}.50.tuned", f"scenes.{score}.200.scratch")
        for score in ("mask", "ap")
    },
    "scenes.bugs.nothing_loaded.cost": ("scenes.mask.50.scratch", "scenes.mask.50.tuned"),
    "scenes.bugs.absent.cost": ("scenes.bugs.absent.wrong", "scenes.bugs.absent.right"),
    "scenes.bugs.unsorted.cost": ("scenes.bugs.unsorted.wrong", "scenes.ap.200.tuned"),
    "scenes.bugs.twice.cost": ("scenes.bugs.twice.wrong", "scenes.bugs.twice.right"),
    "scenes.bugs.buffers.cost": ("scenes.bugs.buffers.wrong", "scenes.ap.200.frozen"),
}
