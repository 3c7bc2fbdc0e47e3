"""Where the files of a data set are: in the folder the user named, else in the cache, else on the network."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bstdg import files as reading
from bstdg.datasets.download import MD5_LENGTH, fetch
from bstdg.errors import BstdgWarning, FileFormatError, InputError

__all__ = [
    "DATA_VARIABLE",
    "MD5_LENGTH",
    "RemoteFile",
    "cache_folder",
    "find",
    "look_at_sum",
    "named_folder",
    "provide",
    "unpacked",
]

DATA_VARIABLE = "BSTDG_DATA"
# What a packed file may unfold to: as much as any may, and then so many bytes for each of its own. The data sets' own
# unfold to 5; pictures of ink on paper, as arrays, to 30.
FREE_BYTES = 1 << 26
TIMES_PACKED = 100


@dataclass(frozen=True)
class RemoteFile:
    """A published file: its name (ending in .gz), checksum, and size in bytes (at most).

    The checksum is SHA-256 in hex, or MD5 where its publisher gives nothing better.
    """

    name: str
    sha256: str
    size: int


def provide(
    dataset: str,
    files: Sequence[RemoteFile],
    mirrors: Sequence[str],
    data_dir: str | Path | None,
    *,
    progress: bool = False,
    folders: Sequence[str] = (),
) -> list[Path]:
    """Paths of `files`, in their order.

    A folder the user named (`data_dir`, else BSTDG_DATA) is only read. Without one the files are downloaded
    into the cache; those already there are verified again, and replaced if they no longer have their SHA-256.

    Args:
        dataset: name of the data set, also of its subfolder.
        files: what is wanted.
        mirrors: addresses to put before a file's name, the preferred one first.
        data_dir: the folder named by the caller, or None.
        progress: show a bar while downloading.
        folders: names that the subfolder may have; that of the data set unless given.

    Raises:
        InputError: the folder the user named lacks a file, or none was named and there is nothing to download from.
        DownloadError: a file is not in the cache and no mirror gave it.
    """
    if (named := named_folder(data_dir)) is not None:
        named_by = DATA_VARIABLE if data_dir is None else "data_dir"
        return _provided(dataset, files, named, named_by, folders or (dataset,), bool(mirrors))
    if not mirrors:
        wanted = ", ".join(file.name for file in files)
        raise InputError(
            f"{dataset} cannot be downloaded: name the folder that holds {wanted} with --data-dir or {DATA_VARIABLE}"
        )
    folder = cache_folder() / dataset
    for file in files:
        urls = [mirror + file.name for mirror in mirrors]
        fetch(urls, folder / file.name, file.sha256, size_limit=file.size, progress=progress)
    return [folder / file.name for file in files]


def look_at_sum(path: Path, published: RemoteFile, title: str) -> None:
    """Hold a file that somebody named to what was published: warn of another one, refuse an altered one.

    Args:
        path: the file.
        published: what it should be, by its checksum and size.
        title: of the data set.

    Raises:
        FileFormatError: it has the size of the published one, but another sum.
        InputError: it cannot be read.
    """
    try:
        with reading.open_regular(path) as content:
            kind = "sha256" if len(published.sha256) > MD5_LENGTH else "md5"
            found = hashlib.file_digest(content, kind).hexdigest()  # pyright: ignore[reportArgumentType]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if found == published.sha256:
        return
    if path.stat().st_size == published.size:
        raise FileFormatError(
            f"{path} was altered: it has as many bytes as the published {published.name}, and another checksum; get "
            "it again"
        )
    warnings.warn(
        f"{path} is not the file that {title} was published as: figures on it are no figures on {title}",
        BstdgWarning,
        stacklevel=3,
    )


def unpacked(packed: int, most: int) -> int:
    """How many bytes a file of `packed` bytes may unfold to: `most`, and fewer where it is small.

    >>> unpacked(1000, 1 << 30), unpacked(1 << 30, 1 << 30)
    (67208864, 1073741824)
    """
    return min(most, FREE_BYTES + TIMES_PACKED * packed)


def named_folder(data_dir: str | Path | None = None) -> Path | None:
    """The folder, or file, that the user named: `data_dir`, else BSTDG_DATA; None where neither is given."""
    named = data_dir if data_dir is not None else os.environ.get(DATA_VARIABLE)
    return Path(named).expanduser() if named else None


def cache_folder() -> Path:
    """The folder downloads are kept in."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("bstdg"))


def find(folder: Path, names: Sequence[str], subfolders: Sequence[str] = ()) -> Path | None:
    """The first of the subfolders, then the folder itself, that has all files of these names, packed or not.

    Images from one place and labels from another would be a data set nobody made.
    """
    places = (*(folder / name for name in subfolders), folder)
    return next((place for place in places if all(_variant(place, name) for name in names)), None)


def _provided(
    dataset: str, files: Sequence[RemoteFile], folder: Path, named_by: str, subfolders: Sequence[str], online: bool
) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{named_by} names {folder}, which is not a folder")
    names = [file.name for file in files]
    place = find(folder, names, subfolders)
    if place is not None:
        return [path for name in names if (path := _variant(place, name)) is not None]
    places = [*(folder / name for name in subfolders), folder]
    place = next((place for place in places if any(_variant(place, name) for name in names)), places[0])
    missing = ", ".join(name for name in names if _variant(place, name) is None)
    raise InputError(
        f"no complete {dataset} in {folder} ({named_by}): {place} lacks {missing} (or the same without .gz); "
        f"put them there, or name another folder (--data-dir or {DATA_VARIABLE})"
        + (", or none to download them" if online else "")
    )


def _variant(folder: Path, name: str) -> Path | None:
    """The file of that name, packed or unpacked."""
    plain = name.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")  # the name kept inside the .gz, which some unpackers restore
    for variant in (name, plain, dotted + ".gz", dotted):
        if (path := folder / variant).is_file():
            return path
    return None
