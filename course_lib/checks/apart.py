"""What the learner's side may have of this package when both sides are apart."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from course_lib.home import temporary_folder

# The judges, and what grades.
_JUDGES_SIDE = ("judges", "grading", "__pycache__")


@contextlib.contextmanager
def learners_library() -> Iterator[Path]:
    """Yield a folder with a copy of this package as the learner's side may see it: no judges."""
    package = Path(__file__).resolve().parents[1]
    with temporary_folder("library") as folder:
        ignored = shutil.ignore_patterns(*_JUDGES_SIDE)
        shutil.copytree(package, folder / package.name, ignore=ignored)
        yield folder
