"""Verilog exports under a simulator: one top module with many test benches, what they print, and networks for them."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bstdg.export.base import Golden
from bstdg.export.verilog import write
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, size
from bstdg.layers.convolution import Convolution
from bstdg.model.packed import PackedModel
from support import needs
from support.strategies import GREATEST, INPUT_KINDS, make_signs, make_steps, make_thresholds, reading

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


def simulate_all(folder: Path, nets: list[tuple[PackedModel, Golden]], variants: Callable[..., Benches]) -> None:
    """Simulate networks by all `variants(name, model)` of their benches; every vector has to pass."""
    benches, expected = [], []
    for i, (model, golden) in enumerate(nets):
        put(folder, model, golden, f"net{i}")
        benches += variants(f"net{i}", model)
        expected += [(f"net{i}", len(golden.steps), 0)] * len(variants(f"net{i}", model))
    assert sorted(simulate(folder, benches)) == sorted(expected)


def verilated(folder: Path, top: str, *options: str) -> list[tuple[str, int, int]]:
    """Name, vectors and failures of every bench, under Verilator."""
    build = ["verilator", "--binary", "-Wno-fatal", "--top-module", top, "-Mdir", "obj", "-o", "run", *options]
    subprocess.run([*build, *sources(folder)], cwd=folder, check=True, capture_output=True, timeout=600)
    done = subprocess.run([folder / "obj" / "run"], cwd=folder, check=True, capture_output=True, timeout=600)
    return sorted(reports(done.stdout.decode()))


def conv(rng, reads, maps, kernel, stride=(1, 1), padding=(0, 0), groups=1, signs="random", thresholds="near"):
    """A convolution of random bits, and thresholds of a kind."""
    convolution = Convolution(reads, maps, kernel, stride, padding, groups)
    below = math.prod(convolution.weights[1:])
    theta = np.clip(make_thresholds(rng, thresholds, maps, below), -GREATEST, GREATEST)
    return Conv2dLayer(make_signs(rng, signs, maps, below).reshape(convolution.weights), theta, convolution)


def full(rng, below, above, signs="random", thresholds="near"):
    """A fully connected layer of random bits, and thresholds of a kind."""
    theta = np.clip(make_thresholds(rng, thresholds, above, below), -GREATEST, GREATEST)
    return FullLayer(make_signs(rng, signs, above, below), theta)


def model_of(layers: list[Layer], num_steps: int) -> PackedModel:
    """A deployed model of these layers, with a class for each output."""
    classes = tuple(map(str, range(size(layers[-1].gives))))
    return PackedModel(reading(layers[0].reads), tuple(layers), num_steps, classes)


def vectors_for(rng, model: PackedModel, kinds=INPUT_KINDS, batch=2) -> Golden:
    """So many inputs of each kind, and what the oracle makes of them."""
    channels, num_steps = model.widths[0], model.num_steps
    return Golden.of(model, np.concatenate([make_steps(rng, kind, batch, channels, num_steps) for kind in kinds]))


def sliding_corners() -> list[tuple[PackedModel, Golden]]:
    """Networks of windows that slide, at the limits of what they may be, and vectors."""
    rng = np.random.default_rng(5)
    votes = [Pool2dLayer((3, 5, 5), (3, 3), (1, 1), 4), Pool2dLayer((3, 3, 3), (2, 2), (1, 1))]
    never = conv(rng, (2, 4, 4), 3, (3, 3), thresholds="unreachable")
    chains: list[tuple[int, list[Layer]]] = [
        (1, [conv(rng, (1, 1, 1), 1, (1, 1))]),  # one of everything
        (4, [conv(rng, (2, 6, 5), 5, (3, 2), (1, 1), (2, 1)), Pool2dLayer((5, 8, 6), (2, 2), (2, 2), 2)]),
        (3, [conv(rng, (1, 1, 9), 4, (1, 3), (1, 2)), conv(rng, (4, 1, 4), 6, (1, 2), groups=2)]),  # a signal
        (5, [*votes, conv(rng, (3, 2, 2), 3, (2, 2))]),
        (4, [conv(rng, (4, 5, 5), 6, (3, 3), (1, 1), (1, 1), 2), Pool2dLayer((6, 5, 5), (2, 2), (3, 3))]),
        (4, [conv(rng, (1, 7, 7), 3, (2, 2), (3, 3)), conv(rng, (3, 2, 2), 7, (1, 1))]),  # pixels in no window
        (3, [never, conv(rng, (3, 2, 2), 2, (2, 2), thresholds="negative")]),
        (6, [conv(rng, (2, 4, 4), 3, (4, 4), (1, 1), (3, 3), signs="all plus", thresholds="extreme")]),
        (254, [conv(rng, (1, 3, 3), 2, (2, 2)), Pool2dLayer((2, 2, 2), (2, 2), (2, 2), 3)]),
    ]
    nets = []
    for num_steps, layers in chains:
        model = model_of([*layers, full(rng, size(layers[-1].gives), 4)], num_steps)
        nets.append((model, vectors_for(rng, model)))
    return nets
