"""How the cost of a decision and of a training step grows: with T, width, input density, batch and threads.

    python benchmarks/growth.py [--json FILE] [--figures FOLDER]

One hidden layer, 784 inputs, 10 outputs, random weights, every step run to the end; what is not varied is T = 8, 600
neurons, 19 % of the pixels, batches of 1,000 (256 in training), one thread. Medians of 5 rounds; the bars reach from
the least to the greatest. Draws one figure each, and one of what an addition of a synapse takes in layers of as many
inputs as neurons, where forward and backward pass add once each for every input spike and neuron.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from common import Case, Row, about, measure, save, show

from bstdg.engine import native, native_training
from bstdg.inputs.latency import latency
from bstdg.learning.loss import Loss
from bstdg.learning.network import Network
from bstdg.learning.recipe import LossConfig, NetworkConfig, TrainConfig
from bstdg.training import schedule

CHANNELS, CLASSES = 784, 10
USUAL: dict[str, Any] = {"T": 8, "width": 600, "density": 0.19, "batch": None, "threads": 1, "inputs": CHANNELS}
SIZES, BATCHES = (256, 512, 1024, 2048, 4096), (256, 1024, 4096)
VARIED = {
    "T": (4, 8, 16, 32, 64, 128, 254),
    "width": (64, 128, 256, 512, 1024, 2048, 4096),
    "density": (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0),
    "batch": (1, 4, 16, 64, 256, 1024, 4096),
    "threads": (1, 2, 4, 8, 16, 32, 64),
}
UNITS = {
    "T": "steps, T",
    "width": "hidden neurons",
    "density": "share of input channels that spike",
    "batch": "samples a batch",
    "threads": "threads",
}


def settings() -> Iterator[tuple[str, dict[str, Any]]]:
    """What is varied, and the whole setting."""
    for what, values in VARIED.items():
        for value in values:
            if what != "threads" or value <= native.available_threads():
                yield what, USUAL | {what: value}


def inputs(setting: dict[str, Any], count: int) -> np.ndarray:
    """Steps of random images."""
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, (count, setting["inputs"])).astype(np.uint8)
    images[rng.random(images.shape) >= setting["density"]] = 0
    return latency(images, setting["T"])


def network_of(setting: dict[str, Any], steps: np.ndarray) -> Network:
    config = NetworkConfig(layers=(setting["width"],), num_steps=setting["T"])
    network = Network(setting["inputs"], CLASSES, config, generator=torch.Generator().manual_seed(0))
    network.calibrate(torch.from_numpy(steps[:256]))
    return network


def inference(setting: dict[str, Any]) -> Case:
    batch = setting["batch"] or 1000
    steps = inputs(setting, max(batch, 1000))
    network = native.Compiled(network_of(setting, steps).deployed(), setting["T"], setting["threads"])
    table = np.minimum(np.arange(256), setting["T"]).astype(np.uint8)
    parts = [steps[i : i + batch] for i in range(0, len(steps), batch)]
    labels = [np.empty(len(part), np.int64) for part in parts]

    def work():
        for part, out in zip(parts, labels, strict=True):
            network._run(part, table, {"label": out}, early_exit=False)

    return Case("inference", len(steps), work, setting)


def training(setting: dict[str, Any]) -> Case:
    batch = setting["batch"] or 256
    steps = inputs(setting, max(256, batch))
    network, loss = network_of(setting, steps), Loss(LossConfig())
    spikes, labels = torch.from_numpy(steps[:batch]), torch.arange(batch) % CLASSES
    optimizer = schedule.optimizer(network, loss, TrainConfig(weight_rate=0.01))

    def step():
        output = network(network.read(spikes))
        value = loss(output.potentials, output.threshold, labels, output.fired)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    def work():
        torch.set_num_threads(setting["threads"])
        with native_training.own_threads():
            step()

    return Case("training", batch, work, setting)


def draw(rows: list[Row], what: str, path: Path) -> None:
    """One figure: µs a sample against what is varied."""
    figure, axes = plt.subplots(figsize=(5, 3.4), layout="constrained")
    for name in ("inference", "training"):
        mine = [r for r in rows if r["name"] == name and r["varied"] == what]
        us = np.array([r["us"] for r in mine])
        reach = [us - [r["us_min"] for r in mine], [r["us_max"] for r in mine] - us]
        axes.errorbar([r[what] for r in mine], us, reach, marker="o", capsize=3, label=name)
    axes.set(xscale="log", yscale="log", xlabel=UNITS[what], ylabel="µs a sample")
    ticks = [v for v in VARIED[what] if any(r[what] == v for r in rows if r["varied"] == what)]
    axes.set_xticks(ticks, [str(v) for v in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def large() -> list[Row]:
    """Training steps of layers of as many inputs as neurons; `ns`: of each addition that is counted."""
    rows = []
    for size in SIZES:  # one size at a time: each takes up to 400 MB
        given = [USUAL | {"inputs": size, "width": size, "batch": batch} for batch in BATCHES]
        rows += [r | {"varied": "size"} for r in measure([training(setting) for setting in given])]
    for row in rows:
        additions = 2 * row["density"] * row["inputs"] * row["width"]
        row.update({key.replace("us", "ns"): 1e3 * row[key] / additions for key in ("us", "us_min", "us_max")})
    return rows


def draw_large(rows: list[Row], path: Path) -> None:
    """Picoseconds an addition against the size of the layer, a line a batch."""
    figure, axes = plt.subplots(figsize=(5, 3.4), layout="constrained")
    for batch in BATCHES:
        mine = [r for r in rows if r["varied"] == "size" and r["batch"] == batch]
        ps = 1e3 * np.array([r["ns"] for r in mine])
        reach = [ps - [1e3 * r["ns_min"] for r in mine], [1e3 * r["ns_max"] for r in mine] - ps]
        axes.errorbar([r["inputs"] for r in mine], ps, reach, marker="o", capsize=3, label=f"batch {batch:,}")
    axes.set(xscale="log", xlabel="inputs, and as many neurons", ylabel="ps an addition, in training", ylim=(0, None))
    axes.set_xticks(SIZES, [f"{size:,}" for size in SIZES])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write what was measured there")
    parser.add_argument("--figures", type=Path, help="draw into this folder")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(", ".join(f"{key} {value}" for key, value in about().items()), "\n")
    rows = []
    for what in VARIED:
        varied = [setting for changed, setting in settings() if changed == what]
        rows += [r | {"varied": what} for r in measure([case(s) for s in varied for case in (inference, training)])]
    rows += large()
    show(rows, ("varied", *USUAL))
    save(asked.json, rows=rows)
    if asked.figures:
        asked.figures.mkdir(parents=True, exist_ok=True)
        for what in VARIED:
            draw(rows, what, asked.figures / f"growth-{what.lower()}.svg")
        draw_large(rows, asked.figures / "growth-size.svg")


if __name__ == "__main__":
    main()
