"""Readers of spoken digits as events: what is loaded is what the HDF5 says, and damage is told in one line."""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from support import needs

from bstdg import datasets
from bstdg.datasets import EventDataset, files, spoken
from bstdg.datasets.files import RemoteFile
from bstdg.datasets.recordings import hdf5, isolation
from bstdg.errors import BstdgError, BstdgWarning, FileFormatError, InputError
from bstdg.spikes.events import bin_events

h5py = needs.package("h5py")
TIMES = [[0.1, 0.2, 0.2], [], [0.05, 1.3]]
UNITS = [[0, 699, 5], [], [350, 350]]


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("BSTDG_DATA", raising=False)


def write(
    path: Path, *, times=TIMES, units=UNITS, labels=(0, 19, 3), speakers=(4, 5, 4), leave_out=(), extra=()
) -> Path:
    """A small file of the layout of SHD."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values, kind in (("times", times, np.float16), ("units", units, np.uint16)):
            data = file.create_dataset(f"spikes/{name}", len(values), h5py.vlen_dtype(kind))
            for n, row in enumerate(values):
                data[n] = np.array(row, kind)
        file["labels"] = labels if isinstance(labels, np.ndarray) else np.array(labels, np.uint16)
        file["extra/speaker"] = np.array(speakers, np.uint16)
        file["extra/keys"] = np.array(spoken.DIGITS, "S")
        for name in leave_out:
            del file[name]
        for name, value in extra:
            file[name] = value
    return path


def packed(path: Path) -> Path:
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return target


def refusal(kind, path: Path, name="hd-spikes", *, isolated: bool = False) -> str:
    with pytest.raises(kind) as caught:
        spoken.read(path, name, "test", isolated=isolated)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("folder", ["hd-spikes", "heidelberg-digits-spikes", "."])
@pytest.mark.parametrize("pack", [True, False])
def test_what_the_file_holds_is_what_is_loaded(tmp_path, folder, pack):
    path = write(tmp_path / folder / "hds_test.h5")
    if pack:
        packed(path)
    with pytest.warns(BstdgWarning, match="is not the file that HD-spikes were published as"):
        found = datasets.load("hd-spikes", "test", tmp_path)
    assert isinstance(found, EventDataset)
    assert found.offsets.tolist() == [0, 3, 3, 5]
    assert found.channels.tolist() == [0, 699, 5, 350, 350]
    np.testing.assert_array_equal(found.times, np.array([0.1, 0.2, 0.2, 0.05, 1.3], np.float16))
    assert found.labels.tolist() == [0, 19, 3]
    assert found.speakers is not None
    assert found.speakers.tolist() == [4, 5, 4]
    assert (found.classes[9], found.classes[13], found.num_channels) == ("nine", "drei", 700)


def test_times_out_of_order_are_put_in_order(tmp_path):
    one = spoken.read(
        write(tmp_path / "a.h5", times=[[0.3, 0.1, 0.2]], units=[[1, 2, 3]], labels=[0], speakers=[1]), "x", "test"
    )
    assert one.channels.tolist() == [2, 3, 1]
    assert (np.diff(one.times) >= 0).all()
    two = spoken.read(
        write(tmp_path / "b.h5", times=[[0.1, 0.2, 0.3]], units=[[2, 3, 1]], labels=[0], speakers=[1]), "x", "test"
    )
    binned = [
        bin_events(each.offsets, each.channels, each.times, num_channels=700, num_steps=10, duration=1.4)
        for each in (one, two)
    ]
    np.testing.assert_array_equal(binned[0].channels, binned[1].channels)


def test_speakers_and_names_of_classes_may_be_missing(tmp_path):
    found = spoken.read(write(tmp_path / "a.h5", leave_out=["extra"]), "shd", "test")
    assert found.speakers is None
    assert found.classes == spoken.DIGITS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"leave_out": ["spikes"]}, "spikes/times is missing"),
        ({"leave_out": ["spikes/units"]}, "spikes/units is missing"),
        ({"leave_out": ["labels"]}, "labels is missing"),
        ({"units": [[0, 700, 5], [], [1, 2]]}, "recording 0 has an event on channel 700, expected 0 … 699"),
        ({"units": [[0, 1, 5], [], [1]]}, "recording 2 has 2 times but 1 units"),
        ({"times": [[0.1, 0.2, np.nan], [], [1, 2]]}, "recording 0 has a time"),
        ({"times": [[-0.1, 0.2, 0.3], [], [1, 2]]}, "recording 0 has a time that is negative"),
        ({"labels": [0, 1]}, "2 labels, but 3 entries in spikes/times"),
        ({"labels": [0, 1, 20]}, "a label is 20, but there are 20 classes"),
        ({"labels": np.array([0, 1, -2], np.int8)}, "a label is -2, but there are 20 classes"),
        ({"labels": np.array([0, 1, 2**63], np.uint64)}, "a label is -"),
        ({"speakers": [0]}, "3 labels, but 1 entries in extra/speaker"),
    ],
)
def test_a_file_of_another_layout_is_refused(tmp_path, changes, message):
    assert message in refusal(FileFormatError, write(tmp_path / "a.h5", **changes))


def test_rows_of_fixed_length_and_real_labels_are_refused(tmp_path):
    path = write(tmp_path / "a.h5", leave_out=["spikes/times"], extra=[("spikes/times", np.zeros(3))])
    assert "variable length" in refusal(FileFormatError, path)
    path = write(tmp_path / "b.h5", leave_out=["labels"], extra=[("labels", np.zeros(3))])
    assert "must be integers" in refusal(FileFormatError, path)


def test_an_empty_set_is_refused(tmp_path):
    with pytest.raises(InputError, match="the data set is empty"):
        spoken.read(write(tmp_path / "a.h5", times=[], units=[], labels=[], speakers=[]), "hd-spikes", "test")


def test_links_that_lead_into_other_files_are_not_followed(tmp_path):
    write(tmp_path / "other.h5")
    path = write(tmp_path / "a.h5", leave_out=["labels"], extra=[("labels", h5py.ExternalLink("other.h5", "labels"))])
    assert "labels is missing" in refusal(FileFormatError, path)
    path = write(tmp_path / "b.h5", leave_out=["labels"])
    (tmp_path / "raw").write_bytes(bytes(6))
    with h5py.File(path, "r+") as file:
        file.create_dataset("labels", 3, np.uint16, external=[(str(tmp_path / "raw"), 0, 6)])
    assert "lie in the file itself" in refusal(FileFormatError, path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_half_a_file_is_refused(tmp_path, share):
    path = write(tmp_path / "a.h5")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refusal(FileFormatError, path)
    path.write_bytes(gzip.compress(whole)[: int(share * len(gzip.compress(whole)))] or b"\x1f\x8b")
    assert "truncated" in refusal(FileFormatError, path)


def test_damage_in_packed_data_is_noticed(tmp_path):
    path = packed(write(tmp_path / "a.h5"))
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # of the checksum
    path.write_bytes(data)
    assert "damaged gzip data" in refusal(FileFormatError, path)


def test_no_more_is_unpacked_than_is_allowed(tmp_path, monkeypatch):
    path = packed(write(tmp_path / "a.h5"))
    monkeypatch.setattr(spoken, "MAX_BYTES", 1000)
    assert "more than the 1000 bytes allowed" in refusal(FileFormatError, path)
    monkeypatch.undo()
    monkeypatch.setattr(hdf5, "MAX_EVENTS", 4)
    assert "more than the 4 events allowed" in refusal(FileFormatError, path)


def test_memory_is_that_of_the_events(tmp_path):
    rng = np.random.default_rng(0)
    units = rng.integers(0, 700, (300, 4000), np.uint16)
    times = np.sort(rng.uniform(0, 1, units.shape).astype(np.float16))
    path = packed(write(tmp_path / "a.h5", times=times, units=units, labels=[0] * 300, speakers=[0] * 300))
    tracemalloc.start()
    found = spoken.read(path, "hd-spikes", "train")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.channels) == units.size
    assert peak < 4 * units.size * 2.5 + (8 << 20)  # 4 bytes an event, growing by copies


def test_hd_spikes_in_the_place_of_shd_are_told(tmp_path):
    write(tmp_path / "shd_test.h5", extra=[("extra/file_name", np.array(["a.flac"], "S"))])
    with pytest.raises(InputError, match="holds HD-spikes, not SHD"):
        datasets.load("shd", "test", tmp_path)
    (tmp_path / "shd_test.h5").rename(tmp_path / "hds_test.h5")
    with pytest.warns(BstdgWarning, match="is not the file"):
        assert datasets.load("hd-spikes", "test", tmp_path).name == "hd-spikes"


def test_missing_files_are_said_with_their_place(tmp_path, monkeypatch):
    with pytest.raises(InputError) as caught:
        datasets.load("hd-spikes", "train", tmp_path)
    said = str(caught.value)
    assert str(tmp_path / "hd-spikes") in said
    assert "hds_train.h5.gz" in said
    assert "to download them" not in said
    with pytest.raises(InputError, match=r"cannot be downloaded: name the folder that holds hds_train\.h5\.gz"):
        datasets.load("hd-spikes", "train")
    with pytest.raises(InputError, match="or none to download them"):
        datasets.load("shd", "train", tmp_path)


def test_shd_is_downloaded_and_its_md5_verified(tmp_path, monkeypatch):
    asked = []

    def fetch(urls, target, checksum, **_):
        asked.append((urls, checksum))
        write(target.with_suffix(""), labels=[0, 1, 2])
        packed(target.with_suffix(""))

    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(files, "fetch", fetch)
    with pytest.warns(BstdgWarning, match="is not the file that SHD were published as"):  # nobody looked at its sum
        assert len(datasets.load("shd", "train")) == 3
    ((urls, checksum),) = asked
    assert urls[0] == "https://zenkelab.org/datasets/shd_train.h5.gz"
    assert checksum == "d47c9825dee33347913e8ce0f2be08b0"


def test_without_h5py_it_says_how_to_get_it(tmp_path, monkeypatch):
    write(tmp_path / "hds_test.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"pip install 'bstdg\[events\]'"):
        datasets.load("hd-spikes", "test", tmp_path)


# --- files of unknown origin -----------------------------------------------------------------------------------------


def test_another_process_reads_what_this_one_would(tmp_path):
    path = write(tmp_path / "a.h5", extra=[("extra/file_name", np.array(["a.flac"], "S"))])
    (tmp_path / "a.h5.gz").write_bytes(gzip.compress(path.read_bytes()))
    for path in (tmp_path / "a.h5", tmp_path / "a.h5.gz"):
        ours, its = (spoken.read(path, "x", "test", isolated=isolated) for isolated in (False, True))
        for field in ("offsets", "channels", "times", "labels", "speakers"):
            np.testing.assert_array_equal(getattr(ours, field), getattr(its, field))
            assert getattr(ours, field).dtype == getattr(its, field).dtype
        assert (ours.classes, ours.name) == (its.classes, its.name)
    assert "holds HD-spikes, not SHD" in refusal(InputError, path, "shd", isolated=True)
    spare = write(tmp_path / "b.h5", leave_out=["extra"])
    assert spoken.read(spare, "x", "test", isolated=True).speakers is None


FLIPPED = [  # of a small file as h5py 3.16 writes it: those that crashed the library, kept it busy, or met other errors
    *(1889, 2435, 2504, 6633, 8627, 8659),
    *(16, 689, 817, 1397, 1600, 1910, 6857, 7431, 10_734),
]


@pytest.mark.parametrize("at", FLIPPED)
def test_a_damaged_file_is_read_or_refused_and_takes_nobody_with_it(tmp_path, at):
    path = write(tmp_path / "a.h5")
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
    begin = os.times()
    try:
        spoken.read(path, "x", "test")
    except BstdgError as error:
        assert "\n" not in str(error)
        assert str(path) in str(error) or "x (test)" in str(error)
    end = os.times()
    assert end.children_user + end.children_system - begin.children_user - begin.children_system < 8


@pytest.mark.parametrize("step", range(8))
def test_every_error_of_the_library_is_told_in_one_line(tmp_path, step):
    path = write(tmp_path / "a.h5")
    whole = path.read_bytes()
    told = 0
    for at in range(step, 800, 8):  # the superblock and the first groups, which crash nothing
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            spoken.read(path, "x", "test", isolated=False)
        except BstdgError as error:
            told += 1
            assert "\n" not in str(error)
    assert told > 5


FAKES = {
    "crashed (SIGABRT)": "import os; File = lambda *_: os.abort()",
    "not read within": "class File:\n def __init__(self, *_):\n  while True: pass",
    "crashed (exit status 3)": "import os; File = lambda *_: os._exit(3)",
    "more memory than there is": "File = lambda *_: bytearray(1 << 33)",
    "damaged HDF5 data: no key": "class File:\n def __init__(self, *_): raise KeyError('no key')",
}


@pytest.mark.parametrize("says", FAKES)
def test_however_the_library_ends_it_is_an_error_of_the_file(tmp_path, monkeypatch, says):
    """A library that crashes as told, in the place of the one that does so when it is hit where it hurts."""
    path = write(tmp_path / "a.h5")
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "h5py.py").write_text(FAKES[says])
    monkeypatch.syspath_prepend(tmp_path / "fake")
    monkeypatch.setattr(isolation, "SECONDS", 0.5)
    found = refusal(FileFormatError, path, isolated=True)
    assert says in found or ("no HDF5 file" in found and says.rpartition(": ")[2] in found)


def test_a_process_that_sleeps_is_ended_by_the_clock(tmp_path, monkeypatch):
    path = write(tmp_path / "a.h5")
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "h5py.py").write_text("import time; File = lambda *_: time.sleep(60)")
    monkeypatch.syspath_prepend(tmp_path / "fake")
    monkeypatch.setattr(isolation, "PATIENCE", 3.0)
    monkeypatch.setattr(isolation, "SECONDS", 0.1)
    begin = time.monotonic()
    assert "not read within 3 s" in refusal(FileFormatError, path, isolated=True)
    assert time.monotonic() - begin < 30


def test_a_process_that_does_not_start_is_no_fault_of_the_file(tmp_path, monkeypatch):
    path = write(tmp_path / "a.h5")
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "h5py.py").write_text("raise SystemExit(7)")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path / "fake")
        assert "did not start (exit status 7); if you trust it, set BSTDG_TRUST_RECORDINGS=1" in refusal(
            InputError, path, isolated=True
        )
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert "cannot start a process to read" in refusal(InputError, path, isolated=True)
    monkeypatch.setenv("BSTDG_TRUST_RECORDINGS", "1")
    assert len(spoken.read(path, "x", "test")) == 3
    monkeypatch.setenv("BSTDG_TRUST_RECORDINGS", "0")
    with pytest.raises(InputError, match="cannot start"):
        spoken.read(path, "x", "test")


def test_a_published_file_is_known_by_its_sum_wherever_it_lies(tmp_path, monkeypatch):
    plain = write(tmp_path / "own" / "hds_test.h5")
    content = plain.read_bytes()
    archive = gzip.compress(content)
    of = [RemoteFile(name, hashlib.sha256(data).hexdigest(), len(data))
          for name, data in (("hds_test.h5.gz", archive), ("hds_test.h5", content))]  # fmt: skip
    monkeypatch.setitem(spoken.FILES["hd-spikes"], "test", of[0])
    monkeypatch.setitem(spoken.UNPACKED, "hds_test.h5.gz", of[1])
    monkeypatch.setattr(sys, "executable", "/no/such/python")  # which would be needed for any other file
    assert len(datasets.load("hd-spikes", "test", tmp_path / "own")) == 3
    plain.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(
        FileFormatError, match=r"hds_test\.h5 was altered: .* as the published hds_test\.h5, and another"
    ):
        datasets.load("hd-spikes", "test", tmp_path / "own")
    plain.unlink()
    (tmp_path / "own" / "hds_test.h5.gz").write_bytes(archive)
    assert len(datasets.load("hd-spikes", "test", tmp_path / "own")) == 3
    (tmp_path / "own" / "hds_test.h5.gz").write_bytes(archive[:4] + b"time" + archive[8:])
    with pytest.raises(FileFormatError, match="was altered"):
        datasets.load("hd-spikes", "test", tmp_path / "own")


def test_what_only_an_md5_vouches_for_is_read_in_another_process(tmp_path, monkeypatch):
    path = packed(write(tmp_path / "shd_test.h5"))
    known = RemoteFile("shd_test.h5.gz", hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(), 1 << 28)
    monkeypatch.setitem(spoken.FILES["shd"], "test", known)
    assert len(datasets.load("shd", "test", tmp_path)) == 3
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(InputError, match="cannot start a process"):
        datasets.load("shd", "test", tmp_path)


@pytest.mark.parametrize("extra", [
    [("labels", ("fill", 10**7))],
    [("extra/keys", np.array([b"x" * 3000] * 1000))],
    [("extra/keys", np.array([b"a", b"b", b"a"]))],
    [("spikes/units", ("ragged", np.float32, UNITS))],
])  # fmt: skip
@pytest.mark.parametrize("isolated", [False, True])
def test_what_a_file_of_its_size_cannot_hold_is_refused(tmp_path, extra, isolated):
    path = write(tmp_path / "a.h5", leave_out=[name for name, _ in extra])
    says = {"labels": "more than a file of its size has", "extra/keys": "class", "spikes/units": "whole numbers"}
    with h5py.File(path, "r+") as file:
        for name, value in extra:
            if isinstance(value, np.ndarray):
                file[name] = value
            elif value[0] == "fill":
                file.create_dataset(name, value[1], np.uint16, chunks=(1000,))
            else:
                data = file.create_dataset(name, len(value[2]), h5py.vlen_dtype(value[1]))
                for n, row in enumerate(value[2]):
                    data[n] = np.array(row, value[1])
    assert says[extra[0][0]] in refusal(FileFormatError, path, isolated=isolated)


def test_recordings_that_name_the_same_bytes_are_counted(tmp_path):
    """One row of many numbers, and a thousand recordings that are it."""
    count, events = 1000, 20_000
    path = write(
        tmp_path / "a.h5", times=[np.zeros(events)] + [[]] * (count - 1), units=[[7] * events] + [[]] * (count - 1),
        labels=[0] * count, speakers=[0] * count,
    )  # fmt: skip
    whole = path.read_bytes()
    for name in ("times", "units"):
        with h5py.File(path) as file:
            at = file[f"spikes/{name}"].id.get_offset()
        whole = whole[:at] + whole[at : at + 16] * count + whole[at + 16 * count :]  # 16 bytes say where a row lies
    path.write_bytes(whole)
    assert f"more than the {len(whole) // 2} events allowed" in refusal(FileFormatError, path)


def good(**changes):
    fields = {
        "name": "x", "split": "test", "offsets": np.array([0, 1, 2]), "channels": np.array([0, 1], np.uint16),
        "times": np.zeros(2, np.float32), "labels": np.array([0, 1]), "speakers": None, "classes": ("a", "b"),
        "num_channels": 2,
    }  # fmt: skip
    return EventDataset(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ()}, "no classes"),
        ({"num_channels": 0}, "num_channels"),
        ({"channels": np.zeros(2)}, "channels must be uint16"),
        ({"times": np.zeros(2)}, "times must be float16 or float32"),
        ({"times": np.zeros(1, np.float32)}, "2 channels but 1 times"),
        ({"times": np.array([0, -1], np.float32)}, "0 seconds or later"),
        ({"times": np.array([0, np.nan], np.float32)}, "0 seconds or later"),
        ({"offsets": np.array([0, 1, 3])}, "offsets must rise"),
        ({"offsets": np.array([0, 2])}, "1 recordings but 2 labels"),
        ({"labels": np.array([0, 2])}, "labels are 0 … 2"),
        ({"speakers": np.array([0])}, "2 recordings but 1 speakers"),
        ({"num_channels": 1}, "an event is on channel 1"),
    ],
)
def test_an_event_data_set_is_checked_when_made(changes, message):
    with pytest.raises(InputError, match=message):
        good(**changes)


def test_a_subset_takes_whole_recordings_in_the_order_asked_for():
    part = good(speakers=np.array([7, 8])).subset([1, 0, 1])
    assert part.channels.tolist() == [1, 0, 1]
    assert part.labels.tolist() == [1, 0, 1]
    assert part.speakers is not None
    assert part.speakers.tolist() == [8, 7, 8]
    assert good().subset(np.array([False, True])).channels.tolist() == [1]
    with pytest.raises(InputError, match="x \\(test\\) has 2 recordings"):
        good().subset([2])
    with pytest.raises(InputError, match="empty"):
        good().subset([])


@pytest.mark.slow
@needs.data("hd-spikes")
def test_the_real_hd_spikes():
    found = datasets.load("hd-spikes", "test", needs.DATA)
    assert (len(found), len(found.channels)) == (2264, 13247379)
    assert np.bincount(found.labels).tolist()[:3] == [107, 112, 102]
    assert np.bincount(found.speakers)[4:6].tolist() == [900, 940]
