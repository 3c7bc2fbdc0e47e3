"""Data sets: what is loaded is what the files say, and files that say something else are refused by name."""

from __future__ import annotations

import gzip
import hashlib
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from support import needs

from bstdg import datasets
from bstdg.datasets import Dataset
from bstdg.datasets.idx import read_idx
from bstdg.datasets.mnist import COLLECTIONS
from bstdg.errors import FileFormatError, InputError

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("BSTDG_DATA", raising=False)


def idx(array, *, magic=None, shape=None):
    shape = array.shape if shape is None else shape
    magic = bytes([0, 0, 8, len(shape)]) if magic is None else magic
    return magic + struct.pack(f">{len(shape)}I", *shape) + np.asarray(array, np.uint8).tobytes()


def some_images(count=5, height=28, width=28):
    return np.random.default_rng(count).integers(0, 256, (count, height, width), dtype=np.uint8)


def put(folder, split="train", images=None, labels=None, *, packed=True):
    """Write a tiny MNIST-like split; returns what it holds."""
    images = some_images() if images is None else images
    labels = np.arange(len(images), dtype=np.uint8) % 10 if labels is None else np.asarray(labels, np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(FILES[split], (images, labels), strict=True):
        content = idx(array)
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
    return images, labels


def refusal(kind, *args, **kwargs):
    """The message of the error that loading raises: one line."""
    with pytest.raises(kind) as caught:
        datasets.load(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the dataclass ---


def make(**changes):
    fields = {
        "name": "toy",
        "split": "train",
        "images": np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4),
        "labels": np.array([0, 1]),
        "white": 255,
        "classes": ("a", "b"),
    }
    return Dataset(**(fields | changes))


def test_a_data_set_knows_its_size():
    assert len(make()) == 2
    assert make().shape == (1, 3, 4)
    assert "2 images 3x4" in repr(make())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": np.zeros((0, 3, 4), np.uint8), "labels": np.zeros(0, np.int64)}, "empty"),
        ({"images": np.zeros((2, 0, 4), np.uint8)}, "empty"),
        (
            {"images": np.zeros((2, 3, 4))},
            r"images must be uint8 \[N, rows, columns\] or \[N, channels, rows, columns\], not float64 of shape",
        ),
        ({"images": np.zeros((2, 12), np.uint8)}, r"not uint8 of shape \(2, 12\)"),
        ({"images": np.zeros((2, 1, 3, 3, 4), np.uint8)}, r"not uint8 of shape \(2, 1, 3, 3, 4\)"),
        ({"images": np.zeros((2, 3, 0, 4), np.uint8)}, "empty"),
        ({"images": [[[0]]]}, "not list"),
        ({"labels": np.zeros(2, np.uint8)}, r"labels must be int64 \[N\], not uint8"),
        ({"labels": np.zeros((2, 1), np.int64)}, r"not int64 of shape \(2, 1\)"),
        ({"labels": np.array([0, 1, 1])}, "2 images but 3 labels"),
        ({"labels": np.array([0, 2])}, "labels are 0 … 2, expected 0 … 1"),
        ({"labels": np.array([-1, 1])}, "labels are -1 … 1"),
        ({"white": 22}, "a pixel is 23, above white = 22"),
        ({"white": 0}, "white must be in 1 … 32767"),
        ({"white": 32768}, "white must be in 1 … 32767"),
        ({"white": 256}, r"images must be int16 \[N, rows"),
        ({"images": np.full((2, 3, 4), 300, np.int16)}, "images must be uint8"),
        ({"images": np.full((2, 3, 4), -1, np.int16), "white": 300}, "a pixel is -1, below 0"),
        ({"patients": np.array([1, 2, 3])}, "2 labels but 3 patients"),
        ({"patients": np.array([1, 2], np.uint8)}, r"patients must be int64 \[N\], not uint8"),
        ({"classes": ()}, "no classes"),
        ({"classes": ("a", "b", "a")}, "two classes are named 'a'"),
    ],
)
def test_a_data_set_that_does_not_fit_together_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        make(**changes)


@pytest.mark.parametrize(
    ("images", "shape", "kept", "said"),
    [
        ((2, 3, 4), (1, 3, 4), (3, 4), "2 images 3x4"),
        ((2, 1, 3, 4), (1, 3, 4), (3, 4), "2 images 3x4"),  # one way to write grey
        ((2, 3, 3, 4), (3, 3, 4), (3, 3, 4), "2 images 3x3x4"),
        ((2, 2, 5, 4), (2, 5, 4), (2, 5, 4), "2 images 2x5x4"),
    ],
)
def test_a_shape_has_channels_rows_and_columns(images, shape, kept, said):
    pixels = np.arange(np.prod(images), dtype=np.uint8).reshape(images)
    data = make(images=pixels)
    assert (data.shape, data.images.shape[1:]) == (shape, kept)
    assert said in repr(data)
    assert np.array_equal(data.images.ravel(), pixels.ravel())
    assert data.subset([1]).shape == shape
    assert np.array_equal(data.subset([1]).images[0].ravel(), pixels[1].ravel())


def test_the_limits_themselves_are_allowed():
    assert make(white=23).white == 23
    assert make(labels=np.array([1, 1])).labels.tolist() == [1, 1]


@pytest.mark.parametrize("index", [[1, 0], np.array([1, 0], np.uint8), slice(None, None, -1)])
def test_subset_keeps_images_with_their_labels(index):
    subset = make().subset(index)
    assert subset.labels.tolist() == [1, 0]
    assert np.array_equal(subset.images, make().images[::-1])
    assert (subset.name, subset.white, subset.classes) == ("toy", 255, ("a", "b"))


def test_subset_takes_a_mask():
    assert make().subset([False, True]).labels.tolist() == [1]


@pytest.mark.parametrize("index", [[], [0.0], [[0]], 0, None, "0"])
def test_subset_refuses_what_is_no_index(index):
    with pytest.raises(InputError, match=r"toy \(train\): a subset needs a slice, or"):
        make().subset(index)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ([2], "has 2 images: .*out of bounds"),
        ([-3], "has 2 images: .*out of bounds"),
        ([True], "has 2 images: "),
        (slice(2, None), "empty"),
        ([False, False], "empty"),
    ],
)
def test_subset_refuses_what_selects_nothing_or_too_much(index, said):
    with pytest.raises(InputError, match=said):
        make().subset(index)


# --- the table ---


def test_names_and_unknown_names():
    assert datasets.names()[:3] == ("digits", "mnist", "fashion-mnist")
    assert {"caltech-face-motorbike", "shd", "hd-spikes"} < set(datasets.names())
    said = refusal(InputError, "MNITS", "train")
    assert "did you mean 'mnist'" in said
    assert "digits, mnist, fashion-mnist" in said
    assert "did you mean" not in refusal(InputError, "zzz", "train")
    assert "split must be 'train' or 'test', not 'valid'" in refusal(InputError, "mnist", "valid")


def test_importing_is_light():
    heavy = "{'torch', 'sklearn', 'rich', 'scipy', 'matplotlib'}"
    code = f"import bstdg.datasets, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- digits ---


def test_digits_are_split_once_and_for_all():
    from sklearn.datasets import load_digits

    train, test = datasets.load("digits", "train"), datasets.load("digits", "test")
    assert (len(train), len(test)) == (1437, 360)
    assert train.white == test.white == train.images.max() == 16
    assert train.classes == tuple("0123456789")
    # The union is the whole of scikit-learn's set, each image once with its own label.
    everything = load_digits()
    whole = [
        (image.tobytes(), label) for image, label in zip(everything.images.astype("u1"), everything.target, strict=True)
    ]
    parts = [
        (image.tobytes(), label)
        for part in (train, test)
        for image, label in zip(part.images, part.labels, strict=True)
    ]
    assert sorted(parts) == sorted(whole)
    assert len(set(parts)) == 1797  # no two digits are alike, so train and test are disjoint
    share = np.bincount(test.labels) / np.bincount(everything.target)
    assert np.all(np.abs(share - 0.2) < 0.01)


def test_the_digits_split_does_not_depend_on_anything():
    np.random.seed(1)
    first = datasets.load("digits", "test")
    np.random.seed(2)
    second = datasets.load("digits", "test", data_dir="no/such/folder")
    assert np.array_equal(first.images, second.images)
    # Published numbers rest on this very split: a change of scikit-learn's would show here.
    digest = hashlib.sha256(first.images.tobytes() + first.labels.astype("u1").tobytes()).hexdigest()
    assert digest == "33668cfbe0367fcadef980065a5d0b70af462f9ef710a6ddb7d6d9dd97300a1f"


# --- the IDX reader ---


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("shape", [(7,), (2, 3, 4), (1, 1, 1), (3, 700, 1000)])
def test_idx_gives_back_what_was_written(tmp_path, pack, shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "any name"
    path.write_bytes(pack(idx(array)))
    read = read_idx(path, ndim=len(shape))
    assert read.dtype == np.uint8
    assert np.array_equal(read, array)
    assert read.flags.writeable  # torch warns otherwise


def refused_idx(tmp_path, content, ndim=3, **kwargs):
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as caught:
        read_idx(path, ndim=ndim, **kwargs)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def test_idx_cut_anywhere_is_refused(tmp_path):
    whole = idx(some_images(2, 3, 4))
    for end in range(len(whole)):
        said = refused_idx(tmp_path, whole[:end])
        assert "truncated" in said
        what = {4: f"{end} bytes, too short", 16: f"the header breaks off after {end} bytes"}
        left = next((words for limit, words in what.items() if end < limit), f"{end - 16} of 24 bytes of data")
        assert left in said


def test_packed_idx_cut_anywhere_is_refused(tmp_path):
    whole = gzip.compress(idx(some_images(2, 3, 4)))
    for end in range(len(whole)):  # also within the check sum and the length at its end
        assert "truncated" in refused_idx(tmp_path, whole[:end])


def test_a_bit_flipped_in_packed_idx_never_changes_what_is_read(tmp_path):
    array = some_images(2, 3, 4)
    whole = bytearray(gzip.compress(idx(array), mtime=0))
    path = tmp_path / "file.gz"
    refused = 0
    for position in range(8 * len(whole)):
        whole[position // 8] ^= 1 << position % 8
        path.write_bytes(whole)
        try:
            assert np.array_equal(read_idx(path, ndim=3), array)
        except FileFormatError:
            refused += 1
        whole[position // 8] ^= 1 << position % 8
    # Nobody checks the time and system in the gzip header, nor the bits that fill up the last byte of data.
    assert refused > 8 * (len(whole) - 10) - 8


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_with_bytes_after_its_end_is_refused(tmp_path, pack):
    assert "bytes follow" in refused_idx(tmp_path, pack(idx(some_images(2, 3, 4)) + b"\0"))


def test_garbage_after_packed_data_is_refused(tmp_path):
    assert "gzip" in refused_idx(tmp_path, gzip.compress(idx(some_images(2, 3, 4))) + b"garbage")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (idx(some_images(), magic=b"\0\0\x0d\x03"), "not an IDX file of unsigned bytes"),  # float32
        (idx(some_images(), magic=b"\x01\0\x08\x03"), "starts with 01 00 08 03"),
        (b"<!DOCTYPE html><html>", "not an IDX file"),
        (idx(np.zeros(5)), "1 dimension"),
        (idx(np.zeros((0, 28, 28))), "empty"),
        (idx(np.zeros(0), shape=(2**32 - 1, 2**32 - 1, 0)), "empty"),
    ],
)
def test_idx_of_another_kind_is_refused(tmp_path, content, said):
    assert said in refused_idx(tmp_path, content)
    assert said in refused_idx(tmp_path, gzip.compress(content))


def peak_of(action):
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("shape", [(2**32 - 1,) * 3, (300_000, 28, 28)])  # above and below the limit
def test_a_huge_header_takes_no_memory(tmp_path, pack, shape):
    content = pack(idx(np.zeros(100), shape=shape))
    assert peak_of(lambda: refused_idx(tmp_path, content)) < 4 << 20


def test_the_size_limit_is_exact(tmp_path):
    content = idx(np.zeros((2, 3, 4)))
    assert "announces 2 x 3 x 4 bytes, more than the 23 allowed" in refused_idx(tmp_path, content, max_bytes=23)
    assert read_idx(tmp_path / "file.gz", ndim=3, max_bytes=24).shape == (2, 3, 4)


def test_a_decompression_bomb_is_not_unpacked(tmp_path):
    bomb = gzip.compress(idx(np.zeros((2, 3, 4))) + bytes(64 << 20), compresslevel=1)
    assert peak_of(lambda: refused_idx(tmp_path, bomb)) < 8 << 20


def test_a_packed_file_unfolds_to_no_more_than_its_bytes_allow(tmp_path):
    bomb = gzip.compress(idx(np.zeros((100_000, 28, 28))))
    assert len(bomb) < 100_000
    assert "announces 100000 x 28 x 28 bytes, more than the " in refused_idx(tmp_path, bomb)


def test_a_file_that_cannot_be_read_is_the_callers_matter(tmp_path):
    for place, why in ((tmp_path / "missing", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError) as caught:
            read_idx(place, ndim=3)
        assert str(caught.value) == f"cannot read {place}: {why}"


# --- MNIST and Fashion-MNIST, from folders ---


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("subfolder", [True, False])
def test_load_from_a_folder(tmp_path, monkeypatch, name, packed, subfolder):
    images, labels = put(tmp_path / name if subfolder else tmp_path, packed=packed)
    by_argument = datasets.load(name, "train", tmp_path)
    monkeypatch.setenv("BSTDG_DATA", str(tmp_path))
    for data in (by_argument, datasets.load(name, "train")):
        assert np.array_equal(data.images, images)
        assert np.array_equal(data.labels, labels)
        assert data.labels.dtype == np.int64
        assert (data.name, data.split, data.white, len(data.classes)) == (name, "train", 255, 10)


def test_the_argument_goes_before_the_variable_and_the_subfolder_before_the_folder(tmp_path, monkeypatch):
    inner, _ = put(tmp_path / "a" / "mnist", images=some_images(3))
    put(tmp_path / "a", images=some_images(4))
    put(tmp_path / "b", images=some_images(5))
    monkeypatch.setenv("BSTDG_DATA", str(tmp_path / "b"))
    assert np.array_equal(datasets.load("mnist", "train", tmp_path / "a").images, inner)


def test_names_with_a_dot_are_found(tmp_path):
    images, _ = put(tmp_path, packed=False)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    assert np.array_equal(datasets.load("mnist", "train", tmp_path).images, images)


def test_train_never_touches_the_test_files_nor_the_other_way_round(tmp_path):
    for good, bad in (("train", "test"), ("test", "train")):
        folder = tmp_path / good
        images, _ = put(folder, good)
        for file in FILES[bad]:
            (folder / file).write_bytes(b"not to be read")
        assert np.array_equal(datasets.load("mnist", good, folder).images, images)
        assert "not an IDX file" in refusal(FileFormatError, "mnist", bad, folder)


def test_missing_files_are_named_with_remedies(tmp_path, monkeypatch):
    put(tmp_path / "mnist")
    (tmp_path / "mnist" / "train-labels-idx1-ubyte.gz").unlink()
    said = refusal(InputError, "mnist", "train", tmp_path)
    assert f"{tmp_path / 'mnist'} lacks train-labels-idx1-ubyte.gz " in said
    assert "train-images" not in said
    assert "--data-dir" in said
    assert "BSTDG_DATA" in said
    monkeypatch.setenv("BSTDG_DATA", str(tmp_path))
    said = refusal(InputError, "fashion-mnist", "test")
    assert "t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz" in said
    assert "(BSTDG_DATA)" in said
    monkeypatch.setenv("BSTDG_DATA", str(tmp_path / "nowhere"))
    assert f"BSTDG_DATA names {tmp_path / 'nowhere'}" in refusal(InputError, "mnist", "test")


def test_images_and_labels_are_not_taken_from_two_folders(tmp_path):
    put(tmp_path / "mnist")
    (tmp_path / "mnist" / "train-labels-idx1-ubyte.gz").rename(tmp_path / "train-labels-idx1-ubyte.gz")
    refusal(InputError, "mnist", "train", tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (some_images(5), [0, 1, 2, 3], "has 5 images, but"),
        (some_images(2), [0, 10], "a label is 10, expected 0 … 9"),
        (some_images(2, 28, 27), [0, 1], "images are 28 x 27, expected 28 x 28"),
        (some_images(0), [], "empty"),
        (some_images(3)[:, 0, 0], [0, 1, 2], "1 dimension(s), expected 3"),
        (some_images(2), some_images(2), "3 dimension(s), expected 1"),
    ],
)
def test_files_that_are_not_mnist_are_refused(tmp_path, images, labels, said):
    put(tmp_path, images=images, labels=labels)
    message = refusal(FileFormatError, "mnist", "train", tmp_path)
    assert said in message
    assert str(tmp_path) in message


def test_which_data_sets_are_recordings_of_events():
    assert {name for name in datasets.names() if datasets.are_events(name)} == {"shd", "hd-spikes", "nmnist"}
    assert not datasets.are_events("nothing")


# --- the real files ---

REAL = [pytest.param(name, marks=needs.data(name)) for name in ("mnist", "fashion-mnist")]


@pytest.mark.parametrize("name", REAL)
def test_the_table_is_that_of_the_real_files(name):
    for files in COLLECTIONS[name].splits.values():
        for file in (files.images, files.labels):
            content = (Path(str(needs.DATA)) / name / file.name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file.sha256
            assert len(content) == file.size


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", REAL)
def test_the_real_sets_load(name, split):
    data = datasets.load(name, split, needs.DATA)
    count = {"train": 60000, "test": 10000}[split]
    assert data.images.shape == (count, 28, 28)
    histogram = np.bincount(data.labels)
    if name == "fashion-mnist":
        assert histogram.tolist() == [count // 10] * 10
        assert data.classes[data.labels[0]] == "Ankle boot"
    elif split == "train":
        assert histogram.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        assert data.labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]


@needs.data("mnist")
def test_one_collection_in_the_place_of_the_other_is_noticed():
    folder = Path(str(needs.DATA))
    said = refusal(InputError, "fashion-mnist", "test", folder / "mnist")
    assert "holds the labels of mnist (test), not of fashion-mnist (test)" in said
    assert "not of mnist" in refusal(InputError, "mnist", "test", folder / "fashion-mnist")


@needs.data("mnist")
def test_train_and_test_swapped_are_noticed(tmp_path):
    for target, source in (("train", "test"), ("test", "train")):
        for here, there in zip(FILES[target], FILES[source], strict=True):
            (tmp_path / f"{here}.gz").symlink_to(Path(str(needs.DATA)) / "mnist" / f"{there}.gz")
    assert "labels of mnist (test), not of mnist (train)" in refusal(InputError, "mnist", "train", tmp_path)
