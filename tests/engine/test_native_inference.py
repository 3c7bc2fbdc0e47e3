"""The native engine is the oracle bit for bit: on every instruction set, at every width, on any number of threads."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import needs
from support.strategies import (
    INPUT_KINDS,
    Case,
    cases,
    make_events,
    make_signs,
    make_steps,
    make_thresholds,
    random_model,
    seeds,
)

from bstdg.engine import native, oracle
from bstdg.engine.decide import decide
from bstdg.errors import InputError
from bstdg.inputs.latency import latency
from bstdg.layers import FullLayer
from bstdg.model.runtime import Model
from bstdg.spikes.events import Events

SETS = native.instruction_sets()


@pytest.fixture(params=SETS, scope="module", autouse=True)
def instruction_set(request):
    """Each test runs once on every instruction set that this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BSTDG_ISA", request.param)
        yield request.param


def assert_is_the_oracle(case: Case, threads: int = 1) -> None:
    spikes = case.spikes if isinstance(case.spikes, Events) else np.ascontiguousarray(case.spikes)
    network = native.Compiled(case.layers, case.num_steps, threads)
    expected = oracle.forward(case.layers, case.spikes, case.num_steps)
    found = network.trace(spikes)
    for a, b in zip(found.hidden, expected.hidden, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(found.potentials, expected.potentials)
    decided = network.decide(spikes)
    for name, wanted in decide(expected.potentials, case.layers[-1].thresholds)._asdict().items():
        np.testing.assert_array_equal(getattr(decided, name), wanted, err_msg=name)
    np.testing.assert_array_equal(network.labels(spikes), decided.label)


def some_layers(rng: np.random.Generator, sizes, kind: str = "wide", signs: str = "random") -> tuple[FullLayer, ...]:
    return tuple(
        FullLayer(make_signs(rng, signs, above, below), make_thresholds(rng, kind, above, below))
        for below, above in itertools.pairwise(sizes)
    )


@given(cases())
@settings(max_examples=200)
def test_small_networks(case):
    assert_is_the_oracle(case)


@given(
    seeds(),
    st.lists(st.sampled_from([1, 7, 63, 64, 65, 127, 128, 129, 255, 300, 511, 512, 513, 600]), min_size=2, max_size=4),
    st.sampled_from([1, 2, 8, 33, 254]),
    st.sampled_from(["near", "wide", "zero", "negative", "unreachable", "extreme"]),
    st.sampled_from(INPUT_KINDS),
    st.booleans(),
)
@settings(max_examples=60)
def test_widths_on_either_side_of_a_vector(rng, sizes, num_steps, thresholds, kind, as_events):
    make = make_events if as_events else make_steps
    layers = some_layers(rng, sizes, thresholds)
    assert_is_the_oracle(Case(layers, make(rng, kind, 3, sizes[0], num_steps), num_steps))


@pytest.mark.parametrize("count", [1, 3, 7, 15, 16, 31, 63, 127, 255, 256, 1023, 4095, 16_384, 70_000])
@pytest.mark.parametrize("signs", ["all plus", "all minus", "random"])
def test_counters_hold_as_many_events_as_come(count, signs):
    """Counters are as wide as the sample needs: potentials reach count itself, one threshold is there, one beyond."""
    rng = np.random.default_rng(count)
    channel = rng.integers(0, 3, count)
    step = np.sort(rng.integers(0, 5, count))
    order = np.lexsort((channel, step))
    events = Events(np.array([0, count]), channel[order].astype(np.uint16), step[order].astype(np.uint8), 3, 5)
    hidden = FullLayer(make_signs(rng, signs, 6, 3), np.array([count, count + 1, 1 - count, -count, 0, count // 2]))
    layers = (hidden, FullLayer(make_signs(rng, "random", 2, 6), np.array([1, 2])))
    assert_is_the_oracle(Case(layers, events, 5))
    potential = oracle.forward((hidden,), events, 5).potentials[0, -1]
    if signs == "all plus":
        assert potential[0] == count
        steps = native.Compiled(layers, 5).trace(events).hidden[0][0]
        assert steps[0] < 5
        assert steps[1] == 5


def test_the_widest_layers():
    """65,535 channels and neurons are the most there are; every channel spikes, so counters are at their bound."""
    rng = np.random.default_rng(0)
    wide = 65_535
    layers = (
        FullLayer(np.ones((3, wide), np.int8), np.array([wide, wide - 1, 1])),
        FullLayer(np.ones((2, 3), np.int8), np.array([3, 1])),
    )
    steps = np.zeros((2, wide), np.uint8)
    steps[1, -1] = 8
    assert_is_the_oracle(Case(layers, steps, 8))
    layers = (
        FullLayer(make_signs(rng, "random", wide, 2), rng.integers(-1, 3, wide)),
        FullLayer(np.ones((1, wide), np.int8), np.array([wide])),
    )
    assert_is_the_oracle(Case(layers, make_steps(rng, "random", 2, 2, 8), 8))


def test_unreachable_thresholds_are_silent_and_cost_no_exactness():
    rng = np.random.default_rng(0)
    layers = some_layers(rng, (50, 40, 4), "extreme")
    assert_is_the_oracle(Case(layers, make_steps(rng, "random", 5, 50, 8), 8))
    never = (
        FullLayer(np.ones((2, 3), np.int8), np.array([2**31 - 1, 4])),
        FullLayer(np.ones((2, 2), np.int8), np.ones(2)),
    )
    decision = native.Compiled(never, 8).decide(np.zeros((1, 3), np.uint8))
    assert (bool(decision.silent[0]), int(decision.step[0])) == (True, 7)


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
@pytest.mark.parametrize("batch", [0, 1, 31, 32, 33, 200])
@pytest.mark.parametrize("make", [make_steps, make_events])
def test_threads_change_nothing(threads, batch, make):
    rng = np.random.default_rng(batch)
    layers = some_layers(rng, (30, 70, 5), "near")
    spikes = make(rng, "random", batch, 30, 8)
    if batch:
        assert_is_the_oracle(Case(layers, spikes, 8), threads)
    else:
        network = native.Compiled(layers, 8, threads)
        assert network.labels(spikes).shape == (0,)
        assert network.trace(spikes).potentials.shape == (0, 8, 5)


def test_one_network_serves_several_python_threads():
    rng = np.random.default_rng(0)
    layers = some_layers(rng, (100, 90, 80, 7), "near")
    network = native.Compiled(layers, 8, 2)
    batches = [make_steps(rng, "random", 100, 100, 8) for _ in range(6)]
    expected = [native.Compiled(layers, 8, 1).labels(batch) for batch in batches]
    wrong = []

    def work(i: int) -> None:
        for _ in range(20):
            if not (network.labels(batches[i]) == expected[i]).all():
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(batches))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.parametrize("white", [1, 16, 200, 255])
@pytest.mark.parametrize("silent_below", [0.0, 0.3])
@pytest.mark.parametrize("num_steps", [1, 8, 40, 254])
def test_pixels_are_encoded_on_the_way(white, silent_below, num_steps):
    """`predict` reads bytes as they lie; it has to decide what encoding first and the oracle decide."""
    packed = random_model((90, 40, 5), num_steps, threshold=12, white=white, silent_below=silent_below)
    images = np.random.default_rng(1).integers(0, white + 1, (70, 1, 90)).astype(np.uint8)
    images[::3] = 0
    steps = latency(images, num_steps, white=white, silent_below=silent_below)
    potentials = oracle.forward(packed.layers, steps, num_steps).potentials
    expected = decide(potentials, packed.layers[-1].thresholds).label
    model = Model(packed)
    np.testing.assert_array_equal(model.predict(images), expected)
    np.testing.assert_array_equal(model.predict(images.astype(np.int32)), expected)
    np.testing.assert_array_equal(model.predict(images[:, :, ::-1][:, :, ::-1]), expected)  # a view
    np.testing.assert_array_equal(model.predict(np.asfortranarray(images)), expected)
    assert model.predict(images[5]).tolist() == [expected[5]]
    assert model.predict(images[:0]).shape == (0,)
    if white < 255:
        images[69, 0, 89] = white + 1
        with pytest.raises(InputError, match=rf"above white \(greatest {white + 1}, white {white}\)"):
            model.predict(images)


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_byte_that_is_no_step_is_refused():
    layers = some_layers(np.random.default_rng(0), (70, 3))
    steps = np.zeros((3, 70), np.uint8)
    for place in (0, 63, 64, 69):
        wrong = steps.copy()
        wrong[2, place] = 9
        with pytest.raises(InputError, match="sample 2 holds a value out of range"):
            native.Compiled(layers, 8).labels(wrong)


@pytest.mark.parametrize(
    ("spikes", "message"),
    [
        (np.zeros((2, 4), np.uint8), "reads 3 channels, not 4"),
        (np.zeros((2, 3), np.int64), r"uint8 \[batch, channels\], not int64 \[2, 3\]"),
        (np.zeros((2, 3)), "not float64"),
        (np.zeros(3, np.uint8), r"not uint8 \[3\]"),
        ([[1, 2, 3]], "not list"),
        (np.zeros((3, 2), np.uint8).T, "C-contiguous"),  # no silent copy
        (Events.from_steps(np.zeros((1, 3), np.uint8), 7), "runs 8 steps, the events 7"),
        (Events.from_steps(np.zeros((1, 4), np.uint8), 8), "event 3 is out of range"),
    ],
)
def test_input_that_does_not_fit_is_refused(spikes, message):
    with pytest.raises(InputError, match=message):
        native.Compiled(some_layers(np.random.default_rng(0), (3, 2)), 8).labels(spikes)


def test_the_module_itself_refuses_events_that_lie():
    """`Events` checks its parts; the native module, which may be given anything, checks them again."""
    layers = some_layers(np.random.default_rng(0), (3, 2))
    network = native.Compiled(layers, 8)._network

    def run(offsets, channels, steps):
        arrays = (np.array(offsets, np.int64), np.array(channels, np.uint16), np.array(steps, np.uint8))
        network.run_events(*arrays, {}, True, 1)

    run([0, 2], [0, 2], [0, 7])
    for wrong in (
        ([], [0], [0]),
        ([1, 2], [0, 2], [0, 7]),
        ([0, 1], [0, 2], [0, 7]),
        ([0, 3], [0, 2], [0, 7]),
        ([0, -5, 2], [0, 2], [0, 7]),
        ([0, 2, 1, 2], [0, 2], [0, 7]),
        ([0, 2], [0, 3], [0, 7]),
        ([0, 2], [0, 2], [0, 8]),
        ([0, 2], [0, 2], [7, 0]),
        ([0, 2], [0, 2], [0]),
    ):
        with pytest.raises(ValueError, match=r"."):
            run(*wrong)


def test_results_of_another_shape_are_refused():
    network = native.Compiled(some_layers(np.random.default_rng(0), (3, 4, 2)), 8)._network
    steps, table = np.zeros((5, 3), np.uint8), np.zeros(256, np.uint8)
    for results in (
        {"label": np.zeros(4, np.int64)},
        {"candidates": np.zeros((5, 3), bool)},
        {"hidden_steps": []},
        {"hidden_steps": [np.zeros((5, 3), np.uint8)]},
        {"potentials": np.zeros((5, 7, 2), np.int32)},
        {"nothing": np.zeros(5)},
    ):
        with pytest.raises(ValueError, match=r"."):
            network.run_bytes(steps, table, results, False, 1)
    with pytest.raises((TypeError, RuntimeError)):
        network.run_bytes(steps, table, {"label": np.zeros(5, np.int32)}, False, 1)
    frozen = np.zeros(5, np.int64)
    frozen.flags.writeable = False
    with pytest.raises((TypeError, RuntimeError)):
        network.run_bytes(steps, table, {"label": frozen}, False, 1)
    with pytest.raises(ValueError, match="stops at the decision"):
        network.run_bytes(steps, table, {"potentials": np.zeros((5, 8, 2), np.int32)}, True, 1)
    with pytest.raises(ValueError, match="256"):
        network.run_bytes(steps, np.zeros(255, np.uint8), {}, True, 1)


@pytest.mark.parametrize(
    ("layers", "num_steps", "message"),
    [
        ([], 8, "at least one layer"),
        ([((2, 3), 2), ((2, 3), 2)], 8, "layer 1 reads 3 channels, but 2 come in"),
        ([((2, 3), 3)], 8, "a threshold for each neuron"),
        ([((0, 3), 0)], 8, "1 to 65535 neurons"),
        ([((2, 0), 2)], 8, "1 to 65535 channels"),
        ([((2, 3), 2)], 0, "num_steps"),
        ([((2, 3), 2)], 255, "num_steps"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, num_steps, message):
    bits = [FullLayer(np.ones(shape, np.int8), np.ones(thresholds, np.int64)) for shape, thresholds in layers]
    with pytest.raises(InputError, match=message):
        native.Compiled(bits, num_steps)


def test_weights_and_thresholds_out_of_range_are_refused():
    with pytest.raises(InputError, match=r"neither -1 nor \+1"):
        native.Compiled([FullLayer(np.zeros((2, 3), np.int8), np.ones(2, np.int64))], 8)
    for threshold in (2**31, -(2**31) - 1):
        with pytest.raises(InputError, match="32 bits"):
            native.Compiled([FullLayer(np.ones((1, 3), np.int8), np.array([threshold]))], 8)


def test_the_instruction_set_can_be_named(monkeypatch):
    assert SETS[-1] == "generic"
    monkeypatch.setenv("BSTDG_ISA", "mmx")
    with pytest.raises(InputError, match=rf"BSTDG_ISA is mmx; this machine has {', '.join(SETS)}"):
        native.Compiled([FullLayer(np.ones((1, 3), np.int8), np.ones(1, np.int64))], 8)


@needs.mark("fork", hasattr(os, "fork"))
def test_a_forked_process_has_threads_of_its_own():
    """A child has none of its parent's threads, and must not wait for them."""
    program = """
import os, sys
import numpy as np
from bstdg.engine import native
from bstdg.layers import FullLayer

rng = np.random.default_rng(0)
layers = [FullLayer(rng.choice([-1, 1], (n, c)).astype(np.int8), np.full(n, 3)) for c, n in ((784, 600), (600, 10))]
network = native.Compiled(layers, 8, threads=3)
steps = rng.integers(0, 9, (2000, 784)).astype(np.uint8)
here = network.labels(steps)
child = os.fork()
if child == 0:
    os._exit(0 if (network.labels(steps) == here).all() else 1)
assert os.waitpid(child, 0)[1] == 0
child = os.fork()
if child == 0:
    sys.exit(0)  # ends in the usual way, without a job
assert os.waitpid(child, 0)[1] == 0
assert (network.labels(steps) == here).all()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
