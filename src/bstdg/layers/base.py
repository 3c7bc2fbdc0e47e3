"""What a deployed layer is, whatever its kind."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from bstdg.files import TensorSlot

Shape = tuple[int, ...]  # (n,), or (channels, rows, columns)
Tensors = Iterator[tuple[str, NDArray, str]]  # name, content, and type as safetensors calls it


class Layer(ABC):
    """Integrate-and-fire neurons that each fire at most once, read from steps and giving steps.

    Steps are flat everywhere, `[batch, size of a shape]` in C order: channel c of row y and column x stands at
    (c * rows + y) * columns + x. Only what needs a shape asks the layer for it.

    Attributes:
        kind: the name by which files, engines and exports know such layers.
        reads: shape of what comes in.
        thresholds: int64 `[neurons]`, one for every neuron, whether they share it or not.
    """

    kind: ClassVar[str]
    reads: Shape
    thresholds: NDArray[np.int64]

    @property
    @abstractmethod
    def gives(self) -> Shape:
        """Shape of its neurons."""

    @abstractmethod
    def fan_out(self) -> NDArray[np.int64]:
        """Synapses that an event passes, for each channel that comes in, int64 `[channels]`."""

    @abstractmethod
    def __str__(self) -> str:
        """How a recipe writes it."""

    @property
    def weight_bits(self) -> int:
        """One-bit weights that are stored; shared ones count once."""
        return 0

    @property
    def thresholds_stored(self) -> NDArray[np.int64]:
        """Thresholds that are stored; shared ones count once."""
        return self.thresholds

    def check(self) -> None:  # noqa: B027  (most kinds have nothing that could fail)
        """Raise `InputError` where the layer's parts do not fit each other; the message goes on from "layer 3"."""

    def header(self) -> dict[str, Any]:
        """What a file says of the layer besides its tensors; its kind is said for it."""
        return {}

    def tensors(self) -> Tensors:
        """What a file holds of it."""
        yield from ()


class LayerKind(Protocol):
    """What the class of a layer offers besides: how it is read back."""

    def of(self, header: Mapping[str, Any], tensors: Mapping[str, TensorSlot], reads: Shape, /) -> Layer: ...


def size(shape: Shape) -> int:
    """Channels or neurons of a shape.

    >>> size((3, 32, 32))
    3072
    """
    return math.prod(shape)
