"""Where the course keeps what belongs to one learner: caches, downloads, progress.

``COURSE_HOME`` names the folder; the default is ``~/.transfer-learning-course``. ``COURSE_DATA``,
``COURSE_CACHE``, ``COURSE_NOTES`` and ``COURSE_REPORT`` put one of its parts elsewhere.
Nothing in it is needed: delete it and the course makes it again (progress and downloads are lost).
"""

import os
import tempfile
from pathlib import Path

from course_lib.errors import CourseError


def home() -> Path:
    """Return the learner's own course folder (it may not exist yet)."""
    return Path(os.environ.get("COURSE_HOME") or Path.home() / ".transfer-learning-course")


def place(name: str) -> Path:
    """Return where "data", "cache", "notes" or "report" is (it may not exist yet)."""
    return Path(os.environ.get(f"COURSE_{name.upper()}") or home() / name)


def folder(name: str) -> Path:
    """Return ``place(name)``, made if need be; `CourseError` if it cannot be made or written."""
    path = place(name)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CourseError(
            f"The folder {path} cannot be made ({error.strerror}). "
            "Set COURSE_HOME to a folder you may write to."
        ) from error
    if not os.access(path, os.W_OK):
        raise CourseError(
            f"The folder {path} is not writable. Set COURSE_HOME to a folder you may write to."
        )
    return path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all (full disk, Ctrl-C, power cut)."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}.") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)
