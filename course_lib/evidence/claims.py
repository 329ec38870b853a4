"""The claims of an introductory article on transfer learning, in our words, to be checked.

Four techniques and four impacts. Modules 00 to 05 let the learner put a number, an interval and a
verdict of their own beside them.
"""

from typing import NamedTuple

from course_lib.evidence.notes import Table, load, number, save


class Claim(NamedTuple):
    """What the article says, and the module that tests it."""

    text: str
    module: str


CLAIMS = {
    # Techniques
    "feature_extraction": Claim(
        "Features learned on a large source task are good enough to keep: freeze the backbone, "
        "train only a new head, and the target task is solved.",
        "01",
    ),
    "fine_tuning": Claim(
        "Training the pretrained weights a little further on the target task beats freezing them.",
        "02",
    ),
    "domain_adaptation": Claim(
        "Where source and target look different, aligning the two repairs the accuracy, "
        "without a single target label.",
        "04",
    ),
    "one_shot": Claim(
        "With pretrained features one labelled example per class is enough to recognise it.",
        "05",
    ),
    # Impacts
    "less_data": Claim(
        "Transfer needs far fewer labelled examples for the same accuracy than a start from "
        "scratch.",
        "03",
    ),
    "better_performance": Claim(
        "With the same examples, transfer ends at a higher accuracy than a start from scratch.",
        "03",
    ),
    "faster_training": Claim(
        "Transfer reaches a given accuracy in far less training time than a start from scratch.",
        "03",
    ),
    "new_domains": Claim(
        "What was learned in one field carries over to another, where examples are rare.",
        "03",
    ),
}


def record(
    claim_id: str,
    mean: float,
    low: float,
    high: float,
    note: str = "",
    unit: str = "accuracy",
) -> str:
    """Put the learner's own measurement beside a claim; a later one replaces it.

    Parameters
    ----------
    claim_id
        A key of `CLAIMS`.
    mean, low, high
        An effect and its 95 % interval, such as `paired_effect` returns; above 0 speaks for the
        claim.
    note
        What was measured: methods, data, number of seeds.
    unit
        Of the effect; a difference in "accuracy" is shown in points.

    Returns
    -------
    str
        The verdict: "supported" if the interval lies above 0, "contradicted" if below, else
        "undecided".

    Raises
    ------
    ValueError
        If there is no such claim, a number is not finite, or not low <= mean <= high.
    """
    if claim_id not in CLAIMS:
        raise ValueError(f"There is no claim {claim_id!r}; the claims are {', '.join(CLAIMS)}.")
    mean, low, high = number(mean, "mean"), number(low, "low end"), number(high, "high end")
    if not low <= mean <= high:
        raise ValueError(
            f"The mean lies in its interval, but {mean:g} is not in [{low:g}, {high:g}]."
        )
    verdict = "supported" if low > 0 else "contradicted" if high < 0 else "undecided"
    entry = {"mean": mean, "low": low, "high": high, "unit": unit, "verdict": verdict, "note": note}
    save("claims", load("claims") | {claim_id: entry})
    return verdict


def rows() -> list[dict]:
    """Return every claim with the learner's measurement, in the order of `CLAIMS`.

    Each has ``id``, ``module``, ``claim``, ``verdict`` ("not tested yet" where there is none),
    ``note``, ``unit``, ``mean``, ``low`` and ``high`` (or None), and ``effect``: them as a text.
    """
    untested = {"verdict": "not tested yet", "note": "", "unit": "accuracy"}
    untested |= dict.fromkeys(("mean", "low", "high"))
    measured = load("claims")
    found = [
        {"id": claim_id, "module": claim.module, "claim": claim.text}
        | untested
        | measured.get(claim_id, {})
        for claim_id, claim in CLAIMS.items()
    ]
    return [row | {"effect": _effect(row)} for row in found]


def board() -> Table:
    """Return all claims with the learner's numbers, or "not tested yet": one row each.

    Shown as the last line of a cell it is a table.
    """
    return Table(
        {
            "module": row["module"],
            "claim": row["claim"],
            "effect [95 % interval]": row["effect"],
            "verdict": row["verdict"],
            "measured": row["note"],
        }
        for row in rows()
    )


def _effect(row: dict) -> str:
    if row["mean"] is None:
        return ""
    numbers = [row[name] for name in ("mean", "low", "high")]
    if row["unit"] == "accuracy":
        return "{:+.1f} points [{:+.1f}, {:+.1f}]".format(*(100 * n for n in numbers))
    return "{:+.3g} {unit} [{:+.3g}, {:+.3g}]".format(*numbers, unit=row["unit"])
