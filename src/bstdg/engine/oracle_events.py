"""Timed events become steps, in Python, written to be read: the native encoder is held to this function."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from bstdg.encode import Events, Keep


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
    """`step = floor((time - start) * (T / duration))` in float64, for every event by itself.

    Takes and returns what `bstdg.encode.bin_events` does, but trusts its arguments.

    >>> bin_events([0, 3], [1, 0, 1], [0.9, 0.5, 2.0], num_channels=2, num_steps=2, duration=1.0).channels
    array([0, 1], dtype=uint16)
    """
    bounds = np.asarray(offsets).tolist()
    wires = np.asarray(channels).tolist()
    clock = np.asarray(times, np.float64)
    with np.errstate(over="ignore"):  # a time far outside becomes infinite, which is outside as well
        steps = np.floor((clock - start) * (num_steps / duration))

    kept: list[tuple[int, int]] = []
    ends = [0]
    for begin, end in pairwise(bounds):
        inside = sorted((int(steps[e]), wires[e]) for e in range(begin, end) if 0 <= steps[e] < num_steps)
        if keep == "one_per_step":
            inside = sorted(set(inside))
        elif keep == "first":
            channels_of = [channel for _, channel in inside]
            inside = [spike for n, spike in enumerate(inside) if spike[1] not in channels_of[:n]]
        kept += inside
        ends.append(len(kept))
    return Events(
        np.array(ends, np.int64),
        np.array([channel for _, channel in kept], np.uint16),
        np.array([step for step, _ in kept], np.uint8),
        num_channels,
        num_steps,
    )
