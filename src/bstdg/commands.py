"""Commands as they are printed for somebody to run: whatever a file is called, a shell reads them as they are meant."""

from __future__ import annotations

import os
import shlex
from pathlib import Path


def quoted(path: Path | str) -> str:
    """A path as one word of a command, which holds no character that a terminal obeys.

    >>> print(quoted("runs/mine"), quoted("my runs"), quoted("-v"), quoted("two\\nlines"))
    runs/mine 'my runs' ./-v $'two\\x0alines'
    """
    text = os.fspath(path)
    if text.startswith("-"):  # or it would be an option
        text = f"./{text}"
    return shlex.quote(text) if text.isprintable() else f"$'{''.join(map(_escaped, text))}'"


def _escaped(character: str) -> str:
    """As bash, zsh and ksh read it between $' and '."""
    if character in "\\'":
        return f"\\{character}"
    return character if character.isprintable() else "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
