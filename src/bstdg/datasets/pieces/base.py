"""Samples that stay on disk, and labelled images of them: what a `Dataset` is for those in memory.

Files are read where the samples lie, never mapped: a file that somebody shortens would end a process that has mapped
it. Each piece is followed by a look at the file, so that none is taken from one that changed meanwhile.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets.base import Split, check_classes, check_labels
from bstdg.datasets.pieces.ahead import ahead, window
from bstdg.errors import FileFormatError, InputError

KEPT_VARIABLE = "BSTDG_IN_MEMORY"
KEPT = 1 << 28  # bytes of the images of a split that are read whole unless the variable says otherwise
PIECE = 1 << 22  # bytes of samples that are read at once where they are read in order
AT_ONCE = 512  # … and how many of them at most

R = TypeVar("R")
Index = slice | NDArray[np.integer]


class Rows(Protocol):
    """An array on disk, its first axis the samples, or what is read like one; several threads may.

    Attributes:
        name: what errors call it.
        shape: of the whole, samples first.
        dtype: of its numbers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self, index: Index, /) -> NDArray[Any]:
        """The samples at these positions, in their order, `[samples, …]`.

        Raises:
            InputError: a position does not exist, or what is there is not what was promised.
            FileFormatError: the file changed since it was opened, or is damaged.
        """
        ...


class Unchanged:
    """That a file is what it was when it was opened: as long, and not written to since."""

    def __init__(self, path: Path, handle: int | None = None):
        self._path, self._handle = path, handle
        self.seen = self._look()

    def _look(self) -> tuple[int, int]:
        found = os.stat(self._path) if self._handle is None else os.fstat(self._handle)  # noqa: PTH116
        return found.st_size, found.st_mtime_ns

    def check(self) -> None:
        """Raise `FileFormatError` where it is not."""
        try:
            now = self._look()
        except OSError as error:
            raise FileFormatError(f"{self._path} is gone while it is read: {error.strerror or error}") from error
        if now != self.seen:
            self.refuse(now)

    def refuse(self, now: tuple[int, int]) -> NoReturn:
        """Say what became of it."""
        was, size = self.seen[0], now[0]
        how = "was written to" if size == was else f"has {size:,} bytes, and had {was:,}"
        raise FileFormatError(
            f"{self._path} changed while it was read (it {how}): what was read of it is not to be relied on; begin "
            "again when nobody writes it"
        )


def rows_at(index: Index, count: int) -> NDArray[np.int64]:
    """Positions as numbers 0 … count - 1.

    Raises:
        InputError: one does not exist.
    """
    try:
        if isinstance(index, slice):
            return np.arange(*index.indices(count), dtype=np.int64)
        rows = np.asarray(index)
        if rows.dtype.kind not in "iu" or rows.ndim != 1:
            raise IndexError(f"positions are integers in a row, not {rows.dtype} {list(rows.shape)}")
        rows = rows.astype(np.int64)
        if len(rows) and not -count <= rows.min() <= rows.max() < count:
            raise IndexError(f"there is no sample {rows.max() if rows.max() >= count else rows.min()}")
        return np.where(rows < 0, rows + count, rows)
    except IndexError as error:
        raise InputError(f"{count} samples: {error}") from None


def pieces(count: int, sample_bytes: int, start: int = 0) -> Iterator[slice]:
    """All samples from `start` on, in order, as many at a time as `PIECE` and `AT_ONCE` allow.

    >>> list(pieces(1000, 16_384, 600))
    [slice(600, 856, None), slice(856, 1000, None)]
    """
    each = max(1, min(AT_ONCE, PIECE // max(1, sample_bytes)))
    return (slice(i, min(i + each, count)) for i in range(start, count, each))


def kept_whole(size: int) -> bool:
    """Whether images of so many bytes are read into memory at once.

    Raises:
        InputError: the environment variable that says so is no number of bytes.
    """
    said = os.environ.get(KEPT_VARIABLE, "")
    if said and not (said.isascii() and said.isdecimal() and len(said) < 20):
        raise InputError(f"{KEPT_VARIABLE} is a number of bytes, such as {KEPT}, not {said!r}")
    return size <= (int(said) if said else KEPT)


@dataclass(frozen=True, eq=False, repr=False)
class StoredDataset:
    """Labelled images of one split that stay on disk; what they are is said at `bstdg.datasets.Dataset`.

    Attributes:
        name, split, labels, white, classes: as there.
        samples: uint8 `[…, rows, columns]` or `[…, channels, rows, columns]`.
        rows: int64 `[N]`, which of the samples are of this split; None: all, in their order.
        last: the channels of a sample are its last axis.

    Raises:
        InputError: the set is empty, or labels are not as said there.
    """

    name: str
    split: Split
    samples: Rows
    labels: NDArray[np.int64]
    white: int
    classes: tuple[str, ...]
    rows: NDArray[np.int64] | None = None
    last: bool = False
    patients: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        where = f"{self.name} ({self.split})"
        check_classes(self.classes, where)
        if not len(self):
            raise InputError(f"{where}: the data set is empty")
        check_labels(self.labels, self.classes, where)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.shape if self.shape[0] > 1 else self.shape[1:]))
        return (
            f"StoredDataset(name={self.name!r}, split={self.split!r}, {len(self)} images {size}, "
            f"{len(self.classes)} classes, white={self.white}, in {self.samples.name!r})"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, rows, columns) of every image, one channel where it is grey."""
        sides = self.samples.shape[1:]
        if len(sides) == 2:
            return 1, *sides
        return (sides[2], sides[0], sides[1]) if self.last else (sides[0], sides[1], sides[2])

    def read(self, index: Index) -> NDArray[np.uint8]:
        """The images at these positions (a slice, or integers), as `Dataset.images` would have them.

        Raises:
            InputError: a position does not exist, or a pixel is above white.
            FileFormatError: a file changed since it was opened, or is damaged.
        """
        found = self.samples.read(index if self.rows is None else self.rows[index])
        if self.last:
            found = np.ascontiguousarray(np.moveaxis(found, -1, 1))
        if found.ndim == 4 and found.shape[1] == 1:
            found = found[:, 0]
        if self.white < 255 and found.size and (brightest := int(found.max())) > self.white:
            raise InputError(f"{self.samples.name}: a pixel is {brightest}, above white = {self.white}")
        return found

    def in_order(
        self, work: Callable[[NDArray[np.uint8]], R], advance: Callable[[int], object] = lambda number: None
    ) -> Iterator[R]:
        """What `work` makes of all images, a piece at a time, in their order; the next ones are read and worked on
        meanwhile, in threads. `advance` is told of the images of each piece."""
        size = math.prod(self.shape)
        parts = list(pieces(len(self), size))
        done = ahead(parts, lambda part: work(self.read(part)), window(2 * PIECE))
        for part, found in zip(parts, done, strict=True):
            yield found
            advance(part.stop - part.start)

    def subset(self, index: Any) -> StoredDataset:
        """The images `index` (positions, a mask or a slice) selects, in its order; nothing of them is read."""
        rows = np.arange(len(self)) if self.rows is None else self.rows
        try:
            return replace(self, rows=rows[index], labels=self.labels[index])
        except IndexError as error:
            raise InputError(f"{self.name} ({self.split}) has {len(self)} images: {error}") from error

    @property
    def images(self) -> NoReturn:
        """Refused: this is for what would take all images into memory."""
        raise InputError(
            f"{self.samples.name} has {len(self):,} images, which are read some at a time, and this needs all of them "
            f"in memory: {KEPT_VARIABLE}={len(self) * math.prod(self.shape)} lets it take as much"
        )
