"""The command lines of grading in a container; no engine is run."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from course_lib.cli import app
from course_lib.errors import CourseError
from course_lib.grading.container import (
    IMAGE,
    build_command,
    grade_in_container,
    run_command,
)


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_the_command_line(engine, tmp_path):
    root, inbox = tmp_path / "notebooks", tmp_path / "in box"
    words = run_command(engine, root, [inbox], ["--jobs", "4"])
    place = words.index(IMAGE)
    assert words[:2] == [engine, "run"]
    assert words[place + 1 :] == [
        *("course", "grade", "/submissions/0/in box", "--course", "/course", "--jobs", "4")
    ]
    before = " ".join(words[:place])
    assert "--network none --cap-drop ALL" in before
    assert f"--volume {root}:/course " in before
    assert before.endswith(f"--volume {inbox}:/submissions/0/in box:ro")
    assert f"--user {os.getuid()}:{os.getgid()}" in before
    assert "--privileged" not in before


def test_two_folders_of_one_name_do_not_meet(tmp_path):
    words = run_command("docker", tmp_path, [tmp_path / "a" / "x", tmp_path / "b" / "x"], [])
    assert words[-4:] == ["/submissions/0/x", "/submissions/1/x", "--course", "/course"]


def test_the_image_is_made_from_the_checkout():
    assert build_command("podman", Path("/c")) == [
        *("podman", "build", "--tag", IMAGE, "--file", "-", "/c")
    ]


def test_an_engine_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CourseError, match="podman is not installed"):
        grade_in_container("podman", tmp_path, [], [])


@pytest.mark.parametrize("option", [["--csv", "table.csv"], ["--unsafe-no-sandbox"]])
def test_an_option_that_has_no_meaning_in_a_container_is_refused(option, tmp_path):
    command = ["grade", str(tmp_path), "--container", "docker", *option]
    found = CliRunner().invoke(app, command)
    assert isinstance(found.exception, CourseError)
    assert "course grade --csv TABLE" in str(found.exception)
