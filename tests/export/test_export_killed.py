"""An export that is killed at any moment leaves the one before or the new one, whole; the next clears up after it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from support import needs

from bstdg import disk, locks
from bstdg.errors import InputError
from bstdg.export import folder as folders

pytestmark = needs.mark("fork", hasattr(os, "fork"))
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "open", "ctypes.dlsym", "shutil.rmtree")


def manifest(name: str) -> dict:
    return {"format": "bstdg-export", "version": 1, "target": "c", "name": name, "golden": {"parts": []}, "figures": {}}


def write(folder: Path, name: str) -> None:
    folders.write(folder, {f"{name}.c": name.encode(), "deep/model": b"m"}, manifest(name))


def killed_at(moment: int, do) -> bool:
    """Whether a forked process was killed when it was about to do so many changes; else it has done all."""
    child = os.fork()
    if child == 0:
        count = 0

        def watch(event: str, _) -> None:
            nonlocal count
            if event in CHANGES:
                count += 1
                if count == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(watch)
            do()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # forked with threads, of torch for instance
@pytest.mark.parametrize("exchanged", [True, False])
def test_killed_at_any_moment(tmp_path, monkeypatch, exchanged):
    if not exchanged:
        monkeypatch.setattr(disk, "exchange", lambda *_: False)
    moment, states = 0, set()
    while True:
        moment += 1
        out = tmp_path / f"{moment}" / "out"
        write(out, "old")
        killed = killed_at(moment, lambda out=out: write(out, "fresh"))
        if exchanged and killed:
            there = folders.read_manifest(out)  # at every moment, without anybody mending it
            assert not folders.changed_files(out, there)
            states.add(there["name"])
        folders.check_replaceable(out, force=False)  # what the next export begins with
        there = folders.read_manifest(out)
        assert not folders.changed_files(out, there)
        assert {path.name for path in out.parent.iterdir()} <= {"out", ".out.lock"}
        write(out, "next")
        assert folders.read_manifest(out)["name"] == "next"
        assert {path.name for path in out.parent.iterdir()} == {"out"}
        if not killed:
            break
    assert moment > 20
    assert states == ({"old", "fresh"} if exchanged else set())


def test_a_folder_that_only_its_old_name_leads_to_is_put_back(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    out.replace(tmp_path / ".out.0123abcd.old")
    (tmp_path / ".out.0123abcd.tmp").mkdir()
    (tmp_path / ".out.notes.old").mkdir()
    folders.check_replaceable(out, force=False)
    assert folders.read_manifest(out)["name"] == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"out", ".out.notes.old"}


def test_two_who_write_one_export_are_told(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    with locks.hold(disk.beside(out, folders.LOCK), out):
        for attempt in (lambda: write(out, "fresh"), lambda: folders.check_replaceable(out, force=True)):
            with pytest.raises(InputError, match=f"out is in use by process {os.getpid()} on "):
                attempt()
    assert folders.read_manifest(out)["name"] == "old"
    write(out, "fresh")
