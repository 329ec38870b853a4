"""Find submissions in whatever an instructor points at."""

import os
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from course_lib.errors import CourseError
from course_lib.grading.handed_in import is_small_file
from course_lib.notebooks.rebuild import read_notebook


class Submission(NamedTuple):
    """One student's notebook for one module; `problem` says why it cannot be graded."""

    student: str
    module: str
    path: Path
    problem: str = ""
    by_name: bool = False  # the file's name says whose it is, not a folder


def collect(paths: list[Path], modules: list[str]) -> list[Submission]:
    """Return all submissions under `paths`, sorted.

    A path is a notebook, a folder of notebooks, or a folder with a folder for each student, as
    nbgrader's ``student/module/*.ipynb``. The module is the one the notebook names in its metadata,
    else the one in its path. The student is the top folder below the path, whatever a file in it is
    called: its name was the learner's choice. Where there is no folder, the file's name without the
    module's is the student.
    """
    found: dict[Path, Submission] = {}
    for path in paths:
        if not path.exists():
            raise CourseError(f"There is nothing at {path}.")
        # what an instructor names may be a link; what lies below it is followed nowhere
        top = path.resolve()
        inside = top.rglob("*.ipynb") if top.is_dir() else [top]
        top = top if top.is_dir() else top.parent
        for file in inside:
            if ".ipynb_checkpoints" not in file.parts:
                found.setdefault(file, _submission(top, file, modules))
    if not found:
        raise CourseError(f"No notebook (*.ipynb) under {', '.join(map(str, paths))}.")
    return sorted(_without_twins(_without_strangers(list(found.values()), modules)))


def _submission(top: Path, path: Path, modules: list[str]) -> Submission:
    folders = path.relative_to(top).parts[:-1]
    problem, module = "", ""
    try:
        if path.is_symlink():
            raise CourseError(f"{path.name} is a link. Hand in the notebook itself.")
        if not is_small_file(path.with_name("timestamp.txt")):
            raise CourseError("Beside it is a timestamp.txt that is none. Delete that.")
        course = read_notebook(path).metadata.get("course")
        module = course.get("module", "") if isinstance(course, dict) else ""
    except CourseError as error:
        problem = str(error)
    in_path = next((m for m in modules if m in path.stem or m == path.parent.name), "")
    module = module if module in modules else in_path
    if not module and not problem:
        problem = "It does not say which module it belongs to; put the module into the file's name."
    if len(folders) > (1 if folders and folders[0] in modules else 2):
        problem = (
            f"{path.name} lies too deep, in {'/'.join(folders)}: a student's folder may have one "
            "folder in it; move the file up, or name the folder that holds the students' folders."
        )
    folder = _student_folder(top, folders, modules)
    named = _named(path, module)
    student = _student(folder or named or top.name)
    by_name = not folder and student != _student(top.name)
    if not student.strip("._"):
        problem = problem or "It does not say whose it is; put the student into the file's name."
    return Submission(student, module, path, _printable(problem), by_name)


def _student_folder(top: Path, folders: tuple[str, ...], modules: list[str]) -> str:
    """Return the name of the folder that says whose something is, or "" if none does."""
    if folders and folders[0] not in modules:
        return folders[0]
    if top.name in modules:
        return top.parent.name
    return top.name if folders else ""


def _named(path: Path, module: str) -> str:
    """Return what a file's name has beside the module's."""
    return re.sub(rf"[-_ ]*{re.escape(module)}[-_ ]*", "", path.stem) if module else path.stem


def _student(name: str) -> str:
    return re.sub(r"[^\w.@-]+", "_", unicodedata.normalize("NFC", name))


def _without_strangers(found: list[Submission], modules: list[str]) -> list[Submission]:
    """Give a file in one student's folder that is named after another a problem of its own.

    Somebody has to look at it: a mistake in filing it, or an attempt on the other's mark.
    """
    homes = {
        (folder.parent, one.student.casefold())
        for one in found
        if not one.by_name
        for folder in one.path.parents
        if _student(folder.name) == one.student
    }
    students = {student for _, student in homes}
    checked = []
    for one in found:
        named = _student(_named(one.path, one.module))
        owner = one.student
        # its folder was named by itself, beside that of the student it is called after
        if one.by_name and (one.path.parent.parent, named.casefold()) in homes:
            owner = _student(one.path.parent.name)
        is_strange = named.casefold() in students - {owner.casefold()}
        checked.append(stranger(one, owner) if is_strange else one)
    return checked


def stranger(one: Submission, owner: str) -> Submission:
    """Return a submission as that of the owner of its folder, not gradable for its name."""
    named = _student(_named(one.path, one.module))
    problem = (
        f"{one.path.name} is called after {named}, but lies in the folder of {owner}; "
        "rename it, or move it."
    )
    return one._replace(student=owner, problem=one.problem or _printable(problem), by_name=False)


def folder_of(one: Submission) -> str:
    """Return whose folder a submission would lie in, if it lies in a student's."""
    parent = one.path.parent
    return _student(parent.parent.name if parent.name == one.module else parent.name)


def _without_twins(found: list[Submission]) -> list[Submission]:
    """Give two submissions of one student for one module a problem each."""
    same: dict[tuple[str, str], list[Path]] = {}
    for one in found:  # on some systems ANN and ann are one folder
        if not one.problem:
            same.setdefault((one.student.casefold(), one.module), []).append(one.path)
    checked = []
    for one in found:
        paths = same.get((one.student.casefold(), one.module), [])
        if len(paths) > 1 and not one.problem:
            above = os.path.commonpath([path.parent for path in paths])
            names = " and ".join(_printable(os.path.relpath(path, above)) for path in paths)
            twice = f"There are two submissions of {one.student} for {one.module}: {names}."
            one = one._replace(problem=f"{twice} Keep one.")
        checked.append(one)
    return checked


def _printable(text: str) -> str:
    """Replace what a file's name may hold, but not a line of a table."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)
