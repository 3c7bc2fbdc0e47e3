"""Labelled event streams: what the loaders of event data sets return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets.base import Split
from bstdg.errors import InputError
from bstdg.spikes.events import MAX_CHANNELS, check_offsets


@dataclass(frozen=True, eq=False, repr=False)
class EventDataset:
    """Labelled recordings of one split, each a stream of timed events on channels, checked when made.

    Attributes:
        name: the data set, as `bstdg.datasets.names()` lists it.
        split: "train" or "test".
        offsets: `int64` `[N + 1]`; recording n owns events `offsets[n] … offsets[n + 1] - 1`; it may have none.
        channels: `uint16` `[events]`, 0 … num_channels - 1.
        times: `float16` or `float32` `[events]`, seconds from the start of the recording.
        labels: `int64` `[N]`, 0 … len(classes) - 1.
        speakers: `int64` `[N]`, whose recording it is; None where nobody knows.
        classes: what each label means, in words.
        num_channels: width of the input.

    Raises:
        InputError: the set is empty, or an array has another type, shape or range than said above.

    >>> one = EventDataset("one", "test", np.array([0, 2]), np.array([0, 1], np.uint16),
    ...                    np.array([0.1, 0.2], np.float16), np.array([0]), None, ("no",), 2)
    >>> one
    EventDataset(name='one', split='test', 1 recordings, 2 events on 2 channels, 1 classes)
    """

    name: str
    split: Split
    offsets: NDArray[np.int64]
    channels: NDArray[np.uint16]
    times: NDArray[np.floating]
    labels: NDArray[np.int64]
    speakers: NDArray[np.int64] | None
    classes: tuple[str, ...]
    num_channels: int

    def __post_init__(self) -> None:
        where = f"{self.name} ({self.split})"
        if not self.classes:
            raise InputError(f"{where}: no classes are named")
        if not 1 <= self.num_channels <= MAX_CHANNELS:
            raise InputError(f"{where}: num_channels must be in 1 … {MAX_CHANNELS}, not {self.num_channels}")
        wanted = {"offsets": (np.int64,), "labels": (np.int64,), "channels": (np.uint16,)}
        for field, types in {**wanted, "times": (np.float16, np.float32)}.items():
            array = getattr(self, field)
            if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype not in types:
                kinds = " or ".join(np.dtype(kind).name for kind in types)
                found = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
                raise InputError(f"{where}: {field} must be {kinds}, one row, not {found}")
        if len(self.channels) != len(self.times):
            raise InputError(f"{where}: {len(self.channels)} channels but {len(self.times)} times")
        check_offsets(self.offsets, len(self.channels))
        if len(self.offsets) != len(self.labels) + 1:
            raise InputError(f"{where}: {len(self.offsets) - 1} recordings but {len(self.labels)} labels")
        if not len(self.labels):
            raise InputError(f"{where}: the data set is empty")
        if self.speakers is not None and self.speakers.shape != self.labels.shape:
            raise InputError(f"{where}: {len(self.labels)} recordings but {len(self.speakers)} speakers")
        if self.channels.size and (highest := int(self.channels.max())) >= self.num_channels:
            raise InputError(f"{where}: an event is on channel {highest}, expected 0 … {self.num_channels - 1}")
        if self.times.size and not (self.times.min() >= 0 and np.isfinite(self.times.max())):  # false for NaN, too
            raise InputError(f"{where}: times must be 0 seconds or later, and finite")
        least, most = int(self.labels.min()), int(self.labels.max())
        if least < 0 or most >= len(self.classes):
            raise InputError(f"{where}: labels are {least} … {most}, expected 0 … {len(self.classes) - 1}")

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return (
            f"EventDataset(name={self.name!r}, split={self.split!r}, {len(self)} recordings, "
            f"{len(self.channels)} events on {self.num_channels} channels, {len(self.classes)} classes)"
        )

    @property
    def image_shape(self) -> tuple[int]:
        """(channels,), as a model file keeps the shape of its input."""
        return (self.num_channels,)

    def rows(self, index: Any) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.floating]]:
        """Offsets, channels and times of the recordings that `index` (positions, a mask or a slice) selects.

        >>> one = EventDataset("one", "test", np.array([0, 0, 1]), np.array([1], np.uint16),
        ...                    np.array([0.5], np.float32), np.array([0, 0]), None, ("no",), 2)
        >>> one.rows([1, 0])[0]
        array([0, 1, 1])
        """
        rows = np.arange(len(self))[index]
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        take = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return offsets, self.channels[take], self.times[take]

    def subset(self, index: Any) -> EventDataset:
        """The recordings that `index` (positions, a mask or a slice) selects, in its order.

        Raises:
            InputError: nothing is selected, or a position does not exist.
        """
        try:
            rows = np.arange(len(self))[index]
            offsets, channels, times = self.rows(rows)
        except IndexError as error:
            raise InputError(f"{self.name} ({self.split}) has {len(self)} recordings: {error}") from error
        speakers = None if self.speakers is None else self.speakers[rows]
        return EventDataset(
            self.name, self.split, offsets, channels, times, self.labels[rows], speakers, self.classes,
            self.num_channels,
        )  # fmt: skip
