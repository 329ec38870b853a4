"""What makes the glyphs an honest source task, on the renderings themselves."""

import os
import unicodedata

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_lib.data import glyphs
from course_lib.errors import CourseError
from course_lib.home import home

# Written out here, so that a change of the library's table cannot move a script unnoticed.
HELD_OUT = {"GEORGIAN", "HEBREW", "ARMENIAN", "TIFINAGH", "NKO", "LAO"}


@pytest.fixture(scope="module")
def sets():
    return {split: glyphs.load(split) for split in ("train", "val", "held_out")}


def standardised(images):
    flat = images.flatten(1) - images.flatten(1).mean(1, keepdim=True)
    return F.normalize(flat, dim=1)


def cache_files(folder):
    return sorted((folder / "cache").glob("glyphs-*.npz"))


def test_images_are_glyphs_in_the_frame(sets):
    for images, labels, classes in sets.values():
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert images.shape == (len(labels), 1, 32, 32)
        assert images.min() == 0
        assert images.max() <= 1
        assert int(labels.max()) < len(classes) == len(set(classes))
        # From the first pixel with ink to the last: the longer side fills the box.
        rows, columns = ((images.amax((1, axis)) > 0).int() for axis in (3, 2))
        spans = [32 - x.argmax(1) - x.flip(1).argmax(1) for x in (rows, columns)]
        longer = torch.maximum(*spans)
        assert longer.max() == 24
        assert (longer >= 23).float().mean() > 0.99  # the faintest edge may round to black
    assert len(sets["train"].classes) > 900
    assert set(sets["train"].labels.tolist()) == set(range(len(sets["train"].classes)))
    assert sets["val"].classes == sets["train"].classes
    assert set(sets["held_out"].labels.tolist()) == set(range(len(sets["held_out"].classes)))


def test_numbers_and_held_out_scripts_are_never_in_the_source(sets):
    for name in sets["train"].classes:
        character = unicodedata.lookup(name)
        assert unicodedata.numeric(character, None) is None, name
        assert not unicodedata.category(character).startswith("N"), name
        assert not HELD_OUT & set(name.split()), name
        assert " WITH " not in name
    assert {name.split()[0] for name in sets["held_out"].classes} == HELD_OUT


@pytest.mark.parametrize("font", ["DejaVuSans-Bold", "DejaVuSans"])
def test_held_out_shapes_and_digits_are_never_in_the_source(sets, font):
    def render(characters):
        images = [glyphs._render(font, c) for c in characters]
        return torch.from_numpy(np.stack([i for i in images if i is not None])).float()

    source = render(map(unicodedata.lookup, sets["train"].classes))
    new = render([*"0123456789", *map(unicodedata.lookup, sets["held_out"].classes)])
    # np.corrcoef on 16 x 16 means is the oracle for what the library says.
    small = F.avg_pool2d(torch.cat([new, source]).unsqueeze(1), 2).flatten(1).numpy()
    correlation = np.corrcoef(small)
    across = correlation[: len(new), len(new) :]
    assert across.max() <= 0.9301
    np.fill_diagonal(correlation, 0)
    assert correlation[10:, 10:].max() <= 0.9301  # nor do two classes share a shape


def test_val_and_train_share_classes_but_no_shape(sets):
    train, val = standardised(sets["train"].images), standardised(sets["val"].images)
    for shape, label in zip(val, sets["val"].labels, strict=True):
        assert (train[sets["train"].labels == label] @ shape).max() < 0.99


def test_scripts_are_rendered_on_their_own_and_as_in_the_whole_set(sets):
    before = cache_files(home())
    lao = glyphs.load("held_out", scripts=("Lao",))
    assert cache_files(home()) == before
    whole = sets["held_out"]
    chosen = torch.tensor([glyphs.script_of(whole.classes[k]) == "Lao" for k in whole.labels])
    assert torch.equal(lao.images, whole.images[chosen])
    assert [lao.classes[k] for k in lao.labels] == [whole.classes[k] for k in whole.labels[chosen]]
    assert lao.labels.unique().tolist() == list(range(len(lao.classes)))


@pytest.mark.parametrize(
    ("split", "scripts"),
    [("test", None), ("held_out", ("Greek",)), ("train", ("Lao",)), ("train", ())],
)
def test_unknown_split_or_script_is_refused(split, scripts):
    with pytest.raises(ValueError, match=r"use train, val or held_out|must be among"):
        glyphs.load(split, scripts)


def test_script_of_a_class():
    assert glyphs.script_of("GEORGIAN LETTER AN") == "Georgian"
    assert glyphs.script_of("CANADIAN SYLLABICS E") == "Canadian syllabics"
    assert glyphs.script_of("NKO LETTER A") == "N'Ko"
    assert glyphs.script_of("BLACK CLUB SUIT") == glyphs.SYMBOL


@pytest.mark.parametrize("damage", ["cut short", "empty", "not an archive"])
def test_a_damaged_cache_is_rendered_again(sets, tmp_path, monkeypatch, damage):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    glyphs.load("held_out")
    (file,) = cache_files(tmp_path)
    good = file.read_bytes()
    file.write_bytes({"cut short": good[:5000], "empty": b"", "not an archive": b"x" * 99}[damage])
    again = glyphs.load("held_out")
    assert torch.equal(again.images, sets["held_out"].images)
    assert torch.equal(again.labels, sets["held_out"].labels)
    assert file.stat().st_size > len(good) // 2


def test_the_cache_spares_the_rendering(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    images = glyphs.load("held_out").images
    (file,) = cache_files(tmp_path)
    with np.load(file) as arrays:
        altered = dict(arrays) | {"pixels": arrays["pixels"] // 2}
    np.savez(file, **altered)
    assert torch.allclose(glyphs.load("held_out").images, images / 2, atol=1 / 255)


def test_a_home_that_cannot_be_made_gives_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    with pytest.raises(CourseError, match="COURSE_HOME"):
        glyphs.load("held_out")
    assert len(glyphs.load("held_out", ["Hebrew"]).images) > 20  # needs no folder


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_home_without_rights_gives_one_sentence(tmp_path, monkeypatch):
    tmp_path.chmod(0o500)
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    with pytest.raises(CourseError, match="COURSE_HOME"):
        glyphs.load("held_out")


def test_augment_draws_from_its_generator_alone(sets):
    images = sets["train"].images[:64]
    before, state = images.clone(), torch.random.get_rng_state()
    first = glyphs.augment(images, torch.Generator().manual_seed(5))
    again = glyphs.augment(images, torch.Generator().manual_seed(5))
    other = glyphs.augment(images, torch.Generator().manual_seed(6))
    assert torch.equal(first, again)
    assert (first - other).abs().mean() > 0.02
    assert torch.equal(images, before)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1


# Standard deviations: what each distortion brings; without it they stay below.
LEAST = {"shift across": 0.9, "shift down": 0.95, "turn and shear": 0.21, "scale": 0.17}
LEAST |= {"elastic": 0.1, "stroke": 0.28, "blur": 0.25, "contrast": 0.22, "noise": 0.015}


def describe(images):
    """Numbers (N,) that tell the distortions apart on an upright, symmetric figure."""
    weights = (images.flatten(1) - 0.3).relu()  # the ink without the noise
    axis = torch.arange(32.0)
    rows, columns = (grid.flatten() for grid in torch.meshgrid(axis, axis, indexing="ij"))
    share = weights / weights.sum(1, keepdim=True)
    x, y = share @ columns, share @ rows
    dx, dy = columns - x[:, None], rows - y[:, None]
    xx, yy, xy = ((share * m).sum(1) for m in (dx**2, dy**2, dx * dy))
    area = (xx * yy - xy**2).sqrt()
    contrast = images.flatten(1).quantile(0.97, dim=1)
    return {
        "shift across": x,
        "shift down": y,
        "turn and shear": 0.5 * torch.atan2(2 * xy, yy - xx),  # the long axis, in radians
        "scale": area.log(),
        "elastic": (share * dx**3).sum(1) / xx**1.5,  # an affine map keeps it at zero
        "stroke": (weights.sum(1) / contrast / area).log(),
        "blur": ((images[..., 1:] - images[..., :-1]).abs().amax((1, 2, 3)) / contrast).log(),
        "contrast": contrast.log(),
        "noise": images[:, 0, :3, :3].flatten(1).std(1),
    }


def test_each_distortion_varies_alike_all_along_the_batch():
    # One tall frame, many times: all variation is augmentation's.
    image = torch.zeros(1, 1, 32, 32)
    image[..., 5:27, 10:22] = 1
    image[..., 8:24, 13:19] = 0
    out = glyphs.augment(image.expand(2000, -1, -1, -1), torch.Generator().manual_seed(0))
    values = describe(out)
    for name, value in values.items():
        assert value.std() > LEAST[name], name
        # A batch is often ordered by class: no part of it may be treated differently.
        for part, rest in ((value[:1000], value[1000:]), (value[::2], value[1::2])):
            standard_error = value.std() * (2 / 1000) ** 0.5
            assert abs(part.mean() - rest.mean()) < 5 * standard_error, name
            assert 0.8 < part.std() / rest.std() < 1.25, name


def test_augmented_glyphs_stay_recognisable():
    lao = glyphs.load("held_out", ["Lao"])
    one_per_class = torch.tensor([int((lao.labels == k).nonzero()[0]) for k in lao.labels.unique()])
    clean = standardised(lao.images[one_per_class])
    generator = torch.Generator().manual_seed(3)
    hits = [
        (standardised(glyphs.augment(lao.images[one_per_class], generator)) @ clean.T).argmax(1)
        == torch.arange(len(clean))
        for _ in range(20)
    ]
    # Nearest neighbour on raw pixels, 34 classes, chance 3 %: shifted and turned, yet itself.
    assert torch.stack(hits).float().mean() > 0.5


def test_printed_digits_are_ten_classes_that_a_reader_of_other_fonts_knows():
    digits = glyphs.printed_digits()
    counts = torch.bincount(digits.labels)
    assert digits.classes == tuple("0123456789")
    assert 12 <= counts.min() <= counts.max() <= 16
    assert len(digits.images.flatten(1).unique(dim=0)) == len(digits.labels)
    # In one font they are in none of the classes of the source, and each is closest to itself.
    x = F.normalize(digits.images.flatten(1), dim=1)
    alike = x @ x.T - 2 * torch.eye(len(x))
    assert (digits.labels[alike.argmax(1)] == digits.labels).float().mean() > 0.95
