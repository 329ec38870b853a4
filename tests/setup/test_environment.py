"""pyproject.toml, environment.yml and constraints.txt say the same."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DIRECT = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")


def pinned(name: str, python: str) -> str:
    """Return the one version that a package has under a version of Python."""
    versions = [
        next(iter(pin.specifier)).version
        for pin in PINS
        if canonicalize_name(pin.name) == canonicalize_name(name)
        and (pin.marker is None or pin.marker.evaluate({"python_version": python}))
    ]
    assert len(versions) == 1, (name, python, versions)
    return versions[0]


def test_conda_users_get_the_same_environment():
    pip = next(entry["pip"] for entry in CONDA if isinstance(entry, dict))
    assert pip[:2] == ["-c constraints.txt", "-e ."]
    assert sorted(pip[2:]) == sorted(DIRECT)


def test_conda_python_is_one_the_course_supports():
    (python,) = (entry for entry in CONDA if str(entry).startswith("python="))
    version = python.removeprefix("python=")
    assert version in PYTHONS
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(version)


def test_every_pin_is_exact():
    for pin in PINS:
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), str(pin)
        assert pin.url is None, str(pin)


@pytest.mark.parametrize("python", PYTHONS)
def test_every_package_is_pinned_once(python):
    for name in {pin.name for pin in PINS}:
        pinned(name, python)
    for requirement in map(Requirement, [*DIRECT, "pip", "setuptools>=77"]):
        version = pinned(requirement.name, python)
        assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}"


def test_pins_leave_the_cuda_packages_to_torch():
    assert not [pin.name for pin in PINS if re.match("nvidia|cuda|triton", pin.name)]
