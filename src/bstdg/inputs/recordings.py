"""Recordings of timed events as a network reads them; how their events become steps, see `bstdg.inputs.coding`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.typing import ArrayLike

from bstdg.errors import InputError
from bstdg.inputs.base import InputCode, Samples, Shape, by, check_shape, shape_of
from bstdg.inputs.coding import InputCoding
from bstdg.spikes.events import Events
from bstdg.whole import own_numbers


@dataclass(frozen=True)
class RecordingCode(InputCode):
    """Recordings of timed events on channels, as a network reads them.

    Attributes:
        reads: (channels,) of a recording.
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
        if len(self.reads) != 1:
            raise InputError(f"recordings have a row of channels, not {list(self.reads)}")
        check_shape(self.reads)
        self.coding.width(self.reads[0])

    @property
    def gives(self) -> Shape:
        """A row of channels."""
        return (self.coding.width(self.reads[0]),)

    @property
    def tied(self) -> int:
        """Channels that take back what the first add."""
        return self.coding.tied_channels(self.reads[0])

    def channel_spikes(self, num_steps: int) -> int | None:
        """As often as the coding keeps events of a channel."""
        if self.coding.counts:
            return 1
        return {"all": None, "one_per_step": num_steps, "first": 1}[self.coding.keep]

    def encode(self, samples: tuple[ArrayLike, ArrayLike, ArrayLike], num_steps: int) -> Events:
        """Events of recordings: offsets, channels and times (seconds), as for `InputCoding.encode`."""
        return self.coding.encode(*samples, num_channels=self.reads[0], num_steps=num_steps)

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
