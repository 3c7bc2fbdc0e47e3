"""What files a person names: as arguments, as lines on standard input, or as folders of them."""

from __future__ import annotations

import codecs
import os
import select
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bstdg.datasets.pictures import ENDINGS
from bstdg.datasets.recordings import reading
from bstdg.errors import InputError
from bstdg.inputs import InputCode

LONGEST_PATH = 1 << 16  # bytes
STDIN = Path("-")


class Paths:
    """The files that were named, in order; `-`, or none at all, stands for the paths on standard input.

    Args:
        files: as they were named.
        null: paths on standard input end in NUL.
        code: what the model reads: a folder stands for its pictures, or for its recordings of pixels.

    Raises:
        InputError: nothing is named, or `null` does nothing.
    """

    def __init__(self, files: list[Path] | None, null: bool, code: InputCode):
        if null and files and STDIN not in files:
            raise InputError("-0 says how paths on standard input end: name no files, or - among them")
        if not files and (sys.stdin is None or sys.stdin.isatty()):
            raise InputError("name image files, or pipe their paths in, one a line")
        self.named, self._null, self._code = files or [STDIN], null, code
        self._waiting = 0  # paths that have come already

    def __iter__(self) -> Iterator[Path]:
        for file in self.named:
            for path in self._listed() if file == STDIN else (file,):
                yield from self._spread(path)

    def ready(self) -> bool:
        """Whether the next path is there; False too where that cannot be known."""
        if STDIN not in self.named or self._waiting:
            return True
        try:
            return bool(select.select([sys.stdin.buffer], [], [], 0)[0])
        except (OSError, ValueError, AttributeError):  # a pipe on Windows, or no file at all
            return False

    def _spread(self, path: Path) -> Iterable[Path]:
        """The files that a path stands for; of a folder without any the folder itself, which is refused by name."""
        if not (self._code.samples in ("images", "recordings") and len(self._code.reads) == 3 and path.is_dir()):
            return (path,)
        if self._code.samples == "recordings":
            return reading.below(path) or (path,)
        return _pictures_below(path)

    def _listed(self) -> Iterator[Path]:
        """Paths on standard input, each ending in NUL, or a newline of any system; empty ones are left out."""
        if sys.stdin is None:
            return
        first = True
        for parts in _parts(sys.stdin.buffer, b"\0" if self._null else b"\n"):
            self._waiting = len(parts)
            for part in parts:
                self._waiting -= 1
                path = part if self._null else part.removesuffix(b"\r")
                if first and not self._null:
                    path = path.removeprefix(codecs.BOM_UTF8)
                first = False
                if b"\0" in path:
                    raise InputError("the paths on standard input have a NUL in them: add -0 if they end in NUL")
                if path.strip():
                    yield Path(os.fsdecode(path))


def _parts(stream: Any, end: bytes) -> Iterator[list[bytes]]:
    """What comes before each `end`, as soon as it has come, and what comes after the last."""
    rest = b""
    while part := stream.read1(LONGEST_PATH):
        *whole, rest = (rest + part).split(end)
        if whole:
            yield whole
        if len(rest) > LONGEST_PATH:
            raise InputError(f"standard input has more than {LONGEST_PATH:,} bytes without an end of a path: no paths")
    yield [rest]


def _pictures_below(folder: Path) -> Iterator[Path]:
    """All pictures in a folder and those in it, by name; no more names are held than one folder has."""
    found = False
    for place, within, names in os.walk(folder, onerror=_refuse):
        within.sort()
        for name in sorted(names):
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                found = True
                yield Path(place, name)
    if not found:
        yield folder


def _refuse(error: OSError) -> None:
    raise InputError(f"cannot read {error.filename}: {error.strerror or error}") from error
