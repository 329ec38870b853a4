import math
import time
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np

_NOW = datetime.now()


def wrong_time_of_the_cell(situation, method, gain, low, high):
    """Notes the time once, when the cell is run, against "time is the moment of the call".

    Named `stands_still`.
    """
    if not all(map(math.isfinite, (gain, low, high))) or not low <= gain <= high:
        raise ValueError("A prediction is a finite number inside its own finite range.")
    return {
        "situation": situation,
        "method": method,
        "gain": gain,
        "low": low,
        "high": high,
        "time": _NOW.isoformat(),
    }


def wrong_ends_do_not_belong(situation, method, gain, low, high):
    """Takes a range for its inside, against "Gains ... may lie at an end of the range" and "low <=
    gain <= high".

    Named `equal_ends`.
    """
    if not all(map(math.isfinite, (gain, low, high))):
        raise ValueError("All three numbers must be finite.")
    if not low < gain < high:
        raise ValueError("The gain must lie between low and high.")
    return {
        "situation": situation,
        "method": method,
        "gain": gain,
        "low": low,
        "high": high,
        "time": datetime.now().isoformat(),
    }


def wrong_open_ended_range(situation, method, gain, low, high):
    """Allows a range without an end ("at least 0.1"), against "Unless all three numbers are
    finite".

    Named `not_finite`.
    """
    if not math.isfinite(gain):
        raise ValueError("The gain must be a finite number.")
    if not low <= gain <= high:
        raise ValueError(f"The gain {gain} is outside its own range, {low} to {high}.")
    return {
        "situation": situation,
        "method": method,
        "gain": gain,
        "low": low,
        "high": high,
        "time": datetime.now().isoformat(),
    }


def wrong_nan_slips_through(situation, method, gain, low, high):
    """Forgets that nan is no finite number and that each comparison with it is false, against
    "Unless all three numbers are finite and low <= gain <= high, raise a ValueError".

    Named `not_finite`.
    """
    if any(math.isinf(number) for number in (gain, low, high)):
        raise ValueError("An infinite number is no prediction.")
    if gain < low or gain > high:
        raise ValueError("The gain lies outside its own range.")
    return {
        "situation": situation,
        "method": method,
        "gain": gain,
        "low": low,
        "high": high,
        "time": datetime.now(),
    }


def wrong_zero_is_no_number(situation, method, gain, low, high):
    """Takes 0 for a number that was left out, against the text's only two conditions, "all three
    numbers are finite and low <= gain <= high" (a gain of 0 is a prediction).

    Named `zero`.
    """
    if not (gain and low and high):
        raise ValueError("A prediction needs a gain, a lower end and an upper end.")
    if not all(map(math.isfinite, (gain, low, high))) or not low <= gain <= high:
        raise ValueError("A prediction is a finite number inside its own finite range.")
    return {
        "situation": situation,
        "method": method,
        "gain": gain,
        "low": low,
        "high": high,
        "time": datetime.now().isoformat(),
    }


def wrong_ends_put_in_order(situation, method, gain, low, high):
    """Repairs ends that were given the wrong way round, against "Unless ... low <= gain <= high,
    raise a ValueError".

    Named `ends_swapped`.
    """
    if not all(map(math.isfinite, (gain, low, high))):
        raise ValueError("All three numbers must be finite.")
    low, high = min(low, high), max(low, high)
    if not low <= gain <= high:
        raise ValueError(f"The gain {gain} is outside its own range, {low} to {high}.")
    return {
        "situation": situation,
        "method": method,
        "gain": gain,
        "low": low,
        "high": high,
        "time": time.time(),
    }


def right_already_sorted(situation, method, gain, low, high):
    """In order is what sorting leaves as it is; the time in seconds since 1970."""
    numbers = [float(low), float(gain), float(high)]
    if not np.isfinite(np.array(numbers)).all() or sorted(numbers) != numbers:
        raise ValueError(
            f"No prediction: {low}, {gain}, {high} are not three finite numbers in order."
        )
    keys = ["situation", "method", "gain", "low", "high", "time"]
    return dict(zip(keys, (situation, method, gain, low, high, time.time()), strict=False))


def right_fractions(situation, method, gain, low, high, *, clock=datetime.now):
    """Exact fractions, which exist for finite numbers only; the time as text, in UTC."""
    try:
        exact = {
            name: Fraction(float(v)) for name, v in (("gain", gain), ("low", low), ("high", high))
        }
    except (OverflowError, ValueError):
        raise ValueError("Each of gain, low and high must be a finite number.") from None
    if max(exact["gain"], exact["low"]) != exact["gain"] or exact["gain"] - exact["high"] > 0:
        raise ValueError("The gain is outside the range that is to hold it.")
    prediction = {"time": clock(UTC).strftime("%Y-%m-%d %H:%M:%S.%f %Z")}
    prediction.update(situation=situation, method=method, gain=gain, low=low, high=high)
    return prediction
