"""The prediction ledger: what the learner expected before a run, beside what came out.

A prediction can be revised until its run has been measured. From then on it stays, also when
the notebook is run again: the ledger is worth something only if nobody corrects it afterwards.
"""

from datetime import datetime

from course_lib.evidence.notes import Table, load, number, save

_here: set[str] = set()  # what this Python process, one notebook, wrote about


def predict(key: str, value: float | None, unit: str) -> None:
    """Write down a prediction before the run.

    Parameters
    ----------
    key
        What is predicted, such as "one label per class, frozen".
    value
        A number; ``...`` or None as long as there is none, which changes nothing.
    unit
        The unit of value and measurement, such as "accuracy".

    Raises
    ------
    ValueError
        If the value is not a finite number.
    """
    if value is None or value is ...:
        print(f"No prediction yet for “{key}”: replace the ... by a number.")
        return
    value = number(value, "prediction")
    _here.add(key)
    entries = load("ledger")
    entry = entries.get(key, {})
    if "measured" in entry:
        if entry.get("predicted") != value:
            print(f"“{key}” has been measured already: the ledger stays as it was before the run.")
        return
    written = datetime.now().astimezone().isoformat(timespec="seconds")
    save("ledger", entries | {key: {"predicted": value, "unit": unit, "written": written}})


def measured(key: str, mean: float, low: float | None = None, high: float | None = None) -> None:
    """Write down what the run gave, with its 95 % interval where there is one.

    A run that is repeated replaces its own measurement, never the prediction.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    _here.add(key)
    result = {"measured": number(mean, "measurement")}
    if low is not None and high is not None:
        result |= {"low": number(low, "low end"), "high": number(high, "high end")}
    entries = load("ledger")
    kept = {k: v for k, v in entries.get(key, {}).items() if k in ("predicted", "unit", "written")}
    save("ledger", entries | {key: kept | result})


def rows(*, here: bool = False) -> Table:
    """Return the ledger, in the order of writing; None where there is no number yet.

    Each row has ``key``, ``unit``, ``predicted``, ``measured``, ``low`` and ``high``. With `here`
    only what this notebook has written since its kernel started.
    """
    columns = ("unit", "predicted", "measured", "low", "high")
    return Table(
        {"key": key} | {column: entry.get(column) for column in columns}
        for key, entry in load("ledger").items()
        if key in _here or not here
    )
