"""What the native engine measures of margins and spikes is what torch does: the same bits but for sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import seeds

from bstdg import _native
from bstdg.engine import native, native_training
from bstdg.learning.rule import psi
from bstdg.spikes.source import StepSource

SETS = native.instruction_sets()
sizes = st.sampled_from([1, 2, 15, 16, 17, 33, 130])


@pytest.fixture(params=SETS, scope="module", autouse=True)
def instruction_set(request):
    """Each test runs once on every instruction set that this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BSTDG_ISA", request.param)
        yield request.param


def drawn(rng: np.random.Generator, batch: int, neurons: int, width: float = 10.0) -> torch.Tensor:
    return torch.from_numpy(rng.normal(1.0, width, (batch, neurons)).astype(np.float32))


@given(seeds(), sizes, sizes, st.floats(0.5, 40.0))
@settings(max_examples=60)
def test_what_neurons_answer_for(rng, batch, neurons, width):
    margin, told = drawn(rng, batch, neurons), drawn(rng, batch, neurons, 0.1)
    margin[:, ::3] = width  # just beyond
    expected = psi(margin, width).mul_(told)
    assert torch.equal(native_training.sensitive(margin, told, width), expected)
    assert (expected == 0).any()


@given(seeds(), sizes, sizes, st.sampled_from([1, 4, 254]))
@settings(max_examples=40)
def test_which_fired_and_how_often_each_channel(rng, batch, neurons, num_steps):
    steps = torch.from_numpy(rng.integers(0, num_steps + 1, (batch, neurons)).astype(np.uint8))
    fired = (steps != num_steps).float()
    assert torch.equal(native_training.fired(steps, num_steps), fired)
    assert torch.equal(native_training.mean_spikes(StepSource(steps, num_steps)), fired.mean(0))


@given(seeds(), sizes, sizes)
@settings(max_examples=60)
def test_the_spread_is_the_standard_deviation(rng, batch, neurons):
    margin = drawn(rng, batch, neurons) - 100.0
    if margin.numel() > 1:
        assert native_training.spread(margin) == pytest.approx(float(margin.double().std()), rel=1e-12)


def test_the_spread_is_the_same_on_any_number_of_threads(instruction_set):
    margin = drawn(np.random.default_rng(0), 40, 1001)
    one, three = (_native.spread(margin.numpy(), threads) for threads in (1, 3))
    assert one == three


def test_a_margin_that_is_no_number_stays_none(instruction_set):
    margin = torch.tensor([[math.nan, 0.0]])
    found = native_training.sensitive(margin, torch.ones(1, 2), 2.0)
    assert found.isnan().tolist() == [[True, False]]


def test_shapes_that_do_not_go_together_are_refused(instruction_set):
    with pytest.raises(ValueError, match="another shape"):
        native_training.sensitive(torch.zeros(2, 3), torch.zeros(3, 2), 1.0)
