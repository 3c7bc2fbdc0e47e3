"""What Verilator, Icarus Verilog and Yosys are asked for, and reading what they print."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from bstdg.export.tools import Failed, NotRun, complaint, need, version

OLDEST_SLANG = 10  # the first that is asked in this way
OLDEST_VERILATOR = 5  # the first that runs a test bench with delays


class Bench(NamedTuple):
    """What one instance of the test bench printed: `vectors` run, of which `failed`, and the `cycles` of each."""

    vectors: int
    failed: int
    cycles: list[int]


def need_verilator(delays: bool) -> str:
    """`Verilator 5.006`; raises `NotRun` where it is not there, or cannot run a test bench with `delays`."""
    need("install verilator", "verilator")
    found = version("verilator")
    if delays and int(found.partition(".")[0] or 0) < OLDEST_VERILATOR:
        raise NotRun(f"Verilator {found or '(of unknown version)'} is too old; install {OLDEST_VERILATOR} or later")
    return f"Verilator {found}"


def need_slang() -> str:
    """`slang 12.1.0`; raises `NotRun` where its Python package is not there, or is of another kind."""
    try:
        from importlib.metadata import version as installed

        found = installed("pyslang")
    except ImportError:
        raise NotRun("slang not found; install the Python package pyslang") from None
    if int(found.partition(".")[0]) < OLDEST_SLANG:
        raise NotRun(f"slang {found} is too old; install pyslang {OLDEST_SLANG} or later")
    return f"slang {found}"


def benches(output: bytes) -> dict[int, Bench]:
    """What the test bench printed, run with +cycles: early exit (1) and every step (0).

    Raises:
        Failed: it did not come to its end.
    """
    text, found = output.decode(errors="replace"), {}
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
