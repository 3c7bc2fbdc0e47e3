"""Picture files become the levels that their formats define, whichever Pillow reads them, or one line says why not."""

from __future__ import annotations

import io
import itertools
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image
from support.processes import peak_of

from bstdg.datasets import pictures
from bstdg.datasets.pictures import levels
from bstdg.errors import BstdgWarning, InputError

GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6  # colour types of PNG
SAMPLES = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}
KINDS = [
    *((GREY, depth) for depth in (1, 2, 4, 8, 16)),
    *((PALETTE, depth) for depth in (1, 2, 4, 8)),
    *((kind, depth) for kind in (COLOUR, GREY_ALPHA, COLOUR_ALPHA) for depth in (8, 16)),
]
KEYED = [(kind, depth) for kind, depth in KINDS if kind in (GREY, COLOUR)]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


WHOLE = ((0, 1, 0, 1),)
ADAM7 = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))


def png(samples: np.ndarray, kind: int, depth: int, *chunks: bytes, interlaced: bool = False) -> bytes:
    """A PNG of `[rows, columns, samples]`, written as the format says, with nobody's help."""
    data, (rows, columns) = b"", samples.shape[:2]
    for top, down, left, right in ADAM7 if interlaced else WHOLE:
        part = samples[top::down, left::right]
        if part.size:
            bits = (part.reshape(len(part), -1)[..., None] >> np.arange(depth)[::-1]) & 1
            lines = np.packbits(bits.reshape(len(part), -1).astype(np.uint8), axis=1)
            data += b"".join(b"\0" + line.tobytes() for line in lines)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, depth, kind, 0, 0, interlaced))
    return b"".join((b"\x89PNG\r\n\x1a\n", header, *chunks, chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")))


def drawn(kind: int, depth: int, rows: int = 6, columns: int = 7) -> np.ndarray:
    """Every level there is, or a draw of them; those of 16 bits come in pairs that differ in the lower byte alone."""
    random = np.random.default_rng([kind, depth])
    samples = random.integers(0, 1 << depth, (rows, columns, SAMPLES[kind]))
    if depth == 16:
        samples[:, 1::2] = samples[:, ::2][:, : columns // 2] ^ 1
    if kind in (GREY_ALPHA, COLOUR_ALPHA):
        samples[..., -1] = random.integers(0, 2, (rows, columns)) * ((1 << depth) - 1)
    return samples


def luma(colours: np.ndarray) -> np.ndarray:
    return (colours @ np.array([19595, 38470, 7471]) + 0x8000) >> 16


def eight_bits(samples: np.ndarray, depth: int, grey: bool) -> np.ndarray:
    if depth == 16:
        return samples // 257 if grey else samples >> 8
    return samples * (255 // ((1 << depth) - 1))


def read(content: bytes, tmp_path, channels: int = 1) -> np.ndarray:
    (tmp_path / "a.png").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return levels(tmp_path / "a.png", channels=channels).astype(int)


def agrees(content: bytes, colours: np.ndarray, tmp_path) -> None:
    """The file is read as these `[rows, columns, 3]` of 8 bits, in colour and in grey."""
    np.testing.assert_array_equal(read(content, tmp_path, 3).transpose(1, 2, 0), colours)
    np.testing.assert_array_equal(read(content, tmp_path), luma(colours))


# --- PNG: what is transparent is black -------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "depth"), KEYED)
@pytest.mark.parametrize("at", [None, (0, 0), (2, 3), (5, 6)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_transparent_colour_is_black_and_no_other(tmp_path, kind, depth, at, interlaced):
    samples = drawn(kind, depth)
    clear = np.zeros(samples.shape[:2], bool) if at is None else (samples == samples[at]).all(axis=2)
    chunks = () if at is None else (chunk(b"tRNS", b"".join(struct.pack(">H", v) for v in samples[at])),)
    wanted = np.broadcast_to(eight_bits(samples, depth, kind == GREY), (6, 7, 3)).copy()
    wanted[clear] = 0
    agrees(png(samples, kind, depth, *chunks, interlaced=interlaced), wanted, tmp_path)


@pytest.mark.parametrize(("kind", "depth"), [(GREY, 1), (GREY, 2), (GREY, 4), (GREY, 8), (COLOUR, 8)])
def test_bits_of_the_transparent_colour_above_its_depth_do_not_count(tmp_path, kind, depth):
    samples = drawn(kind, depth)
    key = b"".join(struct.pack(">H", v | 0x100) for v in samples[0, 0])
    wanted = np.broadcast_to(eight_bits(samples, depth, False), (6, 7, 3)).copy()
    wanted[(samples == samples[0, 0]).all(axis=2)] = 0
    agrees(png(samples, kind, depth, chunk(b"tRNS", key)), wanted, tmp_path)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("opacity", [b"", b"\0", b"\xff\0", b"\0\xff", b"\0\0"])
def test_transparent_entries_of_a_palette_are_black(tmp_path, depth, opacity):
    samples = drawn(PALETTE, depth)
    palette = np.random.default_rng(depth).integers(0, 256, (1 << depth, 3))
    alpha = np.full(1 << depth, 255)
    alpha[: len(opacity)] = list(opacity)
    chunks = [chunk(b"PLTE", palette.astype(np.uint8).tobytes())] + [chunk(b"tRNS", opacity)] * bool(opacity)
    wanted = (palette * (alpha[:, None] > 0))[samples[..., 0]]
    agrees(png(samples, PALETTE, depth, *chunks), wanted, tmp_path)


@pytest.mark.parametrize(("kind", "depth"), [(k, d) for k in (GREY_ALPHA, COLOUR_ALPHA) for d in (8, 16)])
def test_alpha_of_none_is_black(tmp_path, kind, depth):
    samples = drawn(kind, depth)
    wanted = np.broadcast_to(eight_bits(samples[..., :-1], depth, False), (6, 7, 3)) * (samples[..., -1:] > 0)
    agrees(png(samples, kind, depth), wanted, tmp_path)


def test_bands_of_a_large_picture_are_those_of_a_small_one(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "BAND", 16)
    for kind, depth in KEYED:
        test_a_transparent_colour_is_black_and_no_other(tmp_path, kind, depth, (2, 3), False)


@pytest.mark.parametrize("length", [0, 1, 5])
def test_a_transparent_colour_that_breaks_off_is_damage(tmp_path, length):
    content = png(drawn(COLOUR, 8), COLOUR, 8, chunk(b"tRNS", bytes(length)))
    with pytest.raises(InputError, match=r"a\.png is (damaged|no PNG)"):
        read(content, tmp_path)


# --- other kinds -----------------------------------------------------------------------------------------------------

SAVED = {"PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif", "TIFF": ".tif", "PPM": ".ppm"}


@pytest.mark.parametrize("kind", SAVED)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_kind_gives_the_same_levels(tmp_path, kind, mode):
    shades = np.linspace(0, 255, 42).astype(np.uint8).reshape(6, 7)
    path = tmp_path / f"a{SAVED[kind]}"
    Image.fromarray(shades).convert(mode).save(path, kind, **({"lossless": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(levels(path), shades)
    np.testing.assert_array_equal(levels(path, channels=3), np.broadcast_to(shades, (3, 6, 7)))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_what_is_transparent_is_black_in_every_kind_that_has_it(tmp_path, kind):
    pixels = np.full((4, 5, 4), 200, np.uint8)
    pixels[..., 3] = 255 * (np.arange(5) % 2)
    path = tmp_path / "a"
    Image.fromarray(pixels).save(path, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(levels(path), np.broadcast_to(200 * (np.arange(5) % 2), (4, 5)))


def test_a_transparent_colour_of_a_gif_is_black(tmp_path):
    shades = np.array([[10, 200, 10, 90]], np.uint8)
    for mode in ("L", "P"):
        picture = Image.fromarray(shades).convert(mode)
        clear = 200 if mode == "L" else picture.getpixel((1, 0))
        picture.save(tmp_path / "a.gif", transparency=clear, optimize=False)
        assert levels(tmp_path / "a.gif").tolist() == [[10, 0, 10, 90]]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_of_several_pictures_is_taken(tmp_path, kind):
    first, *rest = (Image.new("L", (5, 4), shade) for shade in (40, 120, 250))
    options = {"lossless": True} if kind == "WEBP" else {}
    first.save(tmp_path / "a", kind, save_all=True, append_images=rest, **options)
    assert (levels(tmp_path / "a") == 40).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_set_upright(tmp_path, kind, orientation):
    stored = np.zeros((32, 48), np.uint8)
    stored[:16, :16] = 250
    stored[:16, 16:32] = 120
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = orientation
    options = {"quality": 100} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(stored).convert("RGB").save(tmp_path / "a", kind, exif=exif, **options)
    turns = {2: np.fliplr, 3: lambda a: a[::-1, ::-1], 4: np.flipud, 5: np.transpose, 6: lambda a: np.rot90(a, -1)}
    turns |= {7: lambda a: np.rot90(a.T, 2), 8: np.rot90}
    wanted = turns.get(orientation, np.asarray)(stored)
    assert levels(tmp_path / "a").shape == wanted.shape
    assert np.abs(levels(tmp_path / "a").astype(int) - wanted).max() < 6


def tiff(samples: np.ndarray, **tags: int) -> bytes:
    """A little-endian TIFF of one strip, written as the format says."""
    rows, columns = samples.shape
    data = samples.tobytes()
    fields = {256: columns, 257: rows, 258: 8 * samples.itemsize, 259: 1, 262: 1, 273: 8, 277: 1, 278: rows}
    fields |= {279: len(data), 339: 1} | {int(tag[1:]): value for tag, value in tags.items()}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, fields[tag]) for tag in sorted(fields))
    where = struct.pack("<4sI", b"II*\0", 8 + len(data))
    return where + data + struct.pack("<H", len(fields)) + entries + bytes(4)


def test_a_tiff_of_16_bits_is_scaled_and_others_than_pictures_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    wide = (np.arange(6, dtype="<u2") * 257 * 50).reshape(2, 3)
    path.write_bytes(tiff(wide))
    assert levels(path).tolist() == (wide // 257).tolist()
    for content in (
        tiff(wide, t262=0),  # where 0 is white, which Pillow does not heed
        tiff(wide.astype("<i2"), t339=2),
        tiff(wide.astype("<i4"), t339=2),
        tiff(wide.astype("<u4")),
        tiff(wide.astype("<f4") / 65535, t339=3),
        tiff(np.zeros((2, 3), np.int8), t339=2),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.tif has .*, which are not read; save it with 8 or 16 bits"):
            levels(path)


def test_16_bits_of_a_pgm_are_scaled_and_the_floats_of_a_pfm_refused(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 65535\n" + struct.pack(">2H", 257 * 100, 65535))
    assert levels(tmp_path / "a.pgm").tolist() == [[100, 255]]
    (tmp_path / "a.pnm").write_bytes(b"Pf\n2 1\n-1.0\n" + struct.pack("<2f", 0.5, 1))
    with pytest.raises(InputError, match="pixels of kind F, which are not read"):
        levels(tmp_path / "a.pnm")


# --- damage ----------------------------------------------------------------------------------------------------------


def photograph(kind: str) -> bytes:
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 6
    exif[0x010F] = "a maker"
    exif[0x829A] = 0.01
    exif.get_ifd(0x8769)[0x9003] = "2024:01:01 00:00:00"
    file = io.BytesIO()
    shades = np.linspace(0, 255, 16 * 24).astype(np.uint8).reshape(16, 24)
    Image.fromarray(shades).convert("RGB").save(file, kind, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_broken_exif_never_ends_in_anything_but_levels_or_one_line(tmp_path, kind):
    whole = photograph(kind)
    begin = 8 if kind == "TIFF" else max(whole.find(b"Exif\0\0"), whole.find(b"eXIf"), whole.find(b"EXIF"))
    length = {
        "JPEG": int.from_bytes(whole[begin - 2 : begin], "big") - 2,
        "PNG": int.from_bytes(whole[begin - 4 : begin], "big") + 4,
        "WEBP": len(whole) - begin,
        "TIFF": len(whole) - begin,
    }[kind]
    path, answers = tmp_path / "a", set()
    for at, value in itertools.product(range(begin, begin + min(length, 400)), (0, 0xFF)):
        broken = whole[:at] + bytes([value]) + whole[at + 1 :]
        if kind == "PNG":  # whose sums Pillow looks at first
            broken = repaired(broken)
        path.write_bytes(broken)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.simplefilter("ignore", BstdgWarning)
                answers.add(levels(path).shape)
        except InputError as error:
            assert str(path) in str(error) and "\n" not in str(error)
    assert answers <= {(16, 24), (24, 16)} or kind == "TIFF"
    assert (24, 16) in answers


def repaired(content: bytes) -> bytes:
    """A PNG whose chunks have the sums that fit what is in them."""
    parts, at = [content[:8]], 8
    while at + 8 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        parts.append(chunk(content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return b"".join(parts)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_exif_that_is_none_is_said_and_the_picture_taken_as_it_lies(tmp_path, kind):
    content = photograph(kind)
    assert b"MM\0*" in content
    (tmp_path / "a").write_bytes(content.replace(b"MM\0*", b"XX\0*"))
    with pytest.warns(BstdgWarning, match=r"a: its EXIF data are damaged; it is taken as it lies"):
        assert levels(tmp_path / "a").shape == (16, 24)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_no_byte_that_is_changed_brings_another_error(tmp_path, kind):
    file = io.BytesIO()
    shades = np.random.default_rng(0).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    Image.fromarray(shades).save(file, kind)
    whole, path = file.getvalue(), tmp_path / "a"
    for at, value in itertools.product(range(min(len(whole), 400)), (0, 0x7F, 0xFF)):
        path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.simplefilter("ignore", BstdgWarning)
                levels(path)
        except InputError as error:
            assert str(path) in str(error) and "\n" not in str(error)


# --- bounds ----------------------------------------------------------------------------------------------------------


def empty(side: int, kind: int, depth: int, *chunks: bytes) -> bytes:
    packer, line = zlib.compressobj(9), bytes(1 + -(-side * depth * SAMPLES[kind] // 8))
    data = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, kind, 0, 0, 0))
    return b"".join((b"\x89PNG\r\n\x1a\n", header, *chunks, chunk(b"IDAT", data), chunk(b"IEND", b"")))


def test_a_small_file_of_a_huge_picture_is_refused(tmp_path):
    content = empty(9400, GREY, 16)
    assert len(content) < 200_000
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"more pixels than a picture may have here \(88,360,000; .* in a file of"):
        levels(tmp_path / "a.png")


@pytest.mark.parametrize(("kind", "depth"), [(GREY, 16), (COLOUR, 16), (COLOUR_ALPHA, 8)])
def test_memory_of_a_png_is_at_most_16_bytes_a_pixel(tmp_path, kind, depth):
    side = 4096  # the most that a file of few bytes may have
    chunks = [chunk(b"tRNS", bytes(2 * SAMPLES[kind]))] if kind in (GREY, COLOUR) else []
    (tmp_path / "a.png").write_bytes(empty(side, kind, depth, *chunks))
    program = "import sys; from pathlib import Path; from bstdg.datasets.pictures import levels; from PIL import Image"
    start = peak_of(program)
    assert peak_of(f"{program}\nlevels(Path({str(tmp_path / 'a.png')!r}), channels=3)") - start < 17 * side**2


def test_tiles_larger_than_their_picture_are_refused(tmp_path):
    content = tiff(np.zeros((2, 3), np.uint8), t322=65_520, t323=65_520, t324=8, t325=6)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(InputError, match="more pixels than a picture may have here"):
        levels(tmp_path / "a.tif")
