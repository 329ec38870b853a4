"""The numbers in the prose come from runs that anybody can repeat, seed by seed."""

import json
import re
import subprocess
import sys
from importlib import import_module

import pytest

from course_lib.evidence import results
from tests.mini import ROOT

SCRIPT = ROOT / "data_scripts" / "measure_claims.py"


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(SCRIPT.parent))
    yield import_module("measure_claims")
    sys.path.remove(str(SCRIPT.parent))


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == pytest.approx(b, abs=1e-9) if isinstance(a, float) else a == b


def test_the_shipped_numbers_are_what_the_shipped_runs_give(script):
    record = json.loads(results.SHIPPED.read_text("utf-8"))
    assert same(script.numbers(record["runs"]), record["numbers"])


def test_every_claim_was_measured_with_all_its_seeds(script):
    record = json.loads(results.SHIPPED.read_text("utf-8"))
    assert record["runs"].keys() == script.FILE_OF.keys()
    for claim, name in script.FILE_OF.items():
        n_seeds = getattr(script.FILES[name], "SEEDS", {}).get(claim, 10)
        assert n_seeds >= 5
        assert sorted(map(int, record["runs"][claim])) == list(range(n_seeds)), claim
    assert not any(chosen.get("quick") for chosen in record["settings"].values())


def test_every_setting_says_what_it_was_chosen_on(script):
    for name in script.FILES:
        assert len(results.settings(name)["chosen_on"]) > 10, name


def test_settings_were_not_chosen_on_the_digits_that_are_reported(script):
    chosen, file = results.settings("feature_extraction"), script.FILES["feature_extraction"]
    assert "not on digits" in chosen["chosen_on"]
    assert chosen["learning_rate"] in file.RATES
    assert set(chosen["strengths"]) == set(file.METHODS[:3])
    for strength in chosen["strengths"].values():
        assert min(file.STRENGTHS) < strength < max(file.STRENGTHS), "the grid is wide enough"


def test_every_number_that_the_notebooks_name_was_measured():
    known = results.numbers()
    for text in (ROOT / "notebooks").glob("*.py"):
        for key in re.findall(r"\{\{([\w.+-]+)\}\}", text.read_text("utf-8")):
            assert key in known, f"{text.name} names {key}"


@pytest.mark.slow
def test_an_interrupted_run_goes_on_with_the_seeds_that_are_missing(tmp_path):
    out = tmp_path / "results.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    whole = json.loads(out.read_text("utf-8"))
    named = {key for key in whole["numbers"] if not key.startswith("scenes.")}  # they name sizes
    assert named <= set(results.numbers())

    cut = json.loads(out.read_text("utf-8"))
    del cut["numbers"], cut["runs"]["less_data"]["1"], cut["runs"]["five_seeds"]
    cut["runs"]["one_shot_digits"]["0"]["one_shot.digits.pixels"] = 0.123  # must not be redone
    out.write_text(json.dumps(cut), encoding="utf-8")
    subprocess.run(command, check=True, capture_output=True)
    again = json.loads(out.read_text("utf-8"))
    assert again["runs"]["one_shot_digits"]["0"]["one_shot.digits.pixels"] == 0.123
    assert same(again["runs"]["less_data"], whole["runs"]["less_data"])
    assert same(again["runs"]["five_seeds"], whole["runs"]["five_seeds"])


def test_a_claim_without_its_data_is_left_out_with_a_sentence(tmp_path, script, monkeypatch):
    def absent(seed, settings):
        raise script.CourseError("Fetch it.")

    monkeypatch.setitem(script.FILES["honest_evidence"].CLAIMS, "five_seeds", absent)
    out = tmp_path / "results.json"
    script.main(only=["honest_evidence"], seeds=2, out=out, quick=True)
    others = script.FILES["honest_evidence"].CLAIMS.keys() - {"five_seeds"}
    assert json.loads(out.read_text("utf-8"))["runs"].keys() == others


def test_a_quick_run_does_not_replace_the_shipped_file():
    result = subprocess.run(
        [sys.executable, str(SCRIPT), "--quick"], capture_output=True, text=True
    )
    assert result.returncode != 0
    assert "--out" in result.stderr
