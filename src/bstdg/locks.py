"""One process at a time: a lock is a file that says who holds it, and that is seen to be stale when nobody does.

Who holds a lock has the file locked (`flock`), which the kernel ends with the process however that dies. Other machines
may not see such a lock, where the file lies on a network; so the holder also touches the file from time to time, and a
file of another machine that was touched just now is taken to be held. By whom is read from the file: host, process,
since when.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bstdg.errors import InputError

BEAT = 10.0  # seconds between touches
LEASE = 60.0  # seconds without a touch after which a holder that cannot be asked for counts as gone
SETTLING = 0.3  # seconds in which others who saw a free lock, where the kernel has none, will have written their names
PATIENCE = 0.2  # seconds that somebody's glance at a lock may last
_LARGEST = 4096  # bytes that are read of a lock


@contextmanager
def hold(path: Path, what: Path | str) -> Iterator[None]:
    """Hold the lock `path` while the context lasts; its folder must be there.

    Args:
        path: the lock's file, which is removed in the end.
        what: what is locked, for the error.

    Raises:
        InputError: another process holds it; says which.
        OSError: the file cannot be made.
    """
    handle = _take(path, what)
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, done), name="bstdg-lock", daemon=True)
    try:
        beat.start()
        yield
    finally:
        done.set()
        with suppress(OSError):
            if is_at(handle, path):  # not one that somebody else has made since
                path.unlink()
        os.close(handle)


def look(path: Path, what: Path | str) -> None:
    """Raise the error of `hold` where another process holds the lock; nothing is made or changed."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        _refuse_if_held(handle, path, what, shared=True)
    finally:
        os.close(handle)


def try_lock(handle: int, *, shared: bool = False) -> bool | None:
    """Lock an open file without waiting; False where another has, None where system or file system know no locks."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the second is what some network file systems answer
        return False
    except OSError:
        return None
    return True


def is_at(handle: int, path: Path) -> bool:
    """Whether an open file is the one that `path` names now."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _take(path: Path, what: Path | str) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            locked = _refuse_if_held(handle, path, what)
            if is_at(handle, path):
                _sign(handle)
                if not locked:
                    _settle(path, what)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its holder has just gone, and taken the file along


def _refuse_if_held(handle: int, path: Path, what: Path | str, *, shared: bool = False) -> bool | None:
    """Lock an open file, or raise the error that names its holder; None where the kernel could not say."""
    deadline = time.monotonic() + PATIENCE
    while (locked := try_lock(handle, shared=shared)) is False and time.monotonic() < deadline:
        time.sleep(PATIENCE / 10)
    holder = _read(path)
    if locked is False:
        raise InputError(_taken(what, holder))
    if not holder or (locked and holder.get("machine") == _machine()):  # the kernel would know
        return locked
    if (quiet := _now_at(path) - os.fstat(handle).st_mtime) < LEASE:
        seen = f", last seen {max(0, quiet):.0f} s ago; if it is gone, this ends after {LEASE:.0f} s of silence"
        raise InputError(f"{_taken(what, holder)}{seen}")
    return locked


def _taken(what: Path | str, holder: dict[str, Any]) -> str:
    who = "another process"
    if holder:
        who = f"process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')}"
    return f"{what} is in use by {who}: wait until that ends, or choose another place"


def _sign(handle: int) -> None:
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    said = {"host": platform.node(), "pid": os.getpid(), "since": since, "machine": _machine()}
    os.ftruncate(handle, 0)
    os.write(handle, json.dumps(said).encode())


def _settle(path: Path, what: Path | str) -> None:
    """Without the kernel's help: of several who sign at once, the last has the lock."""
    time.sleep(SETTLING)
    holder = _read(path)
    if (holder.get("pid"), holder.get("machine")) != (os.getpid(), _machine()):
        raise InputError(_taken(what, holder))


def _read(path: Path) -> dict[str, Any]:
    """What the holder wrote; nothing where it is no lock of ours, or has just been made."""
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    if type(said) is not dict or type(said.get("pid")) is not int:
        return {}
    texts = {key: "".join(filter(str.isprintable, str(said.get(key))))[:100] for key in ("host", "since", "machine")}
    return {**texts, "pid": said["pid"]}


def _machine() -> str:
    """The running kernel, which containers share; where it has no name, the host's."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return platform.node()


def _now_at(path: Path) -> float:
    """The time by the clock of the file system, which need not be this machine's."""
    try:
        with tempfile.TemporaryFile(dir=path.parent) as probe:
            return os.fstat(probe.fileno()).st_mtime
    except OSError:  # one who only looks need not be allowed to write
        return time.time()


def _beat(path: Path, done: threading.Event) -> None:
    while not done.wait(BEAT):
        with suppress(OSError):
            os.utime(path)
