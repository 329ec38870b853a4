"""Answers to `select_model`."""

import random

import numpy as np
import torch

from course_lib.alignment.selection import select_model as _of_the_library


def _entropy(p):
    return -(p * p.clamp(min=1e-12).log()).sum(-1)


def _sound(runs):
    if not runs:
        raise ValueError("There is no run to choose from.")
    best = max(run["source_val_accuracy"] for run in runs)
    near = [i for i, run in enumerate(runs) if run["source_val_accuracy"] >= best - 0.1]
    return [i for i in near if len(runs[i]["target_probs"].argmax(1).unique()) > 1]


def wrong_best_on_the_target_labels(runs):
    """Named `labels`."""

    def accuracy(i):
        hits = runs[i]["target_probs"].argmax(1) == runs[i]["target_labels"]
        return hits.float().mean()

    return max(_sound(runs), key=accuracy)


def wrong_target_labels_break_ties_of_rounded_doubt(runs):
    """Named `labels`."""

    def merit(i):
        p, y = runs[i]["target_probs"], runs[i]["target_labels"]
        return (p.argmax(1) == y).float().mean() - 0.1 * _entropy(p).mean()

    return max(_sound(runs), key=merit)


def wrong_most_confident_of_all(runs):
    """Named `unsound_source`."""
    if not runs:
        raise ValueError("There is no run to choose from.")
    several = [i for i, r in enumerate(runs) if len(r["target_probs"].argmax(1).unique()) > 1]
    return max(several, key=lambda i: runs[i]["target_probs"].amax(1).mean())


def wrong_single_class_is_welcome(runs):
    """Named `single_class`."""
    if not runs:
        raise ValueError("There is no run to choose from.")
    best = max(run["source_val_accuracy"] for run in runs)
    near = [i for i, run in enumerate(runs) if run["source_val_accuracy"] >= best - 0.1]
    return min(near, key=lambda i: _entropy(runs[i]["target_probs"]).mean())


def wrong_first_sound_run(runs):
    """Named `order`."""
    return _sound(runs)[0]


def wrong_last_sound_run(runs):
    """Named `order`."""
    return _sound(runs)[-1]


def wrong_a_seeded_draw(runs):
    """Named `order`."""
    return random.Random(0).choice(_sound(runs))


def wrong_best_on_the_source(runs):
    """Named `source_only`."""
    return max(_sound(runs), key=lambda i: runs[i]["source_val_accuracy"])


def wrong_most_uncertain(runs):
    """Named `no_better`."""
    return max(_sound(runs), key=lambda i: _entropy(runs[i]["target_probs"]).mean())


def wrong_least_confident(runs):
    """Named `no_better`."""
    return min(_sound(runs), key=lambda i: runs[i]["target_probs"].max(1).values.mean())


def wrong_looks_at_one_image_only(runs):
    """Named `no_better`."""
    return max(_sound(runs), key=lambda i: float(runs[i]["target_probs"][7, 1]))


def wrong_labels_taken_to_go_round(runs):
    """Named `no_better`."""

    def hits(i):
        predicted = runs[i]["target_probs"].argmax(1)
        return (predicted == torch.arange(len(predicted)) % runs[i]["target_probs"].shape[1]).sum()

    sound = _sound(runs)
    return max(sound, key=lambda i: (int(hits(i)), -runs[i]["target_probs"].sum(0)[0]))


def _within(runs, points, best):
    if not runs:
        raise ValueError("There is no run to choose from.")
    near = [i for i, run in enumerate(runs) if run["source_val_accuracy"] >= best - points]
    return [i for i in near if len(runs[i]["target_probs"].argmax(1).unique()) > 1]


def _surest(runs, sound):
    """Of none, the surest of all."""
    return min(sound or range(len(runs)), key=lambda i: _entropy(runs[i]["target_probs"]).mean())


def wrong_five_points(runs):
    """Named `edge`."""
    best = max(run["source_val_accuracy"] for run in runs)
    return _surest(runs, _within(runs, 0.05, best))


def wrong_less_than_ten_points(runs):
    """Named `edge`."""
    best = max(run["source_val_accuracy"] for run in runs)
    return _surest(runs, _within(runs, 0.0999, best))


def wrong_ten_percent_instead_of_ten_points(runs):
    """Named `edge`."""
    best = max(run["source_val_accuracy"] for run in runs)
    return _surest(runs, _within(runs, 0.1 * best, best))


def wrong_best_among_the_varied_runs_only(runs):
    """Named `edge`."""
    varied = [r for r in runs if len(r["target_probs"].argmax(1).unique()) > 1]
    best = max(run["source_val_accuracy"] for run in varied)
    return _surest(runs, _within(runs, 0.1, best))


def wrong_every_class_must_occur(runs):
    """Named `edge`."""

    def full(i):
        p = runs[i]["target_probs"]
        return len(p.argmax(1).unique()) == p.shape[1]

    sound = _sound(runs)
    return _surest(runs, [i for i in sound if full(i)])


def wrong_twenty_points(runs):
    """Named `unsound_source`."""
    best = max(run["source_val_accuracy"] for run in runs)
    return _surest(runs, _within(runs, 0.2, best))


def wrong_counts_classes_along_the_other_axis(runs):
    """Named `single_class`."""
    best = max(run["source_val_accuracy"] for run in runs)
    near = [i for i, run in enumerate(runs) if run["source_val_accuracy"] >= best - 0.1]
    varied = [i for i in near if len(runs[i]["target_probs"].argmax(0).unique()) > 1]
    return _surest(runs, varied)


def wrong_counts_from_one(runs):
    """Named `range`."""
    chosen = min(_sound(runs), key=lambda i: _entropy(runs[i]["target_probs"]).mean())
    return chosen + len(runs)


def wrong_returns_the_run(runs):
    """Named `type`."""
    chosen = min(_sound(runs), key=lambda i: _entropy(runs[i]["target_probs"]).mean())
    return runs[chosen]


def wrong_empty_gives_zero(runs):
    """Named `empty`."""
    if not runs:
        return 0
    return min(_sound(runs), key=lambda i: _entropy(runs[i]["target_probs"]).mean())


def wrong_empty_is_an_index_error(runs):
    """Named `empty`."""
    if not runs:
        return runs[0]
    return min(_sound(runs), key=lambda i: _entropy(runs[i]["target_probs"]).mean())


def wrong_sorts_the_list(runs):
    """Named `inputs`."""
    if not runs:
        raise ValueError("There is no run to choose from.")
    runs.sort(key=lambda run: float(_entropy(run["target_probs"]).mean()))
    return _sound(runs)[0]


def wrong_draws_globally(runs):
    """Named `random state`."""
    return random.choice(_sound(runs))


def wrong_calls_the_library(runs):
    """Named `library`."""
    return _of_the_library(runs)


def right_lowest_entropy(runs):
    return min(_sound(runs), key=lambda i: _entropy(runs[i]["target_probs"]).mean())


def right_mean_confidence_numpy(runs):
    sound = _sound(runs)
    scores = [runs[i]["target_probs"].numpy().max(axis=1).mean() for i in sound]
    return np.array(sound)[int(np.argmax(scores))]


def right_mutual_information(runs):
    def information(i):
        p = runs[i]["target_probs"]
        return _entropy(p.mean(0)) - _entropy(p).mean()

    return torch.tensor(max(_sound(runs), key=information))


def right_agreement_with_the_majority(runs):
    sound = _sound(runs)
    votes = torch.stack([runs[i]["target_probs"] for i in sound]).mean(0).argmax(1)
    return max(sound, key=lambda i: int((runs[i]["target_probs"].argmax(1) == votes).sum()))


def right_class_confusion(runs):
    def confusion(i):
        p = runs[i]["target_probs"]
        table = p.T @ p
        table = table / table.sum(1, keepdim=True)
        return 1 - table.diag().mean()

    return min(_sound(runs), key=confusion)


def right_gini(runs):
    return max(_sound(runs), key=lambda i: runs[i]["target_probs"].square().sum(1).mean())


def right_stricter_about_the_source(runs):
    """At most 8 points below the best is allowed too."""
    sound = _sound(runs)
    best = max(runs[i]["source_val_accuracy"] for i in sound)
    close = [i for i in sound if runs[i]["source_val_accuracy"] >= best - 0.08]
    return min(close, key=lambda i: _entropy(runs[i]["target_probs"]).mean())
