"""Images and labels of one's own in an .npz file, which nobody needs to trust.

Members are read one by one, never as pickles, and none before its header was held against the bytes that are there.
"""

from __future__ import annotations

import math
import tokenize
import warnings
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.datasets.base import Dataset, Split, stratified_test_mask
from bstdg.errors import BstdgError, FileFormatError, InputError
from bstdg.spikes.events import MAX_CHANNELS

MAX_MEMBER = 1 << 31  # bytes of one array
SPLIT = ("train_images", "train_labels", "test_images", "test_labels")
WHOLE = ("images", "labels")
PIXEL = (1, 3)  # numbers of one: grey, or red, green and blue

# What NumPy lets out where a header, which it evaluates, is none.
_HEADER_ERRORS = (
    *(ValueError, TypeError, SyntaxError, tokenize.TokenError, EOFError),
    *(LookupError, ArithmeticError, RecursionError, MemoryError),
)
MOST_AXES = 32
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Header(NamedTuple):
    """What a NumPy file says of the array in it: shape, type, and whether its first axis varies fastest."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype


def read_header(file: Any) -> Header:
    """The header at the start of an open file, which is then at the array's first byte; nothing is allocated for it.

    Raises:
        ValueError: it is no such header, or one that is not read here; the message has one line.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"its version is {version}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote, and of odd escapes
            header = Header(*_HEADERS[version](file))
    except _HEADER_ERRORS as error:
        raise ValueError((str(error) or type(error).__name__).splitlines()[0][:200]) from None
    sides, dtype = header.shape, header.dtype
    if len(sides) > MOST_AXES or not all(side >= 0 for side in sides) or math.prod(max(1, n) for n in sides) >= 2**60:
        raise ValueError(f"no array has the shape {str(sides)[:80]}")
    if not dtype.itemsize or dtype.subdtype is not None:
        raise ValueError(f"no array has the type {str(dtype)[:80]}")
    return header


def load(path: Path, split: Split, size: tuple[int, int] | None = None, channels: int = 0) -> Dataset:
    """Load a split of an .npz file.

    Args:
        path: the file.
        split: "train" or "test".
        size: rows and columns that are expected, or None; arrays are not resized.
        channels: how many are expected, or 0 for what there are.

    Raises:
        InputError: an array is missing, or has another type, shape or range than it should.
        FileFormatError: the file is damaged or too large.
    """
    try:
        with files.open_regular(path) as file, zipfile.ZipFile(file) as archive:
            there = set(archive.namelist())
            own = all(f"{name}.npy" in there for name in SPLIT)
            if not own and (missing := [name for name in WHOLE if f"{name}.npy" not in there]):
                wanted = f"{' and '.join(WHOLE)}, or {', '.join(SPLIT)}"
                raise InputError(f"{path} has no array {missing[0]}; it should have {wanted}")
            images, labels = (_array(archive, f"{split}_{kind}" if own else kind, path) for kind in WHOLE)
            classes = _array(archive, "classes", path) if "classes.npy" in there else None
            white = _array(archive, "white", path) if "white.npy" in there else np.array(255)
            every = [labels] if not own else [_array(archive, f"{part}_labels", path) for part in ("train", "test")]
    except (BstdgError, MemoryError):
        raise
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # what zipfile and those that unpack for it raise is part of no contract
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileFormatError(f"{path} is no .npz file, or a damaged one: {said}") from error
    images = _channels_first(images, channels, path)
    _check(images, labels, white, path, size)
    if not own:
        rows = stratified_test_mask(labels) == (split == "test")
        images, labels = images[rows], labels[rows]
    return Dataset(
        name="folder",
        split=split,
        images=np.ascontiguousarray(images),
        labels=labels.astype(np.int64),
        white=int(white),
        classes=_classes(classes, every, path),
    )


def _array(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    info = archive.getinfo(f"{name}.npy")
    if info.file_size > MAX_MEMBER:
        raise FileFormatError(f"{path}: {name} has {info.file_size:,} bytes, more than the {MAX_MEMBER:,} allowed")
    with archive.open(info) as file:
        try:
            shape, fortran, dtype = read_header(file)
        except ValueError as error:
            raise FileFormatError(f"{path}: {name} is no array: {error}") from error
        if dtype.hasobject:
            raise FileFormatError(
                f"{path}: {name} holds Python objects, which are not read; save plain numbers or texts"
            )
        promised, there = math.prod(shape) * dtype.itemsize, info.file_size - file.tell()
        if promised != there:
            raise FileFormatError(f"{path}: {name} should have {promised:,} bytes by its header, and has {there:,}")
        data = file.read(there)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _channels_first(images: NDArray, channels: int, path: Path) -> NDArray:
    """`[N, rows, columns]` or `[N, channels, rows, columns]`, from that or from `[N, rows, columns, channels]`.

    Channels come first, unless the number that was asked for is that of the last axis alone; where none was asked for,
    unless the last axis is as short as a grey or coloured pixel and the first is not.
    """
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise InputError(
            f"{path}: images must be uint8 [samples, rows, columns] or [samples, channels, rows, columns], not "
            f"{images.dtype} {list(images.shape)}; floats in 0 … 1 become such with "
            "(255 * images).round().astype('uint8')"
        )
    first, last = (1, 1) if images.ndim == 3 else (images.shape[1], images.shape[3])
    if channels == first:
        return images
    if channels and channels == last:
        return np.moveaxis(images, 3, 1)
    if channels:
        raise InputError(
            f"{path}: images {list(images.shape)} have {first} channel{'s' * (first != 1)}, not {channels}; axes are "
            "[samples, channels, rows, columns], or [samples, rows, columns] where there is one"
        )
    if first not in PIXEL and last in PIXEL:
        return np.moveaxis(images, 3, 1)
    if last in (2, 4) and min(images.shape[1:3]) > 4:  # either way something would be learnt, so nobody would notice
        raise InputError(
            f"{path}: images {list(images.shape)} have {first} channels if these come first, {last} if they come last: "
            f"say which with data.channels = {last}, for instance"
        )
    return images


def _check(images: NDArray, labels: NDArray, white: NDArray, path: Path, size: tuple[int, int] | None) -> None:
    if labels.dtype.kind not in "iu" or labels.shape != (len(images),):
        raise InputError(
            f"{path}: labels must be {len(images)} integers, one an image, not {labels.dtype} {list(labels.shape)}"
        )
    if not len(labels):
        raise InputError(f"{path}: there are no samples")
    if not 0 <= int(labels.min()) <= int(labels.max()) < MAX_CHANNELS:
        raise InputError(f"{path}: labels must be 0, 1, 2 …, not {labels.min()} … {labels.max()}")
    if white.dtype.kind not in "iu" or white.shape != () or not 1 <= int(white) <= 255:
        raise InputError(f"{path}: white must be an integer in 1 … 255, not {white.tolist()!r}")
    shape = " x ".join(map(str, images.shape[1:]))
    if not 1 <= math.prod(images.shape[1:]) <= MAX_CHANNELS:
        raise InputError(f"{path}: images are {shape}; a network has 1 … {MAX_CHANNELS} inputs")
    if size is not None and images.shape[-2:] != tuple(size):
        raise InputError(f"{path}: images are {shape}, not {size[0]} x {size[1]}; arrays stay as they are")


def _classes(named: NDArray | None, labels: list[NDArray], path: Path) -> tuple[str, ...]:
    count = 1 + max(int(part.max(initial=0)) for part in labels)
    if named is None:
        return tuple(map(str, range(max(2, count))))
    if named.dtype.kind != "U" or named.ndim != 1 or len(named) < count:
        raise InputError(f"{path}: classes must be {count} texts, not {named.dtype} {list(named.shape)}")
    return tuple(named.tolist())
