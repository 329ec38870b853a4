"""Whatever a learner writes: on no page does it run, and none takes for ever to make."""

import re
from html.parser import HTMLParser

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbgrader.converters import GenerateFeedback
from nbgrader.server_extensions.formgrader.handlers import template_path
from pygments.lexer import Lexer
from pygments.lexers import PythonLexer
from traitlets.config import Config

from course_lib.grading.feedback import Page
from course_lib.grading.grade import api
from course_lib.grading.similar import similar, written
from course_lib.grading.steps import rebuilt_from
from course_lib.notebooks.rebuild import read_notebook
from tests.mini import ROOT

EVIL = [
    r"[Rubric](javascript\:alert(document.domain))",
    r"[x](javascript\:import(`//evil/x.js`))",
    r"[y](&\#106;avascript:alert(1))",
    "[y](&#106;avascript:alert(1)) [y](&#x6a;avascript:alert(1)) [y](javascript&colon;alert(1))",
    "[see][d]\n\n[d]: javascript\\:alert(1)",
    "[d]\n\n> [d]:\n> javascript:alert(1) 'title'",
    "- [d]\n\n  [d]: <vbscript:alert(1)>",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "<javascript:alert(1)> <JAVASCRIPT\\:alert(1)>",
    "![x](javascript\\:alert(1)) ![x](data:image/svg+xml,<svg/onload=alert(1)>)",
    '[![x](https://example.org/a.png)](javascript\\:alert(1) "title")',
    "[a [b] c](JaVaScRiPt\\:alert(1))",
    "[x](\n javascript:alert(1)\n)",
    "[x](java\nscript:alert(1)) [x](<java\tscript:alert(1)>) [x](java\tscript\\:alert(1))",
    "[x](\x01javascript:alert(1)) [x](<\x0bjavascript\\:alert(1)>)",
    "[x](\uff4aavascript:alert(1)) [x](javascript\uff1aalert(1))",
    "[x](files/javascript:alert(1)) [x](/files/javascript\\:alert(1))",
    "[x](files/files/javascript:alert(1))",
    "[x](%6aavascript:alert(1)) [x](javascript%3Aalert(1)) [x](javascript:%61lert(1))",
    "<a href='javascript:alert(1)'>x</a> <img src=x onerror=alert(1)> <svg onload=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>\n\n<iframe srcdoc='<script>1</script>'>",
    "&lt;script>alert(1)&lt;/script> \\<script>alert(1)\\</script> <\\script>",
    "# Title <img src=x onerror=alert(1)> [x](javascript\\:alert(1))",
    "| a | b |\n|---|:--|\n| [x](javascript\\:alert(1)) | <b onclick=alert(1)>b</b> |",
    "~~[x](file:///etc/passwd)~~ [x](blob:https://example.org/1) [x](filesystem:a)",
    "```mermaid\n&lt;img src=x onerror=alert(1)>\n```\n\n~~~ mermaid\n<script>1</script>\n~~~",
    "![x](attachment:nothing.png) [x](javascript\\:alert(1))",
    "term\n: [x](javascript\\:alert(1))\n\n- [ ] [x](javascript\\:alert(1))",
    "~~~~\n~~~\n[x](javascript\\:alert(1))\n~~~~~\n[x](javascript\\:alert(1)) ![x](attachment:a)",
    "[" * 500 + "x](javascript\\:alert(1))" + "](a)" * 500,
    "> " * 300 + "[x](javascript\\:alert(1))",
]
PLAIN = {
    "[the paper](https://arxiv.org/abs/1411.1792?a=1&b=2)": 'href="https://arxiv.org/abs/1411.17',
    "[above](#a-fair-curve) and [mail](mailto:a@example.org)": 'href="#a-fair-curve"',
    "[the next](../01_x/01_x.ipynb)": 'href="../01_x/01_x.ipynb"',
    "as $a:b$ and $$p(x):q$$ say": "$a:b$ and $$p(x):q$$",
    "not `javascript:alert(1)`, nor javascript: itself": "<code>javascript:alert(1)</code>, nor j",
    "Note: p < 0.05 & q > 2; see https://example.org.": 'href="https://example.org"',
    "| a | b |\n|---|--:|\n| 1 | **2** |": "<strong>2</strong>",
    "- [x] done\n\n```python\nx[a](b: c)\n```": "x[a](b: c)",
    "[1] says so.\n\n[1]: doi:10.1000/182\n\n*But* [it](https://e.org) does.": "<em>But</em>",
}


@pytest.fixture(scope="module")
def exporters():
    """The course's own, formgrader's by the course's configuration, and formgrader's alone."""
    course = api(ROOT / "notebooks")
    converter = GenerateFeedback(course.coursedir, config=course.config)
    page = Page(parent=converter, config=converter.config)
    alone = Config()
    alone.HTMLExporter.template_name = "formgrade"
    alone.HTMLExporter.extra_template_basedirs = [template_path]
    configured = course.config.copy()
    configured.merge(alone)
    return {
        "feedback": page,
        "formgrader": HTMLExporter(config=configured),
        "formgrader without the course": HTMLExporter(config=alone),
    }


def exported(exporter, cells):
    """Return what a page has of each cell."""
    notebook = nbformat.v4.new_notebook()
    for i, cell in enumerate(cells):
        mark = nbformat.v4.new_markdown_cell(f"MARK{i}.", id=f"mark{i}")
        notebook.cells += [mark, nbformat.from_dict({**cell, "id": f"cell{i}"})]
    notebook.metadata.language_info = {"name": "python"}
    resources = {
        "nbgrader": {"notebook": "x", "score": 1, "max_score": 1, "late_penalty": 0},
        "course": {"exercises": [], "notes": [], "waits": False},
        "index": 0,
        "total": 1,
    }
    html, _ = exporter.from_notebook_node(notebook, resources=resources)
    return re.split(r"MARK\d+\.", html)[1:]


def stored(text, tmp_path, attachments=None):
    """Return the cell that is kept of a learner's Markdown."""
    path = tmp_path / "release.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), path)
    cell = nbformat.v4.new_markdown_cell(text)
    if attachments is not None:
        cell.attachments = attachments
    submission = nbformat.v4.new_notebook(cells=[cell])
    rebuilt = rebuilt_from(path, submission)
    assert rebuilt.cells[-1].id == "own-00"
    return rebuilt.cells[-1]


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.bad = []

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "iframe", "svg", "object", "embed", "form", "base", "meta"):
            self.bad.append(tag)
        for name, value in attrs:
            url = re.sub(r"[\x00-\x20]", "", value or "").lower()
            scheme = re.match(r"([^/?#]*?):", url)
            allowed = ("http", "https", "mailto", "attachment")
            picture = tag == "img" and re.match("data:image/(png|jpeg|gif);base64,", url)
            if name.startswith("on") or name in ("srcdoc", "action", "formaction", "xlink:href"):
                self.bad.append((tag, name, value))
            if name in ("href", "src") and scheme and scheme[1] not in allowed and not picture:
                self.bad.append((tag, name, value))


WHO = ["feedback", "formgrader", "formgrader without the course"]


@pytest.fixture(scope="module")
def pages(exporters, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("stored")
    cells = [stored(text, tmp_path) for text in [*EVIL, *PLAIN]]
    return {who: exported(exporters[who], cells) for who in WHO}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("number", range(len(EVIL)), ids=[text[:40] for text in EVIL])
def test_no_link_of_a_learner_runs_anything(pages, who, number):
    html = pages[who][number]
    reader = Reader()
    reader.feed(html)
    assert reader.bad == []
    assert "text_cell_render" in html


@pytest.mark.parametrize("who", WHO)
def test_what_learners_write_is_shown_as_they_mean_it(pages, who):
    for html, (text, part) in zip(pages[who][len(EVIL) :], PLAIN.items(), strict=True):
        assert part in html, text
        assert "<pre>~" not in html


def test_an_own_link_to_no_page_leaves_the_rest_of_a_cell_as_it_is(tmp_path):
    text = r"**So** [x](javascript\:alert(1)), as [they](https://example.org) say."
    assert stored(text, tmp_path).source == text.replace("[x](", "[x] (")


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="


def test_a_pasted_picture_is_shown_and_none_that_is_odd_stops_a_page(exporters, tmp_path):
    attachments = [
        {"a.png": {"image/png": PNG}},
        {"a.png": {"image/svg+xml": "PHN2Zz48L3N2Zz4="}},
        {"a.png": {}},
        {},
    ]
    cells = [stored("![x](attachment:a.png)", tmp_path, given) for given in attachments]
    for who in WHO:
        htmls = exported(exporters[who], cells)
        assert f"data:image/png;base64,{PNG}" in htmls[0]
        assert not [html for html in htmls[1:] if "<img" in html]


def test_the_pages_themselves_let_nothing_through(exporters):
    cells = [nbformat.v4.new_markdown_cell(text) for text in EVIL]  # as if nothing had been done
    for who in WHO[:2]:
        for html in exported(exporters[who], cells):
            reader = Reader()
            reader.feed(html)
            assert reader.bad == []


def test_the_course_itself_is_shown_whole(exporters):
    cells = [
        cell
        for path in sorted((ROOT / "notebooks" / "release").glob("*/*.ipynb"))
        for cell in read_notebook(path).cells
        if cell.cell_type == "markdown"
    ]
    assert len(cells) > 100
    ours, plain = exported(exporters[WHO[1]], cells), exported(exporters[WHO[2]], cells)
    assert ours == plain


BLANK = ["\n", " \n", "\n\t", "\r", "\n\x0c"]


@pytest.fixture
def lexed(monkeypatch):
    """What is given to lexers: their class and the text."""
    given, get_tokens = [], Lexer.get_tokens

    def recorded(self, text, *args, **kwargs):
        given.append((type(self), text))
        return get_tokens(self, text, *args, **kwargs)

    monkeypatch.setattr(Lexer, "get_tokens", recorded)
    return given


def is_quick(lexed):
    """Whether the lexer is one that is known, and its text short and without many blank lines."""
    return all(
        lexer is PythonLexer and len(text) < 31_000 and not re.search(r"([\r\n]\s*){4}", text)
        for lexer, text in lexed
    )


@pytest.mark.parametrize("who", WHO[:2])
def test_no_code_takes_for_ever_to_colour(exporters, lexed, who):
    codes = ["x=1" + blank * (190_000 // len(blank)) + "y=1" for blank in BLANK]
    codes += ["x = 1\n" * 30_000, "%%perl\n" + "$a" * 90_000, "." * 190_000]
    htmls = exported(exporters[who], map(nbformat.v4.new_code_cell, codes))
    assert len(lexed) == len(codes)
    assert is_quick(lexed)
    assert all("y" in html for html in htmls[: len(BLANK)])
    assert "(The rest of 180,000 characters is left out.)" in re.sub("<[^>]+>", "", htmls[-3])


@pytest.mark.parametrize("who", WHO)
def test_no_lexer_reads_what_a_learner_says_is_a_program(exporters, lexed, who, tmp_path):
    starts = [
        "```perl",
        "> ~~~ python `x`",
        "- 1. ````{.python}",
        "term\n: ```python",
        "```\\python",
    ]
    cells = [stored(f"{start}\nx=1" + "\n" * 9_000 + "y", tmp_path) for start in starts]
    assert all("x=1" in html for html in exported(exporters[who], cells))
    assert lexed == []


@pytest.mark.parametrize("start", ["\\\\(", "\\\\[a", "\\begin{a}"])
def test_mathematics_without_end_is_shown_as_it_is_written(exporters, start, tmp_path):
    cell = stored(start * 2_000, tmp_path)
    assert cell.source.startswith("~~~\n\\")
    assert f"<pre><code>{start}" in exported(exporters[WHO[2]], [cell])[0]
    assert stored(f"{start} x" * 50, tmp_path).source == f"{start} x" * 50


@pytest.mark.parametrize("who", WHO[:2])
def test_of_a_long_output_the_beginning_is_shown(exporters, who):
    text = "\x1b[31ma" * 66_000
    outputs = [
        nbformat.v4.new_output("stream", text=text),
        nbformat.v4.new_output("error", ename="E", evalue="", traceback=[text]),
        nbformat.v4.new_output("execute_result", data={"text/plain": text}),
    ]
    (html,) = exported(exporters[who], [nbformat.v4.new_code_cell("x", outputs=outputs)])
    assert html.count("(The rest of 396,000 characters is left out.)") == 3
    assert html.count("ansi-red-fg") < 12_000


def test_what_is_compared_is_short(lexed):
    release = nbformat.v4.new_notebook()
    works = {
        f"s{i}": written(
            nbformat.v4.new_notebook(
                cells=[nbformat.v4.new_code_cell(f"x{i} = 1{blank * 90_000}y = 1", id="own-1")]
            ),
            release,
        )
        for i, blank in enumerate([*BLANK, "x = 1 + 2\n"])
    }
    similar(works, release)
    assert len(lexed) >= 2 * len(works)
    assert is_quick(lexed)
