import json
import math

import pytest
import torch

from course_lib.evidence import claims, ledger, notes


@pytest.fixture(autouse=True)
def course_home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    return tmp_path


def test_every_claim_starts_untested_and_names_its_module():
    board = claims.board()
    assert len(board) == len(claims.CLAIMS) == 8
    assert {row["verdict"] for row in board} == {"not tested yet"}
    assert {row["module"] for row in board} <= {f"0{n}" for n in range(9)}


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.2, "supported"), (-0.2, -0.01, "contradicted"), (-0.1, 0.1, "undecided"),
     (0.0, 0.2, "undecided"), (-0.2, 0.0, "undecided")],
)  # fmt: skip
def test_the_verdict_is_what_the_interval_says(low, high, verdict):
    mean = (low + high) / 2
    assert claims.record("less_data", mean, low, high, "accuracy, <b>5</b> seeds") == verdict
    row = next(row for row in claims.board() if row["verdict"] != "not tested yet")
    assert row["claim"] == claims.CLAIMS["less_data"].text
    assert row["verdict"] == verdict
    assert row["effect [95 % interval]"].startswith(f"{100 * mean:+.1f} points [")
    assert "&lt;b&gt;5&lt;/b&gt;" in claims.board()._repr_html_()
    assert verdict in repr(claims.board())


def test_a_later_measurement_replaces_the_earlier_and_leaves_the_others():
    claims.record("less_data", 1, 0.5, 2)
    claims.record("one_shot", torch.tensor(0.5), 0.25, 0.75)
    claims.record("less_data", -1, -2, -0.5)
    verdicts = [row["verdict"] for row in claims.board()]
    assert sorted(v for v in verdicts if v != "not tested yet") == ["contradicted", "supported"]


@pytest.mark.parametrize(
    "arguments",
    [("no_such_claim", 1, 0, 2), ("less_data", math.nan, 0, 1), ("less_data", 0, "low", 1),
     ("less_data", 3, 0, 2), ("less_data", 1, 0, math.inf), ("less_data", None, 0, 1)],
)  # fmt: skip
def test_what_is_no_measurement_is_refused_and_nothing_is_kept(arguments):
    with pytest.raises(ValueError, match=r"\.$"):
        claims.record(*arguments)
    assert {row["verdict"] for row in claims.board()} == {"not tested yet"}


def test_a_prediction_can_be_revised_until_it_was_measured(capsys):
    ledger.predict("run", 0.5, "accuracy")
    ledger.predict("run", 0.6, "accuracy")
    ledger.measured("run", 0.8, 0.7, 0.9)
    ledger.predict("run", 0.8, "accuracy")
    assert "has been measured already" in capsys.readouterr().out
    ledger.measured("run", 0.81)  # the run again, this time without an interval
    assert ledger.rows() == [
        {"key": "run", "unit": "accuracy", "predicted": 0.6, "measured": 0.81,
         "low": None, "high": None},
    ]  # fmt: skip


def test_an_effect_is_shown_with_its_unit():
    claims.record("faster_training", 12.5, 10, 15, unit="seconds")
    (row,) = [row for row in claims.board() if row["verdict"] == "supported"]
    assert row["effect [95 % interval]"] == "+12.5 seconds [+10, +15]"


def test_the_rows_of_this_notebook_only(course_home, monkeypatch):
    ledger.predict("earlier", 0.5, "accuracy")
    monkeypatch.setattr(ledger, "_here", set())  # a new kernel
    ledger.predict("now", 0.6, "accuracy")
    ledger.measured("later", 0.7)
    assert [row["key"] for row in ledger.rows(here=True)] == ["now", "later"]
    assert [row["key"] for row in ledger.rows()] == ["earlier", "now", "later"]


def test_a_blank_prediction_stops_nothing(capsys):
    ledger.predict("run", ..., "accuracy")
    assert "replace the ..." in capsys.readouterr().out
    assert ledger.rows() == []
    ledger.measured("run", 0.5)
    ledger.predict("run", 0.5, "accuracy")  # too late: it would be no prediction
    assert ledger.rows()[0]["predicted"] is None


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.8", "many", [0.5, 0.6], torch.ones(2)])
def test_a_prediction_is_a_number(value):
    with pytest.raises(ValueError, match="must be a finite number"):
        ledger.predict("run", value, "accuracy")
    assert ledger.rows() == []


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"run": 3}', b"\xff\xfe\x00", b""])
def test_a_damaged_file_is_set_aside_with_a_sentence(course_home, capsys, content):
    ledger.predict("run", 0.5, "accuracy")
    (path,) = course_home.rglob("ledger.json")
    path.write_bytes(content)
    assert ledger.rows() == []
    assert "damaged" in capsys.readouterr().out
    (aside,) = course_home.rglob("*.damaged.json")
    assert aside.read_bytes() == content
    ledger.predict("run", 0.7, "accuracy")
    assert json.loads(path.read_text(encoding="utf-8"))["run"]["predicted"] == 0.7


def test_tables_show_empty_cells_and_three_digits():
    table = notes.Table([{"key": "é", "measured": 2 / 3, "low": None}])
    assert repr(table).splitlines() == ["key  measured  low", "é    0.667"]
    assert ">0.667</td>" in table._repr_html_()
    assert ">measured</th>" in table._repr_html_()
    assert repr(notes.Table()) == ""
