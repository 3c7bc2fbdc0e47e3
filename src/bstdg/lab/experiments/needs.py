"""Is the data of an experiment there, and where to put it if not. Nothing is downloaded or read to find out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bstdg.datasets.files import DATA_VARIABLE, cache_folder


@dataclass(frozen=True)
class Files:
    """What a data set is made of.

    Attributes:
        patterns: file names, each as a glob, all of which are needed.
        what: the same for people.
        downloads: it is fetched where no folder is named.
        folders: subfolders to look in beside the data set's name.
        instead: one file that does for all of them, as a glob.
    """

    patterns: tuple[str, ...]
    what: str
    downloads: bool = False
    folders: tuple[str, ...] = ()
    instead: str = ""


_IDX = Files(
    ("train-images*", "train-labels*", "t10k-images*", "t10k-labels*"), "its four idx files (.gz or not)", True
)
FILES = {
    "digits": Files((), "nothing: it comes with scikit-learn"),
    "mnist": _IDX,
    "fashion-mnist": _IDX,
    "caltech-face-motorbike": Files(
        ("*aces*", "*otorbikes*"),
        "101_ObjectCategories.tar.gz, or its folders Faces and Motorbikes,",
        folders=("caltech101", "caltech101/101_ObjectCategories", "101_ObjectCategories"),
        instead="*.tar.gz",
    ),
    "hd-spikes": Files(
        ("hds_train.h5*", "hds_test.h5*"),
        "hds_train.h5 and hds_test.h5 (.gz or not)",
        folders=("heidelberg-digits-spikes",),
    ),
}


def state(name: str, data_dir: Path | None = None) -> tuple[bool, str]:
    """Whether a data set can be used, and a line that says where it is or where to put it."""
    needed = FILES[name]
    if not needed.patterns:
        return True, "comes with scikit-learn"
    named = data_dir or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    for folder in _places(name, needed, named or cache_folder()):
        whole = needed.instead and any(folder.glob(needed.instead))
        if whole or all(any(folder.glob(pattern)) for pattern in needed.patterns):
            return True, f"in {folder}"
    if named is None and needed.downloads:
        return True, "is downloaded when first used"
    if named is None:
        return (
            False,
            f"not there: name a folder with --data-dir or {DATA_VARIABLE} and put {needed.what} into its {name}/",
        )
    return False, f"not there: put {needed.what} into {named / name}"


def _places(name: str, needed: Files, root: Path) -> list[Path]:
    return [root / name, *(root / folder for folder in needed.folders), root]
