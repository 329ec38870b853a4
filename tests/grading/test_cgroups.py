"""Control groups: what they bound, and that nobody else's are touched."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from course_lib.errors import CourseError
from course_lib.grading import cgroups


@pytest.fixture
def group():
    folders = cgroups.make(2**30, 300)
    if not folders:
        pytest.skip("no control groups here")
    yield folders
    cgroups.end(folders)


def started(folders, code):
    """Start a process in a group, on one core that all of them share."""
    core = min(os.sched_getaffinity(0))

    def enter():
        os.sched_setaffinity(0, [core])
        for descriptor in cgroups.enter(folders):
            os.write(descriptor, b"0")

    return subprocess.Popen([sys.executable, "-c", code], preexec_fn=enter)


def test_sixty_processes_get_no_more_of_a_core_than_one(group):
    if cgroups.missing(group):
        pytest.skip("no control group shares out the processor here")
    spin = "while True: pass"
    many = f"import os\nfor _ in range(60): os.fork() or (os.setsid(), exec({spin!r}))\n{spin}"
    other = cgroups.make(2**30, 300)
    try:
        started(group, many)
        while len(pids(group)) < 60:
            time.sleep(0.1)
        before = used(*map(int, pids(group)))
        one = started(other, spin).pid
        time.sleep(5)
        took = used(*map(int, pids(group))) - before
        assert used(one) > took / 4, "each of them would get as much as this one"
    finally:
        cgroups.end(other)


def used(*processes):
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in processes)


def pids(folders):
    return (folders[0] / "cgroup.procs").read_text().split()


def test_only_what_a_killed_grading_left_is_removed(group):
    """Another program's group may have a name that begins like ours."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    beside = group[0].parent
    foreign, old = beside / "course-platform.service", beside / f"course-{gone.pid}-0"
    foreign.mkdir()
    old.mkdir()
    theirs = started([foreign], "import time; time.sleep(100)")
    try:
        cgroups.end(cgroups.make(2**30, 300))
        assert theirs.poll() is None
        assert foreign.is_dir()
        assert not old.is_dir()
    finally:
        cgroups.end([foreign, old])
        theirs.wait()


@pytest.fixture
def version_2(tmp_path, monkeypatch):
    """A folder in place of the tree of version 2: it shows what is written where."""
    own = tmp_path / "user.slice" / "session.scope"
    own.mkdir(parents=True)
    for folder in (tmp_path, own.parent):
        (folder / "cgroup.controllers").write_text("cpu memory pids\n")
        (folder / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (tmp_path / "own").write_text("0::/user.slice/session.scope\n")
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "OWN", tmp_path / "own")
    return own.parent


def test_in_version_2_one_group_beside_our_own_has_all_limits(version_2):
    (folder,) = cgroups.make(2**30, 50)
    assert folder.parent == version_2
    limits = {name: (folder / name).read_text() for name in ("memory.max", "pids.max", "cpu.max")}
    assert limits == {
        "memory.max": str(2**30),
        "pids.max": "50",
        "cpu.max": f"{cgroups.QUOTA} {cgroups.PERIOD}",
    }
    assert cgroups.missing([folder]) == []
    assert (version_2 / "cgroup.subtree_control").read_text() == "cpu memory pids\n"


def test_in_version_2_what_is_off_is_asked_for_from_the_top_down(version_2, monkeypatch):
    monkeypatch.delenv("COURSE_REQUIRE_CGROUP", raising=False)  # a mere file enables nothing
    for folder in (version_2.parent, version_2):
        (folder / "cgroup.subtree_control").write_text("memory pids\n")
    cgroups.make(2**30, 50)
    for folder in (version_2.parent, version_2):
        assert (folder / "cgroup.subtree_control").read_text() == "+cpu"


def test_in_version_2_memory_is_bounded_where_the_processor_is_not_shared_out(
    version_2, monkeypatch
):
    monkeypatch.delenv("COURSE_REQUIRE_CGROUP", raising=False)
    for name in ("cgroup.controllers", "cgroup.subtree_control"):
        (version_2 / name).write_text("memory pids\n")
    (folder,) = folders = cgroups.make(2**30, 50)
    assert (folder / "memory.max").read_text() == str(2**30)
    assert cgroups.missing(folders) == [cgroups.NO_CPU]
    monkeypatch.setenv("COURSE_REQUIRE_CGROUP", "1")
    with pytest.raises(CourseError, match="shares out the processor"):
        cgroups.make(2**30, 50)
