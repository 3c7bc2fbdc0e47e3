"""What is printed for somebody to run does what it says, whatever files are called; lists of paths of any system."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.paths import GOLDEN
from support.strategies import random_model

from bstdg.commands import quoted
from bstdg.model import packed
from bstdg.training import checkpoint
from bstdg.training.run_folder import CHECKPOINT, PREVIOUS

MODEL = GOLDEN / "digits.bstdg"
NAMES = ["plain", "two words", "it's", "-v", "$HOME", "a;b", "`id`", 'say "x"', "new\nline", "\x1b[31m", "tab\there",
         "back\\slash", "ümläut", "*", "!x", "#", "~", "\u202eright"]  # fmt: skip


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"latin\xe9"), os.fsdecode(b"a\xff\nb'c\\")])
def test_a_quoted_name_is_one_word_to_a_shell(name, tmp_path):
    word = quoted(name)
    assert word.isprintable()
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {word}"], capture_output=True, check=True, cwd=tmp_path)
    assert done.stdout in (os.fsencode(name) + b"\0", b"./" + os.fsencode(name) + b"\0")
    assert done.stdout.startswith(b"./") == name.startswith("-")


def run_as_printed(said: str, command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run, in a shell, what is printed from the words of `command` on."""
    printed = said[said.index(command) :].rstrip("\n")
    script = f'bstdg() {{ {sys.executable} -m bstdg "$@"; }}; {printed}'
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, cwd=cwd)


@pytest.mark.parametrize("name", ["two words", "it's $HOME", "-v", "new\nline"])
def test_commands_that_are_printed_can_be_run(name, tmp_path, monkeypatch, bstdg):
    monkeypatch.chdir(tmp_path)
    status, _, said = bstdg("new", "--", f"{name}.toml")
    assert status == 0
    values = " --set epochs=1 --set limit=200 --set hidden=[9] --out run"
    done = run_as_printed(said[-1] + values, "bstdg train ", tmp_path)
    assert done.returncode == 0, done.stderr
    packed.save(random_model((20, 12, 5, 3), 8, threshold=4), tmp_path / "m.bstdg")
    status, out, _ = bstdg("export", "nir", "m.bstdg", f"--out={name}")
    assert status == 0
    done = run_as_printed(out, "bstdg verify ", tmp_path)
    assert "files are as they were written" in re.sub(r"\s+", " ", done.stdout), done.stderr


def test_the_way_back_to_an_older_checkpoint_can_be_run(tmp_path):
    folder = tmp_path / "it's a run"
    folder.mkdir()
    for name in (CHECKPOINT, PREVIOUS):
        shutil.copy(GOLDEN / "checkpoint-v1.safetensors", folder / name)
    whole = (folder / CHECKPOINT).read_bytes()
    (folder / CHECKPOINT).write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="run  mv ") as caught:
        checkpoint.load(folder / CHECKPOINT)
    subprocess.run(["bash", "-c", str(caught.value).rpartition("run  ")[2]], check=True)
    checkpoint.load(folder / CHECKPOINT)


# --- paths on standard input -----------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one.npy", "two words.npy", "ümläut.npy", "new\nline.npy", " space "):
        with Path(name).open("wb") as file:
            np.save(file, np.zeros((8, 8), np.uint8))
    Path(" space ").rename(" space .npy")


def predict(listed: bytes, *options: str) -> tuple[int, list[str], str]:
    command = [sys.executable, "-m", "bstdg", "predict", str(MODEL), "--json", *options]
    done = subprocess.run(command, input=listed, capture_output=True, check=False)
    return done.returncode, [json.loads(line)["file"] for line in done.stdout.splitlines()], done.stderr.decode()


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_a_list_of_any_system(pictures, end, start, last):
    names = ["one.npy", " space .npy", "", "two words.npy", "ümläut.npy"]
    listed = start + end.join(name.encode() for name in names) + (end if last else b"")
    assert predict(listed) == (0, [name for name in names if name], "")


@pytest.mark.parametrize("option", ["-0", "--null"])
@pytest.mark.parametrize("last", [b"", b"\0"])
def test_a_list_separated_by_nul(pictures, option, last):
    names = ["one.npy", "new\nline.npy", "two words.npy"]
    assert predict("\0".join(names).encode() + last, option) == (0, names, "")
    assert predict("\0".join(names).encode() + last, option, "one.npy", "-") == (0, ["one.npy", *names], "")


def test_what_is_no_list_is_said(pictures):
    status, _, said = predict(b"one.npy\0two words.npy\0")
    assert (status, said) == (
        2,
        "bstdg: the paths on standard input have a NUL in them: add -0 if they end in NUL\n",
    )
    status, _, said = predict(b"x" * 200_000)
    assert status == 2
    assert said.startswith("bstdg: standard input has more than 65,536 bytes without an end of a path")
    status, _, said = predict(b"", "-0", "one.npy")
    assert (status, said) == (
        2,
        "bstdg: -0 says how paths on standard input end: name no files, or - among them\n",
    )
