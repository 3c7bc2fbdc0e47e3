"""What a NumPy file says of the array in it, read without trusting it."""

from __future__ import annotations

import tokenize
from typing import Any, NamedTuple

import numpy as np

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Header(NamedTuple):
    """Shape and type of an array, and whether its first axis varies fastest."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype


def read_header(file: Any) -> Header:
    """The header at the start of an open file, which is then at the array's first byte; nothing is allocated for it.

    Raises:
        ValueError: it is no such header, or one that is not read here; the message has one line.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"its version is {version}")
        return Header(*_HEADERS[version](file))
    except (ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise ValueError(str(error).splitlines()[0]) from None
