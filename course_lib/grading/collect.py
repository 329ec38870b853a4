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
    module's is the student. An archive, and a student's folder without a notebook or one that is
    not looked into, are listed, too, with what to do.
    """
    found: dict[Path, Submission] = {}
    without: dict[Path, Submission] = {}
    for path in paths:
        if not path.exists():
            raise CourseError(f"There is nothing at {path}.")
        top = path.resolve()  # what an instructor names may be a link
        if top.is_dir():
            some, none = _below(top, modules)
        else:
            some, none = [_submission(top.parent, top, modules)], []
        found = {one.path: one for one in some} | found
        without = {one.path: one for one in none} | without
    if not found:
        raise CourseError(f"No notebook (*.ipynb) under {', '.join(map(str, paths))}.")
    checked = _without_twins(_without_strangers(list(found.values()), modules))
    return sorted([*checked, *without.values()])


def _below(top: Path, modules: list[str]) -> tuple[list[Submission], list[Submission]]:
    """Return what lies below a folder, and the students' folders in which nothing does.

    Links are followed nowhere.
    """
    found: list[Submission] = []
    looked_into: dict[Path, list[str]] = {}  # folder -> what it holds
    to_look = [top]
    while to_look:
        folder = to_look.pop()
        try:
            inside = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            why = f"The folder {folder.name} cannot be opened: {error.strerror}."
            found.append(_not_a_notebook(top, folder, modules, why))
            continue
        looked_into[folder] = [entry.name for entry in inside if entry.name not in _SILENT]
        is_place = folder == top or _is_a_place(top, folder, modules)
        for entry in inside:
            path = Path(entry)
            if entry.name in _SILENT:
                continue
            if _NOTEBOOK.search(entry.name):
                found.append(_submission(top, path, modules))
            elif entry.is_dir(follow_symlinks=False):
                to_look.append(path)
            elif entry.is_symlink():
                if _is_a_place(top, path, modules) and not os.path.isfile(path):
                    why = f"{path.name} is a link. Put the folder itself there."
                    found.append(_not_a_notebook(top, path, modules, why))
            elif _ARCHIVE.search(entry.name) and is_place:  # deeper it is a data set
                why = f"{path.name} is an archive: unpack it and grade again."
                found.append(_not_a_notebook(top, path, modules, why))
    full = {folder for one in found for folder in (one.path, *one.path.parents)}
    holders = {one.path.parent for one in found if _NOTEBOOK.search(one.path.name)}
    if holders == {top}:
        return found, []  # students are files here, so a folder is something else
    without = []
    for folder, names in reversed(looked_into.items()):  # a module's folder before its student's
        if folder not in full and (folder == top or _is_a_place(top, folder, modules)):
            holds = f"it holds {', '.join(names[:3])}" if names else "it is empty"
            holds += " and more" if len(names) > 3 else ""
            why = f"There is no notebook in {folder.relative_to(top.parent)}: {holds}."
            without.append(_not_a_notebook(top, folder, modules, why))
            full |= {folder, *folder.parents}
    return found, without


_SILENT = (".ipynb_checkpoints", "__MACOSX", ".DS_Store")
# a browser or a mail program has put something behind some names
_NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)
_ARCHIVE = re.compile(r"(\.tar)?\.(zip|7z|rar|tar|t?gz|t?bz2|t?xz)$", re.IGNORECASE)


def _is_a_place(top: Path, folder: Path, modules: list[str]) -> bool:
    """Tell whether a folder is a student's, or one in it for a module."""
    parts = folder.relative_to(top).parts
    if folder.name.startswith("."):
        return False
    return len(parts) == 1 or (len(parts) == 2 and folder.name in modules)


def _not_a_notebook(top: Path, path: Path, modules: list[str], why: str) -> Submission:
    is_file = bool(_ARCHIVE.search(path.name))
    parts = path.relative_to(top).parts
    module = _module_in(top, path, modules)
    folders, named = (parts[:-1], _named(path, module)) if is_file else (parts, "")
    student, by_name = _whose(top, folders, named, modules)
    return Submission(student, module, path, _printable(why), by_name)


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
    module = module if module in modules else _module_in(top, path, modules)
    if not module and not problem:
        problem = "It does not say which module it belongs to; put the module into the file's name."
    if len(folders) > (1 if folders and folders[0] in modules else 2):
        problem = (
            f"{path.name} lies too deep, in {'/'.join(folders)}: a student's folder may have one "
            "folder in it; move the file up, or name the folder that holds the students' folders."
        )
    student, by_name = _whose(top, folders, _named(path, module), modules)
    if not student.strip("._"):
        problem = problem or "It does not say whose it is; put the student into the file's name."
    return Submission(student, module, path, _printable(problem), by_name)


def _module_in(top: Path, path: Path, modules: list[str]) -> str:
    """Return the module that a path names, "" if none: in the file's name or as a folder."""
    folders = (top.name, *path.relative_to(top).parts)
    return next((m for m in modules if m in path.name or m in folders), "")


def _whose(top: Path, folders: tuple[str, ...], named: str, modules: list[str]) -> tuple[str, bool]:
    """Return whose something in these folders below `top` is, and if only its name says so."""
    if folders and folders[0] not in modules:
        return _student(folders[0]), False
    above = top.parent if top.name in modules else top
    if folders or above != top or not named:
        return _student(above.name), False
    return _student(named), _student(named) != _student(top.name)


def _named(path: Path, module: str) -> str:
    """Return what a file's name has beside the module's."""
    ending = _NOTEBOOK.search(path.name) or _ARCHIVE.search(path.name)
    stem = path.name[: ending.start()] if ending else path.stem
    return re.sub(rf"[-_ ]*{re.escape(module)}[-_ ]*", "", stem) if module else stem


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
    for paths in same.values():  # of a .ipynb.txt beside a .ipynb the former is a copy
        paths[:] = [path for path in paths if path.suffix == ".ipynb"] or paths
    checked = []
    for one in found:
        paths = same.get((one.student.casefold(), one.module), [])
        if not one.problem and one.path not in paths:
            continue
        if len(paths) > 1 and not one.problem:
            above = os.path.commonpath([path.parent for path in paths])
            names = " and ".join(_printable(os.path.relpath(path, above)) for path in paths)
            twice = f"There are two submissions of {one.student} for {one.module}: {names}."
            # a folder of many people's files looks the same from here
            or_class = f", or grade {one.student} by itself if that is a folder of a whole class"
            in_one_folder = len({path.parent for path in paths}) == 1 and not one.by_name
            one = one._replace(problem=f"{twice} Keep one{or_class if in_one_folder else ''}.")
        checked.append(one)
    return checked


def _printable(text: str) -> str:
    """Replace what a file's name may hold, but not a line of a table."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)
