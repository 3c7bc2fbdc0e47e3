"""CIFAR-10 from either version, packed or not; its pickles are read and never run; CIFAR-10 (JPEG 75) beside it."""

from __future__ import annotations

import io
import pickle
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support import needs
from support.pickles import Python2

from bstdg import datasets
from bstdg.datasets.colour import cifar10, jpeg75, pickled
from bstdg.datasets.files import RemoteFile
from bstdg.errors import BstdgError, BstdgWarning, FileFormatError, InputError
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict
from bstdg.model import samples
from bstdg.model.packed import load as load_model
from bstdg.training.train import train

COUNT = 20  # pictures of a batch here


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.delenv("BSTDG_DATA", raising=False)
    monkeypatch.setattr(cifar10, "PER_BATCH", COUNT)
    monkeypatch.setattr(cifar10, "cache_folder", lambda: tmp_path / "cache")


def batch(number: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (COUNT, 3072), np.uint8), rng.permutation(np.arange(COUNT) % 10).astype(np.uint8)


def binary(images: np.ndarray, labels: np.ndarray) -> bytes:
    return np.concatenate([labels[:, None], images], axis=1).tobytes()


def python(images: np.ndarray, labels: np.ndarray) -> bytes:
    return Python2().batch(images, labels.tolist())


WRITE = {"cifar-10-binary.tar.gz": binary, "cifar-10-python.tar.gz": python}


def contents(archive: str) -> dict[str, bytes]:
    root, ending = cifar10.VERSIONS[archive]
    names = [name for part in cifar10.BATCHES.values() for name in part]
    return {f"{root}/{name}{ending}": WRITE[archive](*batch(n)) for n, name in enumerate(names)}


def pack(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def unpack(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def test_what_is_written_here_is_a_pickle_that_python_reads():
    """Else the reader would be held to a layout that nobody ever wrote."""
    images, labels = batch(3)
    found = pickle.loads(python(images, labels), encoding="bytes")  # noqa: S301  (written above)
    assert np.array_equal(found[b"data"], images) and found[b"labels"] == labels.tolist()
    assert found[b"data"].dtype == np.uint8 and len(found[b"filenames"]) == COUNT


@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning")
@pytest.mark.parametrize("archive", WRITE)
@pytest.mark.parametrize("how", ["archive", "folder", "within", "alone"])
def test_both_versions_are_read_packed_or_not(tmp_path, archive, how):
    files, root = contents(archive), cifar10.VERSIONS[archive][0]
    if how == "archive":
        pack(tmp_path / "cifar10" / archive, {**files, f"{root}/readme.html": b"hello"})
    else:
        unpack(tmp_path / ("cifar-10" if how == "folder" else ""), files)
    place = tmp_path / root if how == "alone" else tmp_path
    train_part, test_part = (datasets.load("cifar10", split, place) for split in ("train", "test"))
    for part, numbers in ((train_part, range(5)), (test_part, [5])):
        images, labels = (np.concatenate(column) for column in zip(*map(batch, numbers), strict=True))
        assert part.shape == (3, 32, 32) and part.white == 255 and part.classes[3] == "cat"
        assert np.array_equal(part.images, images.reshape(-1, 3, 32, 32))
        assert part.labels.tolist() == labels.tolist()
    datasets.look(train_part, "test", place)


def test_an_archive_of_another_sum_is_said_and_an_altered_one_refused(tmp_path, monkeypatch):
    path = pack(tmp_path / "cifar-10-binary.tar.gz", contents("cifar-10-binary.tar.gz"))
    with pytest.warns(BstdgWarning, match="is not the file that CIFAR-10 was published as"):
        datasets.load("cifar10", "test", tmp_path)
    monkeypatch.setattr(cifar10, "BINARY", RemoteFile(path.name, "0" * 32, path.stat().st_size))
    with pytest.raises(FileFormatError, match="was altered"):
        datasets.load("cifar10", "test", tmp_path)


def test_where_nothing_is_there_it_is_downloaded_or_said_where_to_get_it(tmp_path, monkeypatch):
    asked = []

    def provide(name, files, mirrors, data_dir, *, progress):
        asked.append((name, [file.name for file in files], data_dir))
        return [pack(tmp_path / "cache" / name / files[0].name, contents(files[0].name))]

    monkeypatch.setattr(cifar10, "provide", provide)
    with pytest.warns(BstdgWarning):
        assert len(datasets.load("cifar10", "test")) == COUNT
    assert asked == [("cifar10", ["cifar-10-binary.tar.gz"], None)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no cifar10 in .*cifar-10-python\.tar\.gz.*kriz/ has them") as caught:
        datasets.load("cifar10", "train", tmp_path / "empty")
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:-1], "bytes, not 61,460"),
        (lambda data: data + b"\0", "bytes, not 61,460"),
        (lambda data: b"\x0a" + data[1:], "a label is 10, expected 0 … 9"),
    ],
)
def test_a_binary_batch_of_another_size_or_label_is_refused(tmp_path, change, said):
    files = contents("cifar-10-binary.tar.gz")
    files["cifar-10-batches-bin/test_batch.bin"] = change(files["cifar-10-batches-bin/test_batch.bin"])
    unpack(tmp_path, files)
    with pytest.raises(FileFormatError, match=said):
        datasets.load("cifar10", "test", tmp_path)


@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning")
def test_archives_that_lack_a_batch_or_would_mislead_are_refused(tmp_path):
    files = contents("cifar-10-binary.tar.gz")
    del files["cifar-10-batches-bin/data_batch_4.bin"]
    path = pack(tmp_path / "cifar-10-binary.tar.gz", files)
    with pytest.raises(FileFormatError, match=r"lacks cifar-10-batches-bin/data_batch_4\.bin"):
        datasets.load("cifar10", "train", tmp_path)
    pack(path, {**contents(path.name), "../evil": b"x"})
    with pytest.raises(FileFormatError, match="leads out of the archive"):
        datasets.load("cifar10", "train", tmp_path)
    pack(path, {**files, "cifar-10-batches-bin/test_batch.bin": bytes(cifar10.MAX_FILE + 1)})
    with pytest.raises(FileFormatError, match="more than the 33554432 allowed"):
        datasets.load("cifar10", "test", tmp_path)
    path.write_bytes(pack(path, contents(path.name)).read_bytes()[:9000])
    with pytest.raises(FileFormatError, match=r"truncated|damaged"):
        datasets.load("cifar10", "test", tmp_path)


# --- pickles ---

GOOD = python(*batch(0))


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("/tmp/bstdg-was-here"),)  # noqa: S108


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pickle.dumps(Evil(), 2), "it asks for "),
        (b"\x80\x02" + b"N" + b"\x85" * 150_000 + b"q\x00}(h\x00Nu.", "SETITEMS, finds nothing"),
        (b"\x80\x02}(NNu.", "SETITEMS, finds nothing"),
        (b"\x80\x02cposix\nsystem\nU\x04trueq\x00\x85R.", "it asks for 'posix system'"),
        (b"\x80\x02cnumpy\nload\n.", "it asks for 'numpy load'"),
        (b"\x80\x02(U\x04trueios\nsystem\n.", "it has the operation INST"),
        (b"\x80\x02c__builtin__\neval\n.", "it asks for '__builtin__ eval'"),
        (pickle.dumps({b"data": 1, b"labels": []}, 4), "does not begin as a pickle of protocol 2"),
        (pickle.dumps({"data": 1.5}, 2), "it has the operation BINUNICODE"),
        (b"\x80\x02G\x00\x00\x00\x00\x00\x00\x00\x00.", "it has the operation BINFLOAT"),
        (b"\x80\x02\x80\x02N.", "does not begin as"),
        (b"\x80\x02N.", "it is no dictionary"),
        (b"\x80\x02}.", "it is no dictionary with data and labels"),
        (b"\x80\x02NN.", "it leaves 2 values"),
        (b"\x80\x02.", "it leaves 0 values"),
        (b"\x80\x02h\x07.", "operation 1, BINGET, finds nothing"),
        (b"\x80\x02t.", "TUPLE, finds nothing"),
        (b"\x80\x02\x87.", "TUPLE3, finds nothing"),
        (b"\x80\x02N(Ne.", "APPENDS, finds nothing"),
        (b"\x80\x02}(Nu.", "SETITEMS, finds nothing"),
        (b"\x80\x02}(]Nu.", "SETITEMS, finds nothing"),
        (b"\x80\x02NNR.", "REDUCE, finds nothing"),
        (b"\x80\x02NNb.", "BUILD, finds nothing"),
        (b"\x80\x02T\xff\xff\xff\x7fab.", "expected 2147483647 bytes"),
        (b"\x80\x02T\xff\xff\xff\xffab.", "byte count < 0"),
        (b"", "exhausted"),
        (b"\x80", "not enough data"),
        (b"no pickle", "opcode b'n' unknown"),
        (b"\x80\x02" + b"N" * 300_000, "more than 200,000 operations"),
    ],
)  # fmt: skip
def test_any_other_pickle_is_refused_by_what_it_has_and_never_run(data, said):
    mark = Path("/tmp/bstdg-was-here")  # noqa: S108
    mark.unlink(missing_ok=True)
    with pytest.raises(FileFormatError, match=said) as caught:
        pickled.read_batch(data, "file")
    assert "nothing in it was executed" in str(caught.value) and "\n" not in str(caught.value)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"U\x02u1", b"U\x02i1", "no array of bytes"),
        (b"U\x02u1", b"U\x02O8", "no array of bytes"),
        (b"tb\x89T", b"tbNT", ""),  # neither true nor false: as good as false
        (b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n", "no array"),
        (b"K\x01K\x14M\x00\x0c\x86", b"K\x01K\x15M\x00\x0c\x86", "no rows of 3072 bytes|not rows of 3072 bytes"),
        (b"K\x01K\x14M\x00\x0c\x86", b"K\x01K\x14M\x01\x0c\x86", "not rows of 3072 bytes"),
        (b"U\x06labels", b"U\x06nobody", "no dictionary with data and labels"),
        (b"U\x04data", b"U\x04date", "no dictionary with data and labels"),
    ],
)
def test_a_batch_of_other_arrays_is_refused(old, new, said):
    assert old in GOOD
    changed = GOOD.replace(old, new, 1)
    if not said:
        assert np.array_equal(pickled.read_batch(changed, "file")[0], batch(0)[0])
        return
    with pytest.raises(FileFormatError, match=said):
        pickled.read_batch(changed, "file")


@pytest.mark.parametrize("labels", [[1] * (COUNT - 1), [1] * (COUNT - 1) + [256], [1] * (COUNT - 1) + [b"1"]])
def test_labels_of_another_number_or_kind_are_refused(labels):
    data = Python2().batch(batch(0)[0], labels)
    with pytest.raises(FileFormatError, match="its labels are not 20 numbers"):
        pickled.read_batch(data, "file")


@given(st.data())
def test_damage_is_refused_or_leaves_a_batch(data):
    place = data.draw(st.one_of(st.integers(0, 400), st.integers(len(GOOD) - 1200, len(GOOD) - 1)))
    changed = bytearray(GOOD)
    changed[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(GOOD) - 1)))
    try:
        images, labels = pickled.read_batch(bytes(changed[:cut]), "file")
    except FileFormatError:
        return
    assert cut is None and images.shape == (COUNT, 3072) and labels.shape == (COUNT,)


def test_a_pickle_takes_memory_in_proportion_to_its_bytes():
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError):
            pickled.read_batch(b"\x80\x02" + b"T\xff\xff\xff\x7f" + bytes(1 << 16), "file")
        assert tracemalloc.get_traced_memory()[1] < 1 << 21
    finally:
        tracemalloc.stop()


# --- CIFAR-10 (JPEG 75) ---


def jpegs(count: int = 16) -> tuple[list[bytes], np.ndarray]:
    """Smooth pictures as JPEGs that all begin alike."""
    rng, files, pixels = np.random.default_rng(0), [], []
    for _ in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize((32, 32), Image.Resampling.BICUBIC)
        file = io.BytesIO()
        coarse.save(file, "JPEG", quality=75)
        files.append(file.getvalue())
        pixels.append(np.asarray(Image.open(io.BytesIO(file.getvalue()))).transpose(2, 0, 1))
    return files, np.array(pixels)


def put(folder: Path, **changes) -> Path:
    files, _ = jpegs()
    begin = files[0].index(b"\xff\xda") + 14
    assert len({file[:begin] for file in files}) == 1
    scans = [file[begin:] for file in files]
    held = {
        "header": np.frombuffer(files[0][:begin], np.uint8),
        "scan": np.frombuffer(b"".join(scans), np.uint8),
        "offset": np.cumsum([0, *map(len, scans)]).astype(np.uint32),
        "label": (np.arange(len(files)) % 10).astype(np.uint8),
    }
    path = folder / "cifar10-jpeg75" / "cifar10_jpeg75.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{name: change(held[name]) if (change := changes.get(name)) else held[name] for name in held})
    return path


@pytest.fixture
def twelve(monkeypatch):
    monkeypatch.setattr(jpeg75, "TRAINING", 12)


@pytest.mark.usefixtures("twelve")
def test_jpegs_are_decoded_in_their_order(tmp_path):
    put(tmp_path)
    pixels = jpegs()[1]
    for split, part in (("train", slice(0, 12)), ("test", slice(12, 16))):
        with pytest.warns(BstdgWarning, match=r"is not the file that CIFAR-10 \(JPEG 75\) was published as"):
            found = datasets.load("cifar10-jpeg75", split, tmp_path)
        assert np.array_equal(found.images, pixels[part]) and found.shape == (3, 32, 32)
        assert found.labels.tolist() == (np.arange(16) % 10)[part].tolist()


def larger(header: np.ndarray) -> np.ndarray:
    """The same header, of pictures 64 pixels high."""
    place = header.tobytes().index(b"\xff\xc0") + 6
    changed = header.copy()
    changed[place] = 64
    return changed


@pytest.mark.usefixtures("twelve")
@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label": lambda a: a[:12]}, "12 labels and 17 offsets"),
        ({"label": lambda a: a + np.uint8(9)}, "a label is 18"),
        ({"label": lambda a: a.astype(np.int64)}, "label must be uint8, one row, not int64"),
        ({"offset": lambda a: a[::-1].copy()}, "offset must rise from 0"),
        ({"offset": lambda a: a + np.uint32(1)}, "offset must rise from 0"),
        ({"scan": lambda a: a[:-1]}, "offset must rise from 0"),
        ({"scan": lambda a: a.reshape(1, -1)}, "scan must be uint8, one row"),
        ({"header": lambda a: a[:40]}, "picture 12 is damaged"),
        ({"header": lambda a: np.zeros(70_000, np.uint8)}, "a picture has more than 65,536 bytes"),
        ({"header": larger}, "picture 12 is 64 x 32"),
        ({"scan": lambda a: a[::-1].copy()}, "picture 1. is damaged"),
    ],
)
def test_damaged_pictures_are_named(tmp_path, changes, said):
    path = put(tmp_path, **changes)
    with pytest.raises(FileFormatError, match=said) as caught:
        datasets.load("cifar10-jpeg75", "test", tmp_path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_one_line_says_where_the_pictures_are_from(tmp_path):
    with pytest.raises(InputError, match=r"cifar10_jpeg75\.npz.*docs/data\.md says"):
        datasets.load("cifar10-jpeg75", "test", tmp_path)


@needs.data("cifar10-jpeg75")
def test_the_real_pictures():
    found = datasets.load("cifar10-jpeg75", "test", needs.DATA)
    assert len(found) == 10_000 and found.shape == (3, 32, 32)
    assert np.bincount(found.labels).tolist() == [1000] * 10
    assert found.labels[:8].tolist() == [3, 8, 8, 0, 6, 6, 1, 6]  # the official order begins with a cat and two ships
    assert np.allclose(found.images.mean(axis=(0, 2, 3)), [126.0, 124.7, 114.8], atol=1.5)


# --- grey and colour ---


@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning")
def test_colour_for_a_grey_model_and_grey_for_a_model_of_colour_are_refused(tmp_path, bstdg):
    unpack(tmp_path, contents("cifar-10-binary.tar.gz"))
    values = {"data": {"name": "cifar10", "validation": 0.2}, "network": {"layers": [8]}, "train": {"epochs": 1}}
    train(from_dict(Recipe, values), tmp_path / "colour", data_dir=tmp_path, device="cpu")
    train(from_dict(Recipe, {**values, "data": {"name": "digits"}}), tmp_path / "grey", device="cpu")
    with pytest.raises(
        BstdgError, match="the model reads colour images of 3 x 32 x 32, but digits has grey images of 8 x 8"
    ):
        samples.load(load_model(tmp_path / "colour" / "model.bstdg"), "digits")
    with pytest.raises(BstdgError, match="reads grey images of 8 x 8, but cifar10 has colour images of 3 x 32 x 32"):
        samples.load(load_model(tmp_path / "grey" / "model.bstdg"), "cifar10", data_dir=tmp_path)
    status, _, said = bstdg("eval", tmp_path / "grey" / "model.bstdg", "--data", "cifar10", "--data-dir", tmp_path)
    assert status == 2 and len(said) == 1
    status, _, _ = bstdg("eval", tmp_path / "colour" / "model.bstdg", "--data-dir", tmp_path)
    assert status == 0
