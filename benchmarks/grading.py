"""What grading a class costs, beside plain ``nbgrader autograde`` on the same notebooks.

    python benchmarks/grading.py            a few minutes; ``--long`` adds 500 submissions

The notebook has four graded cells and trains for two CPU-seconds in one thread, in mini-batches of
64. That training is the lower limit. Stock runs it with its default threads, as many as there are
cores, and threads that wait for each other cost CPU time; `course grade` gives every submission one
thread, because it grades several at a time. (Two seconds on the clock with default threads would
be nearer to what a learner sees, but mean another notebook whenever the machine is busy.)

The two do not do the same. Stock runs the visible checks beside the learner's code, and writes
marks. `course grade` also asks the hidden ones from outside a sandbox, and writes a feedback page
and a table. "Marks and pages" is a run for which all was judged before.

CPU time is that of all processes, counted by a control group; start and end are part of it, and
every run starts from nothing. Flatness is measured with a notebook that hardly trains, which shows
what grading itself costs. Seconds depend on the machine and on what else it does; ratios of CPU
time hardly do.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
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
    batch = torch.randint(2048, (64,))
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
    optimiser.step()
"""
OWN_MODULES = ("00_start_here", "05_few_shot")
# Runs a notebook's code in this process, with everything imported, and prints the CPU time.
ALONE = """
import sys, time
from importlib import import_module
import nbformat, matplotlib.pyplot, scipy.stats, sklearn.linear_model, torch, torchvision
from IPython.core.interactiveshell import InteractiveShell
import_module("torch._dynamo"), import_module("course_lib.checks.notebook")
shell = InteractiveShell.instance()
cells = [c.source for c in nbformat.read(sys.argv[1], 4).cells if c.cell_type == "code"]
start = time.process_time()
for cell in cells[: int(sys.argv[2])]:
    shell.run_cell(cell)
print("\\n", time.process_time() - start)
"""
STOCK = 'c = get_config()\nc.CourseDirectory.course_id = "stock"\n'


class Cost(NamedTuple):
    """What one command took: seconds on the clock, of CPU in all its processes, peak of memory."""

    wall: float
    cpu: float
    memory: float


def main() -> None:
    """Print the tables and the ratios."""
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_steps = steps(2.0)
        root, light = folder / "course", folder / "light"
        write_course(root, training(n_steps), MODULE)
        write_course(folder / "stock", training(n_steps), MODULE).joinpath(
            "nbgrader_config.py"
        ).write_text(STOCK)
        write_course(light, training(5), MODULE)
        own = alone(root, MODULE, 2)
        print(f"nbgrader {version('nbgrader')}, {cores} cores")
        print(f"The training alone, in one thread: {own:.2f} CPU-s (the lower limit)\n")
        print("| way | submissions | CPU-s each | wall s each | a minute | peak memory, MB |")
        print("|---|---|---|---|---|---|", flush=True)
        stock = report("stock", folder / "stock", SUBMISSIONS, stock_command())
        one = report("course, one worker", root, SUBMISSIONS, command(1))
        all_ = report(f"course, {cores} workers", root, SUBMISSIONS, command(cores))
        for name in ("autograded", "feedback"):
            shutil.rmtree(root / name, ignore_errors=True)
        report("the same, marks and pages", root, SUBMISSIONS, command(cores), afresh=False)
        counts = (10, 50, 200, 500) if "--long" in sys.argv else (10, 50, 200)
        flat = [report("course, hardly any training", light, n, command(cores)) for n in counts]
        print(f"\nCPU time, stock over course: {stock.cpu / all_.cpu:.1f}")
        print(f"Throughput, course over stock: {stock.wall / all_.wall:.1f}")
        each = (flat[-1].cpu - flat[0].cpu) / (counts[-1] - counts[0])
        print(f"CPU time of a run: {flat[0].cpu - each * counts[0]:.1f} s, and {each:.2f} s each")
        print(
            f"Memory of one more worker: {(all_.memory - one.memory) / 2**20 / (cores - 1):.0f} MB"
        )
        for module in OWN_MODULES:
            text = (course_root(None) / f"{module}.py").read_text(encoding="utf-8")
            write_course(folder / module, text, module)
            must = alone(folder / module, module)
            few, more = (run(folder / module, n, command(cores), module).cpu for n in (2, 8))
            each = (more - few) / 6
            print(f"{module}: {each:.1f} CPU-s for one more, {must:.1f} s alone: {each / must:.2f}")


def training(n_steps: int) -> str:
    """Return the text of the module: training, and the graded cells of the real first module."""
    text = (course_root(None) / "00_start_here.py").read_text(encoding="utf-8")
    wanted = [f'"grade_id": "{prefix}{name}"' for name in ANSWERED for prefix in ("", "check-")]
    cells = text.split("\n# %%")
    graded = [cell for cell in cells if any(name in cell.splitlines()[0] for name in wanted)]
    return TRAINING.format(steps=n_steps) + "".join(f"\n# %%{cell}" for cell in graded)


def alone(root: Path, module: str, n_cells: int = 10_000) -> float:
    """Return the CPU time that the cells of a module's solution take, in one thread."""
    notebook = root / "source" / module / f"{module}.ipynb"
    with tempfile.TemporaryDirectory() as notes:
        out = subprocess.run(
            [sys.executable, "-c", ALONE, str(notebook), str(n_cells)],
            env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "COURSE_NOTES": notes},
            cwd=notes,  # a notebook may write files where it runs
            capture_output=True,
            check=True,
            text=True,
        )
    return float(out.stdout.split()[-1])


def report(name: str, root: Path, count: int, words: list[str], afresh: bool = True) -> Cost:
    """Run a command on so many submissions and print a line of the table."""
    cost = run(root, count, words) if afresh else measure(words, root)
    print(
        f"| {name} | {count} | {cost.cpu / count:.2f} | {cost.wall / count:.2f} "
        f"| {60 * count / cost.wall:.0f} | {cost.memory / 2**20:.0f} |",
        flush=True,
    )
    return cost


def run(root: Path, count: int, words: list[str], module: str = MODULE) -> Cost:
    """Hand in so many submissions and measure the command that grades them."""
    submit(root, count, module)
    return measure(words, root)


def write_course(root: Path, text: str, module: str) -> Path:
    """Make a course folder with one module, built."""
    root.mkdir()
    shutil.copy(course_root(None) / "nbgrader_config.py", root)
    (root / f"{module}.py").write_text(text, encoding="utf-8")
    build(root, module)
    return root


def steps(seconds: float) -> int:
    """Return how many steps of the training take so much CPU time here, in one thread."""
    code = f"{TRAINING.format(steps=50)}\nimport time\nstart = time.process_time()\n"
    code += f"{TRAINING.format(steps=500)}\nprint((time.process_time() - start) / 500)"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    out = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True
    )
    return round(seconds / float(out.stdout))


def submit(root: Path, count: int, module: str) -> None:
    """Hand in the module's own solution `count` times, and forget what was graded before."""
    for name in ("submitted", "autograded", "feedback", ".graded"):
        shutil.rmtree(root / name, ignore_errors=True)
    notebook = read_notebook(root / "source" / module / f"{module}.ipynb")
    for number in range(count):
        path = root / "submitted" / f"s{number:03d}" / module / f"{module}.ipynb"
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
