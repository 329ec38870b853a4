"""A notebook is run and judged from outside its kernel, and no cell can stop the verdicts."""

import base64

import nbformat
import pytest

from course_lib.grading.grade import build
from course_lib.notebooks.rebuild import read_notebook
from course_lib.notebooks.run import run
from tests.mini import MODULE, RIGHT, SHARE, answered, cell_of, write_course


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    root = write_course(tmp_path_factory.mktemp("course"))
    build(root, MODULE)
    return read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")


def outputs(notebook, grade_id="check-n_correct"):
    return cell_of(notebook, grade_id).outputs


def printed(notebook):
    return "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )


def test_a_right_answer_and_the_cells_below_use_it(release):
    notebook = answered(release, n_correct=RIGHT)
    (verdict,) = run(notebook)
    assert verdict.correct
    assert [output.output_type for output in outputs(notebook)] == ["display_data"]
    assert "n_correct: correct" in outputs(notebook)[0].data["text/html"]
    assert "Using your own n_correct." in printed(notebook)
    assert "counted 3" in printed(notebook)


def test_a_blank_answer_lets_the_cells_below_go_on(release):
    notebook = answered(release)
    (verdict,) = run(notebook)
    assert verdict.outcome == "not attempted"
    assert outputs(notebook)[-1].output_type == "error"
    assert "Using the library's n_correct" in printed(notebook)
    assert "counted 3" in printed(notebook)


def test_a_check_touches_no_name_of_the_learners(release):
    notebook = answered(release, n_correct=f"{RIGHT}\nn, answer = 5, 6")
    after = "print(n, answer, {*globals()} & {'_answer', '_notebook', 'notebook'})"
    notebook.cells.append(nbformat.v4.new_code_cell(after, id="after"))
    (verdict,) = run(notebook)
    assert verdict.correct
    assert "5 6 set()" in printed(notebook)


def test_a_mistake_is_named(release):
    notebook = answered(release, n_correct=SHARE)
    (verdict,) = run(notebook)
    assert verdict.outcome == "not yet"
    assert "n_correct: not yet" in outputs(notebook)[-1].evalue


def test_the_learners_own_line_is_shown(release):
    source = "def n_correct(logits, labels):\n    here = logits\n    return here.no_such_thing()"
    (verdict,) = run(answered(release, n_correct=source))
    assert verdict.outcome == "raised"
    assert "no_such_thing" in verdict.seen
    assert [(row["line"], row["code"]) for row in verdict.lines] == [
        (3, "return here.no_such_thing()")
    ]


def test_the_kernel_has_no_judges(release):
    source = (
        "import importlib\n"
        "for name in ('judges', 'judges.m00'):\n"
        "    try:\n"
        "        importlib.import_module(f'course_lib.checks.{name}')\n"
        "        print('found', name)\n"
        "    except ModuleNotFoundError:\n"
        "        print('no', name)\n"
        f"{RIGHT}"
    )
    notebook = answered(release, n_correct=source)
    assert run(notebook)[0].correct
    assert "no judges" in printed(notebook)
    assert "found" not in printed(notebook)


def test_a_forged_reply_channel_does_not_fool_the_judge(release):
    source = (
        "from course_lib.checks import answer, wire\n"
        "answer.reply = lambda namespace, question: wire.encode({'returned': 1, 'raised': None})\n"
        "def n_correct(logits, labels): return 1"
    )
    (verdict,) = run(answered(release, n_correct=source))
    assert not verdict.correct


@pytest.mark.parametrize(
    "source",
    ["import os\nos._exit(3)", "def n_correct(logits, labels):\n    import os\n    os._exit(3)"],
    ids=["while it is defined", "while it is called"],
)
def test_a_process_that_ends_itself_ends_with_a_sentence(release, source):
    notebook = answered(release, n_correct=source)
    (verdict,) = run(notebook)
    assert (verdict.outcome, verdict.key) == ("not yet", "no answer")
    assert "ended" in verdict.seen
    assert outputs(notebook)[-1].output_type == "error"


def test_a_cell_that_never_ends_is_interrupted_and_the_rest_goes_on(release):
    notebook = answered(release, n_correct=RIGHT)
    notebook.cells.insert(3, nbformat.v4.new_code_cell("while True: pass"))
    (verdict,) = run(notebook, cell_seconds=20)
    assert verdict.correct
    assert notebook.cells[3].outputs[-1].ename in ("CellTimeoutError", "KeyboardInterrupt")
    said = "a cell was interrupted after more than 20 s in “while True: pass”"
    assert notebook.metadata["course"]["ended"] == said


def test_what_a_cell_prints_or_warns_changes_nothing(release):
    source = (
        "import sys, warnings\n"
        "def n_correct(logits, labels):\n"
        "    warnings.warn('careful')\n"
        "    print('working', file=sys.stderr)\n"
        "    print('done')\n"
        "    return int((logits.argmax(dim=1) == labels).sum())"
    )
    assert run(answered(release, n_correct=source))[0].correct


FIGURE = (
    "from matplotlib.figure import Figure\n"
    "from course_lib.plots import show\n"
    "figure = Figure(); figure.subplots().plot([1, 2])\n"
    "show(figure, 'A line.', 'One line that <b>rises</b>.')"
)
FORGED = (  # what looks like a figure: markup, a drawing with a script, a picture without end
    "import base64, struct\n"
    "from IPython.display import display\n"
    "head = b'\\x89PNG\\r\\n\\x1a\\n' + struct.pack('>I4sII', 13, b'IHDR', 99999, 99999)\n"
    "start = '<figure><img src=\"data:image/png;base64,'\n"
    "for kinds in [\n"
    "    {'text/html': '<img src=x onerror=alert(1)>'},\n"
    "    {'text/html': start + 'AAAA\" onerror=\"alert(1)\" alt=\"'},\n"
    "    {'text/html': start + base64.b64encode(head * 9).decode() + '\" alt=\"'},\n"
    "    {'image/png': base64.b64encode(b'<svg onload=alert(1)>' * 9).decode()},\n"
    "    {'image/png': base64.b64encode(head * 9).decode()},\n"
    "    {'image/png': '\">'}, {'image/png': 7},\n"
    "    {'image/svg+xml': '<svg onload=alert(1)>'},\n"
    "]:\n"
    "    display(kinds | {'text/plain': 'none'}, raw=True)"
)


def test_a_figure_is_kept_as_a_picture_with_its_text_and_nothing_else_is(release):
    notebook = answered(release)
    own = "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()"
    for source in (FIGURE, own, FORGED):
        notebook.cells.append(nbformat.v4.new_code_cell(source))
    run(notebook)
    figure, own, forged = (cell.outputs for cell in notebook.cells[-3:])
    assert set(figure[0].data) == {"image/png", "text/plain"}
    assert base64.b64decode(figure[0].data["image/png"]).startswith(b"\x89PNG")
    assert figure[0].metadata == {"image/png": {"alt": "One line that <b>rises</b>."}}
    assert "image/png" in own[-1].data
    assert [set(output.data) for output in forged] == [{"text/plain"}] * 8


def test_old_outputs_do_not_survive(release):
    notebook = answered(release)
    card = nbformat.v4.new_output("display_data", data={"text/plain": "✓ n_correct: correct"})
    cell_of(notebook, "check-n_correct").outputs = [card]
    run(notebook)
    assert "not attempted" in outputs(notebook)[0].data["text/plain"]


def test_the_same_seed_asks_the_same_questions(release):
    source = (
        "asked = []\n"
        "def n_correct(logits, labels):\n"
        "    asked.append(float(logits.double().sum()))\n"
        "    return int((logits.argmax(dim=1) == labels).sum())"
    )

    def asked(seed):
        notebook = answered(release, n_correct=source)
        notebook.cells.append(nbformat.v4.new_code_cell("print(asked)"))
        run(notebook, seed_of=lambda exercise: seed)
        return notebook.cells[-1].outputs[0].text

    assert "." in asked(5)
    assert asked(5) == asked(5)
    assert asked(5) != asked(6)
