"""N-MNIST: what the bytes say is what is loaded, in folds too, and networks of windows read the sensor's pixels."""

from __future__ import annotations

import dataclasses
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import needs

from bstdg import datasets
from bstdg.datasets import EventDataset, archive
from bstdg.datasets.base import stratified_folds
from bstdg.datasets.recordings import nmnist
from bstdg.errors import BstdgWarning, FileFormatError, InputError
from bstdg.inputs import RecordingCode
from bstdg.inputs.coding import InputCoding
from bstdg.learning.recipe import EventAugmentation, Recipe
from bstdg.learning.recipe_file import from_dict
from bstdg.model import packed, runtime, samples
from bstdg.training.event_augmentation import augment
from bstdg.training.train import train

HOWS = ("folder", "zip", "tar.xz")


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("BSTDG_DATA", raising=False)
    monkeypatch.setattr(nmnist, "cache_folder", lambda: tmp_path / "cache")


def event(x: int, y: int, polarity: int, microseconds: int) -> bytes:
    return bytes([x, y]) + (polarity << 23 | microseconds).to_bytes(3, "big")


def recordings(count: int = 30, begin: int = 0) -> dict[str, bytes]:
    """Names and contents: the digit n lights a row of its own, in a random order of columns."""
    files = {}
    for number in range(begin + 1, begin + count + 1):
        rng, digit = np.random.default_rng(number), number * 7 % 10
        times = np.sort(rng.integers(0, 300_000, 60))
        where = [
            (int(rng.integers(0, 34)), 3 * digit + int(rng.integers(0, 3)), int(rng.integers(0, 2))) for _ in times
        ]
        content = b"".join(event(*place, int(t)) for place, t in zip(where, times, strict=True))
        files[f"{digit}/{number:05d}.bin"] = content
    return files


def put(folder: Path, how: str = "folder", train_files=None, test_files=None) -> Path:
    parts = {"Train": train_files or recordings(), "Test": test_files or recordings(10, 100)}
    folder.mkdir(parents=True, exist_ok=True)
    if how == "folder":
        for part, files in parts.items():
            for name, data in files.items():
                (folder / part / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / part / name).write_bytes(data)
    elif how == "zip":
        for part, files in parts.items():
            with zipfile.ZipFile(folder / f"{part}.zip", "w", zipfile.ZIP_DEFLATED) as target:
                for name, data in files.items():
                    target.writestr(f"{part}/{name}", data)
    else:
        with tarfile.open(folder / "nmnist_small.tar.xz", "w:xz") as target:
            for part, files in parts.items():
                for name, data in files.items():
                    info = tarfile.TarInfo(f"{part}/{name}")
                    info.size = len(data)
                    target.addfile(info, io.BytesIO(data))
    return folder


@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning")
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("below", ["nmnist", "N-MNIST", "."])
def test_what_the_bytes_say_is_what_is_loaded(tmp_path, how, below):
    put(tmp_path / below, how)
    for split, files in (("train", recordings()), ("test", recordings(10, 100))):
        found = datasets.load("nmnist", split, tmp_path)
        assert isinstance(found, EventDataset) and found.shape == (2, 34, 34)
        named = sorted(files.items(), key=lambda item: item[0][2:])  # by number
        assert found.labels.tolist() == [int(name[0]) for name, _ in named]
        for n, (_, data) in enumerate(named):
            part = slice(*found.offsets[n : n + 2])
            rows = [data[i : i + 5] for i in range(0, len(data), 5)]
            assert found.channels[part].tolist() == [(row[2] >> 7) * 1156 + row[1] * 34 + row[0] for row in rows]
            microseconds = np.array([int.from_bytes(row[2:], "big") & 0x7FFFFF for row in rows])
            assert np.array_equal(found.times[part], (microseconds / 1e6).astype(np.float32))
        counts = datasets.load("nmnist-counts", split, tmp_path)
        assert counts.shape == (2, 34, 34) and counts.white == 16
        one = np.bincount(found.channels[: found.offsets[1]], minlength=2312)
        assert np.array_equal(counts.images[0].ravel(), np.minimum(one, 16))
    datasets.look(found, "train", tmp_path)


def test_an_archive_of_another_sum_is_said(tmp_path):
    put(tmp_path, "tar.xz")
    with pytest.warns(BstdgWarning, match="is not the file that the small part of N-MNIST was published as"):
        datasets.load("nmnist", "test", tmp_path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "has 0 bytes, no whole number of events"),
        (event(1, 1, 0, 5)[:-1], "has 4 bytes"),
        (event(1, 1, 0, 5) + b"\0", "has 6 bytes"),
        (event(34, 1, 0, 5), r"event 0 is at \(34, 1\), outside of the 34 x 34 pixels"),
        (event(1, 1, 0, 5) + event(0, 255, 1, 6), r"event 1 is at \(0, 255\)"),
        (event(1, 1, 0, 5) + event(1, 1, 1, 4), "time goes back, from 5 to 4 microseconds at event 1"),
    ],
)
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning")
def test_a_damaged_recording_is_named(tmp_path, how, data, said):
    put(tmp_path, how, test_files={**recordings(10, 100), "3/00105.bin": data})
    with pytest.raises(FileFormatError, match=said) as caught:
        datasets.load("nmnist", "test", tmp_path)
    assert "3/00105.bin" in str(caught.value) and "\n" not in str(caught.value)


def test_equal_times_and_the_last_of_them_are_fine():
    channels, times = nmnist.parse(event(33, 33, 1, 2**23 - 1) * 2, "one")
    assert channels.tolist() == [2311, 2311] and times.tolist() == [2**23 - 1] * 2


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    try:
        channels, times = nmnist.parse(data, "one")
    except FileFormatError:
        return
    assert 5 * len(channels) == len(data) and channels.max() < 2312 and (np.diff(times) >= 0).all()


@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning")
def test_what_is_missing_or_too_much_is_said(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"no N-MNIST in .*468j46mzdv\.1 has them"):
        datasets.load("nmnist", "train")
    for part in ("Train", "Test"):
        (tmp_path / part / "3").mkdir(parents=True)
    with pytest.raises(InputError, match=r"Test has no recording; they lie in folders of their digits"):
        datasets.load("nmnist", "test", tmp_path)
    big = {**recordings(10, 100), "3/00105.bin": bytes(nmnist.MAX_FILE + 5)}
    for how in HOWS:
        put(tmp_path / how, how, test_files=big)
        with pytest.raises(FileFormatError, match="more than"):
            datasets.load("nmnist", "test", tmp_path / how)
    (tmp_path / "zip" / "Test.zip").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(FileFormatError, match="is no zip archive"):
        datasets.load("nmnist", "test", tmp_path / "zip")
    path = tmp_path / "tar.xz" / "nmnist_small.tar.xz"
    whole = path.read_bytes()
    for changed in (whole[:200], whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]):
        path.write_bytes(changed)
        with pytest.raises(FileFormatError):
            datasets.load("nmnist", "test", tmp_path / "tar.xz")
    path.write_bytes(whole)
    monkeypatch.setattr(archive, "XZ_MEMORY", 1 << 16)
    with pytest.raises(FileFormatError, match=r"no xz archive.*[Mm]emory"):
        datasets.load("nmnist", "test", tmp_path / "tar.xz")


def test_xz_unfolds_to_no_more_than_is_allowed(tmp_path):
    path = tmp_path / "bomb.tar.xz"
    path.write_bytes(lzma.compress(bytes(1 << 27)))
    with pytest.raises(FileFormatError, match=r"unpacks to more bytes|no tar archive"):
        archive.read_members(path, {"a"}, max_file=10, max_bytes=1 << 20)


# --- folds ---


def test_folds_are_equal_parts_of_every_class():
    labels = np.random.default_rng(0).integers(0, 10, 1100)
    part = stratified_folds(labels, 5)
    assert np.bincount(part).tolist() == [220] * 5
    for label in range(10):
        each = np.bincount(part[labels == label], minlength=5)
        assert each.max() - each.min() <= 1
    assert np.array_equal(part, stratified_folds(labels, 5))


def test_every_recording_is_judged_in_one_fold(tmp_path):
    put(tmp_path)
    judged = []
    for fold in range(1, 6):
        parts = [datasets.load("nmnist", split, tmp_path, fold=fold) for split in ("train", "test")]
        assert [len(part) for part in parts] == [32, 8]
        keys = [{(int(p.labels[n]), p.times[p.offsets[n]]) for n in range(len(p))} for p in parts]
        assert not keys[0] & keys[1] and len(keys[0] | keys[1]) == 40
        judged += sorted(keys[1])
        counts = datasets.load("nmnist-counts", "test", tmp_path, fold=fold)
        assert counts.labels.tolist() == parts[1].labels.tolist()
    assert len(set(judged)) == len(judged) == 40


def test_a_fold_that_is_not_there_is_refused(tmp_path):
    put(tmp_path)
    for name, fold, said in (
        ("nmnist", 6, "data.fold is 1 … 5"),
        ("digits", 1, "data.fold is for data sets with folds"),
    ):
        with pytest.raises(InputError, match=said):
            datasets.load(name, "test", tmp_path, fold=fold)


# --- pixels of a sensor as a network reads them ---


@given(st.data(), st.integers(1, 4), st.integers(1, 3), st.sampled_from([0, 3]))
def test_joined_squares_are_those_counted_by_hand(data, pool, gates, counts):
    grid = (2, 5, 4)
    number = data.draw(st.integers(0, 30))
    wires = data.draw(st.lists(st.integers(0, 39), min_size=number, max_size=number))
    times = data.draw(st.lists(st.floats(0, 1.2), min_size=number, max_size=number))
    coding = InputCoding(duration=1.0, pool=pool, gates=gates, counts=counts, delays=(0, 2))
    code = RecordingCode(grid, coding)
    rows, columns = -(-5 // pool), -(-4 // pool)
    assert code.gives == (2 * gates * 2, rows, columns)
    joined = [(w // 20 * rows + w % 20 // 4 // pool) * columns + w % 4 // pool for w in wires]
    flat = RecordingCode((2 * rows * columns,), dataclasses.replace(coding, pool=1))
    found, expected = (
        each.encode(([0, number], channels, times), 6) for each, channels in ((code, wires), (flat, joined))
    )
    assert np.array_equal(found.channels, expected.channels) and np.array_equal(found.steps, expected.steps)
    assert found.num_channels == expected.num_channels == np.prod(code.gives)


def test_what_a_sensor_cannot_be_read_as_is_refused(tmp_path):
    one = tmp_path / "00001.bin"
    one.write_bytes(event(1, 2, 1, 3))
    for reads, coding, said in (
        ((2, 34), {}, "channels, or channels, rows, columns"),
        ((2, 34, 34), {"edges": 2, "counts": 3}, "of a row of channels over time"),
        ((2, 346, 260), {}, "more than 65535"),
        ((2, 34, 34), {"gates": 100}, "makes 231200"),
    ):
        with pytest.raises(InputError, match=said):
            RecordingCode(reads, InputCoding(**coding))
    with pytest.raises(InputError, match=r"channels must be in 0 … 39, found 40"):
        RecordingCode((2, 5, 4), InputCoding(pool=2)).encode(([0, 1], [40], [0.1]), 4)
    with pytest.raises(InputError, match="2312 channels are not those of a grid"):
        dataclasses.replace(nmnist.read(one), grid=(2, 34, 33))


def test_a_shift_moves_pixels_along_rows_and_columns():
    grid = (2, 6, 7)
    wires = np.arange(84, dtype=np.uint16)
    rows = (np.array([0, 84]), wires, np.linspace(0, 1, 84, dtype=np.float32))
    seen = set()
    for seed in range(40):
        _, moved, times = augment(
            EventAugmentation(channel_shift=2), rows, np.zeros(1, np.int64), 84, np.random.default_rng(seed), grid
        )
        before = np.stack(np.unravel_index(np.rint(times * 83).astype(int), grid))
        after = np.stack(np.unravel_index(moved.astype(int), grid))
        (step,) = {tuple(column) for column in (after - before).T.tolist()}
        assert step[0] == 0 and max(map(abs, step)) <= 2
        assert len(moved) == 2 * (6 - abs(step[1])) * (7 - abs(step[2]))
        seen.add(step[1:])
    assert len(seen) > 10


RECIPE = {
    "data": {"name": "nmnist", "validation": 0.3, "fold": 2},
    "input": {"duration": 0.31, "pool": 2},
    "network": {"layers": ["6c3s2", 24], "num_steps": 6},
    "rule": {"width": 8.0},
    "train": {"epochs": 12, "batch": 16, "weight_rate": 0.03},
    "events": {"channel_shift": 1},
}


@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning", "ignore::bstdg.training.health.NetworkHealthWarning")
def test_windows_read_the_pixels_and_the_fold_is_remembered(tmp_path, bstdg):
    put(tmp_path / "data", train_files=recordings(190), test_files=recordings(10, 500))
    told = train(from_dict(Recipe, RECIPE), tmp_path / "run", data_dir=tmp_path / "data", device="cpu")
    assert told["test"]["samples"] == 40 and told["test"]["accuracy"] > 0.4  # chance is a tenth
    model = runtime.load(tmp_path / "run" / "model.bstdg")
    assert model.packed.input.reads == (2, 34, 34) and model.packed.input.gives == (2, 17, 17)
    assert packed.from_bytes(packed.to_bytes(model.packed)).input == model.packed.input
    judged = samples.load(model.packed, data_dir=tmp_path / "data")
    figures = model.evaluate_events(judged)
    assert (figures["accuracy"], len(judged)) == (told["test"]["accuracy"], 40)
    oracle = runtime.Model(model.packed, "oracle").evaluate_events(judged)
    assert oracle["accuracy"] == figures["accuracy"] and oracle["hidden_spikes"] == figures["hidden_spikes"]
    for changes, said in (
        ({"events": {"channel_stretch": 0.1}}, "channel_stretch is for a row of channels"),
        ({"events": {"channel_shift": 40}}, "moves 34 x 34 pixels out of sight"),
        ({"data": {"name": "digits", "fold": 1}, "input": {}, "events": {}}, "data.fold is for data sets with folds"),
    ):
        with pytest.raises(InputError, match=said):
            train(from_dict(Recipe, {**RECIPE, **changes}), tmp_path / "no", data_dir=tmp_path / "data", device="cpu")
    assert not (tmp_path / "no").exists()


@needs.data("nmnist")
def test_the_real_recordings():
    found = datasets.load("nmnist", "test", needs.DATA)
    mnist = [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]  # labels of its first test images
    assert len(found) == 100 and found.labels[:10].tolist() == mnist
    lengths = np.diff(found.offsets)
    assert lengths.min() > 1000 and lengths.max() < 7200
    assert 0.3 < found.times.max() < 0.34
