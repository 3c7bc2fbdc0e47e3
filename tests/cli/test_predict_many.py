"""`bstdg predict` of many files and large arrays: results in files, stopped at any moment and gone on with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import needs
from support.limits import with_files_below
from support.strategies import random_model

from bstdg.cli.predicting import results, work
from bstdg.datasets.pieces import base
from bstdg.inputs import LatencyCode
from bstdg.layers import FullLayer
from bstdg.model import packed, runtime

BOUND = 600 << 20  # bytes, as docs/data.md says
ROWS = 3000


def network(seed: int) -> packed.PackedModel:
    """A model of random bits, which decides for many a class."""
    random = np.random.default_rng(seed)
    signs = (random.choice([-1, 1], shape).astype(np.int8) for shape in ((20, 64), (10, 20)))
    layers = tuple(FullLayer(each, np.full(len(each), 2)) for each in signs)
    return packed.PackedModel(LatencyCode((1, 8, 8)), layers, 8, tuple("abcdefghij"))


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A model, an array, and a folder of pictures, one of which is none; in pieces of 250 samples."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(base, "PIECE", 16_000)
    monkeypatch.setattr(work, "PIECE", 16_000)
    packed.save(network(0), "m.bstdg")
    random = np.random.default_rng(1)
    np.save("many.npy", random.integers(0, 256, (ROWS, 8, 8), np.uint8))
    for n in range(70):
        folder = Path("pictures", "ab"[n % 2])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8), np.uint8)).save(folder / f"{n:02}.png")
    Path("pictures/b/03.png").write_text("no picture")
    return tmp_path


def read(file: str) -> list[dict]:
    """Results, without what is not there."""
    if file.endswith(".parquet"):
        rows = needs.package("pyarrow.parquet").read_table(file).to_pylist()
    else:
        rows = [json.loads(line) for line in Path(file).read_text().splitlines()]
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


@pytest.fixture
def printed(bstdg, place) -> list[dict]:
    """What is printed of the same files."""
    status, out, err = bstdg("predict", "m.bstdg", "many.npy", "pictures", "--json")
    assert (status, len(err)) == (2, 1)
    rows = [json.loads(line) for line in out.splitlines()]
    assert len({row["label"] for row in rows}) > 4
    return rows


@pytest.mark.parametrize("out", ["r.jsonl", "r.parquet"])
def test_results_in_a_file_are_those_that_are_printed(bstdg, place, printed, out):
    if out.endswith(".parquet"):
        needs.package("pyarrow")
    status, said, err = bstdg("predict", "m.bstdg", "many.npy", "pictures", "--out", out)
    assert (status, said) == (2, f"{out}: 3,070 results; 1 error\n")
    assert err == [
        f"bstdg: {Path('pictures/b/03.png')} is no PNG, JPEG, WebP, BMP, GIF, TIFF or PNM image, or a damaged one"
    ]
    found = read(out)
    (bad,) = [row for row in found if "error" in row]
    assert (bad["file"], set(bad)) == (str(Path("pictures/b/03.png")), {"file", "error"})
    assert [row for row in found if "error" not in row] == printed
    assert [row["index"] for row in printed[:ROWS]] == list(range(ROWS))
    model = runtime.load("m.bstdg")
    assert [row["label"] for row in printed[:ROWS]] == model.predict(np.load("many.npy")).tolist()
    names = [row["file"] for row in found[ROWS:]]
    assert names == [str(path) for path in sorted(Path("pictures").rglob("*.png"))]
    assert sorted(path.name for path in place.glob("*r.*")) == sorted([f".{out}.job", out])


def test_json_lines_are_gone_on_with_wherever_they_were_cut(bstdg, place):
    command = ("predict", "m.bstdg", "many.npy", "pictures", "--out", "r.jsonl")
    assert bstdg(*command)[0] == 2
    whole = Path("r.jsonl").read_bytes()
    for cut in (0, 5, 1000, 100_001, len(whole) - 3000, len(whole) - 1, len(whole)):
        Path("r.jsonl").write_bytes(whole[:cut])
        _, said, _ = bstdg(*command, "--resume")
        assert Path("r.jsonl").read_bytes() == whole, cut
        before = whole[:cut].count(b"\n")
        assert (f", {before:,} of them from before" in said) == (before > 0)
    assert bstdg(*command)[0] == 2  # there already
    assert bstdg(*command, "--overwrite")[0] == 2
    assert Path("r.jsonl").read_bytes() == whole


def test_parquet_is_gone_on_with_after_an_interruption(bstdg, place, monkeypatch):
    needs.package("pyarrow")
    command = ("predict", "m.bstdg", "many.npy", "pictures", "--out")
    assert bstdg(*command, "whole.parquet")[0] == 2
    monkeypatch.setattr(results, "PART", 600)
    decided, calls = work.decided, []

    def stopped(*arguments):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return decided(*arguments)

    monkeypatch.setattr(work, "decided", stopped)
    status, _, err = bstdg(*command, "r.parquet")
    assert (status, err) == (
        130,
        ["bstdg: stopped; what was written is kept; to go on, repeat the command with --out r.parquet --resume"],
    )
    assert not Path("r.parquet").exists()
    assert len(list(Path("r.parquet.parts").iterdir())) == 3  # two whole ones, and what there was in the end
    sorted(Path("r.parquet.parts").iterdir())[-1].unlink()  # as if it had been killed
    status, said, _ = bstdg(*command, "r.parquet", "--resume")
    assert (status, said) == (2, "r.parquet: 3,070 results, 1,500 of them from before; 1 error\n")
    assert read("r.parquet") == read("whole.parquet")
    assert not Path("r.parquet.parts").exists()
    np.save("more.npy", np.load("many.npy")[:5])  # what comes after what was whole
    status, said, _ = bstdg(*command, "r.parquet", "more.npy", "--resume")
    assert (status, said) == (0, "r.parquet: 3,075 results, 3,070 of them from before\n")
    assert read("r.parquet")[:3070] == read("whole.parquet")


def test_results_of_something_else_are_refused(bstdg, place):
    command = ("predict", "m.bstdg", "many.npy", "--out", "r.jsonl")
    assert bstdg(*command)[0] == 0
    whole = Path("r.jsonl").read_bytes()
    packed.save(network(1), "other.bstdg")
    Path("few.npy").write_bytes(Path("many.npy").read_bytes())
    for arguments, said in (
        (("other.bstdg", "many.npy"), "r.jsonl has the results of another model"),
        (("m.bstdg", "many.npy", "--invert"), "r.jsonl has the results of --invert = False, not True"),
        (("m.bstdg", "few.npy"), "has the results of other files: many.npy where few.npy is named now"),
        (("m.bstdg", "few.npy", "many.npy"), "has the results of other files"),
    ):
        status, _, (error,) = bstdg("predict", *arguments, "--out", "r.jsonl", "--resume")
        assert (status, said in error) == (2, True), error
        assert Path("r.jsonl").read_bytes() == whole
    assert bstdg("predict", "m.bstdg", "many.npy", "pictures/a", "--out", "r.jsonl", "--resume")[0] == 0
    status, _, (error,) = bstdg(*command, "--resume")
    assert (status, "which is not among the files that are named now" in error) == (2, True)
    np.save("many.npy", np.load("many.npy")[:10])
    Path("r.jsonl").write_bytes(whole[:-1000])
    assert "results of many.npy, which has 10 samples now" in bstdg(*command, "--resume")[2][0]
    np.save("many.npy", np.zeros((ROWS, 8, 8), np.uint8))
    assert "many.npy was written to since r.jsonl was begun" in bstdg(*command, "--resume")[2][0]
    Path(".r.jsonl.job").unlink()
    assert "cannot be gone on with: .r.jsonl.job beside it" in bstdg(*command, "--resume")[2][0]
    Path("r.jsonl").write_text("[]\n")
    assert bstdg(*command, "--overwrite")[0] == 0
    Path("r.jsonl").write_text("[]\n")
    assert "r.jsonl is damaged: line 1 is no result" in bstdg(*command, "--resume")[2][0]


def test_options_that_do_nothing_are_refused(bstdg, place):
    for options, said in (
        (("--resume",), "--resume is for results in a file"),
        (("--overwrite",), "--overwrite is for results in a file"),
        (("--out", "r.jsonl", "--json"), "--json does nothing with --out"),
        (("--out", "r.jsonl", "--resume", "--overwrite"), "give one of them"),
        (("--out", "r.csv"), "--out takes a name that ends in .jsonl or .parquet"),
    ):
        status, out, (error,) = bstdg("predict", "m.bstdg", "many.npy", *options)
        assert (status, out, said in error) == (2, "", True), error
    assert not list(place.glob("*r.*"))


@pytest.mark.parametrize("out", ["r.jsonl", "r.parquet"])
def test_a_full_disk_keeps_what_was_written(bstdg, place, out):
    if out.endswith(".parquet"):
        needs.package("pyarrow")
    bstdg("predict", "m.bstdg", "many.npy", "--out", f"whole{Path(out).suffix}")
    done = with_files_below(100_000 if out == "r.jsonl" else 5_000, ["predict", "m.bstdg", "many.npy", "--out", out])
    assert (done.returncode, done.stdout) == (1, "")
    hint = f"what was written is kept; to go on, repeat the command with --out {out} --resume"
    assert done.stderr.startswith(f"bstdg: {out}") and done.stderr.endswith(f": File too large; {hint}\n"), done.stderr
    if out == "r.jsonl":
        written = Path(out).read_bytes()
        assert 90_000 < len(written) < 100_000
        assert Path("whole.jsonl").read_bytes().startswith(written) and written.endswith(b"\n")
    assert bstdg("predict", "m.bstdg", "many.npy", "--out", out, "--resume")[0] == 0
    assert read(out) == read(f"whole{Path(out).suffix}")


# --- bad input -------------------------------------------------------------------------------------------------------


def test_an_array_that_changes_while_it_is_decided_ends_it(bstdg, place, monkeypatch):
    decided = work.decided

    def changing(*arguments):
        os.utime("many.npy", ns=(0, 1))
        return decided(*arguments)

    monkeypatch.setattr(work, "decided", changing)
    monkeypatch.setattr(work, "WINDOW", 1)
    status, _, (error,) = bstdg("predict", "m.bstdg", "many.npy", "--out", "r.jsonl")
    assert (status, error.startswith("bstdg: many.npy changed while it was read (it was written to)")) == (2, True)
    assert len(read("r.jsonl")) == 250
    status, _, (error,) = bstdg("predict", "m.bstdg", "many.npy", "--out", "r.jsonl", "--resume")
    assert (status, "many.npy was written to since r.jsonl was begun" in error) == (2, True)


def test_samples_out_of_range_are_errors_of_their_own(bstdg, place, tmp_path):
    pixels = np.load("many.npy").astype(np.int16)
    pixels[3], pixels[700] = 256, -1
    np.save("wrong.npy", pixels)
    status, out, err = bstdg("predict", "m.bstdg", "wrong.npy", "--json")
    assert (status, out.count("\n")) == (2, ROWS - 2)
    assert [error.partition(": images hold ")[0] for error in err] == ["bstdg: wrong.npy[3]", "bstdg: wrong.npy[700]"]
    assert [json.loads(line)["label"] for line in out.splitlines()] == np.delete(
        runtime.load("m.bstdg").predict(np.load("many.npy")), [3, 700]
    ).tolist()


def test_arrays_of_other_shapes_and_damaged_ones_are_named(bstdg, place):
    np.save("wide.npy", np.zeros((3, 8, 9), np.uint8))
    np.save("texts.npy", np.array(["a", "b"]))
    os.truncate("many.npy", 5000)
    status, out, err = bstdg("predict", "m.bstdg", "wide.npy", "many.npy", "texts.npy", "none.npy", "--json")
    assert (status, out) == (2, "")
    for error, said in zip(
        err,
        (
            "wide.npy is 8 x 9 pixels, the model reads 8 x 8",
            "many.npy is no NPY file of plain numbers: should have 192,000 bytes by its header, and has 4,872",
            "texts.npy is no NPY file of plain numbers: it holds <U1",
            "cannot read none.npy: No such file",
        ),
        strict=True,
    ):
        assert said in error


def test_arrays_of_hdf5(bstdg, place, printed):
    h5py = needs.package("h5py")
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("deep/x", data=np.load("many.npy"), chunks=(100, 8, 8), compression="gzip")
    status, out, _ = bstdg("predict", "m.bstdg", "a.h5", "--json")
    assert status == 0
    assert [{**json.loads(line), "file": "many.npy"} for line in out.splitlines()] == printed[:ROWS]
    with h5py.File("a.h5", "a") as file:
        file["other"] = np.load("many.npy")[:2]
    assert "a.h5 has deep/x, other: say which of its arrays is meant" in bstdg("predict", "m.bstdg", "a.h5")[2][0]
    status, out, _ = bstdg("predict", "m.bstdg", "a.h5", "--array", "other", "--json")
    assert (status, out.count("\n")) == (0, 2)
    os.truncate("a.h5", 9000)
    assert "a.h5: no HDF5 file, or a truncated one" in bstdg("predict", "m.bstdg", "a.h5")[2][0]


# --- at any moment, and of any size ----------------------------------------------------------------------------------


def started(*command: str, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "bstdg", "predict", *command], text=True, **options)


def test_results_come_as_soon_as_paths_do(place):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with started("m.bstdg", "--json", **pipes, env={**os.environ, "PYTHONUNBUFFERED": "1"}) as process:
        for name in sorted(map(str, Path("pictures/a").iterdir()))[:3]:
            process.stdin.write(f"{name}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["file"] == name
        process.stdin.close()
        assert process.wait(60) == 0


def test_an_array_of_20_gb_is_decided_within_600_mb_and_gone_on_with_after_a_kill(place):
    shape = (1_250_000, 128, 128)
    packed.save(random_model((128 * 128, 16, 10), shape=shape[1:]), "large.bstdg")
    with Path("large.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.write(np.random.default_rng(0).integers(0, 256, (3000, 128, 128), np.uint8).tobytes())
        file.truncate(file.tell() + (shape[0] - 3000) * 128 * 128)
    done = 0
    for resume in ([], ["--resume"]):
        with started("large.bstdg", "large.npy", "--out", "r.jsonl", *resume, stderr=subprocess.DEVNULL) as process:
            out, wanted = Path("r.jsonl"), done + 1000
            while not out.exists() or out.stat().st_size < wanted * 200:
                assert process.poll() is None
                time.sleep(0.01)
            status = Path(f"/proc/{process.pid}/status")
            peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            process.kill()
        assert int(peak.split()[1]) * 1024 < BOUND
        done = out.read_bytes().count(b"\n")
    rows = [json.loads(line) for line in out.read_text().splitlines(keepends=True) if line.endswith("\n")]
    assert [row["index"] for row in rows] == list(range(len(rows)))
    few = [row["label"] for row in rows[:3000]]
    pixels = np.fromfile("large.npy", np.uint8, len(few) * 128 * 128, offset=128).reshape(-1, 128, 128)
    assert few == runtime.load("large.bstdg").predict(pixels).tolist()
