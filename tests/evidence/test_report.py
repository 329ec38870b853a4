"""The last page: everything measured is on it, once; nothing else is, and nothing is loaded."""

import re
from html.parser import HTMLParser

import pytest

from course_lib.evidence import claims, ledger, report, study


@pytest.fixture(autouse=True)
def course_home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "hôme of Ann"))
    return tmp_path


class Page(HTMLParser):
    """Texts, attributes and the tags that were left open."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in ("meta", "line", "circle", "path", "rect", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("line", "circle", "path", "rect"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def fill():
    claims.record("less_data", 0.15, 0.1, 0.2, "accuracy, <script>alert(1)</script>")
    claims.record("one_shot", -0.1, -0.2, -0.05, "note two")
    claims.record("fine_tuning", 0.01, -0.2, 0.3, "note three")
    for key, unit, predicted in (
        ("first & last", "accuracy", 0.25),
        ("second", "accuracy", 0.35),
        ("third", "ratio of times", 2.25),
    ):
        ledger.predict(key, predicted, unit)
        ledger.measured(key, predicted + 0.25, predicted + 0.15, predicted + 0.35)
    ledger.predict("not run yet", 0.123, "accuracy")
    ledger.measured("never predicted", 0.987)
    planned = study.write_prediction("my <signs>", "probe - scratch", 0.11, -0.02, 0.31)
    study.preregister(planned)
    study.preregister(planned | {"situation": "left undone"})
    study.conclude(
        planned,
        dict(
            a=[0.911, 0.922], b=[0.733, 0.744], mean=0.178, low=0.171, high=0.185, verdict="helps"
        ),
    )


def test_what_was_measured_is_on_the_page():
    fill()
    page = Page(report.page("One <b>idea</b>.\n\nAnother.", "Ann & Bo"))
    assert page.open == []
    for expected in (
        "3 of 8 claims tested: 1 supported, 1 contradicted, 1 undecided.",
        "+15.0 points [+10.0, +20.0]", "-10.0 points [-20.0, -5.0]", "<script>alert(1)</script>",
        "first & last: predicted 0.25, measured 0.5 [0.4, 0.6]",
        "third: predicted 2.25, measured 2.5 [2.4, 2.6]",
        "my <signs>", "Predicted before the study: +0.11 [-0.02, +0.31]",
        "+0.178 [+0.171, +0.185]", "0.911 and 0.733; 0.922 and 0.744",
        "Planned, and not run yet.", "One <b>idea</b>.", "By Ann & Bo",
    ):  # fmt: skip
        assert expected in page.text, expected
    assert page.text.count("not tested yet") == 5
    assert all(claim.text in page.text for claim in claims.CLAIMS.values())
    assert "not run yet: predicted" not in page.text
    assert "never predicted" not in page.text
    assert "script" not in page.tags


def test_the_page_stands_without_a_single_measurement():
    page = Page(report.page())
    assert page.open == []
    assert "0 of 8 claims tested." in page.text
    for sentence in ("No prediction has been", "No study has been", "No report has been"):
        assert sentence in page.text
    assert " By " not in page.text


def test_it_loads_nothing_and_says_nothing_of_this_computer(course_home):
    fill()
    path = report.write("text")
    html = path.read_text(encoding="utf-8")
    assert path.is_relative_to(course_home / "hôme of Ann")
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "a"} & set(page.tags)
    assert not re.search(r"https?:|//|url\(|@import|\bsrc=|\bhref=", html.replace("</", ""))
    for private in (str(course_home), "hôme", re.search(r"\d\d:\d\d", html)):
        assert not private or private not in html
    (policy,) = [value for tag, name, value in page.attributes if value and "default-src" in value]
    assert policy.startswith("default-src 'none'")


def test_every_picture_has_a_text():
    fill()
    page = Page(report.page())
    labels = [value for tag, name, value in page.attributes if name == "aria-label"]
    assert len(labels) == page.tags.count("svg") == 3 + 3 + 1 + 1  # claims, strips, scatter, study
    assert all(len(label) > 20 for label in labels)


def test_marks_lie_where_the_numbers_say():
    """Equal differences are equal distances, and more is further to the right."""
    fill()
    (strip,) = [
        part
        for part in re.findall(r"<svg.*?</svg>", report.page(), re.S)
        if "predicted 0.35" in part and "strip" in part
    ]
    dot, low, high = (
        float(re.search(pattern, strip)[1])
        for pattern in (r'circle cx="([\d.]+)"', r'<line x1="([\d.]+)"[^>]*class="bar"',
                        r'x2="([\d.]+)" y2="12" class="bar"')
    )  # fmt: skip
    diamond = float(re.search(r'path d="M([\d.]+) ', strip)[1])
    assert diamond < low < dot < high
    # measured 1.5 [1.4, 1.6], predicted 0.35: equal steps on the line are equal differences
    assert (high - dot) == pytest.approx(dot - low, abs=0.05)
    assert (dot - diamond) / (high - dot) == pytest.approx(2.5, abs=0.02)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read(chromium, scheme):
    from playwright.sync_api import sync_playwright

    fill()
    path = report.write("word " * 60 + "a" * 300)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        ink, paper = (
            page.evaluate(f"getComputedStyle(document.body).{part}")
            for part in ("color", "backgroundColor")
        )
        browser.close()
    assert asked == [path.as_uri()]
    ink, paper = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper))
    assert abs(ink - paper) > 500
    assert (paper > ink) == (scheme == "light")
