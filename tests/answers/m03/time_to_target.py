"""Answers to `time_to_target`."""

import bisect
import itertools
import math
import sys

import numpy as np
import torch

from course_lib.evidence.speed import time_to_target as _of_the_library


def wrong_last_row_above(history, target):
    """Named `last`."""
    step = math.inf
    for row in history:
        if row["val_accuracy"] >= target:
            step = row["step"]
    return step


def wrong_last_upward_crossing(history, target):
    """Named `last`."""
    step, before = math.inf, -1
    for row in history:
        if row["val_accuracy"] >= target and not before >= target:
            step = row["step"]
        before = row["val_accuracy"]
    return step


def wrong_from_where_it_stays(history, target):
    """Named `last`."""
    step = math.inf
    for row in reversed(history):
        if row["val_accuracy"] < target:
            break
        if row["val_accuracy"] >= target:
            step = row["step"]
    return step


def wrong_train_accuracy(history, target):
    """Named `train`."""
    return next((row["step"] for row in history if row["train_accuracy"] >= target), math.inf)


def wrong_more_than_the_target(history, target):
    """Named `strict`."""
    return next((row["step"] for row in history if row["val_accuracy"] > target), math.inf)


def wrong_rounded_accuracies(history, target):
    """Named `rounded`."""
    for row in history:
        if round(row["val_accuracy"], 2) >= round(target, 2):
            return row["step"]
    return math.inf


def wrong_a_point_below_is_near_enough(history, target):
    """Named `rounded`."""
    hits = [row["step"] for row in history if row["val_accuracy"] >= target - 0.01]
    return min(hits, default=math.inf)


def wrong_not_below(history, target):
    """Named `nan`."""
    return next((row["step"] for row in history if not row["val_accuracy"] < target), math.inf)


def wrong_zero_is_false(history, target):
    """Named `zero`."""
    return next((r["step"] for r in history if r["val_accuracy"] >= target), None) or math.inf


def wrong_skips_step_zero(history, target):
    """Named `zero`."""
    for row in history:
        if row["step"] and row["val_accuracy"] >= target:
            return row["step"]
    return math.inf


def wrong_position_of_the_row(history, target):
    """Named `index`."""
    return next((i for i, row in enumerate(history) if row["val_accuracy"] >= target), math.inf)


def wrong_number_of_rows(history, target):
    """Named `index`."""
    for i, row in enumerate(history, start=1):
        if row["val_accuracy"] >= target:
            return i
    return math.inf


def wrong_step_of_the_best(history, target):
    """Named `best`."""
    measured = [row for row in history if not math.isnan(row["val_accuracy"])]
    return max(measured, key=lambda row: row["val_accuracy"])["step"]


def wrong_returns_the_accuracy(history, target):
    """Named `accuracy`."""
    return next((r["val_accuracy"] for r in history if r["val_accuracy"] >= target), math.inf)


def wrong_nearest_to_the_target(history, target):
    """Named `closest`."""
    measured = [row for row in history if not math.isnan(row["val_accuracy"])]
    return min(measured, key=lambda row: abs(row["val_accuracy"] - target))["step"]


def wrong_nothing_when_never(history, target):
    """Named `never`."""
    for row in history:
        if row["val_accuracy"] >= target:
            return row["step"]


def wrong_last_step_when_never(history, target):
    """Named `never`."""
    last = history[-1]["step"] if history else math.inf
    return next((row["step"] for row in history if row["val_accuracy"] >= target), last)


def wrong_minus_one_when_never(history, target):
    """Named `never`."""
    return next((row["step"] for row in history if row["val_accuracy"] >= target), -1)


def wrong_raises_when_never(history, target):
    """Named `never`."""
    return min(row["step"] for row in history if row["val_accuracy"] >= target)


def wrong_first_row_when_never(history, target):
    """Named `never`."""
    reached = np.array([row["val_accuracy"] for row in history]) >= target
    return history[int(np.argmax(reached))]["step"]


def wrong_trips_over_an_empty_history(history, target):
    """Named `empty`."""
    best = max(row["val_accuracy"] for row in history)
    if best < target:
        return math.inf
    return next((row["step"] for row in history if row["val_accuracy"] >= target), math.inf)


def wrong_interpolates(history, target):
    """Named `value`."""
    before = None
    for row in history:
        value = row["val_accuracy"]
        if value >= target:
            if before is None:
                return row["step"]
            share = (target - before["val_accuracy"]) / (value - before["val_accuracy"])
            return before["step"] + share * (row["step"] - before["step"])
        if not math.isnan(value):
            before = row
    return math.inf


def wrong_bisects_a_curve_that_wobbles(history, target):
    """Named `value`."""
    place = bisect.bisect_left([row["val_accuracy"] for row in history], target)
    return history[place]["step"] if place < len(history) else math.inf


def wrong_stops_at_the_first_nan(history, target):
    """Named `value`."""
    for row in history:
        if math.isnan(row["val_accuracy"]):
            return math.inf
        if row["val_accuracy"] >= target:
            return row["step"]
    return math.inf


def wrong_whole_row(history, target):
    """Named `type`."""
    return next((row for row in history if row["val_accuracy"] >= target), math.inf)


def wrong_misspelt_key(history, target):
    """Named `raised`."""
    return next((row["step"] for row in history if row["val_acc"] >= target), math.inf)


def wrong_drops_rows_from_the_history(history, target):
    """Named `inputs`."""
    while history:
        row = history.pop(0)
        if row["val_accuracy"] >= target:
            return row["step"]
    return math.inf


def wrong_digs_out_the_library(history, target):
    """Named `library`."""
    return sys.modules["course_lib.evidence.speed"].time_to_target(history, target)


def wrong_library_under_another_name(history, target):
    """Named `library`."""
    return _of_the_library(history, target)


def right_loop(history, target):
    for row in history:
        if row["val_accuracy"] >= target:
            return row["step"]
    return math.inf


def right_min_over_a_generator(history, target):
    hits = (row["step"] for row in history if row["val_accuracy"] >= target)
    return min(hits, default=float("inf"))


def right_next_with_a_default(history, target):
    return next((row["step"] for row in history if row["val_accuracy"] >= target), np.inf)


def right_numpy_mask(history, target):
    steps = np.array([row["step"] for row in history], dtype=float)
    reached = np.array([row["val_accuracy"] for row in history]) >= target
    return np.append(steps[reached.astype(bool)], np.inf).min()


def right_torch_tensor(history, target):
    steps = [row["step"] for row in history if row["val_accuracy"] >= target]
    return torch.tensor([*steps, math.inf]).min()


def right_itertools(history, target):
    later = itertools.dropwhile(lambda row: not row["val_accuracy"] >= target, history)
    first = next(later, None)
    return math.inf if first is None else first["step"]


def right_sorted_backwards(history, target):
    step = float("inf")
    for row in reversed(history):
        step = row["step"] if row["val_accuracy"] >= target else step
    return step
