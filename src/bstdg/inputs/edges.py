"""Oriented edges: photographs become maps of how strong edges of four directions are in each cell.

Across each pixel four differences are taken: of its neighbours right and left, below and above, and along both
diagonals. Each direction counts as far as it exceeds the one at right angles to it, and is summed over square cells.
Sums, differences and comparisons of integers are all there is, up to one division by a constant, so a microcontroller
or a few adders a pixel can do the same, bit for bit. A uniform change of brightness leaves the maps as they are.

The maps lie one below the other, as one image: right-left, falling diagonal, below-above, rising diagonal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError

DIRECTIONS = 4
GAIN = 6  # a cell is white where its pixels differ by a sixth of white on average; edges are seldom steeper
AT_ONCE = 1 << 22  # pixels: what bounds the memory


def maps_shape(shape: tuple[int, ...], cell: int) -> tuple[int, int]:
    """Rows and columns of the maps of images of `shape` with cells of `cell` x `cell` pixels.

    Raises:
        InputError: the cells do not fill the images.

    >>> maps_shape((80, 120), 5)
    (64, 24)
    """
    if len(shape) != 2 or cell < 1 or shape[0] % cell or shape[1] % cell:
        said = " x ".join(map(str, shape))
        raise InputError(f"cells of {cell} x {cell} pixels do not fill images of {said}; edges need a common divisor")
    return DIRECTIONS * (shape[0] // cell), shape[1] // cell


def maps(images: NDArray[np.uint8], cell: int, white: int = 255) -> NDArray[np.uint8]:
    """The edge maps of a batch.

    Args:
        images: uint8 `[N, rows, columns]`, 0 … white.
        cell: side of a cell, in pixels; divides rows and columns.
        white: where a map saturates.

    Returns:
        uint8 `[N, 4 * rows / cell, columns / cell]`, 0 … white.

    Raises:
        InputError: the images have another type or shape, or the cells do not fill them.

    >>> step = np.array([[0, 0, 9, 9]] * 4, np.uint8)  # dark on the left, brighter on the right
    >>> maps(step[None], cell=4).tolist()  # an upright edge lies across the right-left direction
    [[[27], [0], [0], [0]]]
    """
    if images.dtype != np.uint8 or images.ndim != 3:
        raise InputError(f"edges are found in images, uint8 [N, rows, columns], not {images.dtype} {images.shape}")
    rows, columns = maps_shape(images.shape[1:], cell)
    made = np.empty((len(images), rows, columns), np.uint8)
    at_once = max(1, AT_ONCE // max(1, images[0].size if len(images) else 1))
    for i in range(0, len(images), at_once):
        part = images[i : i + at_once]
        sums = _sums(part, cell) * GAIN // (cell * cell)
        made[i : i + at_once] = np.minimum(sums, white).reshape(len(part), rows, columns)
    return made


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
