"""Whatever happens to a learner's notebook, their answers and own cells survive, and only those."""

import random
import re
from copy import deepcopy

import nbformat
import pytest
from nbformat import NotebookNode

from course_lib.errors import CourseError
from course_lib.grading.grade import build
from course_lib.notebooks.build import given_mark
from course_lib.notebooks.rebuild import ANOTHER_RELEASE, read_notebook, rebuild
from tests.mini import MODULE, RIGHT, TEXT, answered, cell_of, write_course


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> NotebookNode:
    root = write_course(tmp_path_factory.mktemp("course"))
    build(root, MODULE)
    return read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")


@pytest.fixture(scope="module")
def newer_release(tmp_path_factory) -> NotebookNode:
    text = TEXT.replace("# # A small module", "# # A small module, revised").replace(
        "# %%\nimport torch", "# %%\nprint('new cell')\n\n# %%\nimport torch"
    )
    text = text.replace("Count the rows whose", "Count rows; their")
    root = write_course(tmp_path_factory.mktemp("newer"), text)
    build(root, MODULE)
    return read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")


def sources(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells]


def test_an_untouched_notebook_is_the_release(release):
    rebuilt, notes = rebuild(release, release)
    assert rebuilt == release
    assert notes == []


def test_an_honest_submission_comes_through_without_a_note(release):
    submission = answered(release, n_correct=RIGHT, why_frozen_features="They stay put.")
    for cell in submission.cells:
        if cell.cell_type == "code":
            cell.execution_count = 7
            cell.outputs = [nbformat.v4.new_output("stream", text="ran")]
    rebuilt, notes = rebuild(release, submission)
    assert sources(rebuilt) == sources(submission)
    assert notes == []
    assert all(not cell.get("outputs") for cell in rebuilt.cells)


def strip_metadata(notebook):
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
    notebook.metadata = NotebookNode()


def strip_ids_too(notebook):
    strip_metadata(notebook)
    for cell in notebook.cells:
        cell.id = f"{random.getrandbits(32):08x}"


def delete_the_check(notebook):
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith("check(")]


def shuffle(notebook):
    random.Random(3).shuffle(notebook.cells)


def double_the_answer(notebook):
    where = notebook.cells.index(cell_of(notebook, "n_correct"))
    notebook.cells.insert(where, deepcopy(notebook.cells[where]))


def leave_a_blank_copy_behind(notebook):
    blank = deepcopy(cell_of(notebook, "n_correct"))
    blank.source = TEXT[TEXT.index("def n_correct") : TEXT.index("    ### BEGIN")]
    blank.source += "    raise NotImplementedError()"
    notebook.cells.append(blank)


def change_points_and_flags(notebook):
    cell = cell_of(notebook, "check-n_correct")
    cell.metadata["nbgrader"] |= {"points": 1000, "grade": False, "locked": False}
    cell.metadata["tags"] = ["skip-execution"]


def replace_the_check(notebook):
    cell_of(notebook, "check-n_correct").source = "print('all correct')"


def odd_metadata(notebook):
    for cell in notebook.cells:
        cell.metadata["course"] = "none of your business"
        if cell.metadata.get("nbgrader", {}).get("grade_id") != "n_correct":
            cell.metadata["nbgrader"] = 3


@pytest.mark.parametrize(
    "harm",
    [
        strip_metadata,
        strip_ids_too,
        delete_the_check,
        shuffle,
        double_the_answer,
        leave_a_blank_copy_behind,
        change_points_and_flags,
        replace_the_check,
        odd_metadata,
    ],
    ids=lambda harm: harm.__name__,
)
def test_answers_survive_and_the_course_cells_are_the_releases(release, harm):
    submission = answered(release, n_correct=RIGHT)
    harm(submission)
    rebuilt, _ = rebuild(release, submission)
    given = [cell for cell in rebuilt.cells if not cell.id.startswith("own-")]
    expected = answered(release, n_correct=RIGHT)
    assert [(cell.source, cell.metadata) for cell in given] == [
        (cell.source, cell.metadata) for cell in expected.cells
    ]
    nbformat.validate(rebuilt)


def test_what_was_put_right_is_said(release):
    submission = answered(release, n_correct=RIGHT)
    submission.cells.remove(cell_of(submission, "why_frozen_features"))
    double_the_answer(submission)
    cell_of(submission, "check-n_correct").source = "print('all correct')"
    _, notes = rebuild(release, submission)
    text = " ".join(notes)
    assert "`why_frozen_features` was missing" in text
    assert "2 cells for `n_correct`" in text
    assert "edited; the original is back" in text


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (strip_metadata, r"^$"),
        (delete_the_check, r"Missing from the course's own cells: `check-n_correct`\. Back"),
        (shuffle, "Cells stood in another order"),
        (double_the_answer, "There were 2 cells for `n_correct`"),
        (change_points_and_flags, r"^The settings of `check-n_correct` were changed\. [^.]+\.$"),
        (replace_the_check, r"^A cell of the course \(`check-n_correct`\) was edited; [^.]+\.$"),
        (
            lambda notebook: notebook.cells.append(notebook.cells[1]),
            "More than once.*“import torch”",
        ),
    ],
)
def test_each_change_is_named_and_no_other(release, harm, said):
    submission = answered(release, n_correct=RIGHT, why_frozen_features="They stay put.")
    harm(submission)
    _, notes = rebuild(release, submission)
    kept = [note for note in notes if "had lost its label" not in note]
    assert re.search(said, "\n".join(kept)), notes
    assert len(kept) <= 1


def test_a_note_never_quotes_what_the_learner_wrote(release):
    submission = answered(release, n_correct=RIGHT)
    for cell in submission.cells:
        cell.source = "<script>alert(1)</script>" + cell.source
    _, notes = rebuild(release, submission)
    assert notes
    assert "script" not in " ".join(notes)


def test_own_cells_stay_where_they_were(release):
    submission = answered(release, n_correct=RIGHT)
    answer = submission.cells.index(cell_of(submission, "n_correct"))
    submission.cells.insert(answer, nbformat.v4.new_code_cell("import numpy as helper"))
    submission.cells.insert(0, nbformat.v4.new_markdown_cell("My notes"))
    submission.cells.append(nbformat.v4.new_code_cell("print('bye')"))
    rebuilt, notes = rebuild(release, submission)
    assert sources(rebuilt) == sources(submission)
    assert notes == []
    assert rebuild(release, rebuilt)[0] == rebuilt, "rebuilding twice changes nothing more"


def test_an_answer_split_in_two_keeps_its_first_half_before_it(release):
    submission = answered(release, n_correct=RIGHT)
    where = submission.cells.index(cell_of(submission, "n_correct"))
    helper = deepcopy(submission.cells[where])
    helper.source = "helper = 1"
    submission.cells.insert(where, helper)
    rebuilt, _ = rebuild(release, submission)
    assert sources(rebuilt) == sources(submission)
    assert cell_of(rebuilt, "n_correct").source == RIGHT


def test_raw_cells_and_pasted_pictures_stay(release):
    picture = {"shot.png": {"image/png": "aGVsbG8="}}
    submission = answered(release, why_frozen_features="See ![](attachment:shot.png)")
    cell_of(submission, "why_frozen_features")["attachments"] = picture
    submission.cells.append(nbformat.v4.new_raw_cell("raw notes"))
    submission.cells.append(nbformat.v4.new_markdown_cell("mine", attachments=picture))
    rebuilt, _ = rebuild(release, submission)
    assert cell_of(rebuilt, "why_frozen_features").attachments == picture
    assert [cell.source for cell in rebuilt.cells[-2:]] == ["raw notes", "mine"]
    assert rebuilt.cells[-1].attachments == picture


def test_an_edited_cell_of_the_course_follows_the_original(release):
    submission = answered(release, n_correct=RIGHT)
    submission.cells[1].source += "\nimport numpy as np"
    rebuilt, _ = rebuild(release, submission)
    assert rebuilt.cells[1].source == release.cells[1].source
    assert rebuilt.cells[2].source.endswith("import numpy as np")


def test_a_newer_release_keeps_answers_and_own_cells(release, newer_release):
    mine = answered(release, n_correct=RIGHT, why_frozen_features="They stay put.")
    mine.cells.insert(3, nbformat.v4.new_code_cell("my_own = 1"))
    rebuilt, notes = rebuild(newer_release, mine)
    assert notes == [ANOTHER_RELEASE], "for what the course changed itself nobody is reproached"
    answers = {"n_correct": RIGHT, "why_frozen_features": "They stay put."}
    expected = sources(answered(newer_release, **answers))
    assert [s for s in sources(rebuilt) if s != "my_own = 1"] == expected
    assert sources(rebuilt).index("my_own = 1") == expected.index(release.cells[2].source) + 1


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (delete_the_check, r"Missing from the course's own cells: `check-n_correct`\. Back"),
        (lambda notebook: notebook.cells.reverse(), "Cells stood in another order"),
        (double_the_answer, "There were 2 cells for `n_correct`"),
        (
            lambda notebook: notebook.cells.append(cell_of(notebook, "check-n_correct")),
            "More than once in the notebook: `check-n_correct`",
        ),
        (change_points_and_flags, "The settings of `check-n_correct` were changed"),
        (replace_the_check, r"A cell of the course \(`check-n_correct`\) was edited"),
        (lambda notebook: forge_the_check(notebook), r"\(`check-n_correct`\) was edited"),
    ],
)
def test_a_made_up_release_hides_no_change_of_an_exercise(release, harm, said):
    submission = answered(release, n_correct=RIGHT, why_frozen_features="They stay put.")
    submission.metadata["course"]["release"] = "000000000000"
    _, honest = rebuild(release, submission)
    assert honest == [ANOTHER_RELEASE]
    harm(submission)
    _, (first, *notes) = rebuild(release, submission)
    assert first == ANOTHER_RELEASE
    assert re.search(said, "\n".join(notes)), notes


def forge_the_check(notebook):
    """With a mark that says the course gave it like this."""
    replace_the_check(notebook)
    cell = cell_of(notebook, "check-n_correct")
    cell.metadata["course"] = {"given": given_mark(cell.source)}


def test_a_forged_mark_hides_no_changed_check(release):
    submission = answered(release, n_correct=RIGHT)
    forge_the_check(submission)
    _, notes = rebuild(release, submission)
    assert "(`check-n_correct`) was edited" in " ".join(notes)


def test_a_blank_answer_gets_the_newer_stub(release, newer_release):
    rebuilt, _ = rebuild(newer_release, release)
    assert sources(rebuilt) == sources(newer_release)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{not json",
        b"[1, 2]",
        b'{"nbformat": 4}',
        b"\xff\xfe",
        b'{"cells": 3, "nbformat": 4, "nbformat_minor": 5}',
        b'{"cells": [3], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
        b'{"cells": [{"cell_type": "code", "metadata": {}, "source": 7}], "nbformat": 4}',
    ],
)
def test_what_is_no_notebook_gets_one_sentence(tmp_path, content):
    path = tmp_path / "mine.ipynb"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=r"mine\.ipynb is not a Jupyter notebook.*Open it in"):
        read_notebook(path)


def test_a_missing_file_gets_one_sentence(tmp_path):
    with pytest.raises(CourseError, match="No such file"):
        read_notebook(tmp_path / "none.ipynb")
