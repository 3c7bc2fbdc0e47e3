"""A report of convolutions and poolings: what is drawn holds the data, and what is counted is what happened."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image
from support.paths import GOLDEN
from support.strategies import events_of, make_events, make_steps, seeds
from support.synapses import full, sliding_layers, synapses_of

from bstdg import datasets, report
from bstdg.datasets import Dataset
from bstdg.drawing.scene import Scene, layer_of
from bstdg.drawing.style import INK, LIT, show_picture
from bstdg.engine import oracle
from bstdg.engine.decide import decide
from bstdg.errors import InputError
from bstdg.inputs import LatencyCode
from bstdg.layers import Conv2dLayer, Pool2dLayer, size
from bstdg.layers.convolution import Convolution
from bstdg.model import packed
from bstdg.model.packed import PackedModel
from bstdg.model.runtime import Model, Run
from bstdg.report import credit, sliding, spread
from bstdg.report.looks import panels
from bstdg.report.measure import _Counts
from bstdg.report.svg import inline

T = 5


def model_of(layers, trained=None) -> PackedModel:
    names = tuple("abcdefghij")[: size(layers[-1].gives)]
    return PackedModel(LatencyCode(layers[0].reads, 16), tuple(layers), T, names, trained or {})


def some_input(rng, layers, batch=2):
    make = make_steps if rng.random() < 0.5 else make_events
    return make(rng, "random", batch, size(layers[0].reads), T)


def conv_model(rng=None) -> PackedModel:
    """Digits through two convolutions, a pooling between them, and a hidden layer."""
    rng = rng or np.random.default_rng(0)
    first = Convolution((1, 8, 8), 6, (3, 3), padding=(1, 1))
    pool = Pool2dLayer((6, 8, 8), (2, 2), (2, 2))
    second = Convolution((6, 4, 4), 10, (3, 3), padding=(1, 1))
    bits = lambda shape: rng.choice([-1, 1], shape).astype(np.int8)  # noqa: E731
    layers = (
        Conv2dLayer(bits(first.weights), rng.integers(1, 3, 6), first),
        pool,
        Conv2dLayer(bits(second.weights), rng.integers(2, 5, 10), second),
        full(rng, (10, 4, 4), 10),
    )
    return model_of(layers, {"data": "digits"})


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return datasets.load("digits", "test")


@pytest.fixture(scope="module")
def measured(digits) -> report.Measured:
    return report.measure(Model(conv_model()), digits, name="conv", limit=120)


# --- credits ---------------------------------------------------------------------------------------------------------


def by_hand(layers, spikes, hidden, label, step) -> list[dict[int, float]]:
    """Credits path by path: every synapse of every spike that came in time."""
    told, steps, found = {label: 1.0}, {label: step}, []
    for layer, below in zip(reversed(layers), reversed((spikes, *hidden)), strict=True):
        sent = events_of(below, 0, T)
        now: dict[int, float] = {}
        for neuron, channel, sign in synapses_of(layer):
            for who, when in sent:
                if who == channel and when <= steps.get(neuron, -1):
                    now[channel] = now.get(channel, 0.0) + told.get(neuron, 0.0) * sign
        told, steps = now, {channel: when for channel, when in sent if channel in now}
        found.append(now)
    return found[::-1]


@settings(max_examples=60, deadline=None)
@given(seeds())
def test_credits_are_the_paths_of_spikes_to_the_output_that_won(rng):
    layers = sliding_layers(rng)
    spikes = some_input(rng, layers, 1)
    trace = oracle.forward(layers, spikes, T)
    decision = decide(trace.potentials, layers[-1].thresholds)
    label, step = int(decision.label[0]), int(decision.step[0])
    below = [spikes if not isinstance(spikes, np.ndarray) else spikes[0], *(steps[0] for steps in trace.hidden)]
    shown = tuple(layer_of("any", steps) for steps in below)
    scene = Scene(None, shown, trace.potentials[0], label, step, ("a", "b", "c"))
    found = credit.credits_of(model_of(layers), scene)
    for one, wanted, layer in zip(found, by_hand(layers, spikes, trace.hidden, label, step), layers, strict=True):
        assert one.shape == (size(layer.reads),)
        np.testing.assert_array_equal(one, [wanted.get(channel, 0.0) for channel in range(len(one))])
    assert found[-1].sum() == trace.potentials[0, step, label]


def test_positions_are_drawn_as_they_are_credited(measured, digits):
    model = Model(measured.model)
    scenes = {i: report_scene(model, digits.images[i]) for i in (0, 4)}
    figure = report.positions(measured.model, scenes)
    columns = 2 + 3  # the picture, the pixels, and three layers of maps
    assert len(figure.axes) == 2 * columns
    assert [axes.get_title(loc="left") for axes in figure.axes[:columns]] == [
        "picture",
        "input",
        "hidden 1",
        "hidden 2",
        "hidden 3",
    ]
    shapes = [(1, 8, 8), (6, 8, 8), (6, 4, 4), (10, 4, 4)]
    for row, index in enumerate(scenes):
        told = credit.credits_of(measured.model, scenes[index])
        for axes, one, shape in zip(figure.axes[row * columns + 1 :], told, shapes, strict=False):
            rgba, wanted = np.asarray(axes.images[0].get_array()), one.reshape(shape).sum(axis=0)
            np.testing.assert_allclose(rgba[..., 3], np.abs(wanted) / max(np.abs(wanted).max(), 1e-9))
            red = (rgba[..., 0] > rgba[..., 2]) & (rgba[..., 3] > 0)
            np.testing.assert_array_equal(red, wanted > 0)
    assert figure.axes[columns].get_ylabel() == "4"
    with pytest.raises(InputError, match="positions are of an input with rows and columns"):
        report.positions(measured.model, {})
    row = replace(measured.model, input=LatencyCode((64,)), layers=(full(np.random.default_rng(0), (64,), 10),))
    with pytest.raises(InputError, match="positions are of an input with rows and columns"):
        report.positions(row, scenes)


def report_scene(model, image) -> Scene:
    from bstdg.drawing.scene import scene

    return scene(model, image)


# --- margins ---------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(seeds())
def test_margins_are_those_that_the_rule_judges(rng):
    layers, width = sliding_layers(rng), float(rng.choice([0.5, 2.0, 5.0]))
    model = model_of(layers, {"recipe": {"rule": {"width": width, "final_width": 0.0}}})
    spikes = some_input(rng, layers, 5)
    found = spread.Margins(model, "oracle" if rng.random() < 0.3 else None)
    trace = oracle.forward(layers, spikes, T)
    decision = decide(trace.potentials, layers[-1].thresholds)
    for part in (slice(0, 2), slice(2, 5)):
        cut = type(trace)(tuple(steps[part] for steps in trace.hidden), trace.potentials[part])
        found.add(Run(spikes[part], cut, decision))
    below = (spikes, *trace.hidden)
    for layer, steps, told in zip(layers[:-1], below, found.spread(), strict=False):
        if isinstance(layer, Pool2dLayer):
            assert told is None
            continue
        margin = oracle.crossing(oracle.layer_potentials(layer, steps, T), layer.thresholds).margin
        assert told.mean == pytest.approx(margin.mean())
        assert told.deviation == pytest.approx(margin.std())
        assert told.within == pytest.approx((np.abs(margin) < width).mean())
        assert told.samples == 5


def test_margins_are_of_the_first_samples_and_of_the_width_in_the_end(monkeypatch, digits):
    model = Model(conv_model())
    few = report.measure(model, digits, limit=20).margins
    monkeypatch.setattr(spread, "SAMPLES", 20)
    monkeypatch.setattr(spread, "AT_ONCE", 3 * T * 6 * 64)  # three samples at a time
    some = report.measure(model, digits, limit=90).margins
    assert [one and (one.mean, one.samples) for one in some] == [one and (pytest.approx(one.mean), 20) for one in few]
    assert [one.within for one in few if one] == [None, None]
    assert spread.width_of({"recipe": {"rule": {"width": 60.0, "final_width": 20.0}}}) == 20.0
    assert spread.width_of({"recipe": {"rule": {"width": 60, "final_width": 0}}}) == 60.0
    for nothing in ({}, {"recipe": 3}, {"recipe": {"rule": [1]}}, {"recipe": {"rule": {"width": "x"}}}):
        assert spread.width_of(nothing) is None


def test_layers_in_numbers(measured):
    left, right = report.margins(measured).axes
    bars = [bar.get_width() for bar in left.patches]
    neurons = [384, 96, 160]
    every = [100 * fired.sum() / measured.samples / n for fired, n in zip(measured.fired, neurons, strict=True)]
    assert bars[:3] == pytest.approx(every)
    assert bars[3:] == pytest.approx([100 * sent / n for sent, n in zip(measured.sent, neurons, strict=True)])
    assert sum(measured.sent) == pytest.approx(measured.figures["hidden_spikes_to_decision"])
    dots = [(line.get_ydata()[0], line.get_xdata()[0]) for line in right.lines if line.get_marker() == "o"]
    assert dots == [(i, pytest.approx(one.mean)) for i, one in enumerate(measured.margins) if one is not None]
    (low, high), *_ = [segment[:, 0] for bar in right.collections for segment in bar.get_segments()]
    assert (high - low) / 2 == pytest.approx(measured.margins[0].deviation)


# --- counts ----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(seeds())
def test_operations_by_layer_are_the_synapses_that_spikes_pass(rng):
    layers = sliding_layers(rng)
    spikes = some_input(rng, layers, 3)
    trace = oracle.forward(layers, spikes, T)
    decision = decide(trace.potentials, layers[-1].thresholds)
    counts = _Counts(model_of(layers))
    counts.add(Run(spikes, trace, decision), decision.label)
    told = counts.measured("m", SimpleNamespace(name="d", split="test"), 3, "oracle")
    passed, every = np.zeros(len(layers)), np.zeros(len(layers))
    for i, (layer, steps) in enumerate(zip(layers, (spikes, *trace.hidden), strict=True)):
        channels = [channel for _, channel, _ in synapses_of(layer)]
        for sample in range(3):
            for channel, when in events_of(steps, sample, T):
                every[i] += channels.count(channel)
                passed[i] += channels.count(channel) * (when <= decision.step[sample])
    assert told.operations == pytest.approx(passed / 3)
    assert told.all_operations == pytest.approx(every / 3)
    assert told.figures["synaptic_operations_to_decision"] == pytest.approx(passed.sum() / 3)


# --- pictures --------------------------------------------------------------------------------------------------------


def ink_of(axes) -> np.ndarray:
    return np.asarray(axes.images[0].get_array())[..., 3]


def test_kernels_are_the_weights(measured):
    assert sliding.with_kernels(measured) == [2]  # the first layer's windows are receptive fields
    (axes,) = report.kernels(measured).axes
    assert axes.get_title(loc="left") == "hidden 3: 10c3p1"
    ink, layer = ink_of(axes), measured.model.layers[2]
    order = np.argsort(-measured.fired[2].sum(axis=1).reshape(10, -1).sum(axis=1), kind="stable")
    tile = 6 * 4 - 1
    across = (96 + 2) // (tile + 2)
    for place, channel_map in enumerate(order):
        top, left = place // across * 5, place % across * (tile + 2)
        for channel in range(6):
            window = ink[top : top + 3, left + 4 * channel : left + 4 * channel + 3]
            np.testing.assert_array_equal(window == window.max(), layer.signs[channel_map, channel] > 0)
            assert (window[layer.signs[channel_map, channel] < 0] < 0.2).all()


def test_maps_are_the_shares_of_samples(measured):
    figure = report.maps(measured)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "hidden 1: 6c3p1", "hidden 2: pool2", "hidden 3: 10c3p1",
    ]  # fmt: skip
    for axes, fired, (maps, rows, columns) in zip(
        figure.axes, measured.fired, ((6, 8, 8), (6, 4, 4), (10, 4, 4)), strict=True
    ):
        share = (fired.sum(axis=1) / measured.samples).reshape(maps, rows, columns)
        order, ink = np.argsort(-share.sum(axis=(1, 2)), kind="stable"), ink_of(axes)
        for place, one in enumerate(order):
            top, left = place // 8 * (rows + 2), place % 8 * (columns + 2)
            window = ink[top : top + rows, left : left + columns]
            wanted = 0.06 + 0.94 * share[one] / share.max()
            np.testing.assert_allclose(window, wanted / ink.max(), atol=1e-9)
            assert window.min() > 0  # where nothing fires one sees a map nevertheless


def test_many_maps_of_many_channels_are_cut(digits):
    rng = np.random.default_rng(3)
    first = Convolution((1, 8, 8), 40, (3, 3), padding=(1, 1))
    second = Convolution((40, 8, 8), 50, (3, 3), stride=(2, 2), padding=(1, 1))
    bits = lambda shape: rng.choice([-1, 1], shape).astype(np.int8)  # noqa: E731
    layers = (Conv2dLayer(bits(first.weights), rng.integers(1, 3, 40), first),
              Conv2dLayer(bits(second.weights), rng.integers(2, 9, 50), second), full(rng, (50, 4, 4), 10))  # fmt: skip
    told = report.measure(Model(model_of(layers)), digits, limit=20)
    assert sliding.in_kernels(layers[1]) == 12
    (axes,) = report.kernels(told).axes
    assert ink_of(axes).shape == (12 * 5 - 2, 24 * 4 - 1)
    maps = report.maps(told).axes
    assert ink_of(maps[0]).shape == (2 * 10 - 2, 8 * 10 - 2)  # 16 of 40


def test_signals_are_strips(tmp_path):
    rng = np.random.default_rng(0)
    conv = Convolution((1, 1, 90), 4, (1, 5))
    layers = (Conv2dLayer(rng.choice([-1, 1], conv.weights).astype(np.int8), np.array([1, 2, 1, 2]), conv),
              full(rng, (4, 1, 86), 3))  # fmt: skip
    signals = Dataset("noise", "test", rng.integers(0, 17, (40, 1, 90)).astype(np.uint8), rng.integers(0, 3, 40), 16,
                      tuple("abc"))  # fmt: skip
    told = report.measure(Model(model_of(layers)), signals)
    assert len(sliding.tall(np.zeros((1, 90)))) == 12
    (axes,) = report.maps(told).axes
    high = len(sliding.tall(np.zeros((1, 86))))
    share = told.fired[0].sum(axis=1).reshape(4, 86)
    np.testing.assert_array_equal(ink_of(axes)[0, :86].argmax(), share[share.sum(axis=1).argmax()].argmax())
    assert np.ptp(ink_of(axes)[:high, :86], axis=0).max() == 0
    packed.save(replace(told.model, trained={"data": "digits"}), tmp_path / "model.bstdg")
    report.write([tmp_path / "model.bstdg"], tmp_path / "r.html", samples=[3], load=lambda *_, **__: signals)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'id="fig-maps"' in text and 'id="fig-positions"' in text and 'id="fig-kernels"' in text


def test_networks_without_maps_have_no_pictures_of_them(digits):
    told = report.measure(Model(packed.load(GOLDEN / "digits.bstdg")), digits, limit=20)
    assert sliding.with_maps(told) == sliding.with_kernels(told) == []
    with pytest.raises(InputError, match="no layer of maps"):
        report.maps(told)
    with pytest.raises(InputError, match="no convolution beside the one"):
        report.kernels(told)


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_of_a_convolution(tmp_path, bstdg):
    packed.save(conv_model(), tmp_path / "model.bstdg")
    out = tmp_path / "r.html"
    status, printed, err = bstdg("report", tmp_path / "model.bstdg", "--out", out, "--samples", "0,3", "--limit", 60,
                                 "--json")  # fmt: skip
    assert (status, err) == (0, [])
    (told,) = json.loads(printed)["models"]
    judged = Model(conv_model()).evaluate(*first(60))
    assert {key: told[key] for key in judged} == judged
    assert told["synaptic_operations_to_decision"] == pytest.approx(
        sum(told["synaptic_operations_to_decision_by_layer"])
    )
    text = out.read_text(encoding="utf-8")
    for key in ("positions", "fields", "kernels", "maps", "margins"):
        assert f'id="fig-{key}"' in text
    assert "Of hidden 3, 10 maps and 6 channels of each." in text
    assert "Its recipe does not say the width of the rule." in text
    assert text.count("<figure ") == 2 + 1 + 3 + 6 + 1 + 2


def first(number: int):
    test = datasets.load("digits", "test")
    return test.images[:number], test.labels[:number]


def pictures_in(svg: str) -> list[np.ndarray]:
    found = re.findall(r'href="data:image/png;base64,\s*([^"]+)"', svg)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one))).convert("RGBA")) for one in found]


def drawn(*pictures) -> str:
    figure, axes = panels(len(pictures), 3)
    for axis, picture in zip(axes, pictures, strict=True):
        axis.imshow(picture, interpolation="none")
    return inline(figure, "one")


def rgba(colour: str, alpha: np.ndarray) -> np.ndarray:
    from matplotlib.colors import to_rgb

    return np.concatenate([np.broadcast_to(to_rgb(colour), (*alpha.shape, 3)), alpha[..., None]], axis=-1)


def test_a_picture_of_two_colours_has_both_of_the_page():
    red, blue = np.zeros((4, 4)), np.zeros((4, 4))
    red[0, 1], blue[2, 3] = 0.8, 0.4
    both = np.where(blue[..., None] > 0, rgba(report.looks.BLUE, blue), rgba(LIT, red))
    text = drawn(both)
    fills = re.findall(r'<rect [^>]*fill="(var\([\w-]+\))" [^>]*mask=', text) or re.findall(
        r'fill="(var\(--(?:lit|blue)\))"', text
    )
    assert sorted(fills) == ["var(--blue)", "var(--lit)"]
    masks = [picture[..., 3] for picture in pictures_in(text)]
    alone = {"var(--lit)": (0, 1), "var(--blue)": (2, 3)}
    for fill, mask in zip(fills, masks, strict=True):
        assert np.argwhere(mask > 0).tolist() == [list(alone[fill])]
    ids = re.findall(r'<mask [^>]*id="([\w-]+)"', text)
    assert len(set(ids)) == 2 and set(re.findall(r'mask="url\(#([\w-]+)\)"', text)) == set(ids)


def test_a_grey_picture_is_ink_and_a_photograph_stays():
    figure, axes = panels(2, 3)
    show_picture(axes[0], np.arange(16.0).reshape(4, 4))
    photograph = np.random.default_rng(0).integers(0, 256, (3, 4, 4))
    show_picture(axes[1], photograph)
    text = inline(figure, "one")
    assert text.count("<mask ") == 1
    assert 'fill="var(--ink)"' in text
    grey, colour = pictures_in(text)
    assert set(map(tuple, grey[..., :3].reshape(-1, 3).tolist())) == {tuple(bytes.fromhex(INK[1:]))}
    np.testing.assert_allclose(colour[..., :3], np.moveaxis(photograph / photograph.max() * 255, 0, -1), atol=1)


def test_a_picture_of_nothing_is_one():
    assert drawn(rgba(INK, np.zeros((2, 2)))).count("<mask ") == 1


def test_panels_of_a_raster_do_not_lie_on_each_other(digits):
    from bstdg.drawing.rasters import raster

    rng = np.random.default_rng(0)
    layers = (full(rng, (1, 8, 8), 9), full(rng, (9,), 9), full(rng, (9,), 10))
    figure = raster(Model(model_of(layers)), digits.images[0], columns=2)
    boxes = [axes.get_position() for axes in figure.axes]
    assert len(boxes) == 5
    for i, one in enumerate(boxes):
        for other in boxes[i + 1 :]:
            assert one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 or other.y1 <= one.y0
