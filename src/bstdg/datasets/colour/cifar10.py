"""CIFAR-10: 50,000 training and 10,000 test pictures of 32 x 32 pixels in colour, 10 classes, as it was published.

Read from its binary version or its Python version, from the archive or from the folder that it unpacks to; the pickles
of the latter by a reader that executes nothing (`bstdg.datasets.colour.pickled`). Archives are read into memory alone.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", technical report, University of Toronto,
2009. Its publisher states no licence.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.datasets.archive import read_members
from bstdg.datasets.base import Dataset, Split
from bstdg.datasets.colour.pickled import read_batch
from bstdg.datasets.files import DATA_VARIABLE, RemoteFile, cache_folder, look_at_sum, named_folder, provide
from bstdg.datasets.sources import Source
from bstdg.errors import FileFormatError, InputError

NAME, TITLE = "cifar10", "CIFAR-10"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (3, 32, 32)
PER_BATCH = 10_000  # pictures of a file
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
BINARY = RemoteFile("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", 170_052_171)
PYTHON = RemoteFile("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a", 170_498_071)
VERSIONS = {  # the folder that each archive unpacks to, and how the names of its batches end
    BINARY.name: ("cifar-10-batches-bin", ".bin"),
    PYTHON.name: ("cifar-10-batches-py", ""),
}
FOLDERS = (NAME, "cifar-10")
BATCHES: dict[Split, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{n}" for n in range(1, 6)),
    "test": ("test_batch",),
}
WANTED = f"{BINARY.name} or {PYTHON.name}, or the folder that it unpacks to"
MAX_FILE = 1 << 25  # bytes of a batch; the largest has 31 MB
MAX_ARCHIVE = 1 << 28  # bytes of an archive, unpacked; 186 MB


def load(name: str, split: Split, data_dir: str | Path | None = None, progress: bool = False) -> Dataset:
    """Load a split, uint8 `[n, 3, 32, 32]`: red, green and blue; the batches of the other are left alone.

    Raises:
        InputError: the files are missing.
        FileFormatError: they are damaged, altered, or something else.
        DownloadError: they had to be downloaded, and were not given.
    """
    place = _place(data_dir, progress)
    names = [file + _ending(place) for file in BATCHES[split]]
    content = _of_archive(place, names) if place.is_file() else {file: _of_folder(place / file) for file in names}
    parts = [_batch(content.pop(file), f"{place}: {file}") for file in names]
    images, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Dataset(name, split, images, labels.astype(np.int64), white=255, classes=CLASSES)


def look(
    training: Dataset, split: Split, data_dir: str | Path | None, progress: bool = False, size: tuple[int, ...] = ()
) -> None:
    """See that the batches of a split are there, without reading them; an archive has those of both.

    Raises:
        InputError, DownloadError: as for `load`.
    """
    place = _place(data_dir, progress)
    for file in BATCHES[split] if place.is_dir() else ():
        if not (place / (file + _ending(place))).is_file():
            raise InputError(f"{place} lacks {file + _ending(place)}, a batch of {NAME} ({split})")


def locate(folder: Path) -> Path | None:
    """The archive below a folder, or the folder of batches; None where neither is there."""
    for place in (*(folder / name for name in FOLDERS), folder):
        for archive, (root, ending) in VERSIONS.items():
            if (place / archive).is_file():
                return place / archive
            for batches in (place / root, place):
                if all((batches / (file + ending)).is_file() for part in BATCHES.values() for file in part):
                    return batches
    return None


def _ending(place: Path) -> str:
    """How the names of batches end there: as in the binary version, or in the Python version."""
    binary = place.name == BINARY.name or (place / f"{BATCHES['test'][0]}.bin").is_file()
    return ".bin" if binary else ""


def _place(data_dir: str | Path | None, progress: bool) -> Path:
    named = named_folder(data_dir)
    if named is None:
        place = locate(cache_folder())
        if place is None or place.name == BINARY.name:
            (place,) = provide(NAME, [BINARY], MIRRORS, None, progress=progress)
        return place
    if not named.is_dir():
        raise InputError(f"{named} is not a folder")
    if (place := locate(named)) is not None:
        return place
    raise InputError(
        f"no {NAME} in {named}: put {WANTED} into {named / NAME} ({MIRRORS[0]} has them), name another folder "
        f"(--data-dir or {DATA_VARIABLE}), or none to download them"
    )


def _of_archive(place: Path, names: list[str]) -> dict[str, bytes]:
    look_at_sum(place, BINARY if place.name == BINARY.name else PYTHON, TITLE)
    root, _ = VERSIONS[place.name]
    found = read_members(place, {f"{root}/{file}" for file in names}, max_file=MAX_FILE, max_bytes=MAX_ARCHIVE)
    if missing := [file for file in names if f"{root}/{file}" not in found]:
        raise FileFormatError(f"{place} lacks {root}/{missing[0]}; get the file again")
    return {file: found[f"{root}/{file}"] for file in names}


def _of_folder(path: Path) -> bytes:
    try:
        return files.read(path, MAX_FILE, "any batch of CIFAR-10")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _batch(data: bytes, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pictures and labels of one batch, of the version that its name tells."""
    pixels = int(np.prod(SHAPE))
    if name.endswith(".bin"):
        if len(data) != PER_BATCH * (1 + pixels):
            raise FileFormatError(
                f"{name} has {len(data):,} bytes, not {PER_BATCH * (1 + pixels):,}: a label and {pixels} pixels of "
                f"{PER_BATCH:,} pictures"
            )
        rows = np.frombuffer(data, np.uint8).reshape(PER_BATCH, 1 + pixels)
        images, labels = rows[:, 1:], rows[:, 0]
    else:
        images, labels = read_batch(data, name)
        if len(images) != PER_BATCH:
            raise FileFormatError(f"{name} has {len(images):,} pictures, not {PER_BATCH:,}")
    if (largest := int(labels.max())) >= len(CLASSES):
        raise FileFormatError(f"{name}: a label is {largest}, expected 0 … {len(CLASSES) - 1}")
    return images.reshape(-1, *SHAPE), labels


SOURCES = (Source(NAME, TITLE, "images", load, look=look, locate=locate, wanted=WANTED, mirrors=MIRRORS),)
