"""How a small window of weights slides over maps: the shapes that convolution and pooling have in common."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.layers.base import Shape, size
from bstdg.spikes.events import MAX_CHANNELS

Pair = tuple[int, int]  # rows and columns
SHOWN = 60  # characters of numbers that are refused


class Convolution(NamedTuple):
    """What is connected to what: neuron (k, y, x) reads rows y * stride - padding … and columns likewise.

    Padding is silence: it sends no event, so an event at a border passes fewer synapses.

    Attributes:
        reads: `(channels, rows, columns)`.
        maps: channels of what comes out.
        kernel: rows and columns of the window.
        stride: how far it moves.
        padding: how far it reaches over the edge, on either side.
        groups: the channels, and the maps, are split into so many parts that do not see each other.

    >>> Convolution((1, 28, 28), 32, (5, 5), (2, 2), (2, 2)).gives
    (32, 14, 14)
    """

    reads: Shape
    maps: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1

    @property
    def gives(self) -> Shape:
        """`(maps, rows, columns)`."""
        rows, columns = (
            (side + 2 * padding - kernel) // stride + 1
            for side, kernel, stride, padding in zip(
                self.reads[1:], self.kernel, self.stride, self.padding, strict=True
            )
        )
        return (self.maps, rows, columns)

    @property
    def places(self) -> int:
        """Neurons of a map."""
        return math.prod(self.gives[1:])

    @property
    def weights(self) -> tuple[int, int, int, int]:
        """Shape of the weights: `(maps, channels of a group, kernel rows, kernel columns)`."""
        return (self.maps, self.reads[0] // self.groups, *self.kernel)

    def check(self) -> None:
        """Raise `InputError` where the window does not fit what it reads, or there are too many neurons."""
        if len(self.reads) != 3:
            raise InputError(
                f"reads maps (channels, rows, columns), but what comes in is a row of {size(self.reads)}: a "
                "convolution or a pooling has to stand before the fully connected layers"
            )
        for what, numbers in (
            ("maps", (self.maps,)),
            ("a kernel", self.kernel),
            ("a stride", self.stride),
            ("groups", (self.groups,)),
            ("channels, rows and columns to read", self.reads),
        ):
            if not all(type(n) is int and 1 <= n <= MAX_CHANNELS for n in numbers):
                said = " x ".join(map(repr, numbers))[:SHOWN]
                raise InputError(f"has {what} of {said}; each has to be an integer in 1 … {MAX_CHANNELS}")
        if size(self.reads) > MAX_CHANNELS:
            raise InputError(f"reads {by(self.reads)} = {size(self.reads)} channels, more than {MAX_CHANNELS}")
        if not all(type(n) is int and 0 <= n < side for n, side in zip(self.padding, self.kernel, strict=True)):
            raise InputError(
                f"has a padding of {by(self.padding)[:SHOWN]}; that has to be smaller than its {by(self.kernel)} kernel"
            )
        for side, kernel, padding in zip(self.reads[1:], self.kernel, self.padding, strict=True):
            if kernel > side + 2 * padding:
                raise InputError(
                    f"has a kernel of {by(self.kernel)}, larger than the {by(self.reads[1:])} that it reads"
                    + (f" with {by(self.padding)} of padding" if any(self.padding) else "")
                )
        if self.reads[0] % self.groups or self.maps % self.groups:
            raise InputError(f"cannot split {self.reads[0]} channels and {self.maps} maps into {self.groups} groups")
        if size(self.gives) > MAX_CHANNELS:
            raise InputError(
                f"has {by(self.gives)} = {size(self.gives)} neurons, more than {MAX_CHANNELS} can have a number: "
                "take fewer maps or a larger stride"
            )

    @property
    def left_out(self) -> Pair:
        """Rows and columns that no window reaches, because strides step over them or end before them."""
        rows, columns = (int((covered == 0).sum()) for covered in self._covered())
        return rows, columns

    def covers(self) -> NDArray[np.int64]:
        """How many windows each pixel lies in, `[rows, columns]`: the most inside, fewer at borders."""
        return np.outer(*self._covered())

    def _covered(self) -> list[NDArray[np.int64]]:
        """How many windows along rows, and along columns, each row and column lies in."""
        sides = zip(self.reads[1:], self.gives[1:], self.kernel, self.stride, self.padding, strict=True)
        return [_covers(*each) for each in sides]

    def fan_out(self) -> NDArray[np.int64]:
        """Synapses that an event of each channel passes, `[channels * rows * columns]`."""
        return np.tile(self.covers().ravel() * (self.maps // self.groups), self.reads[0])


def _covers(side: int, places: int, kernel: int, stride: int, padding: int) -> NDArray[np.int64]:
    """How many windows along one side each pixel lies in."""
    first = np.arange(places) * stride - padding
    begun, ended = (np.bincount(np.clip(at, 0, side), minlength=side + 1) for at in (first, first + kernel))
    return np.cumsum(begun - ended)[:side]


def unread(convolution: Convolution) -> str:
    """What is said of rows and columns that no window reaches; nothing where there are none.

    >>> unread(Convolution((1, 28, 28), 16, (5, 5), (2, 2)))
    '1 of 28 rows and 1 of 28 columns lie in no window'
    """
    sides = zip(("row", "column"), convolution.left_out, convolution.reads[1:], strict=True)
    parts = [f"{out} of {side} {name}{'s' * (side > 1)}" for name, out, side in sides if out]
    return f"{' and '.join(parts)} lie in no window" if parts else ""


def by(shape: Shape) -> str:
    """A shape for people.

    >>> by((3, 5))
    '3 x 5'
    """
    return " x ".join(map(str, shape))


def short(pair: Pair) -> str:
    """Rows and columns as a recipe writes them.

    >>> short((5, 5)), short((1, 7))
    ('5', '1x7')
    """
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
