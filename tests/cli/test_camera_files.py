"""Recordings of a camera at the command line: single files of N-MNIST and folders of them, decided and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bstdg.datasets.recordings import nmnist
from bstdg.inputs import RecordingCode
from bstdg.inputs.coding import InputCoding
from bstdg.layers import Conv2dLayer, FullLayer
from bstdg.layers.convolution import Convolution
from bstdg.model import packed, runtime
from bstdg.model.packed import PackedModel


def network(reads: tuple[int, ...]) -> PackedModel:
    """A network of random bits that reads events: of pixels by a convolution first."""
    rng = np.random.default_rng(5)
    code = RecordingCode(reads, InputCoding(duration=0.3, keep="first", pool=2 if len(reads) == 3 else 1))
    layers, below = [], code.gives
    if len(reads) == 3:
        convolution = Convolution(code.gives, 3, (5, 5), (2, 2))
        signs = rng.choice(np.array([-1, 1], np.int8), convolution.weights)
        layers.append(Conv2dLayer(signs, np.full(3, 2), convolution))
        below = convolution.gives
    signs = rng.choice(np.array([-1, 1], np.int8), (10, int(np.prod(below))))
    layers.append(FullLayer(signs, np.full(10, 4), below))
    return PackedModel(code, tuple(layers), 8, tuple("0123456789"))


def recording(seed: int, events: int = 400) -> bytes:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 34, (2, events))
    time = np.sort(rng.integers(0, 300_000, events)) | rng.integers(0, 2, events) << 23
    return np.column_stack([x, y, time >> 16, time >> 8 & 255, time & 255]).astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path) -> Path:
    """Test/3 and Test/7 with two recordings each, and a model beside them."""
    for n, path in enumerate(("3/00002.bin", "3/00010.bin", "7/00001.bin", "7/00009.bin")):
        (tmp_path / "Test" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "Test" / path).write_bytes(recording(n))
    packed.save(network(nmnist.GRID), tmp_path / "camera.bstdg")
    return tmp_path


def decided(model: Path, path: Path) -> tuple[int, int]:
    loaded = runtime.load(model)
    run = loaded.run(loaded.encode_events(*nmnist.read(path).rows(slice(None))))
    return int(run.decision.label[0]), int(run.decision.step[0])


def test_predict_decides_files_and_whole_folders(bstdg, folder):
    """A line each, in the order of their names, as reading them one by one decides."""
    model, one = folder / "camera.bstdg", folder / "Test" / "7" / "00001.bin"
    status, out, err = bstdg("predict", model, one, folder / "Test", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, [])
    names = ["3/00002.bin", "3/00010.bin", "7/00001.bin", "7/00009.bin"]
    assert [row["file"] for row in rows] == [str(one), *(str(folder / "Test" / name) for name in names)]
    for row in rows:
        assert (row["label"], row["step"]) == decided(model, Path(row["file"]))
    assert len({(row["label"], row["hidden_spikes_to_decision"]) for row in rows}) > 1


def test_predict_goes_on_after_a_bad_recording(bstdg, folder):
    bad = {
        "3/00003.bin": (b"", "00003.bin has 0 bytes, no whole number of events of 5"),
        "3/00004.bin": (b"\1\2\3\4\5\6\7", "00004.bin has 7 bytes, no whole number of events of 5"),
        "3/00005.bin": (b"\1\42\0\0\0", "00005.bin: event 0 is at (1, 34), outside of the 34 x 34 pixels"),
        "3/00006.bin": (b"\1\1\0\0\5\1\1\0\0\4", "00006.bin: time goes back, from 5 to 4 microseconds at event 1"),
    }
    for name, (data, _) in bad.items():
        (folder / "Test" / name).write_bytes(data)
    (folder / "Test" / "9").mkdir()
    status, out, err = bstdg("predict", folder / "camera.bstdg", folder / "Test", folder / "Test" / "9", "--json")
    assert status == 2
    assert len(out.splitlines()) == 4
    assert len(err) == 5
    for line, (_, said) in zip(err, bad.values(), strict=False):
        assert said in line
    assert err[-1] == f"bstdg: {folder / 'Test' / '9'} is a folder without recordings, whose names end in .bin"


@pytest.mark.parametrize(
    ("reads", "file", "said"),
    [
        ((2, 34, 34), "sounds.h5", "the model reads events of 2 x 34 x 34 pixels: give .bin as of N-MNIST, not"),
        ((700,), "Test/3/00002.bin", "is a recording of 2 x 34 x 34 pixels, the model reads 700 channels"),
        ((700,), "Test/3", "is a folder, not a file of recordings"),
        ((2, 34, 33), "Test/3/00002.bin", "no file is read here that has events on 2 x 34 x 33; .bin of N-MNIST have"),
        ((2, 34, 34), "none.bin", "cannot read"),
    ],
)
def test_what_another_sensor_recorded_is_refused(bstdg, folder, reads, file, said):
    packed.save(network(reads), folder / "other.bstdg")
    for command in (("predict",), ("raster", "--out", folder / "a.svg", "--file")):
        name, *rest = command
        status, _, err = bstdg(name, folder / "other.bstdg", *rest, folder / file)
        assert (status, len(err)) == (2, 1)
        assert said in err[0]
    assert not (folder / "a.svg").exists()


@pytest.mark.parametrize("ending", ["svg", "gif"])
def test_raster_draws_a_recording_of_a_file_or_folder(bstdg, folder, ending):
    model, first, second = folder / "camera.bstdg", folder / f"a.{ending}", folder / f"b.{ending}"
    assert bstdg("raster", model, "--file", folder / "Test/3/00010.bin", "--out", first)[0] == 0
    assert bstdg("raster", model, "--file", folder / "Test", "--sample", 1, "--out", second)[0] == 0
    assert first.read_bytes() == second.read_bytes()
    status, _, err = bstdg("raster", model, "--file", folder / "Test", "--sample", 4, "--out", second)
    assert (status, err) == (2, [f"bstdg: --sample 4 is not there: {folder / 'Test'} has 4 recordings, counted from 0"])


def test_trust_does_nothing_for_plain_numbers(bstdg, folder):
    for rest in (("predict",), ("raster", "--out", folder / "a.svg", "--file")):
        name, *options = rest
        file = folder / "Test/3/00002.bin"
        status, _, err = bstdg(name, folder / "camera.bstdg", "--trust-recordings", *options, file)
        assert (status, len(err)) == (2, 1)
        assert "--trust-recordings does nothing here" in err[0]
