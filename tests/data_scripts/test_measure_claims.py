"""The numbers in the prose come from runs that anybody can repeat, seed by seed."""

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest

from course_lib.evidence import results
from tests.mini import ROOT

SCRIPT = ROOT / "data_scripts" / "measure_claims.py"


@pytest.fixture(scope="module")
def script():
    spec = spec_from_file_location("measure_claims", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == pytest.approx(b, abs=1e-9) if isinstance(a, float) else a == b


def test_the_shipped_numbers_are_what_the_shipped_runs_give(script):
    record = json.loads(results.SHIPPED.read_text("utf-8"))
    assert same(script.numbers(record["runs"]), record["numbers"])
    assert {claim: len(seeds) for claim, seeds in record["runs"].items()} == dict.fromkeys(
        script.CLAIMS, 10
    )


def test_settings_were_not_chosen_on_the_digits_that_are_reported(script):
    chosen = results.settings()
    assert "not on digits" in chosen["chosen_on"]
    assert chosen["learning_rate"] in script.RATES
    assert set(chosen["strengths"]) == set(script.METHODS[:3])
    for strength in chosen["strengths"].values():
        assert min(script.STRENGTHS) < strength < max(script.STRENGTHS), "the grid is wide enough"


@pytest.mark.slow
def test_an_interrupted_run_goes_on_with_the_seeds_that_are_missing(tmp_path):
    out = tmp_path / "results.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    whole = json.loads(out.read_text("utf-8"))
    assert set(whole["numbers"]) == set(results.numbers())

    cut = json.loads(out.read_text("utf-8"))
    del cut["numbers"], cut["runs"]["less_data"]["1"], cut["runs"]["five_seeds"]
    cut["runs"]["one_shot_digits"]["0"]["one_shot.digits.pixels"] = 0.123  # must not be redone
    out.write_text(json.dumps(cut), encoding="utf-8")
    subprocess.run(command, check=True, capture_output=True)
    again = json.loads(out.read_text("utf-8"))
    assert again["runs"]["one_shot_digits"]["0"]["one_shot.digits.pixels"] == 0.123
    assert same(again["runs"]["less_data"], whole["runs"]["less_data"])
    assert same(again["runs"]["five_seeds"], whole["runs"]["five_seeds"])


def test_a_quick_run_does_not_replace_the_shipped_file():
    result = subprocess.run(
        [sys.executable, str(SCRIPT), "--quick"], capture_output=True, text=True
    )
    assert result.returncode != 0
    assert "--out" in result.stderr
