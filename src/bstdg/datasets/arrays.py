"""NumPy's files, .npy and .npz, which nobody needs to trust: plain numbers and texts, and images of one's own.

Nothing is unpickled, and nothing is read before its header was held against the bytes that are there. So a file of n
bytes takes n bytes of memory, a packed one as many as `bstdg.datasets.files.unpacked` allows; images are copied twice.
"""

from __future__ import annotations

import math
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.datasets.base import Dataset, Split, stratified_test_mask
from bstdg.datasets.files import unpacked
from bstdg.errors import BstdgError, FileFormatError, InputError
from bstdg.inputs.base import by
from bstdg.spikes.events import MAX_CHANNELS

MAX_MEMBER = 1 << 31  # bytes of one array
MAX_MEMBERS = 1000  # of an archive; four are looked for
MOST_AXES = 32  # what every NumPy has
SPLIT = ("train_images", "train_labels", "test_images", "test_labels")
WHOLE = ("images", "labels")
PIXEL = (1, 3)  # numbers of one: grey, or red, green and blue
_CHUNK = 1 << 20

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
            warnings.simplefilter("ignore")  # of headers of Python 2
            shape, fortran, dtype = _HEADERS[version](file)
        if not all(type(side) is int and 0 <= side < 1 << 62 for side in shape) or len(shape) > MOST_AXES:
            raise ValueError(f"its shape is {str(shape)[:80]}")
        if not dtype.hasobject and (dtype.names or dtype.subdtype or not dtype.itemsize):
            raise ValueError(f"it holds {str(dtype)[:80]}, not plain numbers or texts")
        return Header(shape, bool(fortran), dtype)
    except (OSError, zipfile.BadZipFile, zlib.error):  # of the file, not of the header
        raise
    except Exception as error:  # headers are Python's literals, and what is wrong with one has many names
        raise ValueError((str(error) or type(error).__name__).splitlines()[0]) from None


def read_npy(path: Path, most: int = MAX_MEMBER) -> NDArray[Any]:
    """The array in an .npy file of plain numbers or texts.

    Args:
        path: the file.
        most: bytes that it may have.

    Raises:
        FileFormatError: it is no such file, damaged or too large, or holds Python objects.
        OSError: it cannot be read.
    """
    with files.open_regular(path) as file:
        return _content(file, path.stat().st_size, most, str(path))


def read_npz(path: Path, names: tuple[str, ...]) -> list[NDArray[Any]]:
    """The arrays of these names in an .npz file, of plain numbers or texts.

    Raises:
        InputError, FileFormatError: one is missing, or as for `load`.
    """
    with _opened(path) as archive:
        there = _members(archive, path)
        if missing := [name for name in names if f"{name}.npy" not in there]:
            raise FileFormatError(f"{path} has no array {missing[0]}; it should have {', '.join(names)}")
        return [_array(archive, name, path) for name in names]


def _content(file: Any, length: int, most: int, name: str) -> NDArray[Any]:
    """The array in an open file of `length` bytes, which an error calls by `name`."""
    shape, fortran, dtype = checked_header(file, length, most, name)
    there = math.prod(shape) * dtype.itemsize
    data = bytearray(there)
    view, done = memoryview(data), 0
    while done < there:
        got = file.readinto(view[done : done + _CHUNK])
        if not got:
            raise FileFormatError(f"{name} is truncated: {done:,} of {there:,} bytes")
        done += got
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def checked_header(file: Any, length: int, most: int, name: str) -> Header:
    """The header at the start of an open file of `length` bytes, which promises just what follows it."""
    if length > most:
        raise FileFormatError(f"{name} has {length:,} bytes, more than the {most:,} allowed")
    try:
        shape, fortran, dtype = read_header(file)
    except ValueError as error:
        raise FileFormatError(f"{name} is no array: {error}") from None
    if dtype.hasobject:
        raise FileFormatError(f"{name} holds Python objects, which are not read; save plain numbers or texts")
    promised, there = math.prod(shape) * dtype.itemsize, length - file.tell()
    if promised != there:
        raise FileFormatError(f"{name} should have {promised:,} bytes by its header, and has {there:,}")
    return Header(shape, fortran, dtype)


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
    with _opened(path) as archive:
        there = _members(archive, path)
        own = all(f"{name}.npy" in there for name in SPLIT)
        if not own and (missing := [name for name in WHOLE if f"{name}.npy" not in there]):
            wanted = f"{' and '.join(WHOLE)}, or {', '.join(SPLIT)}"
            raise InputError(f"{path} has no array {missing[0]}; it should have {wanted}")
        images, labels = (_array(archive, f"{split}_{kind}" if own else kind, path) for kind in WHOLE)
        classes = _array(archive, "classes", path) if "classes.npy" in there else None
        white = _array(archive, "white", path) if "white.npy" in there else np.array(255)
        every = [labels] if not own else [_array(archive, f"{part}_labels", path) for part in ("train", "test")]
    images = channels_first(images, channels, path)
    check(images, labels, white, path, size)
    if not own:
        rows = stratified_test_mask(labels) == (split == "test")
        images, labels = images[rows], labels[rows]
    return Dataset(
        name="folder",
        split=split,
        images=np.ascontiguousarray(images),
        labels=labels.astype(np.int64),
        white=int(white),
        classes=classes_of(classes, every, path),
    )


def _members(archive: zipfile.ZipFile, path: Path) -> set[str]:
    """The names in an archive, which must not unfold to more than its bytes allow."""
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise FileFormatError(f"{path}: {len(infos):,} arrays, more than the {MAX_MEMBERS} that are looked at")
    there = {info.filename for info in infos}
    if len(there) < len(infos):
        raise FileFormatError(f"{path}: two arrays of one name")
    if (largest := max(infos, key=lambda info: info.file_size, default=None)) and largest.file_size > MAX_MEMBER:
        name, size = largest.filename.removesuffix(".npy"), largest.file_size
        raise FileFormatError(f"{path}: {name} has {size:,} bytes, more than the {MAX_MEMBER:,} allowed")
    packed = path.stat().st_size
    allowed = unpacked(packed, MAX_MEMBER * len(SPLIT))
    if (total := sum(info.file_size for info in infos)) > allowed:
        raise FileFormatError(
            f"{path}: its arrays have {total:,} bytes, more than the {allowed:,} allowed in a file of {packed:,}"
        )
    return there


def look(path: Path, training: Any, split: Split) -> None:
    """See that a split of an .npz file fits the training part, from the headers of its arrays; errors as for `load`."""
    with _opened(path) as archive:
        there = _members(archive, path)
        if not all(f"{name}.npy" in there for name in SPLIT):
            return  # it is drawn from the arrays that were learnt from
        images, labels = (_header(archive, f"{split}_{kind}", path) for kind in WHOLE)
    fits(images, labels, training, split, path)


def fits(images: Any, labels: Any, training: Any, split: Split, path: Path) -> None:
    """Raise `InputError` unless the arrays of a split, told by their `shape` and `dtype`, fit the training part."""
    channels, *sides = training.shape
    known = {(channels, *sides), (*sides, channels), *([tuple(sides)] if channels == 1 else [])}
    if images.dtype != np.uint8 or images.shape[1:] not in known:
        found, learnt = by(images.shape[1:]), by(training.shape)
        raise InputError(f"{path}: {split}_images are {images.dtype} of {found}, those to learn from uint8 of {learnt}")
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1] or not labels.shape[0]:
        found = f"{labels.dtype} {list(labels.shape)}"
        raise InputError(f"{path}: {split}_labels must be {images.shape[0]} integers, one an image, not {found}")


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """An open archive; what is wrong with it, here or inside of the context, in the words of this package."""
    try:
        with files.open_regular(path) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except (BstdgError, MemoryError):
        raise
    except Exception as error:  # zipfile and the packings that it knows have many names for damage
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from error
        told = " ".join(str(error).split()) or type(error).__name__
        raise FileFormatError(f"{path} is no .npz file, or a damaged one: {told}") from error


def _header(archive: zipfile.ZipFile, name: str, path: Path) -> Header:
    """What the array `name` says of itself, held against the bytes that are there."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as file:
        return checked_header(file, info.file_size, MAX_MEMBER, f"{path}: {name}")


def _array(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as file:
        return _content(file, info.file_size, MAX_MEMBER, f"{path}: {name}")


def channels_first(images: NDArray, channels: int, path: Path) -> NDArray:
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


def check(images: NDArray, labels: NDArray, white: NDArray, path: Path, size: tuple[int, int] | None) -> None:
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


def classes_of(named: NDArray | None, labels: list[NDArray], path: Path) -> tuple[str, ...]:
    count = 1 + max(int(part.max(initial=0)) for part in labels)
    if named is None:
        return tuple(map(str, range(max(2, count))))
    if named.dtype.kind != "U" or named.ndim != 1 or len(named) < count:
        raise InputError(f"{path}: classes must be {count} texts, not {named.dtype} {list(named.shape)}")
    if len(named) > MAX_CHANNELS:
        raise InputError(f"{path}: {len(named)} classes, more than a network has outputs ({MAX_CHANNELS})")
    points = np.ascontiguousarray(named).view(np.uint32 if named.dtype.isnative else np.dtype(np.uint32).newbyteorder())
    if ((points > 0x10FFFF) | ((points >= 0xD800) & (points < 0xE000))).any():  # no character, or half of one
        raise InputError(f"{path}: classes must be texts of Unicode, and one of them is not")
    return tuple(named.tolist())
