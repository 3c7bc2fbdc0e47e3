"""Pictures and arrays of one's own are read whole, split the same way each time, or refused in one line."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bstdg import datasets
from bstdg.datasets import arrays, folder
from bstdg.datasets.base import stratified_test_mask
from bstdg.datasets.pieces import pictures as stored
from bstdg.errors import BstdgWarning, FileFormatError, InputError


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


def test_hidden_files_and_what_systems_leave_are_passed_over_without_a_word(tmp_path):
    pictures(tmp_path)
    (tmp_path / "readme.txt").write_text("hello")
    for name in (".hidden.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / "cat" / name).write_text("no picture")
    (tmp_path / ".git").mkdir()
    assert len(load(tmp_path)) == 16


def test_every_kind_that_pillow_reads_well_is_read(tmp_path):
    kinds = ["png", "jpg", "jpeg", "jfif", "webp", "bmp", "dib", "gif", "tif", "tiff", "ppm", "pgm", "GIF", "WebP"]
    for name, shade in (("cat", 40), ("dog", 200)):
        for kind in kinds:
            draw(tmp_path / name / f"a.{kind}", shade)
        (tmp_path / name / "a.apng").write_bytes((tmp_path / name / "a.png").read_bytes())
    parts = [load(tmp_path, split) for split in ("train", "test")]
    assert sum(map(len, parts)) == 2 * len(kinds) + 2
    for part in parts:
        assert np.abs(part.images.mean((1, 2)) - np.where(part.labels, 200, 40)).max() <= 3


def said(place, split="train") -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(place, split)
    assert all(issubclass(one.category, BstdgWarning) for one in caught)
    return [str(one.message) for one in caught]


def test_what_is_passed_over_is_said_once_with_counts(tmp_path):
    pictures(tmp_path)
    for n in range(3):
        (tmp_path / "cat" / f"{n}.heic").write_text("a picture of a kind that is not read")
    for name in ("cat/notes.txt", "dog/x.svg", "dog/y.SVG", "dog/raw"):
        (tmp_path / name).write_text("hello")
    draw(tmp_path / "cat" / "more" / "a.png", 3)
    draw(tmp_path / "loose.png", 3)
    (words,) = said(tmp_path)
    assert words == (
        f"{tmp_path}: passed over 7 files of other kinds (3 .heic, 2 .svg, 1 .txt, 1 without ending); "
        f"1 folder within classes ({Path('cat', 'more')}); 1 picture in no folder of a class"
    )
    assert said(tmp_path, "test") == said(tmp_path) == []


def test_a_folder_beside_a_split_of_ones_own_is_said(tmp_path):
    for part in ("train", "test", "val"):
        pictures(tmp_path / part, 3)
    (tmp_path / "test" / "cat" / "a.xcf").write_text("layers")
    (words,) = said(tmp_path)
    assert words == (f"{tmp_path}: passed over 1 file of other kinds (1 .xcf); 1 folder beside train and test (val)")
    assert said(tmp_path, "test") == []


def test_classes_may_be_named_like_parts_of_a_split(tmp_path):
    for names in (("bus", "train"), ("bus", "test"), ("test", "train"), ("bus", "test", "train")):
        place = tmp_path / "-".join(names)
        pictures(place, names=names)
        found = [load(place, split) for split in ("train", "test")]
        assert found[0].classes == found[1].classes == names
        assert [len(part) for part in found] == [8 * len(names), 2 * len(names)]
        assert folder.locate(place) == place
    both = tmp_path / "both"
    for part in ("train", "test"):
        pictures(both / part, 5, ("bus", "train"))
    assert [len(load(both, split)) for split in ("train", "test")] == [10, 10]
    assert load(both).classes == ("bus", "train")


def test_half_a_split_is_told_from_a_class(tmp_path):
    pictures(tmp_path / "train")
    draw(tmp_path / "test" / "a.png", 3)  # as where labels of the test part are kept back
    message = refusal(tmp_path)
    assert "has a folder train, but no folder test of classes" in message
    assert "test has pictures of no class" in message
    draw(tmp_path / "test" / "cat" / "a.png", 3)
    (words,) = said(tmp_path)
    assert "1 picture in no folder of a class" in words


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
    monkeypatch.setattr(stored, "MAX_FILE", 10)
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
    ("classes", "says"),
    [
        (["a", "b", "a"], "two classes are named 'a'"),
        (["a", "b", "b"], "two classes are named 'b'"),
        (["a", "b\udce9"], "classes must be texts of Unicode"),
        (np.array([97, 0x110000], "<u4").view("<U1"), "classes must be texts of Unicode"),
        ([""] * 70_000, "70000 classes, more than a network has outputs"),
    ],
)
def test_class_names_of_arrays_tell_classes_apart(tmp_path, classes, says):
    place = npz(tmp_path / "mine.npz", **some(), classes=np.array(classes))
    for split in ("train", "test"):
        message = refusal(place, split)
        assert says in message
        message.encode()


def test_an_archive_unfolds_to_no_more_than_its_bytes_allow(tmp_path):
    place = tmp_path / "mine.npz"
    np.savez_compressed(place, images=np.zeros((200, 700, 700), np.uint8), labels=np.arange(200) % 2)
    assert place.stat().st_size < 200_000
    assert "its arrays have 98,001," in refusal(place, kind=FileFormatError)
    np.savez_compressed(place, **some(), more=np.zeros(100_000_000, np.uint8))  # what is not asked for counts, too
    assert "bytes, more than the" in refusal(place, kind=FileFormatError)
    with zipfile.ZipFile(place, "w") as archive:
        for n in range(1001):
            archive.writestr(f"{n}.npy", b"")
    assert "1,001 arrays, more than the 1000" in refusal(place, kind=FileFormatError)
    with zipfile.ZipFile(place, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for _ in range(2):
            archive.writestr("images.npy", b"")
    assert "two arrays of one name" in refusal(place, kind=FileFormatError)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_no_byte_of_an_archive_that_is_changed_brings_another_error(tmp_path, save):
    place = tmp_path / "mine.npz"
    save(place, **some(), classes=np.array(["a", "b"]), white=255)
    whole = place.read_bytes()
    for at in range(len(whole)):
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            load(place)
        except (InputError, FileFormatError) as error:
            assert str(place) in str(error) or "folder (train)" in str(error)
            assert "\n" not in str(error)


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


def of_parts(tmp_path, count=4, shape=(3, 4), test=(3, 4), labels=None, dtype=np.uint8):
    """An archive with a split of its own, whose test part may be another; and what was learnt from it."""
    place = npz(
        tmp_path / "parts.npz",
        train_images=np.ones((count, *shape), np.uint8),
        train_labels=np.arange(count) % 2,
        test_images=np.ones((count, *test), dtype),
        test_labels=np.arange(count) % 2 if labels is None else labels,
    )
    return place, load(place)


@pytest.mark.parametrize(
    ("shape", "test"),
    [((3, 4), (3, 4)), ((3, 4), (1, 3, 4)), ((3, 4), (3, 4, 1)), ((3, 8, 9), (3, 8, 9)), ((3, 8, 9), (8, 9, 3))],
)
def test_a_part_of_arrays_that_fits_is_seen_to(tmp_path, shape, test):
    place, learnt = of_parts(tmp_path, shape=shape, test=test)
    arrays.look(place, learnt, "test")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"test": (4, 3)}, "test_images are uint8 of 4 x 3, those to learn from uint8 of 3 x 4"),
        ({"dtype": np.float32}, "test_images are float32 of 3 x 4"),
        (
            {"shape": (3, 8, 9), "test": (8, 9)},
            "are uint8 of 8 x 9, those to learn from uint8 of 3 x 8 x 9",
        ),
        ({"labels": np.arange(4.0)}, r"test_labels must be 4 integers, one an image, not float64 \[4\]"),
        ({"labels": np.arange(3)}, r"test_labels must be 4 integers, one an image, not int64 \[3\]"),
    ],
)
def test_a_part_of_arrays_that_does_not_fit_is_refused_by_its_headers(tmp_path, monkeypatch, change, says):
    place, learnt = of_parts(tmp_path, **change)
    monkeypatch.setattr(arrays, "_content", None)  # nothing beyond headers is read
    with pytest.raises(InputError, match=says):
        arrays.look(place, learnt, "test")


def test_a_part_of_arrays_without_samples_is_refused(tmp_path):
    place, learnt = of_parts(tmp_path)
    none = {"test_images": np.zeros((0, 3, 4), np.uint8), "test_labels": np.zeros(0, int)}
    with pytest.raises(InputError, match="test_labels must be 0 integers"):
        arrays.look(npz(place, **{**np.load(place), **none}), learnt, "test")


def test_a_part_of_arrays_that_is_drawn_needs_no_look(tmp_path):
    place = npz(tmp_path / "mine.npz", **some())
    arrays.look(place, load(place), "test")


def test_limits_of_arrays_are_what_may_just_be(tmp_path, monkeypatch):
    place = npz(tmp_path / "mine.npz", **some())
    with zipfile.ZipFile(place) as archive:
        sizes = [info.file_size for info in archive.infolist()]
    limits = {"MAX_MEMBERS": len(sizes), "MAX_MEMBER": max(sizes)}
    for name, most in limits.items():
        monkeypatch.setattr(arrays, name, most)
        assert len(load(place)) == 8
        monkeypatch.setattr(arrays, name, most - 1)
        assert "more than the" in refusal(place, kind=FileFormatError)
        monkeypatch.setattr(arrays, name, most)
    monkeypatch.setattr(arrays, "unpacked", lambda packed, most: sum(sizes))
    assert len(load(place)) == 8
    monkeypatch.setattr(arrays, "unpacked", lambda packed, most: sum(sizes) - 1)
    assert "its arrays have" in refusal(place, kind=FileFormatError)


def test_an_archive_may_have_four_arrays_of_the_greatest_size(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(arrays, "unpacked", lambda packed, most: asked.append(most) or most)
    load(npz(tmp_path / "mine.npz", **some()))
    assert asked == [4 * arrays.MAX_MEMBER]


@pytest.mark.parametrize("name", ["\ud7ff", "\ue000", "\U0010ffff", "caf\u00e9"])
def test_names_of_arrays_may_be_any_text(tmp_path, name):
    assert load(npz(tmp_path / "mine.npz", **some(), classes=np.array(["a", name]))).classes == ("a", name)


@pytest.mark.parametrize("name", ["\ud800", "\udfff", "half \udbff"])
def test_names_of_arrays_that_are_no_text_are_refused(tmp_path, name):
    assert "texts of Unicode" in refusal(npz(tmp_path / "mine.npz", **some(), classes=np.array(["a", name])))


def test_arrays_may_have_as_many_classes_as_a_network_has_outputs(tmp_path):
    names = np.char.mod("%d", np.arange(65_536))
    assert len(load(npz(tmp_path / "most.npz", **some(), classes=names[:-1])).classes) == 65_535
    assert "65536 classes, more than a network has outputs (65535)" in refusal(
        npz(tmp_path / "more.npz", **some(), classes=names)
    )


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
    assert "no .npz file, or a damaged one: File is not a zip file" in refusal(place, kind=FileFormatError)
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
