"""Timed events become steps, in Python, written to be read: the encoders are held to these functions."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bstdg.errors import InputError
from bstdg.inputs.coding import InputCoding
from bstdg.spikes.events import Events, Keep


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

    Takes and returns what `bstdg.spikes.events.bin_events` does, but trusts its arguments.

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


def code(
    coding: InputCoding,
    offsets: ArrayLike,
    channels: ArrayLike,
    times: ArrayLike,
    *,
    num_channels: int,
    num_steps: int,
) -> Events:
    """What `InputCoding.encode` does, event by event: a channel is found by name in the list of all there are."""
    pooled = np.asarray(channels, np.int64) // coding.pool
    clock = [float(time) for time in np.asarray(times)]
    if coding.onset:
        for begin, end in pairwise(np.asarray(offsets).tolist()):
            order = sorted(clock[begin:end])
            start = order[coding.onset - 1] if coding.onset <= len(order) else math.inf
            clock[begin:end] = [time - start if start < math.inf else -1.0 for time in clock[begin:end]]
    width = coding.pooled(num_channels)
    parts = coding.gates if coding.counts else num_steps
    plain = bin_events(
        offsets, pooled, clock, num_channels=width, num_steps=parts, duration=coding.duration, keep=coding.keep
    )
    if coding.edges:
        return _edges(coding, plain, num_steps)
    windows = [
        *sorted(window for window in coding.windows if window),
        *(window for window in coding.windows if not window),
    ]
    names = [
        ("add", window, delay, gate, channel)
        for window in windows for delay in coding.delays for gate in range(coding.gates) for channel in range(width)
    ]  # fmt: skip
    names += [("take back", *name[1:]) for name in names if name[1]]
    place = {name: n for n, name in enumerate(names)}

    kept: list[tuple[int, int]] = []
    ends = [0]
    for begin, end in pairwise(plain.offsets.tolist()):
        spikes = []
        places = list(zip(plain.steps[begin:end].tolist(), plain.channels[begin:end].tolist(), strict=True))
        for step, gate, channel in _gated(coding, places, num_steps):
            for window in windows:
                for delay in coding.delays:
                    spikes.append((step + delay, place["add", window, delay, gate, channel]))
                    if window:
                        spikes.append((step + delay + window, place["take back", window, delay, gate, channel]))
        kept += sorted(spike for spike in spikes if spike[0] < num_steps)
        ends.append(len(kept))
    return Events(
        np.array(ends, np.int64),
        np.array([channel for _, channel in kept], np.uint16),
        np.array([step for step, _ in kept], np.uint8),
        len(names),
        num_steps,
    )


def edge_maps(image: NDArray, cell: int, white: int) -> NDArray[np.int64]:
    """What `bstdg.inputs.edges.maps` makes of one image `[rows, columns]`, pixel by pixel, as its text says."""
    rows, columns = image.shape

    def at(row: int, column: int) -> int:
        return int(image[min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)])

    sums = np.zeros((4, rows // cell, columns // cell), np.int64)
    for row in range(rows):
        for column in range(columns):
            ways = [(0, 1), (1, 1), (1, 0), (1, -1)]
            strength = [abs(at(row + r, column + c) - at(row - r, column - c)) for r, c in ways]
            for d in range(4):
                sums[d, row // cell, column // cell] += max(strength[d] - strength[(d + 2) % 4], 0)
    return np.minimum(6 * sums // cell**2, white).reshape(-1, columns // cell)


def _edges(coding: InputCoding, plain: Events, num_steps: int) -> Events:
    """Edge maps of counts, a recording and a cell at a time; delays and windows with them are not written twice."""
    if coding.delays != (0,) or coding.windows != (0,):
        raise InputError("the oracle knows edges of counts without delays and windows only")
    rows, columns, cell = plain.num_channels, coding.gates, coding.edges
    kept: list[tuple[int, int]] = []
    ends = [0]
    for begin, end in pairwise(plain.offsets.tolist()):
        places = list(zip(plain.channels[begin:end].tolist(), plain.steps[begin:end].tolist(), strict=True))
        picture = np.zeros((rows, columns), int)
        for place in set(places):
            picture[place] = math.isqrt(min(places.count(place), coding.counts) * 255**2 // coding.counts)
        levels = enumerate(edge_maps(picture, cell, 255).ravel().tolist())
        kept += sorted(((255 - level) * num_steps // 255, channel) for channel, level in levels if level)
        ends.append(len(kept))
    return Events(
        np.array(ends, np.int64),
        np.array([channel for _, channel in kept], np.uint16),
        np.array([step for step, _ in kept], np.uint8),
        4 * (rows // cell) * (columns // cell),
        num_steps,
    )


def _gated(coding: InputCoding, places: list[tuple[int, int]], num_steps: int) -> list[tuple[int, int, int]]:
    """Step, gate and channel of one recording's events (step, channel); one for each gate where they are counted."""
    if not coding.counts:
        return [(step, step * coding.gates // num_steps, channel) for step, channel in places]
    full = coding.counts
    return [((full - min(places.count(place), full)) * num_steps // full, *place) for place in set(places)]
