"""What may be chosen, and how a refused value is shown."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Sequence
from typing import Any, get_args

from bstdg.errors import InputError


def require(holds: bool, message: str) -> None:
    """Raise `InputError` with the message unless it holds."""
    if not holds:
        raise InputError(message)


def short(value: Any) -> str:
    """How a refused value is shown: a slip of a megabyte should not scroll the terminal."""
    return _SHOWN.repr(value)


_SHOWN = reprlib.Repr()
_SHOWN.maxstring = 60


def require_choice(value: str, choices: Any, name: str) -> None:
    known = get_args(choices)
    if value not in known:
        near = suggest(value, known) if isinstance(value, str) else ""
        raise InputError(f"{name} must be one of {', '.join(map(repr, known))}, not {short(value)}{near}")


def suggest(key: str, known: Sequence[str], where: str = "") -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    prefix = f"{where}." if where else ""
    return f"; did you mean {prefix + near[0]!r}?" if near else f"; known here: {', '.join(known)}"
