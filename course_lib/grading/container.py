"""Grade on a computer without bubblewrap: the same command in a Linux container that has it.

The command lines are tested, their running is not.
"""

import os
import shutil
import subprocess
from pathlib import Path

from course_lib.errors import CourseError

IMAGE = "transfer-learning-course"
RECIPE = """\
FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends bubblewrap
COPY . /src
RUN pip install --no-cache-dir --constraint /src/constraints.txt /src
"""


def build_command(engine: str, checkout: Path) -> list[str]:
    """Return the command that makes the image; it reads `RECIPE` from standard input."""
    return [engine, "build", "--tag", IMAGE, "--file", "-", str(checkout)]


def run_command(engine: str, root: Path, paths: list[Path], options: list[str]) -> list[str]:
    """Return the command that grades `paths` in the container.

    It has no network, sees the course folder and, read-only, the submissions. bubblewrap makes
    namespaces in it, which the engine's default profiles forbid.
    """
    words = [engine, "run", "--rm", "--network", "none", "--cap-drop", "ALL"]
    for profile in ("seccomp", "apparmor", "systempaths"):
        words += ["--security-opt", f"{profile}=unconfined"]
    if hasattr(os, "getuid"):
        words += ["--user", f"{os.getuid()}:{os.getgid()}"]
    words += ["--env", "HOME=/tmp", "--volume", f"{root.resolve()}:/course"]
    inside = []
    for number, path in enumerate(paths):
        inside.append(f"/submissions/{number}/{path.name}")
        words += ["--volume", f"{path.resolve()}:{inside[-1]}:ro"]
    return [*words, IMAGE, "course", "grade", *inside, "--course", "/course", *options]


def grade_in_container(engine: str, root: Path, paths: list[Path], options: list[str]) -> int:
    """Make the image at need, grade in it, and return the exit code of ``course grade``."""
    if not shutil.which(engine):
        raise CourseError(f"{engine} is not installed, or not on the path.")
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / "constraints.txt").is_file():
        raise CourseError("The image is made from a checkout of the course: run `course` from one.")
    subprocess.run(build_command(engine, checkout), input=RECIPE.encode(), check=True)
    return subprocess.call(run_command(engine, root, paths, options))
