"""The native engine in training is the dense one: forward bit for bit, backward to rounding, on any threads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import INPUT_KINDS, make_events, make_steps, seeds

from bstdg import _native
from bstdg.engine import choose, dense, native, native_training
from bstdg.errors import InputError
from bstdg.spikes.events import Events
from bstdg.spikes.source import EventSource, StepSource

SETS = native.instruction_sets()


@pytest.fixture(params=SETS, scope="module", autouse=True)
def instruction_set(request):
    """Each test runs once on every instruction set that this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BSTDG_ISA", request.param)
        yield request.param


def source_of(spikes: np.ndarray | Events, num_steps: int):
    if isinstance(spikes, Events):
        return EventSource(spikes)
    return StepSource(torch.from_numpy(np.ascontiguousarray(spikes)), num_steps)


def latent_of(rng: np.random.Generator, neurons: int, channels: int) -> torch.Tensor:
    """Latent weights with some at 0 and -0, and some beyond 1, where the sign passes no gradient."""
    latent = rng.uniform(-1.05, 1.05, (neurons, channels))
    latent[rng.random(latent.shape) < 0.05] = 0.0
    latent[rng.random(latent.shape) < 0.05] = -0.0
    return torch.from_numpy(latent.astype(np.float32))


def close(found: torch.Tensor, expected: torch.Tensor, terms: int) -> None:
    """Equal but for the rounding of sums of `terms` numbers around 1."""
    assert found.shape == expected.shape
    assert (found.double() - expected).abs().max() <= 1e-6 * (terms + 10)


sizes = st.sampled_from([1, 3, 15, 16, 17, 40, 63, 64, 65, 127, 129, 200])


@given(seeds(), sizes, sizes, st.sampled_from([1, 2, 8, 16, 17, 254]), st.sampled_from(INPUT_KINDS), st.booleans())
@settings(max_examples=120)
def test_a_layer(rng, channels, neurons, num_steps, kind, as_events):
    make = make_events if as_events else make_steps
    batch = int(rng.integers(1, 5))
    source = source_of(make(rng, kind, batch, channels, num_steps), num_steps)
    latent = latent_of(rng, neurons, channels)
    wide = latent.double()
    threshold = torch.from_numpy(rng.normal(0, 3, neurons).round(1).astype(np.float32))
    if rng.random() < 0.2:
        threshold = torch.from_numpy(rng.choice([-1e30, -40000, 0, 40000, 1e30], neurons).astype(np.float32))
    found, expected = (e.crossing(source, latent, threshold) for e in (native_training, dense))
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a, b)
    reach = expected[1]
    potentials = native_training.potentials(source, latent)
    assert torch.equal(potentials, dense.potentials(source, latent))
    local = torch.from_numpy(rng.normal(0, 1, (batch, neurons)).astype(np.float32))
    local[torch.from_numpy(rng.random(local.shape) < 0.3)] = 0.0
    gradient = torch.from_numpy(rng.normal(0, 1, potentials.shape).astype(np.float32))
    below = torch.from_numpy(rng.integers(0, num_steps, (batch, channels)).astype(np.uint8))
    events = 3 * batch * channels
    for decay in (1.0, 0.7, 1e-3):
        a = native_training.impulse_gradient(source, latent, reach, local, decay)
        close(a, dense.impulse_gradient(source, wide, reach, local.double(), decay), events)
        a = native_training.potential_gradient(source, latent, gradient, decay)
        close(a, dense.potential_gradient(source, wide, gradient.double(), decay), events * num_steps)
    a = native_training.impulse_credit(below, latent, reach, local, num_steps)
    close(a, dense.impulse_credit(below, wide, reach, local.double(), num_steps), neurons)
    a = native_training.potential_credit(below, latent, gradient)
    close(a, dense.potential_credit(below, wide, gradient.double()), neurons * num_steps)


@pytest.mark.parametrize("make", [make_steps, make_events])
def test_the_number_of_threads_changes_no_bit(make):
    rng = np.random.default_rng(0)
    spikes, latent = make(rng, "random", 150, 90, 8), latent_of(rng, 130, 90)
    threshold, local = torch.zeros(130), torch.from_numpy(rng.normal(0, 1, (150, 130)).astype(np.float32))
    gradient = torch.from_numpy(rng.normal(0, 1, (150, 8, 130)).astype(np.float32))
    below = torch.from_numpy(rng.integers(0, 8, (150, 90)).astype(np.uint8))
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            source = source_of(spikes, 8)
            steps, reach, margin = native_training.crossing(source, latent, threshold)
            results.append(
                [
                    steps,
                    reach,
                    margin,
                    native_training.potentials(source, latent),
                    native_training.impulse_gradient(source, latent, reach, local, 1.0),
                    native_training.impulse_gradient(source, latent, reach, local, 0.5),
                    native_training.impulse_credit(below, latent, reach, local, 8),
                    native_training.potential_gradient(source, latent, gradient, 1.0),
                    native_training.potential_gradient(source, latent[:7], gradient[:, :, :7].contiguous(), 0.5),
                    native_training.potential_credit(below, latent, gradient),
                ]
            )
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert torch.equal(a, b)


def test_more_events_than_16_bits_count():
    count = 40_000
    events = Events(
        np.array([0, count]), np.zeros(count, np.uint16), np.sort(np.arange(count) % 5).astype(np.uint8), 2, 5
    )
    latent = torch.tensor([[0.5, 0.5], [-0.5, 0.5], [0.5, -0.5]])
    threshold = torch.tensor([39_999.5, -39_999.0, 50_000.0])
    source = EventSource(events)
    for a, b in zip(
        native_training.crossing(source, latent, threshold), dense.crossing(source, latent, threshold), strict=True
    ):
        assert torch.equal(a, b)


def test_which_engine_trains_what():
    latent = torch.zeros(2, 3)
    assert choose.training(None, latent).NAME == "native"
    assert choose.training(None, latent.double()).NAME == "dense"
    assert choose.training("dense", latent).NAME == "dense"
    with pytest.raises(InputError, match=r"float32 on a CPU, not torch\.float64"):
        choose.training("native", latent.double())
    with pytest.raises(InputError, match="no training engine 'oracle'; choose native or dense"):
        choose.training("oracle", latent)


def test_the_module_itself_refuses_what_does_not_fit():
    rows = _native.SpikeRows(np.zeros((4, 3), np.uint8), 8, 1)
    f = np.float32
    weights, steps, margin = np.zeros((5, 3), f), np.zeros((4, 5), np.uint8), np.zeros((4, 5), f)
    _native.crossing(rows, weights, np.zeros(5, f), steps, steps.copy(), margin, 1)
    wrong = [
        lambda: _native.SpikeRows(np.full((4, 3), 9, np.uint8), 8, 1),
        lambda: _native.SpikeRows(np.zeros((4, 3), np.uint8), 255, 1),
        lambda: _native.SpikeRows(np.zeros((4, 0), np.uint8), 8, 1),
        lambda: _native.crossing(rows, np.zeros((5, 4), f), np.zeros(5, f), steps, steps, margin, 1),
        lambda: _native.crossing(rows, weights, np.zeros(4, f), steps, steps, margin, 1),
        lambda: _native.crossing(rows, weights, np.zeros(5, f), steps[:3], steps, margin, 1),
        lambda: _native.potentials(rows, weights, np.zeros((4, 7, 5), f), 1),
        lambda: _native.impulse_gradient(rows, weights, steps[:3], margin, 1.0, weights.copy(), 1),
        lambda: _native.impulse_gradient(rows, weights, steps, margin[:3], 1.0, weights.copy(), 1),
        lambda: _native.impulse_credit(np.full((4, 3), 8, np.uint8), weights, steps, margin, 8, np.zeros((4, 3), f), 1),
        lambda: _native.impulse_credit(
            np.zeros((4, 3), np.uint8), weights, steps + 8, margin, 8, np.zeros((4, 3), f), 1
        ),
        lambda: _native.potential_gradient(rows, weights, np.zeros((4, 7, 5), f), 1.0, weights.copy(), 1),
        lambda: _native.potential_credit(
            np.full((4, 3), 8, np.uint8), weights, np.zeros((4, 8, 5), f), np.zeros((4, 3), f), 1
        ),
        lambda: _native.SpikeRows.of_events(
            np.array([0, 2]), np.array([0, 0], np.uint16), np.array([3, 1], np.uint8), 3, 8
        ),
        lambda: _native.SpikeRows.of_events(
            np.array([0, 2]), np.array([0, 3], np.uint16), np.array([1, 3], np.uint8), 3, 8
        ),
        lambda: _native.SpikeRows.of_events(
            np.array([0, 3]), np.array([0, 0], np.uint16), np.array([1, 3], np.uint8), 3, 8
        ),
        lambda: _native.SpikeRows.of_events(
            np.array([0, -1, 2]), np.array([0, 0], np.uint16), np.array([1, 3], np.uint8), 3, 8
        ),
    ]
    for refused in wrong:
        with pytest.raises(ValueError, match=r"."):
            refused()
