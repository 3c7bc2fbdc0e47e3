"""Image files for `predict`: PNG, JPEG and NPY become the pixels that a model was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets.pictures import grey_levels
from bstdg.errors import InputError
from bstdg.model.packed import PackedModel


def read(path: Path, model: PackedModel, *, resize: bool = False, invert: bool = False) -> NDArray[np.number]:
    """The images of one file, `[images, rows, columns]`, grey.

    PNG and JPEG give one image, `uint8`, brought from 0 … 255 to 0 … white of the model. An NPY file gives
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
    if model.scaling is not None and path.suffix.lower() != ".npy":
        raise InputError(f"the model scales {len(model.scaling.edges)} features itself: give them as NPY, not {path}")
    if len(model.image_shape) != 2 and model.scaling is None:
        raise InputError(f"the model reads channels of shape {list(model.image_shape)}, not images")
    try:
        pixels = _read_array(path, model) if path.suffix.lower() == ".npy" else _read_picture(path, model, resize)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    if pixels.shape[1:] != model.image_shape:
        found, wanted = (" x ".join(map(str, shape)) for shape in (pixels.shape[1:], model.image_shape))
        hint = "" if path.suffix.lower() == ".npy" else "; --resize brings it to that size"
        raise InputError(f"{path} is {found} pixels, the model reads {wanted}{hint}")
    if invert:
        whole = np.issubdtype(pixels.dtype, np.integer)
        pixels = ((model.white if whole else 1.0) - pixels).astype(pixels.dtype)
    return pixels


def _read_array(path: Path, model: PackedModel) -> NDArray[np.number]:
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # reads no pickle, and allocates nothing a header promises
    except (ValueError, EOFError) as error:
        raise InputError(f"{path} is no NPY file of plain numbers: {error}") from None
    if array.dtype.kind not in "iuf":
        raise InputError(f"{path} is no NPY file of plain numbers: it holds {array.dtype}")
    return np.array(array[None] if array.shape == model.image_shape else array)


def _read_picture(path: Path, model: PackedModel, resize: bool) -> NDArray[np.number]:
    rows, columns = model.image_shape
    levels = grey_levels(path, (rows, columns) if resize else None)[None]
    # To the model's white in whole numbers, rounded: 255 … 255 stays as it is.
    return ((levels.astype(np.int64) * model.white * 2 + 255) // 510).astype(np.uint8)
