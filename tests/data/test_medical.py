"""X-rays from an npz file in MedMNIST's layout, sound and unsound."""

import numpy as np
import pytest
import torch

from course_lib.data import files, medical
from course_lib.errors import CourseError


def arrays(n: int = 6) -> dict[str, np.ndarray]:
    rng = np.random.default_rng()
    return {
        f"{split}_{kind}": rng.integers(0, top, shape, dtype=np.uint8)
        for split in ("train", "val", "test")
        for kind, top, shape in (("images", 256, (n, 28, 28)), ("labels", 2, (n, 1)))
    }


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Write arrays into the data folder."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))

    def write(content: dict[str, np.ndarray]):
        np.savez_compressed(tmp_path / "pneumoniamnist.npz", **content)
        return tmp_path / "pneumoniamnist.npz"

    return write


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_images_and_labels_are_those_of_the_file(store, split):
    content = arrays()
    store(content)
    loaded = medical.load(split)
    assert loaded.images.dtype == torch.float32
    assert loaded.labels.dtype == torch.int64
    pixels = (255 * loaded.images[:, 0]).round().byte().numpy()
    assert np.array_equal(pixels, content[f"{split}_images"])
    assert loaded.labels.tolist() == content[f"{split}_labels"].ravel().tolist()
    assert loaded.classes == ("normal", "pneumonia")


@pytest.mark.parametrize(
    "change",
    [
        {"test_images": None},
        {"test_images": np.zeros((6, 64, 64), np.uint8)},
        {"test_images": np.zeros((6, 28, 28), np.float32)},
        {"test_images": np.zeros((5, 28, 28), np.uint8)},
        {"test_labels": np.full((6, 1), 2, np.uint8)},
        {"test_images": np.array({"an": "object"})},
    ],
    ids=["no images", "64 pixels", "floats", "fewer images", "a third class", "an object"],
)
def test_another_content_is_one_sentence(store, change):
    store({k: v for k, v in (arrays() | change).items() if v is not None})
    with pytest.raises(CourseError, match="course data fetch pneumonia") as caught:
        medical.load("test")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "text", "flipped", "empty"])
def test_damage_is_one_sentence(store, damage):
    path = store(arrays(40))
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut": content[:-100],
            "text": b"<html>please log in</html>",
            "flipped": content[:200] + bytes(255 - b for b in content[200:400]) + content[400:],
            "empty": b"",
        }[damage]
    )
    with pytest.raises(CourseError, match="course data fetch pneumonia"):
        medical.load("train")


def test_a_missing_file_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "nowhere"))
    assert not files.available("pneumonia")
    with pytest.raises(CourseError, match="course data fetch pneumonia"):
        medical.load("train")


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match="train, val, test"):
        medical.load("validation")


def test_the_real_file(shared_data, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(shared_data))
    counts = {split: medical.load(split).labels.bincount().tolist() for split in medical.SPLITS}
    assert counts == {"train": [1214, 3494], "val": [135, 389], "test": [234, 390]}
    # No image is in both splits (each differs from every other in many pixels).
    train, test = medical.load("train").images, medical.load("test").images
    assert torch.cdist(train.flatten(1), test.flatten(1)).min() > 0.2
