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
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple

import torch
from nbformat import NotebookNode
from tqdm import tqdm

from course_lib.errors import CourseError
from course_lib.grading import cgroups, sandbox
from course_lib.grading.collect import Submission
from course_lib.grading.judged import cached, judged, time_limits
from course_lib.grading.steps import rebuilt_from
from course_lib.notebooks.rebuild import read_notebook

NO_GROUP = (
    "No control group can be made here: memory is bounded for each process of a submission, not "
    "for all of them together."
)
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
) -> dict[Path, Judged]:
    """Fill the cache for all submissions, and return by path what became of each.

    Parameters
    ----------
    jobs
        How many at a time; None for as many as there are cores.
    progress
        Show a bar with the time left.
    """
    torch.set_num_threads(1)  # a process that has computed in threads must not fork
    results: dict[Path, Judged] = {}
    todo = []
    for one in submissions:
        try:
            key, known = cached(root, *_rebuilt(root, one), sandboxed=sandboxed)
            results[one.path] = Judged(key)
            todo += [] if known else [one]
        except Exception as error:
            results[one.path] = Judged(problem=_sentence(error))
    if not todo:
        return results
    modules = {one.module for one in todo}
    seconds = {module: _seconds(root, module, sandboxed) for module in modules}
    if sandboxed:
        sandbox.start([root])  # before there are workers: they share it
        if progress and not cgroups.available():
            print(NO_GROUP, file=sys.stderr)
    jobs = min(jobs or os.cpu_count() or 1, len(todo))
    bar = tqdm(total=len(todo), desc="running", unit="submission", disable=not progress)
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
                bar.update()
                path = worker.one.path
                if problem := worker.result():
                    results[path] = Judged(problem=problem)
        return results
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

    def result(self) -> str:
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
            judged(root, *_rebuilt(root, one), sandboxed=sandboxed)
            problem = ""
        except Exception as error:
            problem = _sentence(error)
        connection.send(problem)


def _rebuilt(root: Path, one: Submission) -> tuple[str, str, NotebookNode]:
    release = root / "release" / one.module / f"{one.module}.ipynb"
    return one.module, one.student, rebuilt_from(release, read_notebook(one.path))


def _seconds(root: Path, module: str, sandboxed: bool) -> float:
    limits = time_limits(root, module, sandboxed)
    return 2 * limits.notebook + 4 * limits.cell + 300


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, CourseError) else f"{error} ({type(error).__name__})"
