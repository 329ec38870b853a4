"""Module 05: one-shot recognition, against baselines, and what each way to learn it gives.

Accuracies are means over the episodes of a seed; the seeds draw episodes, distortions and first
weights. Held-out scripts: 20-way; the query shows another font than the support, and both are
distorted. Handwritten digits: 10-way, among the 797 test digits.
"""

import copy
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor, nn

from claims.common import represent
from course_lib.data import digits, glyphs, omniglot
from course_lib.evidence.evaluate import forward_in_batches
from course_lib.evidence.intervals import episode_interval
from course_lib.fewshot import training
from course_lib.fewshot.cosine import baseline_plus_plus, nearest_centroid
from course_lib.fewshot.episodes import Classifier, accuracies, episode_accuracies, sample_episodes
from course_lib.fewshot.matching import matching_logits
from course_lib.fewshot.prototypes import prototype_logits
from course_lib.models.convnet import Classifier as Network
from course_lib.models.convnet import random_backbone
from course_lib.models.weights import load_backbone
from course_lib.transfer.train import fit

RATES = (1e-3, 4e-3, 1e-2)
WAYS = {"scripts": 20, "digits": 10}

# --- One shot, five shots: what the features are worth ------------------------------------------


def few_shot(seed: int, settings: dict) -> dict[str, float]:
    """Pixels, an untrained network and the backbone, at 1 and 5 shots, on the same episodes."""
    found = {}
    for target, (images, labels) in _targets(seed).items():
        for n_shot in (1, 5):
            drawn = sample_episodes(
                labels, WAYS[target], n_shot, 2, settings["episodes"], _rng(seed)
            )
            key = f"fewshot.{target}.{n_shot}"
            for name in ("pixels", "random", "backbone"):
                x = _features(name, images, seed)
                found[f"{key}.{name}"] = _mean(accuracies(x, drawn, nearest_centroid))
            others = {
                "euclid": prototype_logits,
                "matching": matching_logits,
                "baseline_pp": partial(baseline_plus_plus, **settings["baseline_pp"]),
            }
            for name, classifier in others.items():
                found[f"{key}.{name}"] = _mean(accuracies(x, drawn, classifier))
    return found


# --- Learning the embedding ----------------------------------------------------------------------


def learned(seed: int, settings: dict) -> dict[str, float]:
    """One-shot accuracy of embeddings learned in other ways, with the same number of images."""
    train = glyphs.load("train")
    targets = _targets(seed)
    found = {}
    for name in (*FROM_SCRATCH, "tuned"):
        embedding = learn(name, train.images, train.labels, seed, settings)
        for target, (images, labels) in targets.items():
            x = forward_in_batches(embedding, images)
            drawn = sample_episodes(labels, WAYS[target], 1, 2, settings["episodes"], _rng(seed))
            accuracy = _mean(accuracies(x, drawn, READ_BY.get(name, prototype_logits)))
            found[f"fewshot.learned.{target}.{name}"] = accuracy
    return found


FROM_SCRATCH = ("cross_entropy", "prototypical", "matching", "siamese")
# How each embedding is read: as it was trained. One shot: nearest prototype is nearest example.
READ_BY: dict[str, Classifier] = {"cross_entropy": nearest_centroid, "matching": matching_logits}


def learn(name: str, images: Tensor, labels: Tensor, seed: int, settings: dict) -> nn.Module:
    """Return an embedding learned on source classes: from scratch, or ("tuned") the backbone's."""
    n_way, n_query, steps, rate = 20, 3, settings["steps"], settings["rates"][name]
    if name == "cross_entropy":
        model = Network(random_backbone(seed), int(labels.max()) + 1, seed)
        fit(
            model, images, labels, steps=steps, batch_size=n_way * (1 + n_query), lr=rate,
            weight_decay=0.05, augment=glyphs.augment, log_every=steps, seed=seed, device="cpu",
            progress=False,
        )  # fmt: skip
        return model.backbone.eval()
    objective = {
        "matching": partial(training.matching, scale=settings["scale"]),
        "siamese": partial(training.siamese, margin=settings["margin"]),
    }.get(name, training.prototypical)
    embedding = load_backbone() if name == "tuned" else random_backbone(seed)
    # Every drawing twice, to be distorted in two ways: most classes have fewer than four.
    training.fit_episodes(
        embedding, images.repeat(2, 1, 1, 1), labels.repeat(2), steps=steps, objective=objective,
        n_way=n_way, n_query=n_query, lr=rate, augment=glyphs.augment, log_every=steps, seed=seed,
        device="cpu", progress=False,
    )  # fmt: skip
    return embedding.eval()


# --- The classic bugs ----------------------------------------------------------------------------


def leaking_queries(seed: int, settings: dict) -> dict[str, float]:
    """Prototypes that include the queries, on features that are pure noise: 5-way 1-shot."""
    rng = _rng(seed)
    noise, labels = torch.randn(1000, 128, generator=rng), torch.arange(1000) % 5
    drawn = sample_episodes(labels, 5, 1, 5, settings["episodes"], rng)
    return {
        "fewshot.leak.noise.right": _mean(accuracies(noise, drawn, prototype_logits)),
        "fewshot.leak.noise.leaking": _mean(accuracies(noise, drawn, with_queries)),
    }


def with_queries(support: Tensor, support_labels: Tensor, query: Tensor) -> Tensor:
    """The bug: class means over support and queries; knows that queries are grouped by class."""
    n_way = int(support_labels.max()) + 1
    query_labels = torch.arange(n_way).repeat_interleave(query.shape[-2] // n_way)
    both = torch.cat([support, query], dim=-2)
    return prototype_logits(both, torch.cat([support_labels, query_labels]), query)


def batchnorm_and_sign(seed: int, settings: dict) -> dict[str, float]:
    """Episodes asked in train mode, and plus instead of minus the distance."""
    images, labels = _targets(seed)["scripts"]
    right = load_backbone()
    bug = copy.deepcopy(right).train()  # its running statistics move, those of `right` do not
    s_idx, s_y, q_idx, q_y = sample_episodes(
        labels, 20, 1, 5, max(settings["episodes"] // 20, 2), _rng(seed)
    )
    rows: dict[str, list[Tensor]] = {}

    def answer(name: str, support: Tensor, query: Tensor, classifier: Classifier) -> None:
        right_ones = classifier(support, s_y, query).argmax(1) == q_y
        rows.setdefault(f"fewshot.bugs.{name}", []).append(right_ones.float().mean())

    with torch.no_grad():
        for s, q in zip(s_idx, q_idx, strict=True):
            support, query = right(images[s]), right(images[q])
            answer("right", support, query, nearest_centroid)
            answer("leaking", support, query, with_queries)
            answer("sign", support, query, lambda *parts: -prototype_logits(*parts))
            together = bug(images[torch.cat([s, q])])
            answer("train_mode.together", together[: len(s)], together[len(s) :], nearest_centroid)
            by_class = torch.cat([bug(few) for few in images[q].split(5)])
            answer("train_mode.by_class", bug(images[s]), by_class, nearest_centroid)
    return {key: float(torch.stack(of_key).mean()) for key, of_key in rows.items()}


def intervals(seed: int, settings: dict) -> dict[str, float]:
    """How often 95 % intervals of 100 episodes hold the true mean: episodes or queries as unit.

    5-way 1-shot with 15 queries per class on handwritten digits. "True" is the mean of a large
    bank of episodes, from which hundreds are drawn at a time.
    """
    pool = digits.load("pool")
    bank = episode_accuracies(
        represent("frozen", pool.images), pool.labels, nearest_centroid,
        n_way=5, n_shot=1, n_query=15, n_episodes=settings["bank"], rng=_rng(seed),
    ).double()  # fmt: skip
    truth, picks = bank.mean(), torch.randint(len(bank), (1000, 100), generator=_rng(seed + 1000))
    draws = bank[picks]
    ends = torch.tensor([episode_interval(row) for row in draws])
    mean, low, high = ends.T
    pooled = 1.96 * (mean * (1 - mean) / (100 * 75)).sqrt()
    return {
        "fewshot.interval.episodes": _mean((low <= truth) & (truth <= high)),
        "fewshot.interval.pooled": _mean((mean - truth).abs() <= pooled),
        "fewshot.interval.width_ratio": _mean((high - low) / 2) / _mean(pooled),
        "fewshot.interval.one_episode": float(bank.std()),
    }


# --- Omniglot, where it is at hand ---------------------------------------------------------------


def omniglot_runs(seed: int, settings: dict) -> dict[str, float]:
    """Error in one of the 20 official 20-way one-shot runs: the "seed" is the run."""
    run = omniglot.runs()[seed]
    found = {}
    for name in ("pixels", "random", "backbone"):
        logits = nearest_centroid(
            _features(name, run.support, seed), torch.arange(20), _features(name, run.query, seed)
        )
        error = 1 - _mean(logits.argmax(1) == run.answers)
        found[f"fewshot.omniglot.runs.{name}"] = error
        if seed not in omniglot.RUNS_IN_SOURCE_SCRIPTS:
            found[f"fewshot.omniglot.overlap_free.{name}"] = error
    return found


def omniglot_episodes(seed: int, settings: dict) -> dict[str, float]:
    """20-way 1-shot on the evaluation set, without the alphabet that shares letters with ours."""
    drawings = omniglot.load("evaluation")
    names = [name.split("/")[0] for name in drawings.classes]
    allowed = torch.tensor([name not in omniglot.SOURCE_SCRIPTS for name in names])
    keep = allowed[drawings.labels]
    images, labels = drawings.images[keep], drawings.labels[keep]
    drawn = sample_episodes(labels, 20, 1, 2, settings["episodes"], _rng(seed))
    used, places = torch.cat([drawn.support, drawn.query], 1).unique(return_inverse=True)
    support, query = places.split([20, 40], dim=1)
    drawn = drawn._replace(support=support, query=query)
    return {
        f"fewshot.omniglot.episodes.{name}": _mean(
            accuracies(_features(name, images[used], seed), drawn, nearest_centroid)
        )
        for name in ("pixels", "random", "backbone")
    }


CLAIMS: dict[str, Callable[[int, dict], dict[str, float]]] = {
    "few_shot_accuracy": few_shot,
    "few_shot_learned": learned,
    "few_shot_leak": leaking_queries,
    "few_shot_bugs": batchnorm_and_sign,
    "few_shot_intervals": intervals,
    "omniglot_runs": omniglot_runs,
    "omniglot_episodes": omniglot_episodes,
}
SEEDS = {"omniglot_runs": 20, "few_shot_learned": 7}
PAIRS = (
    {
        f"fewshot.{target}.{n_shot}.over_{rival}": (
            f"fewshot.{target}.{n_shot}.backbone",
            f"fewshot.{target}.{n_shot}.{rival}",
        )
        for target in WAYS
        for n_shot in (1, 5)
        for rival in ("pixels", "random")
    }
    | {
        f"fewshot.{target}.{n_shot}.{name}.gain": (
            f"fewshot.{target}.{n_shot}.{name}",
            f"fewshot.{target}.{n_shot}.backbone",
        )
        for target in WAYS
        for n_shot in (1, 5)
        for name in ("euclid", "matching", "baseline_pp")
    }
    | {
        f"fewshot.learned.{target}.tuned.{name}": (
            f"fewshot.learned.{target}.tuned",
            f"fewshot.{target}.1.{rival}",
        )
        for target in WAYS
        # read the same way, by squared distances; and against the best reading of the backbone
        for name, rival in (("gain", "euclid"), ("over_cosine", "backbone"))
    }
    | {
        f"fewshot.learned.{target}.{name}.gain": (
            f"fewshot.learned.{target}.{name}",
            f"fewshot.learned.{target}.cross_entropy",
        )
        for target in WAYS
        for name in FROM_SCRATCH[1:]
    }
    | {
        "fewshot.leak.cost": ("fewshot.leak.noise.leaking", "fewshot.leak.noise.right"),
        "fewshot.bugs.leaking.cost": ("fewshot.bugs.leaking", "fewshot.bugs.right"),
        "fewshot.bugs.sign.cost": ("fewshot.bugs.sign", "fewshot.bugs.right"),
        "fewshot.bugs.train_mode.together.cost": (
            "fewshot.bugs.train_mode.together",
            "fewshot.bugs.right",
        ),
        "fewshot.bugs.train_mode.by_class.cost": (
            "fewshot.bugs.train_mode.by_class",
            "fewshot.bugs.right",
        ),
        "fewshot.interval.cost": ("fewshot.interval.pooled", "fewshot.interval.episodes"),
    }
)
UNITS = {"fewshot.interval.width_ratio": "times"}


# --- Settings, chosen on source classes that were left out, and on digits that are not reported ---


def choose(quick: bool) -> dict:
    """Choose rates, scale, margin on every fifth source class, Baseline++'s on the digit pool."""
    steps, episodes = (3, 20) if quick else (250, 400)
    settings = {
        "chosen_on": "embeddings: every fifth source class, left out of training meanwhile; "
        "Baseline++: the pool of digits, not the test digits, and no held-out script; "
        "the stroke width of Omniglot's drawings: its background set",
        "steps": steps,
        "episodes": episodes,
        "bank": 200 if quick else 20_000,
        "rates": {},
        "scale": 10.0,
        "margin": 10.0,
    }
    train = glyphs.load("train")
    left_out = train.labels % 5 == 0
    validation = glyphs.augment(train.images[left_out], _rng(1)), train.labels[left_out]
    source = train.images[~left_out], train.labels[~left_out]

    def score(name: str, **changed: float) -> float:
        rates = settings["rates"] | {name: changed.pop("rate", settings["rates"].get(name))}
        embedding = learn(name, *source, 1000, settings | changed | {"rates": rates})
        x = forward_in_batches(embedding, validation[0])
        return _mean(
            episode_accuracies(
                x, validation[1], READ_BY.get(name, prototype_logits),
                n_way=20, n_shot=1, n_query=1, n_episodes=episodes, rng=_rng(2),
            )
        )  # fmt: skip

    for name in (*FROM_SCRATCH, "tuned"):
        rates = RATES[:1] if quick else (1e-4, 1e-3) if name == "tuned" else RATES
        settings["rates"][name] = _best(rates, lambda rate, name=name: score(name, rate=rate))
    if not quick:
        settings["scale"] = _best((5.0, 10.0, 20.0), lambda s: score("matching", scale=s))
        settings["margin"] = _best((3.0, 10.0, 30.0), lambda m: score("siamese", margin=m))

    pool = digits.load("pool")
    x = represent("frozen", pool.images)
    drawn = [sample_episodes(pool.labels, 10, k, 2, episodes // 2, _rng(3)) for k in (1, 5)]
    grid = [
        {"scale": scale, "lr": lr, "steps": 20 if quick else 100}
        for scale in ((10.0,) if quick else (5.0, 10.0, 20.0, 40.0))
        for lr in ((0.01,) if quick else (0.001, 0.003, 0.01))
    ]
    settings["baseline_pp"] = _best(
        grid,
        lambda how: sum(_mean(accuracies(x, d, partial(baseline_plus_plus, **how))) for d in drawn),
    )
    return settings


def _best(candidates, score: Callable):
    scores = [score(candidate) for candidate in candidates]
    return candidates[int(np.argmax(scores))]


# --- What they share -----------------------------------------------------------------------------


def _targets(seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    held_out, test = glyphs.load("held_out"), digits.load("test")
    distorted = glyphs.augment(held_out.images, _rng(seed + 100))
    return {"scripts": (distorted, held_out.labels), "digits": (test.images, test.labels)}


def _features(name: str, images: Tensor, seed: int) -> Tensor:
    """Pixels, an untrained network (another one for each seed), or the shipped backbone."""
    if name == "pixels":
        return images.flatten(1)
    network = random_backbone(seed).eval() if name == "random" else load_backbone()
    return forward_in_batches(network, images)


def _rng(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def _mean(values: Tensor) -> float:
    return float(values.double().mean())
