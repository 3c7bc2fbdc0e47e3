"""Fully connected layers: every neuron has a one-bit weight for every channel, and a threshold of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import FileFormatError, InputError
from bstdg.files import TensorSlot
from bstdg.layers.base import Layer, Shape, Tensors, size
from bstdg.spikes.events import MAX_CHANNELS
from bstdg.whole import whole


@dataclass(frozen=True, eq=False)
class FullLayer(Layer):
    """Neurons that read every channel.

    Attributes:
        signs: int8 -1/+1 `[neurons, channels]`.
        thresholds: int64 `[neurons]`.
        reads: shape of what comes in; a row of channels unless said otherwise.

    >>> layer = FullLayer(np.ones((10, 64), np.int8), np.arange(10))
    >>> str(layer), layer.gives, layer.weight_bits, int(layer.fan_out().sum())
    ('10', (10,), 640, 640)
    """

    kind: ClassVar[str] = "full"
    signs: NDArray[np.int8]
    thresholds: NDArray[np.int64]
    reads: Shape = ()

    def __post_init__(self) -> None:
        if not self.reads and self.signs.ndim == 2:
            object.__setattr__(self, "reads", (self.signs.shape[1],))

    @property
    def gives(self) -> Shape:
        """A row of neurons."""
        return (len(self.signs),)

    @property
    def weight_bits(self) -> int:
        """One for every synapse."""
        return self.signs.size

    @property
    def thresholds_stored(self) -> NDArray[np.int64]:
        """All of them."""
        return self.thresholds

    def check(self) -> None:
        """Raise `InputError` where the parts do not fit each other, or a number is beyond what a file holds."""
        channels, neurons = size(self.reads), len(self.signs)
        if self.signs.ndim != 2 or self.signs.shape[1] != channels:
            raise InputError(f"reads {self.signs.shape[1:]} channels, but {channels} come in")
        if not 1 <= neurons <= MAX_CHANNELS or self.thresholds.shape != (neurons,):
            raise InputError(f"has {neurons} neurons and {self.thresholds.shape} thresholds")
        check_thresholds(self.thresholds)

    def fan_out(self) -> NDArray[np.int64]:
        """Every event reaches every neuron."""
        return np.full(self.signs.shape[1], len(self.signs), np.int64)

    def header(self) -> dict[str, Any]:
        """Its neurons."""
        return {"neurons": len(self.signs)}

    def tensors(self) -> Tensors:
        """`thresholds` int16 or int32 `[neurons]`; `signs` uint8 `[neurons, channels / 8, up]`, bit i is channel i."""
        yield threshold_tensor(self.thresholds)
        yield sign_tensor(self.signs)

    @classmethod
    def of(cls, header: Mapping[str, Any], tensors: Mapping[str, TensorSlot], reads: Shape) -> FullLayer:
        """What `header` and `tensors` gave, read back; errors as for `bstdg.layers.read`."""
        neurons, channels = header["neurons"], size(reads)
        if type(neurons) is not int:
            raise FileFormatError(f"has {neurons!r} neurons, which is no number of them")
        signs = signs_of(tensors["signs"], neurons, channels, f"its {channels} channels")
        return cls(signs, thresholds_of(tensors["thresholds"], neurons), reads)

    def __str__(self) -> str:
        return str(len(self.signs))


def neurons(written: int | str) -> int:
    """The neurons of a fully connected layer, as a recipe writes it.

    Raises:
        InputError: it is no such number.

    >>> neurons(600), neurons("600")
    (600, 600)
    """
    number = int(written) if isinstance(written, str) and written.isascii() and written.isdecimal() else whole(written)
    if number is None:
        raise InputError(f"{written!r} is no layer known here; give a number of neurons, such as 600")
    if not 1 <= number <= MAX_CHANNELS:
        raise InputError(f"a layer has 1 … {MAX_CHANNELS} neurons, not {number}")
    return number


def threshold_tensor(thresholds: NDArray[np.int64]) -> tuple[str, NDArray, str]:
    """Thresholds as a file holds them: 16 bits where these suffice, else 32."""
    short = thresholds.min() >= -(2**15) and thresholds.max() < 2**15
    return "thresholds", thresholds.astype("<i2" if short else "<i4"), "I16" if short else "I32"


def thresholds_of(slot: TensorSlot, number: int) -> NDArray[np.int64]:
    """What `threshold_tensor` gave, read back: as many as there should be, or a `FileFormatError`."""
    if slot.dtype not in ("I16", "I32") or slot.shape != (number,):
        raise FileFormatError(f"should hold {number} integer thresholds, not {slot.shape}")
    return np.frombuffer(slot.data, "<i2" if slot.dtype == "I16" else "<i4").astype(np.int64)


def check_thresholds(thresholds: NDArray[np.int64]) -> None:
    """Raise `InputError` where a threshold is beyond what a file holds."""
    if not -(2**31) < thresholds.min() <= thresholds.max() < 2**31:
        raise InputError("has a threshold that does not fit 32 bits")


def sign_tensor(signs: NDArray[np.int8]) -> tuple[str, NDArray, str]:
    """Signs `[rows, …]` as a file holds them: uint8 `[rows, bits / 8, up]`, bit i being 1 where sign i is +1."""
    return "signs", np.packbits(signs.reshape(len(signs), -1) > 0, axis=1, bitorder="little"), "U8"


def signs_of(slot: TensorSlot, rows: int, bits: int, what: str) -> NDArray[np.int8]:
    """What `sign_tensor` gave, read back: int8 -1/+1 `[rows, bits]`.

    Raises:
        FileFormatError: there are other rows, or bits set beyond the last, which is that of `what`.
    """
    if slot.dtype != "U8" or slot.shape != (rows, (bits + 7) // 8):
        raise FileFormatError(f"should hold {rows} rows of {bits} bits, not {slot.shape}")
    packed = np.frombuffer(slot.data, np.uint8).reshape(slot.shape)
    every = np.unpackbits(packed, axis=1, bitorder="little")
    if every[:, bits:].any():
        raise FileFormatError(f"has bits set beyond {what}")
    return every[:, :bits].astype(np.int8) * 2 - 1
