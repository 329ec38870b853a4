"""start.py: whom it turns away, and what it does to a small checkout with an index of its own.

The checkout has the real start.py and tiny stand-ins for PyTorch and JupyterLab, served by a real
index on this machine, so that a set-up takes seconds and can be broken at will.
"""

import ast
import base64
import csv
import hashlib
import http.server
import importlib.metadata
import io
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

import pytest

import start

SOURCE = Path(start.__file__).read_text(encoding="utf-8")


# -- who is turned away -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (((2, 7), "Linux", "x86_64"), "3.11 or newer"),
        (((3, 10), "Windows", "AMD64"), "3.11 or newer"),
        (((3, 10), "Darwin", "x86_64"), "3.11 or newer"),
        (((3, 12), "Darwin", "x86_64"), "Intel Macs"),
        (((3, 12), "Darwin", "x86_64", True), "arm64"),
        (((3, 12), "Windows", "x86", False, 32), "64-bit"),
        (((3, 12), "Windows", "ARM64"), "x86-64"),
    ],
)
def test_refusal_is_one_sentence_with_the_way_out(arguments, word):
    sentence = start.refusal(*arguments)
    assert word in sentence
    assert sentence.endswith(".")
    assert ". " not in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 15), (4, 0)])
@pytest.mark.parametrize(
    ("system", "machine"),
    [("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64"), ("Windows", "AMD64")],
)
def test_supported_machines_are_let_in(version, system, machine):
    assert start.refusal(version, system, machine) is None


def old_pythons() -> list[str]:
    found = [shutil.which(f"python{version}") for version in ("2.7", "3.6", "3.8", "3.10")]
    found += map(str, Path.home().glob(".pyenv/versions/*/bin/python"))
    code = "import sys; sys.exit(sys.version_info >= (3, 11))"
    return [path for path in found if path and subprocess.call([path, "-c", code]) == 0]


def test_an_old_python_reads_the_file_and_says_so():
    pythons = old_pythons()
    if not pythons:
        pytest.skip("no Python older than 3.11 on this machine")
    for python in pythons:
        result = subprocess.run([python, start.__file__], capture_output=True, text=True)
        assert result.returncode == 1
        assert "needs Python 3.11 or newer" in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1, result.stderr
        assert result.stdout == ""


def too_new_for_python_2(node: ast.AST) -> bool:
    """Return whether Python 2.7 would call a piece of syntax an error."""
    if isinstance(node, ast.Call):
        named = {id(keyword.value) for keyword in node.keywords if keyword.arg is None}
        stars = sum(isinstance(value, ast.Starred) for value in node.args) + len(named)
        if isinstance(node.func, ast.Name) and node.func.id == "print":
            return len(node.args) != 1 or bool(node.keywords)
        # f(*a, b) is too new; f(a, *b) and f(a, b=1, **c) are not
        return stars > 1 or any(isinstance(value, ast.Starred) for value in node.args[:-1])
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return any(isinstance(value, ast.Starred) for value in node.elts)
    if isinstance(node, ast.FunctionDef):
        every = [*node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        annotated = node.returns or any(argument and argument.annotation for argument in every)
        return bool(node.args.kwonlyargs or node.args.posonlyargs or annotated)
    if isinstance(node, ast.Raise):
        return node.cause is not None
    return isinstance(
        node,
        ast.JoinedStr
        | ast.AnnAssign
        | ast.NamedExpr
        | ast.Nonlocal
        | ast.AsyncFunctionDef
        | ast.YieldFrom
        | ast.Match,
    )


def test_an_old_python_can_read_the_file():
    # What holds also where there is no old Python to try it on.
    tree = ast.parse(SOURCE, feature_version=(3, 6))
    assert not [node.lineno for node in ast.walk(tree) if too_new_for_python_2(node)]
    assert SOURCE.isascii()


# -- an index and a checkout of our own -------------------------------------------------------


def wheel(folder: Path, name: str, version: str, files: dict[str, bytes], extra: str = "") -> Path:
    """Write a wheel; ``extra`` are further lines of its metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{extra}"
    files = files | {
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = io.StringIO()
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        csv.writer(record).writerow([path, f"sha256={digest}", len(content)])
    csv.writer(record).writerow([f"{info}/RECORD", "", ""])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in (files | {f"{info}/RECORD": record.getvalue().encode()}).items():
            archive.writestr(member, content)
    return path


class Index(http.server.ThreadingHTTPServer):
    """A package index: a folder for each package. Its mode says how it answers for wheels."""

    daemon_threads = True

    def __init__(self, folder: Path):
        self.mode, self.asked, self.resume = "answer", [], threading.Event()

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=str(folder))

            def do_GET(self):
                index = self.server
                index.asked.append(self.path)
                if index.mode == "stall" and self.path.endswith(".whl"):
                    index.resume.wait(60)
                if index.mode == "cut" and self.path.endswith(".whl"):
                    self.send_response(200)
                    self.send_header("Content-Length", "100000")
                    self.end_headers()
                    self.wfile.write(b"PK")
                    self.close_connection = True
                    return
                super().do_GET()

            def log_message(self, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    for build in ("cpu", "default"):
        version = "2.15.0+cpu" if build == "cpu" else "2.15.0"
        torch = {"torch/__init__.py": f"build = {build!r}".encode()}
        needs = "Requires-Dist: jupyterlab\n"  # any package that is not PyTorch's
        wheel(folder / build / "torch", "torch", version, torch, needs)
        wheel(folder / build / "torchvision", "torchvision", "0.29.2", {"torchvision.py": b""})
    for version in ("4.6.6", "4.6.7", "4.6.8", "4.6.9"):
        module = {"jupyterlab.py": f"version = {version!r}".encode()}
        wheel(folder / "default" / "jupyterlab", "jupyterlab", version, module)
    module = {"pytest.py": b"import sys; print('pytest', sys.argv[1:])"}
    wheel(folder / "default" / "pytest", "pytest", "9.2.0", module)
    pip = importlib.metadata.distribution("pip")
    files = {
        file.as_posix(): file.read_binary()
        for file in pip.files
        if file.parts[0] == "pip" and file.suffix != ".pyc"
    }
    wheel(folder / "default" / "pip", "pip", pip.version, files)
    server = Index(folder)
    yield server
    server.shutdown()
    server.server_close()


BACKEND = """
import shutil
def build_editable(folder, *args):
    name = "transfer_learning_course-0.1.0-py3-none-any.whl"
    return shutil.copy(name, folder) and name
build_wheel = build_editable
"""
COURSE = b"import sys\ndef main():\n    print('course', sys.argv[1:])\n"
NEEDS = """Requires-Dist: torch
Requires-Dist: torchvision
Requires-Dist: jupyterlab
Provides-Extra: test
Requires-Dist: pytest; extra == "test"
"""


class Checkout:
    """A small course to set up, in a folder whose name is not an easy one."""

    def __init__(self, folder: Path, index: Index):
        self.folder, self.index = folder, index
        folder.mkdir(parents=True)
        # The one change: where the CPU builds are.
        source = SOURCE.replace(start.CPU_INDEX, index.url + "/cpu")
        (folder / "start.py").write_text(source, encoding="utf-8")
        (folder / "backend.py").write_text(BACKEND)
        (folder / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            '[project]\nname = "transfer-learning-course"\nversion = "0.1.0"\n'
            'dynamic = ["dependencies", "optional-dependencies", "scripts"]\n'
        )
        self.pin("4.6.6")
        entry = b"[console_scripts]\ncourse = course_lib:main\n"
        info = "transfer_learning_course-0.1.0.dist-info/entry_points.txt"
        module = {"course_lib.py": COURSE, info: entry}
        wheel(folder, "transfer_learning_course", "0.1.0", module, NEEDS)

    def pin(self, jupyterlab: str) -> None:
        pip = importlib.metadata.version("pip")
        (self.folder / "constraints.txt").write_text(
            f"torch==2.15.0\ntorchvision==0.29.2\njupyterlab=={jupyterlab}\npip=={pip}\n"
        )

    def command(self, *arguments: str) -> dict:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
        return {
            "args": [sys.executable, str(self.folder / "start.py"), *arguments],
            "env": clean
            | {
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_INDEX_URL": self.index.url + "/default",
                "PIP_CACHE_DIR": str(self.folder.parent / "cache"),
                "PIP_RETRIES": "1",
                "PYTHONUTF8": "1",
            },
            "text": True,
            "encoding": "utf-8",
        }

    def run(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess:
        command = self.command(*arguments)
        command["env"] |= changes
        return subprocess.run(**command, capture_output=True, stdin=subprocess.DEVNULL)

    def start(self, *arguments: str) -> str:
        """Run start.py, which must succeed, and return what it printed."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def ask(self, code: str) -> str:
        python = "Scripts/python.exe" if os.name == "nt" else "bin/python"
        return subprocess.check_output(
            [self.folder / ".venv" / python, "-c", code], text=True
        ).strip()


@pytest.fixture(scope="module")
def checkout(index, tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("course") / "mein Kurs für Ümläute", index)


def last_line(result: subprocess.CompletedProcess) -> str:
    """Return the sentence with which start.py stopped."""
    assert result.returncode == 1, result.stdout
    assert "Traceback" not in result.stderr, result.stderr
    return result.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def ready(checkout):
    """The checkout set up, and what start.py said of it."""
    return checkout.start("setup")


@pytest.mark.slow
def test_a_set_up_says_what_it_does(checkout, ready):
    assert ".venv" in ready
    assert re.search(r"about [\d.]+ GB to download", ready)
    assert ready.strip().endswith("The course is set up.")
    assert checkout.ask("import jupyterlab; print(jupyterlab.version)") == "4.6.6"


@pytest.mark.slow
def test_the_small_build_is_taken_where_there_is_no_gpu(checkout, ready):
    small = platform.system() == "Linux" and not start.has_nvidia()
    assert checkout.ask("import torch; print(torch.build)") == ("cpu" if small else "default")
    if small:  # and nothing else comes from that index
        asked = {path.split("/")[2] for path in checkout.index.asked if path.startswith("/cpu/")}
        assert asked == {"torch", "torchvision"}


@pytest.mark.slow
def test_a_second_run_does_nothing(checkout, ready):
    before = len(checkout.index.asked)
    assert checkout.start("setup") == ""
    assert len(checkout.index.asked) == before


@pytest.mark.slow
def test_the_default_opens_jupyterlab(checkout, ready):
    assert checkout.start().strip() == "course ['lab']"
    assert checkout.start("--no-browser", "--port", "8890").strip() == (
        "course ['lab', '--no-browser', '--port', '8890']"
    )


@pytest.mark.slow
def test_the_tests_come_when_asked_for_and_stay(checkout, ready):
    assert checkout.start("test", "-k", "two words").splitlines()[-1] == (
        "pytest ['-k', 'two words']"
    )
    before = len(checkout.index.asked)
    assert checkout.start("test").strip() == "pytest ['-n', 'auto', '--dist', 'worksteal']"
    assert checkout.start("setup") == ""
    assert len(checkout.index.asked) == before


@pytest.mark.slow
def test_a_changed_pin_is_followed(checkout, ready):
    checkout.pin("4.6.7")
    assert "Installing" in checkout.start("setup")
    assert checkout.ask("import jupyterlab; print(jupyterlab.version)") == "4.6.7"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends Ctrl-C as POSIX does")
def test_an_interrupted_download_goes_on(checkout, ready):
    checkout.pin("4.6.8")
    checkout.index.mode, checkout.index.asked[:] = "stall", []
    process = subprocess.Popen(
        **checkout.command("setup"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        # a shell's background job, and so whatever it starts, ignores Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        for _ in range(600):
            if any("jupyterlab-4.6.8" in path for path in checkout.index.asked):
                break
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.1)
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        checkout.index.mode = "answer"
        checkout.index.resume.set()
        process.kill()
    assert process.returncode == 130
    assert output.strip().splitlines()[-1].startswith("Interrupted: ")
    assert "Traceback" not in output + errors
    assert "The course is set up." in checkout.start("setup")
    assert checkout.ask("import jupyterlab; print(jupyterlab.version)") == "4.6.8"


@pytest.mark.slow
def test_a_half_installed_package_is_mended(checkout, ready):
    # As after a power cut: pip believes in a package whose files are not all there.
    (info,) = checkout.folder.glob(".venv/**/jupyterlab-*.dist-info")
    (info / "RECORD").unlink()
    (info.parent / "jupyterlab.py").unlink()
    stamp = checkout.folder / ".venv" / "course-setup.json"
    done = json.loads(stamp.read_text(encoding="utf-8"))
    stamp.write_text(json.dumps({key: done[key] for key in ("python", "folder", "torch")}))
    checkout.start("setup")
    assert checkout.ask("import jupyterlab; print(jupyterlab.version)")


@pytest.mark.slow
def test_a_broken_download_is_told_in_a_sentence(checkout, ready):
    checkout.pin("4.6.9")
    checkout.index.mode = "cut"
    try:
        result = checkout.run("setup")
    finally:
        checkout.index.mode = "answer"
    assert last_line(result).startswith("A download broke off: run the same command again")
    checkout.start("setup")
    assert checkout.ask("import jupyterlab; print(jupyterlab.version)") == "4.6.9"


@pytest.mark.slow
def test_no_network_is_told_in_a_sentence(checkout, ready):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        (checkout.folder / "constraints.txt").write_text("jupyterlab==4.6.10\n")
        result = checkout.run("setup", PIP_INDEX_URL=closed)
    assert last_line(result).startswith("The package index cannot be reached: check the network")


@pytest.mark.slow
def test_a_version_that_nobody_has_is_told_in_a_sentence(checkout, ready):
    checkout.pin("4.7")
    result = checkout.run("setup")
    assert last_line(result).startswith("A package has no build for this Python or machine")
    checkout.pin("4.6.9")


@pytest.mark.slow
def test_a_moved_environment_is_made_anew(checkout, ready):
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("moved"))
    assert "Making" in checkout.start("setup")
    assert checkout.start().strip() == "course ['lab']"


@pytest.mark.slow
@pytest.mark.skipif(platform.system() != "Linux", reason="the choice is Linux's")
def test_a_gpu_added_later_is_made_use_of(checkout, ready, tmp_path):
    if start.has_nvidia():
        pytest.skip("this machine has a GPU")
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    result = checkout.run("setup", PATH=path)
    assert result.returncode == 0, result.stderr
    assert checkout.ask("import torch; print(torch.build)") == "default"
    assert checkout.start("setup") == ""  # and kept where there is none


@pytest.mark.slow
def test_a_half_made_environment_is_made_anew(index, tmp_path):
    checkout = Checkout(tmp_path / "course", index)
    rubbish = checkout.folder / ".venv" / "lib" / "rubbish"
    rubbish.mkdir(parents=True)
    (checkout.folder / ".venv" / "pyvenv.cfg").write_text("home = half")
    (checkout.folder / ".venv" / "course-setup.json").write_text(json.dumps({"making": True}))
    checkout.start("setup")
    assert not rubbish.exists()
    assert checkout.start().strip() == "course ['lab']"


# -- what is left alone, and what is checked beforehand ---------------------------------------


@pytest.mark.parametrize("stamp", ["", "{", "[1]", '{"making": true', "\x00"])
def test_an_unreadable_stamp_counts_as_none(stamp, tmp_path, monkeypatch):
    monkeypatch.setattr(start, "STAMP", str(tmp_path / "stamp"))
    assert start.read_stamp() == {}
    (tmp_path / "stamp").write_text(stamp)
    assert start.read_stamp() == {}


def test_an_environment_that_is_not_ours_is_left_alone(index, tmp_path):
    checkout = Checkout(tmp_path / "course", index)
    mine = checkout.folder / ".venv" / "pyvenv.cfg"
    mine.parent.mkdir()
    mine.write_text("home = somewhere")
    assert "was not made by start.py" in last_line(checkout.run("setup"))
    assert mine.read_text() == "home = somewhere"


@pytest.mark.skipif(os.name == "nt", reason="takes away rights as POSIX does")
def test_a_read_only_checkout_is_told_in_a_sentence(index):
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder) / "course", index)
        Path(folder).chmod(0o755)
        checkout.folder.chmod(0o555)
        nobody = {"user": 65534} if os.geteuid() == 0 else {}
        command = checkout.command("setup")
        command["args"][0] = shutil.which("python3", path="/usr/bin") or sys.executable
        result = subprocess.run(**command, **nobody, capture_output=True)
        checkout.folder.chmod(0o755)
        assert "cannot be written to" in last_line(result)
        assert not (checkout.folder / ".venv").exists()


def test_a_disk_too_small_is_told_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(start, "ROOT", str(tmp_path))
    monkeypatch.setattr(start, "VENV", str(tmp_path / ".venv"))
    start.check_room("cpu") if shutil.disk_usage(tmp_path).free > 3e9 else None
    monkeypatch.setitem(start.DISK, "cpu", 1_000_000)
    with pytest.raises(start.Stop, match=r"needs about 1000000 GB of free disk and .* has \d"):
        start.check_room("cpu")


def test_what_is_there_already_counts_as_room(monkeypatch, tmp_path):
    monkeypatch.setattr(start, "ROOT", str(tmp_path))
    monkeypatch.setattr(start, "VENV", str(tmp_path / ".venv"))
    free = shutil.disk_usage(tmp_path).free
    monkeypatch.setitem(start.DISK, "cpu", (free + 5e9) / 1e9)
    with pytest.raises(start.Stop):
        start.check_room("cpu")
    (tmp_path / ".venv" / "lib").mkdir(parents=True)
    with open(tmp_path / ".venv" / "lib" / "wheel", "wb") as sparse:
        sparse.truncate(10_000_000_000)
    start.check_room("cpu")


# -- which build of PyTorch -------------------------------------------------------------------


@pytest.fixture
def silent():
    """An address that takes connections and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_an_index_answers_or_not(index, silent):
    assert start.answers(index.url + "/cpu")
    assert not start.answers(index.url + "/nothing")
    assert not start.answers(silent, timeout=0.3)
    assert not start.answers("http://127.0.0.1:9")


@pytest.mark.skipif(platform.system() != "Linux", reason="the choice is Linux's")
def test_the_choice_of_torch(index, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(start, "CPU_INDEX", index.url + "/cpu")
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert start.choose_torch() == ("cuda", None)
    if start.has_nvidia():
        pytest.skip("this machine has a GPU")
    assert start.choose_torch() == ("cpu", index.url + "/cpu")
    monkeypatch.setattr(start, "CPU_INDEX", index.url + "/nothing")
    assert start.choose_torch() == ("cuda", None)
    assert "does not answer" in capsys.readouterr().out


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
def test_a_port_that_is_none(port, capsys):
    with pytest.raises(SystemExit):
        start.parse(["--port", port])
    assert "--port" in capsys.readouterr().err
