"""The web page in a browser: drawn on, listened to, looked at. BSTDG_SCREENSHOTS names a folder to keep pictures in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import needs, sliding
from support.browser import NOTHING_SIDEWAYS, picture
from support.paths import GOLDEN
from support.strategies import INPUT_KINDS, make_steps, random_model, reading
from support.strokes import SEVEN, ZERO, moved

from bstdg import datasets
from bstdg.export import web
from bstdg.export.base import Golden
from bstdg.layers import Layer, size
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
    sent = [layer[0] <= golden.step[0] for layer in (golden.steps, *golden.hidden)]
    assert found["hiddenSpikes"] == [int(fired.sum()) for fired in sent[1:]]
    passed = (int(layer.fan_out()[fired].sum()) for layer, fired in zip(model.layers, sent, strict=True))
    assert found["operations"] == sum(passed)


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


MAPS = {
    "grey": ((1, 28, 28), ["16c5s2p2", "pool2", "32c3p1", 40]),
    "colour": ((3, 32, 32), ["16c5s2p2", "pool2n2", "40"]),
    "signal": ((1, 1, 128), ["16c1x9s1x2p0x4", "pool1x2", "6c1x7p0x3", 30]),
}


def sliding_model(reads, layers: tuple[Layer, ...], num_steps: int = 8) -> PackedModel:
    names = tuple(f"class {k}" for k in range(size(layers[-1].gives)))
    return PackedModel(reading(shape=reads), layers, num_steps, names)


@pytest.fixture(scope="module", params=MAPS)
def maps(request, tmp_path_factory) -> tuple[str, PackedModel, Golden, str]:
    """Pages of networks whose windows slide, with inputs that look like something."""
    reads, written = MAPS[request.param]
    model = sliding_model(reads, sliding.sliding(reads, written, threshold=8))
    rng, (_, rows, columns) = np.random.default_rng(2), reads
    y, x = np.mgrid[0:rows, 0:columns]
    waves = [
        128 + 127 * np.sin(x / rng.uniform(2, 9) + y / rng.uniform(2, 9) + c)
        for _ in range(12)
        for c in range(reads[0])
    ]
    images = np.array(waves).reshape(12, *reads).astype(np.uint8)
    return request.param, *write(model, model.input.encode(images, model.num_steps), tmp_path_factory.mktemp("maps"))


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (760, "light"), (1280, "dark"), (1280, "light")])
def test_maps_can_be_read_by_anyone(maps, open_page, scheme, width):
    axe = needs.package("axe_playwright_python.sync_playwright")
    kind, model, _, address = maps
    page = open_page(address, width, 800, color_scheme=scheme, reduced_motion="reduce")
    assert page.locator("#model-shape").inner_text() == f"{model.structure}, T = 8"
    assert page.locator("#pad").is_visible() == (kind != "colour")
    for n in range(3):
        page.get_by_role("radio").nth(n).click()
        is_the_oracle(page.evaluate(STATE), model)
    said = page.locator("#stage").get_attribute("aria-label")
    assert f"of {size(model.layers[0].gives)} neurons of hidden layer 1" in said
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()
    page.wait_for_function(NOTHING_SIDEWAYS, arg=width)
    picture(page, f"maps-{kind}-{scheme}-{width}", full_page=True)


COUNT = """async ([width, step]) => {
  const { network, state } = bstdg.page, { panels } = bstdg.scene(network, width), T = network.numSteps;
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  [canvas.width, canvas.height] = [width, 1200];
  const shade = (x) => `rgb(0 ${Math.round(x * (T - 1))} 255)`;
  const color = { cell: "#010203", track: "#000000", lit: "#ff0000", glow: "#00000000", shade };
  const cells = bstdg.cells(context, T);
  return panels.slice(0, -1).map((panel, layer) => {
    context.clearRect(0, 0, width, 1200);
    const steps = layer ? state.run.hidden[layer - 1] : state.steps;
    cells.draw(layer, panel, steps, { step, until: step, flash: 1, color, square: layer === 0 });
    const counts = new Array(T).fill(0);
    for (let i = 0; i < panel.count; i++) {
      const [x, y] = panel.centre(i, steps[i]).map(Math.floor);
      const [red, green, blue] = context.getImageData(x, y, 1, 1).data;
      if (blue === 255) counts[green]++;
      if (red === 255) counts[step]++;
    }
    return counts;
  });
}"""


def test_every_spike_is_drawn_at_its_step_and_no_other(maps, open_page):
    """The colours at the middle of every neuron, counted by the step that they stand for."""
    kind, model, _, address = maps
    page = open_page(address, reduced_motion="reduce")
    page.get_by_role("radio").nth(4).click()
    golden = Golden.of(model, np.array([page.evaluate("Array.from(bstdg.page.state.steps)")], np.uint8))
    layers = [golden.steps[0], *(layer[0] for layer in golden.hidden)]
    assert sum(int((layer < 8).sum()) for layer in layers) > 500
    for step in range(8):
        drawn = page.evaluate(COUNT, [900, step])
        for i, (counts, layer) in enumerate(zip(drawn, layers, strict=True)):
            wanted = [int((layer == t).sum()) if t <= step else 0 for t in range(8)]
            if not (kind == "signal" and i == 0):  # whose values lie over each other
                assert counts == wanted


@pytest.mark.parametrize("maps", ["signal"], indirect=True)
def test_a_signal_is_picked_and_drawn_over(maps, open_page):
    _, model, _, address = maps
    page = open_page(address)
    page.select_option("#speed", "4")
    page.get_by_role("radio").nth(3).click()
    decided(page)
    picked = page.evaluate(STATE)["steps"]
    draw(page, [[(0.4, 0.1), (0.6, 0.1)]])
    found = decided(page)
    is_the_oracle(found, model)
    assert found["steps"][:50] == picked[:50] and found["steps"][78:] == picked[78:]
    assert set(found["steps"][52:76]) == {0}  # 0.1 from the top
    assert page.get_by_role("radio", checked=True).count() == 0
    picture(page, "signal-drawn-over")
    page.get_by_role("button", name="Undo").click()
    assert decided(page)["steps"] == picked
    page.get_by_role("button", name="Clear").click()
    assert page.evaluate("bstdg.page.state.run") is None
    draw(page, [[(0.05, 0.9), (0.5, 0.2), (0.95, 0.9)]])
    found = decided(page)
    is_the_oracle(found, model)
    assert found["steps"][64] == min(found["steps"]) and found["steps"][0] == max(found["steps"])
    page.get_by_role("button", name="Clear").click()
    page.evaluate("document.activeElement.blur()")
    while page.evaluate("document.activeElement.id") != "pad":
        page.keyboard.press("Tab")
    for key, times in (("ArrowUp", 6), (" ", 1), ("ArrowRight", 6), (" ", 1)):
        for _ in range(times):
            page.keyboard.press(key)
    found = decided(page)
    is_the_oracle(found, model)
    assert set(found["steps"]) == {2}  # a quarter from the top


@pytest.mark.parametrize("maps", ["grey"], indirect=True)
def test_a_digit_drawn_for_maps(maps, open_page):
    _, model, _, address = maps
    page = open_page(address)
    page.select_option("#speed", "4")
    draw(page, SEVEN)
    is_the_oracle(decided(page), model)
    page.get_by_role("button", name="Check the samples").click()
    assert "All the same: 12 of 12" in page.locator("#proof").inner_text()


@pytest.mark.parametrize(
    ("reads", "written"),
    [((64, 16, 16), ["192c1"]), ((1, 200, 300), ["2c9s5"]), ((2, 1, 300), ["40c1x5", "pool1x2"]), ((1, 4, 5), ["3c3"])],
)
def test_maps_of_every_size_are_shown(tmp_path, open_page, reads, written):
    model = sliding_model(reads, sliding.sliding(reads, written, threshold=8))
    steps = make_steps(np.random.default_rng(1), "random", 3, size(reads), 8)
    model, _, address = write(model, steps, tmp_path)
    page = open_page(address, reduced_motion="reduce")
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        is_the_oracle(page.evaluate(STATE), model)
        page.wait_for_function(NOTHING_SIDEWAYS, arg=width)
        picture(page, f"maps-{'-'.join(map(str, reads))}-{width}", full_page=True)
