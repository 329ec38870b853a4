"""What a page shows of a learner's notebook: nothing that runs, and nothing without end.

A learner's Markdown is made harmless before it is stored, as formgrader, JupyterLab and others show
it, too. The filters stand in for nbconvert's in the course's pages and in formgrader's, by
nbgrader_config.py.
"""

import re
from html import escape
from html.parser import HTMLParser

from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert import filters
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

LONGEST = 20_000  # characters of a cell or of an output: some ways to show it take their square
_LINE = 2_000
_MATHS = re.compile(r"\\\\[(\[]|\\begin\{")  # of each of these the end is looked for

_TAGS = re.compile(
    "a|blockquote|br|code|d[dlt]|del|details|div|em|h[1-6r]|img|input|[ou]l|li|p|pre|span|strong|"
    "summary|table|tbody|t[dhr]|thead"
)
_ATTRIBUTES = re.compile("alt|checked|class|disabled|id|start|style|title|type")
_LINK = re.compile(r"https?:|mailto:|attachment:|[^:/?#]*([/?#]|$)", re.I)
_PICTURE = re.compile(r"data:image/(png|jpeg|gif);base64,", re.I)


def harmless(text: str, attachments: dict) -> str:
    """Return a learner's Markdown with no tag, and no link to anything but a page or a picture.

    What counts is what comes out: a scheme can be written in many ways. If a link leads elsewhere,
    those of the cell that are not plainly to the web are left as text; should that not be enough,
    all of it is shown as it was written.
    """
    text = cut(text)
    text = re.sub(rf"(.{{{_LINE}}})(?=.)", r"\1\n", text)
    text = re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", text)
    # the language of a code block: nobody's lexer of another language is known to come to an end
    text = re.sub(r"(?m)^([ \t>*+:\-\d.)]*(?:`{3,}(?=[^`\n]*$)|~{3,})).*$", r"\1", text)
    few = len(_MATHS.findall(text)) < 100
    for form in (text, re.sub(r"\](?=[(:](?!https?://))", "] ", text)):
        if few and _rendered(form, _Uncoloured, attachments) is not None:
            return form
    fence = "~" * (1 + max(map(len, re.findall("~+", text)), default=2))
    return f"{fence}\n{text}\n{fence}"


def cut(text: str) -> str:
    """Return a text of bounded length, which says what it lacks."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n\n(The rest of {len(text):,} characters is left out.)"


def tight(code: str) -> str:
    """Return code with one blank line for several: the lexer of Python takes their square."""
    return re.sub(r"[\r\n]\s*[\r\n]", "\n\n", code)


@pass_context
def markdown2html(context: Context, source: str) -> str:
    """Make a page's part of Markdown, or show it as it is written if that would not be harmless."""
    attachments = context.get("cell", {}).get("attachments", {})
    html = _rendered(source, IPythonRenderer, attachments)
    return f"<pre>{escape(source)}</pre>" if html is None else html


def highlight_code(source: str, language: str | None = None, metadata: dict | None = None) -> str:
    """Colour code of bounded length as Python, whatever a magic in it says that it is."""
    return filters.Highlight2HTML(pygments_lexer="python")(cut(tight(source)))


def ansi2html(text: str) -> str:
    """Show an output of bounded length, with its colours."""
    return filters.ansi2html(cut(text))


class _Uncoloured(IPythonRenderer):
    """Refuses what would be given to a lexer."""

    def block_code(self, code: str, info: str | None = None) -> str:
        if info:
            raise ValueError(info)
        return super().block_code(code)


def _rendered(text: str, renderer: type[IPythonRenderer], attachments: dict) -> str | None:
    """Return Markdown as HTML, None if that is not harmless."""
    reader = _Reader()
    try:
        markdown = MarkdownWithMath(renderer(escape=False, attachments=attachments))
        html = markdown.render(text)
        # the templates strip this prefix of a link, so that what follows it is the scheme
        reader.feed(filters.strip_files_prefix(html))
        reader.close()
    except Exception:  # a picture that is not attached, a text that the library cannot render
        return None
    return html if reader.harmless else None


class _Reader(HTMLParser):
    harmless = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = all(_is_known(tag, name, value or "") for name, value in attrs)
        self.harmless &= bool(_TAGS.fullmatch(tag)) and known


def _is_known(tag: str, name: str, value: str) -> bool:
    if name not in ("href", "src"):
        return bool(_ATTRIBUTES.fullmatch(name))
    url = re.sub(r"[\x00-\x20]", "", value)  # a browser does not see them
    return bool(_LINK.match(url) or (tag == "img" and _PICTURE.match(url)))
