"""The proof of a Verilog export: lint, simulation and synthesis with the tools that are here."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from bstdg.export.base import Check, Golden
from bstdg.export.folder import MANIFEST, read_manifest
from bstdg.export.tools import Failed, checked, must, need
from bstdg.export.verilog import slang
from bstdg.export.verilog.bench import FOLDER, bench
from bstdg.export.verilog.design import PARALLEL, plan
from bstdg.export.verilog.tools import Bench, benches, need_slang, need_verilator, statistics
from bstdg.layers import FullLayer
from bstdg.model.packed import PackedModel

# Icarus interprets: an addition of a weight takes it 2 µs where all layers are fully connected, up to 3.5 µs where some
# slide, whose address generators work meanwhile. So many take half a minute. Verilator compiles, and takes all vectors.
ICARUS_ADDITIONS = 10_000_000
SIMULATED = 3600  # seconds: what takes a minute takes many where others share the processor
YOSYS = "yosys"

# LUTs and block RAMs of 4 kbit of Lattice's devices: iCE40 LP/HX/UltraPlus Family Data Sheets.
ICE40 = {"HX1K": (1280, 16), "HX4K": (3520, 20), "UP5K": (5280, 30), "HX8K": (7680, 32)}


def verify(folder: Path, model: PackedModel, golden: Golden) -> Iterator[Check]:
    """Every check in turn; one whose tool is not here is not run."""
    name = _name(folder)
    yield checked("test vectors", lambda: _vectors(folder, model, golden, name))
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        yield checked("lint, Verilator", lambda: _lint(folder, model, name))
        yield checked("lint, slang", lambda: _slang(folder, model, name))
        yield checked("simulation, Verilator", lambda: _verilator(folder, model, golden, name, scratch))
        yield checked("simulation, Icarus Verilog", lambda: _icarus(folder, model, golden, name, scratch))
        yield checked("synthesis, Yosys, any device", lambda: _generic(folder, name, scratch))
        yield checked("synthesis, Yosys, iCE40", lambda: _ice40(folder, name, scratch))


def _name(folder: Path) -> str:
    """The export's name, which is that of its test bench too."""
    if (folder / MANIFEST).is_file():
        return read_manifest(folder)["name"]
    return next((folder / FOLDER).glob("*_tb.v")).name.removesuffix("_tb.v")


def _sources(folder: Path, test: bool = False) -> list[str]:
    """The design's files, and those of the test bench, in a fixed order and relative to `folder`.

    Where there is a manifest these are the files that it lists: others that lie there are none of the export's.
    """
    if (folder / MANIFEST).is_file():
        paths = [PurePosixPath(name) for name in read_manifest(folder)["files"]]
    else:
        paths = [PurePosixPath(path.relative_to(folder).as_posix()) for path in folder.rglob("*.v")]
    places = (".", FOLDER) if test else (".",)
    return sorted(str(path) for path in paths if path.suffix == ".v" and str(path.parent) in places)


def _vectors(folder: Path, model: PackedModel, golden: Golden, name: str) -> str:
    """The test bench reads what the oracle computes, and nothing else."""
    wanted = bench(model, plan(model), golden, name)
    for path, data in wanted.items():
        if not (folder / path).is_file() or (folder / path).read_bytes() != data:
            raise Failed(f"{path} is not what the golden vectors make of it")
    spikes = sum(int((steps < model.num_steps).sum()) for steps in golden.hidden)
    return f"{len(golden.steps):,} vectors with {spikes:,} hidden spikes are the oracle's"


def _lint(folder: Path, model: PackedModel, name: str) -> str:
    said = need_verilator(delays=False)
    for parallel in _served(model):
        command = ["verilator", "--lint-only", "-Wall", "--top-module", name, f"-GPARALLEL={parallel}"]
        must([*command, *_sources(folder)], f"at {parallel} neurons a cycle", folder=folder)
    return f"no warning of -Wall, none waived, at {', '.join(map(str, _served(model)))} neurons a cycle; {said}"


def _slang(folder: Path, model: PackedModel, name: str) -> str:
    """Design and test bench, held to the language more strictly than by others: what is declared after its use, say."""
    said = need_slang()
    for parallel in _served(model):
        command = [sys.executable, "-P", slang.__file__, "--std", "1364-2005", "--top", f"{name}_tb"]
        strict = ["-Wextra", "-Werror", f"-GPARALLEL={parallel}", "--color-diagnostics=false"]
        must([*command, *strict, *_sources(folder, test=True)], f"at {parallel} neurons a cycle", folder=folder)
    return f"design and test bench without a warning, at {', '.join(map(str, _served(model)))} neurons a cycle; {said}"


def _served(model: PackedModel) -> tuple[int, ...]:
    """Numbers of neurons a cycle of which all that is checked without running it is checked."""
    layers = plan(model)
    widest = max(layer.widest for layer in layers)
    return 1, 3, PARALLEL, max(widest, layers[0].channels) if layers[0].kind == "full" else widest


def _verilator(folder: Path, model: PackedModel, golden: Golden, name: str, scratch: Path) -> str:
    said = need_verilator(delays=True)
    need("install make and g++", "make", "g++")
    command = ["verilator", "--binary", "-O3", "-Wall"]
    where = ["--top-module", f"{name}_tb", "-Mdir", str(scratch / "verilated"), "-o", "simulate"]
    must([*command, *where, *_sources(folder, test=True)], "does not compile", folder=folder)
    text = must([str(scratch / "verilated" / "simulate"), "+cycles"], "went wrong", folder=folder, seconds=SIMULATED)
    return f"{_judged(benches(text), folder, len(golden.steps))}; {said}"


def _icarus(folder: Path, model: PackedModel, golden: Golden, name: str, scratch: Path) -> str:
    need("install iverilog", "iverilog", "vvp")
    additions = 2 * np.cumsum(_additions(model, golden))  # with and without early exit
    vectors = max(1, int(np.searchsorted(additions, ICARUS_ADDITIONS, side="right")))
    program = str(scratch / "simulate.vvp")
    command = ["iverilog", "-g2005", f"-P{name}_tb.VECTORS={vectors}", "-s", f"{name}_tb", "-o", program]
    must([*command, *_sources(folder, test=True)], "does not compile", folder=folder)
    text = must(["vvp", "-n", program, "+cycles"], "went wrong", folder=folder, seconds=SIMULATED)
    of = f", the first of {len(golden.steps):,}: it interprets, and more would take it long; Verilator takes them all"
    return f"{_judged(benches(text), folder, vectors)}{of if vectors < len(golden.steps) else ''}"


def _additions(model: PackedModel, golden: Golden) -> NDArray[np.int64]:
    """Additions and comparisons of each vector, as far as they cost a simulator time."""
    if isinstance(model.layers[0], FullLayer):  # whose first layer is what costs
        events = (golden.steps < model.num_steps).sum(axis=1) + model.num_steps
        return events * model.widths[1]
    work = np.zeros(len(golden.steps), np.int64)
    for layer, steps in zip(model.layers, (golden.steps, *golden.hidden), strict=True):
        work += (steps < model.num_steps) @ layer.fan_out() + model.num_steps * len(layer.thresholds)
    return work


def _judged(found: dict[int, Bench], folder: Path, vectors: int) -> str:
    """What both benches found; raises where anything differs or is missing."""
    for run in found.values():
        if run.failed or run.vectors != vectors or len(run.cycles) != vectors:
            raise Failed(f"{run.failed} of {run.vectors} vectors differ from the oracle; {vectors} were asked for")
    what, first = _images(folder, vectors)
    early, full = (np.array(found[exit].cycles[first:]) for exit in (1, 0))
    return (
        f"{vectors:,} vectors bit-exact: decision, step, silence, every hidden spike; {PARALLEL} neurons a cycle, "
        f"{early.mean():,.0f} cycles {what} with early exit ({early.max():,} at most), {full.mean():,.0f} without"
    )


def _images(folder: Path, vectors: int) -> tuple[str, int]:
    """What cycles are counted over: the test images among the vectors if there are any, else all."""
    parts = read_manifest(folder)["golden"]["parts"] if (folder / MANIFEST).is_file() else []
    before = sum(part["vectors"] for part in parts[:-1])
    if parts and "test images" in parts[-1]["what"] and before < vectors:
        return "an image", before
    return "a vector", 0


def _yosys(folder: Path, name: str, steps: Sequence[str]) -> None:
    need(f"install {YOSYS}", YOSYS)
    begin = [f"read_verilog {' '.join(_sources(folder))}", f"hierarchy -check -top {name}"]
    must([YOSYS, "-q", "-p", "; ".join([*begin, *steps])], "Yosys fails", folder=folder)


def _generic(folder: Path, name: str, scratch: Path) -> str:
    """Gates and flip-flops beside memories, which are left whole."""
    memories, cells = scratch / "memories.json", scratch / "cells.json"
    coarse = ["proc", "flatten", "opt_clean", f"tee -q -o {memories} stat -json", f"synth -top {name} -run begin:fine"]
    fine = ["techmap", "opt -fast", "abc -g AND,OR,XOR,MUX", "opt_clean", f"tee -q -o {cells} stat -json"]
    _yosys(folder, name, [*coarse, *fine])
    kinds = statistics(cells)["num_cells_by_type"]
    flops = sum(count for kind, count in kinds.items() if "DFF" in kind)
    whole = sum(count for kind, count in kinds.items() if kind.startswith("$mem"))
    bits = statistics(memories)["num_memory_bits"]
    gates = sum(kinds.values()) - flops - whole
    return f"{gates:,} gates, {flops:,} flip-flops, {whole} memories, {bits:,} memory bits in all, thresholds included"


def _ice40(folder: Path, name: str, scratch: Path) -> str:
    cells = scratch / "ice40.json"
    _yosys(folder, name, [f"synth_ice40 -top {name}", f"tee -q -o {cells} stat -json"])
    kinds = statistics(cells)["num_cells_by_type"]
    luts, rams = kinds.get("SB_LUT4", 0), kinds.get("SB_RAM40_4K", 0)
    flops = sum(count for kind, count in kinds.items() if kind.startswith("SB_DFF"))
    fits = [device for device, (most_luts, most_rams) in ICE40.items() if luts <= most_luts and rams <= most_rams]
    said = f"fits {fits[0]}" if fits else "no iCE40 is large enough (HX8K: 7,680 and 32)"
    return f"{luts:,} SB_LUT4, {flops:,} flip-flops, {rams} block RAMs of 4 kbit; {said}"
