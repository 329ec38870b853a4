"""What a learner reads: points, verdicts, what was put right, and nothing that is hidden."""

import re
from html import unescape

import nbformat
import pytest

from course_lib.checks import wire
from course_lib.checks.judges import m00 as judges
from course_lib.checks.run import in_process, judge
from course_lib.checks.verdict import messages_of
from course_lib.grading.collect import collect
from course_lib.grading.grade import api, build, grade
from course_lib.grading.outcomes import graded_notebook
from course_lib.grading.seeds import code_of, secret, seed
from course_lib.notebooks.rebuild import read_notebook
from tests.mini import MODULE, RIGHT, SHARE, answered, cell_of, save, write_course


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Three submissions: a mistaken one that was tampered with, a raising one, a perfect one."""
    root = write_course(tmp_path_factory.mktemp("class"))
    build(root, MODULE)
    release = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    mistaken = answered(release, n_correct=SHARE)
    cell_of(mistaken, "check-n_correct").source = "print('100 of 100')"
    submissions = {
        "mistaken": mistaken,
        "perfect": answered(release, n_correct=RIGHT, why_frozen_features="They stay."),
        "raising": answered(release, n_correct="def n_correct(a, b):\n    return a.oops"),
    }
    for student, notebook in submissions.items():
        save(notebook, root / "submitted" / student / MODULE / f"{MODULE}.ipynb")
    grade(root, collect([root / "submitted"], [MODULE]), progress=False)
    return root


def page(root, student):
    return (root / "feedback" / student / MODULE / f"{MODULE}.html").read_text(encoding="utf-8")


def overview(root, student):
    """The rows of the table at the top as lists of texts, and what follows it."""
    head = page(root, student).split('class="panel-body"')[0]
    rows = [
        re.findall(r"<t[hd].*?</t[hd]>", row, re.S)
        for row in re.findall(r"<tr>.*?</tr>", head, re.S)
    ]
    texts = [[unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in rows]
    return texts[1:], head


def test_the_page_begins_with_points_verdict_and_message(course):
    message = messages_of("n_correct")["share"]
    rows, _ = overview(course, "mistaken")
    assert rows == [
        ["n_correct", "0 of 1", "not yet", f"{message.holds} {message.misconception}"],
        ["why_frozen_features", "0 of 2", "not attempted", ""],
    ]
    rows, _ = overview(course, "perfect")
    assert [row[:3] for row in rows] == [
        ["n_correct", "1 of 1", "correct"],
        ["why_frozen_features", "? of 2", "not read yet"],
    ]
    rows, _ = overview(course, "raising")
    assert rows[0][2:] == [
        "your code raised",
        "AttributeError: 'Tensor' object has no attribute 'oops'",
    ]
    assert "Test cell" not in page(course, "perfect")
    assert "In\xa0[1]:" in page(course, "perfect")
    assert page(course, "mistaken").count("→ n_correct: not yet") == 1


def test_what_was_put_right_is_on_the_page_once(course):
    text = page(course, "mistaken")
    assert text.count("was edited; the original is back") == 1
    assert "<code>check-n_correct</code>) was edited" in text
    assert "<b>Notes</b>" in text
    assert "<b>Notes</b>" not in page(course, "perfect")


def test_each_row_leads_to_its_cell_and_comments_are_linked(course):
    with api(course).gradebook as gradebook:
        comment = gradebook.find_comment("why_frozen_features", MODULE, MODULE, "perfect")
        comment.manual_comment = "Well put."
        mark = gradebook.find_grade("why_frozen_features", MODULE, MODULE, "perfect")
        mark.manual_score = 1.5
        gradebook.db.commit()
    assert api(course).generate_feedback(MODULE, "perfect", force=True)["success"]
    rows, head = overview(course, "perfect")
    assert rows[1] == ["why_frozen_features", "1.5 of 2", "read by a person", "Comment"]
    text = page(course, "perfect")
    targets = re.findall(r'href="#([\w-]+)"', head)
    assert "comment-why_frozen_features" in targets
    assert all(f'name="{target}"' in text for target in targets)
    assert "Well put." in text


def test_nothing_a_learner_wrote_runs_in_the_browser_of_who_reads_it(course, tmp_path):
    answer = (
        "[a](javascript:alert(1)) [b](java&#115;cript:alert(1)) <javascript:alert(1)> [c] "
        "[d](JavaScript\t:x) [k](&#106avascript:x) [l](javascript&colon;x)\n\n"
        "[c]: vbscript:alert(2)\n\n![e](javascript:alert(3)) <b onclick=alert(4)>f</b> "
        "&lt;script>g</script> "
        r"[m](javascript\:alert(5)) [n](&\#106;avascript:alert(6)) "
        "[here](https://example.org/?a=1&b=2), as p < 0.05 & q > 2."
    )
    release = read_notebook(course / "release" / MODULE / f"{MODULE}.ipynb")
    notebook = answered(release, why_frozen_features=answer)
    (row,) = grade(
        course,
        collect([save(notebook, tmp_path / f"eve_{MODULE}.ipynb")], [MODULE]),
        progress=False,
    )
    assert row["status"] == "graded"
    text = page(course, "eve")
    body = text[text.index('name="why_frozen_features"') :]
    assert not re.search(r"""(href|src)=["']?\s*(java|vb)script|<b |<script""", body, re.I)
    assert 'href="https://example.org/?a=1&amp;b=2"' in body
    assert "as p &lt; 0.05 &amp; q &gt; 2." in body


def hidden_inputs(number):
    """The numbers of all tensors that the hidden tests ask with, as torch prints them."""
    namespace, asked = {}, []
    exec(RIGHT, namespace)
    answer = in_process(namespace)
    judge("n_correct", lambda q: asked.append(q) or answer(q), seed=number, hard=True)
    tensors = [wire.decode(question)["inputs"]["logits"] for question in asked]
    return {f"{value:.4f}" for tensor in tensors for value in tensor.flatten().tolist()}


def test_nothing_hidden_is_on_a_page(course):
    key = secret(course)
    names = [name for name in vars(judges) if name.startswith("_") and not name.endswith("__")]
    assert "_count_formulas" in names
    for student in ("mistaken", "perfect", "raising"):
        text = page(course, student)
        code = code_of(read_notebook(graded_notebook(course, student, MODULE)))
        number = seed(key, MODULE, student, "n_correct", code)
        inputs = hidden_inputs(number)
        assert len(inputs) > 1000
        hidden = {str(number), f"{number:x}", key.hex(), "checks.judges", "BEGIN SOLUTION", *names}
        assert not [word for word in hidden if word in text]
        body = text.split("</head>")[1]  # the style sheets have numbers of their own
        # one of thousands may be there by chance: as the part of another number
        assert len([value for value in inputs if value in body]) < 3


def test_whoever_cannot_be_graded_reads_why_and_no_page_of_an_earlier_submission(course, tmp_path):
    release = read_notebook(course / "release" / MODULE / f"{MODULE}.ipynb")
    path = save(answered(release, n_correct=RIGHT), tmp_path / "in" / f"zoe_{MODULE}.ipynb")

    def graded():
        (row,) = grade(course, collect([path], [MODULE]), progress=False)
        return row, page(course, "zoe").split("</head>")[1]

    _, first = graded()
    assert "1 of 3 points" in first
    whole = path.read_bytes()
    path.write_bytes(whole[:300])
    row, text = graded()
    assert row["status"].startswith("not gradable")
    assert f"{MODULE}: not graded" in text
    assert f"zoe_{MODULE}.ipynb is not a Jupyter notebook that can be read" in text
    assert "save it again and send that file." in text
    assert "The gradebook keeps the 1 of 3 points of an earlier submission." in text
    assert "handed in again" in text
    assert "def n_correct" not in text
    assert str(tmp_path) not in text
    assert "bootstrap" in page(course, "zoe").split("</head>")[0]
    path.write_bytes(whole)
    assert graded()[1] == first


def test_a_page_in_place_of_feedback_has_a_place_and_no_markup_of_a_file(course, tmp_path):
    save(nbformat.v4.new_notebook(), tmp_path / "in" / "<b>henry.ipynb")
    grade(course, collect([tmp_path / "in"], [MODULE]), progress=False)
    (path,) = course.glob("feedback/_b_henry/*/*.html")
    text = path.read_text("utf-8").split("</head>")[1]
    assert "which module it belongs to" in text
    assert "&lt;b&gt;henry.ipynb: not graded" in text
    assert "<b>henry" not in text
    assert not list((course / "feedback").glob("*.html"))
