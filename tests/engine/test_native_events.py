"""The native event encoder against its twin in Python, and its answers to bad input."""

from __future__ import annotations

import gc
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bstdg._native import bin_events as native_bin_events
from bstdg.engine import oracle_events
from bstdg.errors import InputError
from bstdg.spikes.events import Events, Keep, bin_events

KEEPS: tuple[Keep, ...] = get_args(Keep)
MOST = 2**63 - 1

Stream = tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Arguments of `bin_events`: few channels and times near the borders of steps, so that events collide."""
    num_steps = draw(st.sampled_from([1, 2, 7, 8, 100, 253, 254]))
    num_channels = draw(st.sampled_from([1, 3, 256, 257, 65_535]))
    duration = draw(st.sampled_from([1.0, 0.1, 1 / 3, 1e-12, 1e6, 1e300]) | st.floats(1e-3, 1e3))
    start = draw(st.sampled_from([0.0, -0.0, 0.1, -7.3, 1e9, -1e300]))

    def on_border(step: int) -> float:
        return start + step * duration / num_steps

    border = st.integers(-1, num_steps + 1).map(on_border)
    time = st.one_of(
        border,
        border.map(lambda t: float(np.nextafter(t, np.inf))),
        border.map(lambda t: float(np.nextafter(t, -np.inf))),
        st.floats(0, 1).map(lambda share: start + share * duration),
        st.floats(allow_nan=False, allow_infinity=False),
    )
    edges = st.sampled_from([0, num_channels - 1, min(255, num_channels - 1), min(256, num_channels - 1)])
    event = st.tuples(edges | st.integers(0, num_channels - 1), time)
    samples = draw(st.lists(st.lists(event, max_size=12), max_size=4))
    events = [event for sample in samples for event in sample]
    return (
        np.cumsum([0, *map(len, samples)], dtype=np.int64),
        np.array([channel for channel, _ in events], np.uint16),
        np.array([time for _, time in events], np.float64),
        {"num_channels": num_channels, "num_steps": num_steps, "duration": duration, "start": start},
    )


def assert_same(found: Events, expected: Events) -> None:
    for name in ("offsets", "channels", "steps"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours.dtype == theirs.dtype, name
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


@settings(max_examples=300, deadline=None)
@given(streams(), st.sampled_from(KEEPS))
def test_native_equals_its_twin(stream: Stream, keep: Keep) -> None:
    offsets, channels, times, options = stream
    before = offsets.copy(), channels.copy(), times.copy()
    found = bin_events(offsets, channels, times, **options, keep=keep)
    assert_same(found, oracle_events.bin_events(offsets, channels, times, **options, keep=keep))
    for given_array, copy in zip((offsets, channels, times), before, strict=True):
        np.testing.assert_array_equal(given_array, copy)


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("num_channels", [1, 200, 700, 65_535])
def test_long_streams(num_channels: int, keep: Keep) -> None:
    random = np.random.default_rng(num_channels)
    offsets = np.array([0, 0, 3_000, 3_001, 6_000, 6_000])
    channels = random.integers(0, num_channels, 6_000)
    times = random.uniform(-0.05, 1.05, 6_000)
    options = {"num_channels": num_channels, "num_steps": 254, "duration": 1.0}
    found = bin_events(offsets, channels, times, **options, keep=keep)
    assert_same(found, oracle_events.bin_events(offsets, channels, times, **options, keep=keep))


def test_keep() -> None:
    times, channels = [0.6, 0.1, 0.2, 0.7, 0.3], [0, 1, 0, 0, 1]

    def kept(keep: Keep) -> list[tuple[int, int]]:
        events = bin_events([0, 5], channels, times, num_channels=2, num_steps=2, duration=1.0, keep=keep)
        return list(zip(events.steps.tolist(), events.channels.tolist(), strict=True))

    assert kept("all") == [(0, 0), (0, 1), (0, 1), (1, 0), (1, 0)]
    assert kept("one_per_step") == [(0, 0), (0, 1), (1, 0)]
    assert kept("first") == [(0, 0), (0, 1)]


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("num_samples", [0, 1, 5])
def test_no_events(num_samples: int, keep: Keep) -> None:
    events = bin_events([0] * (num_samples + 1), [], [], num_channels=1, num_steps=1, duration=1.0, keep=keep)
    assert len(events) == num_samples
    assert events.offsets.tolist() == [0] * (num_samples + 1)
    assert (events.channels.dtype, events.channels.shape) == (np.uint16, (0,))
    assert (events.steps.dtype, events.steps.shape) == (np.uint8, (0,))


def test_steps_are_numpys_floor_bit_for_bit() -> None:
    times = np.linspace(0.0, 1.0, 20_001)[:-1] * 0.7 + 0.1
    for num_steps in (1, 3, 10, 49, 254):
        steps = np.floor((times - 0.1) * (num_steps / 0.7))
        expected = np.sort(steps[(steps >= 0) & (steps < num_steps)]).astype(np.uint8)
        found = bin_events(
            [0, len(times)],
            np.zeros(len(times), int),
            times,
            num_channels=1,
            num_steps=num_steps,
            duration=0.7,
            start=0.1,
        )
        np.testing.assert_array_equal(found.steps, expected)


def test_each_array_keeps_its_own_memory() -> None:
    steps = [native()[2] for _ in range(50)]  # all else each call made is gone
    gc.collect()
    steps[0][0] = 7
    assert steps[0].tolist() == [7, 4, 7]
    assert all(row.tolist() == [0, 4, 7] for row in steps[1:])


def test_read_only_arrays_will_do() -> None:
    arrays = {"offsets": np.array([0, 1]), "channels": np.zeros(1, np.uint16), "times": np.zeros(1)}
    for array in arrays.values():
        array.flags.writeable = False
    assert native(**arrays)[2].tolist() == [0]


GOOD: dict[str, Any] = {
    "offsets": np.array([0, 2, 3], np.int64),
    "channels": np.array([0, 1, 2], np.uint16),
    "times": np.array([0.0, 0.5, 0.9]),
    "num_channels": 3,
    "num_steps": 8,
    "duration": 1.0,
    "start": 0.0,
    "keep": "all",
}
BAD: list[tuple[str, list[dict[str, Any]]]] = [
    ("offset", [{"offsets": np.array(o, np.int64)} for o in ([], [0], [1, 3], [0, 2], [0, 4], [0, 2, 1, 3])]),
    ("offset", [{"offsets": np.array(o, np.int64)} for o in ([0, -1, 3], [0, MOST, 3], [-MOST - 1, 3], [0, MOST])]),
    ("equal in length", [{"channels": np.zeros(2, np.uint16)}, {"times": np.zeros(2)}, {"times": np.zeros(4)}]),
    ("channel of event 2 must", [{"channels": np.array([0, 1, c], np.uint16)} for c in (3, 65_535)]),
    ("channel of event 0 must", [{"channels": np.full(3, 3, np.uint16), "times": np.full(3, 99.0)}]),  # left out
    ("time of event 1 is not", [{"times": np.array([0.0, t, 0.0])} for t in (np.nan, np.inf, -np.inf)]),
    ("num_channels must", [{"num_channels": c} for c in (0, -1, 65_536, MOST)]),
    ("num_steps must", [{"num_steps": t} for t in (0, -1, 255, MOST)]),
    ("duration must", [{"duration": d} for d in (0.0, -1.0, np.nan, np.inf)]),
    ("start must", [{"start": t} for t in (np.nan, np.inf, -np.inf)]),
    ("keep must", [{"keep": k} for k in ("", "last", "ALL")]),
]


def native(**change: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return native_bin_events(**(GOOD | change))


@pytest.mark.parametrize(
    ("message", "change"), [(message, change) for message, changes in BAD for change in changes], ids=str
)
def test_bad_input_is_refused(message: str, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=message):
        native(**change)
    arguments = GOOD | change
    arrays = [arguments.pop(name) for name in ("offsets", "channels", "times")]
    with pytest.raises(InputError):
        bin_events(*arrays, **arguments)


def test_offsets_whose_differences_wrap_around_are_refused() -> None:
    # Each difference, taken in int64, is positive.
    with pytest.raises(ValueError, match="offset 1 must be"):
        native(offsets=np.array([0, MOST, -MOST - 1, -1, 3], np.int64))


def test_a_duration_too_short_for_float64_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        native(duration=5e-324)


@pytest.mark.parametrize(
    "change",
    [
        {"offsets": np.array([0, 2, 3], np.int32)},
        {"channels": np.array([0, 1, 2], np.int64)},
        {"times": np.zeros(3, np.float32)},
        {"times": np.zeros((3, 1))},
        {"times": np.zeros(6)[::2]},
        {"times": [0.0, 0.5, 0.9]},
        {"times": None},
        {"num_channels": 2.5},
        {"num_channels": 2**70},
        {"keep": None},
    ],
    ids=str,
)
def test_arguments_of_another_type_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        native(**change)
