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


def settings() -> dict:
    """Return what was chosen beforehand, for whoever repeats a measurement with another seed.

    ``strengths`` of the probes by representation, ``learning_rate`` and ``scratch_steps`` from
    scratch, and ``chosen_on``: the data they were chosen on, in words.
    """
    return json.loads(SHIPPED.read_text(encoding="utf-8"))["settings"]
