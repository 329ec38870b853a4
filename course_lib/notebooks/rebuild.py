"""Put a learner's work into a fresh copy of the release.

Grading starts from such a notebook, and so does a learner's own copy after the course was updated:
whatever happened to the cells the course gave, only what the learner wrote is taken over.
"""

import ast
import re
import stat
from collections import Counter
from copy import deepcopy
from pathlib import Path
from textwrap import shorten

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import compute_checksum

from course_lib.errors import CourseError
from course_lib.notebooks.build import given_mark

MAX_BYTES = 32 * 2**20  # ten times the course's largest notebook with all its figures
MAX_CELLS = 2_000
MAX_CHARACTERS = 200_000  # in all cells together; a module of the course has 50,000
ANOTHER_RELEASE = (
    "This notebook says it comes from another release of the course. Your answers are in the "
    "present one; of the course's own cells only exercises and checks were compared."
)
_KINDS = ("code", "markdown", "raw")


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook of any format version; `CourseError` with one sentence if it is none.

    Anybody may have written it: only a regular file is opened (a pipe would never end), and only
    one of bounded size is parsed. Its cells have a known kind, metadata, a text that UTF-8 holds.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise CourseError(f"{path.name} is not a file. Hand in the notebook itself.")
        if about.st_size > MAX_BYTES:
            raise CourseError(
                f"{path.name} has {about.st_size / 1e6:.0f} MB, of {MAX_BYTES / 1e6:.0f} MB that a "
                "notebook may have. Clear its outputs, save it again and send that file."
            )
        notebook = _parsed(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}.") from error
    except CourseError:
        raise
    except Exception as error:  # nbformat raises many kinds for what is not a notebook
        raise CourseError(
            f"{path.name} is not a Jupyter notebook that can be read ({type(error).__name__}). "
            "Open it in JupyterLab, save it again and send that file."
        ) from error
    n_cells, n_characters = len(notebook.cells), sum(len(cell.source) for cell in notebook.cells)
    if n_cells > MAX_CELLS or n_characters > MAX_CHARACTERS:
        raise CourseError(
            f"{path.name} has {n_cells:,} cells with {n_characters:,} characters; a notebook may "
            f"have {MAX_CELLS:,} with {MAX_CHARACTERS:,}. Delete cells and send it again."
        )
    return notebook


def _parsed(text: str) -> NotebookNode:
    # not nbformat.reads, which validates every output of every cell: slow, and nobody needs them
    notebook = nbformat.convert(nbformat.reader.reads(text), 4)
    notebook.nbformat_minor = 5
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type in _KINDS]
    for cell in notebook.cells:
        cell.source = cell.source.encode("utf-8", "replace").decode()
        if not _are_attachments(cell.get("attachments", {})):
            del cell["attachments"]
    return notebook


def _are_attachments(value: object) -> bool:
    """Tell whether this is what a pasted picture leaves: name -> kind -> text of base64."""
    return isinstance(value, dict) and all(
        isinstance(kinds, dict)
        and all(re.fullmatch(r"image/[\w.+-]+", kind) for kind in kinds)
        and all(isinstance(data, str) and _BASE64.fullmatch(data) for data in kinds.values())
        for kinds in value.values()
    )


_BASE64 = re.compile(r"[\w+/=\s]*", re.ASCII)


def rebuild(release: NotebookNode, submission: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """Return the release with the learner's answers and own cells in it, and what was mended.

    An answer is found by its grade id, else by its cell id, else by the name it defines. Cells that
    the learner added, and cells of the course that they edited, follow the cell they stood behind.

    Returns
    -------
    notebook
        A new notebook; its given cells and its metadata are the release's.
    notes
        One sentence, in plain words, for each thing that was missing, doubled, moved or changed.
    """
    rebuilt, notes = deepcopy(release), []
    cells = list(submission.cells)
    taken: dict[int, str] = {}  # index in the submission -> grade id it answers

    for cell in rebuilt.cells:
        grade_id = _grade_id(cell)
        if not _is_solution(cell):
            continue
        found, how = _answers(cell, grade_id, cells)
        if not found:
            notes.append(f"The cell for `{grade_id}` was missing; it counts as not attempted.")
            continue
        answered = [i for i in found if not _blank(cells[i], cell)]
        chosen = (answered or found)[-1]
        if how != "grade id":
            notes.append(f"The cell for `{grade_id}` had lost its label; found by its {how}.")
        if len(found) > 1:
            notes.append(
                f"There were {len(found)} cells for `{grade_id}`; the last one you edited is your "
                "answer."
            )
        if answered:  # else the stub stays the newest one
            cell.source = cells[chosen].source
            if "attachments" in cells[chosen]:  # pictures pasted into a written answer
                cell.attachments = cells[chosen].attachments
        # an answer split in two leaves a helper in the first half: it stays a cell of their own
        taken.update({i: grade_id for i in found if i == chosen or i not in answered})

    another = _release(submission) not in (_release(release), "")
    if another:
        notes.insert(0, ANOTHER_RELEASE)
    notes += _changes(release.cells, cells, taken, another)
    _add_own_cells(rebuilt, cells, taken, notes)
    return rebuilt, list(dict.fromkeys(notes))


def _answers(cell: NotebookNode, grade_id: str, cells: list) -> tuple[list[int], str]:
    """Find the submission's cells that answer one exercise, and say how they were found."""
    tests = {
        "grade id": lambda c: _grade_id(c) == grade_id,
        "cell id": lambda c: c.get("id") == cell.id,
        "name": lambda c: c.cell_type == "code" and grade_id in _defined(c.source),
    }
    for how, test in tests.items():
        found = [i for i, c in enumerate(cells) if c.cell_type == cell.cell_type and test(c)]
        if found:
            return found, how
    return [], ""


def _blank(answer: NotebookNode, stub: NotebookNode) -> bool:
    """Tell whether an answer is still a stub: this release's or (by its checksum) an older one."""
    if answer.source.strip() == stub.source.strip():
        return True
    checksum = (answer.metadata.get("nbgrader") or {}).get("checksum")
    return bool(_grade_id(answer)) and checksum == compute_checksum(answer)


def _changes(release: list, cells: list, taken: dict[int, str], another: bool) -> list[str]:
    """Say what became of the cells the course gave: gone, doubled, moved, with other settings.

    Between releases the course itself changes its prose and its points, but not the exercises'
    grade ids: of a notebook that says it is from another release only their cells are compared.
    """
    sources = Counter(cell.source.strip() for cell in release)
    by_source = {
        c.source.strip(): i for i, c in enumerate(release) if sources[c.source.strip()] == 1
    }
    by_mark = {_mark(release[i]): i for i in by_source.values() if _mark(release[i])}
    by_grade_id = {_grade_id(cell): i for i, cell in enumerate(release) if _grade_id(cell)}
    compared = {i for i, cell in enumerate(release) if _grade_id(cell) or not another}
    places, notes = [], []  # which cell of the release each of theirs is
    for index, cell in enumerate(cells):
        grade_id = taken.get(index) or _grade_id(cell)
        keys = ((by_grade_id, grade_id), (by_mark, _mark(cell)), (by_source, cell.source.strip()))
        place = next((known[key] for known, key in keys if key in known), None)
        if place in compared:
            places.append(place)
            ours = release[place]
            if _settings(cell, ours, another) != _settings(ours, ours, another):
                notes.append(f"The settings of {name_of(ours)} were changed. They are back.")
    given = [i for i in by_source.values() if i in compared and not _is_solution(release[i])]
    times = Counter(places)
    gone = [name_of(release[i]) for i in given if not times[i]]
    twice = [name_of(release[i]) for i in given if times[i] > 1]
    if gone:
        notes.append(f"Missing from the course's own cells: {_few(gone)}. Back in place.")
    if twice:
        notes.append(f"More than once in the notebook: {_few(twice)}. One is kept.")
    once = [i for i in places if times[i] == 1]
    if once != sorted(once):
        notes.append("Cells stood in another order than the course's. They are back in its order.")
    return notes


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def name_of(cell: NotebookNode) -> str:
    """Return how a person recognises a cell: its grade id, else how it begins."""
    if grade_id := _grade_id(cell):
        return f"`{grade_id}`"
    first = cell.source.strip().split("\n")[0].replace("`", "").strip("#* ")
    first = "".join(sign for sign in first if sign.isprintable())
    return f"“{shorten(first, 40, placeholder='…')}”"


def _settings(cell: NotebookNode, given: NotebookNode, another: bool) -> tuple:
    """What decides how a cell is run and marked; what their notebook has lost counts as kept."""
    nbgrader = cell.metadata.get("nbgrader")
    marks = nbgrader if isinstance(nbgrader, dict) else {}
    fields = given.metadata.get("nbgrader") or {}
    names = ("grade", "solution", "task", *(() if another else ("points",)))
    return cell.metadata.get("tags", []), [marks.get(n, fields.get(n)) for n in names]


def _release(notebook: NotebookNode) -> str:
    course = notebook.metadata.get("course")
    release = course.get("release") if isinstance(course, dict) else None
    return release if isinstance(release, str) else ""


def _is_solution(cell: NotebookNode) -> bool:
    return bool((cell.metadata.get("nbgrader") or {}).get("solution"))


def _add_own_cells(rebuilt: NotebookNode, cells: list, taken: dict, notes: list[str]) -> None:
    by_mark = {_mark(cell): cell.id for cell in rebuilt.cells if _mark(cell)}
    by_source = {cell.source.strip(): cell.id for cell in rebuilt.cells}
    by_grade_id = {_grade_id(cell): cell.id for cell in rebuilt.cells if _grade_id(cell)}
    names = {cell.id: name_of(cell) for cell in rebuilt.cells}
    fixed = {_grade_id(cell) for cell in rebuilt.cells if not _is_solution(cell)} - {""}
    anchor, behind = "", {}  # the release cell that own cells stand behind
    for index, cell in enumerate(cells):
        if index in taken:
            anchor = by_grade_id[taken[index]]
            continue
        is_fixed = _grade_id(cell) in fixed  # else a former answer: before the one that counts
        known = by_mark.get(_mark(cell)) or by_source.get(cell.source.strip())
        known = known or (by_grade_id[_grade_id(cell)] if is_fixed else "")
        anchor = known or anchor
        # a mark that fits is an older release's prose; a check always reads the same
        fits = _mark(cell) == given_mark(cell.source) and not is_fixed
        untouched = cell.source.strip() in by_source or fits
        if untouched or not cell.source.strip():
            continue
        if _mark(cell) or is_fixed:
            which = f" ({names[known]})" if known else ""
            notes.append(
                f"A cell of the course{which} was edited; the original is back, your version "
                "follows it."
            )
        behind.setdefault(anchor, []).append(_own(cell, index))
    result = behind.pop("", [])
    for cell in rebuilt.cells:
        result += [cell, *behind.get(cell.id, [])]
    rebuilt.cells = result


def _own(cell: NotebookNode, number: int) -> NotebookNode:
    make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
    own = make(source=cell.source, id=f"own-{number:02d}")
    if "attachments" in cell:
        own.attachments = cell.attachments
    return own


def _grade_id(cell: NotebookNode) -> str:
    nbgrader = cell.metadata.get("nbgrader")
    grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    return grade_id if isinstance(grade_id, str) else ""


def _mark(cell: NotebookNode) -> str:
    course = cell.metadata.get("course")
    mark = course.get("given") if isinstance(course, dict) else None
    return mark if isinstance(mark, str) else ""


def _defined(source: str) -> set[str]:
    """Names that a cell defines at its top level; none if it cannot be parsed."""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    try:
        tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names
