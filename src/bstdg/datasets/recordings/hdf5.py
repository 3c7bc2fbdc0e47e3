"""Reader of recordings of events in HDF5, which nobody needs to trust; of the layout of SHD:

    spikes/times    variable length, float16, seconds
    spikes/units    variable length, uint16, 0 … 699
    labels          class of every recording
    extra/speaker   who speaks;  extra/keys  what the classes mean

Whatever the library says of a file becomes a `FileFormatError`. What it cannot say, since it crashed or does not come
back, `bstdg.datasets.recordings.isolation` is for. A file of n bytes gives at most n / 2 events and 1000 + n / 8
recordings.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import BstdgError, FileFormatError, InputError

NUM_CHANNELS = 700
DIGITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("null", "eins", "zwei", "drei", "vier", "fuenf", "sechs", "sieben", "acht", "neun"),
)
MAX_EVENTS = 1 << 28  # of a file; several recordings could name the same bytes
MAX_NAMES = 1 << 20  # bytes of all class names


class Recordings(NamedTuple):
    """What a file holds: as in `bstdg.datasets.EventDataset`, and whether it `names_audio`, as SHD does not.

    Attributes:
        offsets, channels, times, labels, speakers: int64, uint16, float16, int64 and int64 (or None).
    """

    offsets: NDArray[np.int64]
    channels: NDArray[np.uint16]
    times: NDArray[np.float16]
    labels: NDArray[np.int64]
    speakers: NDArray[np.int64] | None
    classes: tuple[str, ...]
    names_audio: bool


def library() -> Any:
    """h5py. Raises `InputError`, which says how to get it, where it is not installed."""
    try:
        import h5py
    except ImportError:
        raise InputError("reading HDF5 needs h5py: pip install 'bstdg[events]'") from None
    return h5py


def parse(plain: Path, path: str) -> Recordings:
    """All recordings of an unpacked file, read one at a time.

    Args:
        plain: the file.
        path: what errors call it.

    Raises:
        FileFormatError: it is damaged, of another layout, or holds more than its size allows.
        InputError: h5py is not installed.
    """
    size = plain.stat().st_size
    with told(path, "damaged HDF5 data"), _opened(plain, path) as file:
        most = 1000 + size // 8
        labels = _numbers(file, "labels", path, most)
        times, units = (
            _dataset(file, f"spikes/{part}", path, len(labels), ragged=kinds)
            for part, kinds in (("times", "iuf"), ("units", "iu"))
        )
        has_speakers = _is_hard(file, "extra/speaker")
        speakers = _numbers(file, "extra/speaker", path, most, len(labels)) if has_speakers else None
        classes = _classes(file, path)
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
            worst = int(labels.min() if labels.min() < 0 else labels.max())
            raise FileFormatError(f"{path}: a label is {worst}, but there are {len(classes)} classes")
        events = _events(times, units, path, min(MAX_EVENTS, size // 2))
        return Recordings(*events, labels, speakers, classes, _is_hard(file, "extra/file_name"))


@contextmanager
def told(path: str, what: str) -> Iterator[None]:
    """Whatever the library raises inside is a `FileFormatError` that says `what` it is."""
    try:
        yield
    except BstdgError:
        raise
    except MemoryError as error:
        raise FileFormatError(f"{path}: {what}: it would take more memory than there is") from error
    except Exception as error:  # h5py has all kinds
        told = " ".join(str(error).split()) or type(error).__name__
        raise FileFormatError(f"{path}: {what}: {told}") from error


@contextmanager
def _opened(plain: Path, path: str) -> Iterator[Any]:
    with told(path, "no HDF5 file, or a truncated one"):
        file = library().File(plain, "r")
    with file:
        yield file


def _events(
    times: Any, units: Any, path: str, most: int
) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.float16]]:
    """All events in three flat arrays, read a recording at a time."""
    channels, clock = array("H"), bytearray()
    offsets = np.zeros(len(times) + 1, np.int64)
    for n in range(len(times)):
        where = f"{path}: recording {n}"
        at, unit = np.asarray(times[n]), np.asarray(units[n])
        if at.shape != unit.shape:
            raise FileFormatError(f"{where} has {at.size} times but {unit.size} units")
        if unit.size and not 0 <= int(unit.min()) <= int(unit.max()) < NUM_CHANNELS:
            worst = int(unit.max()) if unit.max() >= NUM_CHANNELS else int(unit.min())
            raise FileFormatError(f"{where} has an event on channel {worst}, expected 0 … {NUM_CHANNELS - 1}")
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite then is refused
            at = at.astype(np.float16)
        if at.size and not (at.min() >= 0 and np.isfinite(at.max())):
            raise FileFormatError(f"{where} has a time that is negative or no finite number")
        if (at[1:] < at[:-1]).any():
            order = np.argsort(at, kind="stable")
            at, unit = at[order], unit[order]
        offsets[n + 1] = offsets[n] + at.size
        if offsets[n + 1] > most:
            raise FileFormatError(f"{path}: more than the {most} events allowed")
        channels.frombytes(unit.astype(np.uint16).tobytes())
        clock += at.tobytes()
    return offsets, np.frombuffer(channels, np.uint16), np.frombuffer(clock, np.float16)


def _is_hard(file: Any, name: str) -> bool:
    """The name is there, and nowhere on the way is a link that could lead into another file."""
    here = file
    for part in name.split("/"):
        if not hasattr(here, "keys") or part not in here or not plain_link(here, part):
            return False
        here = here[part]
    return True


def plain_link(group: Any, part: str) -> bool:
    """Whether a name of a group leads to what lies in it, not elsewhere."""
    return type(group.get(part, getlink=True)) is library().HardLink


def _dataset(file: Any, name: str, path: str, length: int | None, *, ragged: str = "") -> Any:
    """A row of data; of rows of numbers, each of one of the kinds `ragged`, if it is not empty."""
    if not _is_hard(file, name):
        raise FileFormatError(f"{path}: no SHD layout: {name} is missing; see docs/data.md for what is expected")
    found = file[name]
    h5py = library()
    if not isinstance(found, h5py.Dataset) or found.ndim != 1 or found.is_virtual or found.external:
        raise FileFormatError(f"{path}: {name} must be a row of data that lie in the file itself")
    inner = h5py.check_vlen_dtype(found.dtype)
    if ragged and (not isinstance(inner, np.dtype) or inner.kind not in ragged):
        what = "whole numbers" if "f" not in ragged else "numbers"
        raise FileFormatError(f"{path}: {name} must hold rows of {what} of variable length, not {found.dtype}")
    if length is not None and len(found) != length:
        raise FileFormatError(f"{path}: {length} labels, but {len(found)} entries in {name}")
    return found


def _numbers(file: Any, name: str, path: str, most: int, length: int | None = None) -> NDArray[np.int64]:
    found = _dataset(file, name, path, length)
    if found.dtype.kind not in "iu":
        raise FileFormatError(f"{path}: {name} must be integers, not {found.dtype}")
    if len(found) > most:
        raise FileFormatError(f"{path}: {name} has {len(found)} entries, more than a file of its size has recordings")
    return found[:].astype(np.int64)


def _classes(file: Any, path: str) -> tuple[str, ...]:
    if not _is_hard(file, "extra/keys"):
        return DIGITS
    found = _dataset(file, "extra/keys", path, None)
    if not 1 <= len(found) <= 1000 or found.dtype.kind not in "SO":
        raise FileFormatError(f"{path}: extra/keys must be the names of the classes, not {len(found)} {found.dtype}")
    names: list[str] = []
    room = MAX_NAMES - (found.nbytes if found.dtype.kind == "S" else 0)
    for n in range(len(found) if room >= 0 else 0):
        key = found[n]
        names.append(key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key))
        room -= len(names[-1])
        if room < 0:
            break
    if room < 0:
        raise FileFormatError(f"{path}: the names of the classes have more than {MAX_NAMES:,} bytes")
    if len(set(names)) < len(names):
        raise FileFormatError(f"{path}: two classes in extra/keys have one name")
    return tuple(names)
