"""A network takes what fits it, says what does not, and deploys to the bits it stands for."""

from __future__ import annotations

import copy
from math import ceil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import make_events, make_steps, seeds

from bstdg.engine import oracle
from bstdg.errors import InputError
from bstdg.learning.modules import BinaryLinear
from bstdg.learning.network import Network, flip_ratio
from bstdg.learning.recipe import NetworkConfig, RuleConfig
from bstdg.learning.rule import Spikes
from bstdg.spikes.events import Events


def small(mode: str = "neuron", seed: int = 0) -> Network:
    config = NetworkConfig(layers=(5, 4), num_steps=6, threshold_mode=mode)
    return Network(7, 3, config, generator=torch.Generator().manual_seed(seed))


def some_steps(batch: int = 9, width: int = 7, num_steps: int = 6) -> torch.Tensor:
    return torch.from_numpy(make_steps(np.random.default_rng(0), "random", batch, width, num_steps))


# --- structure -------------------------------------------------------------------------------------------------------


def test_structure():
    network = small()
    assert network.widths == (7, 5, 4, 3)
    assert network.num_steps == 6
    assert [tuple(layer.weight.shape) for layer in network.layers] == [(5, 7), (4, 5), (3, 4)]
    output = network(some_steps())
    assert tuple(output.potentials.shape) == (9, 6, 3)
    assert [tuple(f.shape) for f in output.fired] == [(9, 5), (9, 4)]
    assert [tuple(spikes.steps.shape) for spikes in output.hidden] == [(9, 5), (9, 4)]
    assert output.threshold is network.layers[-1].threshold


@pytest.mark.parametrize(
    ("mode", "shape", "trained"), [("neuron", (5,), True), ("layer", (1,), True), ("fixed", (5,), False)]
)
def test_threshold_modes(mode, shape, trained):
    threshold = small(mode).layers[0].threshold
    assert tuple(threshold.shape) == shape
    assert threshold.requires_grad is trained


def test_no_hidden_layer_is_a_network():
    network = Network(7, 3, NetworkConfig(layers=(), num_steps=6))
    output = network(some_steps())
    assert output.hidden == ()
    assert output.fired == []
    output.potentials.sum().backward()
    expected = oracle.forward(network.deployed(), some_steps().numpy(), 6)
    np.testing.assert_array_equal(output.potentials.detach().numpy(), expected.potentials)


def test_layers_of_one_neuron():
    network = Network(1, 1, NetworkConfig(layers=(1, 1), num_steps=1))
    with torch.no_grad():
        for layer in network.layers:
            layer.weight.fill_(0.1)
            layer.threshold.fill_(1.0)
    output = network(torch.tensor([[0], [1]], dtype=torch.uint8))
    assert [spikes.steps.tolist() for spikes in output.hidden] == [[[0], [1]]] * 2
    assert output.potentials.tolist() == [[[1.0]], [[0.0]]]


def test_latent_weights_start_from_the_generator():
    one, same, other = small(seed=1), small(seed=1), small(seed=2)
    assert torch.equal(one.layers[2].weight, same.layers[2].weight)
    assert not torch.equal(one.layers[2].weight, other.layers[2].weight)
    assert all(layer.weight.abs().max() <= 0.3 for layer in one.layers)


def test_the_rule_reaches_every_layer():
    rule = RuleConfig(width=3.0, kernel="exponential", tau=2.0)
    assert all(layer.rule == rule for layer in Network(7, 3, NetworkConfig(layers=(5,)), rule).layers)


@pytest.mark.parametrize(("inputs", "classes"), [(0, 3), (7, 0), (-1, 3)])
def test_a_layer_of_nothing_is_refused(inputs, classes):
    with pytest.raises(InputError, match="at least 1 channel and 1 neuron"):
        Network(inputs, classes)


@pytest.mark.parametrize("size", [2.0, "2", None])
def test_a_size_that_is_no_whole_number_is_refused(size):
    with pytest.raises(InputError, match="whole numbers"):
        BinaryLinear(size, 3)
    with pytest.raises(InputError, match="whole numbers"):
        BinaryLinear(3, size)


def test_an_unknown_threshold_mode_is_refused():
    with pytest.raises(InputError, match=r"threshold_mode must be one of .* not 'layers'"):
        BinaryLinear(3, 3, threshold_mode="layers")


# --- what it reads ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spikes", "message"),
    [
        (torch.zeros(2, 8, dtype=torch.uint8), "7 inputs, the data 8"),
        (torch.zeros(2, 7), r"not torch.float32 \[2, 7\]; bstdg.latency"),
        (torch.zeros(2, 7, dtype=torch.int64), "uint8"),
        (torch.zeros(7, dtype=torch.uint8), r"uint8 \[batch, 7\]"),
        (torch.zeros(2, 7, 1, dtype=torch.uint8), r"uint8 \[batch, 7\]"),
        (make_events(np.random.default_rng(0), "random", 2, 8, 6), "7 inputs, the data 8"),
        (make_events(np.random.default_rng(0), "random", 2, 7, 5), "runs 6 steps, the events 5"),
        (np.zeros((2, 7), np.uint8), "reads steps"),
        ([[0] * 7], "reads steps"),
        (None, "reads steps"),
    ],
)
def test_what_does_not_fit_is_refused(spikes, message):
    for call in (small(), small().calibrate):
        with pytest.raises(InputError, match=message):
            call(spikes)


@pytest.mark.parametrize(
    ("width", "num_steps", "message"), [(7, 5, "runs 6 steps, the events 5"), (8, 6, "7 inputs, the data 8")]
)
def test_spikes_of_another_network_are_refused(width, num_steps, message):
    steps = some_steps(width=width, num_steps=num_steps)
    for spikes in (steps, Events.from_steps(steps.numpy(), num_steps)):
        with pytest.raises(InputError, match=message):
            small()(Spikes.of_input(spikes, num_steps))


def test_steps_events_and_spikes_are_the_same_input():
    network, steps = small(), some_steps()
    expected = network(steps).potentials
    assert torch.equal(network(Events.from_steps(steps.numpy(), 6)).potentials, expected)
    assert torch.equal(network(Spikes.of_input(steps, 6)).potentials, expected)


def test_nothing_is_remembered_between_calls():
    network, steps = small(), some_steps()
    first = network(steps).potentials
    network(some_steps(3))
    assert torch.equal(network(steps).potentials, first)
    assert torch.equal(network(steps[4:5]).potentials, first[4:5])  # nor between the samples of a batch


# --- state -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["neuron", "layer", "fixed"])
def test_state_dict_round_trip(mode):
    network, other = small(mode, seed=1), small(mode, seed=2)
    network.calibrate(some_steps())
    state = network.state_dict()
    assert list(state) == [f"layers.{i}.{name}" for i in range(3) for name in ("weight", "threshold")]
    other.load_state_dict(copy.deepcopy(state))
    for a, b in zip(network.deployed(), other.deployed(), strict=True):
        np.testing.assert_array_equal(a.signs, b.signs)
        np.testing.assert_array_equal(a.thresholds, b.thresholds)
    for name, tensor in other.state_dict().items():
        assert torch.equal(tensor, state[name])
    assert torch.equal(network(some_steps()).potentials, other(some_steps()).potentials)


def test_a_copy_is_its_own():
    network = small()
    twin = copy.deepcopy(network)
    with torch.no_grad():
        twin.layers[0].weight.neg_()
    assert not torch.equal(network.layers[0].weight, twin.layers[0].weight)
    assert torch.equal(network.layers[1].weight, twin.layers[1].weight)


# --- what is deployed ------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-(2.0**31) + 128, 2.0**31 - 128, width=32), min_size=1, max_size=6))
def test_thresholds_are_rounded_up(thresholds):
    layer = BinaryLinear(2, len(thresholds))
    with torch.no_grad():
        layer.threshold.copy_(torch.tensor(thresholds))
    bits = layer.deployed()
    assert bits.thresholds.dtype == np.int64
    assert bits.thresholds.tolist() == [ceil(t) for t in thresholds]


def test_signs_are_plus_at_zero():
    layer = BinaryLinear(5, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, -0.0, 1e-30, -1e-30, -1.0]]))
    bits = layer.deployed()
    assert bits.signs.dtype == np.int8
    assert bits.signs.tolist() == [[1, 1, 1, -1, -1]]


def test_a_shared_threshold_is_deployed_to_every_neuron():
    network = small("layer")
    with torch.no_grad():
        network.layers[0].threshold.fill_(2.25)
    assert network.deployed()[0].thresholds.tolist() == [3] * 5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 2.0**31, -(2.0**31) - 256, 3e38])
@pytest.mark.parametrize("layer", [0, 2])
def test_a_threshold_that_is_no_32_bit_number_is_refused(value, layer):
    network = small()
    with torch.no_grad():
        network.layers[layer].threshold[1] = value
    with pytest.raises(InputError, match="not a finite 32-bit number"):
        network.deployed()


def test_a_threshold_that_leaves_32_bits_by_rounding_up_is_refused():
    network = small().double()
    with torch.no_grad():
        network.layers[0].threshold[1] = 2.0**31 - 0.5
    with pytest.raises(InputError, match="not a finite 32-bit number"):
        network.deployed()


# --- clipping and flips ----------------------------------------------------------------------------------------------


def test_latent_weights_are_brought_back():
    network = small()
    with torch.no_grad():
        for layer in network.layers:
            layer.weight.mul_(10.0)
        before = [layer.weight.clone() for layer in network.layers]
        network.clip_latent_()
    for layer, weight in zip(network.layers, before, strict=True):
        assert torch.equal(layer.weight, weight.clamp(-1, 1))
        assert layer.weight.abs().max() == 1.0


@given(seeds())
def test_flip_ratio_is_the_share_of_bits_that_changed(rng):
    network = small()
    total = sum(layer.weight.numel() for layer in network.layers)
    before, flips = network.latent_signs(), 0
    with torch.no_grad():
        for layer in network.layers:
            flip = torch.from_numpy(rng.random(layer.weight.shape) < 0.3) & (layer.weight != 0)
            layer.weight[flip] *= -1
            flips += int(flip.sum())
    assert flip_ratio(before, network.latent_signs()) == pytest.approx(flips / total)
    assert flip_ratio(before, before) == 0.0


def test_signs_taken_before_do_not_follow_the_weights():
    network = small()
    before = network.latent_signs()
    with torch.no_grad():
        network.layers[0].weight.neg_()
    assert flip_ratio(before, network.latent_signs()) == pytest.approx(35 / (35 + 20 + 12))


def test_flip_ratio_needs_the_same_layers():
    with pytest.raises(ValueError, match="zip"):
        flip_ratio(small().latent_signs(), small().latent_signs()[:2])
