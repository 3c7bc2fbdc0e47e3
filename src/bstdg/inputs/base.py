"""What an input code is, whatever its kind: how samples become the steps that the first layer reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bstdg.errors import InputError
from bstdg.spikes.events import Events, never
from bstdg.whole import whole

Shape = tuple[int, ...]  # (channels, rows, columns) of a picture; (n,) of features, and of the channels of a sensor
Samples = Literal["images", "features", "recordings"]
Tensors = Iterator[tuple[str, NDArray, str]]  # name, content, and type as safetensors calls it


class InputCode(ABC):
    """How samples become steps. A pure function: nothing is remembered between calls.

    Attributes:
        kind: the name by which files and exports know such codes.
        samples: what is read: "images", "features", or "recordings" of timed events.
        reads: shape of a sample.
        white: the integer value of full intensity, where samples are images; else what a pixel would be.
    """

    kind: ClassVar[str]
    samples: ClassVar[Samples]
    reads: Shape
    white: int

    @property
    @abstractmethod
    def gives(self) -> Shape:
        """Shape of what the first layer reads."""

    @abstractmethod
    def encode(self, samples: Any, num_steps: int) -> NDArray[np.uint8] | Events:
        """Steps uint8 `[batch, channels]`, T where a channel is silent; `Events` of recordings.

        Raises:
            InputError: the samples have another shape, type or range.
        """

    @abstractmethod
    def describe(self) -> str:
        """What is read, in words."""

    @abstractmethod
    def header(self) -> dict[str, Any]:
        """What a file says of the code besides its tensors, its kind not among it."""

    def tensors(self) -> Tensors:
        """What a file holds of it."""
        yield from ()

    @property
    def tied(self) -> int:
        """How many of the last channels take back what the first add (see `bstdg.inputs.coding`)."""
        return 0

    def channel_spikes(self, num_steps: int) -> int | None:
        """How often a channel spikes at most; None where nothing bounds it."""
        return 1

    def check(self, num_steps: int) -> None:
        """Raise `InputError` where the code cannot give so many steps."""
        never(num_steps)

    def step_of_byte(self, num_steps: int) -> NDArray[np.uint8] | None:
        """The step of each of 256 bytes, `REFUSED` where one may not come; None where a sample is no row of bytes.

        `[256, 256]` where steps depend on the greatest byte of a sample, which then chooses the row.
        """
        return None

    def done_outside(self) -> str | None:
        """What has to be done outside of a network that is given steps alone, in words; None: nothing but the latency
        of pixels."""
        return None


class InputKind(Protocol):
    """What the class of an input code offers besides: how it is read back."""

    def of(self, header: Mapping[str, Any], tensors: Mapping[str, Any], /) -> InputCode: ...


def by(shape: Shape) -> str:
    """A shape as people write it, a single channel left out.

    >>> by((1, 28, 28)), by((3, 32, 32)), by((784,))
    ('28 x 28', '3 x 32 x 32', '784')
    """
    return " x ".join(map(str, squeezed(shape)))


def squeezed(shape: Shape) -> Shape:
    """A shape without the axis of its single channel, as arrays of grey images come."""
    return shape[1:] if len(shape) == 3 and shape[0] == 1 else shape


def batch_of(samples: ArrayLike, reads: Shape, what: str) -> NDArray:
    """One sample or a batch as `[batch, …]`.

    A sample may come flat, and without the axis of its single channel.

    Raises:
        InputError: the samples have another shape; `what` they are is said there.

    >>> batch_of(np.zeros((28, 28)), (1, 28, 28), "images").shape
    (1, 28, 28)
    """
    array = np.asarray(samples)
    known = {reads, squeezed(reads)}
    if array.shape in known:
        return array[None]
    if array.ndim < 2 or array.shape[1:] not in {*known, (int(np.prod(reads)),)}:
        raise InputError(f"the model reads {what} of {by(reads)}, or batches of them, not {list(array.shape)}")
    return array


def shape_of(value: Any) -> Shape:
    """A shape read back from a file. Raises `ValueError` where it is none."""
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is no shape")
    return check_shape(tuple(value))


def check_shape(reads: Shape) -> Shape:
    """A shape, if it is one: the sides of a sample, each an integer of 1 or more.

    Raises:
        InputError: it is none.
    """
    if not reads or not all(1 <= (whole(side) or 0) < 2**31 for side in reads):
        raise InputError(f"{list(reads)} is no shape of a sample: sides are integers of 1 or more")
    return reads
