"""The judge's side of a process apart: start `serve`, and a channel to it."""

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from course_lib.checks import wire
from course_lib.checks.run import Channel, NoAnswer
from course_lib.checks.serve import read_frame, write_frame

# What the learner's side must not have: the judges, and what grades.
_JUDGES_SIDE = ("judges", "grading", "__pycache__")


@contextlib.contextmanager
def learners_library() -> Iterator[Path]:
    """Yield a folder with a copy of this package as the learner's side may see it: no judges."""
    package = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory(prefix="learner-side-") as folder:
        shutil.copytree(
            package, Path(folder) / package.name, ignore=shutil.ignore_patterns(*_JUDGES_SIDE)
        )
        yield Path(folder)


@contextlib.contextmanager
def process_apart(source: str, library: Path) -> Iterator[Channel]:
    """Run `source`, a learner's code, in a fresh Python process and yield a channel to it.

    `library` is the folder that `learners_library` made. The process starts without site
    initialisation, so an editable install of the whole package does not bring the judges back.
    """
    paths = dict.fromkeys(
        [str(library), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
    }
    child = subprocess.Popen(
        [sys.executable, "-S", "-m", "course_lib.checks.serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd=library,
    )

    def channel(question: bytes) -> bytes:
        try:
            write_frame(child.stdin, question)
            answer = read_frame(child.stdout)
        except (OSError, wire.NotPlain):
            answer = None
        if answer is None:
            raise NoAnswer("the process with your code has ended")
        return answer

    try:
        write_frame(child.stdin, wire.encode(source))
        yield channel
    finally:
        child.kill()
        child.communicate()
