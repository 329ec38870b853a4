"""What was measured for this course: written by ``data_scripts/measure_claims.py``, read here."""

import json
from pathlib import Path

SHIPPED = Path(__file__).with_name("results.json")


def numbers() -> dict[str, dict]:
    """Return every measured number by name.

    Each has ``text`` (as the prose has it) and, unless it is only a short form, ``mean``, ``low``
    and ``high`` (95 % interval), ``unit``, ``n`` and ``values`` (one per seed; shares in [0, 1]).
    """
    return json.loads(SHIPPED.read_text(encoding="utf-8"))["numbers"]


def settings(name: str) -> dict:
    """Return what was chosen beforehand, for whoever repeats a measurement with another seed.

    Parameters
    ----------
    name
        A file of ``data_scripts/claims``, such as ``"feature_extraction"``. Its settings (rates,
        strengths, steps) were chosen on other data; ``chosen_on`` says which, in words.
    """
    return json.loads(SHIPPED.read_text(encoding="utf-8"))["settings"][name]
