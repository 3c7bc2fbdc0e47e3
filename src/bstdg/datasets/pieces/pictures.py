"""Pictures of a folder, decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets.pictures import levels
from bstdg.datasets.pieces.base import Index, rows_at
from bstdg.errors import InputError

MAX_FILE = 1 << 26  # bytes of one picture


class PictureRows:
    """Picture files as one array of images of one size; see `bstdg.datasets.pieces.base.Rows`.

    Args:
        files: one a sample; the first is decoded at once.
        size: rows and columns that each is brought to, or None where all have one size.
        channels: 1 for grey, 3 for red, green and blue.

    Raises:
        InputError: the first is no picture.
    """

    def __init__(self, files: Sequence[Path], size: tuple[int, int] | None, channels: int):
        self._files, self._size, self._channels = files, size, channels
        first = self._levels(files[0])
        self.name = str(files[0].parent.parent)
        self.shape, self.dtype = (len(files), *first.shape), first.dtype

    def read(self, index: Index) -> NDArray[Any]:
        """See `Rows.read`."""
        rows = rows_at(index, len(self._files))
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for i, row in enumerate(rows.tolist()):
            picture = self._levels(self._files[row])
            if picture.shape != images.shape[1:]:
                raise InputError(
                    f"pictures differ in size ({self._files[0]} is {_size(images)}, {self._files[row]} is "
                    f"{_size(picture)}): say what to bring them to, rows and columns, with data.size = [32, 32] for "
                    "instance"
                )
            images[i] = picture
        return images

    def _levels(self, file: Path) -> NDArray[np.uint8]:
        try:
            if file.stat().st_size > MAX_FILE:
                raise InputError(f"{file} has more than the {MAX_FILE:,} bytes that a picture may have here")
            return levels(file, self._size, self._channels)
        except OSError as error:
            raise InputError(f"cannot read {file}: {error.strerror or error}") from error


def _size(picture: NDArray[np.uint8]) -> str:
    return " x ".join(map(str, picture.shape[-2:]))
