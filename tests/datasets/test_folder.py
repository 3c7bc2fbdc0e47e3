"""Pictures and arrays of one's own are read whole, split the same way each time, or refused in one line."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bstdg import datasets
from bstdg.datasets import arrays, folder
from bstdg.datasets.base import stratified_test_mask
from bstdg.errors import FileFormatError, InputError


@pytest.fixture(autouse=True)
def no_data_named(monkeypatch):
    monkeypatch.delenv("BSTDG_DATA", raising=False)


def draw(path, shade, size=(5, 4), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, shade).convert(mode).save(path)
    return path


def pictures(place, per_class=10, names=("cat", "dog")):
    """Each picture of a grey of its own: 10 n + class."""
    for label, name in enumerate(names):
        for n in range(per_class):
            draw(place / name / f"{n:02d}.png", 10 * n + label + 1)
    return place


def load(place, split="train", **options):
    return datasets.load("folder", split, place, **options)


def refusal(place, split="train", kind=InputError, **options):
    with pytest.raises(kind) as caught:
        load(place, split, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def npz(path, **content):
    np.savez(path, **content)
    return path


def some(count=10, rows=3, columns=4):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, rows, columns)).astype(np.uint8)
    return {"images": images, "labels": np.arange(count) % 2}


# --- pictures --------------------------------------------------------------------------------------------------------


def test_a_fifth_of_each_class_is_the_test_set_and_nothing_is_in_both(tmp_path):
    train, test = (load(pictures(tmp_path), split) for split in ("train", "test"))
    assert (train.images.shape, test.images.shape) == ((16, 4, 5), (4, 4, 5))
    assert train.classes == test.classes == ("cat", "dog")
    assert train.labels.tolist() == [0] * 8 + [1] * 8 and test.labels.tolist() == [0] * 2 + [1] * 2
    shades = [int(image[0, 0]) for part in (train, test) for image in part.images]
    assert sorted(shades) == sorted(10 * n + label + 1 for n in range(10) for label in (0, 1))
    for part in (train, test):
        assert [int(image[0, 0]) % 10 - 1 for image in part.images] == part.labels.tolist()
    again = load(tmp_path, "test")
    assert np.array_equal(again.images, test.images)
    assert repr(train) == "Dataset(name='folder', split='train', 16 images 4x5, 2 classes, white=255)"


def test_a_split_of_ones_own_is_kept(tmp_path):
    pictures(tmp_path / "train", 3, ("a", "b", "c"))
    draw(tmp_path / "test" / "c" / "one.jpeg", 200)
    draw(tmp_path / "test" / "a" / "two.PNG", 100)
    train, test = (load(tmp_path, split) for split in ("train", "test"))
    assert len(train) == 9 and train.classes == test.classes == ("a", "b", "c")
    assert test.labels.tolist() == [0, 2]
    assert [int(image.mean().round()) for image in test.images] == [100, 200]


def test_other_files_hidden_ones_and_folders_within_classes_are_passed_over(tmp_path):
    pictures(tmp_path)
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "cat" / "notes.txt").write_text("hello")
    (tmp_path / "cat" / ".hidden.png").write_text("no picture")
    (tmp_path / "cat" / "more.png").mkdir()
    (tmp_path / ".git").mkdir()
    assert len(load(tmp_path)) == 16


def test_pictures_of_any_size_and_kind_are_brought_to_one(tmp_path):
    pictures(tmp_path)
    draw(tmp_path / "cat" / "wide.png", 77, (40, 10), "RGB")
    draw(tmp_path / "dog" / "clear.png", 77, (3, 3), "RGBA")
    found = [load(tmp_path, split, size=(6, 7)) for split in ("train", "test")]
    assert {part.images.shape[1:] for part in found} == {(6, 7)}
    assert sum(int((part.images == 77).all((1, 2)).sum()) for part in found) == 2


def colours(path, left, right, size=(6, 4)):
    """A picture of two colours, left and right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", size, right)
    picture.paste(left, (0, 0, size[0] // 2, size[1]))
    picture.save(path)


def test_pictures_keep_their_colours_where_these_are_asked_for(tmp_path):
    red, blue = (200, 10, 0), (0, 20, 100)
    for name, (left, right) in {"cat": (red, blue), "dog": (blue, red)}.items():
        for n in range(5):
            colours(tmp_path / name / f"{n}.png", left, right)
    train = load(tmp_path, channels=3)
    assert train.images.shape == (8, 3, 4, 6) and train.shape == (3, 4, 6)
    for image, label in zip(train.images, train.labels, strict=True):
        halves = (red, blue) if label == 0 else (blue, red)
        assert image[:, 0, 0].tolist() == list(halves[0]) and image[:, 3, 5].tolist() == list(halves[1])
    assert load(tmp_path, channels=3, size=(2, 2)).images[0, :, :, 0].tolist() == [[200] * 2, [10] * 2, [0] * 2]
    assert np.array_equal(load(tmp_path, channels=1).images, load(tmp_path).images)
    assert "1 channel (grey) or 3 (red, green, blue), not 4" in refusal(tmp_path, channels=4)


def test_grey_and_transparent_pictures_have_colours_too(tmp_path):
    pictures(tmp_path / "train")
    draw(tmp_path / "train" / "dog" / "wide.png", 77, mode="RGBA")
    pictures(tmp_path / "test")
    images = load(tmp_path, channels=3).images
    assert (images == images[:, :1]).all()
    assert np.array_equal(images[:, 0], load(tmp_path).images)


def test_pictures_of_different_sizes_need_one_to_be_said(tmp_path):
    pictures(tmp_path / "train")
    pictures(tmp_path / "test")
    draw(tmp_path / "train" / "dog" / "wide.png", 7, (40, 10))
    message = refusal(tmp_path)
    assert "00.png is 4 x 5" in message and "wide.png is 10 x 40" in message and "data.size = [32, 32]" in message


@given(st.lists(st.integers(2, 40), min_size=1, max_size=5), st.randoms())
def test_the_draw_takes_a_fifth_of_each_class_and_leaves_something_to_learn(counts, random):
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    random.shuffle(labels)
    chosen = stratified_test_mask(np.array(labels))
    for label, count in enumerate(counts):
        tested = int(chosen[np.array(labels) == label].sum())
        assert tested == max(1, round(count / 5)) < count
    assert np.array_equal(chosen, stratified_test_mask(np.array(labels)))


def test_what_is_no_folder_of_classes_is_refused(tmp_path):
    assert "--data-dir" in refusal(None)
    assert "neither a folder of pictures nor an .npz file" in refusal(tmp_path / "absent")
    assert "is not there" in refusal(tmp_path / "absent.npz")
    assert "two at least, and has none" in refusal(tmp_path)
    pictures(tmp_path / "one", names=("cat",))
    assert "only 'cat'" in refusal(tmp_path / "one")
    pictures(tmp_path / "few", 1)
    assert "one picture: to learn a class and to test it takes two" in refusal(tmp_path / "few")
    pictures(tmp_path / "half" / "train")
    assert "has a folder train, but no folder test" in refusal(tmp_path / "half")
    pictures(tmp_path / "none")
    (tmp_path / "none" / "empty").mkdir()
    assert "empty has no picture: files that end in .png" in refusal(tmp_path / "none")
    pictures(tmp_path / "strange" / "train")
    pictures(tmp_path / "strange" / "test", names=("cat", "cow"))
    assert "has a class 'cow', which" in refusal(tmp_path / "strange", "test")
    (tmp_path / "void" / "test" / "cat").mkdir(parents=True)
    (tmp_path / "void" / "test" / "dog").mkdir(parents=True)
    pictures(tmp_path / "void" / "train")
    assert "has no picture" in refusal(tmp_path / "void", "test")


def test_damaged_and_huge_pictures_are_named(tmp_path, monkeypatch):
    pictures(tmp_path)
    for split in ("train", "test"):
        pictures(tmp_path / "own" / split)
    bad = tmp_path / "own" / "train" / "cat" / "03.png"
    bad.write_bytes(b"no picture")
    assert "03.png is no PNG" in refusal(tmp_path / "own")
    bad.write_bytes(draw(tmp_path / "good.png", 3, (300, 300)).read_bytes()[:-60])
    assert "03.png" in refusal(tmp_path / "own")
    draw(bad, 30, (300, 300))
    assert "has 1 … 65535 inputs" not in refusal(tmp_path / "own")
    for name in (tmp_path / "own" / "train").rglob("*.png"):
        draw(name, 30, (300, 300))
    assert "at most 65535 inputs" in refusal(tmp_path / "own")
    assert "150 x 150 pixels of 3 channels" in refusal(tmp_path / "own", size=(150, 150), channels=3)
    monkeypatch.setattr(folder, "MAX_BYTES", 100)
    assert "would take 320 bytes, more than 100" in refusal(tmp_path / "own", size=(4, 4))
    monkeypatch.setattr(folder, "MAX_FILE", 10)
    assert "more than the 10 bytes" in refusal(tmp_path / "own")


def test_the_folder_may_be_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("BSTDG_DATA", str(pictures(tmp_path)))
    assert len(load(None)) == 16


# --- arrays ----------------------------------------------------------------------------------------------------------


def test_arrays_are_split_as_pictures_are(tmp_path):
    content = some(20)
    place = npz(tmp_path / "mine.npz", **content)
    train, test = (load(place, split) for split in ("train", "test"))
    chosen = stratified_test_mask(content["labels"])
    assert np.array_equal(test.images, content["images"][chosen]) and np.array_equal(
        train.labels, content["labels"][~chosen]
    )
    assert train.classes == ("0", "1") and train.white == 255


def test_arrays_with_a_split_names_and_white(tmp_path):
    content = {f"{part}_{name}": values // 16 if name == "images" else values
               for part in ("train", "test") for name, values in some(6).items()}  # fmt: skip
    content["test_images"] = np.asfortranarray(content["test_images"])
    place = npz(tmp_path / "mine.npz", **content, classes=np.array(["no", "yes", "maybe"]), white=15)
    for part in ("train", "test"):
        found = load(place, part)
        assert np.array_equal(found.images, content[f"{part}_images"])
        assert (found.classes, found.white, found.split) == (("no", "yes", "maybe"), 15, part)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels": None}, "has no array labels; it should have images and labels, or train_images"),
        ({"images": None, "labels": None}, "has no array images; it should have"),
        ({"images": np.zeros((10, 3, 4))}, "images must be uint8"),
        ({"images": np.zeros((10, 12), np.uint8)}, "images must be uint8"),
        ({"images": np.zeros((10, 300, 300), np.uint8)}, "images are 300 x 300; a network has 1 … 65535"),
        ({"images": np.zeros((9, 3, 4), np.uint8)}, "labels must be 9 integers"),
        ({"labels": np.zeros(10)}, "labels must be 10 integers"),
        ({"labels": np.arange(10) - 1}, "labels must be 0, 1, 2 …, not -1 … 8"),
        ({"labels": np.arange(10)}, "class 0 has one sample"),
        ({"labels": np.arange(10) % 2 + 65_534}, "labels must be 0, 1, 2 …, not 65534 … 65535"),
        ({"images": np.zeros((0, 3, 4), np.uint8), "labels": np.zeros(0, int)}, "no samples"),
        ({"classes": np.array(["one"])}, "classes must be 2 texts"),
        ({"classes": np.array([1, 2])}, "classes must be 2 texts"),
        ({"white": 256}, "white must be an integer in 1 … 255"),
        ({"white": 0}, "white must be an integer in 1 … 255"),
        ({"white": 255.0}, "white must be an integer in 1 … 255"),
        ({"white": np.array([255])}, "white must be an integer in 1 … 255"),
        ({"images": np.zeros((10, 0, 4), np.uint8)}, "images are 0 x 4; a network has 1 … 65535"),
        ({"white": 9}, "above white = 9"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, change, says):
    content = {name: values for name, values in (some() | change).items() if values is not None}
    assert says in refusal(npz(tmp_path / "mine.npz", **content))


@pytest.mark.parametrize(
    ("change", "classes"),
    [
        ({"images": np.ones((10, 1, 1), np.uint8)}, 2),
        ({"images": np.ones((10, 1, 65_535), np.uint8)}, 2),
        ({"images": np.ones((10, 3, 4), np.uint8), "white": 1}, 2),
        ({"labels": np.zeros(10, int)}, 2),
        ({"labels": np.zeros(10, int), "classes": np.array(["only"])}, 1),
        ({"labels": np.repeat([0, 65_534], 5)}, 65_535),
        ({"classes": np.array(["no", "yes"])}, 2),
    ],
)
def test_arrays_that_just_fit(tmp_path, change, classes):
    content = some() | change
    found = load(npz(tmp_path / "mine.npz", **content))
    assert np.array_equal(found.images, content["images"][~stratified_test_mask(content["labels"])])
    assert len(found.classes) == classes


def maps(*shape):
    return np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("shape", "channels", "axis"),
    [
        ((10, 3, 8, 6), 0, 1),
        ((10, 2, 8, 6), 0, 1),
        ((10, 1, 8, 6), 0, 1),
        ((10, 3, 5, 3), 0, 1),
        ((10, 8, 6, 3), 0, 3),  # as most libraries for pictures have them
        ((10, 8, 6, 1), 0, 3),
        ((10, 3, 6, 2), 0, 1),
        ((10, 8, 6, 2), 2, 3),
        ((10, 8, 6, 2), 8, 1),
        ((10, 8, 6, 3), 8, 1),
        ((10, 8, 6, 4), 4, 3),
        ((10, 5, 4, 2), 0, 1),  # small either way: channels come first
    ],
)
def test_channels_of_arrays_come_first_unless_they_can_only_be_last(tmp_path, shape, channels, axis):
    images = maps(*shape)
    place = npz(tmp_path / "mine.npz", images=images, labels=np.arange(10) % 2)
    wanted = np.moveaxis(images, axis, 1)[stratified_test_mask(np.arange(10) % 2)]
    for asked in (channels, shape[axis]):
        found = load(place, "test", channels=asked)
        assert found.shape == wanted.shape[1:]
        assert np.array_equal(found.images.reshape(wanted.shape), wanted)
        assert found.images.flags.c_contiguous


def test_arrays_of_other_channels_than_were_asked_for_are_refused(tmp_path):
    place = npz(tmp_path / "mine.npz", images=maps(10, 8, 6, 2), labels=np.arange(10) % 2)
    assert "8 channels if these come first, 2 if they come last: say which with data.channels = 2" in refusal(place)
    for unclear in ((10, 8, 6, 4), (10, 5, 6, 2), (4, 8, 6, 2)):
        images = npz(tmp_path / "unclear.npz", images=maps(*unclear), labels=np.arange(unclear[0]) % 2)
        assert f"say which with data.channels = {unclear[3]}" in refusal(images)
    assert "[10, 8, 6, 2] have 8 channels, not 3; axes are [samples, channels, rows" in refusal(place, channels=3)
    assert "have 1 channel, not 3" in refusal(npz(tmp_path / "grey.npz", **some()), channels=3)
    assert len(load(tmp_path / "grey.npz", channels=1)) == 8
    assert "images are 2 x 8 x 6, not 4 x 4" in refusal(place, channels=2, size=(4, 4))
    place = npz(tmp_path / "large.npz", images=maps(4, 3, 150, 150), labels=np.arange(4) % 2)
    assert "images are 3 x 150 x 150; a network has 1 … 65535" in refusal(place)


def test_arrays_that_cannot_be_read_say_why(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(5, "Input/output error")

    place = npz(tmp_path / "mine.npz", **some())
    monkeypatch.setattr(zipfile, "ZipFile", broken)
    assert refusal(place) == f"cannot read {place}: Input/output error"


def test_arrays_are_not_resized(tmp_path):
    place = npz(tmp_path / "mine.npz", **some())
    assert "images are 3 x 4, not 8 x 9" in refusal(place, size=(8, 9))
    assert len(load(place, size=(3, 4))) == 8


def test_objects_and_lies_about_sizes_are_refused_before_memory_is_taken(tmp_path, monkeypatch):
    place = tmp_path / "mine.npz"
    np.savez(place, **some(), classes=np.array(["a", 1], object))
    assert "Python objects" in refusal(place, kind=FileFormatError)

    def member(header_shape, data, magic=b"\x93NUMPY\x01\x00"):
        text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {header_shape}, }}".ljust(117) + "\n"
        return magic + len(text).to_bytes(2, "little") + text.encode() + data

    labels = io.BytesIO()
    np.save(labels, np.arange(10) % 2)
    for content, says in (
        (member((10**6, 10**6, 10**6), b"\0" * 120), "should have 1,000,000,000,000,000,000 bytes by its header"),
        (member((10, 3, 4), b"\0" * 119), "should have 120 bytes by its header, and has 119"),
        (member((10, 3, 4), b"\0" * 120, b"\x93NUMPY\x09\x00"), "images is no array"),
        (b"what", "images is no array"),
        (b"\x93NUMPY\x01\x00\x0b\x00{'descr': (", "images is no array"),  # a header that ends in the middle
    ):
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr("images.npy", content)
            archive.writestr("labels.npy", labels.getvalue())
        assert says in refusal(place, kind=FileFormatError)
    place.write_bytes(b"no zip file")
    assert "no .npz file" in refusal(place, kind=FileFormatError)
    whole = npz(tmp_path / "whole.npz", **some()).read_bytes()
    place.write_bytes(whole[: len(whole) // 2])
    assert "no .npz file" in refusal(place, kind=FileFormatError)
    damaged = bytearray(whole)
    damaged[180] ^= 1
    place.write_bytes(bytes(damaged))
    assert "damaged" in refusal(place, kind=FileFormatError)
    monkeypatch.setattr(arrays, "MAX_MEMBER", 100)
    place.write_bytes(whole)
    assert "more than the 100 allowed" in refusal(place, kind=FileFormatError)


# --- the command line ------------------------------------------------------------------------------------------------


def test_from_pictures_to_a_verified_export(bstdg, tmp_path):
    """Two classes that a child tells apart: a bar on the left, a bar on the right."""
    random = np.random.default_rng(0)
    for label, name in enumerate(("left", "right")):
        for n in range(30):
            picture = random.integers(0, 60, (8, 8)).astype(np.uint8)
            picture[:, slice(0, 4) if label == 0 else slice(4, 8)] += 180
            path = tmp_path / "pictures" / name / f"{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
    place, recipe, run = tmp_path / "pictures", tmp_path / "mine.toml", tmp_path / "run"
    assert bstdg("new", recipe, "--data", "folder")[0] == 0
    few = ("--set", "epochs=8", "--set", "network.hidden=[32]")
    status, out, _ = bstdg("train", recipe, "--data-dir", place, "--out", run, *few, "--json")
    report = json.loads(out)
    assert status == 0 and report["test"]["accuracy"] == 1.0 and report["test"]["samples"] == 12
    model = run / "model.bstdg"
    status, out, _ = bstdg("eval", model, "--data-dir", place, "--json")
    assert json.loads(out)["accuracy"] == 1.0
    status, out, _ = bstdg("predict", model, place / "right" / "3.png", "--json")
    assert json.loads(out)["class"] == "right"
    assert bstdg("raster", model, "--data-dir", place, "--out", tmp_path / "one.svg")[0] == 0
    status, out, _ = bstdg("export", "c", model, "--out", tmp_path / "c", "--data-dir", place)
    assert status == 0
    manifest = json.loads((tmp_path / "c" / "manifest.json").read_text())
    assert "first test images of folder" in json.dumps(manifest)
    (place / "middle").mkdir()
    draw(place / "middle" / "1.png", 3, (8, 8))
    draw(place / "middle" / "2.png", 3, (8, 8))
    status, _, said = bstdg("eval", model, "--data-dir", place)
    assert status == 2 and "those of the model left, right" in said[0]
    status, _, said = bstdg("train", recipe, "--out", tmp_path / "other")
    assert status == 2 and len(said) == 1 and "--data-dir" in said[0]
