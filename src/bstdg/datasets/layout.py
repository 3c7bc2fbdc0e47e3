"""How pictures lie in a folder: a subfolder a class, or such subfolders in parts of a split.

What is there and not read is said once, in a warning.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets.base import Split, stratified_test_mask
from bstdg.datasets.pictures import ENDINGS
from bstdg.errors import BstdgWarning, InputError
from bstdg.spikes.events import MAX_CHANNELS

PARTS = ("train", "test")
LITTER = ("thumbs.db", "desktop.ini")  # which systems leave behind; others of theirs begin with a dot
_SAID: set[str] = set()  # warnings, so that a training that loads both parts hears of each once


class Files(Sequence[Path]):
    """Files of some folders, of which names are kept alone: there may be millions.

    Args:
        folders: where they are.
        names: of the files.
        which: int64, of each file, in which of the folders it is.
    """

    def __init__(self, folders: list[Path], names: list[str], which: NDArray[np.int64]):
        self._folders, self._names, self._which = folders, names, which

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: Any) -> Any:
        return self._folders[self._which[index]] / self._names[index]

    def taken(self, rows: NDArray[np.int64]) -> Files:
        """Those at these positions."""
        return Files(self._folders, [self._names[row] for row in rows], self._which[rows])


class Pictures(NamedTuple):
    """The files of one split, in order, the label of each (int64), and what labels mean."""

    files: Files
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


def of_split(place: Path, split: Split) -> Pictures:
    """The pictures of a split: of the folder of that name, or a part of all."""
    parts = split_parts(place)
    if not parts:
        every = _of_classes(place)
        _say_passed_over(place, [place])
        labels = every.labels
        if min(counts := np.bincount(labels)) < 2:
            few = every.classes[int(counts.argmin())]
            raise InputError(f"{place / few} has one picture: to learn a class and to test it takes two at least")
        rows = np.flatnonzero(stratified_test_mask(labels) == (split == "test"))
        return Pictures(every.files.taken(rows), labels[rows], every.classes)
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


def split_parts(place: Path) -> list[Path]:
    """The folders `train` and `test`, where they are parts of a split: where they hold folders of classes.

    One with pictures in it is a class of that name, unless it has folders with pictures besides.
    """
    return [part for name in PARTS if (part := place / name).is_dir() and _holds_classes(part)]


def _holds_classes(folder: Path) -> bool:
    within = list(subfolders(folder))
    return any(map(has_pictures, within)) or bool(within and not has_pictures(folder))


def _say_passed_over(place: Path, parts: list[Path]) -> None:
    """Warn, once, of what is there and is not read: files of other kinds, folders in classes, loose pictures."""
    others, within, loose = Counter[str](), list[str](), 0
    for part in parts:
        loose += sum(1 for _ in pictures_in(part))
        for folder in subfolders(part):
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
    beside = [] if parts == [place] else sorted(folder.name for folder in subfolders(place) if folder not in parts)
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


def subfolders(place: Path) -> Iterator[Path]:
    return (path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))


def has_pictures(folder: Path) -> bool:
    """Whether there is a picture in a folder; no more than one is asked."""
    return next(pictures_in(folder), None) is not None


def pictures_in(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file():
            yield path


def _class_folders(place: Path) -> list[Path]:
    """Folders in the order of their names; those that begin with a dot are not classes."""
    folders = sorted(subfolders(place))
    if len(folders) < 2:
        found = f"only {folders[0].name!r}" if folders else "none"
        raise InputError(f"{place} should have a folder for each class, two at least, and has {found}")
    if len(folders) > MAX_CHANNELS:
        raise InputError(f"{place} has {len(folders)} folders, more than a network has outputs ({MAX_CHANNELS})")
    return folders


def _of_classes(place: Path, classes: list[str] | None = None) -> Pictures:
    """All pictures of the class folders in `place`, class by class, by name; a class of `classes` may be absent."""
    names = _names(_class_folders(place)) if classes is None else classes
    files: list[str] = []
    counts: list[int] = []
    for name in names:
        folder = place / name
        found = sorted(path.name for path in pictures_in(folder))
        if not found and classes is None:
            raise InputError(f"{folder} has no picture: files that end in {', '.join(ENDINGS)} are looked for")
        files += found
        counts.append(len(found))
    if not files:
        raise InputError(f"{place} has no picture: files that end in {', '.join(ENDINGS)} are looked for")
    labels = np.repeat(np.arange(len(names)), counts)
    return Pictures(Files([place / name for name in names], files, labels), labels, tuple(names))
