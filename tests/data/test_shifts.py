"""Domain shifts change how images look, never which background is seen in training and in test."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import Generator

from course_lib.data import digits, shifts
from course_lib.errors import CourseError


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def found_in(crop: torch.Tensor, photo: torch.Tensor) -> bool:
    """Is the crop, mirrored or not, somewhere in the photograph? Every place is tried."""
    side = crop.shape[-1]
    if min(photo.shape) < side:
        return False
    for piece in (crop, crop.flip(-1)):
        corner = photo[: len(photo) - side + 1, : photo.shape[1] - side + 1]
        places = torch.nonzero(corner == piece[0, 0])
        if any(torch.equal(photo[y : y + side, x : x + side], piece) for y, x in places.tolist()):
            return True
    return False


@pytest.mark.parametrize("photo", range(3))
@pytest.mark.parametrize("size", [16, 48])
def test_each_crop_lies_in_its_half_of_its_photograph(photo, size):
    which = torch.full((3,), photo)
    for split, other in (("train", "test"), ("test", "train")):
        for crop in shifts.backgrounds(which, split, generator(photo), size)[:, 0]:
            assert any(found_in(crop, half) for half in shifts._halves(photo, split))
            if crop.std() > 0.1:  # plain sky is everywhere
                assert not any(found_in(crop, half) for half in shifts._halves(photo, other))


def test_the_halves_are_the_photographs_own():
    from sklearn.datasets import load_sample_image

    for photo, name in enumerate(shifts.PHOTOGRAPHS[:2]):
        pixels = torch.tensor(load_sample_image(f"{name}.jpg")).float()
        grey = pixels @ torch.tensor([0.299, 0.587, 0.114])
        halves = [shifts._halves(photo, split)[0] for split in ("train", "test")]
        assert torch.allclose(torch.cat(halves, 1), grey / 255, atol=0.01)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), split=st.sampled_from(["train", "test"]))
def test_both_blends_are_those_of_the_formula_on_the_same_backgrounds(seed, split):
    images = torch.rand(6, 1, 32, 32, generator=generator(seed + 1))
    before = images.clone()
    # On black the difference is the photograph itself.
    photo = shifts.photo_difference(torch.zeros_like(images), split, generator(seed))
    assert 0.02 < photo.std() < 0.5
    blended = shifts.photo_difference(images, split, generator(seed))
    assert torch.equal(blended, torch.maximum(photo - images, images - photo))
    behind = shifts.photo_background(images, split, generator(seed), strength=0.3)
    assert torch.equal(behind, torch.where(images > 0.3 * photo, images, 0.3 * photo))
    assert torch.equal(images, before)


def test_backgrounds_differ_between_images_and_depend_on_the_generator_alone():
    which = torch.arange(3).repeat(20)
    random = torch.get_rng_state()
    first = shifts.backgrounds(which, "train", generator(1))
    assert torch.equal(first, shifts.backgrounds(which, "train", generator(1)))
    assert not torch.equal(first, shifts.backgrounds(which, "train", generator(2)))
    assert len(first.flatten(1).unique(dim=0)) == len(which)
    assert torch.equal(random, torch.get_rng_state())


def test_rotation_agrees_with_scipy_and_keeps_the_ink():
    image = digits.load("test").images[:1]
    draws = 2 * torch.rand(2, 1, generator=generator(3)) - 1
    turned = shifts.rotate_and_shear(image, generator(3), degrees=40, shear=0)
    angle = 40 * float(draws[0])
    truth = ndimage.rotate(image[0, 0].numpy(), angle, reshape=False, order=1)
    assert abs(angle) > 5
    assert (turned[0, 0] - torch.from_numpy(truth)).abs().max() < 0.02

    many = digits.load("test").images[:40]
    moved = shifts.rotate_and_shear(many, generator(4))
    assert torch.allclose(moved.sum((1, 2, 3)), many.sum((1, 2, 3)), rtol=0.1)
    assert (moved - many).abs().mean() > 0.03
    still = shifts.rotate_and_shear(many, generator(4), degrees=0, shear=0)
    assert torch.allclose(still, many, atol=1e-5)


def test_inverted_twice_is_the_image():
    images = torch.rand(3, 1, 5, 5)
    assert torch.allclose(shifts.invert(shifts.invert(images)), images)
    assert torch.allclose(shifts.invert(images) + images, torch.ones(1))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="train or test"):
        shifts.photo_background(torch.zeros(1, 1, 32, 32), "val", generator())
    with pytest.raises(ValueError, match="1 to 64"):
        shifts.backgrounds(torch.zeros(1, dtype=torch.long), "train", generator(), size=65)


@pytest.mark.parametrize("damage", [None, b"no image", b""])
def test_a_missing_or_damaged_photograph_is_said_in_a_sentence(tmp_path, monkeypatch, damage):
    file = tmp_path / "grace_hopper.jpg"
    if damage is not None:
        file.write_bytes(damage)
    monkeypatch.setattr(shifts.cbook, "get_sample_data", lambda *_, **__: str(file))
    shifts._halves.cache_clear()
    with pytest.raises(CourseError, match=r"grace_hopper\.jpg"):
        shifts._halves(2, "train")
