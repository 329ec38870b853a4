"""Every module, run from top to bottom as a learner runs it: with solutions, and left blank."""

import re

import pytest
from nbclient import NotebookClient

from course_lib.notebooks.build import modules, read_source
from course_lib.notebooks.rebuild import read_notebook
from course_lib.notebooks.run import checked_exercise
from tests.mini import ROOT

pytestmark = pytest.mark.slow
NOTEBOOKS = ROOT / "notebooks"


def run_all(notebook, folder):
    """Run every cell in a real kernel; a cell that raises stops the run with its traceback."""
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    return notebook


@pytest.fixture(scope="module", params=modules(NOTEBOOKS))
def solved(request, tmp_path_factory):
    notebook = read_source(NOTEBOOKS / f"{request.param}.py")
    return run_all(notebook, tmp_path_factory.mktemp("solved"))


@pytest.fixture(scope="module", params=modules(NOTEBOOKS))
def blank(request, tmp_path_factory):
    path = NOTEBOOKS / "release" / request.param / f"{request.param}.ipynb"
    return run_all(read_notebook(path), tmp_path_factory.mktemp("blank"))


def shown(cell):
    return "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)


def outcomes(notebook):
    cells = [cell for cell in notebook.cells if checked_exercise(cell)]
    return [re.findall(r"data-outcome='([^']+)'", shown(cell)) for cell in cells]


def test_with_solutions_every_check_is_correct(solved):
    found = outcomes(solved)
    assert found
    assert found == [["correct"]] * len(found)


def test_left_blank_it_runs_through_and_says_not_attempted(blank):
    found = outcomes(blank)
    assert found
    assert found == [["not attempted"]] * len(found)


@pytest.mark.parametrize("version", ["solved", "blank"])
def test_every_figure_has_a_caption_and_an_alternative_text(version, request):
    notebook = request.getfixturevalue(version)
    figures = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            assert "image/png" not in data, f"a figure without plots.show:\n{cell.source}"
            figures += re.findall(r"<figure.*?</figure>", data.get("text/html", ""), re.S)
    assert figures
    for figure in figures:
        alt, caption = (
            re.search(pattern, figure, re.S)
            for pattern in (r'alt="([^"]{20,})"', r"<figcaption[^>]*>(.{20,}?)</figcaption>")
        )
        assert alt, figure[:200]
        assert caption, figure[:200]
        assert alt[1] != caption[1]


@pytest.mark.parametrize("version", ["solved", "blank"])
def test_nothing_is_written_to_standard_error(version, request):
    """A learner reads a warning in red as their own mistake."""
    notebook = request.getfixturevalue(version)
    texts = [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert texts == []
