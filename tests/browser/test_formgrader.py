"""An instructor in nbgrader's web interface: one click grades, and the results are there to see.

Screenshots are kept in the folder that COURSE_SCREENSHOTS names, if it is set.
"""

import re

import pytest

from course_lib.grading.grade import build
from course_lib.notebooks.rebuild import read_notebook
from tests.browser.test_lab import OPTIONS, keep
from tests.lab import running_lab
from tests.mini import MODULE, RIGHT, SHARE, answered, save, write_course

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_one_click_grades_and_the_verdicts_are_shown(tmp_path, chromium):
    from playwright.sync_api import expect, sync_playwright

    root = write_course(tmp_path / "course")
    build(root, MODULE)
    release = read_notebook(root / "release" / MODULE / f"{MODULE}.ipynb")
    for student, answer in {"ann": RIGHT, "bo": SHARE}.items():
        path = root / "submitted" / student / MODULE / f"{MODULE}.ipynb"
        save(answered(release, n_correct=answer), path)

    with running_lab(root) as address, sync_playwright() as playwright:
        host = re.match(r"http://[^/]+", address)[0]
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.set_default_timeout(120_000)

        page.goto(address)  # which logs in
        page.goto(f"{host}/formgrader/manage_submissions/{MODULE}")
        for student in ("ann", "bo"):
            page.locator("tr", has_text=student).locator(".autograde a").click()
            expect(page.locator(".modal-title")).to_have_text("Success", timeout=120_000)
            page.locator(".modal-footer .btn-primary").click()
            expect(page.locator(".modal-dialog")).to_have_count(0)
        for student, score in (("ann", "1 / 3"), ("bo", "0 / 3")):
            row = page.locator("tr", has_text=student)
            expect(row.locator(".score")).to_have_text(score)
        keep(page, "formgrader-submissions")

        page.goto(f"{host}/formgrader/gradebook/{MODULE}/{MODULE}")
        expect(page.locator("tbody tr")).to_have_count(2)
        keep(page, "formgrader-gradebook")
        page.locator("tbody tr", has_text="1 / 1").locator("a").first.click()
        verdict = page.locator(".course-verdict")
        expect(verdict).to_contain_text("n_correct: correct")
        expect(page.locator("#check-n_correct")).to_have_attribute("placeholder", "1")
        keep(page, "formgrader-answer")
        browser.close()
