"""What the benchmarks share: timing, versions, tables, JSON."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bstdg.engine import native

REPEATS = 5
PACKAGES = ("bstdg", "numpy", "torch", "scikit-learn", "snntorch", "spikingjelly", "norse")

Row = dict[str, Any]


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """How long each of some runs took, sorted, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)


def row(name: str, count: int, times: Sequence[float], **facts: Any) -> Row:
    """One line of a table: how many samples a second at the median, and the µs each took."""
    each = [1e6 * t / count for t in (statistics.median(times), min(times), max(times))]
    return {"name": name, **facts, "per_second": 1e6 / each[0], "us": each[0], "us_min": each[1], "us_max": each[2]}


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
