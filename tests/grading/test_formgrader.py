"""nbgrader's web interface works on the same folder, and grades by the same way."""

import json
import re
from urllib.request import Request, urlopen

import pytest

from course_lib.grading.grade import build
from course_lib.notebooks.rebuild import read_notebook
from tests.lab import running_lab
from tests.mini import MODULE, RIGHT, SHARE, answered, save, write_course

pytestmark = pytest.mark.slow


def test_formgraders_autograde_button(tmp_path):
    root = write_course(tmp_path / "course")
    build(root, MODULE)
    release = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    written = {"why_frozen_features": r"**So** [x](javascript\:alert(1))"}
    for student, answer in {"ann": RIGHT + "\n" * 100_000 + "y = 1", "bo": SHARE}.items():
        path = root / "submitted" / student / MODULE / f"{MODULE}.ipynb"
        save(answered(release, n_correct=answer, **written), path)

    with running_lab(root) as address:
        host, token = re.match(r"(http://[^/]+)/.*token=(\w+)", address).groups()

        def read(path, method="GET"):
            headers = {"Authorization": f"token {token}"}
            request = Request(f"{host}/formgrader/{path}", method=method, headers=headers)
            with urlopen(request, timeout=120) as reply:
                return reply.read().decode()

        def ask(path, method="GET"):
            return json.loads(read(f"api/{path}", method))

        assert [row["name"] for row in ask("assignments")] == [MODULE]
        for student in ("ann", "bo"):
            result = ask(f"submission/{MODULE}/{student}/autograde", "POST")
            assert result["success"], result["log"]
        scores = {row["student"]: row["score"] for row in ask(f"submissions/{MODULE}")}
        ids = [row["id"] for row in ask(f"submitted_notebooks/{MODULE}/{MODULE}")]
        pages = [read(f"submissions/{number}/") for number in ids]
    assert scores == {"ann": 1.0, "bo": 0.0}
    assert len(pages) == 2
    for page in pages:  # what learners wrote neither runs nor takes for ever to show
        assert "<strong>So</strong> [x] (javascript:alert(1))" in page
        assert page.count("\n") < 10_000
