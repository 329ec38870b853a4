"""The warm process: has everything imported, and forks a kernel for each submission.

Runs inside bubblewrap as ``python warm.py FD``, with the learner's side of the library only, so it
imports nothing that grades. `sandbox` starts it and asks it over a Unix socket: a request is one
message of JSON with the descriptors of the cgroups to enter, the answer the kernel's pidfd.

A kernel is process 1 of a pid namespace, so its end is the end of all that it started. Namespaces
and mounts need one capability; the warm process keeps it, a kernel drops it before it runs anything
of a learner's, and user namespaces, which would give it back, are disabled in the sandbox.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import resource
import selectors
import signal
import socket
import sys
import threading
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_NEWNS, _NEWIPC, _NEWPID, _NEWNET = 0x20000, 0x8000000, 0x20000000, 0x40000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _MOVE = 1, 2, 4, 8, 32, 4096, 8192
_PDEATHSIG, _CAPBSET_DROP, _SUBREAPER, _NO_NEW_PRIVS = 1, 24, 36, 38  # prctl
_CAPABILITIES = 64  # more than there are
_CAPABILITY_VERSION_3 = 0x20080522

_NEVER_IN_A_NOTEBOOK = ("course_lib.cli", "course_lib.notebooks")


def main() -> None:
    """Import, warm up, then fork until nobody can ask any more."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    _warm_up()
    if threading.active_count() > 1 or len(os.listdir("/proc/self/task")) > 1:
        raise SystemExit("The warm process has threads: forking it is not safe.")
    _call("prctl", _SUBREAPER, 1, 0, 0, 0)
    gc.collect()
    gc.freeze()  # else the first collection in a kernel copies every page
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    waiting.register(sys.stdin, selectors.EVENT_READ)
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        for ready, _ in waiting.select():
            if ready.fileobj is sys.stdin:  # closed: nobody will ask any more
                return
            if ready.fileobj is listener:
                connection, _ = listener.accept()
                waiting.register(connection, selectors.EVENT_READ)
                continue
            connection, kernel = ready.fileobj, ready.data
            try:
                message, cgroups, _, _ = socket.recv_fds(connection, 65536, 8)
                if message == b"ready?":
                    connection.sendall(b"ready")
                    continue
                if message:
                    kernel = _fork_kernel(connection, json.loads(message), cgroups)
                    waiting.modify(connection, selectors.EVENT_READ, kernel)
                    continue
            except OSError:
                pass
            waiting.unregister(connection)  # whoever asked has done, or is dead
            connection.close()
            if kernel is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(kernel, signal.SIGKILL)
                os.close(kernel)


def _fork_kernel(connection: socket.socket, request: dict, cgroups: list[int]) -> int | None:
    """Answer a request with a pidfd, or a sentence, and return the pidfd."""
    ours, theirs = os.pipe()
    if os.fork() == 0:
        try:
            _prepare(request, cgroups, theirs)
        except BaseException as error:
            os.write(theirs, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    for descriptor in (theirs, *cgroups):
        os.close(descriptor)
    said = os.read(ours, 1000).decode()
    os.close(ours)
    try:
        kernel = os.pidfd_open(int(said))
    except (ValueError, OSError):
        connection.sendall(said.encode() or b"no reason given")
        return None
    socket.send_fds(connection, [b"ok"], [kernel])
    return kernel


def _prepare(request: dict, cgroups: list[int], report: int) -> None:
    """Enter the cgroups, make the namespaces and mounts, fork the kernel, and end."""
    for descriptor in cgroups:
        os.write(descriptor, b"0")  # 0: whoever writes
    _call("unshare", _NEWNS | _NEWIPC | _NEWPID | _NEWNET)
    _mount(f"/sandbox/runs/{request['run']}", "/sandbox/kernel", flags=_BIND)
    size = f"size={request['disk']},nr_inodes=20000"
    _mount("tmpfs", "/sandbox/home", "tmpfs", _NOSUID | _NODEV, size)
    _mount("tmpfs", "/dev/shm", "tmpfs", _NOSUID | _NODEV, size)
    _mount("devpts", "/dev/pts", "devpts", _NOSUID | _NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    _mount("tmpfs", "/sandbox/runs", "tmpfs", _RDONLY, "size=4k")
    above, below = socket.socketpair()
    kernel = os.fork()
    if kernel == 0:
        above.close()
        os.close(report)
        _become_kernel(request, below, used)
        os._exit(0)
    # of all processes it sees itself only: some libraries look up what they have loaded
    _mount(f"/proc/{kernel}", "/sandbox/self", flags=_BIND)
    _mount("tmpfs", "/proc", "tmpfs", 0, "size=4k")
    os.mkdir("/proc/self")
    _mount("/sandbox/self", "/proc/self", flags=_MOVE)
    _mount("tmpfs", "/proc", "", _REMOUNT | _BIND | _RDONLY)
    os.write(report, str(kernel).encode())
    os.close(report)
    below.close()
    if above.recv(1):  # its sockets are bound: from now on nobody can put others in their place
        _call(
            "mount",
            None,
            b"/sandbox/kernel",
            None,
            _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV,
            None,
        )
        above.sendall(b"x")


def _become_kernel(request: dict, above: socket.socket, used: int) -> None:
    os.setsid()  # a signal to its process group would reach the warm process, namespace or not
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    kept = above.fileno()
    os.closerange(3, kept)
    os.closerange(kept + 1, 4096)
    for name, limit in request["limits"].items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        if name == "DATA":  # what is shared with the warm process does not count
            limit += used
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
    _drop_capabilities()
    os.environ.update(request["environment"])
    for folder in ("HOME", "COURSE_HOME", "COURSE_CACHE"):
        os.makedirs(os.environ[folder], exist_ok=True)
    for name in os.listdir("/sandbox/cache"):
        os.symlink(f"/sandbox/cache/{name}", f"{os.environ['COURSE_CACHE']}/{name}")
    os.chdir(os.environ["HOME"])

    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize(["-f", "/sandbox/kernel/kernel.json", "--HistoryManager.hist_file=:memory:"])
    above.sendall(b"x")
    if not above.recv(1):
        return
    above.close()
    app.start()


def _drop_capabilities() -> None:
    for capability in range(_CAPABILITIES):
        _libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)  # fails for those that do not exist
    head = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _call("capset", head, (ctypes.c_uint32 * 6)())
    _call("prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)


def _mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    words = [source.encode(), target.encode(), kind.encode()]
    _call("mount", *words, flags, data.encode())


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _warm_up() -> None:
    """Do what every notebook does first: import, look up the glyphs, one step of training."""
    kernel = [f"ipykernel.{name}" for name in ("kernelapp", "zmqshell", "debugger")]
    for name in (*kernel, "matplotlib.pyplot", "torchvision"):
        importlib.import_module(name)
    import torch

    import course_lib

    torch.set_num_threads(1)  # a process that has computed in threads must not fork
    for module in pkgutil.walk_packages(course_lib.__path__, "course_lib."):
        if not module.name.startswith(_NEVER_IN_A_NOTEBOOK):
            importlib.import_module(module.name)
    importlib.import_module("course_lib.data.glyphs").class_characters()

    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(8, 2))
    optimiser = torch.optim.Adam(net.parameters())
    loss = torch.nn.functional.cross_entropy(net(torch.zeros(2, 1, 4, 4)), torch.tensor([0, 1]))
    loss.backward()
    optimiser.step()


if __name__ == "__main__":
    main()
