"""The small sources: what each is asked, and that what is written can be loaded."""

import json
import sys
from importlib import import_module

import pytest
import torch

from course_lib.data import glyphs
from course_lib.models import weights
from tests.mini import ROOT


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(ROOT / "data_scripts"))
    yield import_module("pretrain_sources")
    sys.path.remove(str(ROOT / "data_scripts"))


def test_turned_glyphs_are_turned_or_mirrored_and_nothing_else(script):
    images = glyphs.load("train", ["Greek"]).images[:120]
    plain = glyphs.augment(images, torch.Generator().manual_seed(4))
    turned = script.turned(images, torch.Generator().manual_seed(4))
    ways = [plain.rot90(k, (2, 3)) for k in range(4)]
    ways += [way.flip(3) for way in ways]
    is_way = torch.stack([(way == turned).flatten(1).all(1) for way in ways])
    assert is_way.any(0).all()
    assert (is_way.sum(1) >= 3).all(), "all eight occur"


@pytest.mark.slow
def test_what_is_written_can_be_loaded_and_the_card_says_so(script, tmp_path, monkeypatch):
    script.main(steps=1, out=tmp_path)
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "glyphs.safetensors")
    for name in ("short", "greek", "turned", "photographs"):
        backbone = weights.load_source(name)
        assert backbone(torch.rand(2, 1, 32, 32)).isfinite().all()
        record = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
        assert record["question"] in (tmp_path / "sources.md").read_text("utf-8")


def test_the_photograph_behind_a_glyph_is_the_label(script):
    task = script.tasks()["photographs"]
    # In a glyph's corners there is only background. A few pixels tell bright photographs from dark
    # ones, if the labels belong to the images; shuffled labels tell nothing.
    corners = torch.cat([task.images[:, 0, :3, :3], task.images[:, 0, -3:, -3:]], 1).flatten(1)
    x = torch.cat([corners, corners**2, torch.ones(len(corners), 1)], 1)
    half = len(x) // 2
    targets = torch.nn.functional.one_hot(task.labels).float()
    weight = torch.linalg.lstsq(x[:half], targets[:half]).solution
    accuracy = ((x[half:] @ weight).argmax(1) == task.labels[half:]).float().mean()
    most_common = task.labels.bincount().max() / len(task.labels)
    assert accuracy > most_common + 0.1
