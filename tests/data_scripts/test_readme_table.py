"""The README's table of claims says what was measured."""

import sys
from importlib import import_module

from tests.mini import ROOT


def test_the_readme_has_the_table_that_the_results_give():
    sys.path.insert(0, str(ROOT / "data_scripts"))
    try:
        table = import_module("readme_table")
    finally:
        sys.path.pop(0)
    text = table.README.read_text(encoding="utf-8")
    assert table.BEGIN + table.filled() + table.END in text, (
        "run: python data_scripts/readme_table.py"
    )
