"""Photographs from a zip or a folder, with everything that may lie about in it."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data import files, photos
from course_lib.errors import CourseError


def picture(red: int, size: tuple[int, int], kind: str = "JPEG") -> bytes:
    """A picture whose centre square is all of one red."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    side, (width, height) = min(size), size
    left, top = (width - side) // 2, (height - side) // 2
    pixels[top : top + side, left : left + side, 0] = red
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def contents():
    rng = np.random.default_rng()
    reds = rng.integers(40, 255, 6).tolist()
    members = {
        "train/bees/b.jpg": picture(reds[0], (90, 60)),
        "train/bees/a.JPG": picture(reds[1], (60, 90)),
        "train/ants/2.png": picture(reds[2], (64, 64), "PNG"),
        "train/ants/1.jpg": picture(reds[3], (300, 200)),
        "train/ants/imageNotFound.gif": b"GIF89a, but not really",
        "train/ants/Thumbs.db": b"nothing",
        "val/ants/1.jpg": picture(reds[4], (64, 64)),
        "val/bees/1.jpg": picture(reds[5], (64, 64)),
    }
    # In the order of classes, then of file names: upper-case letters sort first.
    return members, [reds[3], reds[2], reds[1], reds[0]]


@pytest.fixture(params=["zip", "folder"])
def store(request, tmp_path, monkeypatch):
    """Write members into the data folder, packed or unpacked."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))

    def write(members: dict[str, bytes]) -> Path:
        if request.param == "zip":
            with zipfile.ZipFile(tmp_path / "hymenoptera_data.zip", "w") as archive:
                for name, content in members.items():
                    archive.writestr(f"hymenoptera_data/{name}", content)
        for name, content in members.items() if request.param == "folder" else ():
            path = tmp_path / "hymenoptera_data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path

    return write


def test_loads_classes_in_order_and_survives_strays(store, contents):
    members, reds = contents
    store(members)
    loaded = photos.load("train", size=32)
    assert loaded.classes == ("ants", "bees")
    assert loaded.labels.tolist() == [0, 0, 1, 1]
    assert loaded.labels.dtype == torch.int64
    assert loaded.images.shape == (4, 3, 32, 32)
    assert loaded.images.dtype == torch.float32
    centre = loaded.images[:, :, 2:-2, 2:-2]
    assert torch.allclose(centre[:, 0].mean((1, 2)) * 255, torch.tensor(reds).float(), atol=3)
    assert centre[:, 1:].max() < 0.05  # red is the first channel, and nothing but the square
    assert centre[:, 0].std((1, 2)).max() < 0.02
    assert len(photos.load("val", size=48).labels) == 2


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_photograph_is_named(store, contents, damage):
    members, _ = contents
    good = members["train/bees/b.jpg"]
    bad = {"cut": good[: len(good) // 2], "empty": b"", "text": b"<html>no</html>"}[damage]
    store(members | {"train/bees/b.jpg": bad})
    with pytest.raises(CourseError, match=r"train/bees/b\.jpg"):
        photos.load("train", size=32)
    assert len(photos.load("val", size=32).labels) == 2


@pytest.mark.parametrize("content", [b"", b"<html>captive portal</html>"])
def test_a_file_that_is_no_zip_gives_one_sentence(tmp_path, monkeypatch, content):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    (tmp_path / "hymenoptera_data.zip").write_bytes(content)
    with pytest.raises(CourseError, match="course data fetch photos"):
        photos.load("train")


def test_a_cut_zip_gives_one_sentence(tmp_path, monkeypatch, contents):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    file = tmp_path / "hymenoptera_data.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents[0].items():
            archive.writestr(f"hymenoptera_data/{name}", content)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(CourseError, match="course data fetch photos"):
        photos.load("train")


def test_damage_inside_a_compressed_zip_names_the_photograph(tmp_path, monkeypatch, contents):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    file = tmp_path / "hymenoptera_data.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents[0].items():
            archive.writestr(f"hymenoptera_data/{name}", content)
    with zipfile.ZipFile(file) as archive:
        member = archive.getinfo("hymenoptera_data/val/bees/1.jpg")
    damaged = bytearray(file.read_bytes())
    start = member.header_offset + 30 + len(member.filename)
    damaged[start : start + member.compress_size] = b"\xff" * member.compress_size
    file.write_bytes(damaged)
    with pytest.raises(CourseError, match=r"val/bees/1\.jpg"):
        photos.load("val", size=32)


def test_a_split_without_photographs_gives_one_sentence(store, contents):
    store({name: c for name, c in contents[0].items() if name.startswith("train")})
    with pytest.raises(CourseError, match="course data fetch photos"):
        photos.load("val")


def test_missing_photographs_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "nowhere"))
    assert not files.available("photos")
    with pytest.raises(CourseError, match="course data fetch photos"):
        photos.load("train")


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match="train or val"):
        photos.load("test")


def test_the_real_photographs(shared_data, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(shared_data))
    train, val = photos.load("train", size=33), photos.load("val", size=33)
    assert train.labels.bincount().tolist() == [123, 121]
    assert val.labels.bincount().tolist() == [70, 83]
    assert train.classes == ("ants", "bees")
    # No photograph is in both splits.
    distance = torch.cdist(train.images.flatten(1), val.images.flatten(1))
    assert distance.min() > 0.5
