import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from course_lib.data import nuclei
from course_lib.errors import CourseError


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Twelve images of 40 x 40 with one to three numbered squares, and where they are."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    pictures, instances = [], []
    for _ in range(12):
        numbers = np.zeros((40, 40), np.uint8)
        for i in range(rng.integers(1, 4)):
            y, x = rng.integers(0, 30, 2)
            numbers[y : y + 8, x : x + 8] = i + 1
        pictures.append(rng.integers(0, 256, (40, 40, 3), np.uint8))
        instances.append(numbers)
    return tmp_path / "stage1_train.zip", pictures, instances


def write(path: Path, pictures, instances, layout: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for i, (picture, numbers) in enumerate(zip(pictures, instances, strict=True)):
            key = f"a{i:02d}"
            if layout == "published":
                archive.writestr(f"{key}/images/{key}.png", png(picture))
                for k in range(1, numbers.max() + 1):
                    one = (255 * (numbers == k)).astype(np.uint8)
                    archive.writestr(f"{key}/masks/{key}{k}.png", png(one))
            else:
                archive.writestr(f"nuclei/images/{key}.png", png(picture))
                kind = np.uint16 if layout == "wide" else np.uint8
                archive.writestr(f"nuclei/instances/{key}.png", png(numbers.astype(kind)))


@pytest.mark.parametrize("layout", ["published", "numbered", "wide"])
def test_images_and_masks_are_those_of_the_file(drawn, layout):
    path, pictures, instances = drawn
    write(path, pictures, instances, layout)
    seen = []
    for split in nuclei.SPLITS:
        loaded = nuclei.load(split, size=40)
        for image, mask in zip(loaded.images, loaded.masks, strict=True):
            pixels = (255 * image).round().byte().permute(1, 2, 0).numpy()
            (which,) = [i for i, p in enumerate(pictures) if np.array_equal(p, pixels)]
            assert np.array_equal(mask.numpy(), instances[which] > 0)
            seen.append(which)
    assert sorted(seen) == list(range(12))  # each in one split
    assert len(nuclei.load("train", size=20, limit=3).images) == 3


@pytest.mark.parametrize("damage", ["cut", "text", "nothing"])
def test_damage_is_one_sentence(drawn, damage):
    path, pictures, instances = drawn
    write(path, pictures, instances, "published")
    if damage == "nothing":
        write(path, [], [], "published")
    else:
        path.write_bytes(path.read_bytes()[:-3000] if damage == "cut" else b"<html></html>")
    with pytest.raises(CourseError, match="course data fetch nuclei") as caught:
        nuclei.load("train")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_an_unknown_split(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(CourseError, match="course data fetch nuclei"):
        nuclei.load("train")
    with pytest.raises(ValueError, match="train or test"):
        nuclei.load("val")


def test_real_nuclei(monkeypatch, shared_data):
    monkeypatch.setenv("COURSE_DATA", str(shared_data / "medical"))
    loaded = nuclei.load("test", limit=20)
    assert loaded.images.shape == (20, 3, 97, 97)
    share = loaded.masks.double().mean((1, 2))
    assert ((share > 0.005) & (share < 0.8)).all()
    ink = loaded.images.mean(1)
    apart = [
        (i[m > 0].mean() - i[m == 0].mean()).abs() for i, m in zip(ink, loaded.masks, strict=True)
    ]
    assert sum(float(a) > 0.03 for a in apart) >= 18  # nuclei look different from what is around
