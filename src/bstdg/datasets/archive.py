"""Reader of tar archives packed with gzip, which nobody needs to trust: nothing is ever extracted.

Files are read into memory, in one pass, up to limits. An archive with a member that an extraction could be misled by
(an absolute path, one with `..`, a link, a device) is refused even if that member is not wanted.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from bstdg import files
from bstdg.errors import FileFormatError, InputError

MAX_MEMBERS = 100_000


def read_members(path: Path, wanted: Collection[str], *, max_file: int, max_bytes: int) -> dict[str, bytes]:
    """The content of those files of a .tar.gz that are `wanted`, by name; those it lacks are left out.

    Args:
        path: the archive.
        wanted: names of members, as `folder/file`.
        max_file: no wanted file may have more bytes.
        max_bytes: nor the whole archive, unpacked.

    Raises:
        InputError: it cannot be read at all.
        FileFormatError: it is truncated, damaged, no such archive, too large, or has a member that must not be there.
    """
    try:
        with files.open_regular(path) as raw, gzip.GzipFile(fileobj=raw) as plain:
            source = _Limited(plain, max_bytes, path)  # pyright: ignore[reportArgumentType]
            content = _read(source, path, frozenset(wanted), max_file)
            while source.read(1 << 20):  # to the checksum at the end
                pass
            return content
    except EOFError as error:
        raise FileFormatError(f"{path}: truncated: the packed data break off; get the file again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(f"{path}: no gzip archive, or a damaged one: {error}") from error
    except tarfile.TarError as error:
        raise FileFormatError(f"{path}: no tar archive, or a truncated or damaged one: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _read(source: _Limited, path: Path, wanted: frozenset[str], max_file: int) -> dict[str, bytes]:
    content: dict[str, bytes] = {}
    with tarfile.open(fileobj=source, mode="r|") as tar:  # pyright: ignore[reportCallIssue, reportArgumentType]
        for n, member in enumerate(tar):
            if n >= MAX_MEMBERS:
                raise FileFormatError(f"{path}: more than {MAX_MEMBERS} members")
            _refuse_dangerous(member, path)
            name = str(PurePosixPath(member.name))
            if not member.isfile() or name not in wanted:
                continue
            if member.size > max_file:
                raise FileFormatError(f"{path}: {name} has {member.size} bytes, more than the {max_file} allowed")
            if name in content:
                raise FileFormatError(f"{path}: {name} is there twice")
            file = tar.extractfile(member)
            data = b"" if file is None else file.read()
            if len(data) < member.size:
                raise FileFormatError(f"{path}: truncated inside {name}; get the file again")
            content[name] = data
    return content


def _refuse_dangerous(member: tarfile.TarInfo, path: Path) -> None:
    pure = PurePosixPath(member.name.replace("\\", "/"))
    shown = ascii(member.name[:80])
    if pure.is_absolute() or (len(member.name) > 1 and member.name[1] == ":"):
        raise FileFormatError(f"{path}: refused: its member {shown} has an absolute path")
    if ".." in pure.parts:
        raise FileFormatError(f"{path}: refused: its member {shown} leads out of the archive")
    if not (member.isfile() or member.isdir()):
        kind = "a link" if member.islnk() or member.issym() else "a device or something else that is no file"
        raise FileFormatError(f"{path}: refused: its member {shown} is {kind}")


class _Limited:
    """A stream that gives at most so many bytes: neither a header nor a member can ask for more."""

    def __init__(self, stream: BinaryIO, limit: int, path: Path):
        self._stream, self._left, self._path = stream, limit, path

    def read(self, count: int) -> bytes:
        data = self._stream.read(min(count, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise FileFormatError(f"{self._path}: unpacks to more bytes than are allowed")
        return data
