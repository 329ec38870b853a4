"""The list of datasets, and what `verify` makes of sound and unsound ones."""

import zipfile

import pytest
import torch
from torchvision.models import mobilenet_v2

from course_lib.data import catalogue, files
from course_lib.errors import CourseError


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return tmp_path


def test_listing_follows_the_folder(data):
    rows = {row["name"]: row for row in catalogue.listing()}
    assert rows["glyphs"]["status"] == rows["digits"]["status"] == "embedded"
    assert all(rows[name]["status"] == "missing" for name in files.SOURCES)
    (data / "hymenoptera_data").mkdir()
    rows = {row["name"]: row for row in catalogue.listing()}
    assert rows["photos"]["status"] == "present"
    assert rows["photos"]["path"] == str(data / "hymenoptera_data")
    assert all(row["licence"] and row["what"] for row in rows.values())


def test_embedded_data_verify():
    assert "held_out" in catalogue.verify("glyphs")
    assert "1000" in catalogue.verify("digits")


@pytest.mark.parametrize("name", files.SOURCES)
def test_missing_downloads_say_how_to_get_them(name):
    with pytest.raises(CourseError, match=f"course data fetch {name}"):
        catalogue.verify(name)


def test_too_few_photographs_are_noticed(data, shared_data):
    with (
        zipfile.ZipFile(shared_data / "hymenoptera_data.zip") as whole,
        zipfile.ZipFile(data / "hymenoptera_data.zip", "w") as part,
    ):
        members = [m for m in whole.namelist() if m.lower().endswith(".jpg")]
        for member in members[::10]:
            part.writestr(member, whole.read(member))
    with pytest.raises(CourseError, match=r"instead of 244 \+ 153"):
        catalogue.verify("photos")


def test_stand_ins_verify(shared_data, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(shared_data))
    assert "244" in catalogue.verify("photos")
    assert "torchvision" in catalogue.verify("mobilenet_v2")
    assert "test: 624 images of 2 classes" in catalogue.verify("pneumonia")


@pytest.mark.parametrize("damage", ["cut", "text", "a list", "a missing tensor", "another shape"])
def test_unsound_weights_are_refused(data, damage):
    state = mobilenet_v2().state_dict()
    path = data / "mobilenet_v2-b0353104.pth"
    if damage == "a missing tensor":
        state.pop("classifier.1.bias")
    if damage == "another shape":
        state["classifier.1.bias"] = torch.zeros(999)
    torch.save([1, 2] if damage == "a list" else state, path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:100_000])
    if damage == "text":
        path.write_bytes(b"<html>please log in</html>")
    with pytest.raises(CourseError, match="course data fetch mobilenet_v2") as caught:
        catalogue.verify("mobilenet_v2")
    assert "\n" not in str(caught.value)


def test_whole_weights_verify(data):
    torch.save(mobilenet_v2().state_dict(), data / "mobilenet_v2-b0353104.pth")
    assert str(len(mobilenet_v2().state_dict())) in catalogue.verify("mobilenet_v2")


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=", ".join(files.SOURCES)):
        catalogue.verify("cats")
