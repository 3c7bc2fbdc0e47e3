"""Whole numbers, whoever made them: Python, NumPy or torch."""

from __future__ import annotations

import operator
from typing import Any


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
