"""The process that reads arrays of HDF5 for another, which asks for them a piece at a time; see `hdf5` beside this.

A question is a line of JSON on standard input, an answer a line of JSON on standard output and, where it has `bytes`,
so many of them. The process ends with its input.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bstdg.datasets.recordings import hdf5
from bstdg.errors import BstdgError, FileFormatError, InputError

MOST_ARRAYS = 1000  # that a file is asked for
MOST_TEXTS = 1 << 16
CACHE = 1 << 26  # bytes of unpacked chunks that are kept: the next piece begins where the last one ended
KINDS = "iuf"


class Arrays:
    """The arrays of an HDF5 file that lie in the file itself, by their paths in it.

    Args:
        path: the file.
        most: bytes that a chunk may unpack to.

    Raises:
        FileFormatError: it is damaged, truncated, or no such file.
    """

    def __init__(self, path: str, most: int):
        self._path, self._most = path, most
        with hdf5.told(path, "no HDF5 file, or a truncated one"):
            self._file = hdf5.library().File(path, "r", rdcc_nbytes=CACHE)

    def answer(self, question: dict[str, Any]) -> tuple[dict[str, Any], bytes | memoryview]:
        """What is said, and sent, to a question."""
        with hdf5.told(self._path, "damaged HDF5 data"):
            return getattr(self, f"_{question.pop('do')}")(**question)

    def _list(self) -> tuple[dict[str, Any], bytes]:
        found: dict[str, Any] = {}
        open_, groups = [("", self._file)], 0
        while open_:
            prefix, group = open_.pop()
            groups += 1  # which may hold themselves
            for part in sorted(group):
                if not hdf5.plain_link(group, part):
                    continue
                item, name = group[part], f"{prefix}{part}"
                if isinstance(item, hdf5.library().Group):
                    open_.append((f"{name}/", item))
                elif hdf5.library().check_string_dtype(item.dtype) is not None:
                    found[name] = [list(item.shape or ()), "text"]
                elif item.dtype.kind in KINDS:
                    found[name] = [list(item.shape or ()), item.dtype.newbyteorder("=").str]
                if len(found) + len(open_) + groups > MOST_ARRAYS:
                    raise FileFormatError(f"{self._path}: more than the {MOST_ARRAYS:,} arrays that are looked at")
        return {"arrays": dict(sorted(found.items()))}, b""

    def _array(self, name: str) -> Any:
        found = self._file[name]
        if found.is_virtual or found.external:
            raise FileFormatError(f"{self._path}: {name} lies in other files: copy it into one")
        chunk = int(np.prod(found.chunks or (), dtype=object)) * found.dtype.itemsize
        if chunk > self._most:
            raise FileFormatError(
                f"{self._path}: {name} is in chunks of {chunk:,} bytes, each of which is unpacked for a sample in it: "
                f"save it in chunks of {self._most:,} at most, of few samples"
            )
        return found

    def _texts(self, name: str) -> tuple[dict[str, Any], bytes]:
        found = self._array(name)
        if found.ndim != 1 or len(found) > MOST_TEXTS:
            raise FileFormatError(f"{self._path}: {name} is no row of names")
        texts = (found[n] for n in range(len(found)))
        return {"texts": [t.decode("utf-8", "replace") if isinstance(t, bytes) else str(t) for t in texts]}, b""

    def _read(self, name: str, start: int, stop: int) -> tuple[dict[str, Any], memoryview]:
        found = self._array(name)
        return _sent(found[()] if not found.shape else found[start:stop])

    def _rows(self, name: str, rows: list[int]) -> tuple[dict[str, Any], memoryview]:
        """In their order, which is that of the file: each chunk is unpacked once."""
        found = self._array(name)
        taken = np.empty((len(rows), *found.shape[1:]), found.dtype.newbyteorder("="))
        for i, row in enumerate(rows):
            taken[i] = found[row]
        return _sent(taken)


def _sent(array: Any) -> tuple[dict[str, Any], memoryview]:
    array = np.ascontiguousarray(array, np.asarray(array).dtype.newbyteorder("="))
    view = memoryview(array.reshape(-1).view(np.uint8))
    return {"bytes": len(view)}, view


def serve(path: str, most: str, memory: str) -> None:
    """Answer questions about a file until there are none."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for whatever else may print
    try:
        hdf5.library()
        _bound(int(memory))
        arrays = Arrays(path, int(most))
    except BstdgError as error:
        _say(out, _error(error))
        return
    _say(out, {"ready": True})
    for question in sys.stdin.buffer:
        _say(out, *_answered(arrays.answer, json.loads(question)))


def _answered(answer: Callable[..., Any], question: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    try:
        return answer(question)
    except BstdgError as error:
        return _error(error), b""


def _error(error: BstdgError) -> dict[str, Any]:
    return {"error": "InputError" if isinstance(error, InputError) else "FileFormatError", "said": str(error)}


def _say(out: Any, said: dict[str, Any], sent: Any = b"") -> None:
    out.write(json.dumps(said).encode() + b"\n")
    out.write(sent)
    out.flush()


def _bound(memory: int) -> None:
    """Take no more memory than so many bytes besides what is taken already, and leave no core behind."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = Path("/proc/self/statm")
    if pages.exists():
        there = int(pages.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (there + memory, there + memory))
