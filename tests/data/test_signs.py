"""A sheet of signs, photographed by arithmetic and by nobody's steady hand, and read back."""

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data import signs, snapshots
from course_lib.errors import CourseError
from course_lib.evidence.evaluate import forward_in_batches
from course_lib.fewshot.cosine import nearest_centroid
from course_lib.models.weights import load_backbone


def snapshot(seed, **how):
    rng = np.random.default_rng(seed)
    sheet = snapshots.filled_sheet(rng, **{k: how.pop(k) for k in ("n_signs",) if k in how})
    return snapshots.photograph(sheet, rng, **how)


@pytest.fixture(scope="module")
def filled():
    return snapshots.filled_sheet(np.random.default_rng(7))


@pytest.mark.parametrize("turn", range(4))
def test_all_signs_are_read_from_any_direction_and_recognised(turn):
    alphabet = signs.read(snapshot(turn, turn=turn))
    assert alphabet.labels.tolist() == [k for k in range(20) for _ in range(3)]
    assert alphabet.classes[19] == "sign 20"
    assert alphabet.images.shape == (60, 1, 32, 32)
    assert alphabet.images.dtype == torch.float32
    x = forward_in_batches(load_backbone(), alphabet.images)
    first = torch.arange(60) % 3 == 0
    read_as = nearest_centroid(x[first], alphabet.labels[first], x[~first]).argmax(1)
    # A sheet read upside down or in another order would be at 5 %.
    assert (read_as == alphabet.labels[~first]).float().mean() > 0.8


def test_cells_are_where_they_were_drawn(filled):
    """Marks, orientation and perspective: against the homography of the simulation itself."""
    rng = np.random.default_rng(1)
    empty = signs.read(snapshots.photograph(filled, rng))
    # Rows of the sheet are distinct, so a shifted grid would give another picture.
    flat = np.asarray(filled, np.float32) / 255
    straight = signs.read(np.pad(flat, 40, constant_values=1))
    similar = torch.nn.functional.cosine_similarity(
        empty.images.flatten(1), straight.images.flatten(1)
    )
    assert (similar > 0.6).float().mean() > 0.9


def test_a_homography_is_found_again():
    rng = np.random.default_rng(0)
    matrix = np.eye(3) + rng.normal(0, 0.1, (3, 3)) * [[1, 1, 50], [1, 1, 50], [1e-3, 1e-3, 0]]
    matrix /= matrix[2, 2]
    points = rng.uniform(0, 100, (5, 2))
    mapped = np.c_[points, np.ones(5)] @ matrix.T
    mapped = mapped[:, :2] / mapped[:, 2:]
    np.testing.assert_allclose(signs.project(matrix, points), mapped)
    np.testing.assert_allclose(signs.homography(points, mapped), matrix, atol=1e-6)


def test_a_shadow_is_no_ink_and_a_pen_is():
    paper = np.full((400, 300), 0.9, np.float32) * np.linspace(0.4, 1, 300, dtype=np.float32)
    paper[:, 150:] *= np.linspace(1, 0.6, 150, dtype=np.float32)
    written = paper.copy()
    written[100:300, 60:64] *= 0.3
    ink = signs.darkness(written)
    assert ink[100:300, 60:64].min() > 0.5
    ink[95:305, 55:70] = 0
    assert ink.max() < 0.2


def test_fewer_signs_are_fine():
    alphabet = signs.read(snapshot(3, n_signs=7))
    assert alphabet.classes == tuple(f"sign {k}" for k in range(1, 8))
    assert len(alphabet.labels) == 21


def test_an_empty_sheet_says_that_nothing_was_drawn():
    rng = np.random.default_rng(0)
    with pytest.raises(CourseError, match="at least two rows"):
        signs.read(snapshots.photograph(signs.grid(), rng))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (dict(light=0.1), "too dark"),
        (dict(blur=4.0), "blurred"),
        (dict(blur=9.0), "blurred"),
        (dict(shift=(0.4, 0.0)), "of the five round marks"),
        (dict(shift=(0.0, -0.6)), "of the five round marks"),
    ],
)
def test_a_bad_photograph_gets_one_sentence(filled, how, says):
    photo = snapshots.photograph(filled, np.random.default_rng(2), **how)
    with pytest.raises(CourseError, match=says) as caught:
        signs.read(photo)
    assert "\n" not in str(caught.value)


def test_no_sheet_at_all():
    with pytest.raises(CourseError, match="None of the five"):
        signs.read(np.full((300, 400), 0.8, np.float32))
    with pytest.raises(CourseError, match="round marks"):
        signs.read(np.random.default_rng(0).random((300, 400)).astype(np.float32))


def test_a_hand_on_one_mark_is_noticed(filled):
    covered = filled.copy()
    covered.paste(128, (0, 0, 160, 180))
    with pytest.raises(CourseError, match="4 of the five"):
        signs.read(snapshots.photograph(covered, np.random.default_rng(2)))


def test_files(tmp_path, filled):
    photo = snapshots.photograph(filled, np.random.default_rng(4))
    Image.fromarray((photo * 255).astype(np.uint8)).save(tmp_path / "signs.jpg", quality=80)
    assert len(signs.read(signs.open_photo(tmp_path / "signs.jpg")).classes) == 20
    # As a phone writes it: large, colours, lying on its side with a note which way is up.
    large = Image.fromarray((photo * 255).astype(np.uint8)).resize((2400, 3200)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    large.rotate(90, expand=True).save(tmp_path / "phone.jpg", exif=exif)
    opened = signs.open_photo(tmp_path / "phone.jpg")
    assert opened.shape == (2000, 1500)
    assert len(signs.read(opened).classes) == 20
    with pytest.raises(CourseError, match="There is no file"):
        signs.open_photo(tmp_path / "nothing.jpg")
    (tmp_path / "text.jpg").write_text("no picture", encoding="utf-8")
    with pytest.raises(CourseError, match="JPEG or PNG"):
        signs.open_photo(tmp_path / "text.jpg")


def test_the_sheet_can_be_printed(tmp_path):
    signs.grid().save(tmp_path / "grid.pdf", resolution=150)
    assert (tmp_path / "grid.pdf").read_bytes().startswith(b"%PDF")
    width, height = signs.grid(dpi=150).size
    assert (width / 150 * 25.4, height / 150 * 25.4) == pytest.approx((210, 297), abs=0.2)
