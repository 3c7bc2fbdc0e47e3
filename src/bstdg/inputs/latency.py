"""The latency code: the brighter a pixel, the sooner its one spike."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bstdg.errors import InputError
from bstdg.spikes.events import never


def latency(
    images: ArrayLike, num_steps: int, *, white: float | None = None, silent_below: float = 0.0
) -> NDArray[np.uint8]:
    """Latency code: the brighter a pixel, the sooner its one spike.

    With x = pixel / white in [0, 1] the step is `floor((1 - x) * T)`; x = 1 fires at step 0 and
    x <= silent_below never fires. Integer pixels are encoded in exact integer arithmetic; floating-point ones in
    float64.

    Args:
        images: `[batch, …]`, integers in 0 … white, or floats in 0 … white.
        num_steps: T, 1 … 254.
        white: the pixel value that means x = 1; 255 for integers and 1.0 for floats unless given.
        silent_below: pixels at or below this share of white stay silent.

    Returns:
        Steps, `uint8` `[batch, features]`, T where a pixel never fires.

    Raises:
        InputError: a pixel is negative, above white, or not a number; T is out of range.

    >>> latency(np.array([[255, 128, 1, 0]], dtype=np.uint8), num_steps=8)
    array([[0, 3, 7, 8]], dtype=uint8)
    """
    silent = never(num_steps)
    pixels = np.asarray(images)
    if pixels.ndim < 1 or not (np.issubdtype(pixels.dtype, np.integer) or np.issubdtype(pixels.dtype, np.floating)):
        raise InputError(f"images must be an array [batch, …] of numbers, not {pixels.dtype} {list(pixels.shape)}")
    if not 0.0 <= silent_below < 1.0:
        raise InputError(f"silent_below must be in [0, 1), not {silent_below}")
    whole = np.issubdtype(pixels.dtype, np.integer)
    top = float(white) if white is not None else (255.0 if whole else 1.0)
    if not (np.isfinite(top) and top > 0):
        raise InputError(f"white must be a positive number, not {white}")
    flat = pixels.reshape(len(pixels), math.prod(pixels.shape[1:]))
    _check_pixels(flat, top)
    if whole and top.is_integer() and top <= 65_535:
        table = _latency_table(int(top), num_steps, silent_below)
        return table[flat]
    shade = flat.astype(np.float64) / top
    steps = np.minimum(np.floor((1.0 - shade) * num_steps), silent)
    return np.where(shade <= silent_below, silent, steps).astype(np.uint8)


def _check_pixels(pixels: np.ndarray, white: float) -> None:
    if pixels.size == 0:
        return
    low, high = pixels.min(), pixels.max()  # both are NaN as soon as one pixel is
    if np.isnan(low):
        raise InputError(f"images hold {int(np.isnan(pixels).sum())} pixels that are not a number (NaN)")
    if low < 0:
        raise InputError(f"images hold negative pixels (least {low}); scale them to 0 … {white:g}")
    if high > white:
        raise InputError(f"images hold pixels above white (greatest {high}, white {white:g}); scale them or set white")


def _latency_table(white: int, num_steps: int, silent_below: float) -> NDArray[np.uint8]:
    """The step of every integer pixel value 0 … white, in integer arithmetic."""
    value = np.arange(white + 1, dtype=np.int64)
    steps = (white - value) * num_steps // white  # 0 gives T: black is silent by the formula itself
    return np.where(value / white <= silent_below, num_steps, steps).astype(np.uint8)
