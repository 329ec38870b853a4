"""What grading a class costs, beside plain ``nbgrader autograde`` on the same notebooks.

    python benchmarks/grading.py

A notebook that trains for two seconds and has four graded cells, twenty submissions, in one run:
CPU time of all processes, submissions a minute, the cost with ten and with fifty, memory of one
more worker. Seconds depend on the machine and on what else it does; ratios of CPU time hardly do.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import nbformat
import psutil

from course_lib.grading.grade import build
from course_lib.notebooks.build import course_root
from course_lib.notebooks.rebuild import read_notebook

MODULE = "00_bench"
SUBMISSIONS = 20
ANSWERED = ("n_correct", "evaluate", "k_shot_split", "paired_effect")
TRAINING = """
# %%
import numpy as np
import torch
from scipy import stats
from course_lib import check, hint, use

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10))
images, labels = torch.randn(2048, 256), torch.randint(10, (2048,))
optimiser = torch.optim.Adam(net.parameters())
for step in range({steps}):
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(net(images), labels).backward()
    optimiser.step()
"""
STOCK = 'c = get_config()\nc.CourseDirectory.course_id = "stock"\n'


class Cost(NamedTuple):
    """What one command took: seconds on the clock, of CPU in all its processes, peak of memory."""

    wall: float
    cpu: float
    memory: float


def main() -> None:
    """Print the table and the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        root = write_course(Path(folder) / "course")
        stock_root = write_course(Path(folder) / "stock")
        (stock_root / "nbgrader_config.py").write_text(STOCK)
        cores = os.cpu_count() or 1
        runs = {
            "stock": (stock_root, SUBMISSIONS, stock_command()),
            "course, one worker": (root, SUBMISSIONS, command(1)),
            f"course, {cores} workers": (root, SUBMISSIONS, command(cores)),
            f"course, {cores} workers, 10": (root, 10, command(cores)),
            f"course, {cores} workers, 50": (root, 50, command(cores)),
        }
        print("| way | submissions | CPU-s each | wall s each | a minute | peak memory, MB |")
        print("|---|---|---|---|---|---|", flush=True)
        costs = {}
        for name, (where, count, words) in runs.items():
            submit(where, count)
            cost = costs[name] = measure(words, where)
            print(
                f"| {name} | {count} | {cost.cpu / count:.2f} | {cost.wall / count:.2f} "
                f"| {60 * count / cost.wall:.0f} | {cost.memory / 2**20:.0f} |",
                flush=True,
            )
    stock, one, all_, ten, fifty = costs.values()
    print(f"\nCPU time, stock over course: {stock.cpu / all_.cpu:.1f}")
    print(f"Throughput, course over stock: {stock.wall / all_.wall:.1f}")
    print(f"CPU time of each, 50 over 10 submissions: {fifty.cpu / ten.cpu / 5:.2f}")
    print(f"Memory of one more worker: {(all_.memory - one.memory) / 2**20 / (cores - 1):.0f} MB")


def write_course(root: Path) -> Path:
    """Make the course folder with the one module, built."""
    real = course_root(None)
    root.mkdir()
    shutil.copy(real / "nbgrader_config.py", root)
    text = (real / "00_start_here.py").read_text(encoding="utf-8")
    cells = text.split("\n# %%")
    wanted = [f'"grade_id": "{prefix}{name}"' for name in ANSWERED for prefix in ("", "check-")]
    graded = [cell for cell in cells if any(name in cell.splitlines()[0] for name in wanted)]
    module = TRAINING.format(steps=steps(2.0)) + "".join(f"\n# %%{cell}" for cell in graded)
    (root / f"{MODULE}.py").write_text(module, encoding="utf-8")
    build(root, MODULE)
    return root


def steps(seconds: float) -> int:
    """Return how many steps of the training take so long on this machine, in one thread."""
    code = (
        "import torch; torch.set_num_threads(1)"
        + TRAINING.format(steps=20)
        + "\nimport time; start = time.process_time()\n"
    )
    code += TRAINING.format(steps=40) + "\nprint((time.process_time() - start) / 40)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return round(seconds / float(out.stdout))


def submit(root: Path, count: int) -> None:
    """Hand in the module's own solution `count` times, and forget what was graded before."""
    for name in ("submitted", "autograded", "feedback", ".graded"):
        shutil.rmtree(root / name, ignore_errors=True)
    notebook = read_notebook(root / "source" / MODULE / f"{MODULE}.ipynb")
    for number in range(count):
        path = root / "submitted" / f"s{number:03d}" / MODULE / f"{MODULE}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)


def stock_command() -> list[str]:
    return [sys.executable, "-m", "nbgrader", "autograde", MODULE, "--create"]


def command(jobs: int) -> list[str]:
    return [sys.executable, "-m", "course_lib.cli", "grade", "submitted", "--jobs", str(jobs)]


def measure(words: list[str], where: Path) -> Cost:
    """Run a command and return what it and all its processes took."""
    group = accounting()
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    start = time.monotonic()
    process = subprocess.Popen(
        words,
        cwd=where,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        preexec_fn=lambda: (group / "cgroup.procs").write_text("0"),
    )
    memory = 0.0
    while process.poll() is None:
        memory = max(memory, shared_out(group))
        time.sleep(1)
    wall = time.monotonic() - start
    assert process.returncode == 0, f"{' '.join(words)} ended with {process.returncode}"
    cpu = cpu_seconds(group)
    time.sleep(1)  # what was in it is gone by then
    group.rmdir()
    return Cost(wall, cpu, memory)


def accounting() -> Path:
    """Make a control group to count CPU time in: who waits for whom does not matter then."""
    root = Path("/sys/fs/cgroup")
    group = (
        root if (root / "cgroup.procs").exists() else root / "cpuacct"
    ) / f"bench-{os.getpid()}"
    try:
        group.mkdir(exist_ok=True)
    except OSError as error:
        raise SystemExit(f"This needs to make a control group ({error}): run it as root.") from None
    return group


def cpu_seconds(group: Path) -> float:
    """Return the CPU time of all that ever was in a group (either version of control groups)."""
    if (group / "cpuacct.usage").exists():
        return int((group / "cpuacct.usage").read_text()) / 1e9
    return int((group / "cpu.stat").read_text().split()[1]) / 1e6


def shared_out(group: Path) -> float:
    """Return the memory of a group's processes, pages that are shared counted once."""
    total = 0.0
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            total += psutil.Process(int(pid)).memory_full_info().pss
    return total


if __name__ == "__main__":
    main()
