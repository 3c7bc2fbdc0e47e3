"""What an earlier run has written, held against the files that are named now, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bstdg.errors import InputError

Key = tuple[str, int | None]  # the file of a result, and the position in it; None where none of it could be read


class Group(NamedTuple):
    """Results of one file: their `number`, and whether they are an error of the whole file."""

    file: str
    number: int
    failed: bool


class Written:
    """Results that are there already.

    Args:
        keys: of the results, in their order.
        out: what errors call them.
    """

    def __init__(self, keys: Iterable[Key] = (), out: str = ""):
        self._groups, self._out = grouped(keys), out
        self._next = next(self._groups, None)
        self.count = 0  # of results, up to those of the file that was asked for last
        self.failed = False  # whether of the file that was asked for last there is an error and nothing more

    def of(self, file: str) -> int:
        """How many results there are of the next file.

        Raises:
            InputError: there are some of another file in its place.
        """
        self.failed = False
        if self._next is None:
            return 0
        found, self._next = self._next, next(self._groups, None)
        if plain(found.file) != plain(file):
            raise InputError(
                f"{self._out} has the results of other files: {found.file} where {file} is named now; name the same "
                "ones in the same order, or choose another --out"
            )
        self.failed = found.failed
        self.count += found.number
        return found.number

    @property
    def is_last(self) -> bool:
        """Whether there are results of no file after the one that was asked for last."""
        return self._next is None

    def check(self, file: str, done: int, count: int) -> None:
        """Raise `InputError` where `done` results cannot be those of a file that has `count` samples."""
        if done > count:
            raise InputError(
                f"{self._out} has {done:,} results of {file}, which has {count:,} samples now: choose another --out"
            )

    def end(self) -> None:
        """Raise `InputError` where there are results of more files than are named."""
        if self._next is not None:
            raise InputError(
                f"{self._out} has results of {self._next.file}, which is not among the files that are named now: name "
                "the same ones in the same order, or choose another --out"
            )


def plain(text: str) -> str:
    """A text of Unicode, the bytes of a file name that are none spelled out, as Parquet holds it."""
    return text.encode("utf-8", "backslashreplace").decode()


def grouped(keys: Iterable[Key]) -> Iterator[Group]:
    """Results file by file; one that is named twice gives two groups.

    >>> [tuple(group) for group in grouped([("a", 0), ("a", 1), ("a", 0), ("b", None)])]
    [('a', 2, False), ('a', 1, False), ('b', 1, True)]
    """
    file, count, failed = "", 0, False
    for name, index in keys:
        if count and not failed and name == file and index == count:
            count += 1
            continue
        if count:
            yield Group(file, count, failed)
        file, count, failed = name, 1, index is None
    if count:
        yield Group(file, count, failed)
