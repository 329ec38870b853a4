"""A learner's first session, in a real JupyterLab, driven by a real browser.

Screenshots of every step are kept in the folder that COURSE_SCREENSHOTS names, if it is set.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.lab import running_lab
from tests.mini import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MODULE = "00_start_here"
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Start the course's own JupyterLab on a fresh copy of the released notebooks."""
    root = tmp_path_factory.mktemp("learner") / "notebooks"
    shutil.copytree(ROOT / "notebooks" / "release", root / "release")
    shutil.copy(ROOT / "notebooks" / "nbgrader_config.py", root)
    with running_lab(root) as address:
        yield address


@pytest.fixture(scope="module")
def page(address, chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(240_000)  # the first import of torch may be slow
        page.goto(address)
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for()
        yield page
        browser.close()


def keep(page, name):
    if folder := os.environ.get("COURSE_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png")


def code_cell(page, text):
    return page.locator(".jp-CodeCell").filter(
        has=page.locator(".jp-InputArea", has_text=text)
    ).first  # fmt: skip


def run(page, cell, source=None):
    """Click into a cell, replace its source if asked to, and run it as a learner does.

    JupyterLab may lose a key while it is still building the page; who sees no star presses again.
    """
    from playwright.sync_api import expect

    prompt = cell.locator(".jp-InputPrompt")
    for last in (False, False, True):
        cell.scroll_into_view_if_needed()
        cell.locator(".cm-content").click()
        if source is not None:
            page.keyboard.press("Control+A")
            page.keyboard.insert_text(source)
        before = prompt.inner_text()
        page.keyboard.press("Control+Enter")
        try:
            return expect(prompt).not_to_have_text(before, timeout=20_000)
        except AssertionError:
            if last:
                raise


def verdict(page, outcome):
    """Wait for the outcome on the card of n_correct and return the card's text."""
    card = code_cell(page, 'check("n_correct")').locator(f"[data-outcome='{outcome}']")
    try:
        card.wait_for()
    except Exception as late:
        cells = page.locator(".jp-CodeCell").all_inner_texts()
        raise AssertionError("\n---\n".join(["no verdict; the cells:", *cells])) from late
    card.scroll_into_view_if_needed()
    keep(page, outcome.replace(" ", "-"))
    return card.inner_text()


def answer_and_check(page, source):
    run(page, code_cell(page, "def n_correct"), source)
    run(page, code_cell(page, 'check("n_correct")'))


def test_a_learners_first_session(page):
    run(page, code_cell(page, "import check"))
    run(page, code_cell(page, "def n_correct"))
    run(page, code_cell(page, 'check("n_correct")'))
    assert "not attempted" in verdict(page, "not attempted")

    answer_and_check(
        page,
        "def n_correct(logits, labels):\n"
        "    return (logits.argmax(dim=1) == labels).float().mean()",
    )
    card = verdict(page, "not yet")
    for part in ("What should hold", "Expected", "Seen", "Perhaps", "Next"):
        assert part in card

    answer_and_check(
        page,
        "def n_correct(logits, labels):\n    best = logits.argmax(dim=1)\n    return best.oops",
    )
    card = verdict(page, "raised")
    assert "your code raised" in card
    assert "return best.oops" in card
    assert "line 3" in card

    right = "def n_correct(logits, labels):\n    return int((logits.argmax(dim=1) == labels).sum())"
    answer_and_check(page, right)
    assert "correct" in verdict(page, "correct")
    # JupyterLab's own question about news would lie over the learner's cells.
    assert page.locator(".Toastify__toast").count() == 0


def test_restart_and_run_all_ends_with_the_same_verdict(page):
    card = code_cell(page, 'check("n_correct")').locator("[data-outcome='correct']")
    card.wait_for()
    page.get_by_role("menuitem", name="Kernel").click()
    page.get_by_role("menuitem", name="Restart Kernel and Run All Cells…").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    card.wait_for(state="detached")
    last = page.locator(".jp-CodeCell").last
    last.locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]")).wait_for(timeout=480_000)
    assert "correct" in verdict(page, "correct")
    errors = page.locator(".jp-OutputArea-output[data-mime-type*='error']")
    assert errors.count() == 0, errors.first.inner_text()
    others = page.locator("[data-outcome]:not([data-outcome='correct'])")
    assert {other.get_attribute("data-outcome") for other in others.all()} == {"not attempted"}
