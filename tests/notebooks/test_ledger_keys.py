"""What a learner predicts is measured in the same module, and no other module overwrites it."""

import ast
import re

import pytest

from course_lib.notebooks.build import modules
from tests.mini import ROOT

NOTEBOOKS = ROOT / "notebooks"


def keys(module, verb):
    """The first argument of every ``ledger.<verb>`` of a module: "..." stands for what varies."""
    tree = ast.parse((NOTEBOOKS / f"{module}.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    given = [call.args[0] for call in calls if ast.unparse(call.func) == f"ledger.{verb}"]
    return [
        "".join(part.value if isinstance(part, ast.Constant) else "..."
                for part in (key.values if isinstance(key, ast.JoinedStr) else [key]))
        for key in given
    ]  # fmt: skip


@pytest.mark.parametrize("module", modules(NOTEBOOKS))
def test_every_prediction_is_measured(module):
    patterns = [re.escape(key).replace(r"\.\.\.", ".+") for key in keys(module, "measured")]
    predicted = keys(module, "predict")
    assert all(any(re.fullmatch(p, key) for p in patterns) for key in predicted)
    assert all(any(re.fullmatch(p, key) for key in predicted) for p in patterns)


def test_no_two_predictions_share_a_key():
    every = [key for module in modules(NOTEBOOKS) for key in keys(module, "predict")]
    assert len(every) == len(set(every)) > 0
