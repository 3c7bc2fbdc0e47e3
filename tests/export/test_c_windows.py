"""Convolutions and poolings in C are the oracle bit for bit: decision, step and every hidden spike, by every way in."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import needs
from support.compiled import Library, alter, decided_by_snippet, expected
from support.strategies import (
    INPUT_KINDS,
    LEAST,
    THRESHOLD_KINDS,
    events_of,
    make_events,
    make_signs,
    make_steps,
    make_thresholds,
    seeds,
    step_numbers,
)

from bstdg import datasets, export
from bstdg.engine import oracle_conv
from bstdg.errors import InputError
from bstdg.export import c
from bstdg.export.base import Golden
from bstdg.export.c import proof, windows
from bstdg.export.golden import corners
from bstdg.inputs import LatencyCode
from bstdg.inputs.latency import latency
from bstdg.layers import Conv2dLayer, FullLayer, Layer, size, written
from bstdg.layers.convolution import Convolution
from bstdg.model.packed import PackedModel
from bstdg.spikes.events import Events

HEARTBEATS = ((1, 1, 128), ("8c1x7s1x2", "pool1x2", "16c1x5", "pool1x2", 32, 4), 8)
MNIST = ((1, 28, 28), ("16c5", "pool2", "32c5", "pool2", 128, 10), 8)


class Camera(LatencyCode):
    """Pictures whose pixels spike as often as they like."""

    def channel_spikes(self, num_steps: int) -> None:
        return None


def network(
    reads: tuple[int, int, int],
    layers: Sequence[int | str],
    num_steps: int,
    thresholds: str | tuple[int, int] = "near",
    signs: str = "random",
    code: type[LatencyCode] = LatencyCode,
    seed: int = 0,
) -> PackedModel:
    """Layers as a recipe writes them, with random bits."""
    rng, shape, made = np.random.default_rng(seed), reads, []
    for one in map(written.layer, layers):
        if isinstance(one, written.Pool):
            made.append(one.over(shape))
        else:
            above = one.neurons if isinstance(one, written.Full) else one.maps
            below = size(shape) if isinstance(one, written.Full) else math.prod(one.over(shape).weights[1:])
            bits = make_signs(rng, signs, above, below)
            if isinstance(thresholds, str):
                limits = np.maximum(make_thresholds(rng, thresholds, above, below), LEAST + 1)
            else:
                limits = rng.integers(*thresholds, above, endpoint=True)
            if isinstance(one, written.Full):
                made.append(FullLayer(bits, limits, shape))
            else:
                made.append(Conv2dLayer(bits.reshape(one.over(shape).weights), limits, one.over(shape)))
        shape = made[-1].gives
    return PackedModel(code(reads), tuple(made), num_steps, tuple(map(str, range(size(shape)))))


def most_heard(layer: Layer, events: list[tuple[int, int]]) -> int:
    """Events of the window of a convolution that hears most."""
    if not isinstance(layer, Conv2dLayer):
        return 0
    count = np.zeros(size(layer.reads), np.int64)
    np.add.at(count, [channel for channel, _ in events], 1)
    heard = np.zeros(size(layer.gives), np.int64)
    for neuron, channel, _ in oracle_conv.synapses(layer.convolution):
        heard[neuron] += count[channel]
    return int(heard.max())


@st.composite
def windows_over(draw: st.DrawFn, shape: tuple[int, int, int]) -> str:
    """A convolution or a pooling that fits, as a recipe writes it."""
    kernel = [draw(st.integers(1, min(4, side))) for side in shape[1:]]
    stride = [draw(st.integers(1, 3)) for _ in range(2)]
    if draw(st.integers(0, 2)) == 0:
        count = draw(st.sampled_from([1, 1, 2, math.prod(kernel)]))
        return f"pool{kernel[0]}x{kernel[1]}s{stride[0]}x{stride[1]}n{min(count, math.prod(kernel))}"
    padding = [draw(st.integers(0, side - 1)) for side in kernel]
    groups = draw(st.sampled_from([g for g in (1, 1, 2, 3) if shape[0] % g == 0]))
    maps = groups * draw(st.sampled_from([1, 2, 3, 5, 8, 9, 17, 33]))
    return f"{maps}c{kernel[0]}x{kernel[1]}s{stride[0]}x{stride[1]}p{padding[0]}x{padding[1]}g{groups}"


@st.composite
def networks(draw: st.DrawFn) -> PackedModel:
    """One to three layers of windows, and one to three that are fully connected."""
    reads = tuple(draw(st.integers(1, most)) for most in (3, 7, 7))
    layers: list[int | str] = []
    shape = reads
    for _ in range(draw(st.integers(1, 3))):
        layers.append(draw(windows_over(shape)))
        shape = written.layer(layers[-1]).over(shape).gives
    layers += [draw(st.integers(1, 40)) for _ in range(draw(st.integers(1, 3)))]
    thresholds = draw(st.sampled_from([*THRESHOLD_KINDS, "near", "near", (1, 4)]))
    signs = draw(st.sampled_from(["random", "random", "all plus", "all minus", "equal rows"]))
    code = draw(st.sampled_from([LatencyCode, Camera]))
    return network(reads, layers, draw(step_numbers()), thresholds, signs, code, draw(st.integers(0, 2**32 - 1)))


@given(st.data(), st.lists(networks(), min_size=8, max_size=8))
@settings(max_examples=10)
def test_random_networks(tmp_path_factory, data, models):
    library = Library(models, tmp_path_factory.mktemp("networks"))
    for i, model in enumerate(models):
        make = data.draw(st.sampled_from([make_steps, make_events]))
        kind = data.draw(st.sampled_from(INPUT_KINDS))
        spikes = make(data.draw(seeds()), kind, 3, model.widths[0], model.num_steps)
        once = not isinstance(model.input, Camera)
        for sample, wanted in enumerate(expected(model, spikes)):
            events = events_of(spikes, sample, model.num_steps)
            first = model.layers[0]
            bound = math.prod(first.convolution.weights[1:]) * (1 if once else model.num_steps)
            too_many = most_heard(first, events) > bound
            assert library.record(i, events) == (None if too_many else wanted), model.structure


CORNERS = {
    "8 maps": ((1, 5, 5), ("8c3", 3), 4, "near"),
    "16 maps": ((2, 5, 5), ("16c3p1", "pool2", 3), 4, "near"),
    "32 maps": ((1, 5, 5), ("32c3s2", 9, 3), 4, "near"),
    "33 maps": ((3, 4, 5), ("33c2", "pool3x2s1n2", 3), 4, "near"),
    "a word of each width": ((1, 6, 6), ("8c2", "16c2", "32c2", "65c2", 3), 4, "near"),
    "a group for every channel": ((9, 5, 5), ("9c3g9", "18c2g9", "pool2", 3), 5, "near"),
    "groups of more than a word": ((4, 4, 4), ("80c2g2", "pool2n2", "6c1g2", 4), 5, (0, 3)),
    "poolings alone": ((3, 9, 9), ("pool2n2", "pool2n4", 5), 8, "near"),
    "a vote of all": ((2, 6, 6), ("4c1", "pool3n9", 4), 8, "zero"),
    "poolings that overlap": ((2, 7, 7), ("6c3", "pool3s1n3", "5c3", 4), 8, (1, 3)),
    "strides that leave pixels out": ((2, 9, 9), ("5c2s3", "pool1s2", 4), 8, "near"),
    "padding on every side": ((1, 3, 4), ("5c3x5p2x4", "7c2p1", 4), 6, "near"),
    "one row": (*HEARTBEATS[:2], 8, (1, 3)),
    "one column": ((1, 40, 1), ("5c7x1s2x1", "pool2x1", 4), 8, "near"),
    "one pixel": ((1, 1, 1), ("1c1", "pool1", "1c1", 1, 2), 3, "near"),
    "T = 1": ((1, 6, 6), ("8c3", "pool2", 9, 4), 1, (0, 3)),
    "T = 254": ((1, 6, 6), ("8c3", "pool2n2", 9, 4), 254, (0, 3)),
    "always": ((1, 6, 6), ("8c3", "pool2n3", "9c2", 4), 4, "negative"),
    "never": ((1, 6, 6), ("8c3", "pool2n3", 9, 4), 4, "unreachable"),
    "extreme thresholds": ((1, 6, 6), ("8c3", "9c3", 9, 4), 4, "extreme"),
}


@pytest.fixture(scope="module")
def corner_library(tmp_path_factory):
    models = [network(*corner, seed=i) for i, corner in enumerate(CORNERS.values())]
    return Library(models, tmp_path_factory.mktemp("corners"))


@pytest.mark.parametrize("i", range(len(CORNERS)), ids=CORNERS)
@pytest.mark.parametrize("kind", ["random", "silent", "all at 0", "all at the end", "sparse"])
def test_corners(corner_library, i, kind):
    model = corner_library.models[i]
    spikes = make_steps(np.random.default_rng(i), kind, 4, model.widths[0], model.num_steps)
    for sample, wanted in enumerate(expected(model, spikes)):
        assert corner_library.record(i, events_of(spikes, sample, model.num_steps)) == wanted


def of_one_layer(thresholds: list[int], signs: str, kernel: tuple[int, int], code: type[LatencyCode]) -> PackedModel:
    """A convolution of one window that is all it reads, then an output for each of its maps."""
    reads, maps = (1, *kernel), len(thresholds)
    convolution = Convolution(reads, maps, kernel)
    bits = make_signs(np.random.default_rng(0), signs, maps, math.prod(kernel)).reshape(convolution.weights)
    output = FullLayer(np.where(np.eye(maps) > 0, 1, -1).astype(np.int8), np.full(maps, 1))
    layers = (Conv2dLayer(bits, np.array(thresholds), convolution), output)
    return PackedModel(code(reads), layers, 3, tuple(map(str, range(maps))))


@pytest.mark.parametrize("signs", ["all plus", "all minus", "random"])
@pytest.mark.parametrize("code", [LatencyCode, Camera])
def test_windows_hold_the_bound_that_is_stated(tmp_path, signs, code):
    """Potentials reach as many events as may come, one byte counts 255 and two 256; one event more is refused."""
    models, bounds = [], []
    for kernel in ((1, 1), (1, 7), (5, 5), (5, 17), (15, 17), (16, 16), (1, 300)):
        most = math.prod(kernel) * (3 if code is Camera else 1)
        near = [most, most + 1, most - 1, -most, 1 - most, -most - 1, 0, 1, 2**31 - 1, LEAST + 1]
        models += [of_one_layer(near, signs, kernel, code), of_one_layer([most], signs, kernel, code)]
        bounds += [most, most]
    library = Library(models, tmp_path)
    for i, (model, most) in enumerate(zip(models, bounds, strict=True)):
        channels = model.widths[0]
        for count in (most, most - 1, most // 2):
            events = sorted((n // channels, n % channels) for n in range(count))
            rows = [np.array(row) for row in zip(*events, strict=True)] or [np.zeros(0, int)] * 2
            stream = Events(
                np.array([0, count]), rows[1].astype(np.uint16), rows[0].astype(np.uint8), channels, model.num_steps
            )
            assert library.record(i, [(channel, step) for step, channel in events]) == expected(model, stream)[0]
        assert library.record(i, [(0, 0)] * most) is not None
        assert library.record(i, [(0, 0)] * (most + 1)) is None


def test_words_leave_the_least_unused():
    """Sixteen maps take words of 16 bits, of which nothing is left over; 32 take the widest that do."""
    for maps, word in ((1, 8), (8, 8), (9, 16), (16, 16), (17, 8), (32, 32), (24, 8)):
        model = network((1, 6, 6), (f"{maps}c3", 4), 4)
        assert windows.laid_out(list(model.layers[:1]), 1)[0].word == word


# --- what is refused -------------------------------------------------------------------------------------------------


def written_for(model: PackedModel) -> export.base.Written:
    none = Golden(np.zeros((1, model.widths[0]), np.uint8), (), *(np.zeros(1, np.int64),) * 2, np.zeros(1, np.bool_))
    return c.write(model, none, "net")


def test_a_network_that_decides_in_a_convolution_is_refused(tmp_path):
    model = network((1, 6, 6), ("8c3", "pool2", "4c2"), 4)
    with pytest.raises(
        InputError, match=r"in a fully connected layer; the last layer here \(4c2\) is of kind 'conv2d'"
    ):
        export.export("c", model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_window_that_hears_more_than_is_counted_is_refused():
    wide = network((1, 255, 257), ("1c255x257", 2), 4, "zero")  # 65,535
    assert written_for(wide).figures["counter_bits"][0] == 17
    wide = network((1, 255, 257), ("1c255x257", 2), 4, code=Camera)
    with pytest.raises(InputError, match=r"at most 65,535 events a window; a window of layer 0 .* may hear 262,140"):
        written_for(wide)


def test_a_kind_of_ones_own_is_refused_by_name(tmp_path):
    class Own(FullLayer):
        kind = "own"

    plain = network((1, 4, 4), ("2c3", 3), 4)
    model = dataclasses.replace(
        plain, layers=(*plain.layers[:1], Own(plain.layers[1].signs, plain.layers[1].thresholds))
    )
    with pytest.raises(InputError, match=r"target 'c' cannot hold layer 1 .*: layers of kind 'own'"):
        export.export("c", model, tmp_path / "out")


# --- what it takes, and the proof ------------------------------------------------------------------------------------


def test_an_mnist_network_fits_the_smallest_microcontrollers():
    """Under 12 kB of RAM, and under 32 kB of flash beside its weights, with thresholds as far apart as those learnt."""
    model = network(*MNIST, thresholds=(3, 15))
    figures = written_for(model).figures
    assert figures["ram_bytes"] < 12_000
    assert figures["flash_bytes"] - model.weight_bits // 8 < 8_000


def decisive_model(seed: int = 2) -> PackedModel:
    """One whose golden vectors decide at many steps, silently too, and which has everything."""
    layers = ("12c3p1", "pool2n2", "20c3s1x2p1g2", "pool2s1", 24, 6)
    model = network((2, 8, 9), layers, 8, (1, 5), seed=seed)
    golden = Golden.of(model, corners(model).steps)
    assert len(set(golden.step.tolist())) > 4
    assert 2 < golden.silent.sum() < 60
    assert all(0.05 < (hidden < 8).mean() < 0.95 for hidden in golden.hidden)
    return model


PROOFS = {
    "many kinds of windows": decisive_model,
    "heartbeats": lambda: network(*HEARTBEATS, thresholds=(1, 4)),
}


@pytest.fixture(scope="module", params=PROOFS)
def checks(request, tmp_path_factory):
    """All that is checked of an export, by name, and how many neurons there are."""
    model = PROOFS[request.param]()
    out = export.export("c", model, tmp_path_factory.mktemp("verified") / "out", name="net").folder
    return {check.name: check for check in export.verify(out)}, 64 * sum(model.widths[1:-1])


@pytest.mark.parametrize("build", proof.BUILDS, ids=lambda build: build.title)
def test_verify_passes_with_every_compiler_that_is_here(checks, build):
    found, hidden = checks
    if found[build.title].status == "not run":
        needs.skip(build.compiler, more=found[build.title].detail)
    assert found[build.title].status == "passed", found[build.title].detail
    assert f"64 vectors, {hidden:,} hidden steps" in found[build.title].detail


@needs.program("gcc")
def test_the_self_test_passes(checks):
    assert "0 of 16 golden vectors wrong" in checks[0]["self-test for a board"].detail


@needs.program("arm-none-eabi-gcc")
@needs.program("arm-none-eabi-size")
@needs.program("qemu-system-arm")
@pytest.mark.parametrize("level", ["-Os", "-O2"])
def test_a_cortex_m_decides_the_golden_vectors(checks, level):
    """Without a library, on an emulated board: label, step, every hidden spike; flash and stack within what is said."""
    found, hidden = checks
    check = found[f"Cortex-M3 without a library under qemu-system-arm, {level}"]
    assert check.status == "passed", check.detail
    assert f"64 vectors, {hidden:,} hidden steps" in check.detail
    assert int(check.detail.split("stack at most ")[1].split(";")[0]) < 1024


@needs.program("avr-gcc")
@needs.program("avr-size")
@needs.program("simavr")
@pytest.mark.parametrize("level", ["-Os", "-O2"])
def test_an_int_of_16_bits_is_enough(checks, level):
    found, hidden = checks
    check = found[f"AVR, whose int has 16 bits, under simavr, {level}"]
    assert check.status == "passed", check.detail
    assert f"64 vectors, {hidden:,} hidden steps" in check.detail


@needs.program("gcc")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("if (span[1] < x + across)", "if (0)"),
        ("span[0] = (uint16_t)lesser(span[0], x);", ""),
        ("down / layer->stride_rows", "down"),
        ("least) / layer->stride_columns) + 1u", "least) / layer->stride_columns)"),
        ("tap - n * step", "tap"),
        ("target += heard[0];", ""),
        ("*spikes = (maps_t)(*spikes | newly);", ""),
        ("(void)hear_at(network, layer, reader, first,", "(void)hear_at(network, layer, 0, first,"),
        ("end < MAPS ? maps &", "0 ? maps &"),
        ("ADD(twos, a, b, carry);\n        *bit", "ADD(twos, b, b, carry);\n        *bit"),
        ("left -= 2;", "left = 0;"),
        ("plane[i - skip] = start[i];", "plane[i - skip] = 0;"),
        ("uint16_t window_spans[", "uint16_t more, window_spans["),
    ],
)
def test_verify_fails_where_the_code_is_wrong(tmp_path, before, after):
    model = decisive_model()
    out = export.export("c", model, tmp_path / "out", name="net").folder
    alter(out / ("net.h" if "window_spans[" in before else "net.c"), before, after)
    golden = Golden.of(model, corners(model).steps)
    checks = itertools.islice(proof.verify(out, model, golden), 2)  # the second with sanitizers
    assert any(check.status == "failed" for check in checks)


def test_names_and_the_snippet_of_the_readme_compile(tmp_path):
    model = decisive_model()
    out = export.export("c", model, tmp_path / "out", name="net").folder
    image = np.random.default_rng(0).integers(0, 256, (1, model.widths[0])).astype(np.uint8)
    assert decided_by_snippet(out, image[0], tmp_path) == int(Golden.of(model, latency(image, 8)).label[0])


@needs.data("mnist")
def test_mnist_images(tmp_path):
    images = datasets.load("mnist", "test").images[:100]
    model = network(*MNIST, thresholds=(4, 12))
    steps = latency(images, 8)
    golden = Golden.of(model, steps)
    assert all(0.01 < (hidden < 8).mean() < 0.9 for hidden in golden.hidden)
    library = Library([model], tmp_path)
    for sample, wanted in enumerate(proof.records(golden)):
        assert library.record(0, events_of(steps, sample, 8)) == wanted.tobytes()
