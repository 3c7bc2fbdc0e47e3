"""Spoken digits as events on 700 cochlear channels, 20 classes: SHD, and HD-spikes, which is made of the same audio.

Both come as two HDF5 files of one layout, as they are or packed with gzip:

    spikes/times    variable length, float16, seconds
    spikes/units    variable length, uint16, 0 … 699
    labels          class of every recording
    extra/speaker   who speaks;  extra/keys  what the classes mean

SHD is the official Spiking Heidelberg Digits. HD-spikes are not: their spikes were computed from the same audio by
another program and their test part differs, so a figure on one says nothing about the other.

Sources: B. Cramer, Y. Stradmann, J. Schemmel, F. Zenke, "The Heidelberg Spiking Data Sets for the Systematic Evaluation
of Spiking Neural Networks", IEEE TNNLS 33, 2022, doi:10.1109/TNNLS.2020.3044364 (CC BY 4.0; HD-spikes are an
adaptation of its audio).
"""

from __future__ import annotations

import gzip
import tempfile
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.datasets.base import EventDataset, Split
from bstdg.datasets.files import RemoteFile, provide
from bstdg.datasets.sources import Source
from bstdg.errors import FileFormatError, InputError

NUM_CHANNELS = 700
DIGITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("null", "eins", "zwei", "drei", "vier", "fuenf", "sechs", "sieben", "acht", "neun"),
)
MAX_BYTES = 1 << 30  # of an unpacked file; SHD's larger one has a quarter of that
MAX_EVENTS = 1 << 28  # of a file; several recordings could name the same bytes
_GZIP_MAGIC = b"\x1f\x8b"
_PACKED_LIMIT = 1 << 28  # bytes; the publisher gives sums, but no sizes

MIRRORS = {"shd": ("https://zenkelab.org/datasets/", "https://compneuro.net/datasets/"), "hd-spikes": ()}
FILES: dict[str, dict[Split, RemoteFile]] = {
    "shd": {
        "train": RemoteFile("shd_train.h5.gz", "d47c9825dee33347913e8ce0f2be08b0", _PACKED_LIMIT),
        "test": RemoteFile("shd_test.h5.gz", "3062a80ec0c5719404d5b02e166543b1", _PACKED_LIMIT),
    },
    "hd-spikes": {
        "train": RemoteFile(
            "hds_train.h5.gz", "723ff0ae3c92a1a0315de7e35cdcae22f222c69c0208d78ff83a7584eb2a18ca", 95777720
        ),
        "test": RemoteFile(
            "hds_test.h5.gz", "464159c633b1cf86d2ed4746feec7d2cebdfe365698622cc3fe85baa77ef527e", 27143796
        ),
    },
}
FOLDERS = {"shd": ("shd", "SHD"), "hd-spikes": ("hd-spikes", "heidelberg-digits-spikes")}
TITLES = {"shd": "SHD", "hd-spikes": "HD-spikes"}


def load(name: str, split: Split, data_dir: str | Path | None = None, progress: bool = False) -> EventDataset:
    """Load a split of "shd" or "hd-spikes"; the file of the other split is not touched.

    Raises:
        InputError: the file is missing, h5py is not installed, or HD-spikes lie in the place of SHD.
        FileFormatError: the file is damaged or of another layout.
        DownloadError: it had to be downloaded and no mirror gave it.
    """
    _h5py()  # before a download that would be of no use
    (path,) = provide(name, [FILES[name][split]], MIRRORS[name], data_dir, progress=progress, folders=FOLDERS[name])
    return read(path, name, split)


def read(path: Path, name: str, split: Split) -> EventDataset:
    """Read one HDF5 file, packed with gzip or not (told apart by content), a recording at a time.

    Recordings without events are allowed. Events that are not in the order of their times are put into it.

    Raises:
        InputError, FileFormatError: as for `load`.
    """
    try:
        with _unpacked(path) as plain, _opened(plain, path) as file:
            return _parse(file, path, name, split)
    except EOFError as error:
        raise FileFormatError(f"{path}: truncated: the packed data break off; get the file again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(f"{path}: damaged gzip data: {error}; get the file again") from error
    except OSError as error:
        if error.errno is None:  # h5py says so of what is inside
            raise FileFormatError(f"{path}: damaged HDF5 data: {_one_line(error)}") from error
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise InputError("reading SHD or HD-spikes needs h5py: pip install 'bstdg[events]'") from None
    return h5py


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """The file itself, or a temporary unpacked copy while the context lasts."""
    with files.open_regular(path) as raw:
        if raw.read(len(_GZIP_MAGIC)) != _GZIP_MAGIC:
            yield path
            return
        raw.seek(0)
        with tempfile.TemporaryDirectory(prefix="bstdg-") as folder:
            plain = Path(folder) / "events.h5"
            with gzip.GzipFile(fileobj=raw) as source, plain.open("wb") as target:
                _copy(source, target, path)  # pyright: ignore[reportArgumentType]
            yield plain


def _copy(source: BinaryIO, target: BinaryIO, path: Path) -> None:
    room = MAX_BYTES
    while chunk := source.read(1 << 20):
        room -= len(chunk)
        if room < 0:
            raise FileFormatError(f"{path}: unpacks to more than the {MAX_BYTES} bytes allowed")
        target.write(chunk)


@contextmanager
def _opened(plain: Path, path: Path) -> Iterator[Any]:
    try:
        file = _h5py().File(plain, "r")
    except OSError as error:
        raise FileFormatError(f"{path}: no HDF5 file, or a truncated one: {_one_line(error)}") from error
    with file:
        yield file


def _parse(file: Any, path: Path, name: str, split: Split) -> EventDataset:
    if name == "shd" and _is_hard(file, "extra/file_name"):
        raise InputError(f"{path} holds HD-spikes, not SHD: load them as the data set hd-spikes")
    labels = _numbers(file, "labels", path)
    times, units = (_dataset(file, f"spikes/{part}", path, len(labels), ragged=True) for part in ("times", "units"))
    speakers = _numbers(file, "extra/speaker", path, len(labels)) if _is_hard(file, "extra/speaker") else None
    classes = _classes(file, path)
    if len(labels) and (worst := int(labels.max())) >= len(classes):
        raise FileFormatError(f"{path}: a label is {worst}, but there are {len(classes)} classes")
    offsets, channels, clock = _events(times, units, path)
    return EventDataset(name, split, offsets, channels, clock, labels, speakers, classes, NUM_CHANNELS)


def _events(times: Any, units: Any, path: Path) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.float16]]:
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
        at = at.astype(np.float16)
        if at.size and not (at.min() >= 0 and np.isfinite(at.max())):
            raise FileFormatError(f"{where} has a time that is negative or no finite number")
        if (at[1:] < at[:-1]).any():
            order = np.argsort(at, kind="stable")
            at, unit = at[order], unit[order]
        offsets[n + 1] = offsets[n] + at.size
        if offsets[n + 1] > MAX_EVENTS:
            raise FileFormatError(f"{path}: more than the {MAX_EVENTS} events allowed")
        channels.frombytes(unit.astype(np.uint16).tobytes())
        clock += at.tobytes()
    return offsets, np.frombuffer(channels, np.uint16), np.frombuffer(clock, np.float16)


def _is_hard(file: Any, name: str) -> bool:
    """The name is there, and nowhere on the way is a link that could lead into another file."""
    here = file
    for part in name.split("/"):
        if not hasattr(here, "keys") or part not in here or not _plain_link(here, part):
            return False
        here = here[part]
    return True


def _plain_link(group: Any, part: str) -> bool:
    return type(group.get(part, getlink=True)) is _h5py().HardLink


def _dataset(file: Any, name: str, path: Path, length: int | None, *, ragged: bool = False) -> Any:
    if not _is_hard(file, name):
        raise FileFormatError(f"{path}: no SHD layout: {name} is missing; see docs/data.md for what is expected")
    found = file[name]
    h5py = _h5py()
    if not isinstance(found, h5py.Dataset) or found.ndim != 1 or found.is_virtual or found.external:
        raise FileFormatError(f"{path}: {name} must be a row of data that lie in the file itself")
    inner = h5py.check_vlen_dtype(found.dtype)
    if ragged and (inner is None or not isinstance(inner, np.dtype) or inner.kind not in "iuf"):
        raise FileFormatError(f"{path}: {name} must hold rows of numbers of variable length, not {found.dtype}")
    if length is not None and len(found) != length:
        raise FileFormatError(f"{path}: {length} labels, but {len(found)} entries in {name}")
    return found


def _numbers(file: Any, name: str, path: Path, length: int | None = None) -> NDArray[np.int64]:
    found = _dataset(file, name, path, length)
    if found.dtype.kind not in "iu":
        raise FileFormatError(f"{path}: {name} must be integers, not {found.dtype}")
    if found.nbytes > MAX_BYTES // 16:
        raise FileFormatError(f"{path}: {name} has {len(found)} entries, more than any recordings")
    return found[:].astype(np.int64)


def _classes(file: Any, path: Path) -> tuple[str, ...]:
    if not _is_hard(file, "extra/keys"):
        return DIGITS
    found = _dataset(file, "extra/keys", path, None)
    if not 1 <= len(found) <= 1000 or found.dtype.kind not in "SO":
        raise FileFormatError(f"{path}: extra/keys must be the names of the classes, not {len(found)} {found.dtype}")
    return tuple(key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key) for key in found[:])


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


SOURCES = tuple(
    Source(
        name,
        TITLES[name],
        "recordings",
        load,
        files={split: (file.name,) for split, file in files.items()},
        folders=FOLDERS[name],
        wanted=" and ".join(file.name.removesuffix(".gz") for file in files.values()) + " (.gz or not)",
        mirrors=MIRRORS[name],
    )
    for name, files in FILES.items()
)
