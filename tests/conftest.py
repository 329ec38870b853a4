"""What holds for every test: a home of its own, few threads, no network.

Tests marked ``network`` run only when asked for, as ``.ci/run`` does first:
``python3 start.py test -m network``.
"""

import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")

HOME = tempfile.mkdtemp(prefix="course-tests-")
# One home for the whole session, so that what is costly (the rendered glyphs) is made once; and
# nobody's own Jupyter settings. Child processes, such as notebook kernels, get all of it too.
os.environ["COURSE_HOME"] = HOME
os.environ.pop("COURSE_DATA", None)
os.environ["IPYTHONDIR"] = os.path.join(HOME, "ipython")
os.environ["JUPYTER_CONFIG_DIR"] = os.path.join(HOME, "jupyter")
# Small tensors gain nothing from more threads, and lose when these wait for each other on a busy
# machine. Must be set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

connect = socket.socket.connect
network_allowed = False


def guarded_connect(self: socket.socket, address: object) -> None:
    """Connect within this machine only, unless the running test is marked ``network``."""
    if self.family in (socket.AF_INET, socket.AF_INET6) and not network_allowed:
        host = str(address[0])
        if host not in ("localhost", "::1") and not host.startswith("127."):
            raise RuntimeError(f"A test reached for the network: {host}")
    return connect(self, address)


socket.socket.connect = guarded_connect


def pytest_runtest_setup(item: pytest.Item) -> None:
    global network_allowed
    network_allowed = item.get_closest_marker("network") is not None
    if network_allowed and "network" not in item.config.option.markexpr:
        pytest.skip("needs the package index; run it with: python3 start.py test -m network")


def pytest_unconfigure() -> None:
    socket.socket.connect = connect
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The stand-in data beside the repository, where there is any."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the stand-in data in {folder}")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; without one the test is skipped, or fails if CI requires it."""
    for name in CHROMIUM:
        if path := shutil.which(name):
            return path
    reason = "needs a Chromium browser on the path"
    if os.environ.get("COURSE_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
