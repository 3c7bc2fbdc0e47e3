"""Spoken digits as events on 700 cochlear channels, 20 classes: SHD, and HD-spikes, which is made of the same audio.

Both come as two HDF5 files of one layout (see `bstdg.datasets.recordings.hdf5`), as they are or packed with gzip. A
file that is known by its SHA-256 is read here, any other in a process of its own (see
`bstdg.datasets.recordings.isolation`). SHD are known by MD5 alone, which is all that their publisher gives, and which
tells damage but not malice.

SHD is the official Spiking Heidelberg Digits. HD-spikes are not: their spikes were computed from the same audio by
another program and their test part differs, so a figure on one says nothing about the other.

Sources: B. Cramer, Y. Stradmann, J. Schemmel, F. Zenke, "The Heidelberg Spiking Data Sets for the Systematic Evaluation
of Spiking Neural Networks", IEEE TNNLS 33, 2022, doi:10.1109/TNNLS.2020.3044364 (CC BY 4.0; HD-spikes are an
adaptation of its audio).
"""

from __future__ import annotations

import gzip
import hashlib
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from bstdg import files
from bstdg.datasets.base import EventDataset, Split
from bstdg.datasets.files import MD5_LENGTH, RemoteFile, provide, unpacked
from bstdg.datasets.recordings import hdf5, isolation
from bstdg.datasets.recordings.hdf5 import DIGITS, NUM_CHANNELS
from bstdg.datasets.sources import Source
from bstdg.errors import BstdgWarning, FileFormatError, InputError

__all__ = ["DIGITS", "NUM_CHANNELS", "load", "read"]

MAX_BYTES = 1 << 30  # of an unpacked file; SHD's larger one has a quarter of that
_GZIP_MAGIC, _HDF5_MAGIC = b"\x1f\x8b", b"\x89HDF\r\n\x1a\n"
_PACKED_LIMIT = 1 << 28  # bytes; the publisher gives MD5 sums alone, and no sizes

MIRRORS = {"shd": ("https://zenkelab.org/datasets/", "https://compneuro.net/datasets/"), "hd-spikes": ()}
FILES: dict[str, dict[Split, RemoteFile]] = {
    "shd": {
        "train": RemoteFile("shd_train.h5.gz", "d47c9825dee33347913e8ce0f2be08b0", _PACKED_LIMIT),
        "test": RemoteFile("shd_test.h5.gz", "3062a80ec0c5719404d5b02e166543b1", _PACKED_LIMIT),
    },
    "hd-spikes": {
        "train": RemoteFile(
            "hds_train.h5.gz", "723ff0ae3c92a1a0315de7e35cdcae22f222c69c0208d78ff83a7584eb2a18ca", 95777720
        ),
        "test": RemoteFile(
            "hds_test.h5.gz", "464159c633b1cf86d2ed4746feec7d2cebdfe365698622cc3fe85baa77ef527e", 27143796
        ),
    },
}
UNPACKED = {
    "hds_train.h5.gz": RemoteFile(
        "hds_train.h5", "2a3cc3bf119f37888cbe46e221ba2f5e33e571f80865ec23f982e4b133d0bd64", 195681156
    ),
    "hds_test.h5.gz": RemoteFile(
        "hds_test.h5", "32500c162104abebc9a10dee929de90714f0bc0b2016d050d4c5a048f7a7537a", 55710704
    ),
}
FOLDERS = {"shd": ("shd", "SHD"), "hd-spikes": ("hd-spikes", "heidelberg-digits-spikes")}
TITLES = {"shd": "SHD", "hd-spikes": "HD-spikes"}


def load(name: str, split: Split, data_dir: str | Path | None = None, progress: bool = False) -> EventDataset:
    """Load a split of "shd" or "hd-spikes"; the file of the other split is not touched.

    Raises:
        InputError: the file is missing, h5py is not installed, or HD-spikes lie in the place of SHD.
        FileFormatError: the file is damaged or of another layout.
        DownloadError: it had to be downloaded and no mirror gave it.
    """
    hdf5.library()  # before a download that would be of no use
    file = FILES[name][split]
    (path,) = provide(name, [file], MIRRORS[name], data_dir, progress=progress, folders=FOLDERS[name])
    origin = _origin(path, file)
    found = read(path, name, split, isolated=False if origin == "known" else None)
    if origin == "other":
        warnings.warn(
            f"{path} is not the file that {TITLES[name]} were published as: figures on it are no figures on {name}",
            BstdgWarning,
            stacklevel=2,
        )
    return found


def look(
    training: EventDataset,
    split: Split,
    data_dir: str | Path | None,
    progress: bool = False,
    size: tuple[int, ...] = (),
) -> None:
    """See that the file of a split is there, downloading it if it is not, and begins like one.

    Raises:
        InputError, FileFormatError, DownloadError: as for `load`.
    """
    name = training.name
    (path,) = provide(name, [FILES[name][split]], MIRRORS[name], data_dir, progress=progress, folders=FOLDERS[name])
    try:
        with files.open_regular(path) as file:
            start = file.read(len(_HDF5_MAGIC))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if start != _HDF5_MAGIC and not start.startswith(_GZIP_MAGIC):
        raise FileFormatError(f"{path}: no HDF5 file, packed or not; get the file again")


def read(path: Path, name: str, split: Split, *, isolated: bool | None = None) -> EventDataset:
    """Read one HDF5 file, packed with gzip or not (told apart by content), a recording at a time.

    Recordings without events are allowed. Events that are not in the order of their times are put into it.

    Args:
        path: the file.
        name: of the data set that it is, or what errors shall call it.
        split: "train" or "test".
        isolated: read it in a process of its own, which a damaged file may crash; False reads it in this one. None
            does so, too, where the environment variable BSTDG_TRUST_RECORDINGS is set to 1.

    Raises:
        InputError, FileFormatError: as for `load`.
    """
    hdf5.library()
    if isolated is None:
        isolated = not isolation.trusted()
    try:
        with _unpacked(path) as plain:
            found = (isolation if isolated else hdf5).parse(plain, str(path))
    except EOFError as error:
        raise FileFormatError(f"{path}: truncated: the packed data break off; get the file again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(f"{path}: damaged gzip data: {error}; get the file again") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if name == "shd" and found.names_audio:
        raise InputError(f"{path} holds HD-spikes, not SHD: load them as the data set hd-spikes")
    return EventDataset(
        name, split, found.offsets, found.channels, found.times, found.labels, found.speakers, found.classes,
        NUM_CHANNELS,
    )  # fmt: skip


def _origin(path: Path, file: RemoteFile) -> Literal["known", "said", "other"]:
    """Whether the file is the published one.

    "known" by a SHA-256; "said", by an MD5 or where there is no sum of such a file; or an "other" one.

    Raises:
        FileFormatError: it has the size of the published one, but another sum.
    """
    published = [one for one in (file, UNPACKED.get(file.name)) if one is not None]
    packed = path.name.endswith(".gz")
    if not packed and len(published) == 1:  # nobody has published a sum of what is in the archive
        return "said"
    with files.open_regular(path) as content:
        for one in published:
            known = len(one.sha256) > MD5_LENGTH
            content.seek(0)
            digest = hashlib.file_digest(content, "sha256" if known else "md5")  # pyright: ignore[reportArgumentType]
            if digest.hexdigest() == one.sha256:
                return "known" if known else "said"
    size = path.stat().st_size
    if altered := [one for one in published if one.size == size]:
        raise FileFormatError(
            f"{path} was altered: it has as many bytes as the published {altered[0].name}, and another checksum; get "
            "it again"
        )
    return "other"


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """The file itself, or a temporary unpacked copy while the context lasts."""
    with files.open_regular(path) as raw:
        if raw.read(len(_GZIP_MAGIC)) != _GZIP_MAGIC:
            yield path
            return
        raw.seek(0)
        with tempfile.TemporaryDirectory(prefix="bstdg-") as folder:
            plain = Path(folder) / "events.h5"
            with gzip.GzipFile(fileobj=raw) as source, plain.open("wb") as target:
                _copy(source, target, path)  # pyright: ignore[reportArgumentType]
            yield plain


def _copy(source: BinaryIO, target: BinaryIO, path: Path) -> None:
    room = allowed = unpacked(path.stat().st_size, MAX_BYTES)
    while chunk := source.read(1 << 20):
        room -= len(chunk)
        if room < 0:
            raise FileFormatError(f"{path}: unpacks to more than the {allowed} bytes allowed")
        target.write(chunk)


SOURCES = tuple(
    Source(
        name,
        TITLES[name],
        "recordings",
        load,
        look=look,
        files={split: (file.name,) for split, file in files.items()},
        folders=FOLDERS[name],
        wanted=" and ".join(file.name.removesuffix(".gz") for file in files.values()) + " (.gz or not)",
        mirrors=MIRRORS[name],
    )
    for name, files in FILES.items()
)
