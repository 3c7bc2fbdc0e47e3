"""Arrays in .npy files, read where the samples lie."""

from __future__ import annotations

import os
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.datasets import arrays
from bstdg.datasets.pieces.base import KEPT, Index, Unchanged, rows_at
from bstdg.errors import FileFormatError

MOST = 1 << 62  # bytes: nothing of such a file is taken but what is asked for


class NpyRows:
    """The array of an .npy file; see `bstdg.datasets.pieces.base.Rows`.

    Args:
        path: the file, of plain numbers, samples first.

    Raises:
        FileFormatError: it is no such file, or truncated; or it is large and its last axis first (Fortran's order).
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path):
        self.path, self.name = path, str(path)
        self._file, self._turn = files.open_regular(path), threading.Lock()
        self.close = weakref.finalize(self, self._file.close)
        try:
            self._unchanged = Unchanged(path, self._file.fileno())
            self.seen = self._unchanged.seen
            self.shape, fortran, self.dtype = arrays.checked_header(self._file, self.seen[0], MOST, self.name)
            self._start = self._file.tell()
            turned = fortran and len(self.shape) > 1
            if not self.shape or (turned and self.seen[0] > KEPT):
                what = "has its samples last (Fortran order)" if self.shape else "is a single number"
                raise FileFormatError(
                    f"{path} {what}, and samples come first here: save it anew, with numpy.ascontiguousarray(…)"
                )
            self._kept = arrays.read_npy(path) if turned else None  # a sample of it lies all over the file
        except BaseException:
            self.close()
            raise

    def read(self, index: Index) -> NDArray[Any]:
        """See `Rows.read`: one read of samples that lie together, else one each, in the order of the file."""
        count, each = self.shape[0], self.shape[1:]
        if self._kept is not None:
            self._unchanged.check()
            return self._kept[index if isinstance(index, slice) else rows_at(index, count)].copy("C")
        whole = range(*index.indices(count)) if isinstance(index, slice) else None
        if whole is not None and whole.step == 1:
            found = np.empty((len(whole), *each), self.dtype)
            self._into(found, whole.start)
        else:
            rows = rows_at(index, count)
            found = np.empty((len(rows), *each), self.dtype)
            for i in np.argsort(rows, kind="stable"):
                self._into(found[i : i + 1], int(rows[i]))
        self._unchanged.check()
        return found

    def _into(self, found: NDArray[Any], row: int) -> None:
        """Fill an array with the samples from `row` on."""
        if not found.nbytes:
            return
        view = memoryview(found.reshape(-1).view(np.uint8))  # pyright: ignore[reportArgumentType]
        at, done = self._start + row * (found.nbytes // len(found)), 0
        while done < len(view):
            got = self._read(view[done:], at + done)
            if not got:
                self._unchanged.check()
                raise FileFormatError(f"{self.path} is truncated: it ends at {at + done:,} bytes")
            done += got

    def _read(self, view: memoryview, at: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [view], at)
        with self._turn:  # one place in the file for all threads
            self._file.seek(at)
            return self._file.readinto(view)  # pyright: ignore[reportAttributeAccessIssue]
