"""One submission's rebuilt notebook, run and judged; or the same from the cache.

The cache, ``.graded`` in the course folder, is what makes grading resumable: it is filled by a pool
of workers or by nbgrader itself, whichever comes first, and holds for each submission the judged
cells under a key of all that they depend on. Delete the folder to grade everything anew.
"""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from signal import SIGKILL
from typing import NamedTuple

import nbformat
import torch
from nbformat import NotebookNode

from course_lib import home
from course_lib.checks.verdict import Verdict
from course_lib.errors import CourseError
from course_lib.grading import cgroups, sandbox
from course_lib.grading.seeds import code_of, secret, seed
from course_lib.notebooks.build import read_source
from course_lib.notebooks.run import (
    CELL_SECONDS,
    NOTEBOOK_SECONDS,
    checked_exercise,
    run,
    write_verdict,
)

FOLDER = ".graded"
SLOWER = 10  # times the reference run: a busy machine, an answer in an odd way
NEAR = 0.7  # of the limit: worth a look
UNSAFE = "It was run without a sandbox, with the rights of whoever graded it."


class Limits(NamedTuple):
    """Seconds that a cell and a notebook may take."""

    cell: int
    notebook: int


LEAST = Limits(60, 120)


class Slow(Exception):
    """A submission took longer than `LEAST` allows, and its module's own limits are not known."""


def judged(
    root: Path,
    module: str,
    student: str,
    notebook: NotebookNode,
    *,
    sandboxed: bool = True,
    measure: bool = True,
) -> NotebookNode:
    """Return a rebuilt notebook with outputs and verdicts; `CourseError` if it cannot be run.

    Parameters
    ----------
    root
        The course folder.
    notebook
        The release with a learner's answers in it; not changed. What there is to say of the run is
        added to its metadata's ``course.notes``, and the cache's key as ``course.graded``.
    sandboxed
        False runs it with the rights of whoever grades, and says so.
    measure
        Measure the module's time limits should they be needed; False raises `Slow` instead.
    """
    notebook = deepcopy(notebook)
    path = root / FOLDER / module / f"{student}.json"
    key = _key(root, module, student, notebook, sandboxed)
    kept = _read(path, key)
    if kept is None:
        notes = _grade(root, module, student, notebook, sandboxed, measure)
        kept = {"key": key, "cells": notebook.cells, "notes": notes}
        path.parent.mkdir(parents=True, exist_ok=True)
        home.write_atomically(path, json.dumps(kept).encode())
    notebook.cells = nbformat.from_dict(kept["cells"])
    course = notebook.metadata.setdefault("course", {})
    course["notes"] = [*course.get("notes", []), *kept["notes"]]
    course["graded"] = key
    return notebook


def cached(
    root: Path, module: str, student: str, notebook: NotebookNode, *, sandboxed: bool = True
) -> tuple[str, bool]:
    """Return the cache's key of a rebuilt notebook, and whether `judged` would find it there."""
    key = _key(root, module, student, notebook, sandboxed)
    return key, _read(root / FOLDER / module / f"{student}.json", key) is not None


def _grade(
    root: Path, module: str, student: str, notebook: NotebookNode, sandboxed: bool, measure: bool
) -> list[str]:
    secret_key, code = secret(root), code_of(notebook)
    limits = time_limits(root, module, sandboxed, False)
    for cell in notebook.cells:  # a test cell whose judge has not spoken earns nothing
        if exercise := checked_exercise(cell):
            write_verdict(cell, Verdict(exercise, "not attempted", seen="not judged"))
    start = time.monotonic()
    notes = _run(
        notebook,
        sandboxed,
        limits,
        hidden=root,
        seed_of=lambda exercise: seed(secret_key, module, student, exercise, code),
    )
    took = time.monotonic() - start
    if took > limits.cell and limits is LEAST:  # it may have met a limit that is not its module's
        if not measure:
            raise Slow
        time_limits(root, module, sandboxed)
        return _grade(root, module, student, notebook, sandboxed, measure)
    if took > NEAR * limits.notebook:
        notes.append(f"It ran for {took:.0f} s; {limits.notebook} s is the limit.")
    return notes


def _run(
    notebook: NotebookNode, sandboxed: bool, limits: Limits, *, hidden: Path, **options: object
) -> list[str]:
    """Run a notebook in place and return what there is to say of it."""
    run_it = partial(
        run,
        notebook,
        hard=True,
        cell_seconds=limits.cell,
        notebook_seconds=limits.notebook,
        **options,
    )
    if not sandboxed:
        # nobody's predictions may turn up in somebody else's feedback, or in the grader's notes
        with home.temporary_folder("notes") as notes:
            run_it(folder=notes, notes=notes)
        return [*_ended(notebook), UNSAFE]
    with sandbox.submission([hidden], 4 * limits.notebook) as one:
        with _killed_after(one, limits.notebook + 2 * limits.cell + 60):
            run_it(provision=one.provision)
        if not one.warm.answers():
            raise CourseError("The sandbox ended while this was run. Grade it again.")
        bound, missing = one.ended_by(), cgroups.missing(one.groups)
    return [*_ended(notebook), *([f"While it ran, {bound}."] if bound else []), *missing]


def _ended(notebook: NotebookNode) -> list[str]:
    ended = notebook.metadata.get("course", {}).pop("ended", "")
    return [f"{ended[0].upper()}{ended[1:]}."] if ended else []


@contextmanager
def _killed_after(one: sandbox.Submission, seconds: float) -> Iterator[None]:
    watch = threading.Timer(seconds, one.signal, [SIGKILL])
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def time_limits(root: Path, module: str, sandboxed: bool, measure: bool = True) -> Limits:
    """Return the time limits of a module: multiples of a run of its own solution on this machine.

    The run is measured once for each version of the module, and kept. No limit is below `LEAST`,
    which is enough for most submissions: with `measure` False it is what a module has until then.
    """
    known = _known_limits(root, module, sandboxed)
    if known or not measure:
        return known or LEAST
    if sandboxed:
        sandbox.start([root])
    notebook, key = _reference(root, module, sandboxed)
    start = time.monotonic()
    everything = Limits(CELL_SECONDS, NOTEBOOK_SECONDS)
    _run(deepcopy(notebook), sandboxed, everything, hidden=root)
    kept = {"key": key, "seconds": time.monotonic() - start}
    path = root / FOLDER / module / ".reference.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    home.write_atomically(path, json.dumps(kept).encode())
    return _known_limits(root, module, sandboxed)


def _known_limits(root: Path, module: str, sandboxed: bool) -> Limits | None:
    if not (root / f"{module}.py").is_file():
        return Limits(CELL_SECONDS, NOTEBOOK_SECONDS)
    _, key = _reference(root, module, sandboxed)
    kept = _read(root / FOLDER / module / ".reference.json", key)
    if kept is None:
        return None
    notebook_seconds = max(LEAST.notebook, round(SLOWER * kept["seconds"]))
    return Limits(notebook_seconds // 2, notebook_seconds)


@cache
def _reference(root: Path, module: str, sandboxed: bool) -> tuple[NotebookNode, str]:
    """Return a module's own solution, and the cache's key of it."""
    notebook = nbformat.from_dict(read_source(root / f"{module}.py"))
    return notebook, _key(root, module, "", notebook, sandboxed)


def _key(root: Path, module: str, student: str, notebook: NotebookNode, sandboxed: bool) -> str:
    cells = [
        [cell.cell_type, cell.id, cell.source, cell.metadata.get("nbgrader")]
        for cell in notebook.cells
    ]
    hidden = seed(secret(root), module, student, "", code_of(notebook))
    parts = [_library(), torch.__version__, hidden, sandboxed, cells]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def _library() -> str:
    """Digest of this package: another version may judge otherwise."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(package)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _read(path: Path, key: str) -> dict | None:
    try:
        kept = json.loads(path.read_bytes())
        return kept if kept["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
