"""What the benchmarks share: timing, versions, tables, JSON."""

from __future__ import annotations

import ctypes
import gc
import importlib.metadata
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.progress import track

from bstdg.engine import native

ROUNDS = 5
TURN, REST = 0.3, 0.1
PACKAGES = ("bstdg", "numpy", "torch", "scikit-learn", "snntorch", "spikingjelly", "norse")

Row = dict[str, Any]


class Case(NamedTuple):
    """Something to be timed: a call of `work` is through with `count` samples."""

    name: str
    count: int
    work: Callable[[], object]
    facts: dict[str, Any]


def measure(cases: Sequence[Case]) -> list[Row]:
    """A line of a table for each case: samples a second at the median of some rounds, and the µs each took.

    A round takes every case in turn, so that a machine that is slower for a while is so for all of them. A case's turn
    begins with a pause, in which the threads of the case before come to rest, and a call that is not counted, for what
    it left in caches; then it takes at least `TURN` seconds.
    """
    rounds = [[_turn(case) for case in cases] for _ in track(range(ROUNDS), "Rounds", transient=True)]
    return [_row(case, times) for case, times in zip(cases, zip(*rounds, strict=True), strict=True)]


def _turn(case: Case) -> float:
    time.sleep(REST)
    case.work()
    calls, start = 0, time.perf_counter()
    while (took := time.perf_counter() - start) < TURN or calls == 0:
        case.work()
        calls += 1
    return 1e6 * took / (calls * case.count)


def _row(case: Case, each: Sequence[float]) -> Row:
    median = statistics.median(each)
    rates = {"per_second": 1e6 / median, "us": median, "us_min": min(each), "us_max": max(each)}
    return {"name": case.name, **case.facts, **rates}


def about() -> dict[str, Any]:
    """The machine, and the versions of everything that is compared."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cpus": native.available_threads(),
        "instruction_set": native.instruction_sets()[0],
        "python": platform.python_version(),
        **versions,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def megahertz() -> float | None:
    """The clock that the system states, if it does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((float(line.split(":", 1)[1]) for line in lines if line.startswith("cpu MHz")), None)


def peak_megabytes() -> float:
    """The greatest size that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would also count the process that started this one
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def forget_peak() -> None:
    """Give back what setting up has freed, and count the greatest size anew, so that what follows is seen to grow."""
    if Path("/proc/self/clear_refs").exists():
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def show(rows: Sequence[Row], facts: Sequence[str]) -> None:
    """Print rows as a Markdown table."""
    print("| what | " + " | ".join(facts) + " | samples/s | µs each | min | max |")
    print("|---" * (len(facts) + 5) + "|")
    for r in rows:
        cells = ["" if r.get(fact) is None else str(r[fact]) for fact in facts]
        times = " | ".join(f"{r[key]:,.2f}" for key in ("us", "us_min", "us_max"))
        print(f"| {r['name']} | {' | '.join(cells)} | {r['per_second']:,.0f} | {times} |", flush=True)


def save(path: Path | None, **parts: Any) -> None:
    """Write what was measured, with the machine and the versions, as JSON."""
    if path is not None:
        path.write_text(json.dumps({"about": about(), **parts}, indent=2) + "\n", encoding="utf-8")
