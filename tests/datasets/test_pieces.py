"""Images that stay on disk: the same bits as in memory, and errors where a file is not what it was."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support import needs

from bstdg import datasets
from bstdg.datasets import Dataset, StoredDataset
from bstdg.datasets.pieces import base, hdf5
from bstdg.datasets.pieces.ahead import ahead
from bstdg.datasets.pieces.hdf5 import Hdf5Rows
from bstdg.datasets.pieces.npy import NpyRows
from bstdg.errors import FileFormatError, InputError

KINDS = ("npy", "h5")


@pytest.fixture(params=["0", str(1 << 28)], ids=["on disk", "in memory"])
def kept(request, monkeypatch) -> bool:
    """Whether images are read whole."""
    monkeypatch.setenv(base.KEPT_VARIABLE, request.param)
    return request.param != "0"


def place_of(folder: Path, kind: str, **arrays: np.ndarray) -> Path:
    """Arrays in files of one kind."""
    if kind == "npy":
        folder.mkdir(exist_ok=True)
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        return folder
    file = folder.with_suffix(".h5")
    with needs.package("h5py").File(file, "w") as out:
        for name, array in arrays.items():
            texts = array.dtype.kind == "U"
            packed = {"chunks": (2, *array.shape[1:]), "compression": "gzip"} if name == "images" else {}
            out.create_dataset(name, data=[str(text) for text in array] if texts else array, **packed)
    return file


def some(count: int = 23, *sides: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    images = random.integers(0, 256, (count, *(sides or (4, 5))), np.uint8)
    return {"images": images, "labels": np.arange(count) % 3}


def read(index, dataset: Dataset | StoredDataset) -> np.ndarray:
    return dataset.read(index)


@pytest.mark.parametrize(
    ("kind", "sides"), [("npy", (4, 5)), ("npy", (3, 4, 5)), ("npy", (5, 4, 3)), ("npy", (1, 4, 4)), ("h5", (5, 4, 3))]
)
def test_a_split_is_that_of_an_npz_file(tmp_path, kept, kind, sides):
    arrays = {**some(23, *sides), "classes": np.array(["a", "ü", "c"]), "white": np.array(255)}
    np.savez(tmp_path / "arrays.npz", **arrays)
    place = place_of(tmp_path / "arrays", kind, **arrays)
    for split in ("train", "test"):
        wanted = datasets.load("folder", split, tmp_path / "arrays.npz")
        found = datasets.load("folder", split, place)
        assert isinstance(found, Dataset if kept else StoredDataset)
        assert (found.shape, found.classes, found.white, len(found)) == (wanted.shape, wanted.classes, 255, len(wanted))
        assert np.array_equal(found.labels, wanted.labels)
        for index in (slice(None), slice(2, 4), np.array([1, 0, 1]), np.array([], np.int64)):
            assert np.array_equal(read(index, found), read(index, wanted))
            assert read(index, found).dtype == np.uint8
        half = found.subset(slice(1, None, 2))
        assert np.array_equal(read(slice(None), half), wanted.images[1::2])
        assert np.array_equal(half.labels, wanted.labels[1::2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_of_ones_own(tmp_path, kept, kind):
    train, test = some(9), {name: array[::-1] for name, array in some(7).items()}
    place = place_of(
        tmp_path / "own",
        kind,
        **{f"train_{name}": array for name, array in train.items()},
        **{f"test_{name}": array for name, array in test.items()},
    )
    for split, arrays in (("train", train), ("test", test)):
        found = datasets.load("folder", split, place)
        assert np.array_equal(read(slice(None), found), arrays["images"])
        assert np.array_equal(found.labels, arrays["labels"])
    datasets.look(datasets.load("folder", "train", place), "test", place)
    place = place_of(
        tmp_path / "other",
        kind,
        **{f"train_{name}": array for name, array in train.items()},
        **{f"test_{name}": array for name, array in some(7, 4, 6).items()},
    )
    with pytest.raises(InputError, match=r"test_images are uint8 of 4 x 6, those to learn from uint8 of 4 x 5"):
        datasets.look(datasets.load("folder", "train", place), "test", place)


def test_pictures_of_a_folder(tmp_path, monkeypatch):
    for n, image in enumerate(some(20)["images"]):
        (tmp_path / "ab"[n % 2]).mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "ab"[n % 2] / f"{n:02}.png")
    wanted = datasets.load("folder", "train", tmp_path)
    monkeypatch.setenv(base.KEPT_VARIABLE, str(wanted.images.nbytes - 1))
    found = datasets.load("folder", "train", tmp_path)
    assert isinstance(found, StoredDataset)
    assert np.array_equal(read(slice(None), found), wanted.images)
    assert np.array_equal(read(np.array([5, 3, 3]), found), wanted.images[[5, 3, 3]])
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a" / "04.png")
    with pytest.raises(InputError, match=r"04\.png is 9 x 9\): say what to bring them to"):
        read(slice(None), datasets.load("folder", "train", tmp_path))


@given(
    count=st.integers(1, 12),
    sides=st.lists(st.integers(1, 4), max_size=2),
    kind=st.sampled_from([np.uint8, np.int16, np.float64]),
    rows=st.lists(st.integers(-12, 11), max_size=9),
    start=st.integers(-14, 14),
    stop=st.integers(-14, 14),
)
def test_rows_of_an_array_are_its_rows(tmp_path_factory, count, sides, kind, rows, start, stop):
    array = np.random.default_rng(count).integers(0, 100, (count, *sides)).astype(kind)
    file = tmp_path_factory.getbasetemp() / "rows.npy"
    np.save(file, array)
    found = NpyRows(file)
    assert (found.shape, found.dtype) == (array.shape, array.dtype)
    index = np.array([row for row in rows if -count <= row < count], np.int64)
    assert np.array_equal(found.read(index), array[index])
    assert np.array_equal(found.read(slice(start, stop)), array[start:stop])
    assert np.array_equal(found.read(slice(start, None, 2)), array[start::2])
    with pytest.raises(InputError, match="there is no sample"):
        found.read(np.array([0, count]))


def test_arrays_with_their_samples_last_are_turned_where_they_are_small(tmp_path, monkeypatch):
    array = np.asfortranarray(some()["images"])
    np.save(tmp_path / "turned.npy", array)
    assert np.array_equal(NpyRows(tmp_path / "turned.npy").read(slice(3, 9)), array[3:9])
    monkeypatch.setattr("bstdg.datasets.pieces.npy.KEPT", 100)
    with pytest.raises(FileFormatError, match="has its samples last"):
        NpyRows(tmp_path / "turned.npy")


# --- what is wrong with a file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["touched", "longer", "shorter", "gone from under it"])
def test_an_array_that_changes_while_it_is_read(tmp_path, monkeypatch, change):
    monkeypatch.setenv(base.KEPT_VARIABLE, "0")
    place = place_of(tmp_path / "a", "npy", **some(40))
    found = datasets.load("folder", "train", place)
    before = read(slice(0, 5), found)
    file = place / "images.npy"
    if change == "touched":
        os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    elif change == "longer":
        file.write_bytes(file.read_bytes() + b"x")
    elif change == "shorter":
        os.truncate(file, 300)
    else:  # another file of its name: the one that was opened is still there
        np.save(tmp_path / "new.npy", some(40)["images"] + 1)
        (tmp_path / "new.npy").replace(file)
        assert np.array_equal(read(slice(0, 5), found), before)
        return
    how = {"touched": "it was written to", "longer": "has 929 bytes, and had 928", "shorter": "has 300 bytes"}[change]
    for index in (slice(0, 5), slice(20, 30), np.array([1])):
        with pytest.raises(FileFormatError, match=f"images.npy changed while it was read .*{how}"):
            read(index, found)


def test_a_truncated_array_is_no_array(tmp_path, kept):
    place = place_of(tmp_path / "a", "npy", **some())
    os.truncate(place / "images.npy", 300)
    with pytest.raises(FileFormatError, match=r"images.npy should have 460 bytes by its header, and has 172"):
        datasets.load("folder", "train", place)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_another_length(tmp_path, kept, kind):
    place = place_of(tmp_path / "a", kind, **{**some(), "labels": np.arange(22) % 3})
    with pytest.raises(InputError, match=r"labels must be 23 integers, one an image, not int64 \[22\]"):
        datasets.load("folder", "train", place)


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_that_are_no_images(tmp_path, kept, kind):
    for wrong, said in (
        ({"images": some()["images"].astype(np.float32)}, "images must be uint8"),
        ({"labels": np.zeros(23)}, "labels must be 23 integers"),
        ({"white": np.array(300)}, "white must be an integer in 1 … 255"),
        ({"classes": np.array(["a", "b"])}, "classes must be 3 texts"),
    ):
        with pytest.raises(InputError, match=said):
            datasets.load("folder", "train", place_of(tmp_path / next(iter(wrong)), kind, **{**some(), **wrong}))


def test_a_pixel_above_white_is_found_where_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv(base.KEPT_VARIABLE, "0")
    images = np.minimum(some()["images"], 16)
    images[-1] = 17
    found = datasets.load(
        "folder", "train", place_of(tmp_path / "a", "npy", **{**some(), "images": images, "white": np.array(16)})
    )
    last = int(np.flatnonzero(found.rows == 22)[0]) if 22 in found.rows else None
    assert read(slice(0, 2), found).max() <= 16
    if last is None:
        found, last = datasets.load("folder", "test", tmp_path / "a"), -1
    with pytest.raises(InputError, match="a pixel is 17, above white = 16"):
        read(np.array([last]), found)


def test_what_needs_all_images_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv(base.KEPT_VARIABLE, "0")
    found = datasets.load("folder", "train", place_of(tmp_path / "a", "npy", **some()))
    with pytest.raises(InputError, match=r"needs all of them in memory: BSTDG_IN_MEMORY=3\d\d lets it take as much"):
        _ = found.images
    monkeypatch.setenv(base.KEPT_VARIABLE, "much")
    with pytest.raises(InputError, match="BSTDG_IN_MEMORY is a number of bytes"):
        datasets.load("folder", "train", tmp_path / "a")


@needs.mark("h5py", __import__("importlib.util").util.find_spec("h5py"))
class TestHdf5:
    def test_truncated_and_damaged_files(self, tmp_path, kept):
        place = place_of(tmp_path / "a", "h5", **some(200))
        whole = place.read_bytes()
        place.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(FileFormatError, match="no HDF5 file, or a truncated one"):
            datasets.load("folder", "train", place)
        place.write_bytes(b"no HDF5 at all")
        with pytest.raises(FileFormatError, match="is no HDF5 file"):
            datasets.load("folder", "train", place)

    def test_a_file_that_changes_while_it_is_read(self, tmp_path, monkeypatch):
        monkeypatch.setenv(base.KEPT_VARIABLE, "0")
        place = place_of(tmp_path / "a", "h5", **some(200))
        found = datasets.load("folder", "train", place)
        read(slice(0, 5), found)
        os.utime(place, ns=(0, place.stat().st_mtime_ns + 1))
        with pytest.raises(FileFormatError, match=r"a\.h5 changed while it was read"):
            read(slice(5, 9), found)

    def test_a_reader_that_dies_or_hangs_is_an_error(self, tmp_path, monkeypatch):
        monkeypatch.setenv(base.KEPT_VARIABLE, "0")
        place = place_of(tmp_path / "a", "h5", **some(40))
        found = datasets.load("folder", "train", place)
        process = found.samples._file._process
        process.kill()
        with pytest.raises(FileFormatError, match="damaged HDF5 data: its reader crashed"):
            read(slice(0, 5), found)
        found = datasets.load("folder", "train", place)
        monkeypatch.setattr(hdf5, "PATIENCE", 0.2)
        os.kill(found.samples._file._process.pid, 19)  # stopped
        with pytest.raises(FileFormatError, match="not read within 0 s"):
            read(slice(0, 5), found)

    def test_chunks_that_unpack_to_too_much(self, tmp_path, monkeypatch):
        monkeypatch.setattr(hdf5, "MOST_CHUNK", 30)
        with pytest.raises(FileFormatError, match="images is in chunks of 40 bytes"):
            datasets.load("folder", "train", place_of(tmp_path / "a", "h5", **some()))

    def test_links_that_lead_elsewhere_or_in_circles_are_not_followed(self, tmp_path):
        h5py = needs.package("h5py")
        place = place_of(tmp_path / "a", "h5", **some())
        with h5py.File(place, "a") as file:
            file["labels2"] = h5py.ExternalLink("/etc/passwd", "x")
            file["soft"] = h5py.SoftLink("/labels")
        found = hdf5.Hdf5File(place)
        assert set(found.arrays) == {"images", "labels"}
        found.close()
        with h5py.File(place, "a") as file:
            file.create_group("g")["again"] = file["/"]
        with pytest.raises(FileFormatError, match="more than the 1,000 arrays"):
            hdf5.Hdf5File(place)

    def test_its_process_ends_with_it(self, tmp_path):
        file = hdf5.Hdf5File(place_of(tmp_path / "a", "h5", **some()))
        process = file._process
        Hdf5Rows(file, "images").read(slice(3))
        assert process.poll() is None
        del file
        assert process.poll() is not None


# --- reading ahead ---------------------------------------------------------------------------------------------------


def test_work_done_ahead_comes_in_order_and_no_further_than_the_window():
    started, go = [], threading.Event()

    def work(n: int) -> int:
        started.append(n)
        go.wait(10)
        return n * n

    results = ahead(range(20), work, 3)
    go.set()
    assert [next(results) for _ in range(4)] == [0, 1, 4, 9]
    assert max(started) <= 6
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("bstdg-ahead")]


def test_an_error_comes_where_its_result_would_have():
    results = ahead([1, 2, 0, 3], lambda n: 6 // n, 4)
    assert [next(results), next(results)] == [6, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_what_is_done_is_handed_over_before_a_job_is_waited_for():
    taken, there = [], iter([True, False, False])

    def jobs():
        for n in range(3):
            taken.append(n)
            yield n

    results = ahead(jobs(), lambda n: n, 8, lambda: next(there, True))
    assert (next(results), taken) == (0, [0, 1])
    assert (next(results), taken) == (1, [0, 1])
    assert list(results) == [2]
