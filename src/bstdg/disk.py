"""What file systems can do and some cannot: syncing, renaming at one stroke, errors that name the right file."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bstdg import locks

_LONGEST = 255 - len("..01234567.tmp")  # bytes of a name that has room for what is put around it
_NOT_SYNCED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EROFS)
_HERE, _EXCHANGE = -100, 2  # as renameat2(2) is told: from the current folder; both stay


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An `OSError` inside names `path`, the file that was asked for: not a temporary one, nor none at all."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # one of our own, with a message of its own
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def sync(handle: int) -> None:
    """`os.fsync` of what can be synced: some file systems know no such thing, of folders above all."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_SYNCED:
            raise


def sync_folder(folder: Path) -> None:
    """Make a rename durable, where folders can be opened and synced."""
    if os.name != "posix":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # one may write into a folder that one may not read
        return
    try:
        sync(handle)
    finally:
        os.close(handle)


def exchange(one: Path, other: Path) -> bool:
    """Let two paths name each other's file or folder, at one stroke; False where that cannot be done."""
    import ctypes

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, TypeError, AttributeError):  # not Linux, or one of long ago
        return False
    return rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


@contextmanager
def making(path: Path) -> Iterator[None]:
    """No other process makes the file `path` meanwhile; its folder is made if it is not there.

    Raises:
        InputError: another process is at it; says which.
    """
    with ExitStack() as holding:
        with naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            holding.enter_context(locks.hold(beside(path, "lock"), path))
        yield


def beside(path: Path, ending: str) -> Path:
    """A hidden name next to `path`, and of it: `.NAME.ENDING`, with a hash for the end of a long name."""
    name = os.fsencode(path.name)
    if not name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if len(name) > _LONGEST:
        name = name[: _LONGEST - 17] + b"-" + hashlib.sha256(name).hexdigest()[:16].encode()
    return path.with_name(f".{os.fsdecode(name)}.{ending}")


def leftovers(path: Path, ending: str) -> list[Path]:
    """What is there by the names that `beside` gives, with eight digits and this ending."""
    start = beside(path, "").name
    return sorted(path.parent.glob(f"{glob.escape(start)}????????.{ending}"))


def temporary(path: Path) -> tuple[Path, BinaryIO]:
    """A new temporary file beside `path`, locked as a sign that somebody is writing it."""
    while True:
        name = beside(path, f"{secrets.token_hex(4)}.tmp")
        file = name.open("xb")
        if locks.try_lock(file.fileno()) is not False and locks.is_at(file.fileno(), name):
            return name, file
        file.close()  # another writer has just taken it for a leftover


def clear_temporary(path: Path) -> None:
    """Remove temporary files of `path` that nobody is writing; where that cannot be known, they stay."""
    for left in leftovers(path, "tmp"):
        with suppress(OSError), left.open("rb+") as file:
            if locks.try_lock(file.fileno()):
                left.unlink()
