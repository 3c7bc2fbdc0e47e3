"""What every loader returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError

Split = Literal["train", "test"]
TEST_SHARE = 0.2
SPLIT_SEED = 0  # part of what such a split means: never derive it from a training seed


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Labelled grey images of one split, checked when made.

    Attributes:
        name: the data set, as `bstdg.datasets.names()` lists it.
        split: "train" or "test".
        images: `uint8` `[N, H, W]`, values 0 … white.
        labels: `int64` `[N]`, values 0 … len(classes) - 1.
        white: the pixel value that means full intensity, 1 … 255.
        classes: what each label means, in words.

    Raises:
        InputError: the set is empty, or an array has another type, shape or range than said above.

    >>> Dataset("two", "test", np.zeros((2, 4, 4), np.uint8), np.array([0, 1]), 255, ("no", "yes"))
    Dataset(name='two', split='test', 2 images 4x4, 2 classes, white=255)
    """

    name: str
    split: Split
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    white: int
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        where = f"{self.name} ({self.split})"
        if not 1 <= self.white <= 255:
            raise InputError(f"{where}: white must be in 1 … 255, not {self.white!r}")
        if not self.classes:
            raise InputError(f"{where}: no classes are named")
        _expect(self.images, np.uint8, "N, H, W", f"{where}: images")
        _expect(self.labels, np.int64, "N", f"{where}: labels")
        if len(self.images) != len(self.labels):
            raise InputError(f"{where}: {len(self.images)} images but {len(self.labels)} labels")
        if not self.images.size:
            raise InputError(f"{where}: the data set is empty (images have shape {self.images.shape})")
        if (brightest := int(self.images.max())) > self.white:
            raise InputError(f"{where}: a pixel is {brightest}, above white = {self.white}")
        least, most = int(self.labels.min()), int(self.labels.max())
        if least < 0 or most >= len(self.classes):
            raise InputError(f"{where}: labels are {least} … {most}, expected 0 … {len(self.classes) - 1}")

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        height, width = self.image_shape
        return (
            f"Dataset(name={self.name!r}, split={self.split!r}, {len(self)} images {height}x{width}, "
            f"{len(self.classes)} classes, white={self.white})"
        )

    @property
    def image_shape(self) -> tuple[int, int]:
        """(H, W) of every image."""
        return self.images.shape[1], self.images.shape[2]

    def subset(self, index: Any) -> Dataset:
        """The images `index` selects, in its order: an array of positions, a boolean mask `[N]`, or a slice.

        Raises:
            InputError: nothing is selected, a position does not exist, or `index` is none of these.

        >>> two = Dataset("two", "test", np.zeros((2, 4, 4), np.uint8), np.array([0, 1]), 255, ("no", "yes"))
        >>> two.subset([1]).labels
        array([1])
        """
        if not isinstance(index, slice):
            index = np.asarray(index)
            if index.ndim != 1 or index.dtype.kind not in "iub":
                raise InputError(
                    f"{self.name} ({self.split}): a subset needs a slice, or a list of positions "
                    f"or booleans, not {index.dtype} of shape {index.shape}"
                )
        try:
            return replace(self, images=self.images[index], labels=self.labels[index])
        except IndexError as error:
            raise InputError(f"{self.name} ({self.split}) has {len(self)} images: {error}") from error


def _expect(array: Any, dtype: type[np.generic], axes: str, what: str) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != len(axes.split(", ")):
        is_array = isinstance(array, np.ndarray)
        found = f"{array.dtype} of shape {array.shape}" if is_array else type(array).__name__
        raise InputError(f"{what} must be {np.dtype(dtype)} [{axes}], not {found}")


def drawn_for_test(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which samples are the test set where nobody split them: a fifth of each class, and at least one.

    The draw depends on the labels alone, so a split stays as it is as long as the data do.

    Raises:
        InputError: a class has a single sample.

    >>> drawn_for_test(np.array([0, 0, 0, 1, 1])).sum()
    np.int64(2)
    """
    chosen = np.zeros(len(labels), np.bool_)
    random = np.random.default_rng(SPLIT_SEED)
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        if len(rows) < 2:
            raise InputError(f"class {label} has one sample: to learn it and to test it takes two at least")
        chosen[rows[: max(1, round(TEST_SHARE * len(rows)))]] = True
    return chosen
