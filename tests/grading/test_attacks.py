"""Every attack of the catalogue, graded in batches with honest neighbours.

A batch is a group of `tests.grading.attacks` and the controls, handed in as files in one folder and
graded by `grade`, like a class. Nobody may get a point that they did not earn, nobody may lose one,
every row must say what happened, and when the batch is over nothing of it may be left.
"""

import ctypes
import hashlib
import os
import re
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import jupytext
import nbformat
import psutil
import pytest

from course_lib.grading import sandbox
from course_lib.grading.collect import collect
from course_lib.grading.grade import build, grade
from course_lib.grading.judged import Limits
from course_lib.notebooks.rebuild import read_notebook
from tests.grading.attacks import GROUPS, Attack, NotebookNode, catalogue
from tests.grading.attacks.launcher import ABSTRACT, PORT
from tests.mini import MODULE, RIGHT, ROOT, SHARE, answered, save, write_course

pytestmark = pytest.mark.slow

EXERCISES = {"n_correct": 1, "evaluate": 3, "freeze": 4}
# What the bounds are does not matter here, that they hold does: low ones make an attack short,
# but not so low that an honest neighbour on a busy machine meets them.
SHORT = {
    "grading.judged.time_limits": lambda *args: Limits(10, 60),
    "grading.pool.time_limits": lambda *args: Limits(10, 60),
    "grading.sandbox.MEMORY": 2**30,
    "grading.sandbox.DISK": 64 * 2**20,
    "notebooks.run.OUTPUT": 16 * 2**20,
}
SECRETS = ("SECRET_OF_THE_INSTRUCTOR", "only the instructor knows")


def source_of(exercise: str) -> str:
    """The course's own answer cell, as it stands in the module's text."""
    for path in sorted((ROOT / "notebooks").glob("0[01]_*.py")):
        for cell in jupytext.read(path, fmt="py:percent").cells:
            if (cell.metadata.get("nbgrader") or {}).get("grade_id") == exercise:
                return cell.source
    raise LookupError(exercise)


def solution(exercise: str) -> str:
    """The course's own answer, as a learner would hand it in."""
    return re.sub(r".*### (BEGIN|END) SOLUTION\n?", "", source_of(exercise))


def text_of_the_course() -> str:
    """A module of three checked exercises, of one written one, and a cell that uses an answer."""
    parts = ["# %%\nimport torch\nfrom course_lib import check, hint, use\n"]
    for exercise in EXERCISES:
        answer, test = f'"grade_id": "{exercise}", "solution": true', f'"check-{exercise}"'
        parts.append(f"# %% nbgrader={{{answer}}}\n{source_of(exercise)}\n")
        parts.append(f'# %% nbgrader={{"grade_id": {test}}}\ncheck("{exercise}")\n')
    parts.append('# %%\nprint("counted", use("n_correct")(torch.eye(3), torch.arange(3)))\n')
    written = '"grade_id": "why_frozen_features", "solution": true'
    parts.append(f"# %% [markdown] nbgrader={{{written}}}\n# They are frozen.\n")
    return "\n".join(parts)


# --- the neighbours ------------------------------------------------------------------------------

NOISY = """
import logging, sys, warnings
from tqdm import tqdm
def n_correct(logits, labels):
    warnings.warn("a warning is no mistake")
    print("nor is a line on stderr", file=sys.stderr)
    logging.error("nor this")
    return sum(int(a.argmax()) == int(b) for a, b in tqdm(list(zip(logits, labels))))
"""


def controls(release: NotebookNode) -> dict[str, tuple[NotebookNode, dict[str, int]]]:
    """Honest submissions and their points; the names spread them over the batch."""
    right = {exercise: solution(exercise) for exercise in EXERCISES}
    odd = answered(release, **right | {"n_correct": NOISY})
    for cell in odd.cells:
        cell.metadata = NotebookNode()  # as some editors leave it
    odd.cells.insert(3, nbformat.v4.new_code_cell("import sys; print('mine', file=sys.stderr)"))
    doubtful = {"evaluate": "def evaluate(model, images, labels, batch_size=256):\n    return 0.5"}
    return {
        "a_blank": (release, {}),
        "f_wrong": (answered(release, n_correct=SHARE, **doubtful), {}),
        "m_half": (
            answered(release, **right | doubtful, why_frozen_features="Because."),
            {"n_correct": 1, "freeze": 4},
        ),
        "s_right": (answered(release, **right), EXERCISES),
        "z_odd": (odd, EXERCISES),
    }


# --- a batch -------------------------------------------------------------------------------------


class Batch(NamedTuple):
    """What is known after a group was graded."""

    root: Path
    handed_in: list  # Submission, as collected
    rows: list[dict]
    bystander: tuple[dict, dict]  # a submission that was graded earlier: before and after
    left: dict[str, list]  # what there is now that there was not before, by kind


def graded(group: str, place: Path) -> Batch:
    """Hand in a group of the catalogue and the controls, and grade them like a class."""
    root, inbox = write_course(place / "course", text_of_the_course()), place / "inbox"
    build(root, MODULE)
    release = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    inbox.mkdir()
    (place / "t").mkdir()
    for name, (notebook, _) in controls(release).items():
        save(notebook, inbox / f"{name}_{MODULE}.ipynb")
    for attack in catalogue(group):
        hand_in(attack.make(release), inbox / f"{attack.name}_{MODULE}.ipynb", release)
    earlier = save(answered(release, n_correct=RIGHT), place / f"bystander_{MODULE}.ipynb")

    with pytest.MonkeyPatch.context() as patch, listening(), every_orphan_ours():
        patch.setenv("TMPDIR", str(place / "t"))
        patch.setattr(tempfile, "tempdir", None)
        patch.setenv(*SECRETS)
        for name, value in SHORT.items():
            patch.setattr(f"course_lib.{name}", value)
        at_first = processes()
        (bystander,) = grade(root, collect([earlier], [MODULE]), progress=False)
        before = bystander | files_of(root, "bystander")
        was = what_is_there(root)
        handed_in = collect([inbox, root / "submitted"], [MODULE])
        handed_in = [one for one in handed_in if one.student != "bystander"]
        rows = grade(root, handed_in, progress=False)
        left = {
            kind: [thing for thing in now if thing not in was[kind]]
            for kind, now in what_is_there(root).items()
        }
        (bystander,) = grade(root, collect([earlier], [MODULE]), progress=False)
        after = bystander | files_of(root, "bystander")
        sandbox.stop()
        left["processes after all"] = [one for one in processes() if one not in at_first]
    return Batch(root, handed_in, rows, (before, after), left)


def hand_in(made, path: Path, release: NotebookNode) -> None:
    if isinstance(made, str):
        save(answered(release, n_correct=made), path)
    elif isinstance(made, dict):
        save(made, path)
    elif isinstance(made, bytes):
        path.write_bytes(made)
    else:
        made(path)


@contextmanager
def listening() -> Iterator[None]:
    """What an attack must not reach: a server on the loopback, and one without a file."""
    with socket.socket() as one, socket.socket(socket.AF_UNIX) as other:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", PORT))
        other.bind(f"\0{ABSTRACT}")
        one.listen()
        other.listen()
        yield


@contextmanager
def every_orphan_ours() -> Iterator[None]:
    """Whoever loses its parent becomes a child of this process: none can slip from the count."""
    reaper, libc = 36, ctypes.CDLL(None)  # PR_SET_CHILD_SUBREAPER
    libc.prctl(reaper, 1)
    yield
    libc.prctl(reaper, 0)


def processes() -> list[str]:
    return [
        f"{child.pid} {child.name()}"
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE
    ]


def what_is_there(root: Path) -> dict[str, list]:
    """All that a submission could leave behind, by kind."""
    outside = [
        p for place in ("/tmp", "/dev/shm", "/var/tmp", "/run") for p in Path(place).iterdir()
    ]
    return {
        "processes": processes(),
        "control groups": [str(p) for p in Path("/sys/fs/cgroup").glob("**/course-*-*") if ours(p)],
        "mounts": [
            line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()
        ],
        "temporary files": [
            str(p)
            for p in Path(tempfile.gettempdir()).rglob("*")
            if not p.name.startswith("torchinductor")  # torch's own, from its import
        ],
        "files outside": [str(p) for p in outside if "attack" in p.name],
        "files in the course": [p.name for p in root.iterdir()],
        "System V objects": [
            line
            for kind in ("msg", "sem", "shm")
            for line in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]
        ],
    }


def ours(group: Path) -> bool:
    """Another grading on this machine has groups, too: those of a live process, not of ours."""
    owner = int(group.name.split("-")[1])
    mine = [os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))]
    return owner in mine or not psutil.pid_exists(owner)


def files_of(root: Path, student: str) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.glob(f"*/{student}/**/*"))
        if path.is_file()
    }


def cells_of(root: Path, student: str) -> list[NotebookNode]:
    path = root / "autograded" / student / MODULE / f"{MODULE}.ipynb"
    return read_notebook(path).cells if path.exists() else []


def said_of(root: Path, row: dict) -> str:
    """All that instructor and learner read about a submission."""
    verdicts = [
        cell.outputs[0].data["text/plain"]
        for cell in cells_of(root, row["student"])
        if cell.metadata.get("nbgrader", {}).get("grade") and cell.cell_type == "code"
    ]
    return "\n".join([row["status"], *row["notes"], *verdicts])


def shown_by(root: Path, student: str) -> str:
    """All that the learner's own cells printed and displayed, and why they ended."""
    outputs = [output for cell in cells_of(root, student) for output in cell.get("outputs", [])]
    shown = [
        f"{o.get('ename', '')}: {o.get('evalue', '')}" if o.output_type == "error" else str(o)
        for o in outputs
    ]
    return "\n".join(shown)


# --- what must hold ------------------------------------------------------------------------------


def check_points(row: dict, points: dict) -> None:
    if row["status"].startswith("not gradable"):
        assert not any(points.values()), row["status"]
        return
    for exercise in EXERCISES:
        assert row["exercises"][exercise] == points.get(exercise, 0), (exercise, row)


def check_attack(batch: Batch, attack: Attack) -> None:
    rows = [r for r in batch.rows if r["student"].casefold().startswith(attack.name.casefold())]
    assert rows, "it is missing from the table"
    for row in rows:
        check_points(row, attack.points)
        said = f"{said_of(batch.root, row)}\n{shown_by(batch.root, row['student'])}"
        assert re.search(attack.says, said, re.DOTALL), said


def every_neighbour_keeps_their_points(batch: Batch) -> None:
    release = read_notebook(batch.root / "release" / MODULE / f"{MODULE}.ipynb")
    rows = {row["student"]: row for row in batch.rows}
    for name, (_, points) in controls(release).items():
        assert rows[name]["status"].startswith("graded"), name
        check_points(rows[name], points)


def the_batch_is_complete(batch: Batch) -> None:
    assert [(row["student"], row["module"]) for row in batch.rows] == [
        (one.student, one.module) for one in batch.handed_in
    ]
    for row in batch.rows:
        assert re.match(r"graded$|graded with notes|not gradable: .{10}", row["status"]), row


def who_was_graded_before_is_as_before(batch: Batch) -> None:
    before, after = batch.bystander
    assert before["exercises"]["n_correct"] == 1
    assert before == after


def nothing_is_left_behind(batch: Batch) -> None:
    assert {kind: things for kind, things in batch.left.items() if things} == {}


def nobody_saw_what_they_must_not_see(batch: Batch) -> None:
    secret = (batch.root / ".grading_secret").read_text(encoding="ascii").strip()
    for path in [*batch.root.glob("feedback/**/*"), *batch.root.glob("autograded/**/*")]:
        assert not path.is_symlink(), path
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            assert secret not in text, path
            assert SECRETS[1] not in text, path
            assert "BEGIN SOLUTION" not in text, path
            assert "SQLite format 3" not in text, path
        if path.suffix == ".html":
            assert not re.search(r"<script>alert|<img src=x|<iframe|<[^>]*onerror", text), path
    for row in batch.rows:
        shown = shown_by(batch.root, row["student"])
        assert "LOOT" not in shown, row["student"]
        assert "no sandbox" not in shown, row["student"]
        assert "no process namespace" not in shown, row["student"]


PROMISES = (
    every_neighbour_keeps_their_points,
    the_batch_is_complete,
    who_was_graded_before_is_as_before,
    nothing_is_left_behind,
    nobody_saw_what_they_must_not_see,
)


@pytest.mark.parametrize("group", GROUPS)
def test_a_batch_with_every_attack_of_a_group(group, tmp_path, subtests):
    """One test for a batch, as grading it is what takes the time."""
    batch = graded(group, tmp_path)
    for attack in catalogue(group):
        with subtests.test(attack.name):
            check_attack(batch, attack)
    for promise in PROMISES:
        with subtests.test(promise.__name__.replace("_", " ")):
            promise(batch)


def test_the_catalogue_is_as_large_as_is_said():
    assert sum(len(catalogue(group)) for group in GROUPS) >= 60
