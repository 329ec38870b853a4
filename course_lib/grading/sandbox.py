"""The sandbox: one warm process in bubblewrap, and a forked kernel in it for each submission.

What a kernel sees: the system and the environment's packages, read-only; the learner's side of the
library; the course's cache and downloads, read-only; a bounded /tmp of its own. It has no network,
no other process, no other submission, no gradebook, no source, no judge.
"""

import asyncio
import atexit
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import KernelProvisionerBase
from traitlets import Instance

from course_lib.errors import CourseError
from course_lib.grading import cgroups
from course_lib.home import place, temporary_folder
from course_lib.notebooks.run import learners_library

MEMORY = 3 * 2**30  # bytes
PROCESSES = 256  # and threads
DISK = 512 * 2**20  # bytes, in /tmp and once more in shared memory
MESSAGE_SECONDS = 120  # for the warm process to be ready, on a busy machine

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives", "/etc/fonts",
           "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime",
           "/sys/devices/system/cpu")  # fmt: skip
_MISSING = (
    "Grading runs submissions in a sandbox, and bubblewrap is not installed: `sudo apt-get install "
    "bubblewrap` (or your system's package of that name). To run them without any protection, say "
    "--unsafe-no-sandbox."
)


class Warm(NamedTuple):
    """A running warm process: its folder on this side (in the sandbox: /sandbox/runs)."""

    folder: Path
    process: subprocess.Popen
    log: Path

    def answers(self) -> bool:
        """Tell whether it still takes requests."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.folder / "warm")) == 0

    def ask(
        self, line: socket.socket, request: bytes, descriptors: Sequence[int] = ()
    ) -> int | None:
        """Send a request over an unconnected socket; return the descriptor that comes back.

        Raises
        ------
        CourseError
            There is no answer, or it says why not.
        """
        line.settimeout(MESSAGE_SECONDS)
        try:
            line.connect(str(self.folder / "warm"))
            socket.send_fds(line, [request], descriptors)
            said, received, _, _ = socket.recv_fds(line, 4096, 1)
        except OSError as error:
            said, received = (error.strerror or "no answer in time").encode(), []
        if received or said == b"ready":
            return received[0] if received else None
        said = self.log.read_bytes().strip() or said or b"no reason given"
        reason = said.decode(errors="replace").splitlines()[-1][:300]
        raise CourseError(f"The sandbox does not start here ({reason}): see SECURITY.md.")


@contextmanager
def warm(hidden: Sequence[Path]) -> Iterator[Warm]:
    """Start a warm process, yield it, and end it and all that it forked.

    Parameters
    ----------
    hidden
        Folders that must not be seen inside, should they lie within the environment.
    """
    if not shutil.which("bwrap"):
        raise CourseError(_MISSING)
    # matplotlib is imported only at need
    if len(list(place("cache").glob("glyphs-*.npz"))) < 2:  # else each submission renders them
        from course_lib.data import glyphs

        for split in ("train", "held_out"):
            glyphs.load(split)
    with ExitStack() as stack:
        library = stack.enter_context(learners_library())
        # short: the path of a Unix socket ends after 107 bytes
        outside = stack.enter_context(temporary_folder("sandbox", "/tmp"))
        folder = outside / "runs"
        folder.mkdir()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "warm"))
            listener.listen(64)
            errors = stack.enter_context((outside / "log").open("w+b"))
            process = subprocess.Popen(
                command(library, folder, listener.fileno(), hidden),
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
                pass_fds=[listener.fileno()],
            )
        try:
            started = Warm(folder, process, Path(errors.name))
            with socket.socket(socket.AF_UNIX) as line:
                started.ask(line, b"ready?")
            yield started
        finally:
            process.stdin.close()  # it ends then, and with it everything inside
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def command(library: Path, runs: Path, listener: int, hidden: Sequence[Path]) -> list[str]:
    """Return the command line that starts the warm process in bubblewrap."""
    prefixes = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]
    prefixes += [os.path.realpath(prefix) for prefix in prefixes]
    shown = [path for path in dict.fromkeys([*_SYSTEM, *prefixes]) if os.path.exists(path)]
    package = Path(__file__).resolve().parents[1]
    environment = {
        "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
        "PYTHONPATH": "/sandbox/library",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "USER": "learner",
        "HOME": "/sandbox/home",
        "TMPDIR": "/sandbox/home",  # an environment below /tmp leaves no room for another /tmp
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "OMP_NUM_THREADS": "1",
    }
    words = ["bwrap", "--die-with-parent", "--new-session", "--clearenv"]
    words += [f"--unshare-{name}" for name in ("user", "ipc", "pid", "net", "uts", "cgroup-try")]
    # user namespaces would give capabilities back; the warm process needs these two to make others
    words += ["--disable-userns", "--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETPCAP"]
    for name, value in environment.items():
        words += ["--setenv", name, value]
    for path in shown:
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        else:
            words += ["--ro-bind", path, path]
    installed = [Path(sysconfig.get_path(name)) / package.name for name in ("purelib", "platlib")]
    for path in {path.resolve() for path in [package, *installed, *hidden] if path.exists()}:
        if any(path.is_relative_to(os.path.realpath(one)) for one in shown):
            words += ["--tmpfs", str(path), "--remount-ro", str(path)]
    if not any(Path(path).is_relative_to("/tmp") for path in shown):
        words += ["--symlink", "/sandbox/home", "/tmp"]
    words += ["--ro-bind", str(library), "/sandbox/library"]
    words += ["--ro-bind", str(Path(__file__).with_name("warm.py")), "/sandbox/warm.py"]
    for name in ("cache", "data"):
        there, inside = place(name).resolve(), f"/sandbox/{name}"
        words += ["--ro-bind", str(there), inside] if there.is_dir() else ["--dir", inside]
    words += ["--bind", str(runs), "/sandbox/runs"]
    words += ["--dir", "/sandbox/kernel", "--dir", "/sandbox/self", "--tmpfs", "/sandbox/home"]
    words += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev", "--remount-ro", "/"]
    return [*words, sys.executable, "/sandbox/warm.py", str(listener)]


@contextmanager
def submission(hidden: Sequence[Path], seconds: float) -> Iterator["Submission"]:
    """Yield the place for one submission's kernel, in this process's warm process.

    Parameters
    ----------
    hidden
        As for `warm`.
    seconds
        Of CPU time, for each of its processes.
    """
    one = Submission(start(hidden), seconds)
    try:
        yield one
    finally:
        one.end()


_kept = ExitStack()
_running: dict[tuple[Path, ...], Warm] = {}


def start(hidden: Sequence[Path]) -> Warm:
    """Return this process's warm process, started at need; processes forked from it share it."""
    hidden = tuple(hidden)
    running = _running.get(hidden)
    if running is None or not running.answers():
        if not _running:
            atexit.register(stop)
        running = _running[hidden] = _kept.enter_context(warm(hidden))
    return running


def stop() -> None:
    """End this process's warm processes and all that they forked; its end does that as well."""
    _running.clear()
    _kept.close()


class Submission:
    """One submission's kernel and control group; both are gone after `end`."""

    def __init__(self, warm: Warm, seconds: float) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="", dir=warm.folder))
        self.groups = cgroups.make(MEMORY, PROCESSES)
        self.kernel: int | None = None  # its pidfd
        self.warm = warm
        self.line = socket.socket(socket.AF_UNIX)  # open for as long as the kernel may live
        self.request = {
            "run": self.folder.name,
            "disk": DISK,
            "limits": {
                "AS": 8 * 2**30,  # torch alone maps half of it
                "DATA": MEMORY,
                "FSIZE": DISK,
                "NOFILE": 1024,
                "CORE": 0,
                "CPU": int(seconds) + 1,
                **({} if self.groups else {"NPROC": PROCESSES}),
            },
            "environment": {
                "HOME": "/sandbox/home",
                "TMPDIR": "/sandbox/home",
                "COURSE_HOME": "/sandbox/home/course",
                "COURSE_CACHE": "/sandbox/home/course/cache",
                "COURSE_DATA": "/sandbox/data",
            },
        }

    def fork(self, connection: dict) -> None:
        """Ask the warm process for a kernel with this connection file."""
        (self.folder / "kernel.json").write_text(json.dumps(connection))
        descriptors = cgroups.enter(self.groups)
        try:
            request = json.dumps(self.request).encode()
            self.kernel = self.warm.ask(self.line, request, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def provision(self, manager: KernelManager) -> KernelProvisionerBase:
        """Return what a kernel's manager gets its process from."""
        return Provisioner(
            submission=self, parent=manager, kernel_id="", kernel_spec=manager.kernel_spec
        )

    def running(self) -> bool:
        return self.kernel is not None and not select.select([self.kernel], [], [], 0)[0]

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self.kernel is not None:
                signal.pidfd_send_signal(self.kernel, number)

    def ended_by(self) -> str:
        """Say which bound ended the kernel, if one did."""
        memory = f"it used more than {MEMORY // 2**30} GB of memory"
        return memory if cgroups.ran_out_of_memory(self.groups) else ""

    def end(self) -> None:
        """Kill everything and remove what was made for it."""
        self.signal(signal.SIGKILL)
        if self.kernel is not None:
            select.select([self.kernel], [], [], 10)
            os.close(self.kernel)
        self.line.close()
        cgroups.end(self.groups)
        shutil.rmtree(self.folder, ignore_errors=True)


class Provisioner(KernelProvisionerBase):
    """Jupyter's way to a kernel that comes from somewhere else: here, from the warm process."""

    submission = Instance(Submission)

    @property
    def has_process(self) -> bool:
        return self.submission.kernel is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        manager = self.parent
        manager.transport, manager.transport_encryption = "ipc", "disabled"
        manager.connection_file = str(self.submission.folder / "manager.json")
        manager.ip = str(self.submission.folder / "k")
        manager.write_connection_file()
        return await super().pre_launch(cmd=[], **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        info = json.loads(Path(self.parent.connection_file).read_text())
        self.submission.fork(info | {"ip": "/sandbox/kernel/k"})
        return self.parent.get_connection_info()

    async def poll(self) -> int | None:
        return None if self.submission.running() else 1

    async def wait(self) -> int | None:
        while self.submission.running():
            await asyncio.sleep(0.02)
        return 1

    async def send_signal(self, signum: int) -> None:
        self.submission.signal(signum)

    async def kill(self, restart: bool = False) -> None:
        self.submission.signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        self.submission.signal(signal.SIGKILL)

    async def cleanup(self, restart: bool = False) -> None:
        pass  # `Submission.end` does it, whatever became of the kernel's manager
