"""PNG and JPEG files as grey levels."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError


def grey_levels(path: Path, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """A PNG or JPEG file as 8-bit grey `[rows, columns]`, upright, brought to `size` (rows, columns) if that is given.

    Raises:
        InputError: it is no such picture, damaged, or far too large.
        OSError: it cannot be read.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as file:
                picture = ImageOps.exif_transpose(file)
                grey = _grey(picture)
    except UnidentifiedImageError:
        raise InputError(f"{path} is no PNG, JPEG or NPY image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{path} has more pixels than a picture may have here; make it smaller first") from None
    except (SyntaxError, ValueError) as error:  # how Pillow reports some damaged files
        raise InputError(f"{path} is damaged: {error}") from None
    if size is not None and size != (grey.height, grey.width):
        rows, columns = size
        grey = grey.resize((columns, rows), Image.Resampling.BOX if grey.width > columns else Image.Resampling.BICUBIC)
    return np.asarray(grey, np.uint8)


def _grey(picture):
    """8-bit grey; 16-bit grey is scaled down, and what is transparent is black."""
    from PIL import Image

    if picture.mode.startswith("I"):
        return Image.fromarray((np.asarray(picture).astype(np.int64) // 257).clip(0, 255).astype(np.uint8))
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture).convert("L")
    return picture.convert("L")
