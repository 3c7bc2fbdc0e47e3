"""Labelled images of one's own in a folder of .npy files or in one HDF5 file, of any size.

    images.npy, labels.npy                 or the arrays `images` and `labels` of a file.h5: a fifth of each class,
                                           drawn once and for all, is the test set
    train_images.npy, train_labels.npy     or a split of one's own
    test_images.npy, test_labels.npy
    classes.npy, white.npy                 names of the labels, and the value of full brightness, if they are there

What an .npz file of such arrays gives, these give too; images beyond a bound stay where they are (`StoredDataset`).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets import arrays
from bstdg.datasets.arrays import SPLIT, WHOLE
from bstdg.datasets.base import Dataset, Split, stratified_test_mask
from bstdg.datasets.pieces.base import Rows, StoredDataset, kept_whole
from bstdg.datasets.pieces.hdf5 import ENDINGS, Hdf5File, Hdf5Rows
from bstdg.datasets.pieces.npy import NpyRows
from bstdg.errors import InputError

MOST_LABELS = 1 << 31  # bytes


class Store(Protocol):
    """Arrays by their names; `path` is what errors call them."""

    path: Path

    def __contains__(self, name: str, /) -> bool: ...

    def rows(self, name: str, /) -> Rows:
        """An array, of which nothing is read yet."""
        ...

    def texts(self, name: str, /) -> NDArray[Any]:
        """A small array, of names or of a number."""
        ...


class NpyFolder:
    """A folder of .npy files."""

    def __init__(self, path: Path):
        self.path = path

    def __contains__(self, name: str) -> bool:
        return (self.path / f"{name}.npy").is_file()

    def rows(self, name: str) -> Rows:
        """See `Store.rows`."""
        return NpyRows(self.path / f"{name}.npy")

    def texts(self, name: str) -> NDArray[Any]:
        """See `Store.texts`."""
        return arrays.read_npy(self.path / f"{name}.npy")


class Hdf5Store:
    """The arrays of an HDF5 file."""

    def __init__(self, path: Path):
        self.path, self._file = path, Hdf5File(path)

    def __contains__(self, name: str) -> bool:
        return name in self._file.arrays

    def rows(self, name: str) -> Rows:
        """See `Store.rows`."""
        if self._file.arrays[name][1] == "text":
            raise InputError(f"{self.path}: {name} holds texts, not numbers")
        return Hdf5Rows(self._file, name)

    def texts(self, name: str) -> NDArray[Any]:
        """See `Store.texts`."""
        if self._file.arrays[name][1] == "text":
            return np.array(self._file.texts(name), np.str_)
        return _whole(self.rows(name), arrays.MAX_MEMBER)


def is_one(place: Path) -> bool:
    """Whether a place is such a folder, or such a file by its name."""
    if place.is_dir():
        return any((place / f"{name}.npy").is_file() for name in (WHOLE[0], *SPLIT))
    return place.suffix.lower() in ENDINGS


def opened(place: Path) -> Store:
    """The arrays at a place that `is_one`; errors as for `load`."""
    try:
        return NpyFolder(place) if place.is_dir() else Hdf5Store(place)
    except OSError as error:
        raise _unreadable(error, place) from error


def load(place: Path, split: Split, size: tuple[int, int] | None = None, channels: int = 0) -> Dataset | StoredDataset:
    """Load a split of such a folder or file.

    Args:
        place, split: which.
        size: rows and columns that are expected, or None; arrays are not resized.
        channels: how many are expected, or 0 for what there are.

    Returns:
        A `Dataset` where `kept_whole` says so of the images, else a `StoredDataset` of the same bits.

    Raises:
        InputError: an array is missing, or has another type, shape or range than it should.
        FileFormatError: a file is damaged, or changed while it was read.
    """
    store = opened(place)
    own = all(name in store for name in SPLIT)
    names = {kind: f"{split}_{kind}" if own else kind for kind in WHOLE}
    if missing := [name for name in names.values() if name not in store]:
        wanted = f"{' and '.join(WHOLE)}, or {', '.join(SPLIT)}"
        raise InputError(f"{place} has no array {missing[0]}; it should have {wanted}")
    try:
        images, labels = store.rows(names["images"]), _whole(store.rows(names["labels"]), MOST_LABELS)
        named = store.texts("classes") if "classes" in store else None
        white = store.texts("white") if "white" in store else np.array(255)
        others = [_whole(store.rows(f"{part}_labels"), MOST_LABELS) for part in ("train", "test")] if own else [labels]
    except OSError as error:
        raise _unreadable(error, place) from error
    # As the images are, without the memory: what is asked of them is their shape and type.
    like = np.broadcast_to(np.zeros((), images.dtype), images.shape)
    turned = arrays.channels_first(like, channels, place)
    arrays.check(turned, labels, white, place, size)
    classes, white = arrays.classes_of(named, others, place), int(white)
    rows = None if own else np.flatnonzero(stratified_test_mask(labels) == (split == "test"))
    labels = (labels if rows is None else labels[rows]).astype(np.int64)
    kept = StoredDataset("folder", split, images, labels, white, classes, rows, last=turned.shape != like.shape)
    if not kept_whole(len(kept) * math.prod(images.shape[1:])):
        return kept
    return Dataset("folder", split, kept.read(slice(None)), labels, white, classes)


def look(place: Path, training: Dataset | StoredDataset, split: Split) -> None:
    """See that a split fits the training part, from the headers of its arrays alone; errors as for `load`."""
    store = opened(place)
    if not all(name in store for name in SPLIT):
        return  # it is drawn from the arrays that were learnt from
    try:
        images, labels = (store.rows(f"{split}_{kind}") for kind in WHOLE)
    except OSError as error:
        raise _unreadable(error, place) from error
    arrays.fits(images, labels, training, split, place)


def _whole(rows: Rows, most: int) -> NDArray[Any]:
    if math.prod(rows.shape) * rows.dtype.itemsize > most:
        raise InputError(f"{rows.name} has {list(rows.shape)} numbers, more than are read at once")
    return rows.read(slice(None))


def _unreadable(error: OSError, place: Path) -> InputError:
    return InputError(f"cannot read {error.filename or place}: {error.strerror or error}")
