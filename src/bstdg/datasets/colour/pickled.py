"""Reader of the pickles that CIFAR-10's Python version consists of, which executes nothing of them.

A pickle is a program. Here its operations are listed by `pickletools`, which runs none, and followed on a stack of
plain values, as far as Python 2 and NumPy used them to write `{"data": uint8 [n, 3072], "labels": [int], ...}`. Three
names may be asked for, and stand for themselves; a call of them is noted, not made. Any other operation, name or object
is refused by what it is called.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import FileFormatError

MOST_OPERATIONS = 200_000  # of one file; those of CIFAR-10 have a quarter
PIXELS = 3072
_NAMES = {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}


class _Name(NamedTuple):
    name: str


class _Made:
    """What a call would have made: of what, with what, and the state that would have been put into it."""

    def __init__(self, of: str, arguments: Any):
        self.of, self.arguments, self.state = of, arguments, None


class _Mark:
    """Where the items of a tuple, list or dictionary begin on the stack."""


class Refused(Exception):
    """What a file holds that a batch of CIFAR-10 does not."""


def read_batch(data: bytes, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pixels uint8 `[n, 3072]` and labels uint8 `[n]` of one batch; whatever else is in it is left alone.

    Args:
        data: the file's content.
        name: what errors call it.

    Raises:
        FileFormatError: it is truncated, or anything else than such a batch.
    """
    try:
        found = _value(data)
        if not isinstance(found, dict) or not {b"data", b"labels"} <= found.keys():
            raise Refused("it is no dictionary with data and labels")
        return _pixels(found[b"data"]), _labels(found[b"labels"], found[b"data"])
    except Refused as error:
        raise FileFormatError(f"{name} is no batch of CIFAR-10: {error}; nothing in it was executed") from None


def _value(data: bytes) -> Any:
    """What the program of a pickle would leave, of plain values and notes of calls."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    operations = pickletools.genops(data)
    for number in range(MOST_OPERATIONS):
        try:
            operation, argument, _ = next(operations)
        except Exception as error:  # truncated, or no operation at all; pickletools has several names for it
            raise Refused(" ".join(str(error).split())[:100] or type(error).__name__) from None
        if (operation.name == "PROTO") != (number == 0) or (number == 0 and argument != 2):
            raise Refused("it does not begin as a pickle of protocol 2")
        if operation.name == "STOP":
            if len(stack) != 1:
                raise Refused(f"it leaves {len(stack)} values, not one")
            return stack[0]
        try:
            _follow(operation.name, argument, stack, memo)
        except (IndexError, KeyError, TypeError, ValueError) as error:  # of a stack that does not hold what is taken
            if isinstance(error, Refused):
                raise
            raise Refused(f"its operation {number}, {operation.name}, finds nothing to work on") from None
    raise Refused(f"it has more than {MOST_OPERATIONS:,} operations")


def _follow(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    """Do to the stack what an operation says, but for calls, which are noted."""
    if name in _PUSHED:
        stack.append(_PUSHED[name](argument))
    elif name in ("BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name in _TUPLES:
        stack.append(tuple(stack.pop() for _ in range(_TUPLES[name]))[::-1])
    elif name in _ON_STACK:
        _ON_STACK[name](stack)
    elif name != "PROTO":
        raise Refused(f"it has the operation {name}, which those have not")


def _name(argument: str) -> _Name:
    if argument not in _NAMES:
        raise Refused(f"it asks for {argument[:80]!a}")
    return _Name(argument)


def _extend(stack: list[Any]) -> None:
    items = _since_mark(stack)
    _of(stack[-1], list).extend(items)


def _update(stack: list[Any]) -> None:
    items = _since_mark(stack)
    pairs = zip(items[::2], items[1::2], strict=True)
    _of(stack[-1], dict).update((_of(key, bytes), value) for key, value in pairs)  # none of a kind that hashes deeply


def _call(stack: list[Any]) -> None:
    arguments = stack.pop()
    stack.append(_Made(_of(stack.pop(), _Name).name, arguments))


def _build(stack: list[Any]) -> None:
    state = stack.pop()
    _of(stack[-1], _Made).state = state


_PUSHED: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("SHORT_BINSTRING", "BINSTRING"), lambda text: text.encode("latin-1")),
    **dict.fromkeys(("BININT", "BININT1", "BININT2"), int),
    "NONE": lambda _: None,
    "NEWFALSE": lambda _: False,
    "MARK": lambda _: _Mark(),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    "GLOBAL": _name,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_ON_STACK: dict[str, Callable[[list[Any]], None]] = {
    "TUPLE": lambda stack: stack.append(tuple(_since_mark(stack))),
    "APPENDS": _extend,
    "SETITEMS": _update,
    "REDUCE": _call,
    "BUILD": _build,
}


def _since_mark(stack: list[Any]) -> list[Any]:
    items = []
    while not isinstance(item := stack.pop(), _Mark):  # IndexError where there is none
        items.append(item)
    return items[::-1]


def _of(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError
    return value


def _pixels(made: Any) -> NDArray[np.uint8]:
    """The array that a note of NumPy's calls describes, if it is one of bytes, a row a picture."""
    array, state = "numpy.core.multiarray _reconstruct", getattr(made, "state", None)
    if not isinstance(made, _Made) or made.of != array or not isinstance(state, tuple) or len(state) != 5:
        raise Refused("its data are no array")
    _, shape, kind, fortran, raw = state
    if not isinstance(kind, _Made) or kind.of != "numpy dtype" or kind.arguments != (b"u1", 0, 1) or fortran:
        raise Refused("its data are no array of bytes, row by row")
    plain = isinstance(shape, tuple) and len(shape) == 2 and all(type(side) is int for side in shape)
    if not plain or shape[1] != PIXELS or not isinstance(raw, bytes) or len(raw) != shape[0] * PIXELS:
        raise Refused(f"its data are not rows of {PIXELS} bytes")
    return np.frombuffer(raw, np.uint8).reshape(-1, PIXELS)


def _labels(found: Any, made: Any) -> NDArray[np.uint8]:
    count = made.state[1][0]
    if not isinstance(found, list) or len(found) != count or not all(type(n) is int and 0 <= n <= 255 for n in found):
        raise Refused(f"its labels are not {count} numbers in 0 … 255")
    return np.array(found, np.uint8)
