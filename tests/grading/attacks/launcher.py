"""The launcher: what a learner's process is started with, and what it can see and reach.

The grader's environment holds ``SECRET_OF_THE_INSTRUCTOR``; a server of the grader's listens on
``127.0.0.1:PORT`` and on the abstract socket ``ABSTRACT``.
"""

import os
import shutil
import socket

from tests.grading.attacks import CAGED, attack, own_cell
from tests.mini import MODULE, RIGHT, save

PORT = 20_000 + os.getpid() % 20_000
ABSTRACT = f"course-attacks-{os.getpid()}"


@attack("n_correct: correct", n_correct=1)
def environment_read(release):
    return own_cell(
        release,
        """
        import os
        print([("LOOT", name) for name, value in os.environ.items()
               if "SECRET" in name or "instructor" in value.lower() or "TOKEN" in name])
        """,
        n_correct=RIGHT,
    )


@attack("n_correct: correct", n_correct=1)
def descriptors_inherited(release):
    """Every open one is listed: a file or a pipe of the grader's has no business here."""
    return own_cell(
        release,
        """
        import fcntl, os, stat
        for fd in range(3, 4096):
            try:
                mode = os.fstat(fd).st_mode
            except OSError:
                continue
            if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
                flags = fcntl.fcntl(fd, fcntl.F_GETFL)
                try:
                    text = os.pread(fd, 100, 0)
                except OSError:
                    text = b""
                if b"SQLite" in text or b"grading" in text or stat.S_ISDIR(mode):
                    print("LOOT", fd, flags, text)
        """,
        n_correct=RIGHT,
    )


@attack("n_correct: not")
def descriptors_flooded_and_closed(release):
    return own_cell(
        release,
        CAGED
        + """
import os
for fd in range(3, 4096):
    try:
        os.set_blocking(fd, False)
        os.write(fd, b"\\xff" * 4096)
    except OSError:
        pass
os.closerange(0, 65536)
""",
        n_correct="def n_correct(a, b):\n    return 1",
    )


@attack("n_correct: correct", n_correct=1)
def processes_read(release):
    """No process but one's own is seen, so none can be read, traced or written."""
    return own_cell(
        release,
        """
        import os
        seen = [name for name in (os.listdir("/proc") if os.path.isdir("/proc") else [])
                if name.isdigit()]
        for name in seen:
            try:
                text = open(f"/proc/{name}/cmdline", "rb").read()
                if b"pytest" in text or b"nbgrader" in text or b"bwrap" in text or b"init" in text:
                    print("LOOT", name, text)
                if b"SECRET" in open(f"/proc/{name}/environ", "rb").read():
                    print("LOOT environment of", name)
            except OSError:
                pass
        """,
        n_correct=RIGHT,
    )


@attack("n_correct: correct", n_correct=1)
def processes_traced(release):
    return own_cell(
        release,
        CAGED
        + """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
mine = {os.getpid(), os.getppid()} if os.getppid() == 1 else {os.getpid()}
for pid in range(1, 400):
    if pid not in mine and not libc.ptrace(16, pid, None, None):  # PTRACE_ATTACH
        libc.ptrace(17, pid, None, None)
        text = open(f"/proc/{pid}/cmdline").read() if os.path.exists(f"/proc/{pid}/cmdline") else ""
        if "course_lib" in text or "bwrap" in text or not text:
            print("LOOT traced", pid, text)
""",
        n_correct=RIGHT,
    )


@attack("n_correct: not attempted")
def everybody_killed(release):
    return own_cell(
        release,
        CAGED
        + """
import os, signal
for signum in (signal.SIGSTOP, signal.SIGKILL):
    for pid in [os.getppid(), *range(2, 300), -1, 0, 1]:
        try:
            if pid > 1 and pid == os.getpid():
                continue
            if pid == 0 and signum == signal.SIGSTOP:
                continue
            os.kill(pid, signum)
        except OSError:
            pass
os.killpg(0, signal.SIGKILL)
""",
    )


@attack("ended in “")
def segmentation_fault(release):
    return own_cell(release, "import ctypes\nctypes.string_at(0)")


@attack("n_correct: correct", n_correct=1)
def aborts_after_a_right_answer(release):
    """What was judged before the end is kept."""
    return own_cell(
        release,
        "import resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
        n_correct=RIGHT,
        evaluate="import os\nos.abort()",
    )


@attack("n_correct: correct", n_correct=1)
def network_reached(release):
    return own_cell(
        release,
        f"""
        import socket
        for place in (("127.0.0.1", {PORT}), ("10.0.0.1", 53), ("169.254.169.254", 80)):
            with socket.socket() as s:
                s.settimeout(1)
                try:
                    s.connect(place)
                    print("LOOT network", place)
                except OSError:
                    pass
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect("\\0{ABSTRACT}")
                print("LOOT abstract socket")
            except OSError:
                pass
        """,
        n_correct=RIGHT,
    )


@attack("n_correct: correct", n_correct=1)
def namespaces_nested(release):
    """Root in a namespace of one's own: what was covered must stay covered."""
    return own_cell(
        release,
        CAGED
        + """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if not os.fork():
    libc.unshare(0x10000000 | 0x00020000)  # user and mount namespaces
    for place in ("/proc", "/tmp", "/home", "/root", os.path.expanduser("~"), os.getcwd()):
        before = sorted(os.listdir(place)) if os.path.isdir(place) else []
        while not libc.umount2(place.encode(), 2):
            pass
        libc.mount(b"proc", b"/proc", b"proc", 0, None)
        after = sorted(os.listdir(place)) if os.path.isdir(place) else []
        if any(name.isdigit() and int(name) > 2 for name in set(after) - set(before)):
            print("LOOT uncovered", place, after, flush=True)
        if "gradebook.db" in str(after) or "course_lib" in after:
            print("LOOT uncovered", place, after, flush=True)
    os._exit(0)
os.wait()
""",
        n_correct=RIGHT,
    )


@attack("n_correct: correct", n_correct=1)
def files_written_everywhere(release):
    """Other submissions, the library, start-up files: read-only, absent, or thrown away."""
    return own_cell(
        release,
        CAGED
        + """
import os, sys, course_lib
poison = "print('LOOT poisoned'); raise SystemExit"
home = os.path.expanduser("~")
places = [os.path.join(path, "sitecustomize.py") for path in sys.path if path]
places += [os.path.join(path, "poison.pth") for path in sys.path if path]
places += [course_lib.__file__, os.__file__]
places += [os.path.join(home, ".ipython/profile_default/startup/00.py"), "/etc/profile",
           os.path.join(home, ".bashrc"), "../attack.ipynb", "../../blank/attack",
           *(f"{place}/course-attack" for place in ("/tmp", "/dev/shm", "/var/tmp", "/run")),
           os.path.join(os.environ.get("IPYTHONDIR", home), "profile_default/startup/00.py")]
for place in places:
    try:
        os.makedirs(os.path.dirname(os.path.abspath(place)), exist_ok=True)
        with open(place, "a") as file:
            file.write("\\n" + poison)
    except OSError:
        pass
""",
        n_correct=RIGHT,
    )


@attack("n_correct: correct", n_correct=1)
def daemon_left_behind(release):
    return own_cell(
        release,
        CAGED
        + """
import os, signal, subprocess, sys, time
for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(signum, signal.SIG_IGN)
for _ in range(3):
    if not os.fork():
        os.setsid()
        if not os.fork():
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(900)"],
                             start_new_session=True)
            time.sleep(900)
        os._exit(0)
for signum in (signal.SIGTERM, signal.SIGINT):
    signal.signal(signum, signal.default_int_handler)
""",
        n_correct=RIGHT,
    )


@attack("n_correct: correct", n_correct=1)
def shutdown_refused(release):
    return own_cell(
        release,
        """
        import atexit, signal, threading, time
        kernel = get_ipython().kernel
        kernel.do_shutdown = lambda *a: {"status": "error"}
        kernel.shutdown_request = lambda *a: None
        for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(signum, signal.SIG_IGN)
        atexit.register(time.sleep, 900)
        threading.Thread(target=time.sleep, args=(900,)).start()
        """,
        n_correct=RIGHT,
    )


@attack("n_correct: not")
def sockets_taken_over(release):
    """The folder of the sockets is emptied and somebody else listens there."""
    return own_cell(
        release,
        CAGED
        + """
import glob, os, socket, sys
from ipykernel.connect import get_connection_file
folder = os.path.dirname(os.path.abspath(get_connection_file()))
for path in glob.glob(folder + "/*"):
    try:
        os.unlink(path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        os.symlink("/etc/passwd", path + "-link")
        os.mkfifo(path + "-fifo")
    except OSError:
        pass
""",
        n_correct="def n_correct(a, b):\n    return 1",
    )


@attack("n_correct: correct", n_correct=1)
def privileges_raised(release):
    return own_cell(
        release,
        CAGED
        + """
import ctypes, os, subprocess
libc = ctypes.CDLL(None, use_errno=True)
done = {
    "chroot": lambda: os.chroot("/"),
    "mknod": lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(254, 0)) or open("/tmp/disk", "rb"),
    "nice": lambda: os.nice(-10),
    "realtime": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)),
    "mount": lambda: libc.mount(b"none", b"/mnt", b"tmpfs", 0, None) and 1 / 0,
    "hostname": lambda: libc.sethostname(b"x", 1) and 1 / 0,
    "reboot": lambda: libc.swapoff(b"/nothing") and 1 / 0,
}
for name, attempt in done.items():
    try:
        attempt()
        print("LOOT", name)
    except (OSError, ZeroDivisionError):
        pass
for command in ("sudo -n true", "su -c true", "mount -t tmpfs x /mnt"):
    try:
        done = subprocess.run(command.split(), capture_output=True, stdin=subprocess.DEVNULL)
        if not done.returncode:
            print("LOOT", command)
    except OSError:
        pass
""",
        n_correct=RIGHT,
    )


@attack("n_correct: correct", n_correct=1)
def control_groups_left(release):
    return own_cell(
        release,
        CAGED
        + """
import os
for base, folders, files in os.walk("/sys/fs/cgroup"):
    for file in ("cgroup.procs", "tasks", "memory.limit_in_bytes", "memory.max"):
        try:
            with open(os.path.join(base, file), "w") as out:
                out.write(str(os.getpid()))
            print("LOOT", base, file)
        except OSError:
            pass
    if base.count("/") > 6:
        folders.clear()
""",
        n_correct=RIGHT,
    )


@attack("n_correct: correct", n_correct=1)
def limits_raised(release):
    return own_cell(
        release,
        CAGED
        + """
import resource
for name in ("AS", "NOFILE", "FSIZE", "CPU"):
    kind = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY:
        print("LOOT no hard limit on", name)
    try:
        resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print("LOOT limit raised", name)
    except (ValueError, OSError):
        pass
""",
        n_correct=RIGHT,
    )


# --- what is handed in, as a thing in the file system -----------------------------------------


@attack("not gradable")
def a_link_to_the_solution(release):
    def make(path):
        root = path.parents[1] / "course"
        path.symlink_to(root / "source" / MODULE / f"{MODULE}.ipynb")

    return make


@attack("not gradable")
def a_link_to_the_secret(release):
    return lambda path: path.symlink_to(path.parents[1] / "course" / ".grading_secret")


@attack("not gradable")
def a_link_to_nothing(release):
    return lambda path: path.symlink_to("nowhere.ipynb")


@attack("not gradable")
def a_link_to_itself(release):
    return lambda path: path.symlink_to(path.name)


@attack("not gradable")
def a_hard_link_to_the_gradebook(release):
    return lambda path: os.link(path.parents[1] / "course" / "gradebook.db", path)


@attack("not gradable")
def a_pipe_that_nobody_writes(release):
    return os.mkfifo


@attack("not gradable")
def a_folder_with_a_notebooks_name(release):
    return os.mkdir


@attack("not gradable")
def a_socket(release):
    def make(path):
        here = os.open(path.parent, os.O_DIRECTORY)  # socket paths are short
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)

    return make


@attack("not gradable")
def a_device_without_end(release):
    return lambda path: os.mknod(path, 0o20644, os.makedev(1, 5))  # /dev/zero


def in_the_tree(path, release, name):
    """Hand in as nbgrader does, in ``submitted/student/module``; return that folder."""
    folder = path.parents[1] / "course" / "submitted" / name / MODULE
    save(own_cell(release, "1", n_correct=RIGHT), folder / f"{MODULE}.ipynb")
    return folder


@attack("n_correct: correct", n_correct=1)
def links_beside_the_notebook(release):
    """What lies there must not reach the feedback folder."""

    def make(path):
        folder = in_the_tree(path, release, "links_beside_the_notebook")
        (folder / "solution.html").symlink_to(folder.parents[2] / "source")
        (folder / "book.txt").symlink_to(folder.parents[2] / "gradebook.db")
        (folder / "all").symlink_to("/etc")
        os.mkfifo(folder / "pipe")
        shutil.copy(folder / f"{MODULE}.ipynb", folder / "another.ipynb.txt")

    return make


@attack("not gradable.*timestamp")
def time_of_submission_without_end(release):
    return lambda path: os.mkfifo(
        in_the_tree(path, release, "time_of_submission_without_end") / "timestamp.txt"
    )
