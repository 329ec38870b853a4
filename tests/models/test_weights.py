"""The shipped weights: what they are worth, and what is said when they are not sound."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from sklearn.linear_model import LogisticRegression
from torchvision.models import mobilenet_v2

from course_lib.data import digits, glyphs, photos
from course_lib.errors import CourseError
from course_lib.models import weights
from course_lib.models.convnet import random_backbone


def features(represent, images):
    with torch.inference_mode():
        return torch.cat([represent(batch) for batch in images.split(256)])


def test_shipped_weights_are_small_and_load_in_eval_mode():
    assert weights.SHIPPED.stat().st_size <= 2_000_000
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    backbone = weights.load_backbone()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(module.training for module in backbone.modules())
    stored = load_file(weights.SHIPPED)
    for name, tensor in backbone.state_dict().items():
        assert tensor.dtype == (torch.float32 if stored[name].is_floating_point() else torch.int64)
        assert torch.equal(tensor, stored[name].to(tensor.dtype))
        assert tensor.isfinite().all()


def one_shot(represent, images, labels, generator):
    """20-way one-shot accuracy by cosine, one query a class: every class once in each round."""
    x = F.normalize(features(represent, images), dim=1)
    hits = []
    for _ in range(40):
        ways = torch.randperm(int(labels.max()) + 1, generator=generator)[:20]
        pairs = []
        for way in ways:
            members = (labels == way).nonzero().flatten()
            pairs.append(members[torch.randperm(len(members), generator=generator)[:2]])
        support, query = torch.stack(pairs, 1)
        hits.append(((x[query] @ x[support].T).argmax(1) == torch.arange(20)).float())
    return torch.cat(hits).mean().item()


def test_shipped_weights_beat_pixels_and_chance_on_scripts_never_seen():
    generator = torch.Generator().manual_seed(torch.seed() % 2**31)
    held_out = glyphs.load("held_out")
    counts = held_out.labels.bincount()
    chosen = (counts[held_out.labels] >= 2).nonzero().flatten()
    labels = held_out.labels[chosen].unique(return_inverse=True)[1]
    images = glyphs.augment(held_out.images[chosen], generator)
    shipped = one_shot(weights.load_backbone(), images, labels, generator)
    pixels = one_shot(lambda x: x.flatten(1), images, labels, generator)
    untrained = one_shot(random_backbone(0).eval(), images, labels, generator)
    assert shipped > 0.8
    assert shipped > pixels + 0.3
    assert shipped > untrained + 0.3


def test_shipped_weights_beat_pixels_and_chance_on_handwritten_digits():
    pool, test = digits.load("pool"), digits.load("test")
    order = torch.randperm(1000)
    support = torch.cat([order[pool.labels[order] == k][:2] for k in range(10)])

    def probe(represent):
        x, test_x = features(represent, pool.images), features(represent, test.images)
        scale = 10 / x.norm(dim=1).mean()  # one penalty for representations of any size
        fitted = LogisticRegression(max_iter=2000).fit(scale * x[support], pool.labels[support])
        return fitted.score(scale * test_x, test.labels)

    shipped = probe(weights.load_backbone())
    assert shipped > probe(lambda x: x.flatten(1)) + 0.02
    assert shipped > probe(random_backbone(0).eval()) + 0.1


def test_the_card_is_what_was_measured_on_these_weights():
    record = json.loads(weights.SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
    card = weights.SHIPPED.with_suffix(".md").read_text(encoding="utf-8")
    assert record["sha256"] in card
    for name in ("pixels", "random", "pretrained"):
        for mean, low, high in (record[name][k] for k in ("one_shot", "digits_1", "digits_5")):
            assert low < mean < high
            assert f"{100 * mean:.1f} [{100 * low:.1f}, {100 * high:.1f}]" in card
    assert f"{100 * record['accuracy_unseen_fonts']:.1f}" in card
    assert f"{record['steps']:,} steps" in card
    assert len(re.findall(r"^\|", card, re.MULTILINE)) == 5


@pytest.fixture
def copy_of_shipped(tmp_path):
    """Write weights with a record that fits them, or as told."""

    def write(content: bytes, sha256: str | None = None) -> Path:
        path = tmp_path / "glyphs.safetensors"
        path.write_bytes(content)
        sha256 = sha256 or hashlib.sha256(content).hexdigest()
        path.with_suffix(".json").write_text(json.dumps({"sha256": sha256}), encoding="utf-8")
        return path

    return write


def refused(path) -> str:
    with pytest.raises(CourseError) as caught:
        weights.load_backbone(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert path.stem in sentence
    assert "write it again" in sentence or "restore" in sentence
    return sentence


def test_a_sound_copy_loads(copy_of_shipped):
    weights.load_backbone(copy_of_shipped(weights.SHIPPED.read_bytes()))


def test_missing_weights(tmp_path):
    assert "cannot be read" in refused(tmp_path / "glyphs.safetensors")


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_cut_weights_do_not_match_their_hash(copy_of_shipped, keep):
    content = weights.SHIPPED.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    assert "sha256" in refused(copy_of_shipped(content[:keep], sha256))


def test_one_changed_bit_is_noticed(copy_of_shipped):
    content = bytearray(weights.SHIPPED.read_bytes())
    sha256 = hashlib.sha256(content).hexdigest()
    content[-10] ^= 1
    assert "sha256" in refused(copy_of_shipped(bytes(content), sha256))


@pytest.mark.parametrize("change", ["shape", "missing", "more", "not safetensors"])
def test_weights_of_something_else_do_not_fit(copy_of_shipped, change):
    state = load_file(weights.SHIPPED)
    name = "blocks.2.conv1.weight"
    if change == "shape":
        state[name] = state[name].flatten()
    if change == "missing":
        del state[name]
    if change == "more":
        state["another"] = torch.zeros(3)
    content = b"not a tensor in sight" if change == "not safetensors" else save(state)
    assert "do not fit" in refused(copy_of_shipped(content))


@pytest.mark.parametrize("record", ["", "[]", "{}", "not json"])
def test_a_record_without_the_hash(copy_of_shipped, record):
    path = copy_of_shipped(weights.SHIPPED.read_bytes())
    path.with_suffix(".json").write_text(record, encoding="utf-8")
    assert "sha256" in refused(path)


def test_imagenet_is_torchvisions_model_as_backbone_and_head(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    reference = mobilenet_v2().eval()
    for buffer in reference.buffers():  # statistics a fresh model does not have
        if buffer.is_floating_point():
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    torch.save(reference.state_dict(), tmp_path / "mobilenet_v2-b0353104.pth")
    state = torch.random.get_rng_state()
    model = weights.imagenet()
    assert torch.equal(torch.random.get_rng_state(), state)
    images = torch.randn(2, 3, 97, 97)
    with torch.inference_mode():
        assert torch.allclose(model(images), reference(images), rtol=1e-3, atol=1e-5)
        assert model.backbone(images).shape == (2, model.backbone.feature_dim)
    for kind in ("parameters", "buffers"):
        in_blocks = [id(t) for block in model.backbone.blocks for t in getattr(block, kind)()]
        assert len(in_blocks) == len(set(in_blocks)) > 0
        assert set(in_blocks) == {id(t) for t in getattr(model.backbone, kind)()}
    assert not any(module.training for module in model.modules())


def test_imagenet_without_weights_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    with pytest.raises(CourseError, match="course data fetch mobilenet_v2"):
        weights.imagenet()
    with pytest.raises(ValueError, match="mobilenet_v2"):
        weights.imagenet("resnet50")


@pytest.mark.slow
def test_imagenet_features_tell_ants_from_bees(shared_data, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(shared_data))
    model = weights.imagenet()
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    train, val = (photos.load(split, size=97) for split in ("train", "val"))
    train_x, val_x = (features(model.backbone, (s.images - mean) / std) for s in (train, val))
    fitted = LogisticRegression(max_iter=2000).fit(train_x, train.labels)
    assert fitted.score(val_x, val.labels) > 0.75  # small pictures; the larger class is .54


@pytest.mark.parametrize("name", weights.SOURCES)
def test_every_shipped_source_is_sound_and_in_eval_mode(name):
    backbone = weights.load_source(name)
    assert not any(module.training for module in backbone.modules())
    record = json.loads(weights.SHIPPED.with_name(f"{name}.json").read_text("utf-8"))
    content = weights.SHIPPED.with_name(f"{name}.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == record["sha256"]
    if name != "glyphs":
        card = weights.SHIPPED.with_name("sources.md").read_text("utf-8")
        assert f"| {name} | {record['question']} | {record['classes']} |" in card


def test_the_random_source_is_the_untrained_backbone():
    state = weights.load_source("random").state_dict()
    for name, value in random_backbone(0).state_dict().items():
        assert torch.equal(state[name], value)


def test_an_unknown_source_is_refused():
    with pytest.raises(ValueError, match="turned"):
        weights.load_source("mirrored")
