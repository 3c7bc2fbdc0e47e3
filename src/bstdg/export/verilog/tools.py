"""Running Verilator, Icarus Verilog and Yosys, and reading what they print."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = 600  # for one command
OLDEST_VERILATOR = 5  # the first that runs a test bench with delays


class NotRun(Exception):
    """Something is missing on this machine, or took too long; the message says what."""


class Failed(Exception):
    """The export is at fault; the message says how."""


class Bench(NamedTuple):
    """What one instance of the test bench printed: `vectors` run, of which `failed`, and the `cycles` of each."""

    vectors: int
    failed: int
    cycles: list[int]


def need(program: str, install: str) -> None:
    """Raise `NotRun` unless there is such a program."""
    if shutil.which(program) is None:
        raise NotRun(f"{program} not found; install {install}")


def call(command: Sequence[str], folder: Path, problem: str) -> str:
    """Run a command in a folder and return what it printed.

    Raises:
        Failed: it ended with an error; the message begins with `problem`.
        NotRun: it took too long.
    """
    try:
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotRun(f"{Path(command[0]).name} took more than {SECONDS} s here") from None
    text = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise Failed(f"{problem}: {complaint(text)}")
    return text


def complaint(text: str) -> str:
    """The line of a tool's output that says what is wrong, as far as it can be told."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wrong = [line for line in lines if re.search(r"error|warning|fail", line, re.IGNORECASE)]
    return (wrong or lines[-1:] or ["it printed nothing"])[0]


def version(program: str, flag: str, folder: Path) -> tuple[int, ...]:
    """The numbers of a program's version; none where it does not say."""
    done = subprocess.run([program, flag], cwd=folder, capture_output=True, timeout=SECONDS, check=False)
    found = re.search(rb"\d+(\.\d+)+", done.stdout)
    return tuple(map(int, found[0].split(b"."))) if found else ()


def need_verilator(folder: Path, delays: bool) -> str:
    """`Verilator 5.006`; raises `NotRun` where it is not there, or cannot run a test bench with `delays`."""
    need("verilator", "verilator")
    found = version("verilator", "--version", folder)
    said = ".".join(f"{n:03}" if i else str(n) for i, n in enumerate(found))
    if delays and found < (OLDEST_VERILATOR,):
        raise NotRun(f"Verilator {said or '(of unknown version)'} is too old; install {OLDEST_VERILATOR} or later")
    return f"Verilator {said}"


def benches(text: str) -> dict[int, Bench]:
    """What the test bench printed, run with +cycles: early exit (1) and every step (0).

    Raises:
        Failed: it did not come to its end.
    """
    found = {}
    for line in re.finditer(r"early_exit=(\d) vectors=(\d+) passed=\d+ failed=(\d+) ", text):
        early, vectors, failed = map(int, line.groups())
        cycles = re.findall(rf"^early_exit={early} vector=\d+ cycles=(\d+)$", text, re.MULTILINE)
        found[early] = Bench(vectors, failed, list(map(int, cycles)))
    if set(found) != {0, 1}:
        raise Failed(f"the test bench did not come to its end: {complaint(text)}")
    return found


def statistics(path: Path) -> dict[str, Any]:
    """The totals of a file that Yosys wrote with `stat -json`."""
    text = path.read_text()
    return json.loads(text[text.index("{") :])["design"]
