"""Heartbeats: what the file holds is what is loaded, split by patient, and another kind of file is refused by name."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support import needs

from bstdg import datasets
from bstdg.datasets.signals import mit_bih
from bstdg.errors import BstdgWarning, FileFormatError, InputError
from bstdg.training.split import draw_patients


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("BSTDG_DATA", raising=False)


def arrays(**changes):
    beats = np.random.default_rng(0).integers(0, 4095, (8, 128)).astype(np.int16)
    held = {
        "beat": beats,
        "label": np.array([0, 1, 2, 3] * 2, np.uint8),
        "record": np.array([101] * 3 + [106] + [100] * 4, np.uint8),
        "test": np.array([0] * 4 + [1] * 4, np.uint8),
    }
    return {name: changes.get(name, array) for name, array in held.items() if changes.get(name, array) is not None}


def put(folder: Path, name: str = "mit-bih", **changes) -> Path:
    path = folder / name / "mitbih_beats.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays(**changes))
    return path


@pytest.mark.parametrize("folder", ["mit-bih", "mit-bih-beats", "."])
def test_what_the_file_holds_is_what_is_loaded(tmp_path, folder):
    put(tmp_path, folder)
    held = arrays()
    for split, part in (("train", slice(0, 4)), ("test", slice(4, 8))):
        with pytest.warns(BstdgWarning, match="is not the file that MIT-BIH beats was published as"):
            found = datasets.load("mit-bih", split, tmp_path)
        assert found.shape == (1, 1, 128) and found.white == 4094 and found.classes == ("N", "S", "V", "F")
        assert found.images.dtype == np.int16
        assert np.array_equal(found.images[:, 0], held["beat"][part])
        assert found.labels.tolist() == held["label"][part].tolist()
        assert found.patients.tolist() == held["record"][part].tolist()
        assert found.subset([2, 0]).patients.tolist() == [held["record"][part][n] for n in (2, 0)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"record": None}, "has no array record; it should have beat, label, record, test"),
        (
            {"beat": np.zeros((8, 127), np.int16)},
            r"beat must be int16 [beats, 128], one row a beat, not int16 [8, 127]",
        ),
        ({"beat": np.zeros((8, 128), np.float32)}, "not float32 [8, 128]"),
        ({"beat": np.full((8, 128), -1, np.int16)}, "beat holds -1 … -1, expected 0 … 4094"),
        ({"beat": np.full((8, 128), 4095, np.int16)}, "beat holds 4095 … 4095"),
        ({"label": np.array([0, 1, 2, 4] * 2, np.uint8)}, "label holds 0 … 4, expected 0 … 3"),
        ({"label": np.zeros(7, np.uint8)}, "label must be uint8 [beats], one row a beat, not uint8 [7]"),
        ({"test": np.array([0, 1, 2, 1] * 2, np.uint8)}, "test holds 0 … 2"),
        ({"test": np.zeros(8, np.uint8)}, "all 8 beats are of one half"),
        ({"record": np.full(8, 101, np.uint8)}, "record 101 is in both halves"),
        ({"beat": np.array([["a"] * 128] * 8)}, "beat must be int16"),
    ],
)
def test_a_file_of_another_layout_is_refused(tmp_path, changes, said):
    path = put(tmp_path, **changes)
    with pytest.raises(FileFormatError) as caught:
        mit_bih.read(path)
    assert said in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_nothing_is_unpickled_and_what_is_cut_off_is_refused(tmp_path):
    path = put(tmp_path)
    whole = path.read_bytes()
    for length in (0, 3, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(FileFormatError):
            mit_bih.read(path)
    np.savez(path, **{**arrays(), "beat": np.array([None] * 8, object)})
    with pytest.raises(FileFormatError, match="Python objects"):
        mit_bih.read(path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i2", "fortran_order": False, "shape": (10**9, 128)})
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("beat", "label", "record", "test"):
            archive.writestr(f"{name}.npy", header.getvalue())
    with pytest.raises(FileFormatError, match="should have 256,000,000,000 bytes"):
        mit_bih.read(path)


def test_where_it_is_missing_one_line_says_where_to_get_it(tmp_path):
    for folder in (None, tmp_path):
        with pytest.raises(InputError, match=r"mitbih_beats\.npz.*docs/data\.md says") as caught:
            datasets.load("mit-bih", "train", folder)
        assert "\n" not in str(caught.value)


def test_the_published_file_altered_is_refused(tmp_path, monkeypatch):
    path = put(tmp_path)
    from bstdg.datasets.files import RemoteFile

    monkeypatch.setattr(mit_bih, "FILE", RemoteFile(mit_bih.FILE.name, "0" * 64, path.stat().st_size))
    with pytest.raises(FileFormatError, match="was altered"):
        datasets.load("mit-bih", "train", tmp_path)


@needs.data("mit-bih")
def test_the_real_beats():
    train, test = (datasets.load("mit-bih", split, needs.DATA) for split in ("train", "test"))
    assert np.bincount(train.labels).tolist() == [45847, 944, 3788, 414]
    assert np.bincount(test.labels).tolist() == [44239, 1837, 3220, 388]
    assert len(np.unique(train.patients)) == len(np.unique(test.patients)) == 22
    assert not set(train.patients) & set(test.patients)
    for seed in range(5):
        held = np.isin(train.patients, draw_patients(train.labels, train.patients, 0.2, seed))
        assert 0.1 < held.mean() < 0.3
        for label in range(4):
            share = (train.labels[held] == label).sum() / (train.labels == label).sum()
            assert 0 < share < 1
