"""Random damage to what comes from outside: no crash, no hang, and nothing that earns a point.

Each part is tried with ever new examples for two seconds, each judge for half a second.
``COURSE_FUZZ=600 pytest tests/grading/test_fuzz.py`` makes it ten minutes, and two and a half.
"""

import json
import os
import struct
import time
from collections.abc import Callable
from copy import deepcopy
from importlib import import_module

import nbformat
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbclient.client import CellExecutionComplete

from course_lib.checks import run, wire
from course_lib.checks.answer import reply
from course_lib.checks.exercises import EXERCISES
from course_lib.errors import CourseError
from course_lib.grading.grade import build
from course_lib.grading.steps import rebuilt_from
from course_lib.notebooks.rebuild import read_notebook
from course_lib.notebooks.run import _MESSAGES, _Client, _Connection, checked_exercise
from tests.mini import MODULE, RIGHT, answered, write_course

SECONDS = float(os.environ.get("COURSE_FUZZ", "2"))
CHECKED = [row.id for row in EXERCISES.values() if row.solution]
few = settings(
    max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


def for_seconds(seconds: float, *strategies) -> Callable:
    """Try the function below, at once, with examples of these strategies until the time is over."""

    def run_it(body: Callable) -> None:
        attempt = few(given(*strategies)(body))
        end = time.monotonic() + seconds
        attempt()
        while time.monotonic() < end:
            attempt()

    return run_it


texts = st.text(max_size=20) | st.sampled_from(
    ["\ud800", "\0", "code", "markdown", "n_correct", "check-n_correct", "<script>", "x" * 100_000]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


def damaged(draw, tree, others):
    """Return a copy of a tree of lists and dicts in which one to four places are changed."""
    tree = deepcopy(tree)
    for _ in range(draw(st.integers(1, 4))):
        node = tree
        while isinstance(node, list | dict) and node:
            keys = list(node) if isinstance(node, dict) else range(len(node))
            key = draw(st.sampled_from(list(keys)))
            if not isinstance(node[key], list | dict) or draw(st.integers(0, 3)) == 0:
                what = draw(st.sampled_from(["replace", "delete", "double"]))
                if what == "delete":
                    del node[key]
                elif what == "double" and isinstance(node, list):
                    node.insert(key, deepcopy(node[key]))
                else:
                    node[key] = draw(others)
                break
            node = node[key]
    return tree


# --- the reader ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = write_course(tmp_path_factory.mktemp("fuzz") / "course")
    build(root, MODULE)
    return root / "release" / MODULE / f"{MODULE}.ipynb"


def graded_cells(notebook):
    return [
        (cell.metadata["nbgrader"]["grade_id"], cell.metadata["nbgrader"].get("points"))
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    ]


def read_and_rebuild(data: bytes, place, tmp_path) -> None:
    """Either one sentence, or a notebook that has exactly the course's exercises and tests."""
    path = tmp_path / f"x_{MODULE}.ipynb"
    path.write_bytes(data)
    try:
        submission = read_notebook(path)
    except CourseError:
        return
    release, rebuilt = read_notebook(place), rebuilt_from(place, submission)
    nbformat.validate(rebuilt)
    nbformat.writes(rebuilt).encode("utf-8")
    assert graded_cells(rebuilt) == graded_cells(release)
    tests = [cell.source for cell in rebuilt.cells if checked_exercise(cell)]
    assert tests == [cell.source for cell in release.cells if checked_exercise(cell)]


def test_a_notebook_with_random_damage_is_read_or_refused(place, tmp_path):
    notebook = json.loads(nbformat.writes(answered(read_notebook(place), n_correct=RIGHT)))

    @for_seconds(SECONDS, st.data())
    def _(data):
        text = json.dumps(damaged(data.draw, notebook, values))
        read_and_rebuild(text.encode(), place, tmp_path)


def test_a_file_with_random_damage_is_read_or_refused(place, tmp_path):
    whole = place.read_bytes()

    @for_seconds(SECONDS, st.data())
    def _(data):
        content = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 5))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=8))
        read_and_rebuild(bytes(content), place, tmp_path)


def test_anything_at_all_is_read_or_refused(place, tmp_path):
    anything = st.binary(max_size=300) | values.map(lambda value: json.dumps(value).encode())

    @for_seconds(SECONDS, anything)
    def _(data):
        read_and_rebuild(data, place, tmp_path)


# --- the channel ---------------------------------------------------------------------------------

trees = st.recursive(
    scalars | st.just({"tensor": "0"}) | st.just({"float": "nan"}),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts, inner, max_size=3).map(lambda body: {"dict": body})
        | st.dictionaries(texts, inner, max_size=2)
    ),
    max_leaves=10,
)
KINDS = [*_MESSAGES, "update_display_data", "comm_open", "comm_msg", "nonsense"]
FIELDS = ["name", "text", "data", "metadata", "transient", "execution_count", "execution_state"]
FIELDS += ["wait", "ename", "evalue", "traceback", "comm_id", "target_name", "code"]
headers = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "I64", "BOOL", "F8_E4M3", "X"]),
        "shape": st.lists(st.integers(-1, 2**40), max_size=3),
        "data_offsets": st.lists(st.integers(0, 64), min_size=2, max_size=2),
    }
)


def test_messages_of_any_shape_are_plain_data_or_refused():
    @for_seconds(SECONDS, trees, headers | values, st.binary(max_size=64))
    def _(tree, header, blob):
        text, head = json.dumps(tree).encode(), json.dumps({"0": header}).encode()
        message = struct.pack("<Q", len(text)) + text + struct.pack("<Q", len(head)) + head + blob
        try:
            value = wire.decode(message)
        except wire.NotPlain:
            return
        wire.encode(value)


bundles = st.dictionaries(
    st.sampled_from(["text/plain", "text/html", "image/png", "application/json"]), values
)
contents = st.dictionaries(st.sampled_from(FIELDS) | texts, values | bundles, max_size=6) | values


def test_messages_of_a_kernel_become_outputs_or_nothing():
    for_seconds(SECONDS, st.sampled_from(KINDS), contents)(a_message_becomes_an_output_or_nothing)


def a_message_becomes_an_output_or_nothing(kind, content):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", id="a")])
    message = {"msg_type": kind, "header": {"msg_type": kind}, "content": content}
    message["parent_header"] = {"msg_id": "x"}
    client = _Client(notebook)
    client.kc = _Connection()
    try:
        client.process_message(message, notebook.cells[0], 0)
    except CellExecutionComplete:
        assert kind == "status"
    nbformat.validate(notebook)
    text = nbformat.writes(notebook)
    text.encode("utf-8")
    assert "NaN" not in text or "NaN" in str(content)
    assert all("text/html" not in output.get("data", {}) for output in notebook.cells[0].outputs)


# --- the judges ----------------------------------------------------------------------------------

small = st.integers(0, 6).flatmap(
    lambda size: st.sampled_from(
        [torch.zeros(size), torch.full((size, 1), torch.nan), torch.arange(size), torch.tensor(1.5)]
    )
)
plain_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats()
    | st.text(max_size=9)
)
plain = st.recursive(
    plain_scalars | small,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.slow
@pytest.mark.parametrize("exercise", CHECKED)
def test_a_judge_takes_any_answer(exercise):
    """A true answer, damaged; and answers that have nothing to do with the question."""
    for_seconds(SECONDS / 4, st.data())(lambda data: judge_something(exercise, data))


def judge_something(exercise, data):
    module, name = EXERCISES[exercise].solution.split(":")
    namespace = {exercise: getattr(import_module(module), name)}
    honest = data.draw(st.integers(0, 4)) > 0

    def channel(question: bytes) -> bytes:
        answer = wire.decode(reply(namespace, question)) if honest else data.draw(plain)
        if honest and "effects" in answer:
            answer["effects"] = []  # the library's own solution has run, and says so
        if honest and data.draw(st.booleans()):
            answer = damaged(data.draw, answer, plain)
        return wire.encode(answer)

    verdict = run.judge(exercise, channel, seed=data.draw(st.integers(0, 9)))
    assert verdict.outcome in ("correct", "not yet", "not attempted", "raised")
    verdict.as_text().encode("utf-8")
    verdict.as_html().encode("utf-8")
    assert not verdict.correct or honest
