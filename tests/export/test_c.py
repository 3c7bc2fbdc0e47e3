"""The C export is the oracle bit for bit: compiled by the host's compiler, by every cross compiler that is here."""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import re
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import needs
from support.compiled import Library, alter, decided_by_snippet, expected
from support.strategies import Case, cases, events_of, make_signs, make_steps, random_model, reading

from bstdg import datasets, export
from bstdg.errors import InputError
from bstdg.export import c
from bstdg.export.base import Golden
from bstdg.export.c import proof
from bstdg.export.golden import corners
from bstdg.inputs.latency import latency
from bstdg.layers import FullLayer
from bstdg.model.packed import PackedModel
from bstdg.model.runtime import Model
from bstdg.spikes.events import Events

LEAST = 1 - 2**31  # the least threshold that a model file takes


def model_of(case: Case, white: int = 255, silent_below: float = 0.0) -> PackedModel:
    widths = case.widths
    names = tuple(f"class {i}" for i in range(widths[-1]))
    layers = tuple(FullLayer(layer.signs, np.maximum(layer.thresholds, LEAST)) for layer in case.layers)
    return PackedModel(reading((1, widths[0]), white, silent_below), layers, case.num_steps, names)


@given(
    st.lists(cases(max_layers=3), min_size=8, max_size=8),
    st.sampled_from([1, 16, 255, 256, 1000, 65_535]),
    st.sampled_from([0.0, 0.3]),
)
@settings(max_examples=6)
def test_random_networks(tmp_path_factory, some, white, silent_below):
    models = [model_of(case, white, silent_below) for case in some]
    library = Library(models, tmp_path_factory.mktemp("networks"))
    for i, (case, model) in enumerate(zip(some, models, strict=True)):
        for sample, wanted in enumerate(expected(model, case.spikes)):
            events = events_of(case.spikes, sample, case.num_steps)
            too_many = len(events) > model.widths[0] * model.num_steps
            assert library.record(i, events) == (None if too_many else wanted)
        pixels = np.arange(white + 1)[:: max(1, white // 500)]
        steps = latency(pixels[None], model.num_steps, white=white, silent_below=silent_below)[0]
        step_of = getattr(library.code, f"n{i}_step_of_pixel")
        step_of.restype = ctypes.c_uint8
        assert [step_of(int(pixel)) for pixel in pixels] == steps.tolist()
        if white not in (255, 65_535):
            assert step_of(white + 1) > model.num_steps


CORNERS = [
    ("one neuron a layer", [1, 1, 1], 1, "zero"),
    ("one neuron", [1, 1], 254, "near"),
    ("three layers", [40, 33, 32, 31], 8, "near"),
    ("words filled and not", [33, 64, 65, 32], 5, "wide"),
    ("many outputs", [20, 70], 3, "wide"),
    ("T = 1", [30, 20, 10], 1, "wide"),
    ("extreme thresholds", [16, 12, 7], 8, "extreme"),
    ("extreme outputs alone", [16, 7], 8, "extreme"),
    ("unreachable", [9, 8, 7], 4, "unreachable"),
    ("negative", [9, 8, 7], 4, "negative"),
    ("ties: equal rows", [24, 16, 40], 6, "zero"),
]


@pytest.fixture(scope="module")
def corner_library(tmp_path_factory):
    from support.strategies import make_thresholds

    models = []
    for name, sizes, num_steps, kind in CORNERS:
        rng = np.random.default_rng(len(name))
        signs = "equal rows" if "ties" in name else "random"
        layers = tuple(
            FullLayer(make_signs(rng, signs, above, below), make_thresholds(rng, kind, above, below))
            for below, above in itertools.pairwise(sizes)
        )
        models.append(model_of(Case(layers, np.zeros((0, sizes[0]), np.uint8), num_steps)))
    return Library(models, tmp_path_factory.mktemp("corners"))


@pytest.mark.parametrize("i", range(len(CORNERS)), ids=[name for name, *_ in CORNERS])
@pytest.mark.parametrize("kind", ["random", "silent", "all at 0", "all at the end", "sparse"])
def test_corners(corner_library, i, kind):
    model = corner_library.models[i]
    spikes = make_steps(np.random.default_rng(i), kind, 4, model.widths[0], model.num_steps)
    for sample, wanted in enumerate(expected(model, spikes)):
        assert corner_library.record(i, events_of(spikes, sample, model.num_steps)) == wanted


@pytest.mark.parametrize("signs", ["all plus", "all minus", "random"])
def test_counters_hold_the_bound_that_is_stated(tmp_path, signs):
    """Potentials reach as many events as may come, one threshold is there, one beyond; one event more is refused."""
    rng = np.random.default_rng(0)
    models, bounds = [], []
    for channels, num_steps in ((3, 5), (1, 1), (7, 9), (16, 4), (21, 6), (64, 8)):
        most = channels * num_steps
        thresholds = np.array([most, most + 1, most - 1, -most, 1 - most, -most - 1, 0, 1, 2**31 - 1, LEAST])
        hidden = FullLayer(make_signs(rng, signs, 10, channels), thresholds)
        outputs = FullLayer(make_signs(rng, "random", 3, 10), np.array([3, LEAST, 2**31 - 1])[rng.permutation(3)])
        models.append(model_of(Case((hidden, outputs), np.zeros((0, channels), np.uint8), num_steps)))
        # The same as the only layer, where the exact lead decides.
        models.append(model_of(Case((hidden,), np.zeros((0, channels), np.uint8), num_steps)))
        bounds += [most, most]
    library = Library(models, tmp_path)
    for i, (model, most) in enumerate(zip(models, bounds, strict=True)):
        channels, num_steps = model.widths[0], model.num_steps
        for count in (most, most - 1, most // 2):
            events = sorted((n % num_steps, n * 5 % channels) for n in range(count))
            stream = Events(
                np.array([0, count]),
                np.array([channel for _, channel in events], np.uint16),
                np.array([step for step, _ in events], np.uint8),
                channels,
                num_steps,
            )
            assert library.record(i, [(channel, step) for step, channel in events]) == expected(model, stream)[0]
        assert library.record(i, [(0, 0)] * most) is not None
        assert library.record(i, [(0, 0)] * (most + 1)) is None


def test_the_widest_layers(tmp_path):
    """65,535 channels and neurons are the most there are."""
    wide = 65_535
    rng = np.random.default_rng(0)
    many_inputs = (
        FullLayer(np.ones((3, wide), np.int8), np.array([wide, wide - 1, 1])),
        FullLayer(np.ones((2, 3), np.int8), np.array([3, 2])),
    )
    many_hidden = (
        FullLayer(make_signs(rng, "random", wide, 2), rng.integers(-1, 3, wide)),
        FullLayer(np.ones((1, wide), np.int8), np.array([wide])),
    )
    many_outputs = (FullLayer(make_signs(rng, "random", wide, 2), rng.integers(1, 3, wide)),)
    models = [
        model_of(Case(layers, np.zeros((0, layers[0].signs.shape[1]), np.uint8), 3))
        for layers in (many_inputs, many_hidden, many_outputs)
    ]
    library = Library(models, tmp_path)
    for i, model in enumerate(models):
        spikes = np.zeros((2, model.widths[0]), np.uint8)
        spikes[1, -1] = 2
        for sample, wanted in enumerate(expected(model, spikes)):
            assert library.record(i, events_of(spikes, sample, 3)) == wanted


def test_counters_are_as_wide_as_the_bound_needs_and_no_wider():
    signs = np.ones((2, 4), np.int8)
    for most in (4, 5, 31, 32, 511, 512, 513):
        for thresholds in ([0, 0], [1, 1], [most, -most], [2**31 - 1, -(2**31)]):
            table = c.tables(FullLayer(signs, np.array(thresholds)), most, exact=False)
            clipped = np.clip(thresholds, -most, most + 1)
            top = max(0, clipped.max())
            greatest = max(2 * most + top - clipped.min(), most + top)
            assert greatest < 2 ** (table.planes + 1)
            assert table.planes == 4 or greatest >= 2**table.planes


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("classify_steps", (np.array([0, 8, 9], np.uint8),)),
        ("classify_pixels", (np.array([0, 16, 17], np.uint8),)),
        ("classify_events", (np.array([0, 3], np.uint16), np.array([0, 1], np.uint8), 2)),
        ("classify_events", (np.array([0, 1], np.uint16), np.array([0, 8], np.uint8), 2)),
        ("classify_events", (np.array([0, 1], np.uint16), np.array([3, 2], np.uint8), 2)),
    ],
)
def test_input_that_does_not_fit_is_refused(tmp_path_factory, call, arguments):
    unreachable = FullLayer(np.ones((2, 3), np.int8), np.array([99, 99]))  # so that nothing is decided early
    model = model_of(Case((unreachable,), np.zeros((0, 3), np.uint8), 8), white=16)
    code = Library([model], tmp_path_factory.mktemp("refusals")).code
    network, decision = ctypes.create_string_buffer(4096), ctypes.create_string_buffer(8)
    raw = [a.ctypes.data_as(ctypes.c_void_p) if isinstance(a, np.ndarray) else a for a in arguments]
    assert getattr(code, f"n0_{call}")(network, *raw, decision) == 1
    for array in (a for a in arguments if isinstance(a, np.ndarray)):
        array[:] = 0
    assert getattr(code, f"n0_{call}")(network, *raw, decision) == 0


def test_a_model_beyond_the_limit_is_refused():
    signs = np.broadcast_to(np.int8(1), (2080, 65_535))
    layer = FullLayer(signs, np.ones(2080, np.int64))
    model = PackedModel(reading((1, 65_535)), (layer,), 8, ("",) * 2080)
    golden = Golden(np.zeros((0, 0), np.uint8), (), *(np.zeros(0, np.int64),) * 2, np.zeros(0, np.bool_))
    with pytest.raises(
        InputError, match=r"at most 16,777,216 bytes of weights, this model needs 17,039,360: 262,144 too"
    ):
        c.write(model, golden, "n")


def decisive_model() -> PackedModel:
    """One whose golden vectors decide at many steps, silently too."""
    rng = np.random.default_rng(3)
    layers = (
        FullLayer(make_signs(rng, "random", 64, 50), rng.integers(2, 7, 64)),
        FullLayer(make_signs(rng, "random", 6, 64), rng.integers(5, 9, 6)),
    )
    model = model_of(Case(layers, np.zeros((0, 50), np.uint8), 8))
    golden = Golden.of(model, corners(model).steps)
    assert len(set(golden.step.tolist())) > 4
    assert 4 < golden.silent.sum() < 60
    return model


# --- the proof -------------------------------------------------------------------------------------------------------


CORTEX = [f"Cortex-M3 without a library under qemu-system-arm, {level}" for level in ("-Os", "-O2")]
AVR = [f"AVR, whose int has 16 bits, under simavr, {level}" for level in ("-Os", "-O2")]
CHECKS = [*(build.title for build in proof.BUILDS), "self-test for a board", *CORTEX, *AVR]


@pytest.fixture(scope="module")
def checks(tmp_path_factory):
    """All that is checked of an export, by name."""
    out = export.export("c", decisive_model(), tmp_path_factory.mktemp("verified") / "out").folder
    return {check.name: check for check in export.verify(out)}


def test_what_is_checked(checks):
    assert list(checks)[2:] == CHECKS
    assert [check.status for check in list(checks.values())[:2]] == ["passed", "passed"]


@pytest.mark.parametrize("name", CHECKS)
def test_verify_passes_with_every_compiler_that_is_here(checks, name):
    check = checks[name]
    if check.status == "not run":
        missing = re.match(r"(.+) (?:not found|cannot compile or run an empty program here); install ", check.detail)
        assert missing, check.detail
        needs.skip(*missing[1].split(" and "), more=check.detail)
    assert check.status == "passed", check.detail
    wanted = "0 of 16 golden vectors wrong" if name == "self-test for a board" else "64 vectors, 4,096 hidden steps"
    assert wanted in check.detail


@needs.program("gcc")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("target >>= 1;", "target >>= 1; if (i == 2) target ^= 1u;"),
        ("fired[w] |= newly;", ""),
        ("network->decision.step = network->step;", "network->decision.step = 0;"),
        ("drop_lesser(out, layer->start", "if (0) drop_lesser(out, layer->start"),
        ("uint32_t planes[", "uint32_t more, planes["),
    ],
)
def test_verify_fails_where_the_code_is_wrong(tmp_path, before, after):
    model = decisive_model()
    out = export.export("c", model, tmp_path / "out", name="net").folder
    alter(out / ("net.h" if "planes[" in before else "net.c"), before, after)
    golden = Golden.of(model, corners(model).steps)
    check = next(proof.verify(out, model, golden))
    assert (check.name, check.status) == ("gcc, all warnings are errors", "failed")


@needs.program("make")
def test_the_makefile_runs_the_self_test(tmp_path):
    model = random_model((784, 30, 4), 8, threshold=20)
    out = export.export("c", model, tmp_path / "out", name="net").folder
    done = subprocess.run(["make", "-C", str(out)], capture_output=True, text=True, check=True)
    assert "net: 0 of 16 golden vectors wrong" in done.stdout
    header = out / "test" / "golden.h"
    header.write_text(
        header.read_text().replace("golden_hash[GOLDEN] = {\n    0x", "golden_hash[GOLDEN] = {\n    1+0x")
    )
    done = subprocess.run(["make", "-C", str(out)], capture_output=True, text=True, check=False)
    assert "net: 1 of 16 golden vectors wrong" in done.stdout
    assert done.returncode != 0


def test_the_snippet_in_the_readme_compiles_and_decides(tmp_path):
    """The code that the folder's README.md shows, with a main that prints what it returns for one image."""
    model = decisive_model()
    out = export.export("c", model, tmp_path / "out", name="net").folder
    image = np.random.default_rng(0).integers(0, 256, (1, 50)).astype(np.uint8)
    assert decided_by_snippet(out, image[0], tmp_path) == int(Model(model).predict(image[None])[0])


def test_an_mnist_network_fits_a_small_microcontroller():
    model = random_model((784, 600, 10), 8, threshold=50, shape=(28, 28))
    figures = c.write(model, Golden.of(model, corners(model).steps[:4]), "net").figures
    assert figures["flash_bytes"] < 70_000
    assert figures["ram_bytes"] < 4096 - 512  # the stack has its share
    assert figures["most_events"] == 784 * 8


@needs.data("mnist")
def test_a_thousand_mnist_images(tmp_path):
    images = datasets.load("mnist", "test").images[:1000]
    steps = latency(images, 8)
    rng = np.random.default_rng(0)
    # Thresholds such that some of the neurons fire, and the first outputs at different steps.
    hidden = FullLayer(make_signs(rng, "random", 600, 784), rng.integers(10, 40, 600))
    model = model_of(Case((hidden, FullLayer(make_signs(rng, "random", 10, 600), rng.integers(8, 16, 10))), steps, 8))
    model = dataclasses.replace(model, input=reading((28, 28)))
    golden = Golden.of(model, steps)
    assert 0.05 < (golden.hidden[0] < 8).mean() < 0.6
    assert len(set(golden.step.tolist())) > 4
    library = Library([model], tmp_path)
    for sample, wanted in enumerate(proof.records(golden)):
        assert library.record(0, events_of(steps, sample, 8)) == wanted.tobytes()
