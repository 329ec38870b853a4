"""Find submissions in whatever an instructor points at."""

import re
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
    found = []
    for path in paths:
        if not path.exists():
            raise CourseError(f"There is nothing at {path}.")
        files = sorted(path.rglob("*.ipynb")) if path.is_dir() else [path]
        found += [
            _submission(file, modules) for file in files if ".ipynb_checkpoints" not in str(file)
        ]
    if not found:
        raise CourseError(f"No notebook (*.ipynb) under {', '.join(map(str, paths))}.")
    twice = {}
    for one in found:
        twice.setdefault((one.student, one.module), []).append(one)
    for (student, module), same in twice.items():
        if len(same) > 1 and module:
            names = " and ".join(str(one.path) for one in same)
            raise CourseError(f"Two submissions of {student} for {module}: {names}. Keep one.")
    return sorted(found)


def _submission(path: Path, modules: list[str]) -> Submission:
    problem, module = "", ""
    try:
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
        student = (
            re.sub(rf"[-_ ]*{re.escape(module)}[-_ ]*", "", path.stem) if module else path.stem
        )
        student = student or path.parent.name
    return Submission(re.sub(r"[^\w.@-]+", "_", student), module, path, problem)
