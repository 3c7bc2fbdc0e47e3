"""Recordings of timed events as a network reads them; how their events become steps, see `bstdg.inputs.coding`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bstdg.errors import InputError
from bstdg.inputs.base import InputCode, Samples, Shape, by, check_shape, shape_of
from bstdg.inputs.coding import InputCoding
from bstdg.spikes.events import MAX_CHANNELS, Events
from bstdg.whole import own_numbers


@dataclass(frozen=True)
class RecordingCode(InputCode):
    """Recordings of timed events on channels, as a network reads them.

    Attributes:
        reads: (channels,) of a recording, or (channels, rows, columns) of a sensor with pixels: then squares of `pool`
            pixels a side are joined, and gates, delays and windows make more channels of as many rows and columns.
        coding: how its events become steps.

    >>> code = RecordingCode((3,), InputCoding(duration=1.0, windows=(2,)))
    >>> code.gives, code.tied
    ((6,), 3)
    """

    kind: ClassVar[str] = "recordings"
    samples: ClassVar[Samples] = "recordings"
    white = 1  # an event is there or not
    reads: Shape
    coding: InputCoding = field(default_factory=InputCoding)

    def __post_init__(self) -> None:
        own_numbers(self)
        if len(self.reads) not in (1, 3):
            raise InputError(f"recordings have a row of channels, or channels, rows, columns, not {list(self.reads)}")
        check_shape(self.reads)
        if len(self.reads) == 3 and self.coding.edges:
            raise InputError("input.edges are those of a row of channels over time, not of a sensor with pixels")
        if (channels := math.prod(self.reads)) > MAX_CHANNELS:
            raise InputError(f"recordings of {by(self.reads)} are {channels} channels, more than {MAX_CHANNELS}")
        self._flat.width(math.prod(self._pooled))

    @property
    def _pooled(self) -> Shape:
        """Shape of a recording whose pixels are joined."""
        if len(self.reads) == 1:
            return self.reads
        channels, *sides = self.reads
        return (channels, *(-(-side // self.coding.pool) for side in sides))

    @property
    def _flat(self) -> InputCoding:
        """The coding of what is joined already; a row of channels it joins itself."""
        return self.coding if len(self.reads) == 1 else replace(self.coding, pool=1)

    @property
    def gives(self) -> Shape:
        """A row of channels; of a sensor with pixels, more channels of its rows and columns."""
        _, *sides = self._pooled
        return (self._flat.width(math.prod(self._pooled)) // math.prod(sides), *sides)

    @property
    def tied(self) -> int:
        """Channels that take back what the first add."""
        return self._flat.tied_channels(math.prod(self._pooled))

    def channel_spikes(self, num_steps: int) -> int | None:
        """As often as the coding keeps events of a channel."""
        if self.coding.counts:
            return 1
        return {"all": None, "one_per_step": num_steps, "first": 1}[self.coding.keep]

    def encode(self, samples: tuple[ArrayLike, ArrayLike, ArrayLike], num_steps: int) -> Events:
        """Events of recordings: offsets, channels and times (seconds), as for `InputCoding.encode`."""
        offsets, channels, times = samples
        if len(self.reads) == 3 and self.coding.pool > 1:
            channels = self._joined(np.asarray(channels))
        num_channels = math.prod(self._pooled)
        return self._flat.encode(offsets, channels, times, num_channels=num_channels, num_steps=num_steps)

    def _joined(self, channels: NDArray) -> NDArray[np.int64]:
        """The pixels of joined squares, of those of the sensor."""
        if channels.size and not 0 <= int(channels.min()) <= int(channels.max()) < math.prod(self.reads):
            most = math.prod(self.reads) - 1
            raise InputError(f"channels must be in 0 … {most}, found {channels.min()} … {channels.max()}")
        plane, row, column = np.unravel_index(channels.astype(np.int64), self.reads)
        pool, (_, rows, columns) = self.coding.pool, self._pooled
        return (plane * rows + row // pool) * columns + column // pool

    def describe(self) -> str:
        """What is read, in words."""
        said = ", ".join(f"{name} {value}" for name, value in self.coding.to_dict().items())
        return f"events on {by(self.reads)} channels; {said}"

    def header(self) -> dict[str, Any]:
        """What a file says of it."""
        return {"reads": list(self.reads), **self.coding.to_dict()}

    @classmethod
    def of(cls, header: Mapping[str, Any], tensors: Mapping[str, Any]) -> RecordingCode:
        """What `header` gave, read back."""
        values = {name: value for name, value in header.items() if name not in ("kind", "reads")}
        return cls(shape_of(header["reads"]), InputCoding.of(values))
