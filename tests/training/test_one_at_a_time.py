"""A folder is trained in by one process at a time; who comes second is told who is there, and disturbs nothing."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import needs
from support.paths import ROOT

from bstdg.errors import InputError
from bstdg.learning.recipe_file import load_recipe
from bstdg.training.run_folder import CHECKPOINT, LOCK, LOG
from bstdg.training.train import train

needs.package("fcntl")

ENDLESS = ["--set", "limit=300", "--set", "hidden=[24]", "--set", "epochs=100000"]


def bstdg(*words: object, said: int = subprocess.PIPE) -> subprocess.Popen:
    # As from a terminal: who runs the tests in the background may have told their children to ignore Ctrl-C.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{listen}; from bstdg.__main__ import run; run()", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, text=True)


def lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def wait_for(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def training(tmp_path):
    """A training that does not end by itself, and its folder."""
    out = tmp_path / "run"
    process = bstdg("train", "digits", "--out", out, *ENDLESS, said=subprocess.DEVNULL)  # nobody would read it
    wait_for(lambda: lines(out / LOG) >= 2)
    yield process, out
    process.kill()
    process.communicate()


def test_the_second_is_refused_and_the_first_goes_on(training):
    process, out = training
    seconds = [bstdg("train", "digits", "--out", out, *ENDLESS, *how) for how in (["--overwrite"], ["--resume"], [])]
    for second in seconds:
        said = second.communicate()[1].splitlines()
        assert second.returncode == 2
        assert len(said) == 1, said
        assert f"{out} is in use by process {process.pid} on {platform.node()}, since " in said[0]
    epochs = lines(out / LOG)
    wait_for(lambda: lines(out / LOG) > epochs + 2)
    assert process.poll() is None
    rows = [json.loads(line) for line in (out / LOG).read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))


def test_a_training_that_was_killed_holds_nobody_back_nor_does_one_that_was_stopped(training):
    process, out = training
    process.kill()
    process.wait()
    assert (out / LOCK).exists()
    epoch = lines(out / LOG)
    second = bstdg("train", "digits", "--out", out, *ENDLESS, "--resume")
    wait_for(lambda: lines(out / LOG) > epoch + 1 or second.poll() is not None)
    assert second.poll() is None
    second.send_signal(signal.SIGINT)
    assert second.communicate()[1].splitlines()[-1].startswith("bstdg: stopped")
    assert not (out / LOCK).exists()


def test_of_two_that_start_at_once_one_trains(tmp_path):
    few = ["--set", "limit=300", "--set", "hidden=[24]", "--set", "epochs=30"]
    both = [bstdg("train", "digits", "--out", tmp_path / "run", "--overwrite", *few) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    ended = sorted(process.returncode for process in both)
    assert ended in ([0, 2], [0, 0])  # the second may have come when the first was done
    assert "Traceback" not in "".join(said)
    rows = [json.loads(line) for line in (tmp_path / "run" / LOG).read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, 31))


def test_a_folder_that_another_machine_trains_in_is_left_alone(tmp_path):
    recipe = load_recipe(ROOT / "recipes" / "digits.toml", ["limit=300", "hidden=[24]", "epochs=1"])
    train(recipe, tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()
    said = {"host": "elsewhere", "pid": 7, "since": "2026-01-02 03:04:05 UTC", "machine": "another"}
    (tmp_path / LOCK).write_text(json.dumps(said))
    with pytest.raises(InputError, match="in use by process 7 on elsewhere, since 2026-01-02 03:04:05 UTC"):
        train(recipe, tmp_path, overwrite=True)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    os.utime(tmp_path / LOCK, (0, 0))
    train(recipe, tmp_path, overwrite=True)
    assert not (tmp_path / LOCK).exists()
