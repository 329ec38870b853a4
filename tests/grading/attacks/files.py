"""The files: what calls itself a notebook."""

import gzip
import io
import json
import zipfile
from copy import deepcopy

import nbformat

from course_lib.notebooks.rebuild import MAX_BYTES
from tests.grading.attacks import attack
from tests.mini import MODULE, RIGHT, answered, cell_of, save


def as_json(notebook):
    """The file's content as plain dicts and lists, right answer included."""
    return json.loads(nbformat.writes(notebook))


def right(release):
    return as_json(answered(release, n_correct=RIGHT))


def changed(release, **changes):
    return json.dumps(right(release) | changes).encode()


# --- formats -------------------------------------------------------------------------------------


@attack("n_correct: correct", n_correct=1)
def nbformat_2(release):
    """From 2011; there were no metadata of cells, and so an answer is found by its name."""
    cells = [
        {"cell_type": "code", "language": "python", "input": c["source"], "outputs": []}
        for c in right(release)["cells"]
        if c["cell_type"] == "code"
    ]
    old = {"nbformat": 2, "metadata": {"name": "x"}, "worksheets": [{"cells": cells}]}
    return json.dumps(old).encode()


@attack("n_correct: correct", n_correct=1)
def nbformat_3(release):
    old = nbformat.convert(answered(release, n_correct=RIGHT), 3)
    return json.dumps(old).encode()


@attack("n_correct: correct", n_correct=1)
def nbformat_4_0(release):
    notebook = right(release) | {"nbformat_minor": 0}
    for cell in notebook["cells"]:
        cell.pop("id")
    return json.dumps(notebook).encode()


@attack("n_correct: correct", n_correct=1)
def nbformat_4_of_the_future(release):
    return changed(release, nbformat_minor=99, something_new={"a": 1})


@attack("not gradable")
def nbformat_5(release):
    return changed(release, nbformat=5)


@attack("not gradable")
def nbformat_that_is_a_text(release):
    return changed(release, nbformat="four")


@attack("not gradable")
def nbformat_without_end(release):
    return changed(release, nbformat=10**300, nbformat_minor=-1)


@attack("n_correct: correct", n_correct=1)
def minor_version_that_is_a_text(release):
    return changed(release, nbformat_minor="five")


# --- JSON ----------------------------------------------------------------------------------------


@attack("not gradable")
def empty_file(release):
    return b""


@attack("not gradable")
def only_zeros(release):
    return bytes(100_000)


@attack("not gradable")
def null(release):
    return b"null"


@attack("not gradable")
def a_list(release):
    return b"[1, 2, 3]"


@attack("not gradable")
def a_hundred_thousand_levels(release):
    return b'{"nbformat": 4, "cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@attack("not gradable")
def metadata_of_nine_hundred_levels(release):
    deep = 0
    for _ in range(900):
        deep = {"a": deep}
    return changed(release, metadata=deep)


@attack("not gradable")
def cut_in_the_middle(release):
    data = changed(release)
    return data[: len(data) // 2]


@attack("not gradable")
def conflict_markers(release):
    return changed(release).replace(b'"cells"', b'<<<<<<< HEAD\n"cells"', 1)


@attack("not gradable")
def utf_16(release):
    return changed(release).decode().encode("utf-16")


@attack("not gradable")
def latin_1(release):
    return '{"nbformat": 4, "cells": [], "metadata": {"name": "zoë"}}'.encode("latin-1")


@attack("n_correct: correct", n_correct=1)
def byte_order_mark(release):
    return b"\xef\xbb\xbf" + changed(release)


@attack("n_correct: correct", n_correct=1)
def half_a_surrogate_pair_in_the_file(release):
    notebook = right(release)
    notebook["cells"].append(
        {"cell_type": "markdown", "id": "x", "metadata": {}, "source": "\ud800"}
    )
    return json.dumps(notebook).encode()


@attack("n_correct: correct", n_correct=1)
def not_a_number_in_the_metadata(release):
    return changed(release, metadata={"a": float("nan"), "b": float("inf"), "c": 10**400})


@attack("was missing")
def cells_said_twice(release):
    """JSON with a key twice: the last one counts, everywhere."""
    return changed(release)[:-1] + b', "cells": []}'


# --- the parts of a notebook ---------------------------------------------------------------------


@attack("not gradable")
def cells_that_are_null(release):
    return changed(release, cells=None)


@attack("not gradable")
def cells_that_are_numbers(release):
    return changed(release, cells=[1, "two", None])


@attack("not gradable")
def sources_that_are_numbers(release):
    notebook = right(release)
    for cell in notebook["cells"]:
        cell["source"] = 7
    return json.dumps(notebook).encode()


@attack("n_correct: correct", n_correct=1)
def sources_that_are_lists_of_lines(release):
    notebook = right(release)
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"]).splitlines(keepends=True)
    return json.dumps(notebook).encode()


@attack("not gradable")
def metadata_that_is_a_list(release):
    notebook = right(release)
    for cell in notebook["cells"]:
        cell["metadata"] = []
    return json.dumps(notebook).encode()


@attack("n_correct: correct", n_correct=1)
def metadata_of_wrong_types(release):
    notebook = right(release)
    for place, cell in enumerate(notebook["cells"]):
        cell["metadata"] = [
            {"nbgrader": [], "course": "x"},
            {"nbgrader": {"grade_id": ["a"]}, "tags": 7},
            {"nbgrader": {"grade_id": {}, "checksum": []}, "course": {"given": 7}},
            {"nbgrader": None, "course": None},
        ][place % 4]
    notebook["metadata"] = {"course": ["x"], "kernelspec": 7, "language_info": []}
    return json.dumps(notebook).encode()


@attack("n_correct: correct", n_correct=1)
def module_that_is_a_list(release):
    return changed(release, metadata={"course": {"module": [MODULE], "release": {}}})


@attack("not gradable")
def outputs_that_are_none(release):
    notebook = right(release)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "nonsense"}, 7, {"output_type": "stream"}]
            cell["execution_count"] = "many"
    return json.dumps(notebook).encode()


@attack("n_correct: correct", n_correct=1)
def cells_of_unknown_kinds(release):
    notebook = right(release)
    notebook["cells"] += [
        {"cell_type": "raw", "metadata": {}, "source": "x", "id": "raw"},
        {"cell_type": "nonsense", "metadata": {}, "source": "x", "id": "nonsense"},
        {"cell_type": "__class__", "metadata": {}, "source": "x", "id": "class"},
    ]
    return json.dumps(notebook).encode()


@attack("n_correct: correct", n_correct=1)
def identifiers_that_clash(release):
    notebook = right(release)
    for cell in notebook["cells"]:
        cell["id"] = "n_correct"
    notebook["cells"] += [
        {"cell_type": "markdown", "metadata": {}, "source": f"own {n}", "id": "own-01"}
        for n in range(5)
    ]
    return json.dumps(notebook).encode()


@attack("not gradable")
def attachments_that_are_none(release):
    notebook = right(release)
    for place, cell in enumerate(notebook["cells"]):
        cell["attachments"] = [7, {"a.png": 7}, {"a.png": {"image/png": "%%%"}}][place % 3]
    return json.dumps(notebook).encode()


@attack("n_correct: not attempted")
def zero_byte_in_the_answer(release):
    return "def n_correct(logits, labels):\n    return '\0'\n\0"


@attack("n_correct: correct", n_correct=1)
def carriage_returns_and_tabs(release):
    return answered(release, n_correct=RIGHT.replace("\n", "\r\n").replace("    ", "\t"))


# --- size ----------------------------------------------------------------------------------------


@attack("not gradable.*100,0")
def a_hundred_thousand_cells(release):
    notebook = right(release)
    notebook["cells"] += [
        {"cell_type": "markdown", "metadata": {}, "source": f"cell {n}", "id": f"c{n}"}
        for n in range(100_000)
    ]
    return json.dumps(notebook).encode()


@attack("not gradable.*MB")
def five_hundred_megabytes(release):
    def make(path):
        with path.open("wb") as file:
            file.write(changed(release))
            file.truncate(500 * 2**20)  # sparse: the disk of the tests is spared

    return make


@attack("n_correct: correct", n_correct=1)
def outputs_of_many_megabytes(release):
    """What a long training run prints is not the learner's fault: outputs are dropped anyway."""
    notebook = answered(release, n_correct=RIGHT)
    text = nbformat.v4.new_output("stream", text="epoch 1: loss 0.1234\n" * (MAX_BYTES // 64))
    cell_of(notebook, "n_correct").outputs = [text]
    return notebook


@attack("not gradable.*characters")
def answer_of_ten_megabytes(release):
    return "def n_correct(logits, labels):\n    return [\n" + "        0,\n" * 1_000_000 + "    ]"


@attack("n_correct: not attempted")
def answer_of_a_thousand_brackets(release):
    return "n_correct = " + "[" * 5000 + "]" * 5000


@attack("n_correct: correct", n_correct=1)
def markdown_that_is_slow_to_render(release):
    notebook = answered(release, n_correct=RIGHT)
    bombs = ["[" * 15_000, "> " * 5_000, "*a_" * 4_000, "`" * 9_999 + "a", "$" * 9_999]
    bombs += ["![a](" * 4_000, "<" * 15_000, "- " * 5_000, "|" * 5_000 + "\n" + "|-" * 2_500]
    bombs += ["&" * 15_000, "\\" * 9_999, "\\begin{a}" * 2_500, "**" * 5_000 + "a"]
    notebook.cells += [nbformat.v4.new_markdown_cell(text) for text in bombs]
    return notebook


@attack("n_correct: correct", n_correct=1)
def page_that_runs_a_script(release):
    notebook = answered(release, n_correct=RIGHT)
    text = "<script>alert('LOOT')</script><img src=x onerror=alert(1)><iframe src='/'></iframe>"
    notebook.cells.append(nbformat.v4.new_markdown_cell(text))
    return notebook


@attack("not gradable")
def a_zip_bomb(release):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{MODULE}.ipynb", bytes(50 * 2**20))
    return packed.getvalue()


@attack("not gradable")
def a_gzipped_notebook(release):
    return gzip.compress(changed(release))


# --- names ---------------------------------------------------------------------------------------


def named(release, name):
    notebook = answered(release, n_correct=RIGHT)
    return lambda path: save(notebook, path.with_name(name.format(MODULE)))


@attack("n_correct: correct", n_correct=1)
def name_with_a_newline(release):
    return named(release, "name_with_a_newline\n\r\t\x1b[31m_{}.ipynb")


@attack("n_correct: correct", n_correct=1)
def name_with_dots(release):
    return named(release, "name_with_dots..%2F..%2F..\\..\\_{}.ipynb")


@attack("n_correct: correct", n_correct=1)
def name_for_a_shell(release):
    return named(release, "name_for_a_shell; $(touch attacked) `x` '\"*?[a]{{b}}~ | & _{}.ipynb")


@attack("n_correct: correct", n_correct=1)
def name_in_other_letters(release):
    return named(release, "name_in_other_letters_ñ\u0303\u202ezoë\u200b中文😀_{}.ipynb")


@attack("n_correct: correct", n_correct=1)
def name_of_two_hundred_letters(release):
    return named(release, "name_of_two_hundred_letters" + "x" * 200 + "_{}.ipynb")


@attack("not gradable.*two submissions")
def name_that_differs_in_case(release):
    def make(path):
        for name in ("name_that_differs_in_case", "Name_That_Differs_In_Case"):
            save(deepcopy(release), path.with_name(f"{name}_{MODULE}.ipynb"))

    return make


@attack("not gradable.*two submissions")
def name_written_in_two_ways(release):
    """One é and e with an accent: one file name on some systems, two on others."""

    def make(path):
        for accent in ("\u00e9", "e\u0301"):
            save(release, path.with_name(f"name_written_in_two_ways_{accent}_{MODULE}.ipynb"))

    return make


@attack("not gradable.*two submissions")
def name_made_equal_by_cleaning(release):
    def make(path):
        for sign in ("!", "?"):
            save(release, path.with_name(f"name_made_equal_by_cleaning{sign}b_{MODULE}.ipynb"))

    return make


@attack("n_correct: correct", n_correct=1)
def name_that_is_no_text(release):
    def make(path):
        raw = path.with_name(f"name_that_is_no_text_{MODULE}.ipynb").as_posix().encode()
        with open(raw.replace(b"no_text", b"no_text_\xff\xfe"), "wb") as file:
            file.write(changed(release))

    return make
