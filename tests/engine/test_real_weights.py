"""Real weights in the forward pass: whole numbers of 1/1024, so the oracle gives the same steps, and the same rule."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import make_events, make_steps, seeds, step_numbers, widths

from bstdg.engine import oracle, real
from bstdg.errors import InputError
from bstdg.learning.network import Network
from bstdg.learning.recipe import NetworkConfig, Recipe
from bstdg.learning.recipe_file import from_dict
from bstdg.spikes.events import Events
from bstdg.training.train import train


def random_network(rng: np.random.Generator, sizes: list[int], num_steps: int, mode: str = "neuron") -> Network:
    config = NetworkConfig(layers=tuple(sizes[1:-1]), num_steps=num_steps, threshold_mode=mode, weights="real")
    network = Network(sizes[0], sizes[-1], config)
    with torch.no_grad():
        for layer in network.layers:
            layer.weight.copy_(torch.from_numpy(rng.uniform(-1, 1, layer.weight.shape)))
            threshold = rng.normal(0, 1, layer.threshold.shape)
            whole = rng.random(threshold.shape) < 0.3  # on the grid, where >= and > differ
            layer.threshold.copy_(torch.from_numpy(np.where(whole, np.round(threshold * 1024) / 1024, threshold)))
    return network


@given(seeds(), widths(), step_numbers(), st.sampled_from(["neuron", "layer", "fixed"]), st.booleans())
def test_in_training_it_is_the_oracle_on_what_is_deployed(rng, sizes, num_steps, mode, as_events):
    network = random_network(rng, sizes, num_steps, mode)
    make = make_events if as_events else make_steps
    spikes = make(rng, "random", 3, sizes[0], num_steps)
    output = network(spikes if isinstance(spikes, Events) else torch.from_numpy(spikes))
    layers = network.deployed()
    expected = oracle.forward(layers, spikes, num_steps)
    np.testing.assert_array_equal(output.potentials.detach().numpy() * real.GRID, expected.potentials)
    found = real.forward(layers, spikes, num_steps)
    np.testing.assert_array_equal(found.potentials, expected.potentials)
    for mine, again, wanted in zip(output.hidden, found.hidden, expected.hidden, strict=True):
        np.testing.assert_array_equal(mine.steps.numpy(), wanted)
        np.testing.assert_array_equal(again, wanted)


@given(seeds(), st.integers(1, 5), st.integers(1, 6), step_numbers())
@settings(max_examples=30)
def test_what_is_told_below_is_weighted_by_the_weights_themselves(rng, neurons, channels, num_steps):
    latent = torch.from_numpy(rng.uniform(-1, 1, (neurons, channels)))
    weights = real.weights(latent).numpy()
    below = rng.integers(0, num_steps, (3, channels)).astype(np.uint8)
    reach = rng.integers(0, num_steps, (3, neurons)).astype(np.uint8)
    local = rng.normal(size=(3, neurons))
    gradient = rng.normal(size=(3, num_steps, neurons))
    told = np.einsum("bj,ji,bji->bi", local, weights, below[:, None, :] <= reach[:, :, None])
    found = real.impulse_credit(
        *map(torch.from_numpy, (below,)), latent, *map(torch.from_numpy, (reach, local)), num_steps
    )
    np.testing.assert_allclose(found.numpy(), told, atol=1e-12)
    later = np.arange(num_steps)[None, :, None] >= below[:, None, :]
    told = np.einsum("btj,ji,bti->bi", gradient, weights, later)
    found = real.potential_credit(torch.from_numpy(below), latent, torch.from_numpy(gradient))
    np.testing.assert_allclose(found.numpy(), told, atol=1e-12)


def test_it_learns_and_leaves_figures_but_no_model(tmp_path):
    values = {
        "network": {"layers": [64], "weights": "real"},
        "rule": {"width": 4},
        "loss": {"scale": 0.5},
        "train": {"epochs": 6, "batch": 32},
    }
    report = train(from_dict(Recipe, values), tmp_path)
    assert report["test"]["accuracy"] > 0.6  # chance is 0.1
    assert (report["training_engine"], report["model_bytes"]) == ("real", 0)
    assert not (tmp_path / "model.bstdg").exists()
    assert json.loads((tmp_path / "report.json").read_text()) == report


def test_calibrated_it_fires_for_the_share_that_was_asked():
    rng = np.random.default_rng(0)
    network = random_network(rng, [50, 40, 4], 8)
    steps = torch.from_numpy(make_steps(rng, "random", 400, 50, 8))
    network.calibrate(steps)
    share = (network(steps).hidden[0].steps < 8).double().mean(0)
    assert (share - network.config.initial_share).abs().max() < 0.05


def test_an_engine_of_bits_is_refused():
    with pytest.raises(InputError, match="an engine of its own"):
        Network(4, 2, NetworkConfig(weights="real"), engine="native")
