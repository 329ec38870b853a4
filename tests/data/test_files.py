"""Downloading from a local server: whole or not at all, and one sentence when it fails."""

import functools
import hashlib
import http.server
import io
import os
import threading
import zipfile

import pytest

from course_lib.data import files
from course_lib.errors import CourseError


@pytest.fixture
def server(tmp_path):
    """Serve a folder on this machine; yields the folder and its address."""
    root = tmp_path / "served"
    root.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def send_head(self):
            if "broken" not in self.path:
                return super().send_head()
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"only the beginning")
            self.close_connection = True
            return None

    handler = functools.partial(Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield root, f"http://127.0.0.1:{http_server.server_address[1]}"
        http_server.shutdown()


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def point(monkeypatch, name, url):
    monkeypatch.setitem(files.SOURCES, name, files.SOURCES[name]._replace(url=url))


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hymenoptera_data/noise", os.urandom(300_000))
    return buffer.getvalue()


def test_fetch_puts_the_file_whole_and_keeps_what_is_there(server, data, monkeypatch):
    root, url = server
    content = zipped()
    (root / "hymenoptera_data.zip").write_bytes(content)
    point(monkeypatch, "photos", f"{url}/hymenoptera_data.zip")
    path = files.fetch("photos")
    assert path.read_bytes() == content
    assert os.listdir(data) == ["hymenoptera_data.zip"]
    (root / "hymenoptera_data.zip").write_bytes(zipped())
    assert files.fetch("photos").read_bytes() == content


def test_weights_are_checked_against_the_hash_in_their_name(server, data, monkeypatch):
    root, url = server
    content = os.urandom(10_000)
    digest = hashlib.sha256(content).hexdigest()[:8]
    for name in (f"mobilenet_v2-{digest}.pth", "mobilenet_v2-00000000.pth"):
        (root / name).write_bytes(content)
    point(monkeypatch, "mobilenet_v2", f"{url}/mobilenet_v2-00000000.pth")
    with pytest.raises(CourseError, match="damaged"):
        files.fetch("mobilenet_v2")
    assert os.listdir(data) == []
    point(monkeypatch, "mobilenet_v2", f"{url}/mobilenet_v2-{digest}.pth")
    assert files.fetch("mobilenet_v2").read_bytes() == content


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nothing_here.zip", "refused"),
        ("portal.zip", "damaged"),
        ("broken.zip", "damaged|could not be downloaded"),
    ],
)
def test_what_went_wrong_is_said_and_nothing_is_left(server, data, monkeypatch, path, says):
    root, url = server
    (root / "portal.zip").write_bytes(b"<html>please log in</html>")
    point(monkeypatch, "photos", f"{url}/{path}")
    with pytest.raises(CourseError, match=says) as caught:
        files.fetch("photos")
    assert "\n" not in str(caught.value)
    assert os.listdir(data) == []
    assert not files.available("photos")


def test_no_network_is_one_sentence(data, monkeypatch):
    point(monkeypatch, "photos", "http://127.0.0.1:9/hymenoptera_data.zip")
    with pytest.raises(CourseError, match="check the network"):
        files.fetch("photos")
    assert os.listdir(data) == []


def test_a_data_folder_that_cannot_be_made_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "file" / "data"))
    with pytest.raises(CourseError, match="COURSE_DATA"):
        files.fetch("photos")


def test_the_data_folder_is_in_the_home_unless_named(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    assert files.data_folder() == tmp_path / "data"
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "other"))
    assert files.data_folder() == tmp_path / "other"


def test_the_official_weights_are_preferred_to_others(data):
    (data / "weights").mkdir(parents=True)
    (data / "weights" / "mobilenet_v2_other.pth").write_bytes(b"")
    assert files.find("mobilenet_v2").name == "mobilenet_v2_other.pth"
    (data / "mobilenet_v2-b0353104.pth").write_bytes(b"")
    assert files.find("mobilenet_v2").name == "mobilenet_v2-b0353104.pth"


def test_urls_and_hashes_are_torchvisions_own():
    from torchvision.models import MobileNet_V2_Weights

    assert files.SOURCES["mobilenet_v2"].url == MobileNet_V2_Weights.IMAGENET1K_V1.url


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="photos or "):
        files.fetch("cats")
