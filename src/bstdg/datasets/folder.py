"""Pictures of one's own: a folder with a subfolder a class, or arrays in an .npz file, .npy files or HDF5.

    pictures/cat/….png       one folder a class; a fifth of each class, drawn once and for all, is the test set
    pictures/dog/….jpg

    pictures/train/cat/….png       or a split of one's own
    pictures/test/cat/….png

A folder `train` or `test` that holds pictures itself is a class. What is there and not read is said once, in a warning.

An .npz file has `images` and `labels`, or `train_images`, `train_labels`, `test_images` and `test_labels`; and
`classes` (texts) and `white` if it likes. Nothing in it is unpickled, and sizes are checked before memory is taken. A
folder of .npy files of these names, and an HDF5 file of them, may be of any size: see `bstdg.datasets.pieces.sets`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from bstdg.datasets import arrays, layout
from bstdg.datasets.base import Dataset, Split
from bstdg.datasets.files import named_folder
from bstdg.datasets.pictures import size_of
from bstdg.datasets.pieces import sets
from bstdg.datasets.pieces.base import StoredDataset, kept_whole
from bstdg.datasets.pieces.hdf5 import ENDINGS
from bstdg.datasets.pieces.pictures import MAX_FILE, PictureRows
from bstdg.datasets.sources import Source
from bstdg.errors import InputError
from bstdg.spikes.events import MAX_CHANNELS

NAME = "folder"

R = TypeVar("R")


def load(
    name: str,
    split: Split,
    data_dir: str | Path | None = None,
    progress: bool = False,
    *,
    size: tuple[int, int] | None = None,
    channels: int = 0,
) -> Dataset | StoredDataset:
    """Load a split of a folder of pictures, or of arrays in .npy, .npz or HDF5 files, all of one size.

    What would take much memory is read some samples at a time (`bstdg.datasets.pieces`), but for an .npz file.

    Args:
        name: what the data set is called: "folder".
        split: "train" or "test".
        data_dir: the folder, or the file; else what BSTDG_DATA names.
        progress: not needed: nothing is downloaded.
        size: rows and columns that every picture is brought to; without one all must have the same.
        channels: 1 or 3 (red, green, blue) of a picture; 0 is grey. Arrays keep theirs: 0 takes them as they are, and
            any other number has to be theirs.

    Raises:
        InputError: there are no classes or pictures, sizes differ, or a file is no picture.
        FileFormatError: a file of arrays is damaged, or holds something else.
    """
    place = _place(data_dir)
    if sets.is_one(place):
        return sets.load(place, split, size, channels)
    if place.is_file():
        return arrays.load(place, split, size, channels)
    try:
        chosen = layout.of_split(place, split)
    except OSError as error:
        raise InputError(f"cannot read {error.filename or place}: {error.strerror or error}") from error
    rows, labels = _rows(chosen.files, size, channels or 1), chosen.labels
    if kept_whole(math.prod(rows.shape)):
        return Dataset(name, split, rows.read(slice(None)), labels, 255, chosen.classes)
    return StoredDataset(name, split, rows, labels, 255, chosen.classes)


def look(
    training: Dataset | StoredDataset,
    split: Split,
    data_dir: str | Path | None,
    progress: bool = False,
    size: tuple[int, ...] = (),
) -> None:
    """See that a split is there and fits the training part: its folders, and the headers of its files.

    Raises:
        InputError, FileFormatError: as for `load`.
    """
    place = _place(data_dir)
    if sets.is_one(place):
        sets.look(place, training, split)
        return
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
    """The place itself, if it is arrays or has pictures in folders of classes; no more than one each is asked."""
    if place.is_file() or sets.is_one(place):
        return place if place.suffix.lower() == ".npz" or sets.is_one(place) else None
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
            "data.name = 'folder' are pictures of your own: name their folder, or a file of arrays (.npz, .h5), with "
            "--data-dir"
        )
    if not place.is_dir() and place.suffix.lower() not in (".npz", *ENDINGS):
        raise InputError(f"{place} is neither a folder of pictures nor an .npz file, nor one of HDF5 (.h5)")
    if not place.exists():
        raise InputError(f"{place} is not there")
    return place


def _rows(files: Sequence[Path], size: tuple[int, int] | None, channels: int) -> PictureRows:
    rows = PictureRows(files, size, channels)
    if math.prod(rows.shape[1:]) > MAX_CHANNELS:
        sides = " x ".join(map(str, rows.shape[-2:]))
        raise InputError(
            f"{files[0]} is {sides} pixels{f' of {channels} channels' * (channels > 1)}, and a network has at "
            f"most {MAX_CHANNELS} inputs: bring all pictures to a smaller size, with data.size = [32, 32] for instance"
        )
    return rows


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
        wanted="a folder of pictures, one of each class in it, or of .npy files, or an .npz or HDF5 file",
        photographs=True,
        own=True,
    ),
)
