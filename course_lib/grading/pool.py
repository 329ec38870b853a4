"""Grade many submissions at a time: a pool of processes that fills the cache of `judged`.

The workers are trusted and forked, so torch is in memory once; what they run is in the sandbox.
Each is given one submission at a time: one that dies takes only that one with it.
"""

import ctypes
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple

import torch
from nbformat import NotebookNode
from tqdm import tqdm

from course_lib.checks.exercises import EXERCISES
from course_lib.errors import CourseError
from course_lib.grading import cgroups, sandbox
from course_lib.grading.collect import Submission
from course_lib.grading.judged import Slow, cached, judged, time_limits
from course_lib.grading.steps import rebuilt_from
from course_lib.notebooks.rebuild import read_notebook

_PDEATHSIG = 1
MEMORY = 8 * 2**30  # bytes that a worker may take for what a submission answers


class Judged(NamedTuple):
    """The key under which a submission is in the cache, or why it is not."""

    key: str = ""
    problem: str = ""


def grade_all(
    root: Path,
    submissions: list[Submission],
    *,
    jobs: int | None = None,
    sandboxed: bool = True,
    progress: bool = True,
) -> Iterator[tuple[Submission, Judged]]:
    """Fill the cache for all submissions, and yield each with what became of it, as it is done.

    Close the iterator to end what still runs.

    Parameters
    ----------
    jobs
        How many at a time; None for as many as there are cores.
    progress
        Show a bar with the time left.
    """
    torch.set_num_threads(1)  # a process that has computed in threads must not fork
    todo, keys = [], {}
    bar = tqdm(total=len(submissions), desc="grading", unit="submission", disable=not progress)
    for one in submissions:
        try:
            keys[one.path], known = cached(root, *_rebuilt(root, one), sandboxed=sandboxed)
        except Exception as error:
            yield one, Judged(problem=_sentence(error))
        else:
            if not known:
                todo.append(one)
                continue
            yield one, Judged(keys[one.path])
        bar.update()
    if not todo:
        bar.close()
        return
    modules = {one.module for one in todo}
    seconds = {module: _seconds(root, module, sandboxed) for module in modules}
    if sandboxed:
        sandbox.start([root])  # before there are workers: they share it
        for said in cgroups.missing_here() if progress else []:
            print(said, file=sys.stderr)
    for section in {row.section for row in EXERCISES.values() if row.module in modules}:
        import_module(f"course_lib.checks.judges.{section}")  # once, before there are workers
    jobs = min(jobs or os.cpu_count() or 1, len(todo))
    waiting, workers = todo[::-1], []
    try:
        while waiting or any(worker.one for worker in workers):
            workers = [worker for worker in workers if worker.process.is_alive()]
            while waiting and len(workers) < jobs:
                workers.append(_Worker(root, sandboxed))
            for worker in workers:
                if waiting and not worker.one:
                    one = waiting.pop()
                    worker.take(one, seconds[one.module])
            for worker in _finished(workers):
                one, problem = worker.one, worker.result()
                if isinstance(problem, Slow):
                    time_limits(root, one.module, sandboxed)
                    seconds[one.module] = _seconds(root, one.module, sandboxed)
                    waiting.append(one)
                    continue
                yield one, Judged(problem=problem) if problem else Judged(keys[one.path])
                bar.update()
    finally:
        bar.close()
        for worker in workers:
            worker.end()


class _Worker:
    """A process that grades what it is given; killed if it takes longer than it can need."""

    def __init__(self, root: Path, sandboxed: bool) -> None:
        context = multiprocessing.get_context("fork")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, root, sandboxed), daemon=True)
        self.process.start()
        theirs.close()
        self.one: Submission | None = None
        self.deadline = 0.0

    def take(self, one: Submission, seconds: float) -> None:
        self.one, self.deadline = one, time.monotonic() + seconds
        with suppress(OSError):  # it has died: `result` will say so
            self.connection.send(one)

    def result(self) -> str | Slow:
        """Return why its submission cannot be graded: an empty text if it was graded."""
        self.one = None
        try:
            if self.connection.poll():
                return self.connection.recv()
            problem = "Judging it took far too long and was stopped."
        except (EOFError, OSError):
            problem = "The process that judged it ended: it answers with more than can be handled."
        self.end()
        return problem

    def end(self) -> None:
        self.process.kill()
        self.process.join()


def _finished(workers: list[_Worker]) -> list[_Worker]:
    """Wait until some workers have a result, have died, or have taken too long."""
    busy = [worker for worker in workers if worker.one]
    left = min(worker.deadline for worker in busy) - time.monotonic()
    ready = wait([worker.connection for worker in busy], max(0, left))
    return [w for w in busy if w.connection in ready or time.monotonic() > w.deadline]


def _work(connection: Connection, root: Path, sandboxed: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    if sys.platform == "linux":  # and so does its death
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, hard))
    while True:
        try:
            one = connection.recv()
        except EOFError:
            return
        try:
            judged(root, *_rebuilt(root, one), sandboxed=sandboxed, measure=False)
            problem = ""
        except Slow as slow:
            problem = slow
        except Exception as error:
            problem = _sentence(error)
        connection.send(problem)


def _rebuilt(root: Path, one: Submission) -> tuple[str, str, NotebookNode]:
    release = root / "release" / one.module / f"{one.module}.ipynb"
    return one.module, one.student, rebuilt_from(release, read_notebook(one.path))


def _seconds(root: Path, module: str, sandboxed: bool) -> float:
    limits = time_limits(root, module, sandboxed, False)
    return 2 * limits.notebook + 4 * limits.cell + 300


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, CourseError) else f"{error} ({type(error).__name__})"
