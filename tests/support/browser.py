"""Pages in a browser: fixtures that open them. BSTDG_SCREENSHOTS names a folder to keep pictures in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bstdg.export.web import proof as web_proof
from support import needs

NOTHING_SIDEWAYS = "width => innerWidth === width && document.documentElement.scrollWidth <= width"


@pytest.fixture(scope="module")
def browser():
    playwright = needs.package("playwright.sync_api")
    program = web_proof.chromium()
    if program is None:
        needs.skip("chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=web_proof.quiet())
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens a page; when the test ends, nothing may have gone wrong in it and nothing been asked of a network."""
    contexts, faults = [], []

    def open_page(address: str, width: int = 1280, height: int = 900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or faults.append(request.url))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not faults


def picture(page, name: str, **options) -> None:
    folder = os.environ.get("BSTDG_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", **options)
