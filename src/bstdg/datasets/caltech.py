"""Faces and motorbikes of Caltech-101: 435 and 798 photographs, two classes, of one size.

Read from the original archive, from one that holds these two categories alone, or from folders of images. Every
picture is made grey (ITU-R 601-2 luma) unless its three colours are asked for, and brought to the wanted size whole,
each pixel the mean of the area it covers. What is lost is the aspect: pictures are near 3:2 and become exactly what the
size says; nothing is cropped or padded.

Three splits. "caltech-face-motorbike" is the published one of 200 training and 198 test images a class, kept by the
authors of a re-implementation (npvoid/SDNN_python) of S. R. Kheradpisheh, M. Ganjtabesh, S. J. Thorpe, T. Masquelier,
"STDP-based spiking deep convolutional neural networks for object recognition", Neural Networks 99, 2018.
"caltech-face-motorbike-all" draws 200 training images a class with a fixed seed and tests on all others.

Pictures of one person, and of one catalogue of motorbikes, are consecutive numbers, and both these splits put many on
both sides (see `next_to_training`). "caltech-face-motorbike-blocks" does not: it learns from the first 200 of each
category and tests on those from 231 to 435, and the 30 between, which are more than one person has, are left out.

Source: L. Fei-Fei, R. Fergus, P. Perona, "Learning generative visual models from few training examples", CVPR 2004
Workshop on Generative-Model Based Vision; doi:10.22002/D1.20086, CC BY 4.0.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.datasets.archive import read_members
from bstdg.datasets.base import Dataset, Split
from bstdg.datasets.files import DATA_VARIABLE, cache_folder, named_folder
from bstdg.datasets.pictures import mode_of, opened, planes
from bstdg.datasets.sources import Source
from bstdg.errors import FileFormatError, InputError

CLASSES = ("face", "motorbike")
CATEGORIES = {"Faces": 435, "Motorbikes": 798}  # images are numbered from 1
SIZE = (32, 48)  # rows and columns; near 3:2, as most of the pictures are
TRAINING_PER_CLASS = 200
SPLIT_SEED = 0  # part of what "-all" means: never derive it from a training seed
LEFT_OUT = 30  # pictures of each category between the blocks, of which neither learns
BLOCKS_END = 435  # the last picture that is tested on: as many motorbikes as there are faces
ROOT = "101_ObjectCategories"
FOLDER = "caltech101"
ARCHIVES = ("101_ObjectCategories.tar.gz", "caltech101-faces-motorbikes.tar.gz")
WANTED = f"{ARCHIVES[0]} (in caltech-101.zip, doi:10.22002/D1.20086) or its folders {' and '.join(CATEGORIES)}"
MAX_FILE = 1 << 22  # bytes of one JPEG
MAX_ARCHIVE = 1 << 29  # bytes of an archive, unpacked; the original has 150 MB

# Bit n - 1 stands for image number n.
_PUBLISHED: dict[Split, tuple[int, int]] = {
    "train": (
        0x2B556829558AB506AAD558AB556AAD550AB54682D55A8B154AA951A2A556AAD558AB552AAD458AA156A2D55AAB516AAD550A255082D11,
        0x1EFFFFDFBFEAFFFAFFFFF1E7FFEBDDFEBE7EFFDEF7DFF77B7F3FFCBFDF7F,
    ),
    "test": (
        0x54AA9552AA554AA9552AA554AA9552AA554AA9552AA554AA9552AA554AA9552AA554AA9552AA554AA9552AA554AA9552AA554AA9552AA,
        ((1 << 198) - 1) << 237,
    ),
}


def _published(split: Split) -> list[list[int]]:
    return [[n + 1 for n in range(435) if bits >> n & 1] for bits in _PUBLISHED[split]]


def _seeded(split: Split) -> list[list[int]]:
    random = np.random.default_rng(SPLIT_SEED)
    drawn = [random.permutation(count) + 1 for count in CATEGORIES.values()]
    part = slice(None, TRAINING_PER_CLASS) if split == "train" else slice(TRAINING_PER_CLASS, None)
    return [sorted(numbers[part].tolist()) for numbers in drawn]


def _blocks(split: Split) -> list[list[int]]:
    first, last = (1, TRAINING_PER_CLASS) if split == "train" else (TRAINING_PER_CLASS + LEFT_OUT + 1, BLOCKS_END)
    return [list(range(first, last + 1)) for _ in CATEGORIES]


SPLITS = {
    "caltech-face-motorbike": _published,
    "caltech-face-motorbike-all": _seeded,
    "caltech-face-motorbike-blocks": _blocks,
}


def next_to_training(name: str) -> dict[str, float]:
    """Of the test pictures of a split, the share a class whose number comes before or after one that is learnt from.

    >>> {kind: round(share, 3) for kind, share in next_to_training("caltech-face-motorbike").items()}
    {'face': 0.965, 'motorbike': 0.005}
    """
    shares = {}
    for kind, learnt, judged in zip(CLASSES, SPLITS[name]("train"), SPLITS[name]("test"), strict=True):
        near = {number + step for number in learnt for step in (-1, 1)}
        shares[kind] = len(near & set(judged)) / len(judged)
    return shares


def load(
    name: str,
    split: Split,
    data_dir: str | Path | None = None,
    progress: bool = False,
    *,
    size: tuple[int, int] = SIZE,
    channels: int = 0,
) -> Dataset:
    """Load a split as images of `size` (rows, columns), grey or of 3 channels; only its own pictures are decoded.

    Looked at first is `<folder>/caltech101/`, then the folder itself: for an archive, then for image folders.

    Raises:
        InputError: the pictures are missing.
        FileFormatError: archive or picture is damaged, or the archive has members that do not belong there.
    """
    wanted = _wanted(name, split)
    place, content = _content(name, split, wanted, data_dir)
    return Dataset(
        name=name,
        split=split,
        images=_pictures(content, list(wanted), size, channels or 1, place),
        labels=np.array(list(wanted.values()), np.int64),
        white=255,
        classes=CLASSES,
    )


def look(
    training: Dataset, split: Split, data_dir: str | Path | None, progress: bool = False, size: tuple[int, ...] = ()
) -> None:
    """See that all pictures of a split are there, and that each begins like one.

    Raises:
        InputError, FileFormatError: as for `load`.
    """
    place, content = _content(training.name, split, _wanted(training.name, split), data_dir)
    for name, data in content.items():
        with _opened(name, data, place):
            pass


def _wanted(name: str, split: Split) -> dict[str, int]:
    """The pictures of a split, and the label of each."""
    return {
        f"{category}/image_{number:04d}.jpg": label
        for label, (category, numbers) in enumerate(zip(CATEGORIES, SPLITS[name](split), strict=True))
        for number in numbers
    }


def _content(
    name: str, split: Split, wanted: Mapping[str, int], data_dir: str | Path | None
) -> tuple[Path, dict[str, bytes]]:
    """Where the pictures are, and the bytes of each."""
    place = _place(name, data_dir)
    if place.is_file():
        content = read_members(place, {f"{ROOT}/{file}" for file in wanted}, max_file=MAX_FILE, max_bytes=MAX_ARCHIVE)
        content = {file.removeprefix(f"{ROOT}/"): data for file, data in content.items()}
    else:
        content = {file: _file(place / file) for file in wanted if (place / file).is_file()}
    if missing := [file for file in wanted if file not in content]:
        raise InputError(
            f"{place} lacks {len(missing)} of the {len(wanted)} pictures of {name} ({split}): {missing[0]} …"
        )
    return place, content


def locate(folder: Path) -> Path | None:
    """The archive below a folder, or the folder that has the folders of images; None where neither is there."""
    for place in (folder / FOLDER, folder):
        for archive in ARCHIVES:
            if (place / archive).is_file():
                return place / archive
        for images in (place / ROOT, place):
            if all((images / category).is_dir() for category in CATEGORIES):
                return images
    return None


def _place(name: str, data_dir: str | Path | None) -> Path:
    named = named_folder(data_dir)
    if named is not None and not named.is_dir():
        raise InputError(f"{named} is not a folder")
    top = named or cache_folder()
    if (place := locate(top)) is not None:
        return place
    raise InputError(
        f"no {name} in {top}: put {WANTED} into {top / FOLDER}, or name another folder (--data-dir or {DATA_VARIABLE})"
    )


def _file(path: Path) -> bytes:
    try:
        return files.read(path, MAX_FILE, "any picture of Caltech-101")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _pictures(
    content: Mapping[str, bytes], names: list[str], size: tuple[int, int], channels: int, place: Path
) -> NDArray[np.uint8]:
    from PIL import Image

    mode, (rows, columns) = mode_of(channels), size
    images = np.empty((len(names), *((channels,) if channels > 1 else ()), rows, columns), np.uint8)
    for n, name in enumerate(names):
        with _opened(name, content[name], place) as picture:
            images[n] = planes(picture.convert(mode).resize((columns, rows), Image.Resampling.BOX))
    return images


@contextmanager
def _opened(name: str, data: bytes, place: Path) -> Iterator[Any]:
    """An open picture, of which the header has been read."""
    try:
        with opened(io.BytesIO(data), len(data), name, ("JPEG",), "JPEG") as picture:
            yield picture
    except (InputError, OSError) as error:
        raise FileFormatError(f"{place}: {name} is no picture, or a damaged one: {error}") from error


SOURCES = tuple(
    Source(name, title, "images", load, look=look, locate=locate, wanted=WANTED, photographs=True, shape=(1, *SIZE))
    for name, title in {
        "caltech-face-motorbike": "Caltech-101 Face/Motorbike",
        "caltech-face-motorbike-all": "Caltech-101 Face/Motorbike, all images",
        "caltech-face-motorbike-blocks": "Caltech-101 Face/Motorbike, blocks of numbers",
    }.items()
)
