"""What loaders return: labelled images or labelled recordings of events, one split of a data set, checked when made.

Shapes are `(channels, rows, columns)`, here and from here on: a grey image has one channel, a colour picture three
(red, green, blue), and maps of any other kind are as many channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.spikes.events import MAX_CHANNELS, check_offsets

Split = Literal["train", "test"]
TEST_SHARE = 0.2
SPLIT_SEED = 0  # part of what such a split means: never derive it from a training seed
MOST_WHITE = 32_767  # what int16 holds, which torch computes with


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Labelled images of one split: grey, in colour, or of several maps.

    Attributes:
        name: the data set, as `bstdg.datasets.names()` lists it.
        split: "train" or "test".
        images: `uint8` `[N, rows, columns]` or `[N, channels, rows, columns]`, values 0 … white; one channel given the
            second way is kept the first. `int16` where white is above 255, as the samples of a signal may have it.
        labels: `int64` `[N]`, values 0 … len(classes) - 1.
        white: the pixel value that means full intensity, 1 … 32767.
        classes: what each label means, in words.
        patients: `int64` `[N]`, of whom each image was taken; None where nobody knows or it does not matter.

    Raises:
        InputError: the set is empty, or an array has another type, shape or range than said above.

    >>> Dataset("two", "test", np.zeros((2, 4, 4), np.uint8), np.array([0, 1]), 255, ("no", "yes"))
    Dataset(name='two', split='test', 2 images 4x4, 2 classes, white=255)
    """

    name: str
    split: Split
    images: NDArray[Any]
    labels: NDArray[np.int64]
    white: int
    classes: tuple[str, ...]
    patients: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        where = f"{self.name} ({self.split})"
        if not 1 <= self.white <= MOST_WHITE:
            raise InputError(f"{where}: white must be in 1 … {MOST_WHITE}, not {self.white!r}")
        check_classes(self.classes, where)
        level = np.uint8 if self.white <= np.iinfo(np.uint8).max else np.int16
        _expect(self.images, level, ("N, rows, columns", "N, channels, rows, columns"), f"{where}: images")
        _expect(self.labels, np.int64, ("N",), f"{where}: labels")
        if self.patients is not None:
            _expect(self.patients, np.int64, ("N",), f"{where}: patients")
            if self.patients.shape != self.labels.shape:
                raise InputError(f"{where}: {len(self.labels)} labels but {len(self.patients)} patients")
        if self.images.ndim == 4 and self.images.shape[1] == 1:
            object.__setattr__(self, "images", self.images[:, 0])
        if len(self.images) != len(self.labels):
            raise InputError(f"{where}: {len(self.images)} images but {len(self.labels)} labels")
        if not self.images.size:
            raise InputError(f"{where}: the data set is empty (images have shape {self.images.shape})")
        if (brightest := int(self.images.max())) > self.white:
            raise InputError(f"{where}: a pixel is {brightest}, above white = {self.white}")
        if (darkest := int(self.images.min())) < 0:
            raise InputError(f"{where}: a pixel is {darkest}, below 0")
        check_labels(self.labels, self.classes, where)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.images.shape[1:]))
        return (
            f"Dataset(name={self.name!r}, split={self.split!r}, {len(self)} images {size}, "
            f"{len(self.classes)} classes, white={self.white})"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, rows, columns) of every image, one channel where it is grey.

        >>> Dataset("two", "test", np.zeros((2, 4, 5), np.uint8), np.array([0, 1]), 255, ("no", "yes")).shape
        (1, 4, 5)
        """
        rows, columns = self.images.shape[-2:]
        return self.images.shape[1] if self.images.ndim == 4 else 1, rows, columns

    def read(self, index: Any) -> NDArray[Any]:
        """The images at these positions (a slice, integers or a mask), as they lie in `images`."""
        return self.images[index]

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
            patients = None if self.patients is None else self.patients[index]
            return replace(self, images=self.images[index], labels=self.labels[index], patients=patients)
        except IndexError as error:
            raise InputError(f"{self.name} ({self.split}) has {len(self)} images: {error}") from error


@dataclass(frozen=True, eq=False, repr=False)
class EventDataset:
    """Labelled recordings of one split, each a stream of timed events on channels.

    Attributes:
        name: the data set, as `bstdg.datasets.names()` lists it.
        split: "train" or "test".
        offsets: `int64` `[N + 1]`; recording n owns events `offsets[n] … offsets[n + 1] - 1`; it may have none.
        channels: `uint16` `[events]`, 0 … num_channels - 1.
        times: `float16` or `float32` `[events]`, seconds from the start of the recording.
        labels: `int64` `[N]`, 0 … len(classes) - 1.
        speakers: `int64` `[N]`, whose recording it is; None where nobody knows.
        classes: what each label means, in words.
        num_channels: width of the input.
        grid: (channels, rows, columns), where the channels are those of a sensor's pixels, in this order; else None.

    Raises:
        InputError: the set is empty, or an array has another type, shape or range than said above.

    >>> one = EventDataset("one", "test", np.array([0, 2]), np.array([0, 1], np.uint16),
    ...                    np.array([0.1, 0.2], np.float16), np.array([0]), None, ("no",), 2)
    >>> one
    EventDataset(name='one', split='test', 1 recordings, 2 events on 2 channels, 1 classes)
    """

    name: str
    split: Split
    offsets: NDArray[np.int64]
    channels: NDArray[np.uint16]
    times: NDArray[np.floating]
    labels: NDArray[np.int64]
    speakers: NDArray[np.int64] | None
    classes: tuple[str, ...]
    num_channels: int
    grid: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        where = f"{self.name} ({self.split})"
        check_classes(self.classes, where)
        if not 1 <= self.num_channels <= MAX_CHANNELS:
            raise InputError(f"{where}: num_channels must be in 1 … {MAX_CHANNELS}, not {self.num_channels}")
        if self.grid is not None and (len(self.grid) != 3 or math.prod(self.grid) != self.num_channels):
            raise InputError(f"{where}: {self.num_channels} channels are not those of a grid {list(self.grid)}")
        wanted = {"offsets": (np.int64,), "labels": (np.int64,), "channels": (np.uint16,)}
        for field, types in {**wanted, "times": (np.float16, np.float32)}.items():
            array = getattr(self, field)
            if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype not in types:
                kinds = " or ".join(np.dtype(kind).name for kind in types)
                found = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
                raise InputError(f"{where}: {field} must be {kinds}, one row, not {found}")
        if len(self.channels) != len(self.times):
            raise InputError(f"{where}: {len(self.channels)} channels but {len(self.times)} times")
        check_offsets(self.offsets, len(self.channels))
        if len(self.offsets) != len(self.labels) + 1:
            raise InputError(f"{where}: {len(self.offsets) - 1} recordings but {len(self.labels)} labels")
        if not len(self.labels):
            raise InputError(f"{where}: the data set is empty")
        if self.speakers is not None and self.speakers.shape != self.labels.shape:
            raise InputError(f"{where}: {len(self.labels)} recordings but {len(self.speakers)} speakers")
        if self.channels.size and (highest := int(self.channels.max())) >= self.num_channels:
            raise InputError(f"{where}: an event is on channel {highest}, expected 0 … {self.num_channels - 1}")
        if self.times.size and not (self.times.min() >= 0 and np.isfinite(self.times.max())):  # false for NaN, too
            raise InputError(f"{where}: times must be 0 seconds or later, and finite")
        check_labels(self.labels, self.classes, where)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return (
            f"EventDataset(name={self.name!r}, split={self.split!r}, {len(self)} recordings, "
            f"{len(self.channels)} events on {self.num_channels} channels, {len(self.classes)} classes)"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, rows, columns) of a sensor with pixels, else (channels,)."""
        return self.grid or (self.num_channels,)

    def rows(self, index: Any) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.floating]]:
        """Offsets, channels and times of the recordings that `index` (positions, a mask or a slice) selects.

        >>> one = EventDataset("one", "test", np.array([0, 0, 1]), np.array([1], np.uint16),
        ...                    np.array([0.5], np.float32), np.array([0, 0]), None, ("no",), 2)
        >>> one.rows([1, 0])[0]
        array([0, 1, 1])
        """
        rows = np.arange(len(self))[index]
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        take = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return offsets, self.channels[take], self.times[take]

    def subset(self, index: Any) -> EventDataset:
        """The recordings that `index` (positions, a mask or a slice) selects, in its order.

        Raises:
            InputError: nothing is selected, or a position does not exist.
        """
        try:
            rows = np.arange(len(self))[index]
            offsets, channels, times = self.rows(rows)
        except IndexError as error:
            raise InputError(f"{self.name} ({self.split}) has {len(self)} recordings: {error}") from error
        speakers = None if self.speakers is None else self.speakers[rows]
        parts = {"offsets": offsets, "channels": channels, "times": times, "speakers": speakers}
        return replace(self, labels=self.labels[rows], **parts)


def check_labels(labels: NDArray[np.int64], classes: tuple[str, ...], where: str) -> None:
    """Raise `InputError` unless every label is that of a class."""
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= len(classes):
        raise InputError(f"{where}: labels are {least} … {most}, expected 0 … {len(classes) - 1}")


def check_classes(classes: tuple[str, ...], where: str) -> None:
    """Raise `InputError` unless there are classes, each of a name of its own."""
    if not classes:
        raise InputError(f"{where}: no classes are named")
    if len(set(classes)) < len(classes):
        twice = next(name for n, name in enumerate(classes) if name in classes[:n])
        raise InputError(f"{where}: two classes are named {twice!r}; a decision would not say which: rename one")


def _expect(array: Any, dtype: type[np.generic], axes: tuple[str, ...], what: str) -> None:
    is_array = isinstance(array, np.ndarray)
    if not is_array or array.dtype != dtype or array.ndim not in [len(names.split(", ")) for names in axes]:
        found = f"{array.dtype} of shape {array.shape}" if is_array else type(array).__name__
        raise InputError(f"{what} must be {np.dtype(dtype)} {' or '.join(f'[{names}]' for names in axes)}, not {found}")


def stratified_test_mask(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which samples are the test set where nobody split them, `[N]`: a fifth of each class, and at least one.

    The draw depends on the labels alone, so a split stays as it is as long as the data do.

    Raises:
        InputError: a class has a single sample.

    >>> stratified_test_mask(np.array([0, 0, 0, 1, 1])).sum()
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


def stratified_folds(labels: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """In which of `folds` equal parts each sample is, 0 … folds - 1, `[N]`; each class is spread evenly over them.

    The draw depends on the labels alone, as that of `stratified_test_mask`.

    >>> np.bincount(stratified_folds(np.array([0] * 6 + [1] * 4), 5))
    array([2, 2, 2, 2, 2])
    """
    random = np.random.default_rng(SPLIT_SEED)
    order = np.concatenate([random.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)])
    part = np.empty(len(labels), np.int64)
    part[order] = np.arange(len(labels)) % folds
    return part
