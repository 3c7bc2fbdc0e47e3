"""JSON of unknown origin: plain values, or a `ValueError` that says in a few words why there are none.

Python reads more than JSON is, and more than anything else can do with: NaN and infinities, numbers of any length,
values nested until the stack is full, and halves of surrogate pairs, which are no text. What comes from here can be
walked, computed with, printed, and written again.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

DEEPEST = 64  # levels; what is written here has five
LONGEST = 300  # digits: a float holds every such number


def loads(text: str | bytes, *, names: bool = False) -> Any:
    """The value that a JSON text (bytes: in UTF-8) stands for.

    Args:
        text: what was read.
        names: let texts hold bytes that are no UTF-8 the way Python keeps them in names of files.

    Raises:
        ValueError: it is no JSON, or no value that could be used.

    >>> loads('{"T": 8}')
    {'T': 8}
    >>> loads('[1e999]')
    Traceback (most recent call last):
    ValueError: the number 1e999 is too great
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"byte {error.start} is no UTF-8") from None
    try:
        value = json.loads(text, parse_float=_float, parse_int=_int, parse_constant=_no_number)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check(value, "surrogateescape" if names else "strict")
    return value


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is too great")
    return value


def _int(text: str) -> int:
    if len(text) > LONGEST:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


_TOO_DEEP = f"it nests deeper than {DEEPEST} levels"


def _check(value: Any, errors: str) -> None:
    """Raise `ValueError` where values nest too deeply or a text is none; by a list, since a stack could overflow."""
    left = [(value, 1)]
    while left:
        item, depth = left.pop()
        if depth > DEEPEST:
            raise ValueError(_TOO_DEEP)
        if isinstance(item, str):
            try:
                item.encode("utf-8", errors)
            except UnicodeEncodeError:
                raise ValueError(f"{item[:40]!a} holds half a surrogate pair") from None
        elif isinstance(item, dict):
            left += ((part, depth + 1) for pair in item.items() for part in pair)
        elif isinstance(item, list):
            left += ((part, depth + 1) for part in item)
