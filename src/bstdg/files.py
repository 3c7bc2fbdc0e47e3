"""Files that are either whole or not there: atomic writes, bounded reads, and a seal that tells an altered file.

Models and checkpoints share the safetensors layout: 8 bytes of header length, a JSON header, then the tensors' bytes.
The header's metadata holds `sha256`, the hash of the whole file with those 64 digits written as zeros, so a change of
any byte is seen, the header's own too.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from bstdg import disk, strict_json
from bstdg.errors import FileFormatError

HEADER_LIMIT = 1 << 20  # no header of ours comes near it
JSON_LIMIT = 1 << 24  # bytes of a file that is one JSON object
UNSEALED = "0" * 64
_SEAL = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_CHUNK = 1 << 20
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
_ITEM_SIZES = {"U8": 1, "I8": 1, "BOOL": 1, "I16": 2, "U16": 2, "I32": 4, "I64": 8, "F32": 4, "F64": 8}


def open_regular(path: Path | str, limit: int | None = None, most: str = "") -> BinaryIO:
    """Open a file for reading: one that has an end, and that nobody has to wait for.

    Args:
        path: the file; a link to one will do.
        limit: refuse a file of more bytes, if this is given.
        most: what has as many at most, for errors: "any model".

    Raises:
        FileFormatError: it is a pipe, a socket or a device, or too large.
        OSError: it cannot be opened, a folder for instance.
    """
    _check_regular(path, os.stat(path).st_mode)  # noqa: PTH116  # before opening: a pipe waits, and a device may act
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115
    try:
        found = os.fstat(file.fileno())  # another may have taken its place
        _check_regular(path, found.st_mode)
        if limit is not None and found.st_size > limit:
            raise FileFormatError(f"{path} has {found.st_size} bytes, more than {most} ({limit})")
    except BaseException:
        file.close()
        raise
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_regular(path: Path | str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "a device")
        raise FileFormatError(f"{path} is {kind}, not a file: write what it gives into one, and name that")


def read(path: Path | str, limit: int, most: str) -> bytes:
    """All of a regular file, of which no more than `limit` bytes are ever taken; arguments and errors as above."""
    with open_regular(path, limit, most) as file:
        data = file.read(min(os.fstat(file.fileno()).st_size, limit) + 1)
        while len(data) <= limit and (more := file.read(min(_CHUNK, limit + 1 - len(data)))):
            data += more  # it grew, or its system does not say how much there is
    if len(data) > limit:
        raise FileFormatError(f"{path} has more bytes than {most} ({limit})")
    return data


def read_object(
    path: Path | str, limit: int = JSON_LIMIT, most: str = "such a file may have", *, names: bool = False
) -> dict[str, Any]:
    """A file that is one JSON object; `names` as for `bstdg.strict_json.loads`.

    Raises:
        FileFormatError: it is none, damaged, too large, or holds what no program can use (see `bstdg.strict_json`).
        OSError: it cannot be read.
    """
    data = read(path, limit, most)
    try:
        value = strict_json.loads(data, names=names)
    except ValueError as error:
        raise FileFormatError(f"{path} is damaged: it is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise FileFormatError(f"{path} is damaged: it is no JSON object")
    return value


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` under `path` whole or not at all: a temporary file in the same folder, fsync, rename.

    What writers of the same file left behind when they were killed is removed.

    Raises:
        OSError: the disk is full, say; it names `path`, which is then as it was before, and no temporary file is left.
    """
    with disk.naming(path):
        disk.clear_temporary(path)
        temporary, file = disk.temporary(path)
        try:
            file.write(data)
            file.flush()
            disk.sync(file.fileno())
            if os.name != "posix":  # where an open file cannot be renamed; elsewhere it stays locked until it is
                file.close()
            temporary.replace(path)
        finally:
            with suppress(OSError):  # what could not be written before cannot be now
                file.close()
            temporary.unlink(missing_ok=True)
        disk.sync_folder(path.parent)


def keep_previous(path: Path, previous: Path) -> None:
    """Let `previous` name the file that `path` names now; `path` is there throughout."""
    if not path.exists():
        return
    temporary = disk.beside(previous, f"{secrets.token_hex(4)}.tmp")
    try:
        os.link(path, temporary)
        temporary.replace(previous)
    except OSError:  # a file system without hard links: copy instead
        with open_regular(path) as file:
            write_atomic(previous, file.read())
    finally:
        temporary.unlink(missing_ok=True)


class TensorSlot(NamedTuple):
    """Where a tensor lies in a file: `dtype` as safetensors names it, `shape`, and its bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: memoryview


class TensorFile(NamedTuple):
    """A parsed file: its metadata (texts) and its tensors by name."""

    metadata: dict[str, str]
    tensors: dict[str, TensorSlot]


def seal(data: bytes) -> bytes:
    """Put the hash of `data` where its header says `"sha256":"000…"`."""
    zeros = b'"sha256":"' + UNSEALED.encode() + b'"'
    header_end = 8 + int.from_bytes(data[:8], "little")
    at = data.index(zeros, 8, header_end) + len(b'"sha256":"')
    digest = hashlib.sha256(data).hexdigest().encode()
    return data[:at] + digest + data[at + 64 :]


def tensor_file(metadata: Mapping[str, str], tensors: Iterable[tuple[str, Any, str]]) -> bytes:
    """A sealed file of tensors in their order; the same content always gives the same bytes.

    Args:
        metadata: texts; `sha256` is added.
        tensors: name, array (or what has its `shape`, `nbytes` and `tobytes`), and type as safetensors calls it.

    Raises:
        ValueError: what is said takes more than `HEADER_LIMIT` bytes.
    """
    header: dict[str, Any] = {"__metadata__": {**metadata, "sha256": UNSEALED}}
    parts, end = [], 0
    for name, array, dtype in tensors:
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        parts.append(array.tobytes())  # in C order
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8, as safetensors does it
    if len(text) > HEADER_LIMIT:
        raise ValueError(f"what is said takes {len(text):,} bytes, more than {HEADER_LIMIT:,}")
    return seal(len(text).to_bytes(8, "little") + text + b"".join(parts))


def parse(data: bytes, name: str) -> TensorFile:
    """Read a sealed file, checking everything that its header promises before anything is used.

    Raises:
        FileFormatError: says what is wrong with the file called `name`.
    """
    header, start = _header(data, name)
    metadata = header.pop("__metadata__", None)
    texts = isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())
    if not isinstance(metadata, dict) or not texts:
        raise FileFormatError(f"{name} has no metadata: it is no file of this program")
    tensors, end = {}, 0
    for key, entry in header.items():
        tensors[key], end = _slot(data, start, end, key, entry, name)
    if start + end != len(data):
        what = "is truncated" if start + end > len(data) else "has trailing bytes"
        raise FileFormatError(f"{name} {what}: its header promises {start + end} bytes, the file has {len(data)}")
    _check_seal(data, start, name)
    return TensorFile(metadata, tensors)


def _header(data: bytes, name: str) -> tuple[dict[str, Any], int]:
    if len(data) < 8:
        raise FileFormatError(f"{name} is truncated: {len(data)} bytes, fewer than the 8 of a header length")
    length = int.from_bytes(data[:8], "little")
    if length > HEADER_LIMIT:
        raise FileFormatError(f"{name} is no file of this program (header length {length})")
    if 8 + length > len(data):
        raise FileFormatError(f"{name} is truncated: its header has {length} bytes, the file {len(data)} in all")
    try:
        header = strict_json.loads(data[8 : 8 + length], names=True)
    except ValueError as error:
        raise FileFormatError(f"{name} has a damaged header: it is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise FileFormatError(f"{name} has a damaged header: it is no JSON object")
    return header, 8 + length


def _slot(data: bytes, start: int, end: int, key: str, entry: Any, name: str) -> tuple[TensorSlot, int]:
    """The tensor `key`, which must begin where the one before it ended; and where it ends."""
    problem = f"{name} has a damaged header: tensor {key[:60]!r}"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise FileFormatError(f"{problem} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _ITEM_SIZES:
        raise FileFormatError(f"{problem} has the unknown dtype {str(dtype)[:20]!r}")
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < 2**48 for n in numbers):
            raise FileFormatError(f"{problem} has a shape or offsets that are no sizes")
    size = _ITEM_SIZES[dtype]
    for dimension in shape:
        size *= dimension
    if offsets != [end, end + size]:
        raise FileFormatError(f"{problem} should lie at [{end}, {end + size}], not at {str(offsets)[:60]}")
    view = memoryview(data)[start + end : start + end + size]
    return TensorSlot(dtype, tuple(shape), view), end + size


def _check_seal(data: bytes, start: int, name: str) -> None:
    found = list(_SEAL.finditer(data, 8, start))
    if len(found) != 1:
        raise FileFormatError(f"{name} has no checksum")
    begin, end = found[0].span(1)
    digest = hashlib.sha256(data[:begin])
    digest.update(UNSEALED.encode())
    digest.update(memoryview(data)[end:])
    if digest.hexdigest().encode() != found[0].group(1):
        raise FileFormatError(f"{name} was altered: its checksum does not match its content; get it again")
