"""The web page in a browser: drawn on, listened to, looked at. BSTDG_SCREENSHOTS names a folder to keep pictures in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import needs
from support.browser import NOTHING_SIDEWAYS, picture
from support.paths import GOLDEN
from support.strategies import INPUT_KINDS, make_steps, random_model
from support.strokes import SEVEN, ZERO, moved

from bstdg import datasets
from bstdg.export import web
from bstdg.export.base import Golden
from bstdg.model import packed
from bstdg.model.packed import PackedModel

TRAINED = GOLDEN / "digits.bstdg"
STATE = "({steps: Array.from(bstdg.page.state.steps), ...bstdg.page.state.run, hidden: null, leads: null})"


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> tuple[PackedModel, Golden, str]:
    """A network trained on handwritten digits of 8 x 8 pixels, and the page it makes.

    Trained by  bstdg train digits --set epochs=15 --set network.hidden=[256]
    """
    folder, model = tmp_path_factory.mktemp("digits"), packed.load(TRAINED)
    images = datasets.load("digits", "test").images[:120]
    return write(model, model.input.encode(images, model.num_steps), folder)


def write(model: PackedModel, steps: np.ndarray, folder: Path) -> tuple[PackedModel, Golden, str]:
    golden = Golden.of(model, steps)
    page = folder / web.PAGE
    page.write_bytes(web.write(model, golden, "digits").files[web.PAGE])
    return model, golden, page.as_uri()


def decided(page) -> dict:
    """Waits for the end of the race; what the page then says of it."""
    page.get_by_text("Decision:").wait_for(state="attached")  # what a screen reader is told
    return page.evaluate(STATE)


def is_the_oracle(found: dict, model: PackedModel) -> None:
    golden = Golden.of(model, np.array([found["steps"]], np.uint8))
    assert (found["label"], found["step"], found["silent"]) == (golden.label[0], golden.step[0], golden.silent[0])
    assert found["inputSpikes"] == (golden.steps[0] <= golden.step[0]).sum()
    assert found["hiddenSpikes"] == [int((layer[0] <= golden.step[0]).sum()) for layer in golden.hidden]


def draw(page, strokes) -> None:
    box = page.locator("#pad").bounding_box()
    for stroke in strokes:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=2)
        page.mouse.up()


def test_the_page_proves_itself(digits, open_page):
    _, golden, address = digits
    page = open_page(address)
    page.get_by_role("button", name="Check the samples").click()
    assert "All the same: 40 of 40" in page.locator("#proof").inner_text()
    assert len(golden.steps) == 120


def test_a_digit_drawn_with_the_mouse(digits, open_page):
    model, _, address = digits
    page = open_page(address)
    page.select_option("#speed", "4")
    for strokes, digit in ((moved(ZERO, 0.8, 0.05, 0), 0), (SEVEN, 7)):
        page.get_by_role("button", name="Clear").click()
        assert page.locator("#decision").inner_text() == "\u2013"
        draw(page, strokes)
        found = decided(page)
        is_the_oracle(found, model)
        assert found["label"] == digit
        assert page.locator("#decision").inner_text() == str(digit)
        assert (
            f"Decision: {digit}, at step {found['step']} of {model.num_steps}" in page.locator("#announce").inner_text()
        )
        picture(page, f"drawn-{digit}")
    page.get_by_role("button", name="Undo").click()
    assert page.evaluate("bstdg.page.state.run") is None


def test_a_digit_drawn_with_the_keyboard(digits, open_page):
    model, _, address = digits
    page = open_page(address)
    page.select_option("#speed", "4")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    while page.evaluate("document.activeElement.id") != "pad":
        page.keyboard.press("Tab")
    for key, times in (("ArrowUp", 9), (" ", 1), ("ArrowDown", 18), (" ", 1)):
        for _ in range(times):
            page.keyboard.press(key)
    found = decided(page)
    is_the_oracle(found, model)
    assert found["label"] == 1  # a line from top to bottom
    picture(page, "keyboard")
    page.keyboard.press("Delete")
    assert page.evaluate("bstdg.page.state.run") is None
    page.keyboard.press("Tab")  # to the samples, which are one stop
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", checked=True).get_attribute("aria-label") == "Sample 2"


def test_a_finger_draws(digits, open_page):
    model, _, address = digits
    page = open_page(address, 360, 740, has_touch=True, is_mobile=True)
    page.select_option("#speed", "4")
    box = page.locator("#pad").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    is_the_oracle(decided(page), model)


def test_a_race_is_played_stepped_and_read(digits, open_page):
    model, golden, address = digits
    page = open_page(address)
    late = int(
        np.argmax(
            page.evaluate(
                "bstdg.proof.unpack(bstdg.page.network, JSON.parse(model.textContent).samples)"
                ".map(sample => sample.silent ? -1 : sample.step)"
            )
        )
    )
    page.select_option("#speed", "0.25")
    page.get_by_role("radio").nth(late).click()
    assert page.locator("#decision").inner_text() == "…"
    page.get_by_role("button", name="Pause").click()
    end = page.evaluate("bstdg.page.state.run.step")
    assert end > 0
    slider = page.get_by_role("slider", name="Step")
    slider.fill(str(end - 1))
    assert page.locator("#decision").inner_text() == "…"
    assert "Not decided" in page.locator("#stage").get_attribute("aria-label")
    page.get_by_role("button", name="One step on").click()
    is_the_oracle(decided(page), model)
    assert slider.input_value() == str(end)
    assert page.locator("#m-step").inner_text() == f"{end} of {model.num_steps}"
    page.get_by_role("button", name="One step back").click()
    assert slider.input_value() == str(end - 1)
    page.locator("summary").click()
    rows = page.locator("#table-body tr")
    assert rows.count() == model.num_steps
    steps = page.evaluate("Array.from(bstdg.page.state.steps)")
    assert [int(row.locator("td").first.inner_text()) for row in rows.all()] == [
        steps.count(t) for t in range(model.num_steps)
    ]
    assert golden.steps.shape[1] == len(steps)


def test_reduced_motion_shows_the_decision_at_once(digits, open_page):
    model, _, address = digits
    page = open_page(address, reduced_motion="reduce")
    assert page.locator("#announce").inner_text().startswith("Decision")
    assert not page.get_by_role("button", name="Play").is_visible()
    page.get_by_role("radio").nth(5).click()
    is_the_oracle(page.evaluate(STATE), model)
    assert page.locator("#decision").inner_text() == str(page.evaluate("bstdg.page.state.run.label"))


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (760, "light"), (1280, "light"), (1280, "dark")])
def test_anyone_can_read_it(digits, open_page, scheme, width):
    """At every width and in both themes: nothing to complain of for axe, and nothing to scroll sideways."""
    axe = needs.package("axe_playwright_python.sync_playwright")
    page = open_page(digits[2], width, 800, color_scheme=scheme, reduced_motion="reduce")
    page.locator("summary").click()
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()
    page.wait_for_function(NOTHING_SIDEWAYS, arg=width)
    picture(page, f"{scheme}-{width}", full_page=True)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != background


@pytest.mark.parametrize("shape", [(30,), (5, 6)])
def test_other_inputs_are_picked_not_drawn(tmp_path, open_page, shape):
    axe = needs.package("axe_playwright_python.sync_playwright")
    model = random_model((30, 20, 15, 25), 12, threshold=6, shape=shape)
    rng = np.random.default_rng(0)
    steps = np.concatenate([make_steps(rng, kind, 4, 30, 12) for kind in INPUT_KINDS])
    model, _, address = write(model, steps, tmp_path)
    page = open_page(address, reduced_motion="reduce")
    assert not page.locator("#pad").is_visible()
    for n in range(3):
        page.get_by_role("radio").nth(n).click()
        is_the_oracle(page.evaluate(STATE), model)
    assert axe.Axe().run(page).violations_count == 0


@pytest.mark.parametrize(("widths", "num_steps"), [((784, 2), 1), ((1, 1, 1), 254), ((900, 400, 300, 200, 12), 100)])
def test_every_size_is_shown(tmp_path, open_page, widths, num_steps):
    model = random_model(widths, num_steps, threshold=3, shape=(28, 28) if widths[0] == 784 else (widths[0],))
    steps = make_steps(np.random.default_rng(1), "random", 5, widths[0], num_steps)
    model, _, address = write(model, steps, tmp_path)
    page = open_page(address, reduced_motion="reduce")
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        is_the_oracle(page.evaluate(STATE), model)
        page.wait_for_function(NOTHING_SIDEWAYS, arg=width)  # a new width is laid out a frame or two later
        picture(page, f"{'-'.join(map(str, widths))}-{width}", full_page=True)
