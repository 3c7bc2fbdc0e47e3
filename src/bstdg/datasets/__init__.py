"""Labelled images and event streams by name: one file per source, one record of what it is, one way to load it.

Each split is loaded on its own, so that a training run reads the test set once, at its end, or never.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from bstdg.datasets import caltech, digits, folder, mnist, spoken
from bstdg.datasets.base import Dataset, EventDataset, Split
from bstdg.datasets.colour import cifar10, jpeg75
from bstdg.datasets.pieces.base import StoredDataset
from bstdg.datasets.recordings import nmnist
from bstdg.datasets.signals import mit_bih
from bstdg.datasets.sources import Presence, Source
from bstdg.datasets.steps import StepDataset
from bstdg.errors import InputError

__all__ = [
    "Dataset",
    "EventDataset",
    "Presence",
    "Source",
    "Split",
    "StepDataset",
    "StoredDataset",
    "are_events",
    "is_own",
    "load",
    "look",
    "names",
    "pictures_of",
    "source",
    "takes_size",
]

_MODULES = (digits, mnist, caltech, cifar10, jpeg75, spoken, nmnist, mit_bih, folder)
_SOURCES = {source.name: source for module in _MODULES for source in module.SOURCES}


def names() -> tuple[str, ...]:
    """The names `load` knows.

    >>> names()[:3], names()[-1]
    (('digits', 'mnist', 'fashion-mnist'), 'folder')
    """
    return tuple(_SOURCES)


def source(name: str) -> Source:
    """What is known of a data set: see `bstdg.datasets.sources.Source`.

    Raises:
        InputError: no data set has this name.

    >>> source("digits").present().said
    'comes with scikit-learn'
    """
    if name not in _SOURCES:
        near = difflib.get_close_matches(str(name).lower(), _SOURCES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"unknown data set {name!r}: {hint}known are {', '.join(_SOURCES)}")
    return _SOURCES[name]


def are_events(name: str) -> bool:
    """Whether the data set are recordings of timed events, not images; False for one that nobody knows."""
    return name in _SOURCES and _SOURCES[name].kind == "recordings"


def takes_size(name: str) -> bool:
    """Whether the data set are pictures, which `load` brings to any `size`; False for one that nobody knows."""
    return name in _SOURCES and _SOURCES[name].photographs


def is_own(name: str) -> bool:
    """Whether the data set is whatever the user names, and so may change from one time to the next."""
    return name in _SOURCES and _SOURCES[name].own


def pictures_of(name: str, shape: Sequence[int]) -> dict[str, Any]:
    """Arguments of `load` by which photographs come in the shape that a network reads; none for other data sets.

    Args:
        name: of a data set.
        shape: (channels, rows, columns), or (rows, columns) where it is grey.

    >>> pictures_of("folder", (3, 32, 48)), pictures_of("mnist", (28, 28))
    ({'size': (32, 48), 'channels': 3}, {})
    """
    if not takes_size(name) or len(shape) not in (2, 3):
        return {}
    return {"size": tuple(shape[-2:]), "channels": shape[0] if len(shape) == 3 else 1}


def load(
    name: str,
    split: Split,
    data_dir: str | Path | None = None,
    *,
    progress: bool = False,
    size: Sequence[int] = (),
    channels: int = 0,
    fold: int = 0,
) -> Any:
    """Load one split of a data set, from a folder, from the cache, or from the network.

    The folder is `data_dir`, else the environment variable BSTDG_DATA; `<folder>/<name>/` is looked at first,
    then the folder itself, for packed (.gz) or unpacked files. Nothing is ever downloaded into a folder you
    named. If you named none, missing files are downloaded into your cache folder, and their SHA-256 verified.

    Args:
        name: one of `names()`; "digits" comes with scikit-learn and needs no files, "folder" are pictures of your own
            (see `bstdg.datasets.folder`), which `data_dir` names.
        split: "train" or "test".
        data_dir: folder with the files.
        progress: show a bar on stderr while files are downloaded.
        size: rows and columns that photographs are brought to (the Caltech sets, "folder"); () is their default.
        channels: of photographs: 1 for grey, 3 for red, green and blue; 0 is grey, and arrays of one's own as they are.
        fold: of N-MNIST: 1 … 5 for that fifth of all recordings as the test part; 0 is the published split.

    Returns:
        A `Dataset` of images, or an `EventDataset` of recordings ("shd", "hd-spikes"); a `StoredDataset` of images of
        one's own that would take much memory.

    Raises:
        InputError: the name or split is unknown, or the folder you named lacks the files.
        FileFormatError: a file is truncated, altered, or something else than its name says.
        DownloadError: no mirror gave the right bytes.

    >>> load("digits", "test")
    Dataset(name='digits', split='test', 360 images 8x8, 10 classes, white=16)
    """
    found = source(name)
    if split not in get_args(Split):
        raise InputError(f"split must be 'train' or 'test', not {split!r}")
    if not 0 <= fold <= found.folds:
        has = f"data.fold is 1 … {found.folds}, or 0 for" if found.folds else "data.fold is for data sets with folds;"
        raise InputError(f"{has} the published split of {name}; leave out fold = {fold}")
    if found.photographs:
        options: dict[str, Any] = {"size": (int(size[0]), int(size[1]))} if size else {}
        return found.load(name, split, data_dir, progress, channels=channels, **options)
    if size:
        raise InputError(f"data.size is for photographs; {name} comes in the size it has")
    if channels:
        has = "are recordings of events" if found.kind == "recordings" else "has as many as it comes with"
        raise InputError(
            f"data.channels is for photographs and arrays; {name} {has}, so leave out channels = {channels}"
        )
    return found.load(name, split, data_dir, progress, **({"fold": fold} if found.folds else {}))


def look(
    training: Dataset | StoredDataset | EventDataset,
    split: Split,
    data_dir: str | Path | None = None,
    *,
    progress: bool = False,
    size: Sequence[int] = (),
) -> None:
    """See that another split is there and fits the training part, before work is put into that; nothing of it is read
    but names and headers, so damage further on is found when the split is loaded.

    Args:
        training: as `load` gave it.
        split: the one that will be wanted.
        data_dir, progress, size: those of `load`.

    Raises:
        InputError, FileFormatError, DownloadError: as for `load`.
    """
    found = source(training.name)
    if found.look is not None:
        found.look(training, split, data_dir, progress, tuple(size))
