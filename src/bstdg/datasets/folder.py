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

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets import arrays
from bstdg.datasets.base import Dataset, Split, stratified_test_mask
from bstdg.datasets.files import named_folder
from bstdg.datasets.pictures import ENDINGS, levels, size_of
from bstdg.datasets.sources import Source
from bstdg.errors import BstdgWarning, InputError
from bstdg.spikes.events import MAX_CHANNELS

NAME = "folder"
PARTS = ("train", "test")
LITTER = ("thumbs.db", "desktop.ini")  # which systems leave behind; others of theirs begin with a dot
_SAID: set[str] = set()  # warnings, so that a training that loads both parts hears of each once
MAX_FILE = 1 << 26  # bytes of one picture
MAX_BYTES = 1 << 31  # of all pictures of a split, a byte a pixel

R = TypeVar("R")


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
        chosen = _split(place, split)
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
    for file in _split(place, split).files:
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
        parts = _parts(place)
        held = [sum(next(_pictures_in(c), None) is not None for c in _subfolders(part)) for part in parts or [place]]
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


def _split(place: Path, split: Split) -> Pictures:
    """The pictures of a split: of the folder of that name, or a part of all."""
    parts = _parts(place)
    if not parts:
        every = _of_classes(place)
        _say_passed_over(place, [place])
        labels = np.array(every.labels, np.int64)
        if min(counts := np.bincount(labels)) < 2:
            few = every.classes[int(counts.argmin())]
            raise InputError(f"{place / few} has one picture: to learn a class and to test it takes two at least")
        rows = np.flatnonzero(stratified_test_mask(labels) == (split == "test"))
        return Pictures([every.files[row] for row in rows], labels[rows].tolist(), every.classes)
    for part, other in (PARTS, PARTS[::-1]):
        if place / part not in parts:
            what = "has pictures of no class" if (place / part).is_dir() else "is not there"
            raise InputError(
                f"{place} has a folder {other}, but no folder {part} of classes: {place / part} {what}; a split of "
                f"your own takes both, and where {other} is a class, its pictures lie in it and not in folders"
            )
    known = _class_folders(place / "train")
    if split == "train":
        _say_passed_over(place, parts)
        return _of_classes(place / "train")
    if strange := [folder.name for folder in _class_folders(place / "test") if folder.name not in _names(known)]:
        raise InputError(f"{place / 'test'} has a class {strange[0]!r}, which {place / 'train'} has not")
    _say_passed_over(place, parts)
    return _of_classes(place / "test", _names(known))


def _parts(place: Path) -> list[Path]:
    """The folders `train` and `test`, where they are parts of a split: where they hold folders of classes.

    One with pictures in it is a class of that name, unless it has folders with pictures besides.
    """
    return [part for name in PARTS if (part := place / name).is_dir() and _holds_classes(part)]


def _holds_classes(folder: Path) -> bool:
    within = list(_subfolders(folder))
    return any(next(_pictures_in(one), None) for one in within) or bool(within and not next(_pictures_in(folder), None))


def _say_passed_over(place: Path, parts: list[Path]) -> None:
    """Warn, once, of what is there and is not read: files of other kinds, folders in classes, loose pictures."""
    others, within, loose = Counter[str](), list[str](), 0
    for part in parts:
        loose += sum(1 for _ in _pictures_in(part))
        for folder in _subfolders(part):
            for path in folder.iterdir():
                if path.name.startswith(".") or path.name.lower() in LITTER:
                    continue
                if path.is_dir():
                    within.append(str(path.relative_to(place)))
                elif path.suffix.lower() not in ENDINGS:
                    others[path.suffix.lower() or "without ending"] += 1
    said = []
    if others:
        most = sorted(others.items(), key=lambda item: (-item[1], item[0]))[:8]
        kinds = ", ".join(f"{count} {ending}" for ending, count in most)
        said.append(f"{_many(others.total(), 'file')} of other kinds ({kinds}{' …' * (len(others) > 8)})")
    beside = [] if parts == [place] else sorted(folder.name for folder in _subfolders(place) if folder not in parts)
    if within:
        said.append(f"{_many(len(within), 'folder')} within classes ({_some(within)})")
    if loose:
        said.append(f"{_many(loose, 'picture')} in no folder of a class")
    if beside:
        said.append(f"{_many(len(beside), 'folder')} beside train and test ({_some(beside)})")
    text = f"{place}: passed over {'; '.join(said)}"
    if said and text not in _SAID:
        _SAID.add(text)
        warnings.warn(text, BstdgWarning, stacklevel=5)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _some(names: list[str]) -> str:
    return ", ".join(sorted(names)[:3]) + " …" * (len(names) > 3)


def _names(folders: list[Path]) -> list[str]:
    return [folder.name for folder in folders]


def _subfolders(place: Path) -> Iterator[Path]:
    return (path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))


def _pictures_in(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file():
            yield path


def _class_folders(place: Path) -> list[Path]:
    """Folders in the order of their names; those that begin with a dot are not classes."""
    folders = sorted(_subfolders(place))
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
        found = sorted(_pictures_in(folder))
        if not found and classes is None:
            raise InputError(f"{folder} has no picture: files that end in {', '.join(ENDINGS)} are looked for")
        files += found
        labels += [label] * len(found)
    if not files:
        raise InputError(f"{place} has no picture: files that end in {', '.join(ENDINGS)} are looked for")
    return Pictures(files, labels, tuple(names))


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
