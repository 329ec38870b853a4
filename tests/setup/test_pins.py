"""One set of pins for every system; no code that runs on one system only."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import start

ROOT = Path(start.ROOT)

# pip asks markers such as `sys_platform == "win32"` of the Python it runs on, whatever --platform
# says; here they are asked of the target. One package (PyYAML) has no wheel for the newest Python
# and is built from its source, without a compiler: pip would refuse that beside --platform.
PIP = """
import json, sys
from pip._internal.cli import cmdoptions
from pip._internal.cli.main import main
from pip._vendor.packaging import markers
target = json.loads(sys.argv.pop(1))
markers.default_environment = lambda: dict(target)
cmdoptions.check_dist_restriction = lambda *args, **kwargs: None
sys.exit(main(sys.argv[1:]))
"""
SYSTEMS = {
    "Linux": {
        "markers": {"os_name": "posix", "sys_platform": "linux", "platform_machine": "x86_64"},
        # pip does not count down from a given manylinux
        "tags": [f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)]
        + ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"],
        "download": start.DOWNLOAD["cuda"],
    },
    "Darwin": {
        "markers": {"os_name": "posix", "sys_platform": "darwin", "platform_machine": "arm64"},
        "tags": ["macosx_14_0_arm64"],
        "download": start.DOWNLOAD["cpu"],
    },
    "Windows": {
        "markers": {"os_name": "nt", "sys_platform": "win32", "platform_machine": "AMD64"},
        "tags": ["win_amd64"],
        "download": start.DOWNLOAD["cpu"],
    },
}
BUILT_FROM_SOURCE = {"3.15": ["pyyaml"]}
POSIX_ONLY = {"crypt", "fcntl", "grp", "nis", "ossaudiodev", "posix", "pty", "pwd", "resource"}
POSIX_ONLY |= {"spwd", "syslog", "termios"}


def resolve(report: Path, system: str, python: str) -> dict:
    """Resolve the course and its tests for a system, as its own pip would; return pip's report."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    target = SYSTEMS[system]["markers"] | {
        "platform_system": system,
        "platform_release": "",
        "platform_version": "",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    options = ["--dry-run", "--ignore-installed", "--only-binary=:all:", "--quiet"]
    # Reads the metadata inside the wheels without downloading them whole.
    options += ["--use-feature=fast-deps", f"--report={report}"]
    options += [f"--no-binary={name}" for name in BUILT_FROM_SOURCE.get(python, [])]
    options += ["--implementation=cp", f"--python-version={python}"]
    options += [f"--platform={tag}" for tag in SYSTEMS[system]["tags"]]
    options += ["-c", str(ROOT / "constraints.txt")]
    requirements = project["dependencies"] + project["optional-dependencies"]["test"]
    result = subprocess.run(
        [sys.executable, "-c", PIP, json.dumps(target), "install", *options, *requirements],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return json.loads(report.read_text(encoding="utf-8"))


def gigabytes(report: dict) -> float:
    """Return how much the packages of a report are to download."""

    def size(package: dict) -> int:
        url = package["download_info"]["url"]
        if url.startswith("file:"):
            return os.stat(urllib.request.url2pathname(url.removeprefix("file://"))).st_size
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=60) as reply:
            return int(reply.headers["Content-Length"])

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(size, report["install"])) / 1e9


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11", "3.15"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_pins_resolve(system, python, tmp_path):
    report = resolve(tmp_path / "report.json", system, python)
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([\w.-]+)==", pins, flags=re.MULTILINE))
    found = {re.sub(r"[-_.]+", "-", row["metadata"]["name"]).lower() for row in report["install"]}
    cuda = {name for name in found if re.match("nvidia|cuda|triton", name)}
    assert found - cuda <= pinned
    assert bool(cuda) == (system == "Linux")
    assert not [row["metadata"]["name"] for row in report["install"] if row["is_yanked"]]
    assert gigabytes(report) == pytest.approx(SYSTEMS[system]["download"], rel=0.2)


@pytest.mark.network
@pytest.mark.slow
def test_conda_hands_pip_a_file_it_can_use(tmp_path):
    # conda writes the list under "pip:" to a file beside environment.yml and runs pip there.
    import yaml

    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    requirements = ROOT / "condaenv.test.requirements.txt"
    requirements.write_text("\n".join(environment["dependencies"][-1]["pip"]), encoding="utf-8")
    try:
        result = subprocess.run(
            [sys.executable, "-m", "pip", "install", "-U", "--dry-run", "-r", str(requirements)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
    finally:
        requirements.unlink()
    assert result.returncode == 0, result.stderr[-2000:]
    # All is installed already, in the pinned versions: nothing is left to do but the course itself.
    would = re.findall("^Would install (.*)", result.stdout, flags=re.MULTILINE)
    assert [re.sub(r"-[\d.]+$", "", name) for name in would] == ["transfer-learning-course"]


def modules() -> list[Path]:
    """Return the course's Python files that must run on every system."""
    folders = ("course_lib", "data_scripts", "notebooks", "benchmarks")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return [ROOT / "start.py"] + [
        path for path in files if not path.is_relative_to(ROOT / "course_lib" / "grading")
    ]


def imports(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_nothing_outside_grading_needs_posix():
    files = modules()
    assert len(files) > 20
    for path in files:
        found = imports(ast.parse(path.read_text(encoding="utf-8"))) & POSIX_ONLY
        assert not found, f"{path.relative_to(ROOT)} imports {found}"


def test_the_index_of_cpu_wheels_is_named_once():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    named = [
        name
        for name in tracked.splitlines()
        for line in (ROOT / name).read_bytes().splitlines()
        if start.CPU_INDEX.encode() in line
    ]
    assert named in (["start.py"], [])  # none: not in a git checkout
