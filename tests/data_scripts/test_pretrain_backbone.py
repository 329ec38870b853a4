"""A short version of the pretraining: it learns, resumes exactly, and writes what it measured."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from course_lib.data import glyphs
from course_lib.errors import CourseError
from course_lib.models.weights import SHIPPED, load_backbone

SCRIPT = Path(__file__).parents[2] / "data_scripts" / "pretrain_backbone.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("pretrain_backbone", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def coptic():
    return glyphs.load("train", ["Coptic"])


def test_an_interrupted_run_ends_as_an_uninterrupted_one(script, coptic, tmp_path, monkeypatch):
    whole = script.pretrain(coptic, 7, 3, tmp_path / "whole.pt", checkpoint_every=3)

    calls, stop_at = 0, 6
    augment = glyphs.augment

    def interrupt(images, generator):
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise KeyboardInterrupt
        return augment(images, generator)

    with monkeypatch.context() as patch:
        patch.setattr(glyphs, "augment", interrupt)
        with pytest.raises(KeyboardInterrupt):
            script.pretrain(coptic, 7, 3, tmp_path / "cut.pt", checkpoint_every=3)
    assert (tmp_path / "cut.pt").exists()
    torch.manual_seed(0)  # another process: another global state
    calls, stop_at = 0, None
    with monkeypatch.context() as patch:
        patch.setattr(glyphs, "augment", lambda *a: interrupt(*a))
        resumed = script.pretrain(coptic, 7, 3, tmp_path / "cut.pt", checkpoint_every=3)
    assert calls == 4  # steps 4 to 7: the checkpoint was used
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert list(tmp_path.iterdir()) == []  # checkpoints are gone


def test_a_damaged_checkpoint_gives_one_sentence(script, coptic, tmp_path):
    (tmp_path / "x.pt").write_bytes(b"PK, but no more")
    with pytest.raises(CourseError, match="delete it to start over"):
        script.pretrain(coptic, 2, 0, tmp_path / "x.pt")


def test_the_seed_decides(script, coptic, tmp_path):
    first, same, other = (script.pretrain(coptic, 2, seed, tmp_path / "x.pt") for seed in (0, 0, 1))
    pairs = zip(first.parameters(), same.parameters(), other.parameters(), strict=True)
    equal = [(torch.equal(a, b), torch.equal(a, c)) for a, b, c in pairs]
    assert all(x for x, _ in equal)
    assert not all(y for _, y in equal)


@pytest.mark.slow
def test_a_short_rebuild_learns_and_transfers(script, tmp_path):
    train = glyphs.load("train", ["Greek", "Coptic", "Cyrillic"])
    model = script.pretrain(train, 150, 0, tmp_path / "x.pt")
    fresh = torch.Generator().manual_seed(777)
    with torch.inference_mode():
        predicted = model(glyphs.augment(train.images, fresh)).argmax(1)
    chance = 1 / len(train.classes)
    assert (predicted == train.labels).float().mean() > 20 * chance
    held_out = glyphs.load("held_out", ["Armenian"])
    images = glyphs.augment(held_out.images, fresh)
    with torch.inference_mode():
        learnt = script.one_shot(model.backbone(images), held_out.labels, 100)
        untrained = script.random_backbone(0).eval()(images)
        baseline = script.one_shot(untrained, held_out.labels, 100)
    assert learnt[1] > baseline[2]


@pytest.mark.slow
def test_the_command_writes_weights_record_and_card(tmp_path):
    shipped = SHIPPED.read_bytes()
    command = [sys.executable, str(SCRIPT), "--quick", "--steps", "20"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "w.safetensors")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    load_backbone(tmp_path / "w.safetensors")
    record = json.loads((tmp_path / "w.json").read_text(encoding="utf-8"))
    card = (tmp_path / "w.md").read_text(encoding="utf-8")
    assert record["steps"] == 20
    assert record["sha256"] in card
    assert done.stdout.strip() == card.strip()
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".md", ".safetensors"]
    # A try-out never replaces what is shipped.
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode != 0
    assert SHIPPED.read_bytes() == shipped


def test_one_shot_against_known_answers(script):
    labels = torch.arange(40).repeat(3)
    perfect = torch.eye(40)[labels] + 0.01 * torch.rand(120, 40)
    assert script.one_shot(perfect, labels, 20)[0] == 1
    noise = torch.randn(120, 64)
    assert 0 <= script.one_shot(noise, labels, 300)[2] < 0.1  # chance is .05


def test_probe_sees_the_support_alone(script):
    labels = torch.arange(10).repeat(20)
    x = torch.eye(10)[labels] + 0.05 * torch.randn(200, 10)
    mean, low, high = script.probe(x, labels, x, labels, 1, 5)
    assert mean > 0.95
    # Scale must not matter: the penalty weighs the same on every representation.
    again = script.probe(1000 * x, labels, 1000 * x, labels, 1, 5)
    assert again == pytest.approx((mean, low, high), abs=0.02)
    shuffled = labels[torch.randperm(200)]
    assert script.probe(x, shuffled, x, labels, 5, 5)[0] < 0.6
