"""A control group for each submission: bounds on memory, processes and CPU that no code can escape.

Version 1 (a hierarchy for each controller) and version 2 (one for all). Where none may be made, as
for a user without delegation, there are resource limits only, and the report says so.

Every group has the default weight, so cores are shared out equally among submissions, however many
processes each has.
"""

import contextlib
import itertools
import os
import re
import signal
import time
from pathlib import Path

from course_lib.errors import CourseError

NONE = (
    "No control group can be made here: memory and computing time are bounded for each process of "
    "a submission, not for all of them together, and where root grades the number of processes is "
    "not bounded."
)
NO_CPU = (
    "No control group shares out the processor here: a submission with many processes slows down "
    "those graded beside it, unless --jobs 1 grades one at a time."
)
ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
PERIOD, QUOTA = 100_000, 125_000  # microseconds: a core, and some of another for what helps it
_number = itertools.count()


def make(memory: int, processes: int) -> list[Path]:
    """Make the folders of a new group, or none where that is not possible.

    Raises
    ------
    CourseError
        It is not possible, and ``COURSE_REQUIRE_CGROUP=1`` says that it must be.
    """
    made: list[Path] = []
    insist = os.environ.get("COURSE_REQUIRE_CGROUP") == "1"
    try:
        for base, limits in _places(memory, processes):
            _remove_old(base)
            folder = base / f"course-{os.getpid()}-{next(_number)}"
            folder.mkdir()
            made.append(folder)
            for name, limit in limits.items():
                (folder / name).write_text(str(limit))
            with contextlib.suppress(OSError):  # no such file where swap is not accounted
                (folder / "memory.memsw.limit_in_bytes").write_text(str(memory))
            with contextlib.suppress(OSError):
                (folder / "memory.swap.max").write_text("0")
            with contextlib.suppress(OSError):  # more than what all of us may have: no bound needed
                (folder / "cpu.cfs_quota_us").write_text(str(QUOTA))
    except OSError as error:
        end(made)
        if insist:
            raise CourseError(f"No control group can be made here: {error}.") from error
        return []
    if insist and (lacking := missing(made)):
        end(made)
        raise CourseError(lacking[0])
    return made


def missing(folders: list[Path]) -> list[str]:
    """Say in sentences what a group does not bound; nothing if it bounds all that it should."""
    if not folders:
        return [NONE]
    names = ("cpu.shares", "cpu.max")
    return [] if any((folder / name).exists() for folder in folders for name in names) else [NO_CPU]


def missing_here() -> list[str]:
    """Say what a group made here would not bound."""
    folders = make(2**30, 100)
    try:
        return missing(folders)
    finally:
        end(folders)


def enter(folders: list[Path]) -> list[int]:
    """Open the files of a group through which a process enters it by writing ``0``."""
    return [os.open(folder / "cgroup.procs", os.O_WRONLY) for folder in folders]


def ran_out_of_memory(folders: list[Path]) -> bool:
    """Tell whether a process of the group was killed for want of memory."""
    for folder in folders:
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError):
                lines = dict(line.split() for line in (folder / name).read_text().splitlines())
                if lines.get("oom_kill", "0") != "0":
                    return True
    return False


def end(folders: list[Path], seconds: float = 60) -> None:
    """Kill whatever is in a group and remove it."""
    deadline = time.monotonic() + seconds
    for folder in folders:
        while True:
            try:
                for process in (folder / "cgroup.procs").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(process), signal.SIGKILL)
                folder.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:  # busy: still dying
                if time.monotonic() > deadline:
                    break
                time.sleep(0.01)


def _places(memory: int, processes: int) -> list[tuple[Path, dict[str, int | str]]]:
    """Return where groups can be made, and the limits to write there."""
    lines = OWN.read_text().splitlines()
    own = {names: path.lstrip("/") for _, names, path in (line.split(":", 2) for line in lines)}
    if (ROOT / "cgroup.controllers").exists():
        # no process may be in a group that has children with controllers: so beside our own
        here = ROOT / own[""]
        base = here if here == ROOT else here.parent
        limits = {"memory.max": memory, "pids.max": processes}
        if "cpu" in _enabled(base):
            limits["cpu.max"] = f"{QUOTA} {PERIOD}"
        return [(base, limits)]
    bounds = {"memory": {"memory.limit_in_bytes": memory}, "pids": {"pids.max": processes}}
    bounds["cpu"] = {}
    places = []
    for controller, limits in bounds.items():
        below = [path for names, path in own.items() if controller in names.split(",")]
        if not below and controller != "cpu":
            raise OSError(f"the controller for {controller} is missing")
        base = ROOT / controller / (below[0] if below else "")
        base = base if base.is_dir() else ROOT / controller
        if controller != "cpu" or os.access(base, os.W_OK):
            places.append((base, limits))
    return places


def _enabled(base: Path) -> list[str]:
    """Return the controllers that groups in a folder of version 2 have, after asking for ours."""
    below_root = [folder for folder in (base, *base.parents) if folder.is_relative_to(ROOT)]
    for folder in reversed(below_root):
        control = folder / "cgroup.subtree_control"
        for controller in ("memory", "pids", "cpu"):  # systemd has the last one off, if it can
            with contextlib.suppress(OSError):
                offered = (folder / "cgroup.controllers").read_text().split()
                if controller in offered and controller not in control.read_text().split():
                    control.write_text(f"+{controller}")
    return (base / "cgroup.subtree_control").read_text().split()


def _remove_old(base: Path) -> None:
    """Remove the empty groups that a killed grading left; nothing in any group is killed."""
    for folder in base.glob("course-*"):
        ours = re.fullmatch(r"course-(\d+)-\d+", folder.name)
        if ours and not Path(f"/proc/{ours[1]}").exists():
            with contextlib.suppress(OSError):  # still in use: another time
                folder.rmdir()
