"""Networks in another precision train, and are summed up, drawn, deployed and saved as they are."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from bstdg.engine import dense, oracle
from bstdg.inputs import LatencyCode
from bstdg.learning.loss import Loss
from bstdg.learning.network import Average, Network, flip_ratio
from bstdg.learning.recipe import LossConfig, NetworkConfig
from bstdg.model import packed

T = 8
STEPS = torch.randint(0, T + 1, (40, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(40) % 3
dtypes = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)


def network(weights: str = "binary") -> Network:
    config = NetworkConfig(layers=(16, 12), weights=weights)
    made = Network(20, 3, config, generator=torch.Generator().manual_seed(0))
    made.calibrate(STEPS)
    return made


@dtypes
def test_what_is_deployed_is_what_trains(dtype, tmp_path):
    made = network().to(dtype)
    layers = made.deployed()
    trace, output = oracle.forward(layers, STEPS.numpy(), T), made(STEPS)
    for steps, spikes in zip(trace.hidden, output.hidden, strict=True):
        np.testing.assert_array_equal(steps, spikes.steps.numpy())
    np.testing.assert_array_equal(trace.potentials, output.potentials.detach().double().numpy())
    for layer, module in zip(layers, made.layers, strict=True):
        np.testing.assert_array_equal(layer.signs > 0, (module.weight.detach().double() >= 0).numpy())
        np.testing.assert_array_equal(layer.thresholds, module.threshold.detach().double().ceil().numpy())
    model = packed.PackedModel(LatencyCode((20,)), tuple(layers), T, tuple("abc"))
    assert packed.save(model, tmp_path / "m.bstdg") > 0


@dtypes
def test_it_trains_and_shows_itself(dtype):
    made, loss = network().to(dtype), Loss(LossConfig(spike_weight=0.01)).to(dtype)
    optimiser = torch.optim.SGD([*made.parameters(), *loss.parameters()], 2.0)
    average, before = Average(made, 0.9), made.latent_signs()
    for _ in range(3):
        output = made(STEPS)
        value = loss(output.potentials, output.threshold, LABELS, output.fired)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        made.clip_latent_()
        average.update()
    assert all(p.dtype == dtype for p in (*made.parameters(), *average.network.parameters()))
    assert 0 < flip_ratio(before, made.latent_signs()) < 1
    for one in (made, average.network):
        assert "20-16-12-3" in str(one.summary()) and "<table" in one._repr_html_() and one.structure == "20-16-12-3"
    made.calibrate(STEPS)


@dtypes
def test_real_weights_too(dtype):
    made = network("real").to(dtype)
    output = made(STEPS)
    exact = copy.deepcopy(made).double()(STEPS)
    assert torch.equal(output.potentials.double(), exact.potentials.double())  # no sum was rounded
    output.potentials.sum().backward()
    assert made.layers[0].weight.grad.dtype == dtype
    assert "20-16-12-3" in str(made.summary()) and len(made.deployed()) == 3
    made.calibrate(STEPS)


@dtypes
def test_the_dense_engine_runs_what_was_deployed_from_it(dtype):
    layers = network().to(dtype).deployed()
    found, expected = dense.forward(layers, STEPS.numpy(), T), oracle.forward(layers, STEPS.numpy(), T)
    np.testing.assert_array_equal(found.potentials, expected.potentials)
