"""Find submissions in whatever an instructor points at."""

import os
import re
import stat
import unicodedata
from pathlib import Path
from typing import NamedTuple

from course_lib.errors import CourseError
from course_lib.notebooks.rebuild import read_notebook


class Submission(NamedTuple):
    """One student's notebook for one module; `problem` says why it cannot be graded."""

    student: str
    module: str
    path: Path
    problem: str = ""


def collect(paths: list[Path], modules: list[str]) -> list[Submission]:
    """Return all submissions under `paths`, sorted.

    A path is a notebook, a folder of notebooks, or an nbgrader tree ``student/module/*.ipynb``.
    The module is the one the notebook names in its metadata, else the one in its path; the student
    is the folder above the module's folder, else the file's name without the module's.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise CourseError(f"There is nothing at {path}.")
        # what an instructor names may be a link; what lies below it is followed nowhere
        inside = path.resolve().rglob("*.ipynb") if path.is_dir() else [path.resolve()]
        files |= {f: None for f in inside if ".ipynb_checkpoints" not in f.parts}
    found = [_submission(file, modules) for file in files]
    if not found:
        raise CourseError(f"No notebook (*.ipynb) under {', '.join(map(str, paths))}.")
    same: dict[tuple[str, str], list[Path]] = {}
    for one in found:  # on some systems ANN and ann are one folder
        same.setdefault((one.student.casefold(), one.module), []).append(one.path)
    for place, one in enumerate(found):
        paths = same[one.student.casefold(), one.module]
        if len(paths) > 1 and not one.problem:
            above = os.path.commonpath([path.parent for path in paths])
            names = " and ".join(_printable(os.path.relpath(path, above)) for path in paths)
            twice = f"There are two submissions of {one.student} for {one.module}: {names}."
            found[place] = one._replace(problem=f"{twice} Keep one.")
    return sorted(found)


def _submission(path: Path, modules: list[str]) -> Submission:
    problem, module = "", ""
    try:
        if path.is_symlink():
            raise CourseError(f"{path.name} is a link. Hand in the notebook itself.")
        if not _is_small_file(path.with_name("timestamp.txt")):
            raise CourseError("Beside it is a timestamp.txt that is none. Delete that.")
        course = read_notebook(path).metadata.get("course")
        module = course.get("module", "") if isinstance(course, dict) else ""
    except CourseError as error:
        problem = str(error)
    in_path = next((m for m in modules if m in path.stem or m == path.parent.name), "")
    module = module if module in modules else in_path
    if not module and not problem:
        problem = "It does not say which module it belongs to; put the module into the file's name."
    if path.parent.name == module:
        student = path.parent.parent.name
    else:
        name = re.escape(module) if module else r"\Z"
        student = re.sub(rf"[-_ ]*{name}[-_ ]*", "", path.stem) or path.parent.name
    student = re.sub(r"[^\w.@-]+", "_", unicodedata.normalize("NFC", student))
    if not student.strip("._"):
        problem = problem or "It does not say whose it is; put the student into the file's name."
    return Submission(student, module, path, _printable(problem))


def _is_small_file(path: Path) -> bool:
    """Tell whether nbgrader, which reads it, can: a pipe would never end."""
    if not os.path.lexists(path):
        return True
    about = path.lstat()
    return stat.S_ISREG(about.st_mode) and about.st_size < 100


def _printable(text: str) -> str:
    """Replace what a file's name may hold, but not a line of a table."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)
