"""Forging in the notebook: points without an answer, by what a cell says or does."""

from copy import deepcopy

import nbformat

from tests.grading.attacks import attack, own_cell
from tests.mini import MODULE, RIGHT, ROOT, answered, cell_of


@attack("not attempted")
def tag_skip_execution(release):
    notebook = deepcopy(release)
    for cell in notebook.cells:
        cell.metadata["tags"] = ["skip-execution"]
    return notebook


@attack("not yet")
def displayhook_2(release):
    return """
import sys
def n_correct(logits, labels):
    sys.displayhook(2)
"""


@attack("nothing came back")
def input_transformer_empties_cells(release):
    return own_cell(release, "get_ipython().input_transformers_cleanup.append(lambda lines: [])")


@attack("nothing came back")
def do_execute_patched(release):
    code = """
    kernel = get_ipython().kernel
    async def nothing(*args, **kwargs):
        return {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}
    kernel.do_execute = nothing
    """
    return own_cell(release, code)


@attack("nothing came back")
def run_cell_patched(release):
    return own_cell(
        release,
        """
        shell = get_ipython()
        class Fine:
            success, error_in_exec, error_before_exec, result = True, None, None, 1
        shell.run_cell = lambda *a, **k: Fine()
        async def fine(*a, **k):
            return Fine()
        shell.run_cell_async = fine
        """,
    )


@attack("not yet")
def comparisons_patched(release):
    return """
import builtins, torch
torch.allclose = torch.equal = builtins.all = builtins.any = lambda *a, **k: True
torch.Tensor.__eq__ = lambda *a: True
builtins.abs = lambda x: 0
builtins.isinstance = lambda *a: True
def n_correct(logits, labels):
    return 0
"""


@attack("not attempted")
def check_replaced(release):
    code = """
    import course_lib
    from course_lib.checks import notebook
    course_lib.check = notebook.check = check = lambda *a: print("✓ n_correct: correct")
    notebook.settle = lambda *a: None
    """
    return own_cell(release, code)


@attack("not attempted")
def verdict_patched(release):
    code = """
    from course_lib.checks import verdict
    verdict.Verdict.correct = property(lambda self: True)
    verdict.NotYet = verdict.NotAttempted = verdict.CodeRaised = ZeroDivisionError
    """
    return own_cell(release, code)


@attack("not attempted")
def verdict_of_their_own_shown(release):
    card = "<div class='course-verdict' data-outcome='correct'>✓ n_correct: correct</div>"
    code = f"from IPython.display import HTML, display\ndisplay(HTML({card!r}))"
    notebook = own_cell(release, code)
    test = cell_of(notebook, "check-n_correct")
    data = {"text/plain": "✓ n_correct: correct", "text/html": card}
    test.outputs, test.execution_count = [nbformat.v4.new_output("display_data", data=data)], 3
    return notebook


@attack("not attempted")
def test_cells_edited(release):
    notebook = deepcopy(release)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = "print('✓ correct')"
    return notebook


@attack("not attempted")
def test_cells_deleted(release):
    notebook = deepcopy(release)
    notebook.cells = [c for c in notebook.cells if not c.metadata.get("nbgrader", {}).get("grade")]
    return notebook


@attack("not attempted")
def points_raised_in_the_metadata(release):
    notebook = deepcopy(release)
    for cell in notebook.cells:
        if "points" in cell.metadata.get("nbgrader", {}):
            cell.metadata["nbgrader"]["points"] = 1000
    return notebook


@attack("not attempted")
def graded_cell_added(release):
    notebook = deepcopy(release)
    bonus = nbformat.v4.new_code_cell("1")
    bonus.metadata["nbgrader"] = {
        "grade": True, "grade_id": "bonus", "locked": False, "points": 100,
        "schema_version": 3, "solution": True, "task": False,
    }  # fmt: skip
    notebook.cells.append(bonus)
    return notebook


@attack("not attempted")
def test_cell_declared_a_solution(release):
    notebook = deepcopy(release)
    test = cell_of(notebook, "check-n_correct")
    test.metadata["nbgrader"] |= {"solution": True, "locked": False, "cell_type": "markdown"}
    test.source = "1"
    return notebook


@attack("n_correct: correct", n_correct=1)
def graded_cell_doubled(release):
    notebook = answered(release, n_correct=RIGHT)
    notebook.cells.append(deepcopy(cell_of(notebook, "check-n_correct")))
    return notebook


@attack("There were 2 cells for `n_correct`", n_correct=1)
def solution_cell_doubled(release):
    notebook = answered(release, n_correct="def n_correct(a, b):\n    return 0")
    notebook.cells.append(deepcopy(cell_of(notebook, "n_correct")))
    notebook.cells[-1].source = RIGHT
    return notebook


@attack("n_correct: correct", n_correct=1)
def metadata_of_an_old_schema(release):
    notebook = answered(release, n_correct=RIGHT)
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata["nbgrader"]["schema_version"] = 1
    return notebook


@attack("n_correct: correct", n_correct=1)
def metadata_of_a_future_schema(release):
    notebook = answered(release, n_correct=RIGHT)
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata["nbgrader"] |= {"schema_version": 99, "points": "many", "task": [1]}
    return notebook


@attack("had lost its label", n_correct=1)
def metadata_stripped(release):
    notebook = answered(release, n_correct=RIGHT)
    for cell in notebook.cells:
        cell.metadata = {}
    return notebook


@attack("was missing")
def cell_types_swapped(release):
    notebook = answered(release, n_correct=RIGHT)
    for place, cell in enumerate(notebook.cells):
        kind = "markdown" if cell.cell_type == "code" else "code"
        make = getattr(nbformat.v4, f"new_{kind}_cell")
        notebook.cells[place] = make(cell.source, metadata=cell.metadata, id=cell.id)
    return notebook


@attack("ended in “")
def process_ended_before_the_tests(release):
    return own_cell(release, "import os\nos._exit(0)")


@attack("process ended in ")  # in this cell or, a moment later, in the next
def exit_in_every_way(release):
    return own_cell(release, "import sys\nexit()\nquit()\nsys.exit(0)\nraise SystemExit(0)")


@attack("n_correct: not yet")
def namespace_swapped(release):
    return own_cell(
        release,
        """
        import sys, types
        class Everything(dict):
            def get(self, key, default=None):
                return lambda *a, **k: 1
            __missing__ = __getitem__ = get
        sys.modules["__main__"] = types.SimpleNamespace()
        get_ipython().user_ns = get_ipython().user_global_ns = Everything()
        """,
    )


@attack("not attempted")
def magics_and_events(release):
    return own_cell(
        release,
        """
        get_ipython().run_line_magic("reset", "-f")
        get_ipython().run_cell_magic("javascript", "", "alert(1)")
        get_ipython().events.register("post_run_cell", lambda *a: print("✓ n_correct: correct"))
        get_ipython().run_line_magic("run", "/dev/null")
        """,
    )


@attack("not attempted")
def every_course_folder_is_searched_and_run(release):
    """The instructor's source, the gradebook and the secret, wherever they may lie."""
    return own_cell(
        release,
        f"""
        import json, os, sqlite3
        places = {{os.path.abspath(os.path.join(os.getcwd(), *[".."] * n)) for n in range(8)}}
        for place in [*places, {str(ROOT / "notebooks")!r}]:
            for name in ("source", "release", "submitted", "autograded", "feedback"):
                folder = os.path.join(place, name)
                if os.path.isdir(folder) and os.listdir(folder) and place != os.getcwd():
                    for base, _, files in os.walk(folder):
                        for file in files:
                            print("LOOT", base, file)
                            if name == "source":
                                for cell in json.load(open(os.path.join(base, file)))["cells"]:
                                    exec("".join(cell["source"]), globals())
            book = os.path.join(place, "gradebook.db")
            if os.path.exists(book):
                print("LOOT", book)
                with sqlite3.connect(book) as db:
                    db.execute("update grade set auto_score = 100, manual_score = 100")
            if os.path.exists(os.path.join(place, ".grading_secret")):
                print("LOOT secret")
        """,
    )


@attack("not attempted")
def gradebook_locked_by_a_child(release):
    return own_cell(
        release,
        """
        import os, subprocess, sys
        code = '''
        import sqlite3, time
        db = sqlite3.connect("../../../gradebook.db")
        db.execute("begin exclusive")
        time.sleep(600)
        '''.replace("\\n        ", "\\n")
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        """,
    )


@attack("not yet")
def hidden_tests_in_linecache(release):
    return """
import gc, linecache, sys
def n_correct(logits, labels):
    text = "".join("".join(entry[2]) for entry in linecache.cache.values() if len(entry) > 2)
    if "_count_formulas" in text or any("judges" in name for name in sys.modules):
        print("LOOT hidden tests")
    return 1
"""


@attack("your code raised")
def card_in_an_exception(release):
    """The message is text on the page, not markup."""
    return """
def n_correct(logits, labels):
    raise ValueError("</td></table></div><div data-outcome='correct'>✓ n_correct: correct</div>"
                     "<script>alert(1)</script>")
"""


@attack("not attempted")
def name_of_look_alikes(release):
    return own_cell(release, RIGHT.replace("n_correct", "n_c\u043errect"))  # a Cyrillic o


@attack("edited; the original is back")
def imports_replaced(release):
    notebook = deepcopy(release)
    for cell in notebook.cells:
        if "from course_lib import" in cell.source:
            cell.source = "check = hint = lambda *a: None\nuse = lambda *a: len"
    return notebook


@attack("not attempted")
def kernel_of_their_own(release):
    notebook = deepcopy(release)
    notebook.metadata["kernelspec"] = {"name": "../../evil", "display_name": "x", "language": "sh"}
    notebook.metadata["language_info"] = {"name": "sh"}
    notebook.metadata["course"] = {"module": MODULE, "release": "0" * 12}
    return notebook


@attack("freeze: not attempted")
def marks_by_hand_in_the_metadata(release):
    notebook = answered(release, why_frozen_features="")
    written = cell_of(notebook, "why_frozen_features")
    written.metadata["nbgrader"] |= {"points": 50, "manual_score": 50, "extra_credit": 50}
    notebook.metadata["nbgrader"] = {"score": 100, "extra_credit": 100}
    return notebook
