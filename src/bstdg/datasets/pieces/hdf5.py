"""Arrays in HDF5 files, read a piece at a time by a process of their own.

The library that reads HDF5 was not made for files that somebody damaged: a changed byte can crash it or keep it busy
for ever. Here that is the end of another process, and an error in this one.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.datasets.pieces.base import Index, Unchanged, rows_at
from bstdg.errors import FileFormatError, InputError

ENDINGS = (".h5", ".hdf5", ".hdf", ".he5")
MOST_CHUNK = 1 << 25  # bytes that a chunk may unpack to
MEMORY = 1 << 28  # bytes that its process may take: a piece, the chunks that are kept, and one that is unpacked
PATIENCE = 60.0  # seconds for an answer
LONGEST = 1 << 24  # bytes of a line of one
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from bstdg.datasets.pieces.hdf5_reader import serve; serve(*sys.argv[2:])"
)


class Hdf5File:
    """An HDF5 file of arrays, and the process that reads it.

    Args:
        path: the file.

    Attributes:
        arrays: shape and type (as NumPy writes it, or "text") of each, by its path in the file.

    Raises:
        FileFormatError: it is damaged, truncated or no such file.
        InputError: h5py is not installed, or no process can be started.
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path):
        self.path, self._turn = path, threading.Lock()
        with files.open_regular(path) as file:
            if file.read(len(_SIGNATURE)) != _SIGNATURE:
                raise FileFormatError(f"{path} is no HDF5 file")
        self._unchanged = Unchanged(path)
        self.seen = self._unchanged.seen
        command = [sys.executable, "-P", "-W", "ignore", "-c", _START, json.dumps(sys.path)]
        try:
            self._process = subprocess.Popen(
                [*command, str(path), str(MOST_CHUNK), str(MEMORY)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            raise InputError(f"cannot start a process to read {path}: {error.strerror or error}") from error
        self.close = weakref.finalize(self, _end, self._process)
        try:
            self._answer()
            self.arrays: dict[str, tuple[tuple[int, ...], str]] = {
                name: (tuple(shape), kind) for name, (shape, kind) in self.ask(do="list")[0]["arrays"].items()
            }
        except BaseException:
            self.close()
            raise

    def ask(self, **question: Any) -> tuple[dict[str, Any], bytearray]:
        """What the process answers, and sends.

        Raises:
            FileFormatError: what is asked for is damaged; the process crashed or does not answer; the file changed.
        """
        with self._turn:
            try:
                self._process.stdin.write(json.dumps(question).encode() + b"\n")  # pyright: ignore[reportOptionalMemberAccess]
                self._process.stdin.flush()  # pyright: ignore[reportOptionalMemberAccess]
            except (OSError, ValueError):  # it is gone, as its answer will tell
                pass
            answer = self._answer()
        self._unchanged.check()
        return answer

    def _answer(self) -> tuple[dict[str, Any], bytearray]:
        late, process = threading.Event(), self._process  # the timer, which ends a little later, must not hold the file
        timer = threading.Timer(PATIENCE, lambda: (late.set(), process.kill()))
        timer.daemon = True
        timer.start()
        try:
            stream: Any = self._process.stdout
            line = stream.readline(LONGEST)
            said = json.loads(line) if line.endswith(b"\n") else {}
            data = bytearray(said.get("bytes", 0))
            view, done = memoryview(data), 0
            while done < len(data) and (got := stream.readinto(view[done:])):
                done += got
        finally:
            timer.cancel()
        if not said or done < len(data):
            self._unchanged.check()
            what = f"not read within {PATIENCE:.0f} s" if late.is_set() else "its reader crashed"
            raise FileFormatError(f"{self.path}: damaged HDF5 data: {what}")
        if "error" in said:
            self._unchanged.check()
            raise (InputError if said["error"] == "InputError" else FileFormatError)(said["said"])
        return said, data

    def texts(self, name: str) -> list[str]:
        """A row of names."""
        return self.ask(do="texts", name=name)[0]["texts"]


class Hdf5Rows:
    """An array of an HDF5 file; see `bstdg.datasets.pieces.base.Rows`.

    Args:
        file: where it is.
        array: its path there, one of `file.arrays` that holds numbers.
    """

    def __init__(self, file: Hdf5File, array: str):
        self._file, self._array = file, array
        self.name = f"{file.path}: {array}"
        self.shape, kind = file.arrays[array]
        self.dtype = np.dtype(kind)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def seen(self) -> tuple[int, int]:
        """See `Hdf5File.seen`."""
        return self._file.seen

    def close(self) -> None:
        """Nothing more is read of the file."""
        self._file.close()

    def read(self, index: Index) -> NDArray[Any]:
        """See `Rows.read`."""
        span = range(*index.indices(self.shape[0])) if isinstance(index, slice) and self.shape else None
        if not self.shape or (span is not None and span.step == 1):
            start, stop = (span.start, max(span.start, span.stop)) if span is not None else (0, 0)
            return self._received((stop - start,) if self.shape else (), do="read", start=start, stop=stop)
        rows = rows_at(index, self.shape[0])
        order = np.argsort(rows, kind="stable")
        taken = self._received((len(rows),), do="rows", rows=rows[order].tolist())
        found = np.empty_like(taken)
        found[order] = taken
        return found

    def _received(self, count: tuple[int, ...], **question: Any) -> NDArray[Any]:
        data = self._file.ask(name=self._array, **question)[1]
        shape = (*count, *self.shape[1:])
        if len(data) != math.prod(shape) * self.dtype.itemsize:
            raise FileFormatError(f"{self.name} has not the shape {list(self.shape)} that it had")
        return np.frombuffer(data, self.dtype).reshape(shape)


def _end(process: subprocess.Popen[bytes]) -> None:
    """A process that is asked nothing more."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):  # of what was still to be written
                stream.close()
