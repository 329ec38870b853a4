"""Set the course up in an isolated environment (.venv, beside this file) and start it.

    python3 start.py                 set up, open JupyterLab on the first notebook
    python3 start.py --no-browser --port 8889
    python3 start.py test            set up, run the whole test suite (further words go to pytest)
    python3 start.py setup           set up, open nothing

Safe to repeat: what is already there is kept, and an interrupted run goes on where it stopped.
"""
# ruff: noqa: UP030, UP032, B904
# Any Python must be able to read this file, also 2.7, so that it can say which one is needed:
# no f-string, no annotation, no "raise from", print() with one argument. Standard library only.

import argparse
import errno
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
# What .venv holds and how far it got. A .venv without this file is not ours to touch.
STAMP = os.path.join(VENV, "course-setup.json")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# Gigabytes to download (tests/setup/test_pins.py measures them), and for them and what they unpack
# to on the disk.
DOWNLOAD = {"cpu": 0.4, "cuda": 3.2}
DISK = {"cpu": 3, "cuda": 10}


class Stop(Exception):
    """One sentence for the person at the keyboard."""


def say(sentence):
    print(sentence)
    sys.stdout.flush()


# -- may this machine run the course? ---------------------------------------------------------


def refusal(version, system, machine, apple_silicon=False, bits=64):
    """Return why the course cannot run on such a Python and machine, or None if it can."""
    if version < (3, 11):
        return (
            "The course needs Python 3.11 or newer and this is Python {0}.{1} ({2}): install a "
            "newer one from python.org or your package manager and run start.py with it."
        ).format(version[0], version[1], sys.executable)
    if system == "Darwin" and machine == "x86_64":
        if apple_silicon:
            return (
                "This Python is an Intel one running under Rosetta and PyTorch has no build for "
                "it: install a native Apple silicon (arm64) Python and run start.py with it."
            )
        return (
            "PyTorch no longer has builds for Intel Macs, so the course cannot run on this one: "
            "use another machine, or open the notebooks in Colab."
        )
    if system == "Windows" and (bits == 32 or machine.upper() != "AMD64"):
        return (
            "PyTorch has no build for this {0}-bit {1} Python: install the 64-bit x86-64 "
            "Python for Windows and run start.py with it."
        ).format(bits, machine)
    return None


def is_apple_silicon():
    """Return whether the processor is Apple's, even when Rosetta says x86_64."""
    try:
        answer = subprocess.check_output(["sysctl", "-in", "hw.optional.arm64"])
    except (OSError, subprocess.CalledProcessError):
        return False
    return answer.strip() == b"1"


def has_nvidia():
    return bool(shutil.which("nvidia-smi")) or os.path.exists("/proc/driver/nvidia")


def answers(index, timeout=5):
    """Return whether a package index answers within a few seconds."""
    from urllib.request import urlopen

    try:
        with urlopen(index + "/torch/", timeout=timeout) as reply:
            return reply.status == 200
    except (OSError, ValueError):
        return False


def choose_torch():
    """Return which of PyTorch's builds to install ("cpu" or "cuda") and whose index has it."""
    if platform.system() != "Linux":
        return "cpu", None
    if has_nvidia():
        return "cuda", None
    if answers(CPU_INDEX):
        return "cpu", CPU_INDEX
    say("PyTorch's own index of CPU builds does not answer: taking the default ones, with CUDA.")
    return "cuda", None


# -- the stamp --------------------------------------------------------------------------------


def pins():
    """Return a hash of the files that say what is installed."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(ROOT, name), "rb") as stream:
            digest.update(stream.read())
    return digest.hexdigest()


def read_stamp():
    try:
        with open(STAMP, encoding="utf-8") as stream:
            stamp = json.load(stream)
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(**stamp):
    with open(STAMP + ".part", "w", encoding="utf-8") as stream:
        json.dump(stamp, stream)
    os.replace(STAMP + ".part", STAMP)


# -- the environment --------------------------------------------------------------------------


def program(name):
    """Return the path of one of the environment's programs."""
    if os.name == "nt":
        return os.path.join(VENV, "Scripts", name + ".exe")
    return os.path.join(VENV, "bin", name)


def check_room(torch):
    """Raise `Stop` unless this folder can be written to and the disk has room."""
    try:
        tempfile.TemporaryFile(dir=ROOT).close()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise Stop("The disk is full: free some space and run the same command again.")
        raise Stop(
            "The folder {0} cannot be written to ({1}): copy the course to a folder of your own "
            "and run start.py there.".format(ROOT, error.strerror)
        )
    present = sum(
        os.lstat(os.path.join(folder, name)).st_size
        for folder, _, names in os.walk(VENV)
        for name in names
    )
    free = shutil.disk_usage(ROOT).free
    if free + present < DISK[torch] * 1e9:
        raise Stop(
            "The set-up needs about {0} GB of free disk and {1} has {2:.1f} GB: free some space "
            "and run the same command again.".format(DISK[torch], ROOT, free / 1e9)
        )


def make_venv(identity):
    """Make a fresh .venv, in place of what an earlier run left of one."""
    say("Making an isolated environment in " + VENV)
    if os.path.isdir(VENV):
        # pyvenv.cfg goes first: without it what is left is known as rubbish, also next time.
        if os.path.exists(os.path.join(VENV, "pyvenv.cfg")):
            os.remove(os.path.join(VENV, "pyvenv.cfg"))
        shutil.rmtree(VENV)
    os.mkdir(VENV)
    write_stamp(making=True)
    python = getattr(sys, "_base_executable", sys.executable)  # not that of the old .venv
    result = subprocess.run(
        [python, "-m", "venv", VENV], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if result.returncode:
        output = result.stdout.decode(errors="replace")
        if "ensurepip" in output:
            raise Stop(
                "This Python cannot make isolated environments: install the venv package for it "
                "(on Debian and Ubuntu: sudo apt install python3-venv) and run again."
            )
        raise Stop("The environment cannot be made: " + output.strip().splitlines()[-1])
    write_stamp(**identity)


PIP_FAILURES = (
    (
        ("No space left", "Errno 28", "not enough space", "disk is full"),
        "The disk is full: free some space and run the same command again.",
    ),
    (
        ("DO NOT MATCH THE HASHES", "IncompleteDownload", "IncompleteRead", "Download failed"),
        "A download broke off: run the same command again, what has arrived whole is kept.",
    ),
    (
        ("CERTIFICATE_VERIFY_FAILED",),
        "The package index's certificate cannot be checked, usually because a proxy stands in "
        "between: give pip that proxy's certificate (PIP_CERT) and run again.",
    ),
    (
        (
            "NewConnectionError",
            "Failed to establish a new connection",
            "name resolution",
            "getaddrinfo",
            "timed out",
            "Connection aborted",
            "ConnectionResetError",
            "ProxyError",
            "Max retries exceeded",
            "connection broken",
        ),
        "The package index cannot be reached: check the network and run the same command again, "
        "what has arrived whole is kept.",
    ),
    (
        ("No matching distribution", "ResolutionImpossible", "requires a different Python"),
        "A package has no build for this Python or machine (see above): try Python 3.12.",
    ),
    (
        ("Permission denied", "Errno 13", "Read-only file system"),
        "A file or folder cannot be written to (see above): mend its rights and run again.",
    ),
)


def pip(*arguments):
    """Run the environment's pip; what goes wrong becomes one sentence."""
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    environment["PIP_USER"] = "0"  # a --user in someone's settings is refused in a venv
    scratch = os.path.join(VENV, "tmp")
    if os.name == "posix":  # /tmp is often small; the disk with .venv has been checked
        os.makedirs(scratch, exist_ok=True)
        environment["TMPDIR"] = scratch
    command = [program("python"), "-m", "pip", "install", "-c", "constraints.txt"]
    process = subprocess.Popen(
        command + list(arguments), cwd=ROOT, env=environment, stderr=subprocess.PIPE
    )
    try:
        errors = process.communicate()[1].decode(errors="replace")
    finally:
        process.wait()
        shutil.rmtree(scratch, ignore_errors=True)
    if process.returncode:
        sentence = "pip failed (see above): run the same command again."
        for signs, known in PIP_FAILURES:
            if any(sign in errors for sign in signs):
                sentence = known
                break
        if "see above" in sentence:
            said = [line for line in errors.splitlines() if line and "is ignored" not in line]
            sys.stderr.write("\n".join(said[-12:]) + "\n")
        raise Stop(sentence)


def mend():
    """Forget packages whose installation was cut off, so that pip installs them again."""
    packages = sysconfig.get_path("purelib", "venv", {"base": VENV})
    for name in os.listdir(packages):
        folder = os.path.join(packages, name)
        # pip writes RECORD last.
        if name.endswith(".dist-info") and not os.path.exists(os.path.join(folder, "RECORD")):
            shutil.rmtree(folder)


def setup(extra=""):
    """Bring .venv up to date; ``extra`` is "" or "test". Fast when nothing has changed."""
    identity = {"python": [sys.version, sys.base_prefix], "folder": ROOT}
    stamp = read_stamp()
    ours = all(stamp.get(key) == value for key, value in identity.items())
    if stamp.get("torch") == "cpu" and platform.system() == "Linux" and has_nvidia():
        ours = False  # a GPU has been added since
    if ours and stamp.get("pins") == pins() and extra in stamp.get("extras", []):
        return
    if not stamp and os.path.exists(os.path.join(VENV, "pyvenv.cfg")):
        raise Stop(
            "{0} was not made by start.py: move it away or delete it, and run again.".format(VENV)
        )

    torch, index = choose_torch()
    check_room(torch)
    if not ours:
        make_venv(identity)
    write_stamp(torch=torch, **identity)
    mend()
    say(
        "Installing the course: about {0} GB to download, less what pip already has.".format(
            DOWNLOAD[torch]
        )
    )
    pip("--upgrade", "pip")
    if index:
        try:
            pip("--no-deps", "--index-url", index, "torch", "torchvision")
        except Stop:
            torch = "cuda"
            say("PyTorch's own index did not deliver: taking the default builds.")
            check_room(torch)
    # Editable: the notebooks and the package are the files of this folder.
    extras = sorted({extra, ""} | set(stamp.get("extras", []) if ours else []))
    pip("--build-constraint", "constraints.txt", "-e", ".[test]" if "test" in extras else ".")
    check_import()
    write_stamp(torch=torch, pins=pins(), extras=extras, **identity)
    say("The course is set up.")


def check_import():
    """Raise `Stop` unless what has been installed starts."""
    result = subprocess.run(
        [program("python"), "-c", "import torch, torchvision, jupyterlab, course_lib"],
        cwd=VENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if result.returncode:
        lines = result.stdout.decode(errors="replace").strip().splitlines() or ["no message"]
        raise Stop(
            "Everything is installed, yet it does not start ({0}): delete {1} and run "
            "again.".format(lines[-1], VENV)
        )


# -- the command line -------------------------------------------------------------------------


def run(*command):
    """Become ``command``, with the environment's programs on the path."""
    environment = dict(os.environ, VIRTUAL_ENV=VENV)
    environment["PATH"] = os.path.dirname(command[0]) + os.pathsep + os.environ.get("PATH", "")
    os.chdir(ROOT)
    if os.name == "posix":
        os.execve(command[0], command, environment)
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is the command's to answer
    return subprocess.call(command, env=environment)


def port(text):
    number = int(text)
    if not 0 < number < 65536:
        raise ValueError
    return number


def parse(arguments):
    """Return the options for `main`; what follows ``test`` is pytest's."""
    parser = argparse.ArgumentParser(
        prog="start.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", nargs="?", default="lab", choices=["lab", "setup", "test"])
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.add_argument("--port", type=port, metavar="N", help="JupyterLab's port, 1 to 65535")
    if arguments[:1] == ["test"]:
        options = parser.parse_args(["test"])
        options.pytest = arguments[1:]
        return options
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    setup("test" if options.command == "test" else "")
    if options.command == "setup":
        return 0
    if options.command == "test":
        whole = ["-n", "auto", "--dist", "worksteal"]  # a worker for each core
        return run(program("python"), "-m", "pytest", *(options.pytest or whole))
    lab = ["lab"]
    if options.no_browser:
        lab.append("--no-browser")
    if options.port:
        lab.extend(["--port", str(options.port)])
    return run(program("course"), *lab)


if __name__ == "__main__":
    reason = refusal(
        sys.version_info[:2],
        platform.system(),
        platform.machine(),
        apple_silicon=platform.system() == "Darwin" and is_apple_silicon(),
        bits=64 if sys.maxsize > 2**32 else 32,
    )
    if reason:
        sys.exit(reason)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a path may hold what the console cannot show
    try:
        sys.exit(main(sys.argv[1:]))
    except Stop as stop:
        sys.exit(str(stop))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            sys.exit("The disk is full: free some space and run the same command again.")
        sys.exit("{0}: mend that and run the same command again.".format(error))
    except KeyboardInterrupt:
        say("\nInterrupted: run the same command again to go on.")
        sys.exit(130)
