"""Where the course keeps what belongs to one learner: caches, downloads, progress.

``COURSE_HOME`` names the folder; the default is ``~/.transfer-learning-course``. ``COURSE_DATA``,
``COURSE_CACHE``, ``COURSE_NOTES`` and ``COURSE_REPORT`` put one of its parts elsewhere.
Nothing in it is needed: delete it and the course makes it again (progress and downloads are lost).
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

from course_lib.errors import CourseError

fcntl = import_module("fcntl") if os.name == "posix" else None  # Windows has no such locks


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


@contextmanager
def temporary_folder(name: str, where: str | None = None) -> Iterator[Path]:
    """Yield a new folder ``course-name-…``, removed at the end.

    What a killed process left is removed by the next: the living hold a lock on theirs.

    Parameters
    ----------
    where
        A folder for it; the system's for temporary files if None.
    """
    made = Path(tempfile.mkdtemp(prefix="course-new-", dir=where))
    lock = None
    with suppress(OSError):  # some file systems have no locks: nothing is removed there
        lock = _locked(made)  # before it has the name that others look for
    folder = made.rename(made.with_name(made.name.replace("new", name, 1)))
    try:
        _remove_old(folder.parent.glob(f"course-{name}-????????"))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """Return the descriptor that holds the lock; OSError if another process has it."""
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_old(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # its process is alive, or it has gone meanwhile
            about = folder.lstat()
            ours = stat.S_ISDIR(about.st_mode) and stat.S_IMODE(about.st_mode) == 0o700
            if ours and fcntl and about.st_uid == os.getuid():
                lock = _locked(folder)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
