"""Recordings of unknown origin, read in a process of their own that has little time and memory.

The library that reads HDF5 is written in C and was not made for files that somebody damaged, or made to do harm: a byte
that is changed can crash the process or keep it busy for ever. Here that process is another one, and its end a
`FileFormatError`. It is no cage, though: it may do whatever its user may.

Bounds for an unpacked file of n bytes: 2 seconds of computing and one for each 4 MiB; 256 MiB of memory and 8 n. Where
the system has no such limits (Windows), a time by the clock remains.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets.arrays import read_header
from bstdg.datasets.recordings import hdf5
from bstdg.datasets.recordings.hdf5 import Recordings
from bstdg.errors import BstdgError, FileFormatError, InputError

TRUST_VARIABLE = "BSTDG_TRUST_RECORDINGS"
SECONDS = 2.0  # of computing, for any file; to read one of 20 MiB takes a tenth
BYTES_A_SECOND = 1 << 22  # a twentieth of what a slow machine reads
PATIENCE = 30.0  # seconds by the clock, and four times the computing: others may keep the machine busy
MEMORY, TIMES_SIZE = 1 << 28, 8
_READY = b"ready\n"
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from bstdg.datasets.recordings.isolation import serve; serve(*sys.argv[2:])"
)
_TYPES = {"offsets": "<i8", "channels": "<u2", "times": "<f2", "labels": "<i8", "speakers": "<i8"}


def trusted() -> bool:
    """Whether the user has said that recordings are read in this process."""
    return os.environ.get(TRUST_VARIABLE, "") not in ("", "0")


def parse(plain: Path, path: str) -> Recordings:
    """What `bstdg.datasets.recordings.hdf5.parse` gives, of another process.

    Raises:
        FileFormatError: also where that process crashed, or went beyond its time or memory.
        InputError: no such process can be started.
    """
    import subprocess

    size = plain.stat().st_size
    seconds = SECONDS + size / BYTES_A_SECOND
    instead = f"if you trust it, set {TRUST_VARIABLE}=1 to have it read in this process"
    if not sys.executable or getattr(sys, "frozen", False):
        raise InputError(f"{path}: there is no Python to start that could read it on its own; {instead}")
    command = [sys.executable, "-P", "-W", "ignore", "-c", _START, json.dumps(sys.path), plain, path]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as out:
        try:
            done = subprocess.run(
                [*command, str(seconds), str(MEMORY + TIMES_SIZE * size)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL,
                timeout=PATIENCE + 4 * seconds, env=environment, check=False,
            )  # fmt: skip
            status = done.returncode
        except subprocess.TimeoutExpired:
            raise FileFormatError(
                f"{path}: damaged HDF5 data: not read within {PATIENCE + 4 * seconds:.0f} s"
            ) from None
        except OSError as error:
            raise InputError(f"cannot start a process to read {path}: {error.strerror or error}; {instead}") from error
        out.seek(0)
        if out.readline(80) != _READY:
            raise InputError(f"the process to read {path} did not start (exit status {status}); {instead}")
        return _received(out, path, status, seconds)


def _received(out: BinaryIO, path: str, status: int, seconds: float) -> Recordings:
    said: dict[str, Any] = json.loads(out.readline() or b"{}") if status == 0 else {}
    if "error" in said:
        raise (InputError if said["error"] == "InputError" else FileFormatError)(said["said"])
    if not said:
        import signal

        limits = {-int(getattr(signal, name, 0)) for name in ("SIGXCPU", "SIGKILL")} - {0}
        what = f"not read within {seconds:.0f} s" if status in limits else f"its reader crashed ({_status(status)})"
        raise FileFormatError(f"{path}: damaged HDF5 data: {what}")
    arrays = {
        name: _array(out, said["lengths"][name], kind) for name, kind in _TYPES.items() if name in said["lengths"]
    }
    return Recordings(**{"speakers": None, **arrays}, classes=tuple(said["classes"]), names_audio=said["names_audio"])  # pyright: ignore[reportArgumentType, reportCallIssue]


def _status(status: int) -> str:
    import signal

    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _array(out: BinaryIO, length: int, kind: str) -> NDArray[Any]:
    header = read_header(out)
    if header.shape != (length,) or header.dtype != np.dtype(kind):
        raise ValueError(f"{header} is not what was announced")
    data = bytearray(length * header.dtype.itemsize)
    view, done = memoryview(data), 0
    while done < len(data):
        done += out.readinto(view[done:]) or len(data)  # pyright: ignore[reportAttributeAccessIssue]
    return np.frombuffer(data, header.dtype)


def serve(plain: str, path: str, seconds: str, memory: str) -> None:
    """The other process: read the file, and write what is in it, or what is wrong with it, to standard output."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for whatever else may print
    hdf5.library()
    _bound(float(seconds), int(memory))
    out.write(_READY)
    out.flush()
    try:
        found = hdf5.parse(Path(plain), path)
        arrays = {name: value for name in _TYPES if (value := getattr(found, name)) is not None}
        said = {"lengths": {name: len(value) for name, value in arrays.items()}, "classes": found.classes}
        out.write(json.dumps({**said, "names_audio": found.names_audio}).encode() + b"\n")
        for name, value in arrays.items():
            np.lib.format.write_array(out, np.ascontiguousarray(value, _TYPES[name]), (1, 0))
    except BstdgError as error:
        out.write(json.dumps({"error": type(error).__name__, "said": str(error)}).encode() + b"\n")
    out.close()
    os._exit(0)  # what a damaged file left of the library is not to be taken down in order


def _bound(seconds: float, memory: int) -> None:
    """Let the system end this process at its limits, and leave no core behind."""
    try:
        import resource
    except ImportError:  # Windows
        return
    import time

    spent = math.ceil(time.process_time() + seconds)
    limits = {resource.RLIMIT_CPU: (spent, spent + 1), resource.RLIMIT_CORE: (0, 0)}
    limits[resource.RLIMIT_FSIZE] = (memory, memory)
    pages = Path("/proc/self/statm")
    if pages.exists():
        there = int(pages.read_text().split()[0]) * resource.getpagesize()
        limits[resource.RLIMIT_AS] = (there + memory, there + memory)
    for limit, (soft, hard) in limits.items():
        most = resource.getrlimit(limit)[1]
        lower = most if most != resource.RLIM_INFINITY else max(soft, hard)
        resource.setrlimit(limit, (min(soft, lower), min(hard, lower)))
