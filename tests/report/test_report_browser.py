"""The report in a browser: on a phone, in the dark, on paper, and for those who do not see it."""

from __future__ import annotations

import re

import pytest
from support import needs
from support.browser import NOTHING_SIDEWAYS, picture
from support.paths import GOLDEN

from bstdg import report
from bstdg.cli import app

DIGITS = GOLDEN / "digits.bstdg"
SPILLS = """() => [...document.querySelectorAll(".plate")].filter((plate) => {
  const box = plate.getBoundingClientRect();
  return [...plate.querySelectorAll("text")].some((text) => {
    const own = text.getBoundingClientRect();
    return own.left < box.left - 3 || own.right > box.right + 12;
  });
}).map((plate) => plate.getAttribute("aria-label"))"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> tuple[str, str]:
    """A report of one network with the log of its training, and one of two side by side; their addresses."""
    folder = tmp_path_factory.mktemp("pages")
    run = folder / "two-layers"
    small = ["--set", "epochs=4", "--set", "hidden=[24,12]", "--set", "limit=300"]
    assert app(["train", "--out", str(run), *small], standalone_mode=False) == 0
    report.write([run / "model.bstdg"], folder / "one.html")
    report.write([run / "model.bstdg", DIGITS], folder / "two.html", samples=[0], limit=100)
    return (folder / "one.html").as_uri(), (folder / "two.html").as_uri()


@pytest.mark.parametrize(
    ("width", "scheme", "several"),
    [(360, "dark", False), (1280, "light", False), (360, "light", True), (1280, "dark", True)],
)
def test_anyone_can_read_it(pages, open_page, width, scheme, several):
    """With every table open: nothing for axe to complain of, nothing sideways, no letter outside its figure."""
    axe = needs.package("axe_playwright_python.sync_playwright")
    page = open_page(pages[several], width, 900, color_scheme=scheme)
    picture(page, f"report-{several}-{scheme}-{width}", full_page=True)
    assert page.evaluate(SPILLS) == []
    for summary in page.locator("summary").all():
        summary.click()
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()
    page.wait_for_function(NOTHING_SIDEWAYS, arg=width)


def test_figures_follow_the_theme(pages, open_page):
    colours = []
    for scheme in ("light", "dark"):
        page = open_page(pages[0], color_scheme=scheme)
        drawn = "[...document.querySelectorAll('.plate path, .plate text, .plate rect')].map(e => getComputedStyle(e))"
        used = page.evaluate(f"[...new Set({drawn}.flatMap(s => [s.fill, s.stroke]))]")
        ink = page.evaluate("getComputedStyle(document.body).color")
        assert ink in used
        colours.append((ink, page.evaluate("getComputedStyle(document.body).backgroundColor"), set(used)))
    assert colours[0][0] != colours[1][0]
    assert colours[0][1] != colours[1][1]
    own = {colour for colour in colours[0][2] & colours[1][2] if not colour.startswith("url(")}
    assert own <= {"none", "rgb(0, 0, 0)"}  # black: what is not painted itself, but says how others are
    pictures = page.evaluate("[...document.querySelectorAll('mask image')].map(i => i.getBoundingClientRect().width)")
    assert len(pictures) > 1


def test_a_picture_lies_where_its_frame_is(pages, open_page):
    page = open_page(pages[0])
    pixels = page.evaluate(
        """() => [...document.querySelectorAll('figure[id^="fig-sample"] svg')].map((svg) => {
          const box = svg.getBoundingClientRect(), own = svg.querySelector("rect[mask]").getBoundingClientRect();
          return [(own.left - box.left) / box.width, (own.right - box.left) / box.width,
                  (own.top - box.top) / box.height, (own.bottom - box.top) / box.height];
        })"""
    )
    assert pixels
    for left, right, top, bottom in pixels:
        assert 0 <= left < right < 0.55
        assert 0 <= top < bottom < 0.5


def test_on_paper_it_is_light_and_whole(pages, open_page, tmp_path):
    page = open_page(pages[0], color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--paper')").strip() == "#fff"
    assert not page.locator("nav").is_visible()
    assert page.locator("figure").first.is_visible()
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    data = (tmp_path / "report.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", data)) <= 8


def test_sections_and_tables_are_reached_by_keyboard(pages, open_page):
    page = open_page(pages[0])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the figures"
    page.get_by_role("link", name="Cost").click()
    assert page.evaluate("location.hash") == "#cost"
    first = page.locator("details").first
    first.locator("summary").focus()
    page.keyboard.press("Enter")
    assert first.get_attribute("open") is not None
    assert first.get_by_role("row").count() > 10
    shown = page.locator("figure").count()
    assert page.get_by_role("img").count() == shown
    assert (
        page.locator("#fig-confusion")
        .get_by_role("img")
        .get_attribute("aria-label")
        .startswith("Confusion matrix of 10")
    )
