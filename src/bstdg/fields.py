"""Fields of frozen dataclasses that people fill in: types, ranges and choices, held when such an object is made.

Every number says its range beside its type, `width: Annotated[float, Range(1e-6, 1e6)]`, and `check` holds all fields
to theirs, wherever they come from: a file, the command line, or Python.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import numbers
import operator
import reprlib
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from bstdg.errors import InputError
from bstdg.whole import plain, whole

MANY = 10**9  # of what is counted without a bound of its own: epochs, samples


@dataclass(frozen=True)
class Range:
    """What a number may be: from `least` to `most`, either with the end itself or without, as `ends` says.

    >>> 1 in Range(0, 1), 1 in Range(0, 1, "[)"), float("nan") in Range(0, 1)
    (True, False, False)
    >>> print(Range(1, 254), Range(0, 1, "[)"))
    1 … 254 [0, 1)
    """

    least: float
    most: float
    ends: Literal["[]", "[)", "(]", "()"] = "[]"

    def __contains__(self, value: float) -> bool:
        above = self.least <= value if self.ends[0] == "[" else self.least < value
        return above and (value <= self.most if self.ends[1] == "]" else value < self.most)

    def __str__(self) -> str:
        least, most = (f"{end:g}" if isinstance(end, float) else f"{end}" for end in (self.least, self.most))
        return f"{least} … {most}" if self.ends == "[]" else f"{self.ends[0]}{least}, {most}{self.ends[1]}"


SHARE, BELOW_ONE, INSIDE = Range(0, 1), Range(0, 1, "[)"), Range(0, 1, "()")


def check(config: Any, section: str = "") -> None:
    """Hold every field of a frozen dataclass to its type and range; called when one is made.

    Numbers of other libraries become Python's own, and lists tuples.

    Args:
        config: the object.
        section: what comes before the name of a field in errors.

    Raises:
        InputError: a field is of another type, no finite number, or out of range; says which, and what it may be.
    """
    for name, (kind, allowed) in _kinds(type(config)).items():
        value = _fitting(kind, allowed, getattr(config, name), f"{section}.{name}" if section else name)
        object.__setattr__(config, name, value)


@functools.cache
def _kinds(of: type) -> dict[str, tuple[Any, Range | None]]:
    """The type of each field, and the range that it says; one with another default has the range that it had."""
    names, kinds = {field.name for field in dataclasses.fields(of)}, {}
    for owner in filter(dataclasses.is_dataclass, reversed(of.__mro__)):
        for name, hint in get_type_hints(owner, include_extras=True).items():
            kind, *said = get_args(hint) if get_origin(hint) is Annotated else (hint,)
            ranges = [one for one in said if isinstance(one, Range)] or [kinds.get(name, (None, None))[1]]
            if name in names:  # which a class variable's is not
                kinds[name] = kind, ranges[0]
    return kinds


def _fitting(kind: Any, allowed: Range | None, value: Any, name: str) -> Any:
    """The value as its type has it."""
    if dataclasses.is_dataclass(kind):
        require(type(value) is kind, f"{name} is a section, not the value {short(value)}")
        return value
    origin = get_origin(kind)
    if origin is Literal:
        require_choice(value, kind, name)
        return value
    if origin is tuple:
        require(isinstance(value, (list, tuple)), f"{name} must be a list such as [600], not {short(value)}")
        return tuple(_fitting(get_args(kind)[0], allowed, item, f"{name}[{i}]") for i, item in enumerate(value))
    wanted = get_args(kind) if origin in (Union, types.UnionType) else (kind,)
    for one in wanted:
        if get_origin(one) is dict and isinstance(value, Mapping):
            of = get_args(one)[1]
            return {str(key): _fitting(of, allowed, item, f"{name}.{key}") for key, item in value.items()}
        if get_origin(one) is Literal and isinstance(value, str) and value in get_args(one):
            return value
        found = None if get_origin(one) in (dict, Literal) else _READ[one](value)
        if found is not None:
            return found if allowed is None or one not in (int, float) else _within(allowed, found, value, name)
    choices = [choice for one in wanted if get_origin(one) is Literal for choice in get_args(one)]
    near = suggest(value, choices) if choices and isinstance(value, str) else ""
    raise InputError(f"{name} must be {' or '.join(map(_name_of, wanted))}, not {short(value)}{near}")


def _name_of(kind: Any) -> str:
    """A type for people."""
    if get_origin(kind) is Literal:
        return ", ".join(map(repr, get_args(kind)))
    return "a table of numbers by name" if get_origin(kind) is dict else _NAMES[kind]


def _within(allowed: Range, found: float, value: Any, name: str) -> float:
    if found in allowed:
        return found
    kind = "a number " if isinstance(found, float) and not math.isfinite(found) else ""
    raise InputError(f"{name} must be {kind}in {allowed}, not {short(value)}")


def _real(value: Any) -> float | None:
    value = plain(value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if operator.gt(value, 0) else -math.inf


_READ: dict[Any, Any] = {
    int: whole,
    float: _real,
    str: lambda value: value if isinstance(value, str) else None,
    bool: lambda value: bool(value) if isinstance(value, (bool, np.bool_)) else None,
}
_NAMES = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}


def require(holds: bool, message: str) -> None:
    """Raise `InputError` with the message unless it holds."""
    if not holds:
        raise InputError(message)


def short(value: Any) -> str:
    """How a refused value is shown: a slip of a megabyte should not scroll the terminal."""
    try:
        return _SHOWN.repr(value)
    except ValueError:  # a number of more digits than Python writes
        return "a number of thousands of digits"


_SHOWN = reprlib.Repr()
_SHOWN.maxstring = 60


def require_choice(value: str, choices: Any, name: str) -> None:
    """Raise `InputError` unless a value is one of a `Literal`."""
    known = get_args(choices)
    if value not in known:
        near = suggest(value, known) if isinstance(value, str) else ""
        raise InputError(f"{name} must be one of {', '.join(map(repr, known))}, not {short(value)}{near}")


def suggest(key: str, known: Sequence[str], where: str = "") -> str:
    """The nearest of the known words, for the end of an error."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    prefix = f"{where}." if where else ""
    return f"; did you mean {prefix + near[0]!r}?" if near else f"; known here: {', '.join(known)}"
