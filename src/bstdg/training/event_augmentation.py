"""Augmentation of event recordings, done on timed events before they become steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.learning.recipe import EventAugmentation

Rows = tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.floating]]


def augment(
    config: EventAugmentation,
    rows: Rows,
    labels: NDArray[np.int64],
    num_channels: int,
    random: np.random.Generator,
    grid: tuple[int, int, int] | None = None,
) -> Rows:
    """The recordings, each changed by draws of its own.

    Args:
        config: how much of what.
        rows: offsets `[batch + 1]`, channels and times (seconds) `[events]`.
        labels: `[batch]`, for `mixup`.
        num_channels: of the recordings.
        random: where the draws come from.
        grid: channels, rows and columns of a sensor with pixels, along whose rows and columns shifts then are.
    """
    if config.mixup:
        rows = _mixed(rows, labels, config.mixup, random)
    if config.event_dropout:  # first, as what is lost costs nothing more
        rows = _thinned(rows, config.event_dropout, random)
    offsets, channels, times = rows
    batch, lengths = len(offsets) - 1, np.diff(offsets)

    def drawn(values: NDArray) -> NDArray[np.float32]:
        """A value of each recording for each of its events."""
        return np.repeat(values.astype(np.float32), lengths)

    inside = None
    clock = times.astype(np.float32)
    if config.time_stretch:
        clock *= drawn(random.uniform(1 - config.time_stretch, 1 + config.time_stretch, batch))
    if config.time_shift:
        clock += drawn(random.uniform(-config.time_shift, config.time_shift, batch))
    if config.time_jitter:
        clock += config.time_jitter * random.standard_normal(len(clock), np.float32)
    if config.time_shift or config.time_jitter:
        inside = clock >= 0
    if config.channel_shift and grid is not None:
        draws = random.integers(-config.channel_shift, config.channel_shift, (2, batch), endpoint=True)
        down, right = np.repeat(draws, lengths, axis=1)
        _, row, column = np.unravel_index(channels, grid)
        row, column = row + down, column + right
        within = (row >= 0) & (row < grid[1]) & (column >= 0) & (column < grid[2])
        inside = within if inside is None else inside & within
        channels = np.where(within, channels + down * grid[2] + right, 0).astype(np.uint16)
    elif config.channel_shift or config.channel_stretch:
        moved = channels.astype(np.float32)
        if config.channel_stretch:
            middle = np.float32((num_channels - 1) / 2)
            moved -= middle
            moved *= drawn(random.uniform(1 - config.channel_stretch, 1 + config.channel_stretch, batch))
            moved += middle
        moved += drawn(random.integers(-config.channel_shift, config.channel_shift, batch, endpoint=True))
        moved = np.rint(moved)
        within = (moved >= 0) & (moved < num_channels)
        inside = within if inside is None else inside & within
        channels = moved.clip(0, num_channels - 1).astype(np.uint16)
    if inside is None:
        return offsets, channels, clock
    return _kept(inside, offsets), channels[inside], clock[inside]


def check(config: EventAugmentation, grid: tuple[int, int, int] | None) -> None:
    """Raise `InputError` where a recording of a sensor with pixels cannot be changed like that."""
    if grid is not None and config.channel_stretch:
        raise InputError(
            "events.channel_stretch is for a row of channels, not for the pixels of a sensor: leave it out"
        )
    if grid is not None and config.channel_shift >= min(grid[1:]):
        sides = " x ".join(map(str, grid[1:]))
        raise InputError(f"events.channel_shift = {config.channel_shift} moves {sides} pixels out of sight: give less")


def part(rows: Rows, which: slice) -> Rows:
    """Some of the recordings, which follow each other."""
    offsets, channels, times = rows
    offsets = offsets[which.start : which.stop + 1]
    events = slice(offsets[0], offsets[-1])
    return offsets - offsets[0], channels[events], times[events]


def _kept(inside: NDArray[np.bool_], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Offsets of the events that are kept."""
    before = np.concatenate([[0], np.cumsum(inside)])
    return before[offsets].astype(np.int64)


def _thinned(rows: Rows, most: float, random: np.random.Generator) -> Rows:
    """Each recording loses a share of its events, drawn up to `most`."""
    offsets, channels, times = rows
    share = np.repeat(random.uniform(0, most, len(offsets) - 1).astype(np.float32), np.diff(offsets))
    inside = random.random(len(times), np.float32) >= share
    return _kept(inside, offsets), channels[inside], times[inside]


def _mixed(rows: Rows, labels: NDArray[np.int64], share: float, random: np.random.Generator) -> Rows:
    """Some recordings take a random half of their events from another of their class in the batch."""
    offsets, channels, times = rows
    batch = len(labels)
    other = np.arange(batch)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        other[members] = random.permutation(members)
    part = np.where(random.random(batch) < share, random.uniform(0.2, 0.8, batch), 0.0)
    lengths = np.diff(offsets)
    own = np.repeat(np.arange(batch), lengths)
    own_kept = random.random(len(own)) >= part[own]
    guest = np.repeat(np.arange(batch), lengths[other])
    ends = np.concatenate([[0], np.cumsum(lengths[other])])
    take = np.repeat(offsets[other] - ends[:-1], lengths[other]) + np.arange(ends[-1])
    guest_kept = random.random(len(guest)) < part[guest]
    take = take[guest_kept]
    sample = np.concatenate([own[own_kept], guest[guest_kept]])
    order = np.argsort(sample, kind="stable")
    mixed = np.concatenate([[0], np.cumsum(np.bincount(sample, minlength=batch))]).astype(np.int64)
    return (
        mixed,
        np.concatenate([channels[own_kept], channels[take]])[order],
        np.concatenate([times[own_kept], times[take]])[order],
    )
