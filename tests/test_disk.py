"""What some file systems cannot do stops nobody, errors name the file that was meant, and leftovers do not stay."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import needs
from support.limits import with_files_below
from support.paths import GOLDEN
from support.strategies import random_model

from bstdg import disk, export, files
from bstdg.errors import InputError
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict
from bstdg.model import packed
from bstdg.training.train import train

MODEL = random_model((20, 12, 5, 3), 8, threshold=4)
SMALL = {"data": {"limit": 100, "validation": 0.2}, "network": {"layers": [9]}, "train": {"epochs": 1, "batch": 50}}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folders_cannot_be_synced(monkeypatch, request):
    """As some network file systems answer."""
    fsync, code = os.fsync, request.param

    def refuse(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):  # noqa: PTH112  (a link of the system's)
            raise OSError(code, os.strerror(code))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.mark.parametrize("folders_cannot_be_synced", [errno.EINVAL, errno.ENOTSUP], indirect=True)
def test_where_folders_cannot_be_synced_everything_is_written(tmp_path, folders_cannot_be_synced):
    files.write_atomic(tmp_path / "a", b"one")
    train(from_dict(Recipe, SMALL), tmp_path / "run")
    for _ in range(2):
        export.export("c", tmp_path / "run" / "model.bstdg", tmp_path / "c", images=0)
    assert names(tmp_path) == ["a", "c", "run"]


@pytest.mark.parametrize("folders_cannot_be_synced", [errno.EIO, errno.ENOSPC], indirect=True)
def test_a_disk_that_fails_is_said(tmp_path, folders_cannot_be_synced):
    with pytest.raises(OSError, match=str(tmp_path / "a")):
        files.write_atomic(tmp_path / "a", b"one")


def test_a_folder_that_may_be_written_but_not_read(tmp_path, monkeypatch):
    opened = os.open

    def refuse(path, flags, *rest, **options):
        if os.path.isdir(path):  # noqa: PTH112
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    files.write_atomic(tmp_path / "a", b"one")
    assert names(tmp_path) == ["a"]


# --- errors name the file that was asked for -------------------------------------------------------------------------


def asked_for(path: Path, kind: type[OSError], write) -> None:
    with pytest.raises(kind) as caught:
        write(path)
    assert caught.value.filename == str(path)
    assert caught.value.filename2 is None
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "write", [lambda path: files.write_atomic(path, b"x"), lambda path: packed.save(MODEL, path)], ids=["file", "model"]
)
def test_where_it_cannot_be_written_the_error_names_what_was_asked_for(tmp_path, write):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder" / "in").mkdir(parents=True)
    asked_for(tmp_path / "no" / "x.bstdg", FileNotFoundError, write)
    asked_for(tmp_path / "file" / "x.bstdg", NotADirectoryError, write)
    asked_for(tmp_path / "folder", IsADirectoryError, write)
    asked_for(Path(), IsADirectoryError, write)
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EDQUOT])
def test_an_error_without_a_name_gets_one(tmp_path, monkeypatch, code):
    def refuse(_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    asked_for(tmp_path / "x", OSError, lambda path: files.write_atomic(path, b"x"))
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("command", "out", "size"),
    [
        ("raster {model} --out {out}/a.svg", "a.svg", 20_000),
        ("raster {model} --out {out}/a.png", "a.png", 10_000),
        ("raster {model} --out {out}/a.gif", "a.gif", 10_000),
        ("report {model} --limit 20 --force --out {out}/a.html", "a.html", 100_000),
        ("report {model} --limit 20 --force --out {out}/a.html --figures {out}", "anytime.svg", 4_000),
        ("export c {model} --images 0 --force --out {out}", "digits.c", 4_000),
        ("new {out}/a.toml --force", "a.toml", 1_000),
    ],
)
def test_a_full_disk_tears_no_file_and_the_file_is_named(tmp_path, command, out, size):
    old = tmp_path / "out" / out
    old.parent.mkdir()
    old.write_bytes(b"bstdg " * 10)
    words = command.format(model=GOLDEN / "digits.bstdg", out=tmp_path / "out").split()
    done = with_files_below(size, words)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"bstdg: {tmp_path / 'out'}/") and last.endswith(": File too large"), last
    assert ".tmp" not in last
    assert old.read_bytes() == b"bstdg " * 10
    assert not [name for name in (*names(tmp_path / "out"), *names(tmp_path)) if name.startswith(".")]


def test_names_may_be_as_long_as_the_system_allows(tmp_path):
    for name in ("x" * 255, "ä" * 127 + ".", "y" * 245):
        files.write_atomic(tmp_path / name, b"one")
        files.keep_previous(tmp_path / name, tmp_path / ("z" * 255))
        (tmp_path / ("z" * 255)).unlink()
        (tmp_path / name).unlink()
    export.export("c", MODEL, tmp_path / ("x" * 255))
    export.export("c", MODEL, tmp_path / ("x" * 255))
    assert names(tmp_path) == ["x" * 255]


def test_long_names_that_begin_alike_have_different_shadows(tmp_path):
    one, two = (disk.beside(tmp_path / ("x" * 250 + end), "0000000.tmp") for end in "ab")
    assert one != two
    assert len(one.name) <= 255


# --- what killed writers leave ---------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from bstdg import files
def die(_): os.kill(os.getpid(), signal.SIGKILL)
os.fsync = die
files.write_atomic(Path(sys.argv[1]), b"x" * 10_000)
"""


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    needs.package("fcntl")
    path = tmp_path / "a[1]?.svg"
    path.write_bytes(b"old")
    other = tmp_path / f".{path.name}.notes.tmp"
    other.write_bytes(b"mine")
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
        assert done.returncode == -signal.SIGKILL
        assert len(names(tmp_path)) == 3  # the one of the first is gone
        assert path.read_bytes() == b"old"
    files.write_atomic(path, b"new")
    assert names(tmp_path) == sorted([path.name, other.name])
    assert path.read_bytes() == b"new"


def test_what_another_is_writing_stays(tmp_path):
    needs.package("fcntl")
    path = tmp_path / "a"
    name, file = disk.temporary(path)
    with file:
        file.write(b"half")
        files.write_atomic(path, b"whole")
        assert name.exists()
        name.replace(path)
    assert path.read_bytes() == b"half"


def test_many_writers_of_one_file_leave_a_whole_one(tmp_path):
    program = """
import sys
from pathlib import Path
from bstdg import files
for n in range(200):
    files.write_atomic(Path(sys.argv[1]), sys.argv[2].encode() * 50_000)
"""
    writers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "a"), who]) for who in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert names(tmp_path) == ["a"]
    content = (tmp_path / "a").read_bytes()
    assert len(content) == 50_000
    assert len(set(content)) == 1


def test_two_who_make_one_file_are_told(tmp_path):
    with disk.making(tmp_path / "deep" / "seed0.json"), pytest.raises(InputError, match=f"process {os.getpid()}"):
        disk.making(tmp_path / "deep" / "seed0.json").__enter__()
    assert names(tmp_path / "deep") == []


def test_two_paths_change_places(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_bytes(b"")
    if not disk.exchange(tmp_path / "a", tmp_path / "b"):
        assert names(tmp_path / "a") == ["a"]
        return
    assert (names(tmp_path / "a"), names(tmp_path / "b")) == (["b"], ["a"])
    assert not disk.exchange(tmp_path / "a", tmp_path / "none")
    assert names(tmp_path) == ["a", "b"]
