"""PNG and JPEG files as arrays: grey, or the three colours as channels."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.errors import FileFormatError, InputError

MAX_FILE = 1 << 26  # bytes of one picture
MODES = {1: "L", 3: "RGB"}  # how Pillow calls a picture of so many channels


def levels(path: Path, size: tuple[int, int] | None = None, channels: int = 1) -> NDArray[np.uint8]:
    """A PNG or JPEG file as 8-bit levels, upright, brought to `size` (rows, columns) if that is given.

    Args:
        path: the file.
        size: rows and columns, or None for those of the file.
        channels: 1 for grey (ITU-R 601-2 luma), 3 for red, green and blue.

    Returns:
        `uint8` `[rows, columns]`, or `[3, rows, columns]` in colour.

    Raises:
        InputError: it is no such picture, damaged, or far too large.
        FileFormatError: it is no file, but a pipe or a device, or far too large.
        OSError: it cannot be read.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    mode = mode_of(channels)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with (
                files.open_regular(path, MAX_FILE, "any picture") as raw,
                Image.open(raw, formats=("PNG", "JPEG")) as file,
            ):
                picture = _opaque(ImageOps.exif_transpose(file)).convert(mode)
    except UnidentifiedImageError:
        raise InputError(f"{path} is no PNG, JPEG or NPY image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{path} has more pixels than a picture may have here; make it smaller first") from None
    except FileFormatError:
        raise
    except (SyntaxError, ValueError) as error:  # how Pillow reports some damaged files
        raise InputError(f"{path} is damaged: {error}") from None
    if size is not None and size != (picture.height, picture.width):
        rows, columns = size
        smooth = Image.Resampling.BOX if picture.width > columns else Image.Resampling.BICUBIC
        picture = picture.resize((columns, rows), smooth)
    return planes(picture)


def mode_of(channels: int) -> str:
    """Pillow's name for pictures of so many channels.

    Raises:
        InputError: pictures are not read with so many.

    >>> mode_of(3)
    'RGB'
    """
    if channels not in MODES:
        raise InputError(f"pictures have 1 channel (grey) or 3 (red, green, blue), not {channels}")
    return MODES[channels]


def planes(picture: Any) -> NDArray[np.uint8]:
    """The pixels of a Pillow picture, grey `[rows, columns]`, in colour `[3, rows, columns]`."""
    pixels = np.asarray(picture, np.uint8)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _opaque(picture: Any) -> Any:
    """8 bits a channel; 16-bit grey is scaled down, and what is transparent is black."""
    from PIL import Image

    if picture.mode.startswith("I"):
        return Image.fromarray((np.asarray(picture).astype(np.int64) // 257).clip(0, 255).astype(np.uint8))
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
    return picture
