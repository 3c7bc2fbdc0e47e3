"""The web page computes what the oracle computes: the engine in it, run under Node on many networks."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import needs, sliding
from support.paths import GOLDEN
from support.strategies import (
    INPUT_KINDS,
    LEAST,
    LONGEST,
    SIGN_KINDS,
    THRESHOLD_KINDS,
    make_signs,
    make_steps,
    make_thresholds,
    networks,
    random_model,
    reading,
    seeds,
    step_numbers,
)
from support.strokes import SEVEN, ZERO, moved

from bstdg import export as bstdg_export
from bstdg import templates
from bstdg.errors import InputError
from bstdg.export import web
from bstdg.export.base import Golden
from bstdg.export.golden import corners, from_bytes
from bstdg.export.web import outside
from bstdg.export.web import proof as web_proof
from bstdg.inputs import LatencyCode
from bstdg.inputs.coding import InputCoding
from bstdg.inputs.latency import latency
from bstdg.layers import FullLayer, size
from bstdg.model import packed
from bstdg.model.packed import PackedModel


def model_of(layers, num_steps: int, **fields) -> PackedModel:
    code = reading(**{"shape": layers[0].reads, **fields})
    names = tuple(f"class {k}" for k in range(size(layers[-1].gives)))
    # A model file holds thresholds of 32 bits but for the very least.
    kept = (
        FullLayer(layer.signs, np.maximum(layer.thresholds, LEAST + 1), layer.reads)
        if isinstance(layer, FullLayer)
        else layer
        for layer in layers
    )
    return PackedModel(code, tuple(kept), num_steps, names)


def some_steps(model: PackedModel, count: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([make_steps(rng, kind, count, model.widths[0], model.num_steps) for kind in INPUT_KINDS])


def export(model: PackedModel, folder: Path, steps: np.ndarray | None = None) -> Golden:
    golden = Golden.of(model, some_steps(model) if steps is None else steps)
    for name, data in web.write(model, golden, "model").files.items():
        (folder / name).write_bytes(data)
    return golden


class Engine:
    """One Node process that runs the engines of many pages."""

    def __init__(self, program: str, folder: Path):
        self.folder = folder
        self.node = subprocess.Popen([program, str(web_proof.RUNNER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **request):
        assert self.node.stdin is not None and self.node.stdout is not None
        self.node.stdin.write(json.dumps({"page": str(self.folder / web.PAGE), **request}).encode() + b"\n")
        self.node.stdin.flush()
        answer = json.loads(self.node.stdout.readline())
        assert "error" not in answer, answer
        return answer

    def is_the_oracle(self, model: PackedModel, steps: np.ndarray) -> None:
        golden = export(model, self.folder, steps)
        found = self.ask(steps=base64.b64encode(golden.steps.tobytes()).decode())
        assert found["label"] == golden.label.tolist()
        assert found["step"] == golden.step.tolist()
        assert found["silent"] == golden.silent.tolist()
        assert found["early"] == len(steps)
        hidden = [np.frombuffer(base64.b64decode(text), np.uint8).reshape(len(steps), -1) for text in found["hidden"]]
        assert len(hidden) == len(golden.hidden)
        for a, b in zip(hidden, golden.hidden, strict=True):
            np.testing.assert_array_equal(a, b)

    def pixels(self, *drawings) -> list[np.ndarray]:
        return [np.array(pixels) for pixels in self.ask(strokes=drawings)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    program = web_proof.node()
    if program is None:
        needs.skip("node")
    engine = Engine(program, tmp_path_factory.mktemp("page"))
    yield engine
    engine.node.communicate()
    assert engine.node.returncode == 0


@given(networks(max_layers=4), step_numbers(), seeds())
@settings(max_examples=60)
def test_random_networks(engine, layers, num_steps, rng):
    steps = [make_steps(rng, kind, 2, layers[0].signs.shape[1], num_steps) for kind in INPUT_KINDS]
    engine.is_the_oracle(model_of(layers, num_steps), np.concatenate(steps))


@given(
    seeds(),
    st.lists(st.sampled_from([1, 7, 31, 32, 33, 63, 64, 65, 128, 300]), min_size=2, max_size=4),
    st.sampled_from([1, 2, 8, LONGEST]),
    st.sampled_from(THRESHOLD_KINDS),
    st.sampled_from(SIGN_KINDS),
)
@settings(max_examples=40)
def test_widths_on_either_side_of_a_word(engine, rng, sizes, num_steps, thresholds, signs):
    layers = [
        FullLayer(make_signs(rng, signs, above, below), make_thresholds(rng, thresholds, above, below))
        for below, above in itertools.pairwise(sizes)
    ]
    model = model_of(layers, num_steps)
    engine.is_the_oracle(model, some_steps(model, 2))


@given(sliding.networks(), step_numbers(), seeds())
@settings(max_examples=100)
def test_random_windows_that_slide(engine, layers, num_steps, rng):
    """Convolutions and poolings of any shape, stride, padding and group, before full layers or at the end."""
    steps = [make_steps(rng, kind, 2, size(layers[0].reads), num_steps) for kind in INPUT_KINDS]
    engine.is_the_oracle(model_of(layers, num_steps), np.concatenate(steps))


@given(sliding.networks(), step_numbers(), seeds())
@settings(max_examples=40)
def test_spikes_and_additions_are_those_of_the_tally(engine, layers, num_steps, rng):
    """At the borders of maps an event passes fewer synapses, and they are what is counted."""
    model = model_of(layers, num_steps)
    steps = make_steps(rng, "random", 3, model.widths[0], num_steps)
    golden = export(model, engine.folder, steps)
    for n, found in enumerate(engine.ask(counts=steps.tolist())):
        sent = [steps[n], *(layer[n] for layer in golden.hidden)]
        fired = [layer <= golden.step[n] for layer in sent]
        assert [found["inputSpikes"], *found["hiddenSpikes"]] == [int(there.sum()) for there in fired]
        passed = (layer.fan_out()[there].sum() for layer, there in zip(model.layers, fired, strict=True))
        assert found["operations"] == sum(passed)


@pytest.mark.parametrize(
    ("reads", "written"),
    [
        ((1, 28, 28), ["16c5s2p2", "pool2", "8c3p1", 20]),
        ((3, 32, 32), ["33c5s2p2", "pool2n2", 10]),
        ((1, 1, 128), ["16c1x9s1x2p0x4", "pool1x2", "6c1x7p0x3"]),
        ((4, 14, 14), ["32c3p1g4", "pool3s2", "40c3s2"]),
    ],
)
def test_convolutions_as_people_train_them(engine, reads, written):
    model = model_of(sliding.sliding(reads, written), 8)
    engine.is_the_oracle(model, some_steps(model, 2))
    page = (engine.folder / web.PAGE).read_text(encoding="utf-8")
    assert model.structure in page and f'"shape":{json.dumps(list(reads), separators=(",", ":"))}' in page


def test_the_golden_convolution(engine):
    model = packed.load(GOLDEN / "model-convolution-v2.bstdg")
    images = np.load(GOLDEN / "model-convolution-v2.npz")["images"]
    engine.is_the_oracle(model, model.input.encode(images, model.num_steps))
    found = engine.ask(samples=True)
    assert found["right"] == found["count"] > 0


def test_layers_of_a_kind_that_a_page_does_not_know(tmp_path):
    class Odd(FullLayer):
        kind = "odd"

    plain = random_model((9, 2))
    model = dataclasses.replace(plain, layers=(Odd(plain.layers[0].signs, plain.layers[0].thresholds),))
    with pytest.raises(InputError, match=r"target 'web' cannot hold layer 0 \(2\): layers of kind 'odd'"):
        bstdg_export.export("web", model, tmp_path / "page", images=0)
    assert not (tmp_path / "page").exists()
    with pytest.raises(InputError, match="a web page does not know layers of kind 'stranger'"):
        web.told(Stranger())  # the same from the writer, should it get that far


class Stranger:
    kind = "stranger"


@pytest.mark.parametrize("count", [1, 3, 127, 128, 255, 256, 65_535])
def test_counters_hold_as_many_events_as_come(engine, count):
    """Potentials reach the number of channels itself: one threshold is there, one beyond."""
    hidden = FullLayer(np.ones((3, count), np.int8), np.array([count, count + 1, count - 1]))
    steps = np.zeros((2, count), np.uint8)
    steps[1, -1] = 8
    model = model_of([hidden, FullLayer(np.ones((2, 3), np.int8), np.array([2, 1]))], 8)
    engine.is_the_oracle(model, steps)
    assert Golden.of(model, steps).hidden[0].tolist() == [[0, 8, 0], [8, 8, 0]]


def test_ties_go_to_the_lowest_index(engine):
    layers = [FullLayer(np.ones((3, 4), np.int8), np.array([2, 2, 1]))]
    steps = np.array([[0, 0, 8, 8], [0, 8, 8, 8], [8, 8, 8, 8], [7, 7, 7, 7]], np.uint8)
    model = model_of(layers, 8)
    engine.is_the_oracle(model, steps)
    tied = dataclasses.replace(model, layers=(FullLayer(layers[0].signs, np.array([2, 2, 2])),))
    engine.is_the_oracle(tied, steps)
    assert Golden.of(tied, steps).label.tolist() == [0, 0, 0, 0]


def test_the_golden_model(engine):
    model = packed.load(GOLDEN / "model-v1.bstdg")
    kept = np.load(GOLDEN / "model-v1.npz")
    images = kept["images"].reshape(40, -1)
    steps = model.input.encode(images, model.num_steps)
    engine.is_the_oracle(model, steps)
    for image, row in zip(images, steps, strict=True):
        assert engine.ask(pixels=image.tolist()) == row.tolist()
    assert engine.ask(samples=True) == {"right": 38, "count": 38}  # two are all black and all white


@pytest.mark.parametrize("white", [1, 16, 200, 255, 65_535])
@pytest.mark.parametrize("silent_below", [0.0, 0.3, 0.1])
@pytest.mark.parametrize("num_steps", [1, 7, 8, LONGEST])
def test_latency_of_every_pixel(engine, white, silent_below, num_steps):
    model = random_model((4, 2), num_steps, white=white, silent_below=silent_below)
    export(model, engine.folder)
    levels = np.arange(white + 1) if white < 1000 else np.unique(np.r_[0:300, 19_000:20_000, 65_000:65_536])
    expected = latency(levels[None], num_steps, white=white, silent_below=silent_below)[0]
    assert engine.ask(pixels=levels.tolist()) == expected.tolist()


CONTRAST = {
    "relative": {"relative": True},
    "relative, some silent": {"relative": True, "silent_below": 0.3},
    "levels": {"levels": (201, 90, 90, 33, 1)},
    "relative, levels": {"relative": True, "levels": (201, 90, 90, 33, 1)},
    "words": {"white": 65_535, "relative": True, "levels": (65_536, 40_000, 39_999, 300, 2)},
    "relative words": {"white": 65_535, "relative": True, "silent_below": 0.1},
}


def contrast_model(name: str, width: int = 12) -> PackedModel:
    return dataclasses.replace(random_model((width, 5, 3), 5), input=LatencyCode((width,), **CONTRAST[name]))


@pytest.mark.parametrize("name", CONTRAST)
def test_images_are_encoded_as_in_training(engine, name):
    model = contrast_model(name)
    white = model.input.white
    export(model, engine.folder)
    rng = np.random.default_rng(0)
    for most in (0, 1, 2, 77, white // 2, white - 1, white):
        for image in (rng.integers(0, most + 1, 12), np.minimum(np.arange(12) * 11, most)):
            assert engine.ask(pixels=image.tolist()) == model.input.encode(image[None], 5)[0].tolist()


@pytest.mark.parametrize("name", ["relative, levels", "relative words"])
def test_the_proof_runs_images_through_the_page(engine, name, tmp_path):
    model = contrast_model(name)
    made = bstdg_export.export("web", model, tmp_path / "web", images=0)
    golden = from_bytes((made.folder / "golden.safetensors").read_bytes(), model)
    page = made.folder / web.PAGE
    assert f"and steps of {len(golden.samples)} images" in web_proof.in_node(page, model, golden).detail
    # Corners, then what was made up; and of these, where nothing comes from data, any may be shown.
    assert len(golden.steps) == web.CORNERS + len(golden.samples)
    assert len(golden.steps[web.from_data(model, golden)]) == 0
    more = golden._replace(samples=golden.samples[[*range(len(golden.samples)), 0, 1, 2]])
    more = Golden.of(model, np.concatenate([golden.steps, golden.steps[-3:]]), more.samples)
    assert web.from_data(model, more) == slice(len(golden.steps), None)
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("Math.max(most, pixel)", "Math.max(most, pixel, 9)"), encoding="utf-8")
    check = web_proof.in_node(page, model, golden)
    assert check.status == "failed" and "steps of images not as the oracle" in check.detail


@needs.mark("chromium", web_proof.chromium())
def test_a_browser_encodes_images_too(tmp_path):
    model = contrast_model("relative, some silent")
    made = bstdg_export.export("web", model, tmp_path / "web", images=0)
    golden = from_bytes((made.folder / "golden.safetensors").read_bytes(), model)
    check = web_proof.in_chromium(made.folder / web.PAGE, model, golden)
    assert check.status == "passed" and "images" in check.detail, check.detail


def test_a_drawing_becomes_an_image_as_those_of_mnist(engine):
    export(random_model((784, 10), shape=(28, 28)), engine.folder)
    empty, seven, small, dot = engine.pixels(
        [], SEVEN, moved(SEVEN, 0.4, 0.2, -0.25), [[[0.1, 0.9]], [[0.1, 0.9], [0.1, 0.9]]]
    )
    assert not empty.any()
    assert np.abs(small - seven).max() <= 2  # drawn small in a corner, it is the same image
    field = seven.reshape(28, 28)
    rows, columns = np.flatnonzero(field.any(axis=1)), np.flatnonzero(field.any(axis=0))
    assert 19 <= np.ptp(rows) + 1 <= 22 and np.ptp(columns) < np.ptp(rows)
    centre = [field.sum(axis=1) @ np.arange(28), field.sum(axis=0) @ np.arange(28)] / field.sum()
    np.testing.assert_allclose(centre, [14, 14], atol=0.1)
    assert field.max() == 255 and 60 < field.sum() / 255 < 120  # MNIST's sevens have 91 on average
    assert 4 < dot.sum() / 255 < 12


@pytest.mark.parametrize("shape", [(8, 8), (48, 32), (30, 100), (6, 6)])
def test_a_drawing_fills_other_fields(engine, shape):
    export(random_model((shape[0] * shape[1], 3), shape=shape, white=16), engine.folder)
    field = engine.pixels(ZERO)[0].reshape(shape)
    rows, columns = np.flatnonzero(field.max(axis=1) > 4), np.flatnonzero(field.max(axis=0) > 4)
    assert field.max() >= 14 and np.ptp(rows) + 1 >= min(shape) * 0.8
    assert abs(rows.mean() - (shape[0] - 1) / 2) <= 0.5 and abs(columns.mean() - (shape[1] - 1) / 2) <= 0.5


def test_a_curve_becomes_a_signal(engine):
    """Drawn from left to right or back, in one stroke or several; what lies between is on a line."""
    export(model_of(sliding.sliding((1, 1, 40), ["4c1x5p0x2"]), 8), engine.folder)
    drawn = [
        [[[0.0, 1.0], [0.999, 0.0]]],
        [[[0.999, 0.0], [0.0, 1.0]]],
        [[[0.5, 0.4]]],
        [[[0.25, 0.9], [0.26, 0.9]], [[0.75, 0.1]]],
        [[[0.1, 0.5], [0.9, 0.5]], [[0.5, 0.0]]],
        [],
    ]
    rising, back, flat, between, last, none = (
        np.array(values) for values in engine.ask(signals=[{"strokes": strokes} for strokes in drawn])
    )
    np.testing.assert_array_equal(rising, np.round(np.arange(40) / 39 * 255))
    np.testing.assert_array_equal(back, rising)
    assert set(flat) == {153}
    np.testing.assert_allclose(between, np.interp(np.arange(40), [10, 30], [25.5, 229.5]), atol=0.51)
    assert last[20] == 255 and set(np.delete(last, 20)) == {128}  # the later stroke is the one that stays
    assert not none.any()


@pytest.mark.parametrize("white", [16, 255, 65_535])
def test_a_signal_is_drawn_over(engine, white):
    """Where the pen was, its values; elsewhere what gives the very steps that were there."""
    model = model_of(sliding.sliding((1, 1, 40), ["4c1x5p0x2"]), 9, white=white)
    export(model, engine.folder)
    steps = np.arange(40) % 10
    (values,) = engine.ask(signals=[{"strokes": [[[0.25, 0.0], [0.5, 0.0]]], "over": steps.tolist()}])
    expected = steps.copy()
    expected[10:21] = 0
    assert values[10:21] == [white] * 11
    np.testing.assert_array_equal(latency(np.array([values]), 9, white=white)[0], expected)


def test_the_page_is_one_file_always_the_same(tmp_path):
    model = random_model((784, 600, 10), shape=(28, 28))
    golden = Golden.of(model, some_steps(model, 7))
    written = web.write(model, golden, "mnist")
    assert written.files == web.write(model, golden, "mnist").files
    assert list(written.files) == ["index.html"]
    assert written.figures["samples"] > 20
    assert written.figures["page_bytes"] == len(written.files["index.html"]) < 300_000
    assert written.figures["weight_bytes"] == 784 * 75 + 600 * 2


def test_the_policy_allows_only_what_the_page_holds(tmp_path):
    model = dataclasses.replace(random_model((9, 2)), classes=("</script><b>", "'\"&<!--"))
    export(model, tmp_path)
    text = (tmp_path / web.PAGE).read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy and policy[1].startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy[1]
    scripts = re.findall(r'<script id="code-\w+">([^\x00]*?)</script>', text)
    assert len(scripts) == len(web.SCRIPTS) == text.count("</script>") - 1
    for source in (*scripts, *re.findall(r"<style>([^\x00]*?)</style>", text)):
        assert templates.allowed(source) in policy[1]
    assert not re.search(r"https?://", text)


def test_too_many_weights(tmp_path):
    wide = FullLayer(np.ones((4_000, 40_001), np.int8), np.zeros(4_000, np.int64))
    model = model_of([wide], 8)
    golden = Golden(np.zeros((0, 40_001), np.uint8), (), *(np.zeros(0, np.int64),) * 2, np.zeros(0, bool))
    with pytest.raises(
        InputError, match=r"at most 20,000,000 bytes of weights, this model has 20,000,500: 500 too many"
    ):
        web.write(model, golden, "wide")


def test_a_model_of_timed_events(engine):
    """Its channels are no picture, whatever the shape of the sensor."""
    model = random_model((128, 20, 3), threshold=5, shape=(64,), coding=InputCoding(delays=(0, 2)))
    engine.is_the_oracle(model, some_steps(model))
    page = (engine.folder / web.PAGE).read_text(encoding="utf-8")
    assert json.loads(re.search(r'<script id="model"[^>]*>(.*?)</script>', page)[1])["shape"] == [128]


def test_a_page_without_samples(engine):
    model = random_model((9, 4, 2))
    golden = export(model, engine.folder, np.zeros((0, 9), np.uint8))
    assert engine.ask(samples=True) == {"right": 0, "count": 0}
    assert web_proof.in_node(engine.folder / web.PAGE, model, golden).status == "passed"


def test_samples_show_every_class_alike():
    steps = np.arange(12, dtype=np.uint8).reshape(6, 2) % 8
    steps[4] = 8  # silent: a corner, not a picture
    label = np.array([0, 0, 0, 1, 1, 1])
    golden = Golden(steps, (), label, label, label > 5)
    assert web.choose(golden, 2) == [0, 3]
    assert web.choose(golden, 4) == [0, 1, 3, 5]
    assert web.choose(golden, 40) == [0, 1, 2, 3, 5]
    assert web.choose(golden._replace(steps=np.full((6, 2), 8, np.uint8)), 3) == [0, 1, 3]
    many = Golden(
        np.concatenate([steps] * 12), (), *(np.concatenate([array] * 12) for array in (label, label, label > 5))
    )
    assert web.choose(many, 40) == [*range(64, 72)]  # only what comes after the corners


def test_as_many_corners_come_first_as_the_page_leaves_out():
    assert len(corners(random_model((9, 2))).steps) == web.CORNERS


def test_verify_says_what_it_could_not_run(tmp_path, monkeypatch):
    model = random_model((9, 4, 2))
    golden = export(model, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(web_proof, "node", lambda: None)
    checks = {check.name: check for check in web.verify(tmp_path, model, golden)}
    assert {name: check.status for name, check in checks.items()} == {
        "self-contained": "passed",
        "node": "not run",
        "chromium": "not run",
    }
    (tmp_path / web.PAGE).unlink()
    assert [check.status for check in web.verify(tmp_path, model, golden)] == ["failed"]
    assert "install" in checks["node"].detail and "install" in checks["chromium"].detail


@needs.mark("chromium", web_proof.chromium())
def test_verify_runs_the_page_itself(engine, tmp_path):
    """One weight, threshold or line of code changed in the page, and the proof fails."""
    model = random_model((40, 30, 4), threshold=8)
    golden = export(model, tmp_path)
    assert [check.status for check in web.verify(tmp_path, model, golden)] == ["passed"] * 3
    page = tmp_path / web.PAGE
    text = page.read_text(encoding="utf-8")
    data = json.loads(re.search(r'<script id="model"[^>]*>(.*?)</script>', text)[1])
    weights = bytearray(base64.b64decode(data["layers"][0]["signs"]))
    weights[0] ^= 255
    altered = text.replace(data["layers"][0]["signs"], base64.b64encode(weights).decode())
    assert altered != text
    page.write_text(altered, encoding="utf-8")
    assert web_proof.in_node(page, model, golden).status == "failed"
    page.write_text(text.replace("2 * plus - events", "2 * plus - events + 1"), encoding="utf-8")
    assert web_proof.in_node(page, model, golden).status == "failed"
    assert web_proof.in_chromium(page, model, golden).status == "failed"  # its policy does not let the altered code run
    page.write_text(text.replace("<main>", '<main><img src="https://example.org/a.png">'), encoding="utf-8")
    assert next(web.verify(tmp_path, model, golden)).status == "failed"


# What a page names outside of itself

NAMES = [
    "src=x",
    "http://example.org/a",
    "//example.org",
    '<script src="https://example.org/x.js"></script>',
    "<img src=x onerror=alert(1)>",
    "url(https://example.org)",
    "@import 'x'",
    "fetch('x')",
    "href='http://x'",
    "</script><script>fetch('//x')</script>",
    "<!-- <script",
    "script-src *",
    "</body>",
    "`${location}`",
]


@pytest.mark.parametrize("name", NAMES)
def test_whatever_classes_are_called_the_page_is_self_contained(engine, tmp_path, name):
    """It is what the page holds, and no part of what it is made of."""
    model = dataclasses.replace(random_model((9, 2)), classes=(name, "other"), trained={"data": name})
    golden = export(model, tmp_path)
    check = next(web.verify(tmp_path, model, golden))
    assert (check.name, check.status) == ("self-contained", "passed"), check.detail
    engine.folder = tmp_path
    engine.is_the_oracle(model, some_steps(model))


OUTSIDE = {
    "an image": ("<main>", '<main><img src="https://example.org/a.png">'),
    "an image beside it": ("<main>", "<main><IMG SRC=a.png>"),
    "images to choose from": ("<main>", '<main><img srcset="a.png 2x">'),
    "a script": ("<main>", '<main><script src="//example.org/x.js"></script>'),
    "a style": ("</head>", '<link rel="stylesheet" href="x.css"></head>'),
    "a font": ("<style>", "<style>@font-face { src: url('https://example.org/f.woff') }"),
    "an import": ("<style>", "<style>@import 'x.css';"),
    "a spelled address in a style": ("<style>", "<style>a { background: \\75rl(//example.org) }"),
    "a set of images in a style": ("<style>", '<style>a { background: image-set("//example.org/a" 1x) }'),
    "an attribute's style": ("<main>", '<main style="background: url(//example.org/x)">'),
    "a link": ("<main>", '<main><a href="http://example.org">x</a>'),
    "a form": ("<main>", '<main><form action="/x"></form>'),
    "a frame": ("<main>", '<main><iframe src="x.html"></iframe>'),
    "a page in a frame": ("<main>", '<main><iframe srcdoc="&lt;img src=x&gt;"></iframe>'),
    "an object": ("<main>", '<main><object data="x.svg"></object>'),
    "a use of SVG": ("<main>", '<main><svg><use xlink:href="x.svg#a"/></svg>'),
    "a refresh": ("</head>", '<meta http-equiv="Refresh" content="0; URL=http://example.org"></head>'),
    "a base": ("</head>", '<base href="http://example.org/"></head>'),
    "a handler": ("<main>", "<main onclick=\"fetch('x')\">"),
    "an address of a script": ("<main>", "<main><a href=\"javascript:open('//example.org')\">x</a>"),
    "a fetch": ('"use strict";', '"use strict"; fetch("x");'),
    "a fetch by name": ('"use strict";', '"use strict"; window["fetch"]("x");'),
    "a spelled fetch": ('"use strict";', '"use strict"; f\\u0065tch("x");'),
    "a request": ('"use strict";', '"use strict"; new XMLHttpRequest();'),
    "a socket": ('"use strict";', '"use strict"; new WebSocket(name);'),
    "an import of a script": ('"use strict";', '"use strict"; import("./x.js");'),
    "a beacon": ('"use strict";', '"use strict"; navigator.sendBeacon("x");'),
    "a way off": ('"use strict";', '"use strict"; location = "x";'),
    "an address": ('"use strict";', '"use strict"; open("https:" + "//example.org");'),
    "a spelled address": ('"use strict";', '"use strict"; open("\\x68ttps:\\u002f\\/example.org");'),
    "an address in a template": ('"use strict";', '"use strict"; open(`${"https"}://${`${"//example.org"}`}`);'),
    "a fetch in a template": ('"use strict";', '"use strict"; const a = `b ${{c: fetch("x")}} d`;'),
    "a picture made": ('"use strict";', '"use strict"; new Image().src = name;'),
    "a picture set": ('"use strict";', '"use strict"; image.setAttribute("src", name);'),
    "elements written": ('"use strict";', '"use strict"; document.body.innerHTML = "<img src=x>";'),
    "a fetch after a division": ('"use strict";', '"use strict"; const a = b / c, d = fetch("x") / e;'),
    "a fetch after a pattern": ('"use strict";', '"use strict"; const a = /[/"]`/; fetch("x");'),
    "a map of imports": ("<main>", '<main><script type="importmap">{"imports": {"a": "https://example.org"}}</script>'),
    "a module": ("<main>", '<main><script type="module">import "./x.js"</script>'),
    "no policy": ("Content-Security-Policy", "X-Policy"),
    "a policy that comes late": ('<meta charset="utf-8">', '<script>1</script><meta charset="utf-8">'),
    "a policy that allows all": ("default-src 'none'", "default-src *"),
    "a policy that allows a host": ("img-src data:", "img-src data: https://example.org"),
    "a policy that allows scripts in it": ("script-src ", "script-src 'unsafe-inline' "),
    "a policy that lets scripts be data": ("script-src ", "script-src data: "),
    "a policy that allows to connect": ("img-src data:", "img-src data:; connect-src https:"),
}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_what_leads_outside_is_seen(tmp_path, kind):
    model = random_model((9, 2))
    golden = export(model, tmp_path)
    page, (before, after) = tmp_path / web.PAGE, OUTSIDE[kind]
    text = page.read_text(encoding="utf-8")
    assert before in text
    assert outside.references(text) == outside.policy_holes(text) == []
    page.write_text(text.replace(before, after, 1), encoding="utf-8")
    assert next(web.verify(tmp_path, model, golden)).status == "failed"


INSIDE = [
    "<!-- <img src=x> --><p>src=x http://example.org fetch('x')</p>",
    '<p title="src=x" data-src="x" alt="http://example.org">',
    '<a href="#race">x</a><a href="">x</a><img src="data:image/png;base64,AA=="><img SRC="DATA:image/gif,x">',
    "<style>/* url(x) @import */ a { fill: url(#b); background: url('data:,x'); content: \"\\201c\" }</style>",
    "<script>// fetch('//example.org')\n/* import('x') */ const text = 'fetch src=x', of = `a // b`;</script>",
    "<script>const a = b / c / fetched, r = /fetch\\/\\/[/]x/g, n = 1 / 2; refetch(a.fetcher);</script>",
    "<script>document.createElementNS('http://www.w3.org/2000/svg', 'g'); if (a.src == b.src) c = a.src;</script>",
    '<script type="application/json">{"a": "https://example.org", "b": "fetch(1)"}</script>',
    "<textarea>&lt;img src=x&gt;</textarea>",
]


@pytest.mark.parametrize("page", INSIDE)
def test_what_leads_nowhere_is_let_be(page):
    assert outside.references(page) == []


@given(st.text(alphabet="<>/\"'`${}\\srcuhefimpot=:()[]#!-*\n ", max_size=60))
@settings(max_examples=300)
def test_pages_of_no_sense_are_read_to_their_end(text):
    for page in (text, f"<script>{text}", f"<style>{text}", f'<p style="{text}" onclick="{text}" srcdoc="{text}">'):
        assert all(isinstance(found, str) for found in [*outside.references(page), *outside.policy_holes(page)])


# The browser's sandbox


@pytest.mark.parametrize(("user", "flags"), [(0, 1), (1000, 0)])
def test_only_the_superuser_gets_a_browser_without_a_sandbox(tmp_path, monkeypatch, user, flags):
    said = tmp_path / "said"
    program = tmp_path / "chromium"
    program.write_text(f'#!/bin/sh\nfor a; do echo "$a"; done >> {said}\necho "<html></html>"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: user)
    model = random_model((9, 4, 2))
    golden = export(model, tmp_path)
    assert web_proof.in_chromium(tmp_path / web.PAGE, model, golden).status == "failed"
    assert said.read_text().split().count("--no-sandbox") == 2 * flags  # for the page, and an empty one
    assert web_proof.quiet().count("--no-sandbox") == flags


def test_a_browser_that_does_not_start_is_not_run(tmp_path, monkeypatch):
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\necho 'FATAL: No usable sandbox, an error' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    model = random_model((9, 4, 2))
    check = web_proof.in_chromium(tmp_path / web.PAGE, model, export(model, tmp_path))
    assert check.status == "not run" and "does not show an empty page here" in check.detail
    assert "No usable sandbox" in check.detail
