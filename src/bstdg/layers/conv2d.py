"""Convolution: every map has one small window of one-bit weights, which all its neurons share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import FileFormatError, InputError
from bstdg.files import TensorSlot
from bstdg.layers.base import Layer, Shape, Tensors
from bstdg.layers.convolution import Convolution, short
from bstdg.layers.full import check_thresholds, sign_tensor, signs_of, threshold_tensor, thresholds_of


@dataclass(frozen=True, eq=False)
class Conv2dLayer(Layer):
    """Neurons `(map, row, column)` that read a window of what comes in.

    Attributes:
        signs: int8 -1/+1 `[maps, channels of a group, kernel rows, kernel columns]`.
        map_thresholds: int64 `[maps]`.
        convolution: what is connected to what.

    >>> convolution = Convolution((1, 28, 28), 32, (5, 5), (2, 2), (2, 2))
    >>> layer = Conv2dLayer(np.ones((32, 1, 5, 5), np.int8), np.full(32, 4), convolution)
    >>> str(layer), layer.gives, layer.weight_bits, layer.thresholds.shape
    ('32c5s2p2', (32, 14, 14), 800, (6272,))
    """

    kind: ClassVar[str] = "conv2d"
    signs: NDArray[np.int8]
    map_thresholds: NDArray[np.int64]
    convolution: Convolution

    @property
    def reads(self) -> Shape:  # pyright: ignore[reportIncompatibleVariableOverride]
        """`(channels, rows, columns)`."""
        return self.convolution.reads

    @property
    def gives(self) -> Shape:
        """`(maps, rows, columns)`."""
        return self.convolution.gives

    @property
    def thresholds(self) -> NDArray[np.int64]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of its map for every neuron."""
        return np.repeat(self.map_thresholds, self.convolution.places)

    @property
    def weight_bits(self) -> int:
        """One for each weight of each window."""
        return self.signs.size

    @property
    def thresholds_stored(self) -> NDArray[np.int64]:
        """One a map."""
        return self.map_thresholds

    def check(self) -> None:
        """Raise `InputError` where the parts do not fit each other, or a number is beyond what a file holds."""
        self.convolution.check()
        if self.signs.shape != self.convolution.weights:
            raise InputError(f"has weights {self.signs.shape}, not {self.convolution.weights}")
        if self.map_thresholds.shape != (self.convolution.maps,):
            raise InputError(f"has {self.convolution.maps} maps and {self.map_thresholds.shape} thresholds")
        check_thresholds(self.map_thresholds)

    def fan_out(self) -> NDArray[np.int64]:
        """Windows that a pixel lies in, times the maps of its group."""
        return self.convolution.fan_out()

    def header(self) -> dict[str, Any]:
        """Maps, and how the window moves."""
        _, maps, kernel, stride, padding, groups = self.convolution
        return {
            "maps": maps,
            "kernel": list(kernel),
            "stride": list(stride),
            "padding": list(padding),
            "groups": groups,
        }

    def tensors(self) -> Tensors:
        """`thresholds` int16 or int32 `[maps]`; `signs` uint8 `[maps, weights of a map / 8, up]`, bit i is weight i."""
        yield threshold_tensor(self.map_thresholds)
        yield sign_tensor(self.signs)

    @classmethod
    def of(cls, header: Mapping[str, Any], tensors: Mapping[str, TensorSlot], reads: Shape) -> Conv2dLayer:
        """What `header` and `tensors` gave, read back; errors as for `bstdg.layers.read`."""
        kernel, stride, padding = (pair(header[name]) for name in ("kernel", "stride", "padding"))
        convolution = Convolution(tuple(reads), header["maps"], kernel, stride, padding, header["groups"])
        convolution.check()
        maps, weights = convolution.maps, int(np.prod(convolution.weights[1:], dtype=np.int64))
        signs = signs_of(tensors["signs"], maps, weights, f"the {weights} weights of a map")
        return cls(signs.reshape(convolution.weights), thresholds_of(tensors["thresholds"], maps), convolution)

    def __str__(self) -> str:
        _, maps, kernel, stride, padding, groups = self.convolution
        text = f"{maps}c{short(kernel)}"
        if stride != (1, 1):
            text += f"s{short(stride)}"
        if padding != (0, 0):
            text += f"p{short(padding)}"
        return text + (f"g{groups}" if groups != 1 else "")


def pair(numbers: Any) -> tuple[int, int]:
    """Two integers of a header.

    Raises:
        FileFormatError: they are none.
    """
    if not isinstance(numbers, list) or len(numbers) != 2 or not all(type(n) is int for n in numbers):
        raise FileFormatError(f"should say rows and columns, two integers, not {numbers!r}")
    return numbers[0], numbers[1]
