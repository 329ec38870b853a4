"""What a kernel in the sandbox can see and take, tried from inside one."""

import gc
import os
import socket
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from course_lib.errors import CourseError
from course_lib.grading import cgroups, sandbox
from course_lib.notebooks import run as running
from course_lib.notebooks.run import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A course folder with what nobody inside may read."""
    root = tmp_path_factory.mktemp("class")
    (root / "gradebook.db").write_text("the marks")
    return root


def notebook_of(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


def printed(root, *sources, **options):
    """Run cells in one sandboxed kernel and return what each printed or raised."""
    notebook = notebook_of(*sources)
    with sandbox.submission([root], 60) as one:
        run(notebook, provision=one.provision, **options)
        ended = one.ended_by()
    texts = [
        "".join(out.get("text") or out.get("evalue", "") for out in cell.outputs).strip()
        for cell in notebook.cells
    ]
    return [*texts, ended]


def test_the_learners_side_works_inside(root):
    source = (
        "import os, torch\n"
        "from course_lib import check, use\n"
        "from course_lib.data.glyphs import load\n"
        "import threadpoolctl; threadpoolctl.threadpool_info()  # reads /proc/self/maps\n"
        "print(os.getpid(), use('n_correct')(torch.eye(3), torch.arange(3)))"
    )
    write = (
        "import os, tempfile\n"
        "tempfile.TemporaryFile().write(b'x'); open('mine.txt', 'w').write('x')\n"
        "open(os.environ['COURSE_CACHE'] + '/new', 'w').write('x')\n"
        "from course_lib.evidence.notes import load, save\n"
        "save('progress', {'a': {}}); print(load('progress'))"
    )
    shell = "!echo from a shell"
    first, second, third, _ = printed(root, source, write, shell)
    assert first.endswith("\n1 3")
    assert second == "{'a': {}}"
    assert third == "from a shell"


def test_there_is_no_network(root):
    source = (
        "import socket\n"
        "for address in [('1.1.1.1', 53), ('127.0.0.1', {port})]:\n"
        "    try:\n"
        "        socket.create_connection(address, timeout=5); print('connected')\n"
        "    except OSError as error:\n"
        "        print(error.strerror)\n"
        "print(socket.if_nameindex())"
    )

    with socket.create_server(("127.0.0.1", 0)) as server:
        text, _ = printed(root, source.format(port=server.getsockname()[1]))
    assert text.count("Network is unreachable") == 2
    assert text.endswith("[(1, 'lo')]")


def test_nothing_of_the_class_can_be_read_and_nothing_of_the_system_written(root):
    (secret := Path.home() / ".secret-of-the-grader").write_text("x")
    paths = [root / "gradebook.db", secret, Path(__file__), Path(running.__file__)]
    source = (
        "from pathlib import Path\n"
        f"print([p for p in {list(map(str, paths))!r} if Path(p).exists()])\n"
        "import importlib.util as u\n"
        "print([n for n in ('course_lib.grading', 'course_lib.checks.judges') if u.find_spec(n)])\n"
        "writable = []\n"
        "import os, sys, torch\n"
        "places = ['/', '/dev', '/etc', '/usr', '/sandbox', '/sandbox/library', '/sandbox/runs',\n"
        "  '/sandbox/kernel', '/sandbox/cache', '/proc', sys.prefix, sys.base_prefix,\n"
        "  os.path.dirname(torch.__file__)]\n"
        "for place in places:\n"
        "    try:\n"
        "        open(place + '/x', 'w'); writable.append(place)\n"
        "    except OSError: pass\n"
        "print(writable, os.listdir('/sandbox/runs'), os.listdir('/proc'))"
    )
    try:
        text, _ = printed(root, source)
    finally:
        secret.unlink()
    assert text.splitlines() == ["[]", "[]", "[] [] ['self']"]


def test_it_has_no_rights_no_other_process_and_no_open_file(root):
    source = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "for name, arguments in {'unshare': [0x10000000], 'unshare ': [0x20000],\n"
        "    'mount': [b'x', b'/sandbox/home', b'tmpfs', 0, None], 'umount': [b'/proc'],\n"
        "    'chroot': [b'/sandbox/home'], 'sethostname': [b'x', 1]}.items():\n"
        "    assert getattr(libc, name.strip())(*arguments) != 0, name\n"
        "for pid in range(2, 2000):\n"
        "    try:\n"
        "        os.pidfd_open(pid)\n"
        "    except OSError: continue\n"
        "    print('sees', pid)\n"
        "head, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()\n"
        "assert libc.capget(head, data) == 0\n"
        "print(list(data), libc.prctl(39, 0, 0, 0, 0), sorted(os.environ)[:2])"
    )
    os.environ["A_SECRET"] = "x"
    text, _ = printed(root, source)
    assert text == "[0, 0, 0, 0, 0, 0] 1 ['CLICOLOR', 'CLICOLOR_FORCE']"


def test_memory_is_bounded(root, monkeypatch):
    monkeypatch.setattr(sandbox, "MEMORY", 2**30)
    grow = "parts = []\nwhile True: parts.append(bytearray(2**20))"
    in_children = (
        "import os, time\n"
        "for _ in range(6):\n"
        "    if os.fork() == 0:\n"
        "        part = b'x' * (3 * 10**8); time.sleep(30)\n"
        "time.sleep(30)"
    )
    _, two, ended = printed(root, grow, "del parts; print('goes on')")
    assert (two, ended) == ("goes on", "")
    *_, ended = printed(root, in_children)
    assert "1 GB of memory" in ended


def test_processes_and_threads_are_bounded(root, monkeypatch):
    monkeypatch.setattr(sandbox, "PROCESSES", 60)
    source = (
        "import os, time\n"
        "started = 0\n"
        "try:\n"
        "    while True:\n"
        "        if os.fork() == 0: time.sleep(100); os._exit(0)\n"
        "        started += 1\n"
        "except OSError: print(20 < started < 60)"
    )
    assert printed(root, source)[0] == "True"


def test_disk_and_open_files_are_bounded(root, monkeypatch):
    monkeypatch.setattr(sandbox, "DISK", 16 * 2**20)
    source = (
        "import os\n"
        "for place in ('/sandbox/home', '/dev/shm'):\n"
        "    try:\n"
        "        for n in range(100): open(f'{place}/{n}', 'wb').write(bytes(2**20))\n"
        "    except OSError as error: print(n < 17, error.strerror)\n"
        "try:\n"
        "    files = [open('/dev/null') for _ in range(10**5)]\n"
        "except OSError as error: print(error.strerror)"
    )
    text, _ = printed(root, source)
    full = "True No space left on device"
    assert text.splitlines() == [full, full, "Too many open files"]


@pytest.mark.parametrize(
    "source",
    [
        "while True: print('x' * 10**6)",
        "import sys; sys.stdout.write('x' * 300_000_000)",
        "import os\nwhile True: os.write(1, b'x' * 10**5)",
        "raise ValueError('x' * 300_000_000)",
        "from IPython.display import display\nwhile True: display('x' * 10**6)",
        "import threading\ndef endless():\n    while True: print('x' * 10**6)\n"
        "for _ in range(4): threading.Thread(target=endless).start()",
    ],
    ids=["print", "one text", "descriptor", "error", "displays", "threads"],
)
def test_output_is_bounded_however_it_is_made(root, source):
    notebook = notebook_of(source, "print('after')")
    with sandbox.submission([root], 60) as one:
        run(notebook, provision=one.provision, cell_seconds=100)
    stopped = "the notebook was stopped for more than 64 MB of output in “"
    assert notebook.metadata["course"]["ended"].startswith(stopped)
    assert not notebook.cells[1].outputs


def test_a_line_of_a_million_characters_and_a_progress_bar_are_shown(root):
    bar = "import sys\nfor n in range(3): sys.stdout.write(f'\\r{n} of 2'); sys.stdout.flush()"
    long, progress, _ = printed(root, "print('x' * 10**6)", bar)
    assert (len(long), progress) == (10**6, "2 of 2")


def test_what_goes_wrong_in_a_kernel_is_not_said_on_the_terminal(root, caplog):
    """nbclient leaves tasks behind; asyncio says so once they are gone."""
    garbage = (
        "import gc, time\n"
        "from ipykernel.kernelapp import IPKernelApp\n"
        "kernel = IPKernelApp.instance().kernel\n"
        "for socket in (kernel.iopub_socket, kernel.shell_stream):\n"
        "    socket.send_multipart([b'garbage'] * 7)\n"
        "time.sleep(1)"
    )
    for source in (garbage, f"{garbage}; import os; os._exit(0)", "while True: print('x' * 10**6)"):
        printed(root, source, "1")
        gc.collect()
    printed(root, "1")  # the same event loop, once more
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


def test_all_that_was_started_is_dead_afterwards(root):
    name = f"sleep-{os.getpid()}"
    source = (
        "import os, subprocess, signal\n"
        f"subprocess.Popen(['bash', '-c', 'exec -a {name} sleep 1000'], start_new_session=True)\n"
        "if os.fork() == 0:\n"
        "    os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    os.fork(); import time; time.sleep(1000)\n"
        "print('started')"
    )
    warm = sandbox.start([root])
    before = {p.pid for p in psutil.Process(warm.process.pid).children(recursive=True)}
    assert printed(root, source)[0] == "started"
    for _ in range(100):  # the system takes a moment
        after = {p.pid for p in psutil.Process(warm.process.pid).children(recursive=True)}
        if after <= before:
            break
        time.sleep(0.1)
    assert after <= before
    assert not [p for p in psutil.process_iter(["cmdline"]) if name in (p.info["cmdline"] or [])]
    assert not list(warm.folder.glob("*/"))


def test_the_warm_process_survives_what_is_killed_and_another_takes_the_place_of_a_dead_one(root):
    first = sandbox.start([root])
    with sandbox.submission([root], 60) as one:
        cells = [nbformat.v4.new_code_cell("import os; os.kill(os.getpid(), 11)")]
        run(nbformat.v4.new_notebook(cells=cells), provision=one.provision)
    assert printed(root, "print(1)")[0] == "1"
    assert sandbox.start([root]) is first
    first.process.kill()
    while first.answers():
        time.sleep(0.05)
    assert printed(root, "print(2)")[0] == "2"
    assert sandbox.start([root]) is not first


def test_a_control_group_is_made_and_removed():
    folders = cgroups.make(2**30, 50)
    assert folders or os.environ.get("COURSE_REQUIRE_CGROUP") != "1"
    assert all(folder.is_dir() for folder in folders)
    cgroups.end(folders)
    assert not any(folder.is_dir() for folder in folders)


def test_without_control_groups_the_limits_of_processes_remain(root, monkeypatch, tmp_path):
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(sandbox, "MEMORY", 2**30)
    monkeypatch.delenv("COURSE_REQUIRE_CGROUP", raising=False)
    grow = "parts = []\nwhile True: parts.append(bytearray(2**20))"
    assert cgroups.missing_here() == [cgroups.NONE]
    assert printed(root, grow, "del parts; print('goes on')")[1] == "goes on"
    monkeypatch.setenv("COURSE_REQUIRE_CGROUP", "1")
    with pytest.raises(CourseError, match="control group"):
        cgroups.make(1, 1)


def test_without_bubblewrap_one_sentence_says_what_to_do(root, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with (
        pytest.raises(CourseError, match=r"install bubblewrap.*--unsafe-no-sandbox"),
        sandbox.warm([]),
    ):
        pass


def test_a_course_folder_within_the_environment_is_covered(tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox.sys, "prefix", str(tmp_path))
    root = tmp_path / "course"
    root.mkdir()
    words = sandbox.command(tmp_path / "library", tmp_path / "runs", 3, [root])
    place = words.index(str(root))
    assert words[place - 1 : place + 3] == ["--tmpfs", str(root), "--remount-ro", str(root)]
    assert place > words.index(str(tmp_path))
