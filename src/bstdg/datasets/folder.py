"""Pictures of one's own: a folder with a subfolder a class, or arrays in an .npz file.

    pictures/cat/….png       one folder a class; a fifth of each class, drawn once and for all, is the test set
    pictures/dog/….jpg

    pictures/train/cat/….png       or a split of one's own
    pictures/test/cat/….png

An .npz file has `images` and `labels`, or `train_images`, `train_labels`, `test_images` and `test_labels`; and
`classes` (texts) and `white` if it likes. Nothing in it is unpickled, and sizes are checked before memory is taken.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets import arrays
from bstdg.datasets.base import Dataset, Split, drawn_for_test
from bstdg.datasets.files import DATA_VARIABLE
from bstdg.datasets.pictures import grey_levels
from bstdg.errors import InputError
from bstdg.spikes.events import MAX_CHANNELS

NAME = "folder"
ENDINGS = (".png", ".jpg", ".jpeg")
MAX_FILE = 1 << 26  # bytes of one picture
MAX_BYTES = 1 << 31  # of all pictures of a split, a byte a pixel


class Pictures(NamedTuple):
    """The files of one split, in order, the label of each, and what labels mean."""

    files: list[Path]
    labels: list[int]
    classes: tuple[str, ...]


def load(
    name: str,
    split: Split,
    data_dir: str | Path | None = None,
    progress: bool = False,
    *,
    size: tuple[int, int] | None = None,
) -> Dataset:
    """Load a split of a folder of pictures, or of an .npz file, grey and of one size.

    Args:
        name: what the data set is called: "folder".
        split: "train" or "test".
        data_dir: the folder, or the .npz file; else what BSTDG_DATA names.
        progress: not needed: nothing is downloaded.
        size: rows and columns that every picture is brought to; without one all must have the same.

    Raises:
        InputError: there are no classes or pictures, sizes differ, or a file is no picture.
        FileFormatError: an .npz file is damaged, or holds something else.
    """
    place = _place(data_dir)
    if place.is_file():
        return arrays.load(place, split, size)
    chosen = _split(place, split)
    return Dataset(
        name=name,
        split=split,
        images=_read(chosen.files, size),
        labels=np.array(chosen.labels, np.int64),
        white=255,
        classes=chosen.classes,
    )


def _place(data_dir: str | Path | None) -> Path:
    named = data_dir if data_dir is not None else os.environ.get(DATA_VARIABLE)
    if not named:
        raise InputError(
            "data.name = 'folder' are pictures of your own: name their folder, or an .npz file, with --data-dir"
        )
    place = Path(named).expanduser()
    if not place.is_dir() and place.suffix.lower() != ".npz":
        raise InputError(f"{place} is neither a folder of pictures nor an .npz file")
    if not place.exists():
        raise InputError(f"{place} is not there")
    return place


def _split(place: Path, split: Split) -> Pictures:
    """The pictures of a split: of the folder of that name, or a part of all."""
    if not (place / "train").is_dir() and not (place / "test").is_dir():
        every = _of_classes(place)
        labels = np.array(every.labels, np.int64)
        if min(counts := np.bincount(labels)) < 2:
            few = every.classes[int(counts.argmin())]
            raise InputError(f"{place / few} has one picture: to learn a class and to test it takes two at least")
        rows = np.flatnonzero(drawn_for_test(labels) == (split == "test"))
        return Pictures([every.files[row] for row in rows], labels[rows].tolist(), every.classes)
    for part in ("train", "test"):
        if not (place / part).is_dir():
            raise InputError(f"{place} has a folder {'test' if part == 'train' else 'train'}, but no folder {part}")
    known = _class_folders(place / "train")
    if split == "train":
        return _of_classes(place / "train")
    if strange := [folder.name for folder in _class_folders(place / "test") if folder.name not in _names(known)]:
        raise InputError(f"{place / 'test'} has a class {strange[0]!r}, which {place / 'train'} has not")
    return _of_classes(place / "test", _names(known))


def _names(folders: list[Path]) -> list[str]:
    return [folder.name for folder in folders]


def _class_folders(place: Path) -> list[Path]:
    """Folders in the order of their names; those that begin with a dot are not classes."""
    try:
        folders = sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"cannot read {place}: {error.strerror or error}") from error
    if len(folders) < 2:
        found = f"only {folders[0].name!r}" if folders else "none"
        raise InputError(f"{place} should have a folder for each class, two at least, and has {found}")
    if len(folders) > MAX_CHANNELS:
        raise InputError(f"{place} has {len(folders)} folders, more than a network has outputs ({MAX_CHANNELS})")
    return folders


def _of_classes(place: Path, classes: list[str] | None = None) -> Pictures:
    """All pictures of the class folders in `place`, class by class, by name; a class of `classes` may be absent."""
    names = _names(_class_folders(place)) if classes is None else classes
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        folder = place / name
        found = sorted(
            path
            for path in (folder.iterdir() if folder.is_dir() else ())
            if path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file()
        )
        if not found and classes is None:
            raise InputError(f"{folder} has no picture: files that end in {', '.join(ENDINGS)} are looked for")
        files += found
        labels += [label] * len(found)
    if not files:
        raise InputError(f"{place} has no picture: files that end in {', '.join(ENDINGS)} are looked for")
    return Pictures(files, labels, tuple(names))


def _read(files: list[Path], size: tuple[int, int] | None) -> NDArray[np.uint8]:
    first = _grey(files[0], size)
    rows, columns = first.shape
    if rows * columns > MAX_CHANNELS:
        raise InputError(
            f"{files[0]} is {rows} x {columns} pixels, and a network has at most {MAX_CHANNELS} inputs: bring all "
            "pictures to a smaller size, with data.size = [32, 32] for instance"
        )
    if len(files) * first.size > MAX_BYTES:
        raise InputError(
            f"{len(files)} pictures of {rows} x {columns} would take {len(files) * first.size:,} bytes, more than "
            f"{MAX_BYTES:,}: bring them to a smaller size with data.size"
        )
    images = np.empty((len(files), rows, columns), np.uint8)
    for n, file in enumerate(files):
        picture = first if n == 0 else _grey(file, size)
        if picture.shape != first.shape:
            shapes = [f"{path} is {a.shape[0]} x {a.shape[1]}" for path, a in ((files[0], first), (file, picture))]
            raise InputError(
                f"pictures differ in size ({shapes[0]}, {shapes[1]}): say what to bring them to, rows and columns, "
                "with data.size = [32, 32] for instance"
            )
        images[n] = picture
    return images


def _grey(file: Path, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    try:
        if file.stat().st_size > MAX_FILE:
            raise InputError(f"{file} has more than the {MAX_FILE:,} bytes that a picture may have here")
        return grey_levels(file, size)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from error
