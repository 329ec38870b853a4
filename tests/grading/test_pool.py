"""A class graded several at a time: what is interrupted resumes, what has not changed stays."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from course_lib import home
from course_lib.grading import cgroups, judged, pool, sandbox
from course_lib.grading.collect import collect
from course_lib.grading.grade import build, grade
from course_lib.grading.judged import FOLDER, UNSAFE, Limits
from course_lib.notebooks.rebuild import read_notebook
from tests.mini import MODULE, RIGHT, SHARE, answered, save, write_course

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path, monkeypatch):
    root = write_course(tmp_path / "course")
    build(root, MODULE)
    return root


def hand_in(root, student, answer, cell=""):
    release = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    notebook = answered(release, n_correct=answer)
    notebook.cells.append(nbformat.v4.new_code_cell(cell))
    return save(notebook, root.parent / "inbox" / f"{student}_{MODULE}.ipynb")


def grade_inbox(root, **options):
    rows = grade(root, collect([root.parent / "inbox"], [MODULE]), progress=False, **options)
    return {row["student"]: row["exercises"].get("n_correct") for row in rows}


def times(root):
    return {
        path.parent.parent.name: path.stat().st_mtime_ns
        for path in root.glob(f"feedback/*/{MODULE}/*.html")
    }


def test_a_second_run_grades_only_what_changed(root, monkeypatch):
    for student, answer in {"ann": RIGHT, "bo": SHARE, "cy": RIGHT}.items():
        hand_in(root, student, answer)
    assert grade_inbox(root, jobs=2) == {"ann": 1, "bo": 0, "cy": 1}
    before = times(root)
    hand_in(root, "bo", RIGHT)
    forked = []
    take = pool._Worker.take
    monkeypatch.setattr(
        pool._Worker, "take", lambda self, one, s: (forked.append(one.student), take(self, one, s))
    )
    assert grade_inbox(root, jobs=2) == {"ann": 1, "bo": 1, "cy": 1}
    assert forked == ["bo"]
    after = times(root)
    assert [name for name in after if after[name] != before[name]] == ["bo"]


def test_without_a_control_group_each_row_says_so_and_is_graded(root, monkeypatch):
    monkeypatch.delenv("COURSE_REQUIRE_CGROUP", raising=False)
    monkeypatch.setattr(cgroups, "ROOT", root / "no such folder")
    hand_in(root, "ann", RIGHT)
    (row,) = grade(root, collect([root.parent / "inbox"], [MODULE]), progress=False)
    assert row["exercises"]["n_correct"] == 1
    assert row["notes"] == [cgroups.NONE]
    assert row["status"] == "graded", "it is nothing about this submission"


def test_ctrl_c_and_kill_lose_nothing_that_was_done(root):
    for number in range(4):
        slow = "import time; time.sleep(3)" if number else ""
        hand_in(root, f"s{number}", RIGHT, slow)
    command = [sys.executable, "-m", "course_lib.cli", "grade", "inbox", "--jobs", "1"]
    command += ["--course", str(root)]
    done = {}
    for how in (signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen(
            command,
            cwd=root.parent,
            stdout=subprocess.DEVNULL,
            stderr=(root.parent / "log").open("w"),
            # a shell's background job, and so whatever it starts, ignores Ctrl-C
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while not set(root.glob(f"{FOLDER}/{MODULE}/s*.json")) - set(done):
            time.sleep(0.1)
            assert process.poll() is None, (root.parent / "log").read_text()
        time.sleep(0.5)  # in the middle of the next one
        process.send_signal(how)
        process.wait(30)
        assert process.returncode != 0
        kept = {path: path.stat().st_mtime_ns for path in root.glob(f"{FOLDER}/{MODULE}/s*.json")}
        assert done.items() <= kept.items()
        done = kept
    assert 2 <= len(done) < 4
    assert grade_inbox(root) == {f"s{number}": 1 for number in range(4)}
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())


def test_what_a_killed_run_left_is_removed_by_the_next_and_nobody_elses(root, monkeypatch):
    (root.parent / "t").mkdir()
    monkeypatch.setenv("TMPDIR", str(root.parent / "t"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    hand_in(root, "ann", RIGHT, "import time; time.sleep(100)")
    command = [sys.executable, "-m", "course_lib.cli", "grade", "inbox", "--course", str(root)]
    before = temporary_folders()
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=root.parent, **silent)
    while not (made := temporary_folders() - before) or not list(
        Path("/tmp").glob("course-sandbox-*/runs/*/kernel.json")
    ):
        time.sleep(0.1)
        assert process.poll() is None
    started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    psutil.wait_procs(started, 60)  # a worker dies a moment later, and has the lock till then
    assert {path.name.split("-")[1] for path in made} == {"sandbox", "library"}
    assert made <= temporary_folders()

    namesake = root.parent / "t" / "course-library-homework"  # not made by us
    namesake.mkdir(mode=0o755)
    hand_in(root, "ann", RIGHT)
    with home.temporary_folder("library") as another:
        assert grade_inbox(root) == {"ann": 1}
        sandbox.stop()
        assert temporary_folders() - before == {another, namesake}


def temporary_folders():
    return {
        path
        for place in (tempfile.gettempdir(), "/tmp")
        for path in Path(place).glob("course-*-????????")
        if not path.name.startswith("course-tests-")
    }


@pytest.mark.parametrize("room", [480, 640])  # KiB: the table cannot be written, or one mark
def test_a_full_disk_loses_nothing(root, room):
    if not shutil.which("unshare"):
        pytest.skip("there is no unshare here")
    students = ("ann", "bo", "cy", "di")
    for student in students:
        hand_in(root, student, RIGHT)
    small = root.parent / "small"
    small.mkdir()
    grading = f"{sys.executable} -m course_lib.cli grade inbox --jobs 1 --course small/course"
    lines = f"""
        mount -t tmpfs -o size={room}k none small || exit 77
        cp -r course small/course
        {grading} > first 2> first_errors; echo $? >> first
        mount -o remount,size=100m small
        {grading} > second && cp small/course/grades.csv .
    """
    done = subprocess.run(["unshare", "--mount", "sh", "-c", lines], cwd=root.parent, check=False)
    if done.returncode in (1, 77) and not (root.parent / "first").exists():
        pytest.skip("no disk can be mounted here")
    first = (root.parent / "first").read_text()
    errors = (root.parent / "first_errors").read_text()
    assert first.endswith("1\n")
    assert "disk is full" in first or "No space left on device" in errors
    assert "Traceback" not in errors
    marks = (root.parent / "grades.csv").read_text().splitlines()[1:]
    assert [line.split(",")[:4] for line in marks] == [
        [student, MODULE, "graded", "1.0"] for student in students
    ]


def test_a_killed_worker_takes_only_its_submission_with_it(root, monkeypatch):
    for student in ("ann", "bo", "cy"):
        hand_in(root, student, RIGHT)
    real = pool.judged

    def killed(root, module, student, notebook, **options):
        if student == "bo":
            os.kill(os.getpid(), signal.SIGKILL)
        return real(root, module, student, notebook, **options)

    monkeypatch.setattr(pool, "judged", killed)
    rows = grade(root, collect([root.parent / "inbox"], [MODULE]), jobs=1, progress=False)
    assert [row["status"].split(":")[0] for row in rows] == ["graded", "not gradable", "graded"]


def test_what_takes_too_long_is_stopped_and_the_others_are_graded(root, monkeypatch):
    monkeypatch.setattr(judged, "time_limits", lambda *arguments: Limits(3, 8))
    hand_in(root, "ann", RIGHT)
    hand_in(root, "bo", RIGHT, "import signal\nsignal.signal(2, signal.SIG_IGN)\nwhile True: pass")
    hand_in(root, "cy", "while True: pass")
    assert grade_inbox(root, jobs=2) == {"ann": 1, "bo": 1, "cy": 0}


def test_the_limits_follow_the_reference_run(root, monkeypatch):
    monkeypatch.setattr(judged, "SLOWER", 1000)
    first = judged.time_limits(root, MODULE, True)
    assert judged.time_limits(root, MODULE, True) == first, "it is measured once"
    kept = json.loads((root / FOLDER / MODULE / ".reference.json").read_bytes())
    assert first.notebook == max(120, round(1000 * kept["seconds"]))


def test_a_slow_module_is_measured_when_a_submission_needs_it(root, monkeypatch):
    monkeypatch.setattr(judged, "LEAST", Limits(3, 6))
    monkeypatch.setattr(judged, "SLOWER", 100)
    hand_in(root, "ann", RIGHT)
    hand_in(root, "bo", RIGHT, "import time; time.sleep(4); print('to the end')")
    assert not (root / FOLDER / MODULE / ".reference.json").exists()
    assert grade_inbox(root, jobs=2) == {"ann": 1, "bo": 1}
    assert (root / FOLDER / MODULE / ".reference.json").exists()
    kept = json.loads((root / FOLDER / MODULE / "bo.json").read_bytes())
    assert kept["cells"][-1]["outputs"][0]["text"] == "to the end\n"


def test_a_damaged_cache_is_graded_again(root):
    hand_in(root, "ann", RIGHT)
    assert grade_inbox(root) == {"ann": 1}
    (root / FOLDER / MODULE / "ann.json").write_bytes(b'{"key": "')
    assert grade_inbox(root) == {"ann": 1}


def test_without_a_sandbox_it_must_be_said_and_is_said_again(root, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    hand_in(root, "ann", RIGHT)
    with pytest.raises(Exception, match="install bubblewrap"):
        grade_inbox(root)
    (row,) = grade(
        root, collect([root.parent / "inbox"], [MODULE]), sandboxed=False, progress=False
    )
    assert (row["exercises"]["n_correct"], row["status"]) == (1, "graded with notes")
    assert UNSAFE in row["notes"]
