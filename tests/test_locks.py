"""A lock is held by one process, says by whom, and is seen to be stale: on one machine or on several."""

from __future__ import annotations

import errno
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import needs

from bstdg import locks
from bstdg.errors import InputError

fcntl = needs.package("fcntl")

HOLD = """
import sys, time
from pathlib import Path
from bstdg import locks
with locks.hold(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds a lock."""
    path = tmp_path / ".lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield path, process
    process.kill()
    process.wait()
    process.stdout.close()


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught, locks.hold(path, "it"):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def of_another_machine(path: Path, seconds_ago: float, **changes) -> Path:
    said = {"host": "elsewhere", "pid": 7, "since": "2026-01-02 03:04:05 UTC", "machine": "another", **changes}
    path.write_text(json.dumps(said))
    os.utime(path, (time.time() - seconds_ago,) * 2)
    return path


def test_the_second_is_refused_and_told_who_is_first(other):
    path, process = other
    said = refused(path)
    assert f"it is in use by process {process.pid} on {platform.node()}, since 20" in said
    assert "UTC: wait until that ends, or choose another place" in said
    with pytest.raises(InputError, match=str(process.pid)):
        locks.look(path, "it")


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGTERM"])
def test_the_lock_of_a_process_that_was_killed_is_free(other, signal):
    import signal as signals

    path, process = other
    process.send_signal(getattr(signals, signal))
    process.wait()
    assert path.exists()  # nobody could remove it
    locks.look(path, "it")
    with locks.hold(path, "it"):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert not path.exists()


def test_a_stopped_process_still_holds_its_lock(other):
    import signal

    path, process = other
    process.send_signal(signal.SIGSTOP)
    os.utime(path, (0, 0))
    assert str(process.pid) in refused(path)


def test_a_lock_can_be_taken_again_and_is_held_against_this_process_too(tmp_path):
    path = tmp_path / ".lock"
    for _ in range(2):
        with locks.hold(path, "it"):
            assert str(os.getpid()) in refused(path)
        assert not path.exists()


def test_it_is_given_back_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locks.hold(tmp_path / ".lock", "it"):
        _ = 1 / 0
    assert not list(tmp_path.iterdir())


def test_of_many_who_come_at_once_one_at_a_time_is_inside(tmp_path):
    """Each adds one to a number that only a holder may touch, reading and writing it apart."""
    count = """
import sys, time
from pathlib import Path
from bstdg import locks
from bstdg.errors import InputError
folder, done = Path(sys.argv[1]), 0
while done < 20:
    try:
        with locks.hold(folder / ".lock", "it"):
            number = int((folder / "number").read_text())
            time.sleep(0.001)
            (folder / "number").write_text(str(number + 1))
            done += 1
    except InputError:
        pass
"""
    (tmp_path / "number").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", count, str(tmp_path)]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert (tmp_path / "number").read_text() == "80"


def test_another_machine_that_was_heard_of_just_now_holds_its_lock(tmp_path):
    path = of_another_machine(tmp_path / ".lock", 20)
    assert "process 7 on elsewhere, since 2026-01-02 03:04:05 UTC" in refused(path)
    assert "last seen 20 s ago; if it is gone, this ends after 60 s of silence" in refused(path)
    assert json.loads(path.read_text())["host"] == "elsewhere"


def test_another_machine_that_has_gone_silent_does_not(tmp_path):
    path = of_another_machine(tmp_path / ".lock", 61)
    locks.look(path, "it")
    with locks.hold(path, "it"):
        assert json.loads(path.read_text())["host"] == platform.node()


def test_a_holder_shows_that_it_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "BEAT", 0.01)
    path = tmp_path / ".lock"
    with locks.hold(path, "it"):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert time.time() - path.stat().st_mtime < 5


@pytest.mark.parametrize("code", [errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL])
def test_without_the_kernels_help_it_is_known_by_its_touch(tmp_path, monkeypatch, code):
    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(locks, "SETTLING", 0.01)
    path = tmp_path / ".lock"
    with locks.hold(path, "it"):
        assert f"process {os.getpid()} on " in refused(path)
    assert not path.exists()
    with locks.hold(of_another_machine(path, 61), "it"):
        pass
    assert "elsewhere" in refused(of_another_machine(path, 1))


def test_of_several_who_sign_at_once_the_last_has_it(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOTSUP, "no locks")))
    path = tmp_path / ".lock"
    monkeypatch.setattr(time, "sleep", lambda _: of_another_machine(path, 0))
    assert "process 7 on elsewhere" in refused(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"7", b'{"pid": "x"}', b"[" * 4000, b'{"pid": 1e999}'])
def test_a_file_that_says_nothing_holds_nobody_back(tmp_path, content):
    (tmp_path / ".lock").write_bytes(content)
    with locks.hold(tmp_path / ".lock", "it"):
        pass


def test_what_another_wrote_is_no_command_to_a_terminal(tmp_path):
    said = refused(of_another_machine(tmp_path / ".lock", 1, host="\x1b[31mred\n\x07", since="x" * 3000))
    assert said.isprintable()
    assert len(said) < 500
