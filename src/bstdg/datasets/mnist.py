"""MNIST and Fashion-MNIST: 60000 training and 10000 test images of 28 x 28 pixels, 10 classes, in IDX files.

Sources: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proc. IEEE 86(11), 1998; H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset
for Benchmarking Machine Learning Algorithms", arXiv:1708.07747, 2017.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bstdg.datasets.base import Dataset, Split
from bstdg.datasets.files import RemoteFile, provide
from bstdg.datasets.idx import read_idx, read_idx_shape
from bstdg.datasets.sources import Source
from bstdg.errors import FileFormatError, InputError

SHAPE = (28, 28)


@dataclass(frozen=True)
class SplitFiles:
    """The two files of a split, and the CRC-32 of its labels, by which it is told from its namesakes."""

    images: RemoteFile
    labels: RemoteFile
    labels_crc: int


@dataclass(frozen=True)
class Collection:
    """One data set: its title, where it is published, what its labels mean, and its files."""

    title: str
    mirrors: tuple[str, ...]
    classes: tuple[str, ...]
    splits: dict[Split, SplitFiles]


COLLECTIONS = {
    "mnist": Collection(
        title="MNIST",
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        classes=tuple("0123456789"),
        splits={
            "train": SplitFiles(
                RemoteFile(
                    "train-images-idx3-ubyte.gz",
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    9912422,
                ),
                RemoteFile(
                    "train-labels-idx1-ubyte.gz",
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                    28881,
                ),
                labels_crc=0xBA07E8EF,
            ),
            "test": SplitFiles(
                RemoteFile(
                    "t10k-images-idx3-ubyte.gz",
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    1648877,
                ),
                RemoteFile(
                    "t10k-labels-idx1-ubyte.gz",
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                    4542,
                ),
                labels_crc=0xEE8604D9,
            ),
        },
    ),
    "fashion-mnist": Collection(
        title="Fashion-MNIST",
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        splits={
            "train": SplitFiles(
                RemoteFile(
                    "train-images-idx3-ubyte.gz",
                    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                    26421880,
                ),
                RemoteFile(
                    "train-labels-idx1-ubyte.gz",
                    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                    29515,
                ),
                labels_crc=0x2ED6E46A,
            ),
            "test": SplitFiles(
                RemoteFile(
                    "t10k-images-idx3-ubyte.gz",
                    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                    4422102,
                ),
                RemoteFile(
                    "t10k-labels-idx1-ubyte.gz",
                    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                    5148,
                ),
                labels_crc=0x242BC73F,
            ),
        },
    ),
}


def load(name: str, split: Split, data_dir: str | Path | None = None, progress: bool = False) -> Dataset:
    """Load a split of the collection `name`; the files of the other split are not touched.

    Raises:
        InputError: the files are missing, or are those of another data set or split.
        FileFormatError: they are damaged, do not fit together, or are not 28 x 28 images with labels 0 … 9.
        DownloadError: they had to be downloaded and no mirror gave them.
    """
    collection = COLLECTIONS[name]
    images_path, labels_path = _paths(name, split, data_dir, progress)
    labels = read_idx(labels_path, ndim=1)
    _refuse_namesake(name, split, zlib.crc32(labels.tobytes()), labels_path)
    if (largest := int(labels.max())) >= len(collection.classes):
        raise FileFormatError(f"{labels_path}: a label is {largest}, expected 0 … 9")
    images = read_idx(images_path, ndim=3)
    _check_shapes(images.shape, labels.shape, images_path, labels_path)
    return Dataset(name, split, images, labels.astype(np.int64), white=255, classes=collection.classes)


def look(
    training: Dataset, split: Split, data_dir: str | Path | None, progress: bool = False, size: tuple[int, ...] = ()
) -> None:
    """See that the files of a split are there, downloading them if they are not, and that their headers fit.

    Raises:
        InputError, FileFormatError, DownloadError: as for `load`.
    """
    images, labels = _paths(training.name, split, data_dir, progress)
    _check_shapes(read_idx_shape(images, ndim=3), read_idx_shape(labels, ndim=1), images, labels)


def _paths(name: str, split: Split, data_dir: str | Path | None, progress: bool) -> list[Path]:
    """Where images and labels of a split are."""
    collection = COLLECTIONS[name]
    files = collection.splits[split]
    return provide(name, (files.images, files.labels), collection.mirrors, data_dir, progress=progress)


def _check_shapes(images: tuple[int, ...], labels: tuple[int, ...], images_path: Path, labels_path: Path) -> None:
    if images[1:] != SHAPE:
        height, width = images[1:]
        raise FileFormatError(f"{images_path}: images are {height} x {width}, expected 28 x 28")
    if images[0] != labels[0]:
        raise FileFormatError(f"{images_path} has {images[0]} images, but {labels_path} has {labels[0]} labels")


def _refuse_namesake(name: str, split: Split, labels_crc: int, path: Path) -> None:
    """MNIST and Fashion-MNIST name their files alike: notice the one in the place of the other."""
    for other, collection in COLLECTIONS.items():
        for other_split, files in collection.splits.items():
            if files.labels_crc == labels_crc and (other, other_split) != (name, split):
                raise InputError(
                    f"{path} holds the labels of {other} ({other_split}), not of {name} ({split}): "
                    f"give each data set a folder of its own, such as {name}/"
                )


SOURCES = tuple(
    Source(
        name,
        collection.title,
        "images",
        load,
        look=look,
        files={split: (of.images.name, of.labels.name) for split, of in collection.splits.items()},
        wanted="its four idx files (.gz or not)",
        mirrors=collection.mirrors,
        shape=(1, 28, 28),
    )
    for name, collection in COLLECTIONS.items()
)
