"""Omniglot's own zip files, made small; and the real ones, where they are at hand."""

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from course_lib.data import catalogue, files, omniglot
from course_lib.data.drawings import framed
from course_lib.errors import CourseError


def drawing(seed: int, jitter: int = 0) -> bytes:
    """A polyline, black on white in one bit, as in the official files."""
    rng = np.random.default_rng(seed)
    points = rng.integers(15, 90, (5, 2)) + np.random.default_rng(jitter + 1).integers(
        -3, 4, (5, 2)
    )
    picture = Image.new("1", (105, 105), 1)
    ImageDraw.Draw(picture).line([tuple(map(int, p)) for p in points], 0, 3)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def write_runs(path, n_runs=20):
    rng = np.random.default_rng(0)
    truth = []
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1, n_runs + 1):
            order = rng.permutation(20)
            truth.append(order)
            lines = []
            for k in range(20):
                item, of_class = f"item{k + 1:02d}.png", f"class{order[k] + 1:02d}.png"
                name = f"run{number:02d}"
                seed = 100 * number
                archive.writestr(f"{name}/training/class{k + 1:02d}.png", drawing(seed + k))
                archive.writestr(f"{name}/test/{item}", drawing(seed + int(order[k]), 1))
                lines.append(f"{name}/test/{item} {name}/training/{of_class}")
            rng.shuffle(lines)
            archive.writestr(f"run{number:02d}/class_labels.txt", "\n".join(lines) + "\n")
    return truth


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return tmp_path


def test_runs_keep_classes_and_answers_in_step(data):
    truth = write_runs(data / "all_runs.zip")
    runs = omniglot.runs()
    assert len(runs) == 20
    for run, answers in zip(runs, truth, strict=True):
        assert run.support.shape == run.query.shape == (20, 1, 32, 32)
        assert run.answers.tolist() == answers.tolist()
    # The drawings are the right ones: a query resembles its class most often.
    similar = torch.nn.functional.normalize(runs[0].query.flatten(1), dim=1)
    similar = similar @ torch.nn.functional.normalize(runs[0].support.flatten(1), dim=1).T
    assert (similar.argmax(1) == runs[0].answers).float().mean() > 0.5


@pytest.mark.parametrize("damage", ["cut", "text", "a run missing", "a drawing missing"])
def test_damaged_runs_give_one_sentence(data, damage):
    path = data / "all_runs.zip"
    write_runs(path, 19 if damage == "a run missing" else 20)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:3000])
    if damage == "text":
        path.write_bytes(b"<html>please log in</html>")
    if damage == "a drawing missing":
        with zipfile.ZipFile(path) as whole:
            kept = {n: whole.read(n) for n in whole.namelist() if n != "run07/test/item03.png"}
        with zipfile.ZipFile(path, "w") as part:
            for name, content in kept.items():
                part.writestr(name, content)
    with pytest.raises(CourseError, match="course data fetch omniglot_runs") as caught:
        omniglot.runs()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["omniglot_runs", "omniglot_background", "omniglot_evaluation"])
def test_missing_data_say_how_to_get_them(data, name):
    with pytest.raises(CourseError, match=f"course data fetch {name}"):
        catalogue.verify(name)
    assert "MIT" in files.SOURCES[name].licence


def test_a_split_is_read_from_its_zip_and_kept(data):
    path = data / "images_evaluation.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for character, seed in (("Keble/character02", 5), ("Angelic/character01", 9)):
            for drawer in (2, 1):
                name = f"images_evaluation/{character}/0965_{drawer:02d}.png"
                archive.writestr(name, drawing(seed, drawer))
        archive.writestr("images_evaluation/readme.txt", "nothing")
    loaded = omniglot.load("evaluation")
    assert loaded.classes == ("Angelic/character01", "Keble/character02")
    assert loaded.labels.tolist() == [0, 0, 1, 1]
    assert torch.equal(omniglot.load("evaluation").images, loaded.images)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("images_evaluation/Keble/character03/0001_01.png", drawing(11))
    assert len(omniglot.load("evaluation").labels) == 5  # not the kept ones
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("images_evaluation/Keble/character03/0001_02.png", b"no picture")
    with pytest.raises(CourseError, match="0001_02"):
        omniglot.load("evaluation")
    with pytest.raises(ValueError, match="background or evaluation"):
        omniglot.load("runs")


def test_drawings_are_framed_wherever_and_however_large_they_are():
    ink = np.zeros((200, 300), bool)
    ink[40:120, 60:63] = True
    ink[118:121, 60:110] = True  # an L
    once = framed(ink)
    assert once.shape == (32, 32)
    assert once.dtype == np.float32
    rows, columns = (once > 0.5).any(1).nonzero()[0], (once > 0.5).any(0).nonzero()[0]
    assert rows[-1] - rows[0] + 1 == 24
    assert abs((rows[0] + rows[-1]) - (columns[0] + columns[-1])) <= 1  # in the middle, both ways
    assert np.array_equal(framed(np.roll(ink, (15, 100), (0, 1))), once)
    twice = framed(np.kron(ink, np.ones((2, 2), bool)))
    assert np.abs(twice - once).mean() < 0.03
    # A thin pen gives nearly the strokes of a thick one; without thickening, under a third.
    thick = np.zeros_like(ink)
    thick[40:121, 60:69] = True
    thick[112:121, 60:110] = True
    assert 0.6 < once.sum() / framed(thick).sum() < 1.3
    assert not framed(np.zeros((10, 10), bool)).any()
    assert framed(np.ones((1, 1), bool)).any()


def test_the_real_runs(shared_data, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(shared_data))
    runs = omniglot.runs()
    assert len(runs) == 20
    for run in runs:
        assert sorted(run.answers.tolist()) == list(range(20))
        assert run.support.flatten(1).amax(1).min() > 0.9
    assert "20 runs" in catalogue.verify("omniglot_runs")
    # Pixels are far above guessing (5 %), so drawings and answers belong together.
    right = 0
    for run in runs:
        a, b = (torch.nn.functional.normalize(x.flatten(1), dim=1) for x in run[:2])
        right += int(((b @ a.T).argmax(1) == run.answers).sum())
    assert right > 100
