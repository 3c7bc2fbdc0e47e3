"""Every engine gives the same integers: the oracle is held to loops written out here, the others to the oracle."""

from __future__ import annotations

import importlib.util
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import needs
from support.strategies import (
    GREATEST,
    INPUT_KINDS,
    LEAST,
    Case,
    cases,
    events_of,
    make_events,
    make_steps,
    seeds,
    step_numbers,
    widths,
)

from bstdg import engine
from bstdg.engine import choose, dense, oracle
from bstdg.engine.base import Trace
from bstdg.engine.decide import decide
from bstdg.errors import InputError
from bstdg.layers import FullLayer
from bstdg.learning.network import Network
from bstdg.learning.recipe import NetworkConfig
from bstdg.spikes.events import Events

needs_cuda = needs.mark("cuda", torch.cuda.is_available())
DEVICES = ["cpu", pytest.param("cuda", marks=needs_cuda)]


# --- the method, written out -----------------------------------------------------------------------------------------


def naive_potential(signs: list[list[int]], events: list[tuple[int, int]], neuron: int, step: int) -> int:
    """V_j(t): the sum of b_ij over all events with s_i <= t."""
    return sum(signs[neuron][channel] for channel, when in events if when <= step)


def naive_forward(case: Case, sample: int) -> tuple[list[list[int]], list[list[int]]]:
    """One sample's hidden steps, layer by layer, and its output potentials `[T][classes]`."""
    events = events_of(case.spikes, sample, case.num_steps)
    hidden = []
    for layer in case.layers[:-1]:
        signs, fired = layer.signs.tolist(), []
        for neuron, threshold in enumerate(layer.thresholds.tolist()):
            fired.append(case.num_steps)
            for step in range(case.num_steps):
                if naive_potential(signs, events, neuron, step) >= threshold:
                    fired[neuron] = step
                    break
        hidden.append(fired)
        events = [(neuron, step) for neuron, step in enumerate(fired) if step < case.num_steps]
    last = case.layers[-1].signs.tolist()
    return hidden, [[naive_potential(last, events, k, t) for k in range(len(last))] for t in range(case.num_steps)]


def assert_same(found: Trace, expected: Trace) -> None:
    assert len(found.hidden) == len(expected.hidden)
    for a, b in zip(found.hidden, expected.hidden, strict=True):
        assert a.dtype == b.dtype == np.uint8
        np.testing.assert_array_equal(a, b)
    assert np.issubdtype(found.potentials.dtype, np.integer)
    np.testing.assert_array_equal(found.potentials, expected.potentials)


@given(cases(max_layers=3, max_width=6))
@settings(max_examples=150)
def test_oracle_is_the_method_written_out(case):
    trace = oracle.forward(case.layers, case.spikes, case.num_steps)
    for sample in range(len(case.spikes)):
        hidden, potentials = naive_forward(case, sample)
        assert [layer[sample].tolist() for layer in trace.hidden] == hidden
        assert trace.potentials[sample].tolist() == potentials


@given(cases())
@settings(max_examples=300)
def test_dense_is_the_oracle_bit_for_bit(case):
    expected = oracle.forward(case.layers, case.spikes, case.num_steps)
    assert_same(dense.forward(case.layers, case.spikes, case.num_steps), expected)


@needs_cuda
@given(cases())
def test_dense_on_cuda_is_the_oracle_bit_for_bit(case):
    expected = oracle.forward(case.layers, case.spikes, case.num_steps)
    assert_same(dense.forward(case.layers, case.spikes, case.num_steps, "cuda"), expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", INPUT_KINDS)
@pytest.mark.parametrize("make", [make_steps, make_events])
def test_dense_is_the_oracle_at_full_size(device, kind, make):
    """784-600-300-10 for a few images: products are split over blocks and threads, and still exact."""
    rng = np.random.default_rng(7)
    sizes = (784, 600, 300, 10)
    layers = tuple(
        FullLayer(rng.choice(np.array([-1, 1], np.int8), (above, below)), rng.integers(-5, 40, above))
        for below, above in itertools.pairwise(sizes)
    )
    spikes = make(rng, kind, 9, 784, 8)
    assert_same(dense.forward(layers, spikes, 8, device), oracle.forward(layers, spikes, 8))


@pytest.mark.parametrize("device", DEVICES)
def test_thresholds_at_the_ends_of_32_bits(device):
    signs = np.ones((8, 3), np.int8)
    thresholds = np.array([LEAST, LEAST + 1, -(2**24) - 1, 3, 4, 2**24 + 1, GREATEST - 1, GREATEST])
    layers = (FullLayer(signs, thresholds), FullLayer(np.ones((1, 8), np.int8), np.array([1])))
    trace = dense.forward(layers, np.zeros((1, 3), np.uint8), 2, device)
    assert trace.hidden[0].tolist() == [[0, 0, 0, 0, 2, 2, 2, 2]]
    assert_same(trace, oracle.forward(layers, np.zeros((1, 3), np.uint8), 2))


@pytest.mark.parametrize("name", engine.names())
def test_input_may_be_read_only_or_a_view(name):
    run = engine.get(name)
    layers = (FullLayer(np.array([[1, -1, 1]], np.int8), np.array([1])),)
    steps = np.array([[0, 1, 2], [3, 0, 1]], np.uint8)
    expected = run.forward(layers, steps, 3)
    steps.flags.writeable = False
    assert_same(run.forward(layers, steps, 3), expected)
    backwards = np.ascontiguousarray(steps[::-1])[::-1]
    assert_same(run.forward(layers, backwards, 3), expected)
    frozen = FullLayer(np.array(layers[0].signs), np.array(layers[0].thresholds))
    for part in (frozen.signs, frozen.thresholds):
        part.flags.writeable = False
    assert_same(run.forward((frozen,), steps, 3), expected)


@pytest.mark.parametrize("name", engine.names())
def test_a_batch_of_none_gives_none(name):
    layers = (FullLayer(np.ones((2, 3), np.int8), np.array([1, 1])), FullLayer(np.ones((4, 2), np.int8), np.ones(4)))
    trace = engine.get(name).forward(layers, np.zeros((0, 3), np.uint8), 5)
    assert [h.shape for h in trace.hidden] == [(0, 2)]
    assert trace.potentials.shape == (0, 5, 4)


# --- worked by hand --------------------------------------------------------------------------------------------------

# Three pixels that fire at 0, 2 and never (T = 4), two hidden neurons, two classes.
#   hidden 0: + + +, theta 2    V = 1 1 2 2   fires at 2
#   hidden 1: - + +, theta 0    V = -1 -1 0 0 fires at 2
#   output 0: + -               V = 0 0 0 0
#   output 1: + +               V = 0 0 2 2
GOLDEN = (
    FullLayer(np.array([[1, 1, 1], [-1, 1, 1]], np.int8), np.array([2, 0])),
    FullLayer(np.array([[1, -1], [1, 1]], np.int8), np.array([1, 2])),
)
GOLDEN_STEPS = np.array([[0, 2, 4]], np.uint8)


@pytest.mark.parametrize("name", engine.names())
@pytest.mark.parametrize("spikes", [GOLDEN_STEPS, Events.from_steps(GOLDEN_STEPS, 4)], ids=["steps", "events"])
def test_golden_network(name, spikes):
    trace = engine.get(name).forward(GOLDEN, spikes, 4)
    assert [h.tolist() for h in trace.hidden] == [[[2, 2]]]
    assert trace.potentials.tolist() == [[[0, 0], [0, 0], [0, 2], [0, 2]]]
    decision = decide(trace.potentials, GOLDEN[-1].thresholds)
    assert (decision.label.tolist(), decision.step.tolist()) == ([1], [2])
    assert (decision.silent.tolist(), decision.tie.tolist()) == ([False], [False])


@pytest.mark.parametrize("name", engine.names())
def test_a_spike_counts_in_its_own_step_and_for_good(name):
    """A neuron that crosses for a single step has fired, and what it sent stays with the layer above."""
    spikes = np.array([[1, 2]], np.uint8)  # V = 0 1 0 0
    layers = (
        FullLayer(np.array([[1, -1]], np.int8), np.array([1])),
        FullLayer(np.array([[1]], np.int8), np.array([1])),
    )
    trace = engine.get(name).forward(layers, spikes, 4)
    assert trace.hidden[0].tolist() == [[1]]
    assert trace.potentials[0, :, 0].tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("name", engine.names())
def test_each_event_of_a_channel_counts(name):
    events = Events(np.array([0, 4]), np.array([0, 0, 1, 0], np.uint16), np.array([0, 0, 0, 2], np.uint8), 2, 3)
    layers = (FullLayer(np.array([[1, -1]], np.int8), np.array([9])),)
    assert engine.get(name).forward(layers, events, 3).potentials[0, :, 0].tolist() == [1, 1, 2]


# --- the reach and margin by which a neuron is judged ----------------------------------------------------------------


@given(cases(max_layers=1, max_width=6))
def test_oracle_judges_at_the_spike_or_the_closest_step(case):
    layer = case.layers[0]
    potential = oracle.potentials(case.spikes, layer.signs, case.num_steps)
    found = oracle.crossing(potential, layer.thresholds)
    for sample in range(len(case.spikes)):
        for neuron, threshold in enumerate(layer.thresholds.tolist()):
            row = potential[sample, :, neuron].tolist()
            crossed = [step for step, value in enumerate(row) if value >= threshold]
            judged = crossed[0] if crossed else row.index(max(row))
            assert found.steps[sample, neuron] == (crossed[0] if crossed else case.num_steps)
            assert found.reach[sample, neuron] == judged
            assert found.margin[sample, neuron] == row[judged] - threshold


@given(cases(max_layers=1), st.booleans(), seeds())
@settings(max_examples=100)
def test_dense_judges_as_the_oracle(case, real, rng):
    """Whole thresholds, and real ones as in training."""
    layer = case.layers[0]
    threshold = rng.normal(0, 3, len(layer.thresholds)) if real else layer.thresholds.astype(np.float64)
    expected = oracle.crossing(oracle.potentials(case.spikes, layer.signs, case.num_steps), threshold)
    if isinstance(case.spikes, Events):
        source = dense.EventSource(case.spikes)
    else:
        source = dense.StepSource(torch.from_numpy(case.spikes), case.num_steps)
    signs = torch.from_numpy(layer.signs).double()
    steps, reach, margin = dense.crossing(source, signs, torch.from_numpy(threshold))
    np.testing.assert_array_equal(steps.numpy(), expected.steps)
    np.testing.assert_array_equal(reach.numpy(), expected.reach)
    np.testing.assert_array_equal(margin.numpy(), expected.margin)


# --- the decision ----------------------------------------------------------------------------------------------------


@given(seeds(), step_numbers(), st.integers(1, 6), st.integers(1, 4), st.sampled_from([0, 1, 3, 40]))
@settings(max_examples=150)
def test_decide_is_the_oracles_decision(rng, num_steps, classes, batch, spread):
    potentials = rng.integers(-spread, spread, (batch, num_steps, classes), endpoint=True)
    thresholds = rng.integers(-1, 1 + spread, classes, endpoint=True)
    decision = decide(potentials, thresholds)
    for sample in range(batch):
        expected = oracle.decide_one(potentials[sample], thresholds)
        found = (decision.label[sample], decision.step[sample], decision.silent[sample], decision.tie[sample])
        assert found == expected


@pytest.mark.parametrize("threshold", [LEAST, GREATEST])
def test_decide_does_not_overflow_32_bits(threshold):
    potentials = np.array([[[-5, 5]]], np.int32)
    decision = decide(potentials, np.array([threshold, threshold], np.int32))
    assert decision.label.tolist() == [1]
    assert decision.silent.tolist() == [threshold > 0]


# --- torch networks --------------------------------------------------------------------------------------------------


def random_network(rng: np.random.Generator, sizes: list[int], num_steps: int, mode: str = "neuron") -> Network:
    """A network in training: real thresholds (some whole), latent weights with some at 0 and -0."""
    config = NetworkConfig(layers=tuple(sizes[1:-1]), num_steps=num_steps, threshold_mode=mode)
    network = Network(sizes[0], sizes[-1], config)
    with torch.no_grad():
        for layer in network.layers:
            latent = rng.uniform(-1, 1, layer.weight.shape)
            latent[rng.random(latent.shape) < 0.1] = 0.0
            latent[rng.random(latent.shape) < 0.1] = -0.0
            layer.weight.copy_(torch.from_numpy(latent))
            threshold = rng.normal(0, 2, layer.threshold.shape)
            whole = rng.random(threshold.shape) < 0.3
            layer.threshold.copy_(torch.from_numpy(np.where(whole, np.round(threshold), threshold)))
    return network


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mixed_precision", [False, True], ids=["plain", "autocast"])
@given(seeds(), widths(), step_numbers(), st.sampled_from(["neuron", "layer", "fixed"]), st.booleans())
def test_network_in_training_is_the_oracle_on_what_is_deployed(
    device, mixed_precision, rng, sizes, num_steps, mode, as_events
):
    network = random_network(rng, sizes, num_steps, mode).to(device)
    make = make_events if as_events else make_steps
    assert_network_is_the_oracle(network, make(rng, "random", 3, sizes[0], num_steps), mixed_precision)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mixed_precision", [False, True], ids=["plain", "autocast"])
@pytest.mark.parametrize("make", [make_steps, make_events])
def test_great_potentials_are_exact_in_training(device, mixed_precision, make):
    """Potentials of several hundred, which bfloat16 would round."""
    rng = np.random.default_rng(1)
    network = random_network(rng, [500, 400, 10], 8).to(device)
    with torch.no_grad():
        for layer in network.layers:
            mostly = torch.from_numpy(rng.random(layer.weight.shape) < 0.9).to(device)
            layer.weight[mostly] = 0.1
        network.layers[0].threshold.copy_(torch.linspace(257.0, 420.0, 400))
    assert_network_is_the_oracle(network, make(rng, "random", 3, 500, 8), mixed_precision)


def assert_network_is_the_oracle(network: Network, spikes: np.ndarray | Events, mixed_precision: bool) -> None:
    device = network.layers[0].weight.device.type
    with torch.autocast(device, torch.bfloat16, enabled=mixed_precision):
        output = network(spikes if isinstance(spikes, Events) else torch.from_numpy(spikes).to(device))
    expected = oracle.forward(network.deployed(), spikes, network.num_steps)
    assert output.potentials.dtype == torch.float32
    np.testing.assert_array_equal(output.potentials.detach().cpu().numpy(), expected.potentials)
    for found, wanted in zip(output.hidden, expected.hidden, strict=True):
        np.testing.assert_array_equal(found.steps.cpu().numpy(), wanted)
        np.testing.assert_array_equal(found.fired.detach().cpu().numpy(), wanted < network.num_steps)


# --- the registry ----------------------------------------------------------------------------------------------------


def test_engines_are_found_by_name():
    for name in engine.names():
        assert name == engine.get(name).NAME
    assert choose.FASTEST in engine.names()


@pytest.mark.parametrize("name", ["cuda", "", "Dense", "base", "../oracle"])
def test_an_unknown_engine_is_refused_with_the_known_ones(name):
    with pytest.raises(InputError, match="choose one of native, oracle, dense") as caught:
        engine.get(name)
    assert repr(name) in str(caught.value)


def test_an_engine_that_cannot_run_says_what_to_install(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else real(name))
    with pytest.raises(InputError, match="'dense' needs the package torch: pip install torch"):
        engine.get("dense")
    assert engine.get("oracle").NAME == "oracle"
