"""Numbers, whoever made them: Python, NumPy or torch."""

from __future__ import annotations

import dataclasses
import operator
from typing import Any

from bstdg.errors import InputError


def whole(value: Any) -> int | None:
    """The integer that a value is, by what it says of itself (`__index__`); None where it is none.

    True is none, nor is 3.0.

    >>> import numpy as np
    >>> whole(3), whole(np.uint8(3)), whole(3.0), whole(True), whole("3")
    (3, 3, None, None, None)
    """
    if isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool"):
        return None
    try:
        return operator.index(value)
    except (TypeError, RuntimeError):  # RuntimeError: a tensor of torch that holds several
        return None


def seed_of(value: Any) -> int:
    """The seed that a value is. Raises `InputError` unless it is a whole number, 0 or more."""
    seed = whole(value)
    if seed is None or seed < 0:
        raise InputError(f"seed must be a whole number, 0 or more, not {value!r}")
    return seed


def plain(value: Any) -> Any:
    """A number of NumPy or torch as Python has it, also within a list or tuple; anything else as it is.

    >>> import numpy as np
    >>> plain((np.int64(3), np.float32(0.5))), plain("3")
    ((3, 0.5), '3')
    """
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else value
    return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value


def own_numbers(config: Any) -> None:
    """Make every number in the fields of a frozen dataclass Python's own: checks and files know no others."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if (own := plain(value)) is not value:
            object.__setattr__(config, field.name, own)
