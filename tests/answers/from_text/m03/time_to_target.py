import bisect
import math

import numpy as np


def wrong_strictly_above(history, target):
    """Thinks that a target is reached when it is exceeded; contradicts "at least the target".

    Named `strict`.
    """
    for row in history:
        if row["val_accuracy"] > target:
            return row["step"]
    return math.inf


def wrong_reached_for_good(history, target):
    """Thinks that a crossing counts only if the curve stays above; contradicts "the first row
    whose val_accuracy is at least the target".

    Named `last`.
    """
    step = math.inf
    for row in history:
        if math.isnan(row["val_accuracy"]):
            continue
        step = min(step, row["step"]) if row["val_accuracy"] >= target else math.inf
    return step


def wrong_nan_passes(history, target):
    """Thinks that "not below" is the same as "at least", so that a row without a measurement is an
    arrival; contradicts "NaN is to be ignored".

    Named `nan`.
    """
    for row in history:
        if not row["val_accuracy"] < target:
            return row["step"]
    return math.inf


def wrong_last_step_if_never(history, target):
    """Thinks that a run which does not arrive counts with its last step (as in the race's table);
    contradicts "If no row reaches the target ... the answer is math.inf".

    Named `never`.
    """
    for row in history:
        if row["val_accuracy"] >= target:
            return row["step"]
    return history[-1]["step"] if history else math.inf


def wrong_bisects(history, target):
    """Thinks that accuracies ascend as steps do, and searches by bisection; contradicts "Curves
    wobble" and "the first row whose val_accuracy is at least the target".

    Named `value`.
    """
    rows = [row for row in history if not math.isnan(row["val_accuracy"])]
    at = bisect.bisect_left([row["val_accuracy"] for row in rows], target)
    return rows[at]["step"] if at < len(rows) else math.inf


def wrong_throws_nan_rows_away(history, target):
    """Thinks that "to be ignored" means to take the rows out of the list that came in; contradicts
    "what comes in is not changed, unless the exercise says so".

    Named `inputs`.
    """
    for row in list(history):
        if math.isnan(row["val_accuracy"]):
            history.remove(row)
    return next((row["step"] for row in history if row["val_accuracy"] >= target), math.inf)


def right_halves(history, target, *, start=0, stop=None):
    """Divide and conquer: the answer of the left half, else that of the right half."""
    stop = len(history) if stop is None else stop
    if stop - start <= 0:
        return math.inf
    if stop - start == 1:
        row = history[start]
        return row["step"] if row["val_accuracy"] >= target else math.inf
    middle = (start + stop) // 2
    left = right_halves(history, target, start=start, stop=middle)
    return left if left != math.inf else right_halves(history, target, start=middle, stop=stop)


def right_smallest_of_all(history, target):
    """NumPy: inf in every row that is not there yet, and the smallest of what is left."""
    there = np.array([bool(row["val_accuracy"] >= target) for row in history], dtype=bool)
    steps = np.array([float(row["step"]) for row in history] + [math.inf])
    first = np.where(np.append(there, True), steps, math.inf).min()
    return math.inf if math.isinf(first) else int(first)
