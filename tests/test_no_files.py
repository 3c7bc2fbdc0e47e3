"""Files that are none: pipes that nobody writes to, devices without end, sockets, folders. No reader waits for them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import needs
from support.paths import GOLDEN

from bstdg import files
from bstdg.errors import BstdgError, FileFormatError

KINDS = ("a pipe", "a device", "a socket", "a folder")
pytestmark = needs.mark("fork", hasattr(os, "mkfifo"))
PATIENCE = 60  # seconds, of which Python's own start is most


@pytest.fixture
def place(tmp_path):
    """Makes what is no file under a name."""
    held = contextlib.ExitStack()

    def make(kind: str, name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "a pipe":
            os.mkfifo(path)
        elif kind == "a device":
            path.symlink_to("/dev/zero")
        elif kind == "a folder":
            path.mkdir()
        else:
            bound = held.enter_context(socket.socket(socket.AF_UNIX))
            short = Path(os.path.relpath(path))  # an address has room for 108 bytes
            with contextlib.chdir(path.parent):
                bound.bind(short.name)
        return path

    with held:
        yield make


def test_a_regular_file_is_read_as_it_is_and_so_is_a_link_to_one(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"spike")
    (tmp_path / "link").symlink_to(path)
    for name in ("a", "link"):
        assert files.read(tmp_path / name, 5, "any") == b"spike"
        with files.open_regular(tmp_path / name) as file:
            assert file.read() == b"spike"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_refused_and_not_waited_for(place, kind):
    path = place(kind, "it")
    for read in (lambda: files.read(path, 10, "any"), lambda: files.open_regular(path)):
        with pytest.raises((FileFormatError, IsADirectoryError), match=r"it is .*, not a file|Is a directory"):
            read()


def test_a_pipe_that_takes_a_files_place_in_between_is_not_waited_for(tmp_path, monkeypatch):
    path, stat = tmp_path / "a", os.stat
    path.write_bytes(b"spike")

    def swapped(at, **options):
        found = stat(at, **options)
        if str(at) == str(path):
            path.unlink()
            os.mkfifo(path)
        return found

    monkeypatch.setattr(files.os, "stat", swapped)
    with pytest.raises(FileFormatError, match="is a pipe, not a file"):
        files.open_regular(path)


def test_no_more_is_taken_than_may_be_there(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"spikes")
    assert files.read(path, 6, "any") == b"spikes"
    with pytest.raises(FileFormatError, match=r"a has 6 bytes, more than any \(5\)"):
        files.read(path, 5, "any")


def test_a_file_that_grows_while_it_is_read_is_bounded_too(tmp_path, monkeypatch):
    path, fstat = tmp_path / "a", os.fstat
    path.write_bytes(b"spikes")

    def small(handle):
        found = fstat(handle)
        return os.stat_result((*found[:6], 2, *found[7:]))

    monkeypatch.setattr(files.os, "fstat", small)
    assert files.read(path, 6, "any") == b"spikes"
    with pytest.raises(FileFormatError, match=r"a has more bytes than any \(5\)"):
        files.read(path, 5, "any")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no JSON: Expecting value"),
        (b"[]", "no JSON object"),
        (b"[" * 100_000, "nests deeper than 64 levels"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -1e999}', "the number -1e999 is too great"),
        (b'{"a": ' + b"9" * 301 + b"}", "a number has 301 digits"),
        (b'{"a": "\\ud800"}', "half a surrogate pair"),
        (b'{"\\udce9": 1}', "half a surrogate pair"),
        (b'{"a": "\xff"}', "byte 7 is no UTF-8"),
        (b"[" * 65 + b"]" * 65, "nests deeper than 64 levels"),
    ],
)
def test_a_file_of_json_is_an_object_or_an_error_in_one_line(tmp_path, content, said):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as caught:
        files.read_object(path)
    assert str(caught.value).startswith(f"{path} is damaged: it is ") and said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_object_of_json_is_read(tmp_path):
    path = tmp_path / "a.json"
    for text in ('{"a": [1, 2.5, null, "é"]}', '\ufeff{"a": [1, 2.5, null, "\\u00e9"]}'):
        path.write_text(text, encoding="utf-8")
        assert files.read_object(path) == {"a": [1, 2.5, None, "é"]}


MODEL = GOLDEN / "model-v2.bstdg"
# Every command that opens what it is given; {} is what is no file.
COMMANDS = {
    "info": ("m.bstdg", ["info", "{}"]),
    "eval": ("m.bstdg", ["eval", "{}"]),
    "predict with": ("m.bstdg", ["predict", "{}", "x.npy"]),
    "predict numbers": ("x.npy", ["predict", str(MODEL), "{}"]),
    "predict a picture": ("x.png", ["predict", str(MODEL), "{}"]),
    "predict recordings": ("x.h5", ["predict", str(GOLDEN / "model-recordings-v2.bstdg"), "{}"]),
    "raster": ("m.bstdg", ["raster", "{}"]),
    "raster of a file": ("x.png", ["raster", str(MODEL), "--file", "{}"]),
    "report": ("m.bstdg", ["report", "{}"]),
    "report over": ("r.html", ["report", str(MODEL), "--out", "{}"]),
    "export": ("m.bstdg", ["export", "c", "{}", "--out", "o"]),
    "train": ("r.toml", ["train", "{}"]),
    "train on arrays": ("d.npz", ["train", "digits", "--set", "data.name=folder", "--data-dir", "{}"]),
    "results": ("results/runs/digits/seed0.json", ["reproduce", "--report", "p.md", "--out", "{}/../../.."]),
}
PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
from bstdg.cli import app
sys.exit(app(sys.argv[1:], standalone_mode=False))
"""


@pytest.mark.parametrize(
    ("kind", "name"), [*(("a pipe", name) for name in COMMANDS), *(("a device", name) for name in ("info", "train"))]
)
def test_no_command_waits_for_what_is_no_file(place, tmp_path, name, kind):
    called, arguments = COMMANDS[name]
    path = place(kind, called)
    arguments = [os.path.normpath(a.replace("{}", str(path))) if "{}" in a else a for a in arguments]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path, check=False,
    )  # fmt: skip
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (2, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert "not a file" in lines[0] or "Not a directory" in lines[0], lines


def test_a_log_or_report_beside_a_model_is_not_waited_for(place, tmp_path):
    from bstdg.model import packed
    from bstdg.report import history

    model = packed.load(MODEL)
    for name in ("report.json", "log.jsonl", "start.json"):
        folder = tmp_path / name.partition(".")[0]
        place("a pipe", f"{folder.name}/{name}")
        with pytest.raises(FileFormatError, match="is a pipe, not a file"):
            history.beside(folder / "model.bstdg", model)


def test_a_checkpoint_a_teacher_or_a_log_is_not_waited_for(place, tmp_path):
    from bstdg.learning.recipe import TeacherConfig
    from bstdg.training import checkpoint, distillation, run_folder

    teacher = distillation.blank((1, 8, 8), 2, TeacherConfig())
    readers = {
        "checkpoint.safetensors": checkpoint.load,
        "teacher.safetensors": lambda path: distillation.load(path, teacher, {}),
        "log.jsonl": lambda path: run_folder.cut_log(path, 1),
    }
    for name, read in readers.items():
        with pytest.raises(FileFormatError, match="is a pipe, not a file"):
            read(place("a pipe", name))


def test_data_that_are_no_files_are_not_waited_for(place, tmp_path):
    from bstdg.datasets import archive, arrays, caltech, idx, pictures, spoken
    from bstdg.lab.predecessors import released

    readers = {
        "a.png": pictures.levels,
        "a.gz": lambda path: idx.read_idx(path, ndim=1),
        "a.npz": lambda path: arrays.load(path, "train"),
        "a.tar.gz": lambda path: archive.read_members(path, (), max_file=1, max_bytes=1),
        "a.jpg": caltech._file,
        "a.h5": lambda path: spoken.read(path, "recordings", "test"),
    }
    for name, read in readers.items():
        with pytest.raises(BstdgError, match="is a pipe, not a file"):
            read(place("a pipe", name))
    with pytest.raises(BstdgError, match="is a pipe, not a file"):
        released.read_layers(place("a pipe", "weights/a.npy").parent)


def test_a_report_of_a_foreign_shape_is_refused_in_one_line(tmp_path):
    from bstdg.model import packed
    from bstdg.report import history

    model = packed.load(MODEL)
    for odd in ({"widths": 3}, {"widths": "20"}, {"widths": {"a": 1}}, {"best_epoch": "2"}, {"best_epoch": [2]}):
        (tmp_path / "report.json").write_text(json.dumps({"widths": list(model.widths), **odd}))
        with pytest.raises(FileFormatError, match=r"report.json is damaged: it is no report of a training"):
            history.beside(tmp_path / "model.bstdg", model)


GOOD = {"epoch": 1, "accuracy": 0.5, "flip_ratio": 0.1, "silent_share": [0.5, 0.5]}


@pytest.mark.parametrize(
    "odd",
    [
        {"epoch": "1"}, {"epoch": 1.5}, {"epoch": None}, {"accuracy": True}, {"accuracy": "0.5"}, {"flip_ratio": []},
        {"silent_share": 0.5}, {"silent_share": [0.5]}, {"silent_share": [0.5, "0"]}, {"accuracy": float("nan")},
    ],
)  # fmt: skip
def test_a_log_of_a_foreign_shape_is_refused_in_one_line(tmp_path, odd):
    from bstdg.model import packed
    from bstdg.report import history

    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (GOOD, {**GOOD, **odd})))
    with pytest.raises(FileFormatError, match=r"log.jsonl is damaged: line 2 is no row of an epoch"):
        history.beside(tmp_path / "model.bstdg", packed.load(MODEL))


def test_thresholds_that_none_can_have_are_refused(tmp_path):
    from bstdg.model import packed
    from bstdg.report import history

    model = packed.load(MODEL)
    start = [layer.thresholds.tolist() for layer in model.layers]
    for odd in (1e300, True, "1", float("inf")):
        start[0][0] = odd
        (tmp_path / "start.json").write_text(json.dumps({"thresholds": start}))
        with pytest.raises(FileFormatError, match=r"start.json (holds thresholds of another|is damaged)"):
            history.beside(tmp_path / "model.bstdg", model)
