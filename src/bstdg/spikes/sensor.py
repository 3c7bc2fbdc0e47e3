"""What an event camera or an artificial cochlea records becomes steps: a transform in the manner of Tonic.

Recordings are structured arrays, an event a row, with a field `t` and whichever of `x`, `y` and `p` (polarity) the
sensor has: what Tonic's data sets give. Channels are numbered as Tonic's frames `[p, y, x]` are when flattened.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.spikes.events import MAX_CHANNELS, Events, Keep, bin_events, never
from bstdg.whole import whole


class ToFirstSpike:
    """Turns one recording into steps: the first event of each channel, or all of them.

    Give it to a Tonic data set as `transform=`; a DataLoader then makes batches of steps by itself. With `keep` other
    than "first" a recording becomes `Events`, which `join_events` makes into a batch.

    Args:
        num_steps: T, 1 … 254.
        sensor_size: `(width, height, polarities)`, as Tonic's data sets state it; 1 for a dimension that is not there.
        duration: the time that T steps span, in the unit of `t` (often microseconds); None: from the first event of
            the recording to its last, so that every recording fills all steps.
        start: the time of step 0; None: the first event of the recording.
        keep: "first" event of a channel, "all", or "one_per_step" of a channel.

    Called with a structured array, returns uint8 `[channels]` (T for a silent channel) for "first", else `Events` of
    one sample. Events before `start` or after `duration` are left out. With one polarity `p` is not looked at.

    Raises:
        InputError: an argument is out of range, a field is missing, or an event is outside the sensor.

    >>> events = np.array([(0, 1, 1), (50, 0, 0), (90, 1, 1)], dtype=[("t", int), ("x", int), ("p", int)])
    >>> ToFirstSpike(num_steps=10, sensor_size=(2, 1, 2), duration=100)(events)
    array([ 5, 10, 10,  0], dtype=uint8)
    """

    def __init__(
        self,
        num_steps: int,
        sensor_size: Sequence[int],
        *,
        duration: float | None = None,
        start: float | None = None,
        keep: Keep = "first",
    ):
        size = tuple(whole(n) or 0 for n in sensor_size) if isinstance(sensor_size, Iterable) else ()
        if len(size) != 3 or min(size) < 1:
            raise InputError(f"sensor_size must be (width, height, polarities), not {sensor_size!r}")
        if math.prod(size) > MAX_CHANNELS:
            raise InputError(
                f"a sensor of {' x '.join(map(str, size))} has {math.prod(size)} channels, more than {MAX_CHANNELS}: "
                "make it coarser first, with tonic.transforms.Downsample for instance"
            )
        if keep not in get_args(Keep):
            raise InputError(f"keep must be one of {', '.join(map(repr, get_args(Keep)))}, not {keep!r}")
        if duration is not None and not 0 < duration < math.inf:
            raise InputError(f"duration must be a positive number, not {duration}")
        self.num_steps, self.sensor_size = never(num_steps), size
        self.duration, self.start = duration, start
        self.keep: Keep = keep

    @property
    def num_channels(self) -> int:
        """Width of the network's input."""
        return math.prod(self.sensor_size)

    def __call__(self, events: NDArray[np.void]) -> Any:
        """The steps or events of one recording."""
        channels = self._channels(events)
        times = events["t"].astype(np.float64)
        if times.size and not np.isfinite(times).all():
            raise InputError("events: t holds values that are no finite numbers")
        start = self.start if self.start is not None else float(times.min(initial=math.inf))
        start = start if math.isfinite(start) else 0.0  # no events
        kept = bin_events(
            [0, len(times)],
            channels,
            times,
            num_channels=self.num_channels,
            num_steps=self.num_steps,
            duration=self.duration if self.duration is not None else _span(times, start, events["t"].dtype),
            start=start,
            keep=self.keep,
        )
        return kept.first_steps()[0] if self.keep == "first" else kept

    def _channels(self, events: NDArray[np.void]) -> NDArray[np.int64]:
        fields = getattr(getattr(events, "dtype", None), "names", None)
        if fields is None or events.ndim != 1:
            raise InputError("events must be a structured array with a field t and x, y or p, an event a row")
        needed = [name for name, n in zip("xyp", self.sensor_size, strict=True) if n > 1]
        if missing := [name for name in ("t", *needed) if name not in fields]:
            raise InputError(f"events have the fields {', '.join(fields)}; missing: {', '.join(missing)}")
        channels = np.zeros(len(events), np.int64)
        for name, count in zip("pyx", reversed(self.sensor_size), strict=True):
            if count == 1:
                continue
            place = events[name].astype(np.int64)
            if place.size and not 0 <= int(place.min()) <= int(place.max()) < count:
                found = f"{place.min()} … {place.max()}"
                raise InputError(f"events: {name} is {found}, the sensor has 0 … {count - 1} (see sensor_size)")
            channels = channels * count + place
        return channels

    def __repr__(self) -> str:
        return (
            f"ToFirstSpike(num_steps={self.num_steps}, sensor_size={self.sensor_size}, duration={self.duration}, "
            f"start={self.start}, keep={self.keep!r})"
        )


def _span(times: NDArray[np.float64], start: float, kind: np.dtype) -> float:
    """From `start` to just after the last event, which then falls into the last step."""
    span = float(times.max(initial=start)) - start
    # Whole times count units: the last one ends at t + 1. Others get the least that a float can tell apart.
    return span + 1 if np.issubdtype(kind, np.integer) else (span or 1.0) * (1 + 2**-40)


def join_events(parts: Sequence[Events]) -> Events:
    """The samples of several `Events` as one batch, in their order.

    Raises:
        InputError: there are none, or their channels or T differ.

    >>> one = Events.from_steps(np.array([[1, 8, 0]], np.uint8), num_steps=8)
    >>> join_events([one, one]).channels
    array([2, 0, 2, 0], dtype=uint16)
    """
    if not parts:
        raise InputError("there are no events to join")
    kinds = {(part.num_channels, part.num_steps) for part in parts}
    if len(kinds) > 1:
        raise InputError(f"events of one batch have the same channels and T, not {sorted(kinds)}")
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    return Events(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([part.channels for part in parts]),
        np.concatenate([part.steps for part in parts]),
        *kinds.pop(),
    )
