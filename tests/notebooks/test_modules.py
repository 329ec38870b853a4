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


RUNS = [(module, version) for module in modules(NOTEBOOKS) for version in ("solved", "blank")]


@pytest.fixture(scope="module", params=RUNS, ids="-".join)
def run(request, tmp_path_factory):
    """The outcome to expect, and a notebook of which every cell ran in a real kernel.

    A cell that raises stops the run with its traceback.
    """
    module, version = request.param
    if version == "solved":
        notebook = read_source(NOTEBOOKS / f"{module}.py")
    else:
        notebook = read_notebook(NOTEBOOKS / "release" / module / f"{module}.ipynb")
    where = {"metadata": {"path": str(tmp_path_factory.mktemp(version))}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    return {"solved": "correct", "blank": "not attempted"}[version], notebook


def shown(cell):
    return "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)


def test_every_check_says_what_it_should_and_no_cell_stops_the_others(run):
    outcome, notebook = run
    cells = [cell for cell in notebook.cells if checked_exercise(cell)]
    assert cells
    for cell in cells:
        assert re.findall(r"data-outcome='([^']+)'", shown(cell)) == [outcome], cell.source


def test_every_figure_has_a_caption_and_an_alternative_text(run):
    _, notebook = run
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


def test_nothing_is_written_to_standard_error(run):
    """A learner reads a warning in red as their own mistake."""
    _, notebook = run
    texts = [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert texts == []
