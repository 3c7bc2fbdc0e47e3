"""Labelled images and event streams by name: one file per source, one table, one dataclass for each kind.

Each split is loaded on its own, so that a training run reads the test set once, at its end, or never.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from bstdg.datasets import caltech, digits, folder, mnist, spoken
from bstdg.datasets.base import Dataset, Split
from bstdg.datasets.events import EventDataset
from bstdg.datasets.steps import StepDataset
from bstdg.errors import InputError

__all__ = ["Dataset", "EventDataset", "Split", "StepDataset", "are_events", "load", "names", "takes_size"]

_Source = Callable[..., Dataset | EventDataset]  # name, split, data_dir, progress; and size, where it takes one
_SOURCES: dict[str, _Source] = {
    "digits": digits.load,
    **dict.fromkeys(mnist.COLLECTIONS, mnist.load),
    **dict.fromkeys(caltech.SPLITS, caltech.load),
    **dict.fromkeys(spoken.FILES, spoken.load),
    folder.NAME: folder.load,
}


def names() -> tuple[str, ...]:
    """The names `load` knows.

    >>> names()[:3], names()[-1]
    (('digits', 'mnist', 'fashion-mnist'), 'folder')
    """
    return tuple(_SOURCES)


def are_events(name: str) -> bool:
    """Whether the data set are recordings of timed events, not images."""
    return name in spoken.FILES


def takes_size(name: str) -> bool:
    """Whether the data set are pictures, which `load` brings to any `size`."""
    return name in caltech.SPLITS or name == folder.NAME


def load(
    name: str,
    split: Split,
    data_dir: str | Path | None = None,
    *,
    progress: bool = False,
    size: Sequence[int] = (),
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
        size: rows and columns that pictures are brought to (the Caltech sets, "folder"); () is their default.

    Returns:
        A `Dataset` of images, or an `EventDataset` of recordings ("shd", "hd-spikes").

    Raises:
        InputError: the name or split is unknown, or the folder you named lacks the files.
        FileFormatError: a file is truncated, altered, or something else than its name says.
        DownloadError: no mirror gave the right bytes.

    >>> load("digits", "test")
    Dataset(name='digits', split='test', 360 images 8x8, 10 classes, white=16)
    """
    if name not in _SOURCES:
        near = difflib.get_close_matches(str(name).lower(), _SOURCES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"unknown data set {name!r}: {hint}known are {', '.join(_SOURCES)}")
    if split not in get_args(Split):
        raise InputError(f"split must be 'train' or 'test', not {split!r}")
    if not size:
        return _SOURCES[name](name, split, data_dir, progress)
    if not takes_size(name):
        raise InputError(f"data.size is for photographs; {name} comes in the size it has")
    return _SOURCES[name](name, split, data_dir, progress, size=(int(size[0]), int(size[1])))
