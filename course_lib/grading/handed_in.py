"""Guards where nbgrader itself reads what was handed in: a regular file, and through no link.

`course grade` refuses such things before nbgrader sees them; these hold for ``nbgrader autograde``
and formgrader, too. No learner's code runs while they look, so what they saw is what is read.
"""

import os
import stat
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import parse_utc

from course_lib.errors import CourseError


def refuse_links(path: Path) -> None:
    """Raise `CourseError` if a notebook, its module's folder or its student's is a link."""
    for part in (path, *path.parents[:2]):
        if part.is_symlink():
            raise CourseError(f"{part.name} is a link. Hand in the notebook itself.")


def is_small_file(path: Path) -> bool:
    """Tell whether what nbgrader reads to its end has one, or is not there: a pipe has none."""
    if not os.path.lexists(path):
        return True
    about = path.lstat()
    return stat.S_ISREG(about.st_mode) and about.st_size < 100


def timestamp_of(folder: Path) -> datetime | None:
    """Read when a submission was handed in, as nbgrader does, but never without end.

    Raises
    ------
    CourseError
        If its timestamp.txt is none. nbgrader would end the whole run for a text that is no time.
    """
    path = folder / "timestamp.txt"
    try:
        if not is_small_file(path):
            raise ValueError
        text = path.read_text(encoding="utf-8").strip() if path.exists() else ""
        return parse_utc(text) if text else None
    except (OSError, ValueError, OverflowError) as error:
        raise CourseError(
            f"Beside the notebook in {folder.parent.name} is a timestamp.txt that is none. "
            "Delete that."
        ) from error


def guard_timestamps() -> None:
    """Let all of nbgrader in this process read times of submission by `timestamp_of`.

    nbgrader has no setting for it, so two of its methods are replaced.
    """

    def of_a_folder(self: CourseDirectory, dest_path: str) -> datetime | None:
        return timestamp_of(Path(dest_path))

    def of_a_student(self: NbGraderAPI, assignment_id: str, student_id: str) -> datetime | None:
        step = self.coursedir.submitted_directory
        with suppress(CourseError):  # formgrader lists a class: one must not hide all others
            return timestamp_of(Path(self.coursedir.format_path(step, student_id, assignment_id)))
        return None

    CourseDirectory.get_existing_timestamp = of_a_folder
    NbGraderAPI.get_submitted_timestamp = of_a_student
