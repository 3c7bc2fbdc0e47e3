"""`torchrun -m bstdg train` in processes: killed, started anew, gone on with by another number, and a full disk."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from support import needs, ranks
from torch import distributed

from bstdg.learning.recipe_file import load_recipe
from bstdg.shipped import shipped_recipes
from bstdg.training.run_folder import CHECKPOINT, LOG, MODEL
from bstdg.training.train import train

pytestmark = needs.mark("gloo", distributed.is_available() and distributed.is_gloo_available())
SMALL = ("network.layers=[32]", "train.spike_dropout=0.1", "epochs=5")
SETTINGS = [part for setting in SMALL for part in ("--set", setting)]
# Its second rank kills itself after the second epoch, and when it was started anew after the third.
KILLED = """
import os, runpy, signal
from bstdg.training.run import TrainingRun

learn, last = TrainingRun.learn, 2 + int(os.environ["TORCHELASTIC_RESTART_COUNT"])

def until_killed(run, *args, **options):
    if os.environ["RANK"] == "1" and run.epoch == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(run, *args, **options)

TrainingRun.learn = until_killed
runpy.run_module("bstdg", run_name="__main__", alter_sys=True)
"""
# Its first rank leaves without a word; tells of the threads of the second before and after.
LEFT_ALONE = """
import os
from pathlib import Path

import numpy as np

from bstdg.distributed import launch
from bstdg.distributed.ranks import Lost

def of_gloo():
    return sum("gloo" in name.read_text() for name in Path("/proc/self/task").glob("*/comm"))

try:
    with launch.joined("cpu") as ranks:
        ranks.sum_of_all(np.ones(3))
        if ranks.first:
            os._exit(0)
        print(of_gloo() > 0)
        ranks.sum_of_all(np.ones(3))
except Lost as error:
    print(of_gloo())
"""


def of_ours(text: str) -> list[str]:
    return re.findall(r"^bstdg: .*", text, re.MULTILINE)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of a run on two ranks of which one was killed, twice, and what was said."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "killed.py").write_text(KILLED)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]
    command += [str(folder / "killed.py"), "train", "digits", "--out", str(folder / "run"), "--overwrite", *SETTINGS]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1, done.stderr
    return folder / "run", done.stderr


def test_when_a_rank_is_killed_one_says_so_and_torchrun_goes_on_from_the_checkpoint(killed):
    folder, said = killed
    again, end = of_ours(said)
    assert again.endswith("; torchrun starts all anew, from the last whole epoch")
    assert end.endswith(f"; to go on, repeat the command with --out {folder} --resume")
    assert [int(n) for n in re.findall(r"^epoch (\d)/5", said, re.MULTILINE)] == [1, 2, 3]
    assert [json.loads(line)["epoch"] for line in (folder / LOG).read_text().splitlines()] == [1, 2, 3]


def test_one_rank_goes_on_where_two_were_and_ends_where_one_would_have(killed, tmp_path):
    folder, _ = killed
    recipe = load_recipe(shipped_recipes()["digits"], SMALL)
    finished, unbroken = (train(recipe, out, resume=True) for out in (folder, tmp_path / "unbroken"))
    assert finished["epochs"] == 5
    assert "ranks" not in finished
    one, other = (load_file(out / CHECKPOINT) for out in (folder, tmp_path / "unbroken"))
    assert torch.equal(one["generator"], other["generator"])
    for key in (name for name in one if name.startswith("network.")):
        off = (one[key] - other[key]).abs()
        assert ((off > 1e-3).double().mean(), off.max() < 0.1) < (0.02, True), key
    assert finished["validation"]["accuracy"] == pytest.approx(unbroken["validation"]["accuracy"], abs=0.02)


def test_a_full_disk_ends_all_ranks_and_one_says_so(tmp_path):
    """Started by hand: nobody but they themselves tells the other that the first is gone."""
    program = "import os, resource, runpy; first = os.environ['RANK'] == '0'"
    program += "; first and resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
    program += "; runpy.run_module('bstdg', run_name='__main__')"
    each = ranks.start(2, ["-c", program, "train", "digits", "--out", tmp_path / "run", *SETTINGS])
    said = [process.communicate(timeout=300) for process in each]
    assert [process.returncode for process in each] == [1, 1], said
    assert said[1] == ("", "")
    (line,) = of_ours(said[0][1])
    assert CHECKPOINT in line
    assert "File too large" in line
    assert not (tmp_path / "run" / MODEL).exists()


def test_ranks_end_together_in_one_line_where_the_recipe_is_unknown(tmp_path):
    each = ranks.start(2, ["-m", "bstdg", "train", "nothing", "--out", tmp_path / "run"])
    said = [process.communicate(timeout=300) for process in each]
    assert [process.returncode for process in each] == [2, 2]
    assert sorted(len(of_ours(errors)) for _, errors in said) == [0, 1]
    assert list(tmp_path.iterdir()) == []


@needs.mark("linux", sys.platform == "linux")
def test_no_thread_of_gloos_is_left_while_the_error_is_told():
    """They would abort Python where they free a tensor while it ends."""
    _, other = (process.communicate(timeout=300) for process in ranks.start(2, ["-c", LEFT_ALONE]))
    assert other == ("True\n0\n", "")


def test_signals_are_as_they_were_after_a_training():
    """`heeding_torchrun` lets none of its own behind."""
    from bstdg.distributed import launch

    before = signal.getsignal(signal.SIGTERM)
    with launch.heeding_torchrun():
        assert signal.getsignal(signal.SIGTERM) is before  # no rank
    assert signal.getsignal(signal.SIGTERM) is before
