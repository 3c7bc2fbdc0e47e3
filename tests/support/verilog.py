"""Verilog exports under a simulator: one top module with many test benches, and what they print."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from bstdg.export.base import Golden
from bstdg.export.verilog import write
from bstdg.model.packed import PackedModel
from support import needs

Benches = list[tuple[str, dict[str, int]]]  # names and parameters


def put(folder: Path, model: PackedModel, golden: Golden, name: str) -> None:
    """Write an export's files, without a manifest."""
    for path, data in write(model, golden, name).files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)


def sources(folder: Path) -> list[str]:
    """All that is Verilog below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.v"))


def wrapper(folder: Path, benches: Benches) -> None:
    """One top module with a bench of each (name, parameters)."""
    lines, count = ["`timescale 1ns / 1ns", "module everything;"], len(benches)
    lines.append(f"wire [{count - 1}:0] finished, passed;")
    for i, (name, parameters) in enumerate(benches):
        values = ", ".join(f".{key}({value})" for key, value in parameters.items())
        lines.append(f"{name}_bench #({values}) b{i} (.finished(finished[{i}]), .passed(passed[{i}]));")
    lines.append("initial begin wait (&finished); #1; $finish; end\nendmodule\n")
    (folder / "test" / "everything.v").write_text("\n".join(lines))


def simulate(folder: Path, benches: Benches) -> list[tuple[str, int, int]]:
    """Name, vectors and failures of every bench, under Icarus."""
    wrapper(folder, benches)
    files = [*sorted(folder.glob("*.v")), *sorted((folder / "test").glob("*.v"))]
    command = ["iverilog", "-g2005", "-s", "everything", "-o", "run.vvp", *map(str, files)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    done = subprocess.run(["vvp", "-n", "run.vvp"], cwd=folder, check=True, capture_output=True, timeout=300)
    return reports(done.stdout.decode())


def reports(text: str) -> list[tuple[str, int, int]]:
    """Name, vectors and failures of every bench, from what they print."""
    pattern = r"^(\w+) parallel=\d+ early_exit=\d vectors=(\d+) passed=\d+ failed=(\d+)"
    return [(name, int(n), int(failed)) for name, n, failed in re.findall(pattern, text, re.MULTILINE)]


def skip_old_verilator() -> None:
    """Skip the test where Verilator cannot run a test bench with delays."""
    version = subprocess.run(["verilator", "--version"], check=True, capture_output=True, text=True).stdout
    if int(re.findall(r"\d+", version)[0]) < 5:
        needs.skip("verilator-5", more="it runs test benches with delays")
