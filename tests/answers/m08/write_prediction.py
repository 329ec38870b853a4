"""Answers to `write_prediction`."""

import datetime as dt
import math
import time
from types import SimpleNamespace

import numpy as np
import torch

from course_lib.evidence.study import write_prediction as _of_the_library

KEYS = ("situation", "method", "gain", "low", "high")


def _require(gain, low, high):
    if not all(math.isfinite(x) for x in (gain, low, high)):
        raise ValueError("All three numbers must be finite.")
    if not low <= gain <= high:
        raise ValueError("The gain must lie in its range.")


def _now():
    return dt.datetime.now().isoformat()


def wrong_calls_the_library(situation, method, gain, low, high):
    """Named `library`."""
    return _of_the_library(situation, method, gain, low, high)


def wrong_returns_a_tuple(situation, method, gain, low, high):
    """Named `type`."""
    _require(gain, low, high)
    return situation, method, gain, low, high, _now()


def wrong_returns_nothing(situation, method, gain, low, high):
    """Named `type`."""
    _require(gain, low, high)
    _ = {"situation": situation, "method": method, "gain": gain}


def wrong_returns_an_object(situation, method, gain, low, high):
    """Named `type`."""
    _require(gain, low, high)
    return SimpleNamespace(gain=gain, low=low, high=high)


def wrong_range_in_one_key(situation, method, gain, low, high):
    """Named `keys`."""
    _require(gain, low, high)
    return {"situation": situation, "method": method, "gain": gain, "range": (low, high),
            "time": _now()}  # fmt: skip


def wrong_no_time(situation, method, gain, low, high):
    """Named `no_time`."""
    _require(gain, low, high)
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True))


def wrong_time_is_none(situation, method, gain, low, high):
    """Named `no_time`."""
    _require(gain, low, high)
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": None}


def wrong_time_is_a_function(situation, method, gain, low, high):
    """Named `no_time`."""
    _require(gain, low, high)
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": "now"}


_AT_DEFINITION = dt.datetime.now()


def wrong_time_of_the_definition(situation, method, gain, low, high, time=_AT_DEFINITION):
    """Named `stands_still`."""
    _require(gain, low, high)
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": time}


_started = time.time()


def wrong_time_from_outside(situation, method, gain, low, high):
    """Named `stands_still`."""
    _require(gain, low, high)
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": _started}


def wrong_situation_and_method_exchanged(situation, method, gain, low, high):
    """Named `texts`."""
    _require(gain, low, high)
    values = (method, situation, gain, low, high)
    return dict(zip(KEYS, values, strict=True)) | {"time": _now()}


def wrong_low_and_gain_exchanged(situation, method, gain, low, high):
    """Named `mixed_up`."""
    _require(gain, low, high)
    values = (situation, method, low, gain, high)
    return dict(zip(KEYS, values, strict=True)) | {"time": _now()}


def wrong_rounded(situation, method, gain, low, high):
    """Named `changed`."""
    _require(gain, low, high)
    values = (situation, method, round(gain, 2), round(low, 2), round(high, 2))
    return dict(zip(KEYS, values, strict=True)) | {"time": _now()}


def wrong_middle_of_the_range(situation, method, gain, low, high):
    """Named `changed`."""
    _require(gain, low, high)
    values = (situation, method, (low + high) / 2, low, high)
    return dict(zip(KEYS, values, strict=True)) | {"time": _now()}


def wrong_numbers_as_text(situation, method, gain, low, high):
    """Named `type`."""
    _require(gain, low, high)
    values = (situation, method, f"{gain:+.2f}", f"{low:+.2f}", f"{high:+.2f}")
    return dict(zip(KEYS, values, strict=True)) | {"time": _now()}


def wrong_gains_are_positive(situation, method, gain, low, high):
    """Named `negative`."""
    _require(gain, low, high)
    if gain < 0:
        raise ValueError("Transfer cannot hurt, so a gain is positive.")
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": _now()}


def wrong_strict_ends(situation, method, gain, low, high):
    """Named `equal_ends`."""
    if not (low < gain < high and math.isfinite(low) and math.isfinite(high)):
        raise ValueError("The gain must lie inside its range.")
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": _now()}


def wrong_point_predictions_refused(situation, method, gain, low, high):
    """Named `equal_ends`."""
    _require(gain, low, high)
    if low == high:
        raise ValueError("A range needs a width above zero.")
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": _now()}


def wrong_zero_is_missing(situation, method, gain, low, high):
    """Named `zero`."""
    _require(gain, low, high)
    if not gain:
        raise ValueError("A prediction needs a gain.")
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": _now()}


def wrong_range_on_one_side_of_zero(situation, method, gain, low, high):
    """Named `zero`."""
    _require(gain, low, high)
    if low * high < 0:
        raise ValueError("The range must say whether transfer helps or hurts.")
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": _now()}


def wrong_only_low_and_high_compared(situation, method, gain, low, high):
    """Named `outside`."""
    _require(low, low, high)
    if not math.isfinite(gain):
        raise ValueError("The gain must be a finite number.")
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": _now()}


def wrong_assertion(situation, method, gain, low, high):
    """Named `outside`."""
    assert low <= gain <= high, "The gain must lie in its range."
    _require(gain, low, high)
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": _now()}


def wrong_refused_without_a_sentence(situation, method, gain, low, high):
    """Named `outside`."""
    if not low <= gain <= high:
        raise ValueError
    _require(gain, low, high)
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": _now()}


def wrong_ends_are_sorted(situation, method, gain, low, high):
    """Named `ends_swapped`."""
    low, high = sorted((low, high))
    _require(gain, low, high)
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": _now()}


def wrong_nan_passes_comparisons(situation, method, gain, low, high):
    """Named `not_finite`."""
    if gain < low or gain > high:
        raise ValueError("The gain must lie in its range.")
    if low > high:
        raise ValueError("The ends of the range are swapped.")
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": _now()}


def wrong_infinite_range(situation, method, gain, low, high):
    """Named `not_finite`."""
    if not low <= gain <= high:
        raise ValueError("The gain must lie in its range.")
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": _now()}


def right_plain(situation, method, gain, low, high):
    _require(gain, low, high)
    return dict(zip(KEYS, (situation, method, gain, low, high), strict=True)) | {"time": _now()}


def right_seconds_since_1970(situation, method, gain, low, high):
    _require(gain, low, high)
    return {"time": time.time(), "high": high, "low": low, "gain": gain, "method": method,
            "situation": situation}  # fmt: skip


def right_whole_seconds(situation, method, gain, low, high):
    _require(gain, low, high)
    return dict(situation=situation, method=method, gain=gain, low=low, high=high,
                time=time.ctime())  # fmt: skip


def right_a_datetime_object(situation, method, gain, low, high):
    _require(gain, low, high)
    now = dt.datetime.now(dt.UTC)
    return dict(situation=situation, method=method, gain=gain, low=low, high=high, time=now)


def right_minutes_only(situation, method, gain, low, high):
    _require(gain, low, high)
    now = time.strftime("%Y-%m-%d %H:%M")
    return dict(situation=situation, method=method, gain=gain, low=low, high=high, time=now)


def right_struct_time(situation, method, gain, low, high):
    _require(gain, low, high)
    now = time.localtime()
    return dict(situation=situation, method=method, gain=gain, low=low, high=high, time=now)


def right_with_numpy(situation, method, gain, low, high):
    numbers = np.array([low, gain, high])
    if not np.isfinite(numbers).all() or (np.diff(numbers) < 0).any():
        raise ValueError(f"Expected finite low <= gain <= high, not {numbers}.")
    values = (situation, method, *numbers[[1, 0, 2]])
    return dict(zip(KEYS, values, strict=True)) | {"time": np.datetime64("now", "us")}


def right_tensors_and_more_keys(situation, method, gain, low, high):
    numbers = torch.tensor([low, gain, high], dtype=torch.float64)
    if not (numbers.isfinite().all() and numbers.equal(numbers.sort().values)):
        raise ValueError("Expected finite numbers with low <= gain <= high.")
    low, gain, high = numbers
    return {"situation": situation, "method": method, "gain": gain, "low": low, "high": high,
            "time": time.time_ns(), "unit": "accuracy"}  # fmt: skip
