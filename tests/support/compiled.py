"""Networks as C, compiled for this machine and called from Python."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

import numpy as np

from bstdg.engine import oracle
from bstdg.engine.decide import decide
from bstdg.export import c
from bstdg.export.base import Golden
from bstdg.export.c import proof
from bstdg.model.packed import PackedModel
from bstdg.spikes.events import Events

COMPILER = os.environ.get("CC", "cc")
FLAGS = ["-O0", "-shared", "-fPIC", *proof.WARNINGS]


class Library:
    """Several networks compiled together, each by its own name."""

    def __init__(self, models: list[PackedModel], folder: Path):
        sources = []
        for i, model in enumerate(models):
            golden = Golden.of(model, np.zeros((1, model.widths[0]), np.uint8))
            for path, data in c.write(model, golden, f"n{i}").files.items():
                (folder / str(i) / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / str(i) / path).write_bytes(data)
            both = folder / f"both{i}.c"  # one start of the compiler instead of two
            both.write_text(f'#include "{i}/n{i}.c"\n#include "{i}/test/check.c"\n')
            sources.append(both)
        program = folder / "networks.so"
        subprocess.run([COMPILER, *FLAGS, *map(str, sources), "-o", str(program)], check=True)
        self.models, self.code = models, ctypes.CDLL(str(program))

    def record(self, i: int, events: list[tuple[int, int]]) -> bytes | None:
        """What network i makes of (channel, step) events by every way; None where the ways differ or refuse."""
        ordered = sorted(events, key=lambda event: event[1])
        channels = (ctypes.c_uint16 * max(1, len(ordered)))(*(channel for channel, _ in ordered))
        steps = (ctypes.c_uint8 * max(1, len(ordered)))(*(step for _, step in ordered))
        record = (ctypes.c_uint8 * (4 + sum(self.models[i].widths[1:-1])))()
        agreed = getattr(self.code, f"n{i}_check")(channels, steps, len(ordered), record)
        return bytes(record) if agreed else None


def decided_by_snippet(export: Path, pixels: np.ndarray, folder: Path) -> int:
    """What the code that an export's README.md shows returns for one image, in a program made in `folder`."""
    snippet = [line[4:] for line in (export / "README.md").read_text().splitlines() if line.startswith("    ")]
    values = ",".join(map(str, pixels))
    program = ["#include <stdio.h>", *snippet, f"int main(void) {{ static const net_pixel pixels[] = {{{values}}};"]
    (folder / "main.c").write_text("\n".join([*program, 'return printf("%d", classify(pixels)) < 0; }']))
    sources = [str(folder / "main.c"), str(export / "net.c")]
    subprocess.run([COMPILER, "-std=c99", f"-I{export}", *sources, "-o", str(folder / "main")], check=True)
    return int(subprocess.run([str(folder / "main")], capture_output=True, text=True, check=True).stdout)


def alter(path: Path, before: str, after: str) -> None:
    """Write something else in the one place of a file where `before` stands."""
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


def expected(model: PackedModel, spikes: np.ndarray | Events) -> list[bytes]:
    trace = oracle.forward(model.layers, spikes, model.num_steps)
    decision = decide(trace.potentials, model.layers[-1].thresholds)
    steps = np.zeros((len(decision.label), 0), np.uint8)
    golden = Golden(steps, trace.hidden, decision.label, decision.step, decision.silent)
    return [row.tobytes() for row in proof.records(golden)]
