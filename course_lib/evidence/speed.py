"""How fast is "faster"? Time is only defined together with what must be reached."""

import math
from collections.abc import Mapping, Sequence


def time_to_target(history: Sequence[Mapping[str, float]], target: float) -> float:
    """Return the step at which the validation accuracy first reaches a target.

    The *first* time, not the last: a curve that dips below the target later was there before.
    And the validation accuracy, since any training set can be learned by heart. (The first of
    many noisy measurements is a little early for every method; so compare methods that were
    measured equally often.)

    Parameters
    ----------
    history
        Rows such as `course_lib.transfer.train.fit` returns, ascending in ``step``.
    target
        An accuracy in [0, 1].

    Returns
    -------
    float
        The ``step`` of the first row whose ``val_accuracy`` is at least the target; infinity if
        there is none. NaN (not measured) reaches nothing.
    """
    return float(next((row["step"] for row in history if row["val_accuracy"] >= target), math.inf))
