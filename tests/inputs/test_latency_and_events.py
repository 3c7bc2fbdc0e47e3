"""Pixels and events become the steps that the formulas say, and nothing else gets in."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import events_of, make_events, make_steps

from bstdg.errors import InputError
from bstdg.inputs.latency import latency
from bstdg.spikes.events import MAX_CHANNELS, MAX_STEPS, Events, never


def exact_step(x: Fraction, num_steps: int, silent_below: Fraction = Fraction(0)) -> int:
    """The formula in exact arithmetic: floor((1 - x) T), T at or below `silent_below`."""
    return num_steps if x <= silent_below else floor((1 - x) * num_steps)


# --- never -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_steps", [1, 2, 8, 253, 254, np.int64(8), np.uint8(8)])
def test_never_is_the_number_of_steps(num_steps):
    assert never(num_steps) == num_steps
    assert type(never(num_steps)) is int


@pytest.mark.parametrize("num_steps", [0, -1, 255, 256, 2**40, 8.0, "8", None, True, np.float32(8), [8]])
def test_never_refuses(num_steps):
    with pytest.raises(InputError, match="num_steps must be"):
        never(num_steps)


@pytest.mark.parametrize("num_steps", [0, -3, 255, 8.0, True])
def test_latency_refuses_a_bad_number_of_steps(num_steps):
    with pytest.raises(InputError, match="num_steps must be"):
        latency(np.zeros((1, 1), np.uint8), num_steps)


# --- the formula -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_steps", [1, 2, 3, 7, 8, 16, 85, 100, 128, 253, 254])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, ">u2"])
def test_integer_pixels_are_exact(num_steps, dtype):
    pixels = np.arange(256).astype(dtype)
    steps = latency(pixels[None], num_steps)
    assert steps.dtype == np.uint8
    assert steps[0].tolist() == [exact_step(Fraction(value, 255), num_steps) for value in range(256)]


@pytest.mark.parametrize("num_steps", [1, 8, 254])
@pytest.mark.parametrize("white", [1, 15, 16, 100, 4095, 65_535])
def test_any_white_is_exact(num_steps, white):
    pixels = np.unique(np.linspace(0, white, 500).astype(np.int64))
    steps = latency(pixels[None], num_steps, white=white)
    assert steps[0].tolist() == [exact_step(Fraction(int(value), white), num_steps) for value in pixels]


@given(st.integers(1, MAX_STEPS), st.lists(st.integers(0, 2**20), min_size=1, max_size=20))
def test_float_pixels_are_exact_where_float64_is(num_steps, numerators):
    x = np.array(numerators) / 2**20  # 1 - x and its product with T fit a float64's 53 bits
    expected = [exact_step(Fraction(n, 2**20), num_steps) for n in numerators]
    assert latency(x[None], num_steps)[0].tolist() == expected
    assert latency(x[None].astype(np.float32), num_steps)[0].tolist() == expected
    assert latency(4 * x[None], num_steps, white=4.0)[0].tolist() == expected


def test_float32_pixels_are_not_rounded_on_the_way():
    dark = np.array([[2.0**-30]], np.float32)  # 1 - x is 1 in float32, which would be silent
    assert latency(dark, 8).tolist() == [[7]]
    assert latency(dark.astype(np.float16) + np.float16(2.0**-14), 8).tolist() == [[7]]


@given(st.integers(1, MAX_STEPS), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_any_float_pixel_is_within_a_rounding_of_exact(num_steps, shades):
    steps = latency(np.array([shades]), num_steps)[0].tolist()
    for shade, step in zip(shades, steps, strict=True):
        slack = Fraction(num_steps, 2**51)
        earliest = exact_step(min(Fraction(1), Fraction(shade) + slack), num_steps)
        latest = exact_step(max(Fraction(0), Fraction(shade) - slack), num_steps)
        assert earliest <= step <= latest


@pytest.mark.parametrize("num_steps", [1, 8, 254])
def test_white_fires_at_once_and_black_never(num_steps):
    assert latency(np.array([[255, 0]], np.uint8), num_steps).tolist() == [[0, num_steps]]
    assert latency(np.array([[1.0, 0.0]]), num_steps).tolist() == [[0, num_steps]]


def test_integers_and_floats_mean_different_whites():
    assert latency(np.array([[1]]), 8).tolist() == [[7]]
    assert latency(np.array([[1.0]]), 8).tolist() == [[0]]


@pytest.mark.parametrize("white", [100, 255])
def test_silent_below_is_included_and_the_same_for_integers_and_floats(white):
    pixels = np.arange(white + 1)
    for silent in range(0, white):  # a share that is exactly a pixel value silences that value
        expected = [
            exact_step(Fraction(value, white), 8, Fraction(silent, white)) for value in (silent, silent + 1, white)
        ]
        chosen = pixels[[silent, silent + 1, white]]
        assert latency(chosen[None], 8, white=white, silent_below=silent / white)[0].tolist() == expected
        assert latency(chosen[None] * 1.0, 8, white=white, silent_below=silent / white)[0].tolist() == expected


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 3, 5), (4, 1, 2, 3)])
def test_images_are_flattened_to_rows(shape):
    pixels = np.arange(int(np.prod(shape)), dtype=np.uint8).reshape(shape)
    steps = latency(pixels, 8)
    assert steps.shape == (4, int(np.prod(shape[1:])))
    np.testing.assert_array_equal(steps.ravel(), latency(pixels.reshape(-1, 1), 8).ravel())


def test_nothing_is_written_to_the_images_and_lists_are_read():
    pixels = np.full((2, 3), 200, np.uint8)
    pixels.flags.writeable = False
    latency(pixels, 8)
    assert latency([[255, 0]], 8).tolist() == [[0, 8]]


def test_a_batch_of_no_images_has_no_steps():
    assert latency(np.zeros((0, 28, 28), np.uint8), 8).shape == (0, 784)
    assert latency(np.zeros((0, 5)), 8).shape == (0, 5)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.array([[0.5, np.nan, np.nan]]), {}, "2 pixels that are not a number"),
        (np.array([[-0.1]]), {}, "negative"),
        (np.array([[-np.inf]]), {}, "negative"),
        (np.array([[-1]]), {}, "negative"),
        (np.array([[1.5]]), {}, "above white"),
        (np.array([[np.inf]]), {}, "above white"),
        (np.array([[256]]), {}, "above white"),
        (np.array([[17]], np.uint8), {"white": 16}, "above white"),
        (np.array([[True]]), {}, "numbers, not bool"),
        (np.array([["1"]]), {}, "numbers, not <U1"),
        (np.array([[1j]]), {}, "numbers, not complex"),
        (np.array([[None]]), {}, "numbers, not object"),
        (np.uint8(3), {}, r"numbers, not uint8 \[\]"),
        (np.array([[1]]), {"white": 0}, "white must be"),
        (np.array([[1]]), {"white": -255}, "white must be"),
        (np.array([[1]]), {"white": np.nan}, "white must be"),
        (np.array([[1]]), {"white": np.inf}, "white must be"),
        (np.array([[1]]), {"silent_below": 1.0}, "silent_below must be"),
        (np.array([[1]]), {"silent_below": -0.1}, "silent_below must be"),
        (np.array([[1]]), {"silent_below": np.nan}, "silent_below must be"),
    ],
)
def test_latency_refuses(images, options, message):
    with pytest.raises(InputError, match=message):
        latency(images, 8, **options)


# --- events ----------------------------------------------------------------------------------------------------------


def some_events(batch: int = 5, channels: int = 4, num_steps: int = 6, seed: int = 0) -> Events:
    return make_events(np.random.default_rng(seed), "random", batch, channels, num_steps)


@given(st.integers(0, 4), st.integers(1, 6), st.integers(1, 20), st.integers(0, 99))
def test_steps_become_events_and_come_back(batch, channels, num_steps, seed):
    steps = make_steps(np.random.default_rng(seed), "random", batch, channels, num_steps)
    events = Events.from_steps(steps, num_steps)
    assert len(events) == batch
    assert (events.channels.dtype, events.steps.dtype, events.offsets.dtype) == (np.uint16, np.uint8, np.int64)
    for sample in range(batch):
        by_step = [(step, channel) for channel, step in events_of(events, sample, num_steps)]
        assert by_step == sorted((s, c) for c, s in enumerate(steps[sample].tolist()) if s < num_steps)
    np.testing.assert_array_equal(events.first_steps(), steps)


def test_first_steps_are_the_earliest_of_each_channel():
    events = some_events()
    first = events.first_steps()
    assert first.dtype == np.uint8
    for sample in range(len(events)):
        own = events_of(events, sample, 6)
        assert first[sample].tolist() == [min([s for c, s in own if c == channel], default=6) for channel in range(4)]


@pytest.mark.parametrize("index", [[3, 0, 0, -1], [2], np.array([], np.int64), [False, True, True, False, True]])
def test_select_takes_samples_in_order(index):
    events = some_events()
    chosen = events.select(index)
    rows = np.arange(5)[index].tolist()
    assert len(chosen) == len(rows)
    assert (chosen.num_channels, chosen.num_steps) == (4, 6)
    for new, old in enumerate(rows):
        assert events_of(chosen, new, 6) == events_of(events, old, 6)


def test_select_refuses_a_sample_that_is_not_there():
    with pytest.raises(IndexError):
        some_events().select([5])


def good_fields() -> dict:
    return {
        "offsets": np.array([0, 2, 3]),
        "channels": np.array([0, 3, 1], np.uint16),
        "steps": np.array([0, 7, 7], np.uint8),
        "num_channels": 4,
        "num_steps": 8,
    }


def test_good_events_are_taken():
    events = Events(**good_fields())
    assert events_of(events, 0, 8) == [(0, 0), (3, 7)]
    assert len(Events(np.array([0]), np.zeros(0, np.uint16), np.zeros(0, np.uint8), 1, 1)) == 0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("offsets", np.array([0, 2, 4]), "offsets must rise"),
        ("offsets", np.array([1, 2, 3]), "offsets must rise"),
        ("offsets", np.array([0, 3, 2, 3]), "offsets must rise"),
        ("offsets", np.array([0, -1, 3]), "offsets must rise"),
        ("offsets", np.array([], np.int64), "offsets must be int64"),
        ("offsets", np.array([[0, 3]]), "offsets must be int64"),
        ("offsets", np.array([0, 2, 3], np.int32), "offsets must be int64"),
        ("offsets", np.array([0.0, 2.0, 3.0]), "offsets must be int64"),
        ("channels", np.array([0, 4, 1], np.uint16), "channel 4 is outside 0 … 3"),
        ("channels", np.array([0, 1], np.uint16), "offsets must rise"),
        ("steps", np.array([0, 8, 7], np.uint8), "step 8 is outside 0 … 7"),
        ("steps", np.array([0, 7], np.uint8), "equal in length"),
        ("steps", np.array([[0], [7], [7]], np.uint8), "equal in length"),
        ("num_channels", 0, "num_channels must be"),
        ("num_channels", MAX_CHANNELS + 1, "num_channels must be"),
        ("num_channels", 4.0, "num_channels must be"),
        ("num_steps", 0, "num_steps must be"),
        ("num_steps", 255, "num_steps must be"),
        # a negative channel or step would pass the check of the greatest one and read from the other end
        ("channels", np.array([0, -1, 1]), "uint16"),
        ("channels", np.array([0.0, 1.0, 1.0]), "uint16"),
        ("steps", np.array([0, -1, 7]), "uint8"),
        ("steps", np.array([0.0, 0.5, 7.0]), "uint8"),
        ("steps", np.array([7, 0, 7], np.uint8), "must rise by step, then channel"),
    ],
)
def test_events_refuse(field, value, message):
    with pytest.raises(InputError, match=message):
        Events(**(good_fields() | {field: value}))


def test_events_of_one_step_rise_by_channel_and_only_within_a_sample():
    offsets, steps = np.array([0, 2, 4]), np.array([3, 3, 0, 0], np.uint8)
    Events(offsets, np.array([1, 1, 0, 2], np.uint16), steps, 4, 8)
    with pytest.raises(InputError, match="must rise by step, then channel"):
        Events(offsets, np.array([1, 1, 2, 0], np.uint16), steps, 4, 8)
