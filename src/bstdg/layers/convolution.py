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
        numbers = (self.maps, self.groups, *self.kernel, *self.stride, *self.reads)
        if not all(type(n) is int and 1 <= n <= MAX_CHANNELS for n in numbers):
            raise InputError(
                f"has a size, stride or number of maps that is no integer in 1 … {MAX_CHANNELS}: {numbers}"
            )
        if not all(type(n) is int and 0 <= n < side for n, side in zip(self.padding, self.kernel, strict=True)):
            raise InputError(
                f"has a padding of {by(self.padding)}; that has to be smaller than its {by(self.kernel)} kernel"
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

    def covers(self) -> NDArray[np.int64]:
        """How many windows each pixel lies in, `[rows, columns]`: the most inside, fewer at borders."""
        rows, columns = (
            _covers(side, places, kernel, stride, padding)
            for side, places, kernel, stride, padding in zip(
                self.reads[1:], self.gives[1:], self.kernel, self.stride, self.padding, strict=True
            )
        )
        return np.outer(rows, columns)

    def fan_out(self) -> NDArray[np.int64]:
        """Synapses that an event of each channel passes, `[channels * rows * columns]`."""
        return np.tile(self.covers().ravel() * (self.maps // self.groups), self.reads[0])


def _covers(side: int, places: int, kernel: int, stride: int, padding: int) -> NDArray[np.int64]:
    """How many windows along one side each pixel lies in."""
    at = np.arange(places)[:, None] * stride - padding
    return ((at <= np.arange(side)) & (np.arange(side) < at + kernel)).sum(axis=0)


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
