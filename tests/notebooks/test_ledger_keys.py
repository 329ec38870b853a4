"""What a learner predicts is measured in the same module, and no other module overwrites it."""

import ast

import pytest

from course_lib.notebooks.build import modules
from tests.mini import ROOT

NOTEBOOKS = ROOT / "notebooks"


def keys(module, verb):
    """Every literal key that the module passes to ``ledger.<verb>``, in order."""
    tree = ast.parse((NOTEBOOKS / f"{module}.py").read_text(encoding="utf-8"))
    return [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == f"ledger.{verb}"
        and isinstance(node.args[0], ast.Constant)
    ]


@pytest.mark.parametrize("module", modules(NOTEBOOKS))
def test_every_prediction_is_measured_once(module):
    assert sorted(keys(module, "predict")) == sorted(keys(module, "measured"))


def test_no_two_predictions_share_a_key():
    every = [key for module in modules(NOTEBOOKS) for key in keys(module, "predict")]
    assert len(every) == len(set(every)) > 0
