"""Picture files as arrays, grey or with the three colours as channels: PNG, JPEG, WebP, BMP, GIF, TIFF and PNM.

Pillow decodes them. What it leaves to its callers is settled here: how many pixels a file may unfold to, which of them
are transparent, which way is up, and that whatever goes wrong inside is told in one line.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.errors import BstdgError, BstdgWarning, InputError

MAX_FILE = 1 << 26  # bytes of one picture
MODES = {1: "L", 3: "RGB"}  # how Pillow calls a picture of so many channels
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM")  # Pillow's names; its PPM are PNM
ENDINGS = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
SAID = "PNG, JPEG, WebP, BMP, GIF, TIFF or PNM"
# Of one picture: for each at most 24 bytes of memory are taken (WebP; 16 of others), so for n bytes 384 MiB and 768 n.
FREE_PIXELS = 1 << 24
PIXELS_A_BYTE = 32
MOST_PIXELS = 89_478_485  # Pillow's own
BAND = 1 << 20  # pixels whose transparency and colour are looked at together
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # the tag of EXIF and TIFF; its values for pictures that lie on a side

_READ = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")  # Pillow's modes
_READ_16 = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_IHDR = struct.Struct(">8sI4sIIBB")
_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_TILE, _TIFF_SAMPLES = 258, 262, (322, 323), 339
_AFTER_IHDR = 33
_SAMPLES = {0: 1, 2: 3}  # of a pixel, by the colour type of a PNG: those whose tRNS is a colour
_SECOND_BYTE = "RGB;16L"  # Pillow takes the second byte of each pair: the upper one of a little-endian number


class _Key(NamedTuple):
    """The transparent colour of a picture: its levels, one if it is grey, in the 16 bits that `deep` ones have or 8."""

    deep: bool
    levels: tuple[int, ...]


def levels(path: Path, size: tuple[int, int] | None = None, channels: int = 1) -> NDArray[np.uint8]:
    """A picture file as 8-bit levels, upright, brought to `size` (rows, columns) if that is given.

    The first picture of a file that has several is taken: of an animation its first frame, of a TIFF its first page.
    What is transparent is black, 16-bit grey is divided by 257. EXIF data that are damaged leave the picture as it
    lies, with a `BstdgWarning`.

    Args:
        path: the file.
        size: rows and columns, or None for those of the file.
        channels: 1 for grey (ITU-R 601-2 luma), 3 for red, green and blue.

    Returns:
        `uint8` `[rows, columns]`, or `[3, rows, columns]` in colour.

    Raises:
        InputError: it is no such picture, damaged, or has more pixels than a file of its size may have.
        FileFormatError: it is no file, but a pipe or a device, or far too large.
        OSError: it cannot be read.
    """
    mode = mode_of(channels)
    with files.open_regular(path, MAX_FILE, "any picture") as raw, opened(raw, path.stat().st_size, str(path)) as file:
        flat = _flat(file, mode, _png_key(raw) if file.format == "PNG" else None, raw)
        turn = _turn(file)
    if turn is False:
        warnings.warn(f"{path}: its EXIF data are damaged; it is taken as it lies", BstdgWarning, stacklevel=2)
    elif turn is not None:
        flat = flat.transpose(turn)
    if size is not None and size != (flat.height, flat.width):
        from PIL import Image

        rows, columns = size
        smooth = Image.Resampling.BOX if flat.width > columns else Image.Resampling.BICUBIC
        flat = flat.resize((columns, rows), smooth)
    return planes(flat)


def size_of(path: Path) -> tuple[int, int] | None:
    """Rows and columns of a picture, upright, from its header alone; None where that does not tell them.

    Raises:
        InputError, OSError: as for `levels`.
    """
    with files.open_regular(path, MAX_FILE, "any picture") as raw, opened(raw, path.stat().st_size, str(path)) as file:
        late = file.format == "PNG" and "exif" not in file.info  # it may come after the pixels
        try:
            turned = not late and file.getexif().get(ORIENTATION, 1) in SIDEWAYS
        except Exception:  # what a broken EXIF makes Pillow raise is part of no contract
            return None
        return (file.width, file.height) if turned else (file.height, file.width)


@contextmanager
def opened(
    raw: BinaryIO, length: int, name: str, formats: tuple[str, ...] = FORMATS, said: str = SAID
) -> Iterator[Any]:
    """A Pillow picture that has been read up to its pixels, which are decoded by whoever asks for them.

    Args:
        raw: the open file.
        length: its bytes, from which follows how many pixels it may have.
        name: what errors call it.
        formats: the kinds that are read, in Pillow's words.
        said: … and in those of errors.

    Raises:
        InputError: whatever Pillow raises, here or inside of the context.
        OSError: the file cannot be read.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Pillow can mend; what it cannot is an error
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(raw, formats=formats) as file:
                _refuse_large(file, length, name)
                _refuse_kind(file, name)
                yield file
    except (BstdgError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise InputError(f"{name} is no {said} image, or a damaged one") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{name} has more pixels than a picture may have here; make it smaller first") from None
    except Exception as error:  # what it raises of damaged files is part of no contract
        if isinstance(error, OSError) and error.errno is not None:
            raise
        told = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name} is damaged: {told}") from None


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


def _refuse_large(file: Any, length: int, name: str) -> None:
    pixels = file.width * file.height
    if file.format == "TIFF" and (tile := [file.tag_v2.get(tag) for tag in _TIFF_TILE]) and all(tile):
        pixels = max(pixels, tile[0] * tile[1])  # which are decoded whole, however little of one is seen
    allowed = min(MOST_PIXELS, FREE_PIXELS + PIXELS_A_BYTE * length)
    if pixels > allowed:
        raise InputError(
            f"{name} has more pixels than a picture may have here ({pixels:,}; {allowed:,} in a file of {length:,} "
            "bytes); make it smaller first"
        )


def _refuse_kind(file: Any, name: str) -> None:
    """Numbers whose range is not that of a picture would be read as black or white."""
    what = "" if file.mode in _READ + _READ_16 else f"pixels of kind {file.mode}"
    if file.format == "TIFF" and not what:
        bits = set(file.tag_v2.get(_TIFF_BITS, (1,)))
        if set(file.tag_v2.get(_TIFF_SAMPLES, (1,))) != {1} or not bits <= {1, 2, 4, 8, 16}:
            what = "signed, 12-bit or 32-bit numbers"
        elif bits == {16} and file.tag_v2.get(_TIFF_PHOTOMETRIC) == 0:
            what = "16-bit numbers whose 0 is white"
    if what:
        raise InputError(f"{name} has {what}, which are not read; save it with 8 or 16 bits, grey or in colour")


def _flat(file: Any, mode: str, key: _Key | None, raw: BinaryIO) -> Any:
    """The picture in that mode, 8 bits a channel; a band at a time, so that it is in memory but twice."""
    from PIL import Image

    low = _low_bytes(raw) if key is not None and key.deep and file.mode == "RGB" else None
    file.load()
    flat = Image.new(mode, file.size)
    height = max(1, BAND // max(1, file.width))
    for top in range(0, file.height, height):
        box = (0, top, file.width, min(top + height, file.height))
        band = _opaque(file.crop(box), key, None if low is None else low.crop(box))
        flat.paste(band.convert(mode), box)
    return flat


def _opaque(band: Any, key: _Key | None, low: Any) -> Any:
    """8 bits a channel; 16-bit grey is scaled down, and what is transparent is black."""
    from PIL import Image

    if band.mode in _READ_16:
        values = np.asarray(band)
        shades = (values.clip(0, 65_535) // 257).astype(np.uint8)
        if key is not None:
            shades[values == key.levels[0]] = 0
        return Image.fromarray(shades)
    if key is not None:
        values = np.array(band.convert("L") if band.mode == "1" else band)
        whole = values if low is None else values.astype(np.uint16) << 8 | np.asarray(low)
        values[(whole == np.array(key.levels)).reshape(*whole.shape[:2], -1).all(axis=2)] = 0
        return Image.fromarray(values)
    if band.mode in ("La", "RGBa"):  # colours times their opacity
        band = band.convert(band.mode.upper())
    if band.mode in ("LA", "PA", "RGBA") or "transparency" in band.info:
        band = band.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", band.size, "black"), band)
    return band


def _png_key(raw: BinaryIO) -> _Key | None:
    """The one colour that a PNG without alpha declares transparent; None where there is none, or a palette says it.

    Read here, since Pillow compares it with levels of another depth: of 1, 2 and 4 bits as they are in the file with
    what it has scaled to 8, and of 16 bits a colour with the upper 8.
    """
    before = raw.tell()
    raw.seek(0)
    _, _, kind, _, _, depth, colour = _IHDR.unpack(raw.read(_IHDR.size))
    raw.seek(_AFTER_IHDR)
    while kind != b"IDAT" and len(head := raw.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"tRNS" and colour in _SAMPLES:
            found = struct.unpack(f">{_SAMPLES[colour]}H", raw.read(length)[: 2 * _SAMPLES[colour]])
            raw.seek(before)
            most = (1 << depth) - 1
            scale = 1 if depth == 16 else 255 // most
            return _Key(depth == 16, tuple(scale * (level & most) for level in found))
        raw.seek(length + 4, 1)
    raw.seek(before)
    return None


def _low_bytes(raw: BinaryIO) -> Any:
    """The lower 8 of the 16 bits of each colour of a PNG, of which Pillow gives the upper ones."""
    from PIL import Image

    before = raw.tell()
    raw.seek(0)
    again: Any = Image.open(raw, formats=("PNG",))
    tile = again.tile[0]
    changed = (*tile[:3], _SECOND_BYTE)
    again.tile = [changed if type(tile) is tuple else type(tile)(*changed)]  # a plain one before Pillow 11
    again.load()
    raw.seek(before)
    return again


def _turn(file: Any) -> Any:
    """How Pillow has to turn the picture to set it upright; None where it is, and False where that cannot be read."""
    from PIL import Image

    turn = Image.Transpose
    turns = {2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE}
    turns |= {6: turn.ROTATE_270, 7: turn.TRANSVERSE, 8: turn.ROTATE_90}
    try:
        if data := file.info.get("exif"):
            Image.Exif().load(data)  # for one that a JPEG was opened with does not tell of its damage
        return turns.get(file.getexif().get(ORIENTATION))
    except Exception:  # of many kinds, as in `opened`
        return False
