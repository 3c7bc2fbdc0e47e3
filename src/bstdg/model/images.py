"""Image files for `predict`: pictures and NPY files become the pixels that a model was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets import pictures
from bstdg.datasets.arrays import read_npy
from bstdg.datasets.pieces.npy import NpyRows
from bstdg.errors import FileFormatError, InputError
from bstdg.inputs import InputCode, Shape
from bstdg.inputs.base import by, squeezed
from bstdg.model.packed import PackedModel
from bstdg.model.samples import KINDS


def read(path: Path, model: PackedModel, *, resize: bool = False, invert: bool = False) -> NDArray[np.number]:
    """The images of one file, `[images, rows, columns]` of grey ones, else `[images, channels, rows, columns]`.

    A picture file gives one image, brought from 0 … 255 to 0 … white of the model. An NPY file gives
    one image or a batch as it is: integers 0 … white of the model, or floats 0 … 1. A model of features reads these,
    `[samples, features]`, from NPY alone.

    Args:
        path: the file; its ending tells its kind.
        model: whose input it should be.
        resize: bring images of another size to the model's.
        invert: make dark light, for dark strokes on white paper.

    Raises:
        InputError: the file cannot be read, is no image, or has another size than the model's.
    """
    code, numbers = model.input, path.suffix.lower() == ".npy"
    if code.samples == "recordings":
        raise InputError("the model reads recordings of events, not images")
    if not numbers and code.samples == "features":
        raise InputError(f"the model scales {by(code.reads)} features itself: give them as NPY, not {path}")
    if not numbers and len(code.reads) != 3:
        raise InputError(f"the model reads a row of {by(code.reads)} values, not pictures: give them as NPY")
    try:
        pixels = _read_array(path, code.reads) if numbers else _read_picture(path, code, resize)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    _check_shape(pixels.shape[1:], path, code.reads, numbers)
    return inverted(pixels, code.white, path) if invert else pixels


def open_array(path: Path) -> NpyRows:
    """The array of an NPY file, of which nothing is read yet; see `check_array`.

    Raises:
        InputError: it is none of plain numbers.
        OSError: it cannot be opened.
    """
    try:
        rows = NpyRows(path)
    except FileFormatError as error:
        raise _no_numbers(path, error) from None
    if rows.dtype.kind not in "iuf":
        rows.close()
        raise InputError(f"{path} is no NPY file of plain numbers: it holds {rows.dtype}")
    return rows


def check_array(shape: Shape, dtype: np.dtype, path: Path, model: PackedModel) -> None:
    """Raise `InputError` unless the model reads samples of this shape and type."""
    if dtype.kind not in "iuf":
        raise InputError(f"{path} holds {dtype}, not plain numbers")
    _check_shape(shape, path, model.input.reads, True)


def _check_shape(shape: Shape, path: Path, reads: Shape, numbers: bool) -> None:
    if shape not in (squeezed(reads), reads):
        found, wanted = (" x ".join(map(str, sides)) for sides in (shape, squeezed(reads)))
        hint = _why(shape, reads) if numbers else "; --resize brings it to that size"
        raise InputError(f"{path} is {found} pixels, the model reads {wanted}{hint}")


def _why(found: Shape, reads: Shape) -> str:
    """Why an array of these sides does not fit, where it has the right rows and columns; nothing where it has not."""
    if len(reads) != 3 or len(found) not in (2, 3):
        return ""
    channels, sides = reads[0], reads[1:]
    last = len(found) == 3 and found[:2] == sides  # as other libraries lay pictures out
    given = 1 if found == sides else found[2] if last else found[0] if found[1:] == sides else 0
    if given == channels:
        return "; channels come first, before rows and columns"
    kinds = KINDS.get(given), KINDS.get(channels)
    return f"; it is {kinds[0]}, the model reads {kinds[1]}" if all(kinds) else ""


def inverted(pixels: NDArray[np.number], white: int, path: Path) -> NDArray[np.number]:
    """White less every pixel, in a type that white fits."""
    if not np.issubdtype(pixels.dtype, np.integer):
        return (1.0 - pixels).astype(pixels.dtype)
    if pixels.size and not 0 <= int(pixels.min()) <= int(pixels.max()) <= white:
        raise InputError(f"{path} holds {pixels.min()} … {pixels.max()}; integers are 0 … {white} of the model")
    return (white - pixels.astype(np.int64)).astype(np.min_scalar_type(white))


def _read_array(path: Path, reads: Shape) -> NDArray[np.number]:
    try:
        array = read_npy(path)
    except FileFormatError as error:
        raise _no_numbers(path, error) from None
    if array.dtype.kind not in "iuf":
        raise InputError(f"{path} is no NPY file of plain numbers: it holds {array.dtype}")
    return array[None] if array.shape == squeezed(reads) else array


def _no_numbers(path: Path, error: FileFormatError) -> InputError:
    told = str(error).removeprefix(str(path)).strip(" :")
    return InputError(f"{path} is no NPY file of plain numbers: {told}")


def _read_picture(path: Path, code: InputCode, resize: bool) -> NDArray[np.number]:
    channels, rows, columns = code.reads
    levels = pictures.levels(path, (rows, columns) if resize else None, channels)[None]
    if levels.shape[-2:] != (rows, columns):
        return levels  # which is refused, and may be large
    # To the model's white in whole numbers, rounded: 255 … 255 stays as it is.
    return ((levels.astype(np.int64) * code.white * 2 + 255) // 510).astype(np.min_scalar_type(code.white))
