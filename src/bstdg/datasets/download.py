"""Download one file: mirrors in order, resumed where it broke off, verified, whole or not there at all.

Bytes collect in `<target>.part` and get the final name only once their SHA-256 is right. As that sum fixes
the content, a part begun at one mirror may be continued at another, and plain http is as good as https.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bstdg.errors import DownloadError, InputError
from bstdg.progress import Show, download_bar
from bstdg.shown import name

TIMEOUT = 30.0  # seconds without a byte before a mirror is given up
MD5_LENGTH = 32  # hex digits
ANSWER = 300  # characters of what a mirror answered that an error tells
_CHUNK = 1 << 16
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")


class _MirrorError(Exception):
    """One mirror failed, and this is why; the next one may do better."""


def fetch(
    urls: Sequence[str],
    target: Path,
    sha256: str,
    *,
    size_limit: int,
    progress: bool = False,
    timeout: float = TIMEOUT,
) -> None:
    """Make sure that `target` is the file with this SHA-256, downloading it if it is not.

    A download that breaks off leaves `<target>.part` for the next call to go on with, and never a `target`
    that is incomplete or wrong.

    Args:
        urls: the same file at several places (http or https), tried in order.
        target: where it belongs; folders are made.
        sha256: in hex; 32 digits are an MD5, for files whose publisher gives nothing better.
        size_limit: in bytes; nothing longer is accepted, whatever a server says.
        progress: show a bar with bytes, speed and time left on stderr.
        timeout: seconds without a byte before a mirror is given up.

    Raises:
        InputError: an address is neither http nor https, or there is none.
        DownloadError: no mirror gave the right bytes, or they cannot be stored.
    """
    if not urls:
        raise InputError(f"no address to download {target.name} from")
    for url in urls:
        if urlsplit(url).scheme not in ("http", "https"):
            raise InputError(f"cannot download {url!r}: only http and https are supported")
    try:
        if _matches(target, sha256):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with download_bar(target.name, progress) as show, _one_process_at_a_time(target.parent):
            if _matches(target, sha256):  # another process was faster
                return
            part = target.with_name(target.name + ".part")
            if not _matches(part, sha256):
                _Transfer(part, sha256, size_limit, timeout, show).try_all(urls)
            _publish(part, target)
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(f"cannot store {target}: {error.strerror or error}") from error


@dataclass(frozen=True)
class _Transfer:
    """What filling one part file needs to know."""

    part: Path
    sha256: str
    size_limit: int
    timeout: float
    show: Show

    def try_all(self, urls: Sequence[str]) -> None:
        """Fill the part from the first mirror that can."""
        answers: list[str] = []
        for url in urls:
            try:
                self.try_one(url)
                return
            except _MirrorError as error:
                answers.append(f"{url}: {name(error, ANSWER)}")
        raise DownloadError(
            f"cannot download {self.part.stem}: {'; '.join(answers)} — try again later, or get the file by "
            "other means and name its folder with --data-dir or BSTDG_DATA"
        )

    def try_one(self, url: str) -> None:
        """Fill the part from one mirror and verify it; a part that fails is deleted."""
        while True:
            resumed = self.receive(url)
            if _matches(self.part, self.sha256):
                return
            self.part.unlink()
            if not resumed:  # else the old part may be to blame: once more, from the start
                raise _MirrorError(f"gave a file with another {'MD5' if len(self.sha256) == MD5_LENGTH else 'SHA-256'}")

    def receive(self, url: str) -> bool:
        """Append what the part lacks, or write it anew; True if old bytes were kept."""
        have = self.part.stat().st_size if self.part.exists() else 0
        if have > self.size_limit:
            self.part.unlink()
            have = 0
        try:
            response = _open(url, have, self.timeout)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:  # the part is too long
                self.part.unlink()
                return self.receive(url)
            raise _MirrorError(f"answered {error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _MirrorError(f"no answer ({_reason(error)})") from error
        with response:
            start, total = _extent(response)
            if start not in (0, have):
                raise _MirrorError(f"answered with bytes from {start} on, asked for those from {have} on")
            if total is not None and total > self.size_limit:
                raise _MirrorError(f"offers {total} bytes, more than the {self.size_limit} expected")
            self.write(response, start, total)
        return start > 0

    def write(self, response: http.client.HTTPResponse, start: int, total: int | None) -> None:
        """Write the body into the part from `start` on; what arrived stays if the rest does not come."""
        done = start
        with self.part.open("ab" if start else "wb") as file:
            self.show(done, total)
            while True:
                try:
                    chunk = response.read1(_CHUNK)  # unlike read, it keeps what came before an error
                except (OSError, http.client.HTTPException) as error:
                    raise _MirrorError(f"broke off after {done} bytes ({_reason(error)})") from error
                if not chunk:
                    break
                done += len(chunk)
                if done > self.size_limit:
                    file.close()
                    self.part.unlink()
                    raise _MirrorError(f"sent more than the {self.size_limit} bytes expected")
                file.write(chunk)
                self.show(done, total)
        if total is not None and done < total:  # http.client takes an early end for the end
            raise _MirrorError(f"broke off after {done} of {total} bytes")


def _open(url: str, start: int, timeout: float) -> http.client.HTTPResponse:
    headers = {"User-Agent": "bstdg", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    # urllib's own opener would also follow a redirect to ftp: this one knows http and https only.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener.open(urllib.request.Request(url, headers=headers), timeout=timeout)  # noqa: S310 (see above)


def _extent(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Where in the file the body starts, and how long the whole file is, if the server says so."""
    if response.status == http.client.OK:
        return 0, response.length  # None without a Content-Length
    if response.status == http.client.PARTIAL_CONTENT:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found:
            return int(found[1]), None if found[2] == "*" else int(found[2])
        raise _MirrorError("answered with a part of the file without saying which")
    raise _MirrorError(f"answered {response.status} {response.reason}")


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)  # urllib wraps what happened
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _matches(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    algorithm = "md5" if len(sha256) == MD5_LENGTH else "sha256"
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == sha256.lower()


def _publish(part: Path, target: Path) -> None:
    """Give the verified part its final name, so that after a power cut the file is whole or not there."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)
    with suppress(OSError):  # not every system lets a folder be opened or synced
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _one_process_at_a_time(folder: Path) -> Iterator[None]:
    """Make others wait: two trainings started together would otherwise write into the same part."""
    try:
        import fcntl
    except ImportError:  # Windows; there a part that someone writes to cannot be renamed, at least
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems know no locks: go on without
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # which also unlocks
