"""What a data set is: one record for each, which the loader and every list, table and check ask.

A module of a source ends in its `SOURCES`; `bstdg.datasets` joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from bstdg.datasets import files as locations
from bstdg.datasets.base import Dataset, EventDataset, Split
from bstdg.datasets.pieces.base import StoredDataset


class Presence(NamedTuple):
    """Whether a data set's files are at hand, or else are `downloaded` when they are first used; and a line on it."""

    at_hand: bool
    downloaded: bool
    said: str

    @property
    def usable(self) -> bool:
        """Whether loading it needs nothing more from the user."""
        return self.at_hand or self.downloaded


@dataclass(frozen=True)
class Source:
    """One data set: what it is called and holds, where its files are, and who reads them.

    Attributes:
        name: by which it is loaded.
        title: what a table of results calls it.
        kind: "images" give a `Dataset`, "recordings" of events an `EventDataset`.
        load: takes name, split, data_dir and progress; and by name `size` and `channels` for `photographs`, `fold`
            where there are `folds`.
        files: names of the files of each split, packed (.gz); unpacked ones are as good.
        folders: subfolders in which they are looked for before the folder itself; that of the data set's name if none
            is given.
        look: takes the training part, then split, data_dir, progress and the size asked for; finds out whether a split
            is there and fits the training part, from names and headers alone.
        locate: finds the files below a folder where they are no plain list, as `files` and `folders` do.
        wanted: the files in words, for someone who has to put them somewhere.
        mirrors: addresses of downloads, to be put before a file's name.
        comes_with: the package that brings it, for one without files.
        photographs: they are brought to any size, and are grey or of three colours, as `load` is asked.
        folds: into how many the recordings can be split instead, by `load`'s argument `fold`; 0 where they cannot.
        own: data of the user's own, which nobody looks for unless a folder is named.
        shape: (channels, rows, columns) of its pictures, of photographs the default; () where only the files tell, and
            of recordings.
    """

    name: str
    title: str
    kind: Literal["images", "recordings"]
    load: Callable[..., Dataset | StoredDataset | EventDataset]
    files: Mapping[Split, tuple[str, ...]] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    look: Callable[..., None] | None = None
    locate: Callable[[Path], Path | None] | None = None
    wanted: str = ""
    mirrors: tuple[str, ...] = ()
    comes_with: str = ""
    photographs: bool = False
    folds: int = 0
    own: bool = False
    shape: tuple[int, ...] = ()

    def present(self, data_dir: str | Path | None = None, split: Split | None = None) -> Presence:
        """Whether the files are there, in the folder that is named, else in the cache; nothing is read or downloaded.

        Args:
            data_dir: see `bstdg.datasets.load`.
            split: the one that is asked about; None for all of them.
        """
        if self.comes_with:
            return Presence(True, False, f"comes with {self.comes_with}")
        named = locations.named_folder(data_dir)
        if named is None and self.own:
            return Presence(False, False, f"not there: name {self.wanted} with --data-dir")
        place = self.place(named or locations.cache_folder(), split)
        if place is not None:
            return Presence(True, False, f"in {place}")
        if named is not None:
            where = named if self.own else named / self.name
            return Presence(False, False, f"not there: put {self.wanted} into {where}")
        if self.mirrors:
            return Presence(False, True, "is downloaded when first used")
        remedy = (
            f"name a folder with --data-dir or {locations.DATA_VARIABLE} and put {self.wanted} into its {self.name}/"
        )
        return Presence(False, False, f"not there: {remedy}")

    def place(self, folder: Path, split: Split | None = None) -> Path | None:
        """Where below a folder the files of a split, or of all, lie together; None where they do not."""
        if self.locate is not None:
            return self.locate(folder)
        wanted = [name for part, names in self.files.items() if split in (None, part) for name in names]
        return locations.find(folder, wanted, self.folders or (self.name,))
