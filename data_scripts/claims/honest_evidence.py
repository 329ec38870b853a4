"""Module 00: the price of the classic slips, intervals from five seeds, the best of many."""

import copy
from collections import OrderedDict
from functools import cache

import numpy as np
import torch
from scipy import stats
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from course_lib.data import digits
from course_lib.evidence.evaluate import evaluate, n_correct
from course_lib.evidence.intervals import paired_effect
from course_lib.evidence.splits import k_shot_split
from course_lib.models.weights import load_backbone
from course_lib.transfer.features import extract_features
from course_lib.transfer.train import fit


def choose(quick: bool) -> dict:
    """Nothing is chosen: slips are compared with the right way, at settings that stand here."""
    return {
        "chosen_on": "nothing: each slip is compared with the right way, all else equal",
        "draws": 100 if quick else 5000,
    }


def evaluation(seed: int, settings: dict) -> dict[str, float]:
    """A head with dropout, asked in eval mode; in train mode, sorted by class; and by batches."""
    pool, test = digits.load("pool"), digits.load("test")
    torch.manual_seed(seed)  # the head's first weights, and dropout in train mode
    parts = {"backbone": load_backbone(), "dropout": nn.Dropout(0.5), "head": nn.Linear(128, 10)}
    model = nn.Sequential(OrderedDict(parts))
    fit(
        nn.Sequential(model.dropout, model.head), extract_features(model, pool.images), pool.labels,
        steps=300, lr=1e-2, seed=seed, device="cpu", progress=False,
    )  # fmt: skip
    right = evaluate(model, test.images, test.labels, device="cpu")

    by_class, forgetful = test.labels.argsort(), copy.deepcopy(model).train()
    with torch.no_grad():
        logits = torch.cat([forgetful(x) for x in test.images[by_class].split(16)])
        hits = (model.eval()(test.images).argmax(dim=1) == test.labels).double()
    orders = torch.rand(1000, len(hits), generator=Generator().manual_seed(seed)).argsort(dim=1)
    by_batch = torch.stack([part.mean(dim=1) for part in hits[orders].split(199, dim=1)])
    return {
        "bugs.train_mode.right": right,
        "bugs.train_mode.left_on": n_correct(logits, test.labels[by_class]) / len(test.labels),
        "bugs.batch_mean.error": float((by_batch.mean(dim=0) - hits.mean()).abs().mean()),
    }


def twenty_labels(seed: int, settings: dict) -> dict[str, float]:
    """Two labels of each class, or any twenty; nearest centroid on the backbone's features."""
    labels = _digits()[0]
    any_twenty = torch.randperm(len(labels), generator=Generator().manual_seed(seed))[:20]
    return {
        "bugs.unstratified.right": _centroid(k_shot_split(labels, 2, seed)[0]),
        "bugs.unstratified.any": _centroid(any_twenty),
        "bugs.unstratified.missed": 10.0 - len(labels[any_twenty].unique()),
    }


def pairing(seed: int, settings: dict) -> dict[str, float]:
    """How much wider the interval of ten differences is when nobody knows that they are pairs."""
    labels = _digits()[0]
    splits = [k_shot_split(labels, 1, 10 * seed + s)[0] for s in range(10)]
    a = np.array([_centroid(support) for support in splits])
    b = np.array([_centroid(support, "Euclidean") for support in splits])
    _, low, high = paired_effect(a, b)
    error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    unpaired = stats.t.ppf(0.975, df=len(a) + len(b) - 2) * error
    return {"bugs.unpaired.width": float(2 * unpaired / (high - low))}


def five_seeds(seed: int, settings: dict) -> dict[str, float]:
    """Share of 95 % intervals from five normal values that hold the true mean."""
    rng = np.random.default_rng(seed)
    n = settings["draws"]
    values = rng.standard_normal((n, 5))
    mean, error = values.mean(1), values.std(1, ddof=1) / np.sqrt(5)
    picks = values[np.arange(n)[:, None, None], rng.integers(5, size=(n, 400, 5))]
    low, high = np.quantile(picks.mean(2), [0.025, 0.975], axis=1)
    return {
        "coverage.t": float((abs(mean) <= stats.t.ppf(0.975, 4) * error).mean()),
        "coverage.z": float((abs(mean) <= 1.96 * error).mean()),
        "coverage.bootstrap": float(((low <= 0) & (high >= 0)).mean()),
    }


def best_of_many(seed: int, settings: dict) -> dict[str, float]:
    """The best of 25 checkpoints that are all 95 % right, each scored on 153 images of its own."""
    right = np.random.default_rng(seed).binomial(153, 0.95, size=(1000, 25)) / 153
    return {"best_of_many.reported": float(right.max(1).mean()), "best_of_many.true": 0.95}


@cache
def _digits() -> tuple[Tensor, Tensor, Tensor]:
    """Labels and features of the pool, features of the test set."""
    pool, backbone = digits.load("pool"), nn.ModuleDict({"backbone": load_backbone()})
    x, test_x = (extract_features(backbone, digits.load(s).images) for s in ("pool", "test"))
    return pool.labels, x, test_x


def _centroid(support: Tensor, distance: str = "cosine") -> float:
    """Test accuracy of the nearest centroid of the labelled examples."""
    labels, x, test_x = _digits()
    x, y, test = x[support], labels[support], digits.load("test")
    classes = y.unique()
    centroids = torch.stack([x[y == k].mean(dim=0) for k in classes])
    if distance == "cosine":
        scores = F.normalize(test_x, dim=1) @ F.normalize(centroids, dim=1).T
    else:
        scores = -torch.cdist(test_x, centroids)
    return float((classes[scores.argmax(dim=1)] == test.labels).double().mean())


CLAIMS = {
    "evaluation": evaluation,
    "twenty_labels": twenty_labels,
    "pairing": pairing,
    "five_seeds": five_seeds,
    "best_of_many": best_of_many,
}
PAIRS = {
    "bugs.train_mode.cost": ("bugs.train_mode.left_on", "bugs.train_mode.right"),
    "bugs.unstratified.cost": ("bugs.unstratified.any", "bugs.unstratified.right"),
}
UNITS = {
    "bugs.batch_mean.error": "points",
    "bugs.unstratified.missed": "number",
    "bugs.unpaired.width": "times",
}
