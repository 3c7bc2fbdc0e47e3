"""Thresholds start where each layer fires for the share of samples that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import cases, make_events, make_steps, seeds
from torch import Tensor

from bstdg.engine import dense, oracle
from bstdg.learning.calibrate import nearest_threshold, peak_potentials
from bstdg.learning.modules import BinaryLinear
from bstdg.learning.network import Network
from bstdg.learning.recipe import NetworkConfig
from bstdg.learning.rule import Spikes
from bstdg.spikes.events import Events

SHARES = st.sampled_from([0.001, 0.05, 0.15, 0.5, 0.9, 0.999])


def spikes_of(samples: int, channels: int, density: float, num_steps: int = 8, seed: int = 0) -> Tensor:
    """Steps in which a channel fires with probability `density`, at any step."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(0, num_steps, (samples, channels))
    return torch.from_numpy(np.where(rng.random(steps.shape) < density, steps, num_steps).astype(np.uint8))


def shares_of(network: Network, steps: Tensor | Events) -> list[float]:
    """Share of samples for which a neuron fires, the mean of each layer, the output layer last."""
    output = network(steps)
    hidden = [float(spikes.fired.detach().mean()) for spikes in output.hidden]
    return [*hidden, float((output.potentials >= output.threshold).any(1).float().mean())]


# --- the choice of one threshold -------------------------------------------------------------------------------------


@given(seeds(), st.integers(1, 30), st.integers(1, 5), SHARES, st.sampled_from([1, 4, 30]))
@settings(max_examples=300)
def test_no_other_threshold_comes_nearer(rng, samples, columns, share, spread):
    peaks = rng.integers(-spread, 2 * spread, (samples, columns))
    found = nearest_threshold(torch.from_numpy(peaks).float(), share).numpy()
    for column, threshold in zip(peaks.T, found, strict=True):
        firing = {c: (column >= c).mean() for c in range(1, int(column.max()) + 1)}  # those at which a sample fires
        if firing:
            distance = min(abs(s - share) for s in firing.values())
            assert abs(firing[int(threshold)] - share) == pytest.approx(distance, abs=1e-12)
        else:
            assert threshold == 1  # out of reach, so it waits


@pytest.mark.parametrize(
    ("peaks", "share", "firing"),
    [
        ([9, 7, 5, 1], 0.5, 0.5),
        ([9, 7, 5, 1], 0.7, 0.75),
        ([9, 7, 5, 1], 0.01, 0.25),  # one sample always fires
        ([1, 1, 1, 8], 0.3, 0.25),  # 1 of 4 is nearer than 4 of 4
        ([1, 1, 1, 8], 0.9, 1.0),
        ([5, 5, 5, 5], 0.01, 1.0),  # all or none: all
        ([5, 5, 4, 4], 0.6, 0.5),
        ([3, 2, 2, 1], 0.5, 0.75),  # 1 of 4 is as near: rather more than fewer
        ([0, 0, 0, -4], 0.5, 0.0),  # nothing ever excites it
        ([1, 0, 0, 0], 0.75, 0.25),  # threshold 0 would come nearer, and would fire before anything arrived
    ],
)
def test_nearest_threshold_by_hand(peaks, share, firing):
    column = torch.tensor(peaks)[:, None].float()
    threshold = nearest_threshold(column, share)
    assert threshold.shape == (1,)
    assert threshold >= 1
    assert (column >= threshold).float().mean() == firing


@given(cases(max_layers=1))
def test_peaks_are_the_greatest_potentials(case):
    layer = BinaryLinear(case.widths[0], case.widths[1]).double()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(case.layers[0].signs))
    spikes = case.spikes if isinstance(case.spikes, Events) else torch.from_numpy(case.spikes)
    found = peak_potentials(dense.signs(layer.weight), Spikes.of_input(spikes, case.num_steps))
    expected = oracle.potentials(case.spikes, case.layers[0].signs, case.num_steps).max(axis=1)
    np.testing.assert_array_equal(found.numpy(), expected)


# --- a layer ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["neuron", "fixed"])
@given(seeds(), st.integers(1, 12), SHARES)
@settings(max_examples=30)
def test_each_neuron_fires_for_its_own_share(mode, rng, width, share):
    steps = make_steps(rng, "random", 25, width, 6)
    layer = BinaryLinear(width, 7, threshold_mode=mode)
    below = Spikes.of_input(torch.from_numpy(steps), 6)
    layer.calibrate(below, share)
    signs = oracle.signs(layer.weight.detach().numpy())
    peaks = oracle.potentials(steps, signs, 6).max(axis=1)
    fired = layer(below).fired.detach().numpy().mean(0)
    for neuron, found in enumerate(fired):
        possible = [s for c in range(1, width + 2) if (s := (peaks[:, neuron] >= c).mean()) > 0] or [0.0]
        assert abs(found - share) == pytest.approx(min(abs(s - share) for s in possible), abs=1e-6)


@given(seeds(), st.integers(1, 12), SHARES)
@settings(max_examples=30)
def test_one_threshold_a_layer_fires_the_layers_share(rng, width, share):
    steps = make_steps(rng, "random", 25, width, 6)
    layer = BinaryLinear(width, 7, threshold_mode="layer")
    below = Spikes.of_input(torch.from_numpy(steps), 6)
    layer.calibrate(below, share)
    assert layer.threshold.shape == (1,)
    peaks = oracle.potentials(steps, oracle.signs(layer.weight.detach().numpy()), 6).max(axis=1)
    possible = [s for c in range(1, width + 2) if (s := (peaks >= c).mean()) > 0] or [0.0]
    found = layer(below).fired.detach().numpy().mean()
    assert abs(found - share) == pytest.approx(min(abs(s - share) for s in possible), abs=1e-6)


def test_thresholds_lie_in_the_middle_of_what_is_deployed_alike():
    network = Network(40, 5, NetworkConfig(layers=(30,)))
    network.calibrate(spikes_of(200, 40, 0.5))
    for layer, bits in zip(network.layers, network.deployed(), strict=True):
        np.testing.assert_array_equal(layer.threshold.detach().numpy(), bits.thresholds - 0.5)


@pytest.mark.parametrize("mode", ["neuron", "layer", "fixed"])
@pytest.mark.parametrize("share", [0.15, 0.9])
def test_neurons_that_hear_nothing_do_not_fire_at_once(mode, share):
    config = NetworkConfig(layers=(6, 5), threshold_mode=mode, initial_share=share, initial_output_share=share)
    network = Network(10, 3, config)
    silent = torch.full((20, 10), 8, dtype=torch.uint8)
    network.calibrate(silent)
    output = network(silent)
    assert all((spikes.steps == 8).all() for spikes in output.hidden)
    assert (output.potentials < output.threshold).all()
    assert all((layer.threshold > 0).all() for layer in network.layers)


# --- a network -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["neuron", "layer", "fixed"])
@pytest.mark.parametrize("density", [0.02, 0.2, 1.0])
@pytest.mark.parametrize("hidden", [(60,), (600,), (60, 60), (60, 600, 60), (100, 100, 100)])
def test_every_layer_fires_near_its_share(mode, density, hidden):
    config = NetworkConfig(layers=hidden, threshold_mode=mode, initial_share=0.15, initial_output_share=0.3)
    network = Network(784, 10, config, generator=torch.Generator().manual_seed(0))
    steps = spikes_of(300, 784, density)
    network.calibrate(steps)
    *shares, output = shares_of(network, steps)
    np.testing.assert_allclose(shares, 0.15, atol=0.05)
    assert output == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize("density", [0.02, 0.2, 1.0])
@pytest.mark.parametrize("width", [1, 2, 10])
def test_narrow_layers_fire_too(width, density):
    """Whole thresholds leave few shares to choose from; the first layer, which hears hundreds, still comes near."""
    for seed in range(5):
        config = NetworkConfig(layers=(width,), initial_share=0.25)
        network = Network(784, 10, config, generator=torch.Generator().manual_seed(seed))
        steps = spikes_of(300, 784, density, seed=seed)
        network.calibrate(steps)
        assert shares_of(network, steps)[0] == pytest.approx(0.25, abs=0.1)


def test_shares_of_hidden_and_output_layers_are_told_apart():
    config = NetworkConfig(layers=(200,), initial_share=0.4, initial_output_share=0.1)
    network = Network(300, 50, config, generator=torch.Generator().manual_seed(0))
    steps = spikes_of(400, 300, 0.3)
    network.calibrate(steps)
    np.testing.assert_allclose(shares_of(network, steps), [0.4, 0.1], atol=0.05)


def test_events_are_calibrated_on_as_well():
    rng = np.random.default_rng(0)
    events = make_events(rng, "random", 300, 50, 12)
    config = NetworkConfig(layers=(80,), num_steps=12, initial_share=0.2, initial_output_share=0.2)
    network = Network(50, 10, config, generator=torch.Generator().manual_seed(0))
    network.calibrate(events)
    np.testing.assert_allclose(shares_of(network, events), [0.2, 0.2], atol=0.06)


def test_calibration_takes_no_gradient_and_keeps_weights():
    network = Network(20, 3, NetworkConfig(layers=(10,)))
    before = [layer.weight.detach().clone() for layer in network.layers]
    network.calibrate(spikes_of(50, 20, 0.5))
    for layer, weight in zip(network.layers, before, strict=True):
        assert torch.equal(layer.weight, weight)
        assert layer.threshold.requires_grad
        assert layer.threshold.grad is None
        assert layer.threshold.is_leaf
