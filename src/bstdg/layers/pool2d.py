"""Pooling by the n-th spike of a window: the earliest, or a vote of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.files import TensorSlot
from bstdg.layers.base import Layer, Shape
from bstdg.layers.conv2d import pair
from bstdg.layers.convolution import Convolution, Pair, by, short


@dataclass(frozen=True)
class Pool2dLayer(Layer):
    """Neurons that fire at the n-th spike of their window: weights of +1 and the threshold n, so no new neuron.

    Attributes:
        reads: `(channels, rows, columns)`.
        window: rows and columns.
        stride: how far it moves; pixels that no window reaches are left out.
        count: n; 1 keeps the earliest spike.

    >>> layer = Pool2dLayer((32, 14, 14), (2, 2), (2, 2))
    >>> str(layer), layer.gives, layer.weight_bits
    ('pool2', (32, 7, 7), 0)
    """

    kind: ClassVar[str] = "pool2d"
    reads: Shape
    window: Pair
    stride: Pair
    count: int = 1

    @property
    def convolution(self) -> Convolution:
        """The same as a convolution in which every channel is a group of its own."""
        channels = self.reads[0]
        return Convolution(self.reads, channels, self.window, self.stride, (0, 0), channels)

    @property
    def gives(self) -> Shape:
        """`(channels, rows, columns)`."""
        return self.convolution.gives

    @property
    def thresholds(self) -> NDArray[np.int64]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """n for every neuron."""
        return np.full(int(np.prod(self.gives)), self.count, np.int64)

    @property
    def thresholds_stored(self) -> NDArray[np.int64]:
        """None: n is part of the structure."""
        return np.empty(0, np.int64)

    def check(self) -> None:
        """Raise `InputError` where the window does not fit what it reads, or has fewer than n neurons."""
        self.convolution.check()
        if type(self.count) is not int or not 1 <= self.count <= self.window[0] * self.window[1]:
            raise InputError(f"waits for spike {self.count!r} of a window of {by(self.window)}")

    def fan_out(self) -> NDArray[np.int64]:
        """Windows that a pixel lies in."""
        return self.convolution.fan_out()

    def header(self) -> dict[str, Any]:
        """The window, how it moves, and n."""
        return {"window": list(self.window), "stride": list(self.stride), "count": self.count}

    @classmethod
    def of(cls, header: Mapping[str, Any], tensors: Mapping[str, TensorSlot], reads: Shape) -> Pool2dLayer:
        """What `header` gave, read back; errors as for `bstdg.layers.read`."""
        del tensors
        layer = cls(tuple(reads), pair(header["window"]), pair(header["stride"]), header["count"])
        layer.check()
        return layer

    def __str__(self) -> str:
        text = f"pool{short(self.window)}"
        if self.stride != self.window:
            text += f"s{short(self.stride)}"
        return text + (f"n{self.count}" if self.count != 1 else "")
