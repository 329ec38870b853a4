"""Run a notebook in a kernel of its own while judges ask their questions from outside it.

The kernel's copy of this package has no judges. Where the notebook says ``check("freeze")``,
this process asks the kernel in plain data, judges the answers, and writes the verdict there.
"""

import asyncio
import base64
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import zmq.asyncio
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.channels import HBChannel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerBase
from nbclient import NotebookClient
from nbclient.client import CellExecutionComplete
from nbclient.exceptions import DeadKernelError
from nbclient.util import run_sync
from nbformat import NotebookNode
from tqdm import tqdm

from course_lib.checks import wire
from course_lib.checks.apart import learners_library
from course_lib.checks.exercises import EXERCISES
from course_lib.checks.run import Channel, NoAnswer, judge
from course_lib.checks.verdict import Verdict
from course_lib.notebooks.build import CHECK
from course_lib.notebooks.rebuild import name_of

CELL_SECONDS = 180  # three times what a cell of the course may take
NOTEBOOK_SECONDS = 600
OUTPUT = 64 * 2**20  # characters; a course notebook has less than two million
CELL_OUTPUT = 2 * 2**20  # of these a cell shows so many


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
    notebook_seconds: int = NOTEBOOK_SECONDS,
    provision: Callable[[AsyncKernelManager], KernelProvisionerBase] | None = None,
    progress: str | None = None,
) -> list[Verdict]:
    """Execute a notebook in place and judge its exercises; no cell can stop the others.

    Parameters
    ----------
    notebook
        Every code cell gets its outputs; a test cell gets its verdict instead, and an error output
        beside it unless the verdict is *correct*. Why it, or a cell of it, ended early is put into
        its metadata's ``course.ended``.
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
    notebook_seconds
        After this long no further cell is run.
    provision
        Makes what provides the kernel's process, for its manager; None for a plain process on this
        computer, with the rights of whoever runs it.
    progress
        Title of a progress bar; None for none.

    Returns
    -------
    list of Verdict
        One for each test cell, in order.
    """
    verdicts, interrupted = [], ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with _kernel(notebook, folder, notes, cell_seconds, provision) as client:
        deadline, ended = time.monotonic() + notebook_seconds, ""
        too_long = f"the notebook ran for more than {notebook_seconds} s and was stopped"
        cells = tqdm(list(notebook.cells), desc=progress, disable=progress is None, unit="cell")
        for index, cell in enumerate(cells):
            if cell.cell_type != "code":
                continue
            exercise = checked_exercise(cell)
            if time.monotonic() > deadline and not ended:
                ended = too_long
            if exercise:
                channel = _channel(client, ended, deadline, too_long)
                verdict = judge(exercise, channel, seed=seed_of(exercise), hard=hard)
                verdicts.append(verdict)
                write_verdict(cell, verdict)
            try:
                if exercise and not ended:
                    _quietly(client, _SETTLE.format(exercise, verdict.correct))
                elif not ended:
                    client.left, start = CELL_OUTPUT, time.monotonic()
                    client.execute_cell(cell, index)
                    if time.monotonic() - start > cell_seconds:
                        interrupted = f"more than {cell_seconds} s in {name_of(cell)}"
            except Exception as error:  # nothing that was judged before is lost
                ended = f"{_why(client, error)} in {name_of(cell)}"
                if not exercise:
                    cell.outputs = [_error(type(error).__name__, ended)]
    if interrupted and not ended:
        ended = f"a cell was interrupted after {interrupted}"
    if ended:
        notebook.metadata.setdefault("course", {})["ended"] = ended
    return verdicts


def write_verdict(cell: NotebookNode, verdict: Verdict) -> None:
    """Make a verdict the output of its test cell, in the form nbgrader derives points from."""
    card = {"text/plain": verdict.as_text(), "text/html": verdict.as_html()}
    fields = {"verdict": verdict.as_dict()}  # for feedback and reports: which message, how often
    cell.outputs = [nbformat.v4.new_output("display_data", data=card, metadata=fields)]
    if not verdict.correct:
        cell.outputs.append(_error("Check", verdict.headline()))


# By no name of its own: that might be one of the learner's.
_OURS = "__import__('importlib').import_module('course_lib.checks.{}')"
_ANSWER = f"{_OURS.format('answer')}.show_reply(globals(), {_OURS.format('notebook')}.question())"
_SETTLE = f"{_OURS.format('notebook')}.settle({{!r}}, {{!r}})"
_REPLY = "application/x-course-answer"
_ANSWER_BYTES = 2 * wire.MAX_BYTES  # it travels as base64


class _Client(NotebookClient):
    """Takes a bounded amount of what a kernel sends, and of that only what a page can show.

    Anybody's code can send anything: other messages are dropped, as are texts that no file can
    hold, and markup, which would run in the browser of whoever reads the page.
    """

    room = OUTPUT
    left = CELL_OUTPUT

    async def async_execute_cell(self, cell: NotebookNode, *args: Any, **kwargs: Any) -> None:
        others = asyncio.all_tasks()
        try:
            await super().async_execute_cell(cell, *args, **kwargs)
        finally:
            for task in asyncio.all_tasks() - others:  # it leaves some behind when it fails
                task.cancel()
        if not await self.kc.is_alive():
            raise DeadKernelError
        cell.outputs = _joined(cell.outputs)

    execute_cell = run_sync(async_execute_cell)

    def process_message(
        self, msg: dict, cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        text = json.dumps(msg["content"], ensure_ascii=False)
        self.room -= 500 + len(text)
        self.kc.too_much |= self.room < 0
        if self.kc.too_much or msg["msg_type"] not in _MESSAGES:
            return None
        try:
            content = json.loads(text.encode("utf-8", "replace"), parse_constant=str)
            content.pop("transient", None)  # a display that a check made may be updated after it
            if type(content.get("execution_count")) is not int:  # True is no number here
                content.pop("execution_count", None)
            if "data" in content:
                shown = _shown(content["data"])
                alt = {_PICTURE: {"alt": shown.get("text/plain", "")[:2000]}}
                content |= {"data": shown, "metadata": alt if _PICTURE in shown else {}}
            if msg["msg_type"] in _OUTPUTS:
                self.left -= 500 + len(text)
                if self.left < 0:
                    return None
            return super().process_message(msg | {"content": content}, cell, cell_index)
        except CellExecutionComplete:
            raise
        except Exception:  # not what its kind of message must hold
            return None


class _Connection(AsyncKernelClient):
    """To a kernel that counts as dead once it sent too much, which ends what is run in it.

    What is too long for one message closes the connection, and is never seen.
    """

    too_much = False

    def start_channels(self, *args: bool, **kwargs: bool) -> None:
        super().start_channels(*args, **kwargs)
        sockets = [self.iopub_channel.socket, self.shell_channel.socket]
        self._closed = [s.get_monitor_socket(zmq.EVENT_DISCONNECTED) for s in sockets]

    def stop_channels(self) -> None:
        for socket in self._closed:
            socket.close(0)
        super().stop_channels()

    async def is_alive(self) -> bool:
        if not self.too_much and any([await socket.poll(0) for socket in self._closed]):
            await asyncio.sleep(0.5)  # the end of the process closes it as well
            self.too_much = await super().is_alive()
        return not self.too_much and await super().is_alive()


class _NoHeartbeat(HBChannel):
    """Whether the process lives, its provider knows; a thread that asks it may wait for ever."""

    def run(self) -> None:
        pass


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Make one text of each stream, and of a progress bar what it ended with.

    As nbclient does, but not in the square of a line's length.
    """
    texts: dict[str, list[str]] = {}
    for output in outputs:
        if output.output_type == "stream":
            texts.setdefault(output.name, []).append(output.text)
    joined = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name not in texts:
                continue
            lines = "".join(texts.pop(output.name)).split("\n")
            output.text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
        joined.append(output)
    return joined


_OUTPUTS = ("stream", "display_data", "execute_result", "error")
_MESSAGES = ("status", "execute_input", "clear_output", *_OUTPUTS)
_PICTURE = "image/png"
_PIXELS = 50_000_000  # a reader's browser unpacks it
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+=*\s*", re.ASCII)
_FIGURE = re.compile(r'<figure><img src="data:image/png;base64,([A-Za-z0-9+/]+=*)" alt="')


def _shown(data: dict) -> dict:
    """Return the kinds of an output that hold no markup, and the picture of a course's figure."""
    shown = {kind: data[kind] for kind in ("text/plain", _REPLY, _PICTURE) if kind in data}
    if _PICTURE not in shown and (figure := _FIGURE.match(str(data.get("text/html", "")))):
        shown[_PICTURE] = figure.group(1)
    return {
        kind: text
        for kind, text in shown.items()
        if isinstance(text, str) and (kind != _PICTURE or _is_png(text))
    }


def _is_png(text: str) -> bool:
    """Tell whether this is a picture of bounded size, as base64."""
    if not _BASE64.fullmatch(text):
        return False
    head = base64.b64decode(text[:32])
    width, height = (int.from_bytes(head[i : i + 4], "big") for i in (16, 20))
    return head.startswith(b"\x89PNG\r\n\x1a\n") and width * height <= _PIXELS


@contextmanager
def _kernel(
    notebook: NotebookNode,
    folder: Path | None,
    notes: Path | None,
    cell_seconds: int,
    provision: Callable | None,
) -> Iterator[NotebookClient]:
    manager = AsyncKernelManager(kernel_name="python3", client_factory=_Connection)
    context = zmq.asyncio.Context()  # else the client makes one of its own, without bounds
    context.setsockopt(zmq.MAXMSGSIZE, _ANSWER_BYTES)
    context.setsockopt(zmq.RCVHWM, 50)
    context.setsockopt(zmq.SNDTIMEO, 10_000)  # for when nobody listens any more
    manager.client = partial(manager.client, context=context, hb_channel_class=_NoHeartbeat)
    if provision:
        manager.provisioner = provision(manager)
    client = _Client(
        notebook,
        timeout=cell_seconds,
        interrupt_on_timeout=True,
        error_on_timeout={
            "ename": "CellTimeoutError",
            "evalue": f"This cell ran for more than {cell_seconds} s and was interrupted.",
            "traceback": [],
        },
        allow_errors=True,
        km=manager,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(folder or Path.cwd())}},
    )
    client.kernel_name = manager.kernel_name
    if provision:
        with client.setup_kernel(cleanup_kc=True):
            yield client
        return
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
        with client.setup_kernel(env=environment, cleanup_kc=True, **silent):
            yield client


def _channel(client: _Client, ended: str, deadline: float, too_long: str) -> Channel:
    def channel(question: bytes) -> bytes:
        nonlocal ended
        if ended or time.monotonic() > deadline:
            raise NoAnswer(ended or too_long)
        try:
            outputs = _quietly(client, _ANSWER, question=base64.b64encode(question).decode())
            for output in outputs:
                if output.output_type == "display_data" and _REPLY in output.data:
                    return base64.b64decode(output.data[_REPLY])
        except Exception as error:  # whatever a kernel that means no good can send
            ended = f"{_why(client, error)} during the check"
            raise NoAnswer(ended) from None
        errors = [f"{o.ename}: {o.evalue}" for o in outputs if o.output_type == "error"]
        raise NoAnswer(" ".join(errors) or "nothing came back from the notebook")

    return channel


def _why(client: _Client, error: Exception) -> str:
    if client.kc.too_much:
        return f"the notebook was stopped for more than {OUTPUT // 2**20} MB of output"
    if isinstance(error, DeadKernelError):
        return "the notebook's Python process ended"
    return f"the notebook's Python process sent what cannot be read ({type(error).__name__})"


def _quietly(client: NotebookClient, code: str, **beside: str) -> list[NotebookNode]:
    """Run code in the kernel that leaves no trace in the notebook; return its outputs.

    What is `beside` it travels as metadata of the request.
    """
    scratch = NotebookNode(cell_type="code", metadata={}, source=code, outputs=[])
    client.left = OUTPUT
    client.nb.cells.append(scratch)  # nbclient wants the cell to be in the notebook
    room, client.room = client.room, _ANSWER_BYTES
    kernel = client.kc
    kernel.execute = partial(_execute, kernel, beside)  # the client's own has no metadata
    try:
        client.execute_cell(scratch, len(client.nb.cells) - 1)
    finally:
        del kernel.execute
        client.nb.cells.pop()
        client.room = room
    return scratch.outputs


def _execute(kernel: AsyncKernelClient, metadata: dict, code: str, **options: object) -> str:
    """Send a request to execute code, silently: no echo, no count; return its id."""
    content = {
        "code": code,
        "silent": True,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,
    }
    message = kernel.session.msg("execute_request", content, metadata=metadata)
    kernel.shell_channel.send(message)
    return message["header"]["msg_id"]


def _error(name: str, text: str) -> NotebookNode:
    return nbformat.v4.new_output("error", ename=name, evalue=text, traceback=[text])
