"""The test set is read last, so what is wrong with it is found out first, as far as that goes without reading it.

And whatever is found at the end, the network that was trained is there.
"""

from __future__ import annotations

import json
import shutil
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from bstdg import datasets
from bstdg.datasets import layout, pictures
from bstdg.errors import FileFormatError, InputError
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict
from bstdg.model import packed
from bstdg.training import train as module
from bstdg.training.train import train

SIZE = (6, 5)  # rows and columns


@pytest.fixture(autouse=True)
def no_data_named(monkeypatch):
    monkeypatch.delenv("BSTDG_DATA", raising=False)


def recipe(**data) -> Recipe:
    values = {"network": {"layers": [9]}, "rule": {"width": 5.0}, "train": {"epochs": 1, "batch": 8}}
    return from_dict(Recipe, {**values, "data": {"name": "folder", "validation": 0.3, **data}})


def draw(path, seed, size=SIZE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def place(tmp_path):
    """Pictures of two classes, with a test part of its own."""
    for part, count in (("train", 12), ("test", 4)):
        for label in ("cat", "dog"):
            for n in range(count):
                draw(tmp_path / "pictures" / part / label / f"{n:02}.png", n)
    return tmp_path / "pictures"


def no_training(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("training began")

    monkeypatch.setattr(module, "TrainingRun", refuse)


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])  # in the midst of its pixels


def text(path):
    path.write_text("no picture")


def empty(path):
    path.write_bytes(b"")


def wide(path):
    draw(path, 0, (5, 6))


def lying(path):
    """Tall enough, but meant to be shown turned."""
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 6
    draw(path, 0, SIZE, exif=exif)


def bomb(path):
    """Of more pixels than may be, by a header that is all there is of it."""
    data = bytearray(path.read_bytes())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (text, "is no PNG"),
        (empty, "is no PNG"),
        (wide, r"differ in size \(those to learn from are 6 x 5, .*03.png is 5 x 6\): .*data.size"),
        (lying, "differ in size"),
        (bomb, "more pixels than"),
    ],
)
def test_a_picture_whose_header_will_not_do_is_refused_before_training(place, tmp_path, monkeypatch, spoil, message):
    spoil(place / "test" / "dog" / "03.png")
    no_training(monkeypatch)
    with pytest.raises(InputError, match=message):
        train(recipe(), tmp_path / "run", data_dir=place)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("missing", ["test", "test/cat", "test/dog"])
def test_layout_is_looked_at_before_training(place, tmp_path, monkeypatch, missing):
    shutil.rmtree(place / missing)
    (place / "test" / "bird").mkdir(parents=True)
    draw(place / "test" / "bird" / "1.png", 1)
    draw(place / "test" / "owl" / "1.png", 1)
    no_training(monkeypatch)
    with pytest.raises(InputError, match="has a class 'bird'"):
        train(recipe(), tmp_path / "run", data_dir=place)


def test_no_pixel_of_the_test_part_is_read_before_the_end(place, tmp_path, monkeypatch):
    read, run, decode = [], module.TrainingRun, ImageFile.ImageFile.load

    def load(self):
        read.append(str(getattr(self.fp, "name", self.filename)))
        return decode(self)

    def start(*arguments, **options):
        assert read
        assert not [name for name in read if "/test/" in name]
        return run(*arguments, **options)

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    monkeypatch.setattr(module, "TrainingRun", start)
    train(recipe(), tmp_path / "run", data_dir=place)
    assert len({name for name in read if "/test/" in name}) == 8


def test_pictures_that_are_brought_to_a_size_may_differ(place, tmp_path):
    wide(place / "test" / "dog" / "03.png")
    assert train(recipe(size=[4, 4]), tmp_path / "run", data_dir=place)["test"]["samples"] == 8


def test_a_picture_that_lies_on_its_side_is_as_wide_as_it_is_shown(tmp_path):
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 8
    for name in ("one.png", "one.jpg"):
        draw(tmp_path / name, 0, exif=exif)
        assert pictures.size_of(tmp_path / name) == SIZE[::-1] == pictures.levels(tmp_path / name).shape
        draw(tmp_path / name, 0)
        assert pictures.size_of(tmp_path / name) == SIZE


def after_training(monkeypatch, do):
    """Something happens while the network is trained."""
    run = module._run

    def and_then(*arguments, **options):
        run(*arguments, **options)
        do()

    monkeypatch.setattr(module, "_run", and_then)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "pictures is neither a folder"),
        (lambda place: shutil.rmtree(place / "test"), "no folder test"),
        (lambda place: cut(place / "test" / "dog" / "02.png"), "02.png"),
        (lambda place: text(place / "test" / "dog" / "02.png"), "is no PNG"),
        (lambda place: [wide(path) for path in place.glob("test/*/*")], "network reads images of .*, but folder has"),
        (lambda place: [draw(path, 0, (3, 3)) for path in place.glob("test/*/*")], "network reads images of"),
    ],
)
def test_whatever_is_wrong_in_the_end_the_network_is_there(place, tmp_path, monkeypatch, spoil, message):
    kept, out = tmp_path / "kept", tmp_path / "a run"
    shutil.copytree(place, kept)
    with monkeypatch.context() as patch:
        after_training(patch, lambda: spoil(place))
        with pytest.raises(InputError, match=message) as caught:
            train(recipe(), out, data_dir=place)
    (note,) = caught.value.__notes__
    assert note == (
        f"the network is trained, and in {out / 'model.bstdg'}: when this is mended, repeat the command with "
        f"--out '{out}' --resume"
    )
    model = packed.load(out / "model.bstdg")
    assert model.trained["validation"]["samples"] == 7
    assert "test" not in model.trained
    assert not (out / "report.json").exists()
    # It is mended, and judged: what is then there is what would have been.
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(kept, place)
    report = train(recipe(), out, data_dir=place, resume=True)
    whole = train(recipe(), tmp_path / "whole", data_dir=place)
    assert report["test"] == whole["test"]
    assert packed.load(out / "model.bstdg").trained["test"] == report["test"]
    assert json.loads((out / "report.json").read_text()) == report
    assert (out / "model.bstdg").read_bytes() == (tmp_path / "whole" / "model.bstdg").read_bytes()


def test_the_command_says_it_in_one_line(place, tmp_path, monkeypatch, bstdg):
    after_training(monkeypatch, lambda: cut(place / "test" / "cat" / "01.png"))
    values = ["--set", "layers=[9]", "--set", "epochs=1", "--set", "data.name=folder", "--set", "validation=0.3"]
    status, _, said = bstdg("train", "digits", *values, "--data-dir", place, "--out", tmp_path / "run")
    assert status == 2
    assert "01.png" in said[-1]
    assert f"--out {tmp_path / 'run'} --resume" in said[-1]
    status, out, _ = bstdg("info", tmp_path / "run" / "model.bstdg")
    assert status == 0
    assert "validation part" in out


def test_data_of_ones_own_that_fail_in_the_end_leave_the_network(tmp_path):
    def load(name, split):
        if split == "test":
            raise OSError(5, "Input/output error", "/mnt/test")
        return datasets.load("digits", "train")

    with pytest.raises(OSError, match="Input/output") as caught:
        train(recipe(name="mine"), tmp_path, load=load)
    assert caught.value.errno == 5
    assert "--resume" in caught.value.__notes__[0]
    assert packed.load(tmp_path / "model.bstdg").trained["data"] == "mine"


def arrays(path, **changes):
    rng = np.random.default_rng(0)
    content = {}
    for part, count in (("train", 30), ("test", 8)):
        content[f"{part}_images"] = rng.integers(0, 256, (count, *SIZE)).astype(np.uint8)
        content[f"{part}_labels"] = np.arange(count) % 2
    np.savez(path, **{**content, **changes})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"test_images": np.zeros((8, 5, 6), np.uint8)},
            "are uint8 of 5 x 6, those to learn from uint8 of 6 x 5",
        ),
        ({"test_images": np.zeros((8, *SIZE))}, "test_images are float64"),
        ({"test_images": np.zeros(8, np.uint8)}, "test_images are uint8"),
        ({"test_images": np.zeros((9, *SIZE), np.uint8)}, "test_labels must be 9 integers"),
        ({"test_images": np.zeros((0, *SIZE), np.uint8), "test_labels": np.zeros(0, int)}, "must be 0 integers"),
    ],
)
def test_arrays_are_looked_at_before_training(tmp_path, monkeypatch, changes, message):
    path = arrays(tmp_path / "mine.npz", **changes)
    no_training(monkeypatch)
    with pytest.raises(InputError, match=message):
        train(recipe(), tmp_path / "run", data_dir=path)


@pytest.mark.parametrize("shape", [SIZE, (1, *SIZE), (*SIZE, 1)])
def test_arrays_that_fit_are_learnt_from(tmp_path, shape):
    path = arrays(tmp_path / "mine.npz", test_images=np.zeros((8, *shape), np.uint8))
    assert train(recipe(), tmp_path / "run", data_dir=path)["test"]["samples"] == 8


def test_a_damaged_array_of_the_test_part_is_refused_before_training(tmp_path, monkeypatch):
    path = arrays(tmp_path / "mine.npz")
    data = path.read_bytes()
    at = data.index(b"test_images.npy") + len(b"test_images.npy")
    path.write_bytes(data.replace(data[at : at + 80], b"\0" * 80, 1))
    no_training(monkeypatch)
    with pytest.raises(FileFormatError, match=r"mine\.npz"):
        train(recipe(), tmp_path / "run", data_dir=path)


def idx(path, shape, ndim):
    path.write_bytes(bytes([0, 0, 8, ndim]) + b"".join(n.to_bytes(4, "big") for n in shape) + bytes(np.prod(shape)))


@pytest.mark.parametrize(
    ("shape", "count", "message"),
    [((4, 28, 27), 4, "28 x 27"), ((4, 28, 28), 3, "4 images, but .* 3 labels"), (None, 4, "lacks t10k-images")],
)
def test_the_files_of_mnist_are_looked_at_before_training(tmp_path, monkeypatch, shape, count, message):
    for part, number in (("train", 40), ("t10k", 4)):
        idx(tmp_path / f"{part}-images-idx3-ubyte", (number, 28, 28), 3)
        idx(tmp_path / f"{part}-labels-idx1-ubyte", (number,), 1)
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    if shape is not None:
        idx(tmp_path / "t10k-images-idx3-ubyte", shape, 3)
    idx(tmp_path / "t10k-labels-idx1-ubyte", (count,), 1)
    no_training(monkeypatch)
    with pytest.raises((InputError, FileFormatError), match=message):
        train(recipe(name="mnist"), tmp_path / "run", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "lacks hds_test.h5"), (b"no recordings", "no HDF5 file"), (b"", "no HDF5 file"), (b"\x89HDF\n", "no HDF5")],
)
def test_the_file_of_recordings_is_looked_at(tmp_path, content, message):
    training = datasets.EventDataset(
        "hd-spikes", "train", np.array([0, 1]), np.array([0], np.uint16), np.array([0.5], np.float32),
        np.array([0]), None, ("a",), 700,
    )  # fmt: skip
    (tmp_path / "hds_train.h5").write_bytes(b"")
    if content is not None:
        (tmp_path / "hds_test.h5").write_bytes(content)
    with pytest.raises((InputError, FileFormatError), match=message):
        datasets.look(training, "test", tmp_path)
    for start in (b"\x89HDF\r\n\x1a\n", b"\x1f\x8b"):
        (tmp_path / "hds_test.h5").write_bytes(start)
        datasets.look(training, "test", tmp_path)


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), text, empty])
def test_every_picture_of_a_drawn_test_part_is_looked_at(tmp_path, monkeypatch, spoil):
    """Where nobody split them, a fifth of each class is the test part."""
    for label in ("cat", "dog"):
        for n in range(10):
            draw(tmp_path / "mine" / label / f"{n}.png", n)
    files = layout.of_split(tmp_path / "mine", "test").files
    if spoil in (text, empty):
        spoil(files[0])
        no_training(monkeypatch)
        with pytest.raises(InputError, match=files[0].name):
            train(recipe(), tmp_path / "run", data_dir=tmp_path / "mine")
    else:
        after_training(monkeypatch, lambda: [spoil(path) for path in (tmp_path / "mine" / "cat").iterdir()])
        with pytest.raises(InputError) as caught:
            train(recipe(), tmp_path / "run", data_dir=tmp_path / "mine")
        assert caught.value.__notes__
