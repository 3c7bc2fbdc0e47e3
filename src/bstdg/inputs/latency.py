"""The latency code: the brighter a pixel, the sooner its one spike.

How bright a pixel is may be told from white, from the brightest pixel of its image, or by levels chosen from many
images: see `bstdg.inputs.contrast`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bstdg.errors import InputError
from bstdg.inputs.base import InputCode, Samples, Shape, batch_of, by, check_shape, shape_of
from bstdg.inputs.contrast import Levels, check_levels, relative_values, steps_by_contrast, table_of_bytes
from bstdg.spikes.events import MAX_CHANNELS, never
from bstdg.whole import own_numbers

MOST_WHITE = 65_535
REFUSED = 255  # in a table of steps: no such byte may come


@dataclass(frozen=True)
class LatencyCode(InputCode):
    """Images, whose every pixel fires once: the brighter, the sooner.

    Attributes:
        reads: (channels, rows, columns) of an image, or (n,) for a row of values.
        white: the pixel value that fires at step 0.
        silent_below: pixels at or below this share of white never fire; where steps are relative, of the brightest.
        relative: the brightest pixel of each image, of all its channels, fires at step 0, and all others by their share
            of it.
        levels: the least pixel of each step, T integers that never rise; () tells steps apart evenly. What is below the
            last is silent, so `silent_below` is 0 then. Where steps are relative too, pixels count as if the brightest
            were white.

    Raises:
        InputError: a field is out of range, a level is above the one before it, or levels come with `silent_below`.

    >>> LatencyCode((1, 1, 4)).encode(np.array([[255, 128, 1, 0]], np.uint8), 8)
    array([[0, 3, 7, 8]], dtype=uint8)
    >>> LatencyCode((1, 1, 4), relative=True).encode(np.array([[100, 50, 1, 0]], np.uint8), 8)
    array([[0, 4, 7, 8]], dtype=uint8)
    >>> LatencyCode((1, 1, 4), levels=(200, 120, 2)).encode(np.array([[255, 128, 2, 1]], np.uint8), 3)
    array([[0, 1, 2, 3]], dtype=uint8)
    """

    kind: ClassVar[str] = "latency"
    samples: ClassVar[Samples] = "images"
    reads: Shape
    white: int = 255
    silent_below: float = 0.0
    relative: bool = False
    levels: Levels = ()

    def __post_init__(self) -> None:
        own_numbers(self)
        check_pixels(self.reads, self.white, self.silent_below, MOST_WHITE)
        if type(self.relative) is not bool:
            raise InputError(f"relative must be true or false, not {self.relative!r}")
        object.__setattr__(self, "levels", check_levels(self.levels, self.white))
        if self.levels and self.silent_below:
            raise InputError("silent_below and levels both say what is silent, levels what is below the last: give one")

    @property
    def plain(self) -> bool:
        """Steps are told apart evenly, from white."""
        return not (self.relative or self.levels)

    @property
    def gives(self) -> Shape:
        """A channel a pixel."""
        return self.reads

    def check(self, num_steps: int) -> None:
        """Raise `InputError` where the levels are of another number of steps."""
        if self.levels and len(self.levels) != never(num_steps):
            raise InputError(f"there must be one level a step: {len(self.levels)} levels, T is {num_steps}")

    def encode(self, samples: ArrayLike, num_steps: int) -> NDArray[np.uint8]:
        """Steps of images `[batch, *reads]`, of grey ones `[batch, rows, columns]`, or flat; or of one image.

        Integers are 0 … white, floats 0 … 1. Relative, or by levels, floats become integers by rounding.
        """
        if self.plain:
            pixels = batch_of(samples, self.reads, "images")
            white = self.white if np.issubdtype(pixels.dtype, np.integer) else 1.0
            return latency(pixels, num_steps, white=white, silent_below=self.silent_below)
        self.check(num_steps)
        return steps_by_contrast(self._integers(samples), *self._contrast(num_steps))

    def values(self, samples: ArrayLike) -> NDArray[np.integer]:
        """What levels are held against, integers 0 … white `[batch, channels]`; samples as for `encode`."""
        pixels = self._integers(samples)
        return relative_values(pixels, self.white) if self.relative else pixels

    def _integers(self, samples: ArrayLike) -> NDArray[np.integer]:
        pixels = batch_of(samples, self.reads, "images")
        whole = np.issubdtype(pixels.dtype, np.integer)
        flat = _in_range(pixels, self.white if whole else 1.0)
        return flat if whole else np.rint(flat.astype(np.float64) * self.white).astype(np.int64)

    def _contrast(self, num_steps: int) -> tuple[int, int, float, bool, Levels]:
        return never(num_steps), self.white, self.silent_below, self.relative, self.levels

    def step_of_byte(self, num_steps: int) -> NDArray[np.uint8] | None:
        """The step of each pixel value `[256]`, or of each in an image of each brightest pixel `[256, 256]`.

        None where pixels are wider than a byte.
        """
        if self.white > 255:
            return None
        if not self.relative:
            table = np.full(256, REFUSED, np.uint8)
            table[: self.white + 1] = self.step_of_value(num_steps)
            return table
        table = np.full((256, 256), REFUSED, np.uint8)
        table[: self.white + 1, : self.white + 1] = table_of_bytes(*self._contrast(num_steps))
        return table

    def step_of_value(self, num_steps: int) -> NDArray[np.uint8]:
        """The step of each pixel value 0 … white; where steps are relative, in an image that has a white pixel."""
        if self.plain:
            return _latency_table(self.white, num_steps, self.silent_below)
        self.check(num_steps)
        return steps_by_contrast(np.arange(self.white + 1)[None], *self._contrast(num_steps))[0]

    def describe(self) -> str:
        """What is read, in words."""
        return f"{by(self.reads)}, 0 … {self.white}, {self.told()}"

    def told(self) -> str:
        """How values are told apart, and what is silent, in words."""
        if self.levels:
            scaled = f", the greatest of each sample counting as {self.white}" if self.relative else ""
            return f"levels {', '.join(map(str, self.levels))}{scaled}"
        if self.relative:
            return f"relative to the greatest of each sample, silent at or below {self.silent_below:g} of that"
        return f"silent at or below {self.silent_below:g} of it"

    def header(self) -> dict[str, Any]:
        """What a file says of it."""
        said = {"reads": list(self.reads), "white": self.white, "silent_below": self.silent_below}
        return {**said, **contrast_header(self.relative, self.levels)}

    @classmethod
    def of(cls, header: Mapping[str, Any], tensors: Mapping[str, Any]) -> LatencyCode:
        """What `header` gave, read back."""
        relative, levels = header.get("relative", False), header.get("levels", ())
        return cls(shape_of(header["reads"]), header["white"], header["silent_below"], relative, levels)


def contrast_header(relative: bool, levels: Levels) -> dict[str, Any]:
    """What a file says of contrast: nothing where steps are told apart evenly, from white."""
    return {**({"relative": True} if relative else {}), **({"levels": list(levels)} if levels else {})}


def check_pixels(reads: Shape, white: Any, silent_below: Any, most: int) -> None:
    """Raise `InputError` unless this describes pixels; `most` is the greatest white."""
    if len(reads) not in (1, 3):
        raise InputError(f"images have channels, rows and columns, such as (1, 28, 28), not {list(reads)}")
    check_shape(reads)
    if math.prod(reads) > MAX_CHANNELS:
        raise InputError(f"images of {by(reads)} are more than {MAX_CHANNELS} channels")
    if type(white) is not int or not 1 <= white <= most:
        raise InputError(f"white must be an integer in 1 … {most}, not {white!r}")
    if isinstance(silent_below, bool) or not isinstance(silent_below, Real) or not 0.0 <= float(silent_below) < 1.0:
        raise InputError(f"silent_below must be in [0, 1), not {silent_below!r}")


def latency(
    images: ArrayLike, num_steps: int, *, white: float | None = None, silent_below: float = 0.0
) -> NDArray[np.uint8]:
    """Latency code: the brighter a pixel, the sooner its one spike.

    With x = pixel / white in [0, 1] the step is `floor((1 - x) * T)`; x = 1 fires at step 0 and
    x <= silent_below never fires. Integer pixels are encoded in exact integer arithmetic; floating-point ones in
    float64.

    Args:
        images: `[batch, …]`, integers in 0 … white, or floats in 0 … white.
        num_steps: T, 1 … 254.
        white: the pixel value that means x = 1; 255 for integers and 1.0 for floats unless given.
        silent_below: pixels at or below this share of white stay silent.

    Returns:
        Steps, `uint8` `[batch, features]`, T where a pixel never fires.

    Raises:
        InputError: a pixel is negative, above white, or not a number; T is out of range.

    >>> latency(np.array([[255, 128, 1, 0]], dtype=np.uint8), num_steps=8)
    array([[0, 3, 7, 8]], dtype=uint8)
    """
    num_steps = silent = never(num_steps)
    pixels = np.asarray(images)
    if not 0.0 <= silent_below < 1.0:
        raise InputError(f"silent_below must be in [0, 1), not {silent_below}")
    whole = np.issubdtype(pixels.dtype, np.integer)
    top = float(white) if white is not None else (255.0 if whole else 1.0)
    if not (np.isfinite(top) and top > 0):
        raise InputError(f"white must be a positive number, not {white}")
    flat = _in_range(pixels, top)
    if whole and top.is_integer() and top <= MOST_WHITE:
        table = _latency_table(int(top), num_steps, silent_below)
        return table[flat]
    shade = flat.astype(np.float64) / top
    steps = np.minimum(np.floor((1.0 - shade) * num_steps), silent)
    return np.where(shade <= silent_below, silent, steps).astype(np.uint8)


def _in_range(images: NDArray, white: float) -> NDArray:
    """Images as rows of numbers 0 … white, `[batch, features]`; raises `InputError` where they are not."""
    if images.ndim < 1 or not (np.issubdtype(images.dtype, np.integer) or np.issubdtype(images.dtype, np.floating)):
        raise InputError(f"images must be an array [batch, …] of numbers, not {images.dtype} {list(images.shape)}")
    flat = images.reshape(len(images), math.prod(images.shape[1:]))
    _check_pixels(flat, white)
    return flat


def _check_pixels(pixels: np.ndarray, white: float) -> None:
    if pixels.size == 0:
        return
    low, high = pixels.min(), pixels.max()  # both are NaN as soon as one pixel is
    if np.isnan(low):
        raise InputError(f"images hold {int(np.isnan(pixels).sum())} pixels that are not a number (NaN)")
    if low < 0:
        raise InputError(f"images hold negative pixels (least {low}); scale them to 0 … {white:g}")
    if high > white:
        raise InputError(f"images hold pixels above white (greatest {high}, white {white:g}); scale them or set white")


def _latency_table(white: int, num_steps: int, silent_below: float) -> NDArray[np.uint8]:
    """The step of every integer pixel value 0 … white, in integer arithmetic."""
    value = np.arange(white + 1, dtype=np.int64)
    steps = (white - value) * num_steps // white  # 0 gives T: black is silent by the formula itself
    return np.where(value / white <= silent_below, num_steps, steps).astype(np.uint8)
