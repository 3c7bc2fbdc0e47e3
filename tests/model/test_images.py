"""Image files become the pixels that a model was trained on, or one line that says why not."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.strategies import random_model

from bstdg.errors import InputError
from bstdg.inputs import LatencyCode
from bstdg.layers import FullLayer
from bstdg.model import images
from bstdg.model.packed import PackedModel
from bstdg.model.runtime import Model

ROWS, COLUMNS = 4, 5


def model(white: int = 255) -> PackedModel:
    return random_model((ROWS * COLUMNS, 3), shape=(ROWS, COLUMNS), white=white)


def grey() -> np.ndarray:
    return np.linspace(0, 255, ROWS * COLUMNS).astype(np.uint8).reshape(ROWS, COLUMNS)


def saved(picture: Image.Image, path: Path, **options) -> Path:
    picture.save(path, **options)
    return path


# --- pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "A.PNG", "no-ending", "a.jpg", "a.JPEG"])
def test_a_grey_picture_whatever_its_name(tmp_path, name):
    kind = "JPEG" if name.lower().endswith(("jpg", "jpeg")) else "PNG"
    flat = np.full((ROWS, COLUMNS), 130, np.uint8)  # which JPEG keeps
    found = images.read(saved(Image.fromarray(flat), tmp_path / name, format=kind), model())
    assert (found.shape, found.dtype) == ((1, ROWS, COLUMNS), np.uint8)
    np.testing.assert_array_equal(found[0], flat)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "I;16"])
def test_grey_is_the_same_in_every_mode(tmp_path, mode):
    if mode == "I;16":
        picture = Image.fromarray(grey().astype(np.uint16) * 257)
        assert picture.mode == mode
    else:
        picture = Image.fromarray(grey()).convert(mode)
    np.testing.assert_array_equal(images.read(saved(picture, tmp_path / "a.png"), model())[0], grey())


def test_one_bit_is_black_and_white(tmp_path):
    bits = grey() > 100
    found = images.read(saved(Image.fromarray(bits), tmp_path / "a.png"), model())
    np.testing.assert_array_equal(found[0], np.where(bits, 255, 0))


def test_colours_are_weighed_and_what_is_transparent_is_black(tmp_path):
    pixels = np.zeros((ROWS, COLUMNS, 4), np.uint8)
    pixels[0, 0] = (255, 255, 255, 255)
    pixels[0, 1] = (255, 255, 255, 0)
    pixels[0, 2] = (0, 255, 0, 255)
    found = images.read(saved(Image.fromarray(pixels), tmp_path / "a.png"), model())
    assert found[0, 0, :4].tolist() == [255, 0, 150, 0]


def test_a_transparent_palette_entry_is_black(tmp_path):
    picture = Image.new("P", (COLUMNS, ROWS), 1)
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.putpixel((0, 0), 0)
    found = images.read(saved(picture, tmp_path / "a.png", transparency=1), model())
    assert not found.any()


def test_a_turned_photograph_is_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter: what is stored as a column is a row
    stored = np.zeros((40, 32), np.uint8)
    stored[:, 16:] = 255
    picture = Image.fromarray(stored)
    turned = random_model((32 * 40, 3), shape=(32, 40))
    found = images.read(saved(picture, tmp_path / "a.jpg", exif=exif, quality=100), turned)[0]
    assert (found[:16] < 5).all()
    assert (found[16:] > 250).all()


@pytest.mark.parametrize("white", [1, 16, 100, 255])
def test_levels_are_those_of_the_model(tmp_path, white):
    pixels = np.zeros((ROWS, COLUMNS), np.uint8)
    pixels[0] = [0, 255, 128, 127, 1]
    found = images.read(saved(Image.fromarray(pixels), tmp_path / "a.png"), model(white))
    exact = pixels.astype(float) * white / 255
    assert np.abs(found[0] - exact).max() <= 0.5
    assert found[0, 0, :2].tolist() == [0, white]


@pytest.mark.parametrize("size", [(2, 2), (40, 50), (5, 3)])
def test_resize_brings_any_size_to_the_models(tmp_path, size):
    picture = Image.new("L", size, 200)
    path = saved(picture, tmp_path / "a.png")
    assert (images.read(path, model(), resize=True) == 200).all()
    with pytest.raises(InputError, match=rf"is {size[1]} x {size[0]} pixels, the model reads 4 x 5; --resize"):
        images.read(path, model())


def test_resize_keeps_what_lies_where(tmp_path):
    big = np.zeros((ROWS * 10, COLUMNS * 10), np.uint8)
    big[:10, -10:] = 255
    found = images.read(saved(Image.fromarray(big), tmp_path / "a.png"), model(), resize=True)[0]
    assert (found[0, -1], int(found.sum())) == (255, 255)


@pytest.mark.parametrize("white", [16, 255])
def test_invert_makes_dark_light(tmp_path, white):
    found = images.read(saved(Image.fromarray(grey()), tmp_path / "a.png"), model(white))
    inverted = images.read(tmp_path / "a.png", model(white), invert=True)
    np.testing.assert_array_equal(found.astype(int) + inverted, white)


# --- arrays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int64, np.uint16])
@pytest.mark.parametrize("count", [None, 0, 1, 3])
def test_integers_are_taken_as_they_are(tmp_path, kind, count):
    array = grey().astype(kind)
    array = array if count is None else np.repeat(array[None], count, axis=0)
    np.save(tmp_path / "a.npy", array)
    found = images.read(tmp_path / "a.npy", model())
    assert found.dtype == kind
    np.testing.assert_array_equal(found, array.reshape(-1, ROWS, COLUMNS))
    inverted = images.read(tmp_path / "a.npy", model(), invert=True)
    np.testing.assert_array_equal(inverted.astype(int), 255 - found.astype(int))


WHOLE = [kind + size for kind in "iu" for size in "1248"]


@pytest.mark.parametrize("kind", [*WHOLE, ">i2", ">u2"])
@pytest.mark.parametrize("white", [1, 16, 127, 128, 255, 256, 32_767, 32_768, 65_535])
def test_integers_are_inverted_whether_their_type_fits_white_or_not(tmp_path, kind, white):
    most = min(white, np.iinfo(kind).max)
    array = np.linspace(0, most, ROWS * COLUMNS).astype(kind).reshape(ROWS, COLUMNS)
    np.save(tmp_path / "a.npy", array)
    found = images.read(tmp_path / "a.npy", model(white), invert=True)
    assert found[0].tolist() == (white - array.astype(int)).tolist()
    steps = Model(model(white)).encode(found)
    np.testing.assert_array_equal(steps, Model(model(white)).encode((white - array.astype(int))[None]))


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("beyond", [-1, 101])
def test_integers_that_are_no_pixels_are_refused_before_they_are_inverted(tmp_path, kind, beyond):
    if not np.iinfo(kind).min <= beyond:
        return
    array = np.full((ROWS, COLUMNS), 7, kind)
    array[1, 2] = beyond
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=r"a\.npy holds -?\d+ … \d+; integers are 0 … 100 of the model") as caught:
        images.read(tmp_path / "a.npy", model(100), invert=True)
    assert str(beyond) in str(caught.value)


@pytest.mark.parametrize("white", [256, 1000, 65_535])
def test_pictures_reach_a_white_of_more_than_a_byte(tmp_path, white):
    saved(Image.fromarray(grey()), tmp_path / "a.png")
    found = images.read(tmp_path / "a.png", model(white))
    assert np.abs(found[0] - grey().astype(float) * white / 255).max() <= 0.5
    assert (images.read(tmp_path / "a.png", model(white), invert=True)[0] == white - found[0].astype(int)).all()


def test_floats_are_shares_of_white(tmp_path):
    np.save(tmp_path / "a.npy", grey() / 255)
    np.testing.assert_array_equal(images.read(tmp_path / "a.npy", model(16))[0], grey() / 255)
    np.testing.assert_array_equal(images.read(tmp_path / "a.npy", model(16), invert=True)[0], 1 - grey() / 255)


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}], dtype=object),
        np.zeros((ROWS, COLUMNS), complex),
        np.zeros((ROWS, COLUMNS), bool),
        np.zeros((ROWS, COLUMNS), [("a", "u1")]),
        np.zeros((ROWS, COLUMNS), "U3"),
    ],
    ids=["objects", "complex", "bool", "records", "text"],
)
def test_what_is_no_plain_number_is_refused(tmp_path, array):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=r"a\.npy is no NPY file of") as caught:
        images.read(tmp_path / "a.npy", model())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(), (20,), (5, 4), (2, 5, 4), (1, 1, 1, 4, 5), (0,)])
def test_another_shape_is_refused(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(InputError, match=r"a\.npy .*the model reads 4 x 5") as caught:
        images.read(tmp_path / "a.npy", model())
    assert "--resize" not in str(caught.value)  # which is for pictures


@pytest.mark.parametrize(
    ("channels", "shape", "says"),
    [
        (1, (2, 3, 4, 5), "is 3 x 4 x 5 pixels, the model reads 4 x 5; it is colour, the model reads grey"),
        (1, (2, 4, 5, 3), "is 4 x 5 x 3 pixels, the model reads 4 x 5; it is colour, the model reads grey"),
        (3, (2, 4, 5), "is 4 x 5 pixels, the model reads 3 x 4 x 5; it is grey, the model reads colour"),
        (3, (2, 1, 4, 5), "is 1 x 4 x 5 pixels, the model reads 3 x 4 x 5; it is grey, the model reads colour"),
        (3, (2, 4, 5, 3), "the model reads 3 x 4 x 5; channels come first, before rows and columns"),
        (2, (2, 4, 5, 2), "the model reads 2 x 4 x 5; channels come first, before rows and columns"),
        (2, (2, 3, 4, 5), "the model reads 2 x 4 x 5$"),
        (3, (2, 4, 6, 3), "the model reads 3 x 4 x 5$"),
    ],
)
def test_an_array_says_how_its_channels_differ(tmp_path, channels, shape, says):
    code = LatencyCode((channels, 4, 5))
    layer = FullLayer(np.ones((2, 20 * channels), np.int8), np.ones(2, np.int64), code.gives)
    reader = dataclasses.replace(model(), input=code, layers=(layer,), classes=("a", "b"))
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(InputError, match=says):
        images.read(tmp_path / "a.npy", reader)


@pytest.mark.parametrize(
    ("value", "message"), [(-1, "negative"), (256, "above white"), (np.nan, "not a number"), (1.5, "above white")]
)
def test_values_out_of_range_are_refused_where_steps_are_made(tmp_path, value, message):
    whole = isinstance(value, int)
    array = grey().astype(np.int16) if whole else grey() / 255
    array[2, 3] = value
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=message):
        Model(model()).encode(images.read(tmp_path / "a.npy", model()))


def test_a_truncated_array_and_one_that_promises_too_much_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((100, ROWS, COLUMNS), np.uint8))
    whole = (tmp_path / "a.npy").read_bytes()
    for data in (
        whole[:-1],
        whole[:20],
        whole[:3],
        b"",
        whole.replace(b"(100, 4, 5)", b"(9999999999, 4, 5)"),  # 200 GB
        b"PK\x03\x04" + whole,
    ):
        (tmp_path / "a.npy").write_bytes(data)
        with pytest.raises(InputError, match=r"a\.npy is no NPY file") as caught:
            images.read(tmp_path / "a.npy", model())
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-4, -5)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (True, 4, 5)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,) * 9}",
        "{'descr': '|S0', 'fortran_order': False, 'shape': (4, 5)}",
        "{'descr': ('|u1', (4, 5)), 'fortran_order': False, 'shape': (1,)}",
        "{'descr': {}, 'fortran_order': False, 'shape': (4, 5)}",
        "{'descr': [], 'fortran_order': False, 'shape': (4, 5)}",
        "{'descr': ('|u1', (10**30,)), 'fortran_order': False, 'shape': (4, 5)}",
        "{[]: 1}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 5)",
        "(" * 5000,
        "{'descr': '|u1', 'fortran_order': 7, 'shape': (4, 5)}",
        "\xff\0",
    ],
)
def test_a_header_that_is_none_is_refused_in_one_line(tmp_path, header):
    text = header.encode("latin-1")
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(20))
    with pytest.raises(InputError, match=r"a\.npy is no NPY file of plain numbers") as caught:
        images.read(tmp_path / "a.npy", model())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_no_byte_of_an_array_file_that_is_changed_brings_another_error(tmp_path):
    np.save(tmp_path / "a.npy", grey())
    whole = (tmp_path / "a.npy").read_bytes()
    for at in range(128):
        for value in (0, 9, 40, 45, 76, 120, 255):
            (tmp_path / "a.npy").write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            try:
                images.read(tmp_path / "a.npy", model())
            except InputError as error:
                assert "a.npy" in str(error) and "\n" not in str(error)


def test_what_follows_an_array_is_refused(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.save(file, grey())
        np.save(file, grey())
    with pytest.raises(InputError, match="should have 20 bytes by its header, and has 168"):
        images.read(tmp_path / "a.npy", model())


def test_an_archive_of_arrays_is_refused(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, a=grey())
    with pytest.raises(InputError, match="no NPY file of plain numbers"):
        images.read(tmp_path / "a.npy", model())


# --- what is no image ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"text", b"GIF89a" + bytes(40), b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png") as caught:
        images.read(tmp_path / "a.png", model())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_cut_anywhere_is_refused(tmp_path, kind):
    noise = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS)).astype(np.uint8)
    whole = saved(Image.fromarray(noise), tmp_path / "a", format=kind).read_bytes()
    end = len(whole) - (24 if kind == "PNG" else 4)  # what ends the file holds no pixel
    for length in range(0, end, 3):
        (tmp_path / "a").write_bytes(whole[:length])
        with pytest.raises(InputError, match="/a"):
            images.read(tmp_path / "a", model())


def test_a_small_file_of_a_huge_picture_is_refused_before_it_is_unpacked(tmp_path):
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(InputError, match=r"bomb\.png has more pixels"):
        images.read(tmp_path / "bomb.png", model(), resize=True)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    for path in (tmp_path / "none.png", tmp_path / "none.npy"):
        with pytest.raises(InputError, match=r"cannot read .*none\.(png|npy): No such file"):
            images.read(path, model())
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        images.read(tmp_path, model())


def test_a_model_of_plain_channels_reads_no_images(tmp_path):
    channels = random_model((20, 3), shape=(20,))
    with pytest.raises(InputError, match=r"reads a row of 20 values, not pictures"):
        images.read(saved(Image.fromarray(grey()), tmp_path / "a.png"), channels)
