"""Oriented edges: photographs become maps of how strong edges of four directions are in each cell.

Across each pixel four differences are taken: of its neighbours right and left, below and above, and along both
diagonals. Each direction counts as far as it exceeds the one at right angles to it, and is summed over square cells.
Sums, differences and comparisons of integers are all there is, up to one division by a constant, so a microcontroller
or a few adders a pixel can do the same, bit for bit. A uniform change of brightness leaves the maps as they are.

The maps are channels of their own: right-left, falling diagonal, below-above, rising diagonal; of colour images, these
four for each colour. After them may come the pixels themselves, the mean of each cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bstdg.errors import InputError
from bstdg.inputs.base import InputCode, Samples, Shape, batch_of, by, shape_of
from bstdg.inputs.contrast import Levels
from bstdg.inputs.latency import LatencyCode, check_pixels, contrast_header, latency
from bstdg.whole import own_numbers

DIRECTIONS = 4
GAIN = 6  # a cell is white where its pixels differ by a sixth of white on average; edges are seldom steeper
AT_ONCE = 1 << 22  # pixels: what bounds the memory


@dataclass(frozen=True)
class EdgeCode(InputCode):
    """Images, of which the latency code of their edge maps is read.

    Attributes:
        reads: (channels, rows, columns) of an image.
        cell: side of a cell, in pixels; divides rows and columns.
        white: the pixel value of full intensity, 1 … 255, and where a map saturates.
        silent_below: cells at or below this share of white never fire.
        pixels: after the maps come the cells' mean pixels, rounded down, a channel a colour.
        relative, levels: of the latency code that reads all of these (see `bstdg.inputs.latency.LatencyCode`); the
            brightest is the greatest value of all maps and means of an image.

    >>> code = EdgeCode((1, 28, 28), cell=2)
    >>> code.gives
    (4, 14, 14)
    """

    kind: ClassVar[str] = "edges"
    samples: ClassVar[Samples] = "images"
    reads: Shape
    cell: int
    white: int = 255
    silent_below: float = 0.0
    pixels: bool = False
    relative: bool = False
    levels: Levels = ()

    def __post_init__(self) -> None:
        own_numbers(self)
        if type(self.pixels) is not bool:
            raise InputError(f"pixels must be true or false, not {self.pixels!r}")
        if type(self.cell) is not int:
            raise InputError(f"edges need the side of a cell in pixels, not {self.cell!r}")
        check_pixels(self.reads, self.white, self.silent_below, 255)  # maps are bytes
        maps_shape(self.reads, self.cell)
        object.__setattr__(self, "levels", self.latency.levels)

    @property
    def latency(self) -> LatencyCode:
        """How maps and means become steps."""
        return LatencyCode(self.gives, self.white, self.silent_below, self.relative, self.levels)

    @property
    def gives(self) -> Shape:
        """Four maps of cells for each channel, and one more with the pixels."""
        count, rows, columns = maps_shape(self.reads, self.cell)
        return count + self.pixels * self.reads[0], rows, columns

    def encode(self, samples: ArrayLike, num_steps: int) -> NDArray[np.uint8]:
        """Steps of the edge maps of images; which images are taken, see `bstdg.inputs.latency.LatencyCode.encode`."""
        return self.latency.encode(self._made(samples), num_steps)

    def values(self, samples: ArrayLike) -> NDArray[np.integer]:
        """What levels are held against, see `bstdg.inputs.latency.LatencyCode.values`."""
        return self.latency.values(self._made(samples))

    def check(self, num_steps: int) -> None:
        """Raise `InputError` where the levels are of another number of steps."""
        self.latency.check(num_steps)

    def _made(self, samples: ArrayLike) -> NDArray[np.uint8]:
        """Maps and means of images, `[batch, *gives]`."""
        pixels = batch_of(samples, self.reads, "images")
        whole = np.issubdtype(pixels.dtype, np.integer)
        latency(pixels, 1, white=self.white if whole else 1.0)  # refuses what is out of range
        levels = pixels if whole else np.rint(pixels.astype(np.float64) * self.white)
        images = levels.astype(np.uint8).reshape(len(levels), *self.reads)
        made = maps(images, self.cell, self.white)
        return np.concatenate([made, means(images, self.cell)], axis=1) if self.pixels else made

    def done_outside(self) -> str:
        """Finding the edges."""
        cell, more = self.cell, ", and bstdg.inputs.edges.means what follows" if self.pixels else ""
        return f"edge maps: bstdg.inputs.edges.maps with cells of {cell} pixels makes them of images{more}"

    def describe(self) -> str:
        """What is read, in words."""
        what = "edges and means" if self.pixels else "edges"
        told = self.latency.told()
        return f"{by(self.reads)}, 0 … {self.white}, {told}; {what} in cells of {self.cell} x {self.cell} pixels"

    def header(self) -> dict[str, Any]:
        """What a file says of it."""
        images = {"reads": list(self.reads), "white": self.white, "silent_below": self.silent_below}
        contrast = contrast_header(self.relative, self.levels)
        return {**images, "cell": self.cell, **({"pixels": True} if self.pixels else {}), **contrast}

    @classmethod
    def of(cls, header: Mapping[str, Any], tensors: Mapping[str, Any]) -> EdgeCode:
        """What `header` gave, read back."""
        pixels = header.get("pixels", False)
        contrast = header.get("relative", False), header.get("levels", ())
        return cls(
            shape_of(header["reads"]), header["cell"], header["white"], header["silent_below"], pixels, *contrast
        )


def maps_shape(shape: Shape, cell: int) -> Shape:
    """Channels, rows and columns of the maps of images of `shape` with cells of `cell` x `cell` pixels.

    Raises:
        InputError: the cells do not fill the images.

    >>> maps_shape((1, 80, 120), 5)
    (4, 16, 24)
    """
    if len(shape) != 3 or cell < 1 or shape[1] % cell or shape[2] % cell:
        raise InputError(
            f"cells of {cell} x {cell} pixels do not fill images of {by(shape)}; edges need a common divisor"
        )
    return DIRECTIONS * shape[0], shape[1] // cell, shape[2] // cell


def maps(images: NDArray[np.uint8], cell: int, white: int = 255) -> NDArray[np.uint8]:
    """The edge maps of a batch.

    Args:
        images: uint8 `[N, rows, columns]` or `[N, channels, rows, columns]`, 0 … white.
        cell: side of a cell, in pixels; divides rows and columns.
        white: where a map saturates.

    Returns:
        uint8 `[N, 4 * channels, rows / cell, columns / cell]`, 0 … white.

    Raises:
        InputError: the images have another type or shape, or the cells do not fill them.

    >>> step = np.array([[0, 0, 9, 9]] * 4, np.uint8)  # dark on the left, brighter on the right
    >>> maps(step[None], cell=4).ravel().tolist()  # an upright edge lies across the right-left direction
    [27, 0, 0, 0]
    """
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise InputError(
            f"edges are found in images, uint8 [N, rows, columns] or [N, channels, rows, columns], not "
            f"{images.dtype} {list(images.shape)}"
        )
    channels = images.shape[1] if images.ndim == 4 else 1
    shape = maps_shape((channels, *images.shape[-2:]), cell)
    planes = images.reshape(-1, *images.shape[-2:])
    made = np.empty((len(planes), DIRECTIONS, *shape[1:]), np.uint8)
    at_once = max(1, AT_ONCE // max(1, planes[0].size if len(planes) else 1))
    for i in range(0, len(planes), at_once):
        sums = _sums(planes[i : i + at_once], cell) * GAIN // (cell * cell)
        made[i : i + at_once] = np.minimum(sums, white)
    return made.reshape(len(images), *shape)


def means(images: NDArray[np.uint8], cell: int) -> NDArray[np.uint8]:
    """The cells' mean pixels, rounded down, `[N, channels, rows / cell, columns / cell]`; arguments as for `maps`.

    >>> means(np.array([[[[1, 2], [3, 5]]]], np.uint8), cell=2).tolist()
    [[[[2]]]]
    """
    count, channels, rows, columns = images.shape
    cells = images.reshape(count, channels, rows // cell, cell, columns // cell, cell)
    return (cells.sum(axis=(3, 5), dtype=np.int32) // (cell * cell)).astype(np.uint8)


def _sums(images: NDArray[np.uint8], cell: int) -> NDArray[np.int32]:
    """What each direction has over the one at right angles, summed over cells, `[N, 4, rows, columns]` of cells."""
    count, rows, columns = images.shape
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge").astype(np.int16)

    def across(down: int, right: int) -> NDArray[np.int16]:
        def moved(by: int) -> NDArray[np.int16]:
            return padded[:, 1 + by * down :, 1 + by * right :][:, :rows, :columns]

        return np.abs(moved(1) - moved(-1))

    strength = [across(0, 1), across(1, 1), across(1, 0), across(1, -1)]
    over = [np.maximum(strength[d] - strength[(d + 2) % DIRECTIONS], 0) for d in range(DIRECTIONS)]
    cells = np.stack(over, axis=1).reshape(count, DIRECTIONS, rows // cell, cell, columns // cell, cell)
    return cells.sum(axis=(3, 5), dtype=np.int32)
