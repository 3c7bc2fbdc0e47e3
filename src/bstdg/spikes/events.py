"""Spike *steps*: the only form in which anything enters a network.

A step is an integer 0 … T-1. Images give at most one spike a pixel, as `uint8` `[batch, features]` in which the
value T means "never fired" (see `never`). Event streams may spike several times a channel and are kept as compressed
rows (`Events`). Both are pure functions of their input: nothing is remembered between calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bstdg.errors import InputError
from bstdg.whole import whole

MAX_STEPS = 254  # a step fits one byte, and 255 stays free for file formats
MAX_CHANNELS = 65_535  # a channel number fits two bytes

Keep = Literal["all", "one_per_step", "first"]


def never(num_steps: int) -> int:
    """The step that means "never fired": the integer T itself.

    Raises:
        InputError: `num_steps` is not an integer in 1 … 254.

    >>> never(8)
    8
    """
    number = whole(num_steps)
    if number is None:
        raise InputError(f"num_steps must be an integer in 1 … {MAX_STEPS}, not {num_steps!r}")
    if not 1 <= number <= MAX_STEPS:
        raise InputError(f"num_steps must be in 1 … {MAX_STEPS}, not {number}: a step is stored in one byte")
    return number


@dataclass(frozen=True)
class Events:
    """A batch of event streams as compressed rows, sorted by step, then channel, within each sample.

    The arrays are not copied, and are checked now: do not write into them afterwards.

    Attributes:
        offsets: `int64` `[batch + 1]`; sample n owns events `offsets[n] … offsets[n + 1] - 1`.
        channels: `uint16` `[events]`, each below `num_channels`.
        steps: `uint8` `[events]`, each below `num_steps`.
        num_channels: input width of the network that reads them.
        num_steps: T.
    """

    offsets: NDArray[np.int64]
    channels: NDArray[np.uint16]
    steps: NDArray[np.uint8]
    num_channels: int
    num_steps: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "num_steps", never(self.num_steps))
        object.__setattr__(self, "num_channels", _channels(self.num_channels))
        check_offsets(self.offsets, len(self.channels))
        if self.channels.dtype != np.uint16 or self.steps.dtype != np.uint8:
            raise InputError(
                f"channels must be uint16 and steps uint8, not {self.channels.dtype} and {self.steps.dtype}"
            )
        if self.channels.shape != self.steps.shape or self.channels.ndim != 1:
            raise InputError(f"channels {self.channels.shape} and steps {self.steps.shape} must be equal in length")
        if self.channels.size and int(self.channels.max()) >= self.num_channels:
            raise InputError(f"channel {int(self.channels.max())} is outside 0 … {self.num_channels - 1}")
        if self.steps.size and int(self.steps.max()) >= self.num_steps:
            raise InputError(f"step {int(self.steps.max())} is outside 0 … {self.num_steps - 1}")
        place = self.steps.astype(np.int64) * (MAX_CHANNELS + 1) + self.channels
        falls = 1 + np.flatnonzero(place[1:] < place[:-1])
        if (self.offsets[np.searchsorted(self.offsets, falls)] != falls).any():
            raise InputError("events must rise by step, then channel, within each sample; bin_events sorts them")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, part: slice) -> Events:
        return self.select(np.arange(len(self))[part])

    def select(self, index: ArrayLike) -> Events:
        """The samples named by `index` (integers), in that order."""
        rows = np.arange(len(self))[np.asarray(index)]
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        take = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Events(offsets, self.channels[take], self.steps[take], self.num_channels, self.num_steps)

    def samples(self) -> NDArray[np.int64]:
        """Which sample each event is of, `[events]`."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def first_steps(self) -> NDArray[np.uint8]:
        """First step of every channel, `uint8` `[batch, num_channels]`, T where a channel is silent."""
        first = np.full((len(self), self.num_channels), self.num_steps, np.uint8)
        np.minimum.at(first, (self.samples(), self.channels), self.steps)
        return first

    @classmethod
    def from_steps(cls, steps: NDArray[np.uint8], num_steps: int) -> Events:
        """Rows `[batch, features]` of single spikes as events.

        >>> Events.from_steps(np.array([[1, 8, 0]], np.uint8), num_steps=8).channels
        array([2, 0], dtype=uint16)
        """
        sample, channel = np.nonzero(steps < num_steps)
        step = steps[sample, channel]
        order = np.lexsort((channel, step, sample))
        offsets = np.concatenate([[0], np.cumsum(np.bincount(sample, minlength=len(steps)))])
        return cls(
            offsets.astype(np.int64),
            channel[order].astype(np.uint16),
            step[order].astype(np.uint8),
            steps.shape[1],
            num_steps,
        )


def _channels(num_channels: int) -> int:
    """The number of channels, as an int of Python; raises `InputError` unless it is in 1 … MAX_CHANNELS."""
    number = whole(num_channels)
    if number is None or not 1 <= number <= MAX_CHANNELS:
        raise InputError(f"num_channels must be an integer in 1 … {MAX_CHANNELS}, not {num_channels!r}")
    return number


def check_offsets(offsets: np.ndarray, num_events: int) -> None:
    """Raise `InputError` unless `offsets` runs from 0 to `num_events` without falling."""
    if offsets.ndim != 1 or len(offsets) < 1 or offsets.dtype != np.int64:
        raise InputError(f"offsets must be int64 [batch + 1], not {offsets.dtype} {list(offsets.shape)}")
    if offsets[0] != 0 or offsets[-1] != num_events or (offsets[1:] < offsets[:-1]).any():
        raise InputError(f"offsets must rise from 0 to the number of events ({num_events})")


def bin_events(
    offsets: ArrayLike,
    channels: ArrayLike,
    times: ArrayLike,
    *,
    num_channels: int,
    num_steps: int,
    duration: float,
    start: float = 0.0,
    keep: Keep = "all",
) -> Events:
    """Timed events become steps: `step = floor((time - start) * (T / duration))`.

    Events before `start` or from `start + duration` on (by that formula: step < 0 or step >= T) are left out.
    Computed by the native module; `bstdg.engine.oracle.bin_events` is its twin in NumPy.

    Args:
        offsets: integers `[batch + 1]`, where each sample's events start and end.
        channels: integers `[events]`, 0 … num_channels - 1.
        times: real numbers `[events]`, in the unit of `duration`; any order.
        num_channels: input width.
        num_steps: T, 1 … 254.
        duration: the time that T steps span; positive.
        start: the time of step 0.
        keep: "all" events, "one_per_step" (a channel spikes at most once a step), or only the "first" of a channel.

    Raises:
        InputError: a length, a channel, a time or a range is off.
    """
    from bstdg._native import bin_events as native_bin_events

    num_steps, num_channels = never(num_steps), _channels(num_channels)
    try:
        per_time = num_steps / float(duration)
        origin = float(start)
        clock = np.ascontiguousarray(times, np.float64)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"times, duration and start must be numbers, and duration positive: {error}") from None
    if not (0 < per_time < np.inf and np.isfinite(duration) and np.isfinite(origin)):
        raise InputError(f"duration must be a positive number and start a number, not {duration} and {start}")
    if keep not in ("all", "one_per_step", "first"):
        raise InputError(f'keep must be "all", "one_per_step" or "first", not {keep!r}')
    rows, wires = np.asarray(offsets), np.asarray(channels)
    if not np.issubdtype(rows.dtype, np.integer):
        raise InputError(f"offsets must be integers, not {rows.dtype}")
    rows = np.ascontiguousarray(rows, np.int64)
    if wires.ndim != 1 or clock.shape != wires.shape or (wires.size and not np.issubdtype(wires.dtype, np.integer)):
        raise InputError(f"channels (integers) and times must be one row each, not {wires.shape} and {clock.shape}")
    check_offsets(rows, len(wires))
    if wires.size and not 0 <= int(wires.min()) <= int(wires.max()) < num_channels:
        raise InputError(f"channels must be in 0 … {num_channels - 1}, found {wires.min()} … {wires.max()}")
    if not np.isfinite(clock).all():
        raise InputError("times hold values that are not finite numbers")
    kept = native_bin_events(
        rows, wires.astype(np.uint16), clock, num_channels, num_steps, float(duration), origin, keep
    )
    return Events(*kept, num_channels, num_steps)
