"""What a deployed layer is, whatever its kind."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]  # (n,), or (channels, rows, columns)
Tensors = Iterator[tuple[str, NDArray, str]]  # name, content, and type as safetensors calls it


@runtime_checkable
class Layer(Protocol):
    """Integrate-and-fire neurons that each fire at most once, read from steps and giving steps.

    Steps are flat everywhere, `[batch, size of a shape]` in C order: channel c of row y and column x stands at
    (c * rows + y) * columns + x. Only what needs a shape asks the layer for it.

    Attributes:
        kind: the name by which files, engines and exports know such layers.
        reads: shape of what comes in.
        gives: shape of its neurons.
        thresholds: int64 `[neurons]`, one for every neuron, whether they share it or not.
    """

    kind: ClassVar[str]

    @property
    def reads(self) -> Shape: ...

    @property
    def gives(self) -> Shape: ...

    @property
    def thresholds(self) -> NDArray[np.int64]: ...

    @property
    def weight_bits(self) -> int:
        """One-bit weights that are stored; shared ones count once."""
        ...

    @property
    def thresholds_stored(self) -> NDArray[np.int64]:
        """Thresholds that are stored; shared ones count once."""
        ...

    def check(self) -> None:
        """Raise `InputError` where the layer's parts do not fit each other."""
        ...

    def fan_out(self) -> NDArray[np.int64]:
        """Synapses that an event passes, for each channel that comes in, int64 `[channels]`."""
        ...

    def header(self) -> dict[str, Any]:
        """What a file says of the layer besides its tensors, its kind not among it."""
        ...

    def tensors(self) -> Tensors:
        """What a file holds of it."""
        ...

    def __str__(self) -> str:
        """How a recipe writes it."""
        ...


class LayerKind(Protocol):
    """What the class of a layer offers besides: how it is read back."""

    def of(self, header: Mapping[str, Any], tensors: Mapping[str, Any], reads: Shape, /) -> Layer: ...


def size(shape: Shape) -> int:
    """Channels or neurons of a shape.

    >>> size((3, 32, 32))
    3072
    """
    return math.prod(shape)
