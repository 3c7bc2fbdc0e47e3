"""Augmentation of event recordings, done on timed events before they become steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError

Rows = tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.floating]]


@dataclass(frozen=True)
class EventAugmentation:
    """What is done to each recording, at random, each time it is seen in training.

    Attributes:
        channel_shift: move all channels by up to this many, up or down; what leaves the range is lost.
        channel_stretch: spread or squeeze the channels around their middle by up to this share.
        time_stretch: make it longer or shorter by up to this share.
        time_shift: start it up to this many seconds sooner or later; what comes before 0 is lost.
        time_jitter: move each event by a normal deviate of so many seconds.
        event_dropout: lose up to this share of the events (the share is drawn for each recording).
        mixup: share of recordings that get a random part of their events from another recording of their class.

    Raises:
        InputError: a value is out of range.
    """

    channel_shift: int = 0
    channel_stretch: float = 0.0
    time_stretch: float = 0.0
    time_shift: float = 0.0
    time_jitter: float = 0.0
    event_dropout: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for name in ("channel_shift", "time_shift", "time_jitter"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError(f"events.{name} must be 0 or more, not {getattr(self, name)}")
        for name in ("channel_stretch", "time_stretch", "event_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"events.{name} must be in [0, 1), not {getattr(self, name)}")
        if not 0 <= self.mixup <= 1:
            raise InputError(f"events.mixup must be in [0, 1], not {self.mixup}")

    def __call__(self, rows: Rows, labels: NDArray[np.int64], num_channels: int, random: np.random.Generator) -> Rows:
        """The recordings, each changed by draws of its own.

        Args:
            rows: offsets `[batch + 1]`, channels and times (seconds) `[events]`.
            labels: `[batch]`, for `mixup`.
            num_channels: of the recordings.
            random: where the draws come from.
        """
        if self.mixup:
            rows = _mixed(rows, labels, self.mixup, random)
        if self.event_dropout:  # first, as what is lost costs nothing more
            rows = _thinned(rows, self.event_dropout, random)
        offsets, channels, times = rows
        batch, lengths = len(offsets) - 1, np.diff(offsets)

        def drawn(values: NDArray) -> NDArray[np.float32]:
            """A value of each recording for each of its events."""
            return np.repeat(values.astype(np.float32), lengths)

        inside = None
        clock = times.astype(np.float32)
        if self.time_stretch:
            clock *= drawn(random.uniform(1 - self.time_stretch, 1 + self.time_stretch, batch))
        if self.time_shift:
            clock += drawn(random.uniform(-self.time_shift, self.time_shift, batch))
        if self.time_jitter:
            clock += self.time_jitter * random.standard_normal(len(clock), np.float32)
        if self.time_shift or self.time_jitter:
            inside = clock >= 0
        if self.channel_shift or self.channel_stretch:
            moved = channels.astype(np.float32)
            if self.channel_stretch:
                middle = np.float32((num_channels - 1) / 2)
                moved -= middle
                moved *= drawn(random.uniform(1 - self.channel_stretch, 1 + self.channel_stretch, batch))
                moved += middle
            moved += drawn(random.integers(-self.channel_shift, self.channel_shift, batch, endpoint=True))
            moved = np.rint(moved)
            within = (moved >= 0) & (moved < num_channels)
            inside = within if inside is None else inside & within
            channels = moved.clip(0, num_channels - 1).astype(np.uint16)
        if inside is None:
            return offsets, channels, clock
        return _kept(inside, offsets), channels[inside], clock[inside]


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
