"""Reader of tar archives packed with gzip or xz, which nobody needs to trust: nothing is ever extracted.

Files are read into memory, in one pass, up to limits. An archive with a member that an extraction could be misled by
(an absolute path, one with `..`, a link, a device) is refused even if that member is not wanted.

An archive of n bytes takes no more memory than `bstdg.datasets.files.unpacked` allows it to unfold to. Headers that
describe other headers (long names, PAX records), each of which costs many times its bytes, are bounded apart.
"""

from __future__ import annotations

import gzip
import itertools
import lzma
import tarfile
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NoReturn

from bstdg import files
from bstdg.datasets.files import unpacked
from bstdg.errors import BstdgError, FileFormatError, InputError

MAX_MEMBERS = 100_000
MAX_EXTENSION = 1 << 16  # bytes of one header that describes another, and of all that are for the whole archive
MAX_EXTENSIONS = 1 << 23  # … of all of them together: 80 for each member there may be
MAX_IN_A_ROW = 4  # before a member: a long name, a long target of a link, PAX records; and one to spare
XZ_MEMORY = 1 << 27  # bytes; a header may ask for 4 GiB
_XZ, _CHUNK = b"\xfd7zXZ\0", 1 << 16
_SPARSE = tarfile.GNUTYPE_SPARSE
_EXTENSIONS = frozenset(
    (
        *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
        *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    )
)

Wanted = Callable[[str], Any]


def read_members(path: Path, wanted: Collection[str] | Wanted, *, max_file: int, max_bytes: int) -> dict[str, bytes]:
    """The content of those files of a .tar.gz or .tar.xz that are `wanted`, by name; those it lacks are left out.

    Args:
        path: the archive.
        wanted: names of members, as `folder/file`, or what says of a name whether it is one.
        max_file: no wanted file may have more bytes.
        max_bytes: nor the whole archive, unpacked.

    Raises:
        InputError: it cannot be read at all.
        FileFormatError: it is truncated, damaged, no such archive, too large, or has a member that must not be there.
    """
    try:
        with files.open_regular(path) as raw:
            xz = raw.read(len(_XZ)) == _XZ
            raw.seek(0)
            plain: Any = _Xz(raw) if xz else gzip.GzipFile(fileobj=raw)
            source = _Limited(plain, unpacked(path.stat().st_size, max_bytes), path)
            content = _read(source, path, wanted if callable(wanted) else frozenset(wanted).__contains__, max_file)
            while source.read(1 << 20):  # to the checksum at the end
                pass
            return content
    except (BstdgError, MemoryError):
        raise
    except EOFError as error:
        raise FileFormatError(f"{path}: truncated: the packed data break off; get the file again") from error
    except Exception as error:  # tarfile and zlib have many names for damage
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from error
        what = "tar archive, or a truncated or damaged one" if isinstance(error, tarfile.TarError) else None
        told = " ".join(str(error).split()) or type(error).__name__
        packed = "xz" if isinstance(error, lzma.LZMAError) else "gzip"
        raise FileFormatError(f"{path}: no {what or f'{packed} archive, or a damaged one'}: {told}") from error


def _read(source: _Limited, path: Path, wanted: Wanted, max_file: int) -> dict[str, bytes]:
    content: dict[str, bytes] = {}
    with tarfile.open(fileobj=source, mode="r|", tarinfo=_member_of(path)) as tar:  # pyright: ignore
        for n in itertools.count():
            member = tar.next()
            if member is None:
                return content
            tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]  (where each is kept, and all said of it)
            if n >= MAX_MEMBERS:
                raise FileFormatError(f"{path}: more than {MAX_MEMBERS} members")
            _refuse_dangerous(member, path)
            if not 0 <= member.size <= source.limit:  # tarfile would look for its end, however far off
                raise FileFormatError(f"{path}: unpacks to more bytes than are allowed: {member.size} in one member")
            name = str(PurePosixPath(member.name))
            if not member.isfile() or not wanted(name):
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
    return content  # never reached: the archive ends before numbers do


def _member_of(path: Path) -> type[tarfile.TarInfo]:
    """Members that refuse more headers about headers than any archive needs, before tarfile reads them into memory."""
    bytes_left, for_all_left, in_a_row = MAX_EXTENSIONS, MAX_EXTENSION, 0
    for_all = tarfile.XGLTYPE

    class Member(tarfile.TarInfo):
        def _proc_member(self, tarfile: tarfile.TarFile) -> tarfile.TarInfo:  # the way in, as its source says
            nonlocal bytes_left, for_all_left, in_a_row
            if self.type == _SPARSE:
                self._refuse_sparse()
            in_a_row = in_a_row + 1 if self.type in _EXTENSIONS else 0
            if in_a_row:
                bytes_left -= self.size
                for_all_left -= self.size if self.type == for_all else 0
                if not 0 <= self.size <= MAX_EXTENSION or min(bytes_left, for_all_left) < 0 or in_a_row > MAX_IN_A_ROW:
                    raise FileFormatError(
                        f"{path}: its headers say more of names and properties than any archive needs"
                    )
            return super()._proc_member(tarfile)  # pyright: ignore[reportAttributeAccessIssue]

        def _refuse_sparse(self, *_: Any) -> NoReturn:
            raise FileFormatError(f"{path}: refused: its member {self.name[:80]!a} is a file with holes")

        # A map of the holes costs twenty times its bytes.
        _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse

    return Member


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


class _Xz:
    """What a file packed with xz unfolds to, within `XZ_MEMORY`."""

    def __init__(self, raw: BinaryIO):
        self._raw, self._engine = raw, lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY)

    def read(self, count: int) -> bytes:
        while not self._engine.eof:
            packed = self._raw.read(_CHUNK) if self._engine.needs_input else b""
            if not packed and self._engine.needs_input:
                raise EOFError
            if made := self._engine.decompress(packed, count):
                return made
        return b""


class _Limited:
    """A stream that gives at most so many bytes: neither a header nor a member can ask for more."""

    def __init__(self, stream: BinaryIO, limit: int, path: Path):
        self._stream, self.limit, self._left, self._path = stream, limit, limit, path

    def read(self, count: int) -> bytes:
        data = self._stream.read(min(count, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise FileFormatError(f"{self._path}: unpacks to more bytes than are allowed")
        return data
