"""A control group for each submission: bounds on memory and processes that no code can escape.

Version 1 (a hierarchy for each controller) and version 2 (one for all). Where none may be made, as
for a user without delegation, there are resource limits only, and the report says so.
"""

import contextlib
import itertools
import os
import signal
import time
from pathlib import Path

from course_lib.errors import CourseError

NONE = (
    "No control group can be made here: memory is bounded for each process of a submission, not "
    "for all of them together."
)
ROOT = Path("/sys/fs/cgroup")
_number = itertools.count()


def make(memory: int, processes: int) -> list[Path]:
    """Make the folders of a new group, or none where that is not possible.

    Raises
    ------
    CourseError
        It is not possible, and ``COURSE_REQUIRE_CGROUP=1`` says that it must be.
    """
    made: list[Path] = []
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
    except OSError as error:
        end(made)
        if os.environ.get("COURSE_REQUIRE_CGROUP") == "1":
            raise CourseError(f"No control group can be made here: {error}.") from error
        return []
    return made


def available() -> bool:
    """Tell whether groups can be made here."""
    folders = make(2**30, 100)
    end(folders)
    return bool(folders)


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


def _places(memory: int, processes: int) -> list[tuple[Path, dict[str, int]]]:
    """Return where groups can be made, and the limits to write there."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = {names: path.lstrip("/") for _, names, path in (line.split(":", 2) for line in lines)}
    if (ROOT / "cgroup.controllers").exists():
        # no process may be in a group that has children with controllers: so beside our own
        here = ROOT / own[""]
        base = here if here == ROOT else here.parent
        if here == ROOT:
            (ROOT / "cgroup.subtree_control").write_text("+memory +pids")
        return [(base, {"memory.max": memory, "pids.max": processes})]
    limits = {"memory": ("memory.limit_in_bytes", memory), "pids": ("pids.max", processes)}
    places = []
    for controller, (name, limit) in limits.items():
        below = next(path for names, path in own.items() if controller in names.split(","))
        base = ROOT / controller / below
        places.append((base if base.is_dir() else ROOT / controller, {name: limit}))
    return places


def _remove_old(base: Path) -> None:
    """Remove what a killed grading left; a group in use cannot be removed."""
    for folder in base.glob("course-*"):
        owner = folder.name.split("-")[1]
        if not Path(f"/proc/{owner}").exists():
            end([folder], seconds=1)
