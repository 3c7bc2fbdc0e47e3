"""Reader of IDX, the file format of MNIST: a big-endian header and unsigned bytes, as is or packed with gzip.

    0 0 type ndim | size of each dimension, 4 bytes | data, last dimension fastest

Nothing in a file is believed: the header is checked before memory is taken, and no more is unpacked than it
announced.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.errors import FileFormatError, InputError

MAX_BYTES = 1 << 28  # five times the pixels of MNIST
UBYTE = 0x08  # the only IDX type these data sets use
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20


def read_idx(path: str | Path, *, ndim: int, max_bytes: int = MAX_BYTES) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, packed or not (told apart by content, not by name).

    Args:
        path: the file.
        ndim: how many dimensions it must have: 3 for images, 1 for labels.
        max_bytes: refuse files that announce more data than this.

    Returns:
        `uint8` `[size of dimension 1, …]`, writable.

    Raises:
        InputError: the file cannot be read at all.
        FileFormatError: it is no such IDX file, too large, truncated, altered, or has bytes after its end.
    """
    path = Path(path)
    try:
        with files.open_regular(path) as raw:
            packed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            raw.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=raw) as stream:
                    return _parse(stream, path, ndim, max_bytes)  # pyright: ignore[reportArgumentType]
            return _parse(raw, path, ndim, max_bytes)
    except EOFError as error:
        raise FileFormatError(f"{path}: truncated: the packed data break off") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(f"{path}: damaged gzip data: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _parse(stream: BinaryIO, path: Path, ndim: int, max_bytes: int) -> NDArray[np.uint8]:
    shape = _read_shape(stream, path, ndim)
    size = math.prod(shape)
    if size > max_bytes:
        raise FileFormatError(f"{path}: announces {_text(shape)} bytes, more than the {max_bytes} allowed")
    if size == 0:
        raise FileFormatError(f"{path}: empty: announces {_text(shape)} bytes")
    # One byte more than announced also brings gzip to the check sum at its end.
    data = _read_at_most(stream, size + 1)
    if len(data) < size:
        raise FileFormatError(f"{path}: truncated: {len(data)} of {size} bytes of data ({_text(shape)})")
    if len(data) > size:
        raise FileFormatError(f"{path}: bytes follow after the {size} announced ({_text(shape)})")
    return np.frombuffer(data, np.uint8).reshape(shape)  # a bytearray, so the array is writable


def _read_shape(stream: BinaryIO, path: Path, ndim: int) -> tuple[int, ...]:
    magic = bytes(_read_at_most(stream, 4))
    if len(magic) < 4:
        raise FileFormatError(f"{path}: truncated: {len(magic)} bytes, too short for an IDX file")
    if magic[:2] != b"\0\0" or magic[2] != UBYTE:
        raise FileFormatError(f"{path}: not an IDX file of unsigned bytes (starts with {magic.hex(' ')})")
    if magic[3] != ndim:
        raise FileFormatError(
            f"{path}: {magic[3]} dimension(s), expected {ndim} (images have 3, labels 1: are they swapped?)"
        )
    sizes = _read_at_most(stream, 4 * ndim)
    if len(sizes) < 4 * ndim:
        raise FileFormatError(f"{path}: truncated: the header breaks off after {4 + len(sizes)} bytes")
    return struct.unpack(f">{ndim}I", sizes)


def _read_at_most(stream: BinaryIO, count: int) -> bytearray:
    """Read up to `count` bytes in chunks: `read(count)` takes the memory before it looks what is there."""
    data = bytearray()
    while len(data) < count and (chunk := stream.read(min(_CHUNK, count - len(data)))):
        data += chunk
    return data


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
