"""The course's own JupyterLab, started as `course lab` starts it."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running_lab(root: Path) -> Iterator[str]:
    """Serve a course folder; yield the address that is printed for the learner, token included."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = root.parent / "lab.log"
    command = [sys.executable, "-m", "course_lib.cli", "lab", "--no-browser", f"--port={port}"]
    with log.open("w", encoding="utf-8") as output:
        server = subprocess.Popen(
            [*command, "--course", str(root)], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        found = None
        for _ in range(120):
            time.sleep(1)
            found = re.search(r"http://127\.0\.0\.1:\S+token=\w+", log.read_text("utf-8"))
            if found or server.poll() is not None:
                break
        assert found, f"JupyterLab did not start:\n{log.read_text('utf-8')[-2000:]}"
        yield found.group()
    finally:
        server.terminate()
        server.wait(30)
