"""N-MNIST: the digits of MNIST before a moving event camera, 34 x 34 pixels of two polarities, ten classes.

    Train/<digit>/<number>.bin    5 bytes an event: x, y, then 1 bit polarity and 23 bits of microseconds, big-endian
    Test/<digit>/<number>.bin

Read from these folders, from the two archives `Train.zip` and `Test.zip` as they were published, or from
`nmnist_small.tar.xz`, a true part of it: the first 1,000 training and 100 test recordings. An event is on channel
(polarity * 34 + y) * 34 + x, with polarity 1 for brighter. Recordings come in the order of their numbers, MNIST's.

Source: G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, "Converting Static Image Datasets to Spiking Neuromorphic
Datasets Using Saccades", Frontiers in Neuroscience 9:437, 2015 (CC BY-SA 4.0).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.datasets.archive import read_members
from bstdg.datasets.base import Dataset, EventDataset, Split, stratified_folds
from bstdg.datasets.files import DATA_VARIABLE, RemoteFile, cache_folder, look_at_sum, named_folder, unpacked
from bstdg.datasets.sources import Source
from bstdg.errors import BstdgError, FileFormatError, InputError
from bstdg.progress import bar

SIDE = 34
GRID = (2, SIDE, SIDE)  # polarities, rows, columns
EVENT = 5  # bytes
WHITE = 16  # events that make a pixel white; one of a thousand that have any has more
FOLDS = 5
PARTS: dict[Split, str] = {"train": "Train", "test": "Test"}
SMALL = RemoteFile(
    "nmnist_small.tar.xz", "e417aa7dc0bf0957615feb9f515594ae0e53f82eabbfbd915d4e2d3f944da6ed", 13_694_088
)
FOLDERS = ("nmnist", "N-MNIST", "nmnist-small")
WANTED = f"the folders Train and Test, or Train.zip and Test.zip, or {SMALL.name}"
MOST_RECORDINGS = 100_000
MAX_FILE = 1 << 20  # bytes of a recording; the largest has some 40 kB
MAX_ARCHIVE = 1 << 32  # bytes of an archive, unpacked
_NAME = re.compile(r"(?:.*/)?(Train|Test)/([0-9])/([0-9]{1,8})\.bin")

Recording = tuple[int, int, bytes, str]  # number, digit, content, and what errors call it


def load(
    name: str, split: Split, data_dir: str | Path | None = None, progress: bool = False, *, fold: int = 0
) -> EventDataset:
    """Load a split, in seconds (float32) from the start of each recording.

    Args:
        name: what the data set is called.
        split: "train" or "test".
        data_dir: see `bstdg.datasets.load`.
        progress: show a bar while recordings are read.
        fold: 1 … 5: the test part is that fifth of all recordings, Train and Test together, drawn once and for all with
            the same share of each class; 0: the published split.

    Raises:
        InputError: the recordings are missing.
        FileFormatError: one is damaged, or has events outside of the sensor or times that go back.
    """
    place = _place(data_dir)
    if place.is_file():
        look_at_sum(place, SMALL, "the small part of N-MNIST")
    parts: list[Split] = [part for part in PARTS if fold or part == split]
    found = _sorted(place, parts)
    labels = np.array([digit for _, digit, _, _ in found], np.int64)
    if fold:
        chosen = np.flatnonzero((stratified_folds(labels, FOLDS) == fold - 1) == (split == "test"))
    else:
        chosen = np.arange(len(found))
    if not len(chosen):
        raise FileFormatError(f"{place}: there is no recording for {split}")
    lengths, channels, times = [], [], []
    with bar("reading N-MNIST", len(chosen), "recordings", show=progress) as advance:
        for row in chosen:
            wires, microseconds = parse(found[row][2], found[row][3])
            lengths.append(len(wires))
            channels.append(wires)
            times.append((microseconds / 1e6).astype(np.float32))
            advance(1)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return EventDataset(
        name, split, offsets, np.concatenate(channels), np.concatenate(times), labels[chosen], None,
        tuple("0123456789"), int(np.prod(GRID)), GRID,
    )  # fmt: skip


def load_counts(
    name: str, split: Split, data_dir: str | Path | None = None, progress: bool = False, *, fold: int = 0
) -> Dataset:
    """The same recordings as pictures uint8 `[n, 2, 34, 34]` of how many events each pixel had, up to `WHITE`.

    Arguments and errors as for `load`.
    """
    whole = load(name, split, data_dir, progress, fold=fold)
    images = np.zeros((len(whole), whole.num_channels), np.uint8)
    for n, image in enumerate(images):
        part = whole.channels[whole.offsets[n] : whole.offsets[n + 1]]
        np.minimum(np.bincount(part, minlength=whole.num_channels), WHITE, out=image, casting="unsafe")
    return Dataset(name, split, images.reshape(-1, *GRID), whole.labels, WHITE, whole.classes)


def look(
    training: Dataset | EventDataset,
    split: Split,
    data_dir: str | Path | None,
    progress: bool = False,
    size: tuple[int, ...] = (),
) -> None:
    """See that recordings of a split are there, by their names alone.

    Raises:
        InputError: there are none.
    """
    place = _place(data_dir)
    if place.is_dir() and not (place / f"{PARTS[split]}.zip").is_file():
        _named(place, split)


def parse(data: bytes, name: str) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Channels and microseconds of the events of one recording.

    Raises:
        FileFormatError: it is truncated, an event is outside of the sensor, or a time is before the one before it.
    """
    if not data or len(data) % EVENT:
        raise FileFormatError(f"{name} has {len(data)} bytes, no whole number of events of {EVENT}: get the file again")
    x, y, first, second, third = np.frombuffer(data, np.uint8).reshape(-1, EVENT).astype(np.int64).T
    if (outside := np.flatnonzero((x >= SIDE) | (y >= SIDE))).size:
        n = outside[0]
        raise FileFormatError(f"{name}: event {n} is at ({x[n]}, {y[n]}), outside of the {SIDE} x {SIDE} pixels")
    times = (first & 0x7F) << 16 | second << 8 | third
    if (back := np.flatnonzero(times[1:] < times[:-1])).size:
        n = back[0]
        raise FileFormatError(
            f"{name}: time goes back, from {times[n]} to {times[n + 1]} microseconds at event {n + 1}"
        )
    return (((first >> 7) * SIDE + y) * SIDE + x).astype(np.uint16), times


def read(path: Path) -> EventDataset:
    """One recording of this format, whose digit nobody knows.

    Raises:
        InputError, FileFormatError: it cannot be read, or as for `parse`.
    """
    channels, times = parse(_content(path), str(path))
    offsets, seconds = np.array([0, len(channels)]), (times / 1e6).astype(np.float32)
    return EventDataset(
        "recordings", "test", offsets, channels, seconds, np.zeros(1, np.int64), None, ("unknown",),
        int(np.prod(GRID)), GRID,
    )  # fmt: skip


def locate(folder: Path) -> Path | None:
    """The folder below a folder that has both parts, or the archive of the small part; None where neither is there."""
    for place in (*(folder / name for name in FOLDERS), folder):
        if all((place / part).is_dir() or (place / f"{part}.zip").is_file() for part in PARTS.values()):
            return place
        if (place / SMALL.name).is_file():
            return place / SMALL.name
    return None


def _place(data_dir: str | Path | None) -> Path:
    named = named_folder(data_dir)
    if named is not None and not named.is_dir():
        raise InputError(f"{named} is not a folder")
    top = named or cache_folder()
    if (place := locate(top)) is not None:
        return place
    raise InputError(
        f"no N-MNIST in {top}: put {WANTED} into {top / FOLDERS[0]} (doi:10.17632/468j46mzdv.1 has them), or name "
        f"another folder (--data-dir or {DATA_VARIABLE})"
    )


def _sorted(place: Path, splits: list[Split]) -> list[Recording]:
    """The recordings of some splits, those of each in the order of their numbers."""
    if place.is_file():
        held = read_members(place, _NAME.fullmatch, max_file=MAX_FILE, max_bytes=MAX_ARCHIVE)
        whole = [(match, data) for name, data in held.items() if (match := _NAME.fullmatch(name))]
        found = [[_recording(match, data, place) for match, data in whole if match[1] == PARTS[s]] for s in splits]
    else:
        found = [_of_part(place, split) for split in splits]
    for split, part in zip(splits, found, strict=True):
        if not part:
            raise FileFormatError(f"{place} has no recording {PARTS[split]}/<digit>/<number>.bin")
    return [recording for part in found for recording in sorted(part, key=lambda recording: recording[:2])]


def _of_part(place: Path, split: Split) -> list[Recording]:
    if (archive := place / f"{PARTS[split]}.zip").is_file():
        return list(_of_zip(archive, PARTS[split]))
    return [(number, digit, _content(path), str(path)) for number, digit, path in _named(place, split)]


def _recording(match: re.Match[str], data: bytes, place: Path) -> Recording:
    return int(match[3]), int(match[2]), data, f"{place}: {match[0]}"


def _named(place: Path, split: Split) -> list[tuple[int, int, Path]]:
    """Number, digit and path of every recording in the folder of a split."""
    part = PARTS[split]
    try:
        paths = sorted((place / part).glob("[0-9]/*.bin"))
    except OSError as error:
        raise InputError(f"cannot read {error.filename or place}: {error.strerror or error}") from error
    if len(paths) > MOST_RECORDINGS:
        raise InputError(f"{place / part} has more than {MOST_RECORDINGS:,} recordings")
    found = [(path.stem, path.parent.name, path) for path in paths if path.stem.isdecimal() and len(path.stem) < 9]
    if not found:
        raise InputError(f"{place / part} has no recording; they lie in folders of their digits, as {part}/7/00001.bin")
    return [(int(number), int(digit), path) for number, digit, path in found]


def _of_zip(path: Path, part: str) -> Iterator[Recording]:
    try:
        with files.open_regular(path) as raw, zipfile.ZipFile(raw) as archive:
            found = [(info, match) for info in archive.infolist() if (match := _NAME.fullmatch(info.filename))]
            allowed = unpacked(path.stat().st_size, MAX_ARCHIVE)
            if len(found) > MOST_RECORDINGS or sum(info.file_size for info, _ in found) > allowed:
                raise FileFormatError(f"{path}: its recordings are more, or have more bytes, than are allowed")
            for info, match in found:
                if info.file_size > MAX_FILE:
                    raise FileFormatError(f"{path}: {match[0]} has {info.file_size:,} bytes, more than {MAX_FILE:,}")
                if match[1] == part:
                    yield _recording(match, archive.read(info), path)
    except (BstdgError, MemoryError):
        raise
    except Exception as error:  # zipfile and the packings that it knows have many names for damage
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from error
        told = " ".join(str(error).split()) or type(error).__name__
        raise FileFormatError(f"{path} is no zip archive, or a damaged one: {told}") from error


def _content(path: Path) -> bytes:
    try:
        return files.read(path, MAX_FILE, "any recording of N-MNIST")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


SOURCES = (
    Source("nmnist", "N-MNIST", "recordings", load, look=look, locate=locate, wanted=WANTED, folds=FOLDS),
    Source(
        "nmnist-counts", "N-MNIST, events counted", "images", load_counts, look=look, locate=locate, wanted=WANTED,
        folds=FOLDS,
    ),
)  # fmt: skip
