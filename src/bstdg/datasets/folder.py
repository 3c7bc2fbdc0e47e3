"""Pictures of one's own: a folder with a subfolder a class, or arrays in an .npz file.

    pictures/cat/….png       one folder a class; a fifth of each class, drawn once and for all, is the test set
    pictures/dog/….jpg

    pictures/train/cat/….png       or a split of one's own
    pictures/test/cat/….png

A folder `train` or `test` that holds pictures itself is a class. What is there and not read is said once, in a warning.

An .npz file has `images` and `labels`, or `train_images`, `train_labels`, `test_images` and `test_labels`; and
`classes` (texts) and `white` if it likes. Nothing in it is unpickled, and sizes are checked before memory is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets import arrays, layout
from bstdg.datasets.base import Dataset, Split
from bstdg.datasets.files import named_folder
from bstdg.datasets.pictures import levels, size_of
from bstdg.datasets.sources import Source
from bstdg.errors import InputError
from bstdg.spikes.events import MAX_CHANNELS

NAME = "folder"
MAX_FILE = 1 << 26  # bytes of one picture
MAX_BYTES = 1 << 31  # of all pictures of a split, a byte a pixel

R = TypeVar("R")


def load(
    name: str,
    split: Split,
    data_dir: str | Path | None = None,
    progress: bool = False,
    *,
    size: tuple[int, int] | None = None,
    channels: int = 0,
) -> Dataset:
    """Load a split of a folder of pictures, or of an .npz file, all of one size.

    Args:
        name: what the data set is called: "folder".
        split: "train" or "test".
        data_dir: the folder, or the .npz file; else what BSTDG_DATA names.
        progress: not needed: nothing is downloaded.
        size: rows and columns that every picture is brought to; without one all must have the same.
        channels: 1 or 3 (red, green, blue) of a picture; 0 is grey. Arrays keep theirs: 0 takes them as they are, and
            any other number has to be theirs.

    Raises:
        InputError: there are no classes or pictures, sizes differ, or a file is no picture.
        FileFormatError: an .npz file is damaged, or holds something else.
    """
    place = _place(data_dir)
    if place.is_file():
        return arrays.load(place, split, size, channels)
    try:
        chosen = layout.of_split(place, split)
    except OSError as error:
        raise InputError(f"cannot read {error.filename or place}: {error.strerror or error}") from error
    return Dataset(
        name=name,
        split=split,
        images=_read(chosen.files, size, channels or 1),
        labels=np.array(chosen.labels, np.int64),
        white=255,
        classes=chosen.classes,
    )


def look(
    training: Dataset, split: Split, data_dir: str | Path | None, progress: bool = False, size: tuple[int, ...] = ()
) -> None:
    """See that a split is there and fits the training part: its folders, and the headers of its files.

    Raises:
        InputError, FileFormatError: as for `load`.
    """
    place = _place(data_dir)
    if place.is_file():
        arrays.look(place, training, split)
        return
    for file in layout.of_split(place, split).files:
        found = _opened(file, size_of)
        if not size and found not in (None, training.shape[1:]):
            learnt = " x ".join(map(str, training.shape[1:]))
            raise InputError(
                f"pictures differ in size (those to learn from are {learnt}, {file} is {found[0]} x {found[1]}): say "
                "what to bring them to, rows and columns, with data.size = [32, 32] for instance"
            )


def locate(place: Path) -> Path | None:
    """The place itself, if it is an .npz file or has pictures in folders of classes; no more than one each is asked."""
    if place.is_file():
        return place if place.suffix.lower() == ".npz" else None
    try:
        parts = layout.split_parts(place)
        held = [
            sum(next(layout.pictures_in(c), None) is not None for c in layout.subfolders(part))
            for part in parts or [place]
        ]
    except OSError:
        return None
    return place if min(held) >= (1 if parts else 2) and len(parts) != 1 else None


def _place(data_dir: str | Path | None) -> Path:
    place = named_folder(data_dir)
    if place is None:
        raise InputError(
            "data.name = 'folder' are pictures of your own: name their folder, or an .npz file, with --data-dir"
        )
    if not place.is_dir() and place.suffix.lower() != ".npz":
        raise InputError(f"{place} is neither a folder of pictures nor an .npz file")
    if not place.exists():
        raise InputError(f"{place} is not there")
    return place


def _read(files: list[Path], size: tuple[int, int] | None, channels: int) -> NDArray[np.uint8]:
    first = _levels(files[0], size, channels)
    if first.size > MAX_CHANNELS:
        raise InputError(
            f"{files[0]} is {_size(first)} pixels{f' of {channels} channels' * (channels > 1)}, and a network has at "
            f"most {MAX_CHANNELS} inputs: bring all pictures to a smaller size, with data.size = [32, 32] for instance"
        )
    if len(files) * first.size > MAX_BYTES:
        raise InputError(
            f"{len(files)} pictures of {_size(first)} would take {len(files) * first.size:,} bytes, more than "
            f"{MAX_BYTES:,}: bring them to a smaller size with data.size"
        )
    images = np.empty((len(files), *first.shape), np.uint8)
    for n, file in enumerate(files):
        picture = first if n == 0 else _levels(file, size, channels)
        if picture.shape != first.shape:
            raise InputError(
                f"pictures differ in size ({files[0]} is {_size(first)}, {file} is {_size(picture)}): say what to "
                "bring them to, rows and columns, with data.size = [32, 32] for instance"
            )
        images[n] = picture
    return images


def _size(picture: NDArray[np.uint8]) -> str:
    return " x ".join(map(str, picture.shape[-2:]))


def _levels(file: Path, size: tuple[int, int] | None, channels: int) -> NDArray[np.uint8]:
    return _opened(file, lambda path: levels(path, size, channels))


def _opened(file: Path, read: Callable[[Path], R]) -> R:
    try:
        if file.stat().st_size > MAX_FILE:
            raise InputError(f"{file} has more than the {MAX_FILE:,} bytes that a picture may have here")
        return read(file)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from error


SOURCES = (
    Source(
        NAME,
        "Pictures of one's own",
        "images",
        load,
        look=look,
        locate=locate,
        wanted="a folder of pictures, one of each class in it, or an .npz file",
        photographs=True,
        own=True,
    ),
)
