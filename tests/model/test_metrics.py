"""Synaptic operations of layers in which some channels reach more neurons than others."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import INPUT_KINDS, events_of, make_events, make_steps, seeds, step_numbers

from bstdg.model.metrics import Tally, fan_out, operations


@given(seeds(), st.sampled_from([make_steps, make_events]), st.sampled_from(INPUT_KINDS), step_numbers())
def test_every_spike_up_to_the_decision_passes_the_synapses_of_its_channel(rng, make, kind, num_steps):
    spikes, decided = make(rng, kind, 3, 5, num_steps), rng.integers(0, num_steps, 3)
    reached = rng.integers(0, 9, 5)
    events = [
        (channel, when, last) for i, last in enumerate(decided) for channel, when in events_of(spikes, i, num_steps)
    ]
    assert operations(spikes, decided, reached) == sum(
        reached[channel] for channel, when, last in events if when <= last
    )
    assert operations(spikes, decided, 4) == sum(4 for _, when, last in events if when <= last)


@pytest.mark.parametrize("each", [[3], [3, 3, 3]])
def test_a_fan_out_that_all_channels_share_is_one_number(each):
    found = fan_out(SimpleNamespace(fan_out=lambda: np.array(each)))
    assert isinstance(found, int)
    assert found == 3


@pytest.mark.parametrize("each", [[3, 4, 3], [3, 3, 4], [4, 3, 3], [1, 3, 3, 3]])
def test_a_fan_out_that_differs_is_told_for_each_channel(each):
    assert fan_out(SimpleNamespace(fan_out=lambda: np.array(each))).tolist() == each


def test_accuracy_by_weight_and_how_many_equal_samples_tell_as_much():
    from bstdg.engine.decide import Decision

    tally, none = Tally(8, (4, 3)), np.zeros(4, bool)
    labels = np.array([0, 1, 2, 2])
    decision = Decision(np.array([0, 1, 1, 2]), np.zeros(4, np.int64), none, none, np.zeros((4, 3), bool))
    assert tally.weighted_accuracy() is None
    tally.weigh(decision, labels, np.array([1.0, 1.0, 1.0, 5.0]))
    assert tally.weighted_accuracy() == (7 / 8, 64 / 28)
    tally.weigh(decision, labels, np.full(4, 2.0))  # of another batch
    assert tally.weighted_accuracy() == (13 / 16, 256 / 44)
