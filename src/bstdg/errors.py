"""What can go wrong, by whose hand it is mended: the caller's, a file's, or the world's."""

from __future__ import annotations

from bstdg.shown import line


class BstdgError(Exception):
    """Base of every error this package raises on purpose; its message is one line for the person at the keyboard.

    Names that others chose stand in it, fit to be shown (see `bstdg.shown`); `args` has them as they are.

    >>> print(BstdgError("there is no file two\\nlines"))
    there is no file two\\nlines
    """

    def __str__(self) -> str:
        return line(super().__str__())


class InputError(BstdgError, ValueError):
    """An argument, recipe, image or data set is not what was asked for."""


class FileFormatError(BstdgError, ValueError):
    """A file is truncated, altered, foreign, or of a version this package does not read."""


class DownloadError(BstdgError, OSError):
    """No mirror gave the bytes that were expected."""


class TrainingError(BstdgError, RuntimeError):
    """Training cannot go on (a loss that is no number, say)."""


class BstdgWarning(UserWarning):
    """Base of every warning of this package: something goes on, but not as one would wish; it says what to change."""

    def __str__(self) -> str:
        return line(super().__str__())
