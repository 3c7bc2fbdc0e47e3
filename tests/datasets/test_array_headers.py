"""The header of a NumPy file says what follows, and what is no header is refused in one line."""

from __future__ import annotations

import io

import numpy as np
import pytest

from bstdg.datasets.arrays import read_header


def stored(array: np.ndarray, version: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def header(descr: object, shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("shape", [(), (0,), (1,) * 32, (2**62 - 1, 0)])
def test_shapes_that_an_array_may_have(shape):
    assert read_header(io.BytesIO(header("|u1", shape))).shape == shape


def test_what_holds_objects_is_left_to_who_reads_on():
    assert read_header(io.BytesIO(header("|O", (2,)))).dtype.hasobject


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("array", [np.arange(6, dtype=np.uint8).reshape(2, 3), np.ones((2, 3, 4), order="F")])
def test_it_is_read_up_to_the_first_byte_of_the_array(version, array):
    data = stored(array, version)
    file = io.BytesIO(data)
    assert read_header(file) == (array.shape, not array.flags.c_contiguous, array.dtype)
    assert file.tell() == len(data) - array.nbytes


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (stored(np.zeros(3), (3, 0)), r"its version is \(3, 0\)"),
        (b"\x93NUMPX\1\0", "magic string"),
        (b"", "EOF"),
        (b"\x93NUMPY\1\0", "EOF"),
        (b"\x93NUMPY\1\0\3\0{'a", "."),  # breaks off in a text
        (b"\x93NUMPY\1\0\2\0((", "."),  # … and in a bracket
        (b"\x93NUMPY\1\0\4\0{}\n\n", "."),
        (b"\x93NUMPY\2\0\x20\x4e\0\0" + b"{}".ljust(20_000), r"^Header info length \(20000\) is large"),
        (header("|u1", (2, -1)), r"its shape is \(2, -1\)"),
        (header("|u1", (1 << 62,)), "its shape is"),
        (header("|u1", (1,) * 33), "its shape is"),
        (header([("a", "<i4")], (2,)), "not plain numbers or texts"),
        (header("|V0", (2,)), "not plain numbers or texts"),
    ],
)
def test_what_is_none_is_refused_in_one_line(data, says):
    with pytest.raises(ValueError, match=says) as caught:
        read_header(io.BytesIO(data))
    assert type(caught.value) is ValueError
    assert "\n" not in str(caught.value)
