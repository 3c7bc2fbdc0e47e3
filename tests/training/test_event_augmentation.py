"""Augmentation of recordings: each change does what it says, to each recording by itself, and leaves CSR rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bstdg.errors import InputError
from bstdg.learning.recipe import EventAugmentation
from bstdg.training.event_augmentation import augment

CHANNELS = 50


def rows(lengths, seed=0):
    rng = np.random.default_rng(seed)
    total = sum(lengths)
    return (
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        rng.integers(0, CHANNELS, total).astype(np.uint16),
        rng.uniform(0, 1, total).astype(np.float16),
    )


def change(augmentation, made, labels=None, seed=1):
    labels = np.zeros(len(made[0]) - 1, np.int64) if labels is None else np.asarray(labels)
    return augment(augmentation, made, labels, CHANNELS, np.random.default_rng(seed))


def parts(made):
    return [(made[1][a:b], made[2][a:b]) for a, b in zip(made[0][:-1], made[0][1:], strict=True)]


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=5),
    st.integers(0, 99),
    st.builds(
        EventAugmentation,
        channel_shift=st.integers(0, 60),
        channel_stretch=st.sampled_from([0.0, 0.3]),
        time_stretch=st.sampled_from([0.0, 0.3]),
        time_shift=st.sampled_from([0.0, 0.2]),
        time_jitter=st.sampled_from([0.0, 0.1]),
        event_dropout=st.sampled_from([0.0, 0.6]),
        mixup=st.sampled_from([0.0, 0.5, 1.0]),
    ),
)
def test_what_comes_out_are_recordings_again_and_the_same_draws_give_the_same(lengths, seed, augmentation):
    made = rows(lengths, seed)
    labels = np.arange(len(lengths)) % 2
    one, two = (change(augmentation, made, labels, seed) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    offsets, channels, times = one
    assert offsets[0] == 0
    assert (np.diff(offsets) >= 0).all()
    assert offsets[-1] == len(channels) == len(times)
    assert channels.dtype == np.uint16
    assert not channels.size or channels.max() < CHANNELS
    assert not times.size or times.min() >= 0


def test_nothing_asked_for_nothing_changed():
    made = rows([5, 0, 3])
    for a, b in zip(change(EventAugmentation(), made), made, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_shift_moves_all_channels_of_a_recording_alike():
    made = rows([40] * 8)
    moves = set()
    for (channels, _), (before, _) in zip(
        parts(change(EventAugmentation(channel_shift=3), made)), parts(made), strict=True
    ):
        # what left the range is lost, the rest keeps its order
        fits = [
            m
            for m in range(-3, 4)
            if np.array_equal(channels, [c + m for c in before.astype(int) if 0 <= c + m < CHANNELS])
        ]
        assert len(fits) == 1
        moves.update(fits)
    assert len(moves) > 1  # each recording has a move of its own
    assert min(moves) < 0 < max(moves)


def test_a_stretch_scales_all_times_of_a_recording_alike():
    made = rows([30] * 6)
    factors = []
    for (_, times), (_, before) in zip(
        parts(change(EventAugmentation(time_stretch=0.25), made)), parts(made), strict=True
    ):
        ratio = times / before.astype(np.float32)
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
        factors.append(ratio[0])
    assert 0.75 <= min(factors) < 1 < max(factors) <= 1.25


def test_jitter_moves_each_event_by_itself():
    made = rows([500])
    moved = change(EventAugmentation(time_jitter=0.001), (made[0], made[1], made[2] + np.float16(1)))
    difference = moved[2] - (made[2] + np.float16(1)).astype(np.float32)
    assert 0.0005 < difference.std() < 0.002
    assert len(np.unique(difference)) > 400


def test_dropout_loses_up_to_its_share():
    made = rows([1000] * 20)
    lost = 1 - np.diff(change(EventAugmentation(event_dropout=0.5), made)[0]) / 1000
    assert lost.max() < 0.56
    assert lost.max() - lost.min() > 0.2  # a share for each recording


def test_mixup_takes_events_of_recordings_of_the_same_class_only():
    offsets = np.arange(0, 401, 100)
    channels = np.repeat([1, 2, 3, 4], 100).astype(np.uint16)  # a recording is known by its channel
    made = (offsets, channels, np.zeros(400, np.float16))
    seen = [set(part.tolist()) for part, _ in parts(change(EventAugmentation(mixup=1.0), made, [0, 0, 1, 1], seed=3))]
    assert seen[0] | seen[1] == {1, 2}
    assert seen[2] | seen[3] == {3, 4}
    assert any(len(part) == 2 for part in seen)


@pytest.mark.parametrize(
    "fields",
    [
        {"channel_shift": -1},
        {"time_jitter": float("nan")},
        {"time_stretch": 1.0},
        {"event_dropout": -0.1},
        {"mixup": 1.1},
    ],
)
def test_impossible_augmentations_are_refused(fields):
    with pytest.raises(InputError, match=f"events.{next(iter(fields))}"):
        EventAugmentation(**fields)
