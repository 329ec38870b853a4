"""One hand-written text gives the same notebooks, byte for byte, wherever it is built."""

import json
import shutil
import subprocess
import sys

import nbformat
import pytest

from course_lib.checks.exercises import EXERCISES
from course_lib.errors import CourseError
from course_lib.grading.grade import build
from course_lib.notebooks.build import course_root, modules, read_source
from course_lib.notebooks.rebuild import read_notebook
from tests.mini import MODULE, ROOT, TEXT, write_course

NOTEBOOKS = ROOT / "notebooks"


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    """The real course, built afresh from its texts alone."""
    root = tmp_path_factory.mktemp("fresh")
    for path in [NOTEBOOKS / "nbgrader_config.py", *NOTEBOOKS.glob("[0-9][0-9]_*.py")]:
        shutil.copy(path, root)
    for module in modules(root):
        build(root, module)
    return root


@pytest.mark.parametrize("module", modules(NOTEBOOKS))
def test_the_committed_student_version_is_what_the_text_gives(rebuilt, module):
    committed = NOTEBOOKS / "release" / module / f"{module}.ipynb"
    fresh = rebuilt / "release" / module / f"{module}.ipynb"
    assert committed.read_bytes() == fresh.read_bytes(), "run `course build` and commit release/"


@pytest.mark.parametrize("module", modules(NOTEBOOKS))
def test_a_student_version_holds_no_solution(rebuilt, module):
    text = (rebuilt / "release" / module / f"{module}.ipynb").read_text("utf-8")
    assert "SOLUTION" not in text
    assert "HIDDEN" not in text
    source = read_notebook(rebuilt / "source" / module / f"{module}.ipynb")
    release = read_notebook(rebuilt / "release" / module / f"{module}.ipynb")
    for teacher, student in zip(source.cells, release.cells, strict=True):
        if teacher.metadata.get("nbgrader", {}).get("solution"):
            assert teacher.source != student.source
        else:
            assert teacher.source == student.source
    assert list((rebuilt / "release" / module).iterdir()) == [
        rebuilt / "release" / module / f"{module}.ipynb"
    ]


def test_every_exercise_stands_once_in_its_module(rebuilt):
    found = []
    for module in modules(NOTEBOOKS):
        release = read_notebook(rebuilt / "release" / module / f"{module}.ipynb")
        graded = [c.metadata["nbgrader"] for c in release.cells if "nbgrader" in c.metadata]
        found += [
            (module, row["grade_id"].removeprefix("check-"), row["points"])
            for row in graded
            if row["grade"]
        ]
        text = "\n".join(cell.source for cell in release.cells if cell.cell_type == "markdown")
        for row in EXERCISES.values():
            if row.module == module:
                assert f"`{row.id}` · difficulty" in text, "its heading says what it is worth"
    table = [(row.module, row.id, row.points) for row in EXERCISES.values()]
    assert [row for row in table if row[0] in modules(NOTEBOOKS)] == found


def test_plain_nbgrader_builds_the_same_bytes(tmp_path):
    root = write_course(tmp_path / "ours")
    build(root, MODULE)
    ours = (root / "release" / MODULE / f"{MODULE}.ipynb").read_bytes()
    shutil.rmtree(root / "release")
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", MODULE, "--force"]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    assert (root / "release" / MODULE / f"{MODULE}.ipynb").read_bytes() == ours


def test_no_tool_version_and_no_chance_is_in_a_notebook(tmp_path):
    root = write_course(tmp_path / "ours")
    notebook = read_source(root / f"{MODULE}.py")
    assert set(notebook.metadata) == {"course", "kernelspec", "language_info"}
    assert notebook.metadata["language_info"] == {"name": "python"}
    assert nbformat.writes(notebook) == nbformat.writes(read_source(root / f"{MODULE}.py"))
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert {"n_correct", "check-n_correct", "why_frozen_features"} < set(ids)


def test_a_number_that_nobody_measured_stops_the_build(tmp_path):
    root = write_course(tmp_path / "ours", TEXT.replace("A small module", "{{no.such.number}}"))
    with pytest.raises(CourseError, match=r"no\.such\.number.*measure_claims"):
        build(root, MODULE)


def test_an_unknown_module_or_course_says_what_there_is(tmp_path):
    root = write_course(tmp_path / "ours")
    with pytest.raises(CourseError, match=f"no module 'x'.*{MODULE}"):
        build(root, "x")
    with pytest.raises(CourseError, match="--course"):
        course_root(tmp_path)


def test_release_metadata_says_which_release_it_is(tmp_path):
    one = read_source(write_course(tmp_path / "one") / f"{MODULE}.py")
    two = read_source(write_course(tmp_path / "two", TEXT + "\n# %%\n1") / f"{MODULE}.py")
    assert one.metadata["course"]["module"] == two.metadata["course"]["module"] == MODULE
    assert one.metadata["course"]["release"] != two.metadata["course"]["release"]
    assert json.dumps(one.metadata)
