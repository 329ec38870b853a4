import copy
import io
import math

import torch


def wrong_parameters_are_the_state(model, train_one_epoch, val_score, epochs):
    """Thinks that the state of a model is its parameters; contradicts "the state has the buffers".

    Named `buffers`.
    """
    best = None
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = val_score(model)
        if not math.isnan(score) and (best is None or score > best[1]):
            state = {name: p.detach().clone() for name, p in model.named_parameters()}
            best = epoch, score, state
    if best is None:
        raise ValueError("No epoch has a score that is a number.")
    return best


def wrong_latest_of_equals_too(model, train_one_epoch, val_score, epochs):
    """Thinks that of equal scores the longer training is the better; contradicts "of equals the
    earliest".

    Named `latest`.
    """
    best = None
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = val_score(model)
        if not math.isnan(score) and (best is None or score >= best[1]):
            best = epoch, score, copy.deepcopy(model.state_dict())
    if best is None:
        raise ValueError("No epoch has a score that is a number.")
    return best


def wrong_scores_are_positive(model, train_one_epoch, val_score, epochs):
    """Starts from a best score of 0 as if each score were an accuracy above it; contradicts
    "higher is better" for zero and for negative scores, and "all NaN is a ValueError", nothing
    else.

    Named `raised`.
    """
    best_epoch, best_score, best_state = None, 0.0, None
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = val_score(model)
        if score > best_score:
            best_epoch, best_score = epoch, score
            best_state = copy.deepcopy(model.state_dict())
    if best_epoch is None:
        raise ValueError("No epoch has a score.")
    return best_epoch, best_score, best_state


def wrong_first_is_the_mark(model, train_one_epoch, val_score, epochs):
    """Takes the first epoch as the mark to beat, though nothing beats NaN; contradicts "NaN is
    never best, all NaN is a ValueError".

    Named `nan`.
    """
    best, seen = None, []
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = val_score(model)
        seen.append(score)
        if epoch == 1 or score > best[1]:
            best = epoch, score, copy.deepcopy(model.state_dict())
    if all(math.isnan(score) for score in seen):
        raise ValueError("No epoch has a score that is a number.")
    return best


def wrong_asks_again(model, train_one_epoch, val_score, epochs):
    """Asks for the score once to compare it and once more to keep it; contradicts
    "train_one_epoch(model) and val_score(model), in turn, once per epoch".

    Named `calls`.
    """
    best_epoch, best_score, best_state = None, None, None
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = val_score(model)
        if not math.isnan(score) and (best_score is None or score > best_score):
            best_epoch, best_score = epoch, val_score(model)
            best_state = copy.deepcopy(model.state_dict())
    if best_epoch is None:
        raise ValueError("No epoch has a score that is a number.")
    return best_epoch, best_score, best_state


def wrong_brings_the_best_back(model, train_one_epoch, val_score, epochs):
    """Loads the best state into the model at the end, as trainers often do; contradicts "the model
    stays at its last epoch".

    Named `rewound`.
    """
    best = None
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = val_score(model)
        if not math.isnan(score) and (best is None or score > best[1]):
            best = epoch, score, copy.deepcopy(model.state_dict())
    if best is None:
        raise ValueError("No epoch has a score that is a number.")
    model.load_state_dict(best[2])
    return best


def right_as_a_file(model, train_one_epoch, val_score, epochs):
    """Save the state as bytes, as to a file, and read the winner back at the end."""
    winner, number, file = None, 0, None
    while number < epochs:
        number += 1
        train_one_epoch(model)
        score = val_score(model)
        if score != score:
            continue
        if winner is None or winner[1] < score:
            winner, file = (number, score), io.BytesIO()
            torch.save(model.state_dict(), file)
    if winner is None:
        raise ValueError("Every score is NaN, so no epoch can be called the best.")
    file.seek(0)
    return (*winner, torch.load(file, weights_only=False))


def right_keeps_them_all(model, train_one_epoch, val_score, epochs):
    """Copy the state in every epoch, choose afterwards with one max."""
    rows = []
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = float(val_score(model))
        rows.append((score, -epoch, {k: v.detach().clone() for k, v in model.state_dict().items()}))
    rows = [row for row in rows if not math.isnan(row[0])]
    if not rows:
        raise ValueError("Every score is NaN, so no epoch can be called the best.")
    score, minus_epoch, state = max(rows, key=lambda row: row[:2])
    return -minus_epoch, score, state
