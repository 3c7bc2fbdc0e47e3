"""Signals become spikes: what a sensor gave, relative to the sample itself, so that neither offset nor gain matter.

A sample is a picture, a signal one of a single row. Each of its channels becomes planes of its own, one for every name
in `maps`. With x a value, lo, hi the least and greatest of its channel and mid their lower median, of integers:

    level   x - lo             top hi - lo                     what is high, the higher the sooner
    depth   hi - x             top hi - lo                     what is low
    above   max(0, x - mid)    top max(hi - mid, mid - lo)     on: above the baseline
    below   max(0, mid - x)    the same top                    off: below it
    rise    max(0, d)          top the greatest |d|            slope upwards; d = x[next] - x[before], ends repeated
    fall    max(0, -d)         the same top                    slope downwards

A value v fires at step (top - v) * T // top, and never where v or top is 0. So integers, comparisons and one division
are all there is. With a `top` of one's own, the same for all samples, what is greater fires at step 0 too; then gain
matters, and offset does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bstdg.errors import InputError
from bstdg.inputs.base import InputCode, Samples, Shape, batch_of, by, shape_of
from bstdg.inputs.latency import check_pixels, latency
from bstdg.spikes.events import MAX_CHANNELS, never
from bstdg.whole import own_numbers

SignalMap = Literal["level", "depth", "above", "below", "rise", "fall"]
MOST_TOP = 65_535
AT_ONCE = 1 << 20  # values: what bounds the memory


def check_maps(maps: Any) -> None:
    """Raise `InputError` unless these are maps of a signal, one or more, each once."""
    if not isinstance(maps, tuple) or not maps or not set(maps) <= set(get_args(SignalMap)):
        raise InputError(f"maps of a signal are some of {', '.join(get_args(SignalMap))}, not {maps!r}")
    if len(set(maps)) < len(maps):
        raise InputError(f"a map of a signal is named once, not as in {', '.join(maps)}")


@dataclass(frozen=True)
class SignalCode(InputCode):
    """Signals, of which the latency code of maps relative to themselves is read.

    Attributes:
        reads: (channels, rows, columns) of a sample, (1, 1, n) of a signal.
        maps: which, each once; their planes follow each other, for each channel of a sample.
        white: the greatest value that a sample may have.
        silent_below: values at or below this share of the top never fire.
        top: what fires at step 0, and what is greater; 0: each sample's own.

    >>> code = SignalCode((1, 1, 5), ("above", "below"), white=100)
    >>> code.gives, code.encode(np.array([[10, 10, 50, 0, 10]]), 4).tolist()
    ((2, 1, 5), [[4, 4, 0, 4, 4, 4, 4, 4, 3, 4]])
    """

    kind: ClassVar[str] = "signal"
    samples: ClassVar[Samples] = "images"
    reads: Shape
    maps: tuple[SignalMap, ...] = ("above", "below")
    white: int = 255
    silent_below: float = 0.0
    top: int = 0

    def __post_init__(self) -> None:
        own_numbers(self)
        check_pixels(self.reads, self.white, self.silent_below, 65_535)
        if len(self.reads) != 3:
            raise InputError(f"signals have channels, rows and columns, such as (1, 1, 128), not {list(self.reads)}")
        check_maps(self.maps)
        if type(self.top) is not int or not 0 <= self.top <= MOST_TOP:
            raise InputError(f"the top of a signal must be an integer in 0 … {MOST_TOP}, not {self.top!r}")
        if (width := len(self.maps) * int(np.prod(self.reads))) > MAX_CHANNELS:
            raise InputError(
                f"{len(self.maps)} maps of {by(self.reads)} are {width} channels, more than {MAX_CHANNELS}"
            )

    @property
    def gives(self) -> Shape:
        """A plane a map, for each channel."""
        channels, rows, columns = self.reads
        return (channels * len(self.maps), rows, columns)

    def encode(self, samples: ArrayLike, num_steps: int) -> NDArray[np.uint8]:
        """Steps of signals `[batch, *reads]`, `[batch, rows, columns]` of one channel, or flat; or of one.

        Integers are 0 … white; floats 0 … 1 become such by rounding.
        """
        values = batch_of(samples, self.reads, "images")
        whole = np.issubdtype(values.dtype, np.integer)
        latency(values, 1, white=self.white if whole else 1.0)  # refuses what is out of range
        levels = values if whole else np.rint(values.astype(np.float64) * self.white)
        channels, rows, columns = self.reads
        planes = levels.reshape(len(levels) * channels, rows, columns)
        steps = np.empty((len(planes), len(self.maps), rows, columns), np.uint8)
        at_once = max(1, AT_ONCE // (rows * columns))
        for i in range(0, len(planes), at_once):
            part = planes[i : i + at_once].astype(np.int64)
            for n, name in enumerate(self.maps):
                steps[i : i + at_once, n] = self._steps(*_MAPS[name](part), num_steps)
        return steps.reshape(len(levels), len(self.maps) * channels * rows * columns)

    def _steps(self, values: NDArray[np.int64], tops: NDArray[np.int64], num_steps: int) -> NDArray[np.uint8]:
        """Steps of values 0 … their tops `[planes]`."""
        num_steps = never(num_steps)
        top = (np.full_like(tops, self.top) if self.top else tops)[:, None, None]
        values = np.minimum(values, top)
        steps = (top - values) * num_steps // np.maximum(top, 1)
        silent = (values == 0) | (values / np.maximum(top, 1) <= self.silent_below)
        return np.where(silent, num_steps, steps).astype(np.uint8)

    def done_outside(self) -> str:
        """Making the maps."""
        return f"steps alone: bstdg.load(…).encode makes them of signals, as bstdg.inputs.signal says ({self._said()})"

    def describe(self) -> str:
        """What is read, in words."""
        return f"{by(self.reads)}, 0 … {self.white}; {self._said()}"

    def _said(self) -> str:
        top = f"a top of {self.top}" if self.top else "each sample's own top"
        return f"{', '.join(self.maps)} relative to {top}, silent at or below {self.silent_below:g} of it"

    def header(self) -> dict[str, Any]:
        """What a file says of it."""
        pixels = {"reads": list(self.reads), "white": self.white, "silent_below": self.silent_below}
        return {**pixels, "maps": list(self.maps), "top": self.top}

    @classmethod
    def of(cls, header: Mapping[str, Any], tensors: Mapping[str, Any]) -> SignalCode:
        """What `header` gave, read back."""
        maps = header["maps"]
        if not isinstance(maps, list) or not all(isinstance(name, str) for name in maps):
            raise ValueError(f"{maps!r} are no maps of a signal")
        names: Any = tuple(maps)
        return cls(shape_of(header["reads"]), names, header["white"], header["silent_below"], header["top"])


Planes = NDArray[np.int64]  # [planes, rows, columns]


def _ends(planes: Planes) -> tuple[Planes, Planes]:
    """The least and the greatest value of each plane, `[planes, 1, 1]`."""
    return planes.min(axis=(1, 2), keepdims=True), planes.max(axis=(1, 2), keepdims=True)


def _high(planes: Planes) -> tuple[Planes, Planes]:
    low, high = _ends(planes)
    return planes - low, (high - low).ravel()


def _low(planes: Planes) -> tuple[Planes, Planes]:
    low, high = _ends(planes)
    return high - planes, (high - low).ravel()


def _from_middle(sign: int) -> Callable[[Planes], tuple[Planes, Planes]]:
    def made(planes: Planes) -> tuple[Planes, Planes]:
        low, high = _ends(planes)
        flat = planes.reshape(len(planes), -1)
        place = (flat.shape[1] - 1) // 2
        middle = np.partition(flat, place, axis=1)[:, place, None, None]
        return np.maximum(sign * (planes - middle), 0), np.maximum(high - middle, middle - low).ravel()

    return made


def _slope(sign: int) -> Callable[[Planes], tuple[Planes, Planes]]:
    def made(planes: Planes) -> tuple[Planes, Planes]:
        padded = np.pad(planes, ((0, 0), (0, 0), (1, 1)), mode="edge")
        change = padded[:, :, 2:] - padded[:, :, :-2]
        return np.maximum(sign * change, 0), np.abs(change).max(axis=(1, 2))

    return made


_MAPS: dict[str, Callable[[Planes], tuple[Planes, Planes]]] = {
    "level": _high,
    "depth": _low,
    "above": _from_middle(1),
    "below": _from_middle(-1),
    "rise": _slope(1),
    "fall": _slope(-1),
}
