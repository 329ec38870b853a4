"""Run a notebook in a kernel of its own while judges ask their questions from outside it.

The kernel's copy of this package has no judges. Where the notebook says ``check("freeze")``,
this process asks the kernel in plain data, judges the answers, and writes the verdict there.
"""

import base64
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from course_lib.checks.apart import learners_library
from course_lib.checks.exercises import EXERCISES
from course_lib.checks.run import Channel, NoAnswer, judge
from course_lib.checks.verdict import Verdict
from course_lib.notebooks.build import CHECK

CELL_SECONDS = 180  # three times what a cell of the course may take
NOTEBOOK_SECONDS = 600


def checked_exercise(cell: NotebookNode) -> str | None:
    """Return the exercise that a test cell checks, else None."""
    grade_id = str((cell.metadata.get("nbgrader") or {}).get("grade_id", ""))
    exercise = grade_id.removeprefix(CHECK)
    is_test = cell.cell_type == "code" and grade_id.startswith(CHECK) and exercise in EXERCISES
    return exercise if is_test else None


def run(
    notebook: NotebookNode,
    *,
    seed_of: Callable[[str], int | None] = lambda exercise: None,
    hard: bool = False,
    folder: Path | None = None,
    notes: Path | None = None,
    cell_seconds: int = CELL_SECONDS,
    progress: str | None = None,
) -> list[Verdict]:
    """Execute a notebook in place and judge its exercises; no cell can stop the others.

    Parameters
    ----------
    notebook
        Every code cell gets its outputs; a test cell gets its verdict instead, and an error output
        beside it unless the verdict is *correct*.
    seed_of
        The seed of each exercise's random inputs; None draws a fresh one.
    hard
        Run the hidden tests.
    folder
        Working folder of the kernel.
    notes
        Where the notebook keeps predictions, claims and studies; the home of who runs it if None.
    cell_seconds
        A cell that takes longer is interrupted.
    progress
        Title of a progress bar; None for none.

    Returns
    -------
    list of Verdict
        One for each test cell, in order.
    """
    verdicts = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with _kernel(notebook, folder, notes, cell_seconds) as client:
        deadline, ended = time.monotonic() + NOTEBOOK_SECONDS, ""
        cells = tqdm(list(notebook.cells), desc=progress, disable=progress is None, unit="cell")
        for index, cell in enumerate(cells):
            exercise = checked_exercise(cell)
            if time.monotonic() > deadline and not ended:
                ended = _TOO_LONG
            try:
                if exercise:
                    channel = _channel(client, deadline, ended)
                    verdict = judge(exercise, channel, seed=seed_of(exercise), hard=hard)
                    verdicts.append(verdict)
                    write_verdict(cell, verdict)
                if cell.cell_type == "code" and not ended:
                    if exercise:
                        _quietly(client, _SETTLE.format(exercise, verdict.correct))
                    else:
                        client.execute_cell(cell, index)
            except _GONE as error:  # nothing that was judged before is lost
                ended = f"the notebook's Python process ended in cell {index + 1}"
                if not exercise:
                    cell.outputs = [_error(type(error).__name__, ended)]
    return verdicts


def write_verdict(cell: NotebookNode, verdict: Verdict) -> None:
    """Make a verdict the output of its test cell, in the form nbgrader derives points from."""
    card = {"text/plain": verdict.as_text(), "text/html": verdict.as_html()}
    cell.outputs = [nbformat.v4.new_output("display_data", data=card)]
    if not verdict.correct:
        cell.outputs.append(_error("Check", verdict.headline()))


_ANSWER = "from course_lib.checks import answer; answer.show_reply(globals(), {!r})"
_SETTLE = "from course_lib.checks import notebook as n; n.settle({!r}, {!r}); del n"
_REPLY = "application/x-course-answer"
_TOO_LONG = f"the notebook ran for more than {NOTEBOOK_SECONDS} s and was stopped"
_GONE = (DeadKernelError, CellTimeoutError)


@contextmanager
def _kernel(
    notebook: NotebookNode, folder: Path | None, notes: Path | None, cell_seconds: int
) -> Iterator[NotebookClient]:
    client = NotebookClient(
        notebook,
        timeout=cell_seconds,
        interrupt_on_timeout=True,
        error_on_timeout={
            "ename": "CellTimeoutError",
            "evalue": f"This cell ran for more than {cell_seconds} s and was interrupted.",
            "traceback": [],
        },
        allow_errors=True,
        kernel_name="python3",
        kernel_manager_class=AsyncKernelManager,
        resources={"metadata": {"path": str(folder or Path.cwd())}},
    )
    with learners_library() as library:
        paths = [str(library), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        }
        if notes:
            environment |= {"COURSE_NOTES": str(notes), "COURSE_REPORT": str(notes)}
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # not our terminal
        with client.setup_kernel(env=environment, **silent):
            yield client


def _channel(client: NotebookClient, deadline: float, ended: str) -> Channel:
    def channel(question: bytes) -> bytes:
        if ended or time.monotonic() > deadline:
            raise NoAnswer(ended or _TOO_LONG)
        try:
            outputs = _quietly(client, _ANSWER.format(base64.b64encode(question).decode()))
        except _GONE:
            raise NoAnswer("the notebook's Python process ended during the check") from None
        for output in outputs:
            if output.output_type == "display_data" and _REPLY in output.data:
                return base64.b64decode(output.data[_REPLY])
        errors = [f"{o.ename}: {o.evalue}" for o in outputs if o.output_type == "error"]
        raise NoAnswer(" ".join(errors) or "nothing came back from the notebook")

    return channel


def _quietly(client: NotebookClient, code: str) -> list[NotebookNode]:
    """Run code in the kernel that leaves no trace in the notebook; return its outputs."""
    scratch = nbformat.v4.new_code_cell(code)
    client.nb.cells.append(scratch)  # nbclient wants the cell to be in the notebook
    try:
        client.execute_cell(scratch, len(client.nb.cells) - 1, store_history=False)
    finally:
        client.nb.cells.pop()
    return scratch.outputs


def _error(name: str, text: str) -> NotebookNode:
    return nbformat.v4.new_output("error", ename=name, evalue=text, traceback=[text])
