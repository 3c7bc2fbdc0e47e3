"""How the cost of a decision and of a training step grows: with T, width, input density, batch and threads.

    python benchmarks/growth.py [--json FILE] [--figures FOLDER]

One hidden layer, 784 inputs, 10 outputs, random weights, every step run to the end; what is not varied is T = 8, 600
neurons, 19 % of the pixels, batches of 1,000 (256 in training), one thread. Medians of 5 rounds; the bars reach from
the least to the greatest. Draws one figure each.
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
from bstdg.learning.recipe import LossConfig, NetworkConfig

CHANNELS, CLASSES = 784, 10
USUAL: dict[str, Any] = {"T": 8, "width": 600, "density": 0.19, "batch": None, "threads": 1}
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


def inputs(density: float, count: int, num_steps: int) -> np.ndarray:
    """Steps of random images."""
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, (count, CHANNELS)).astype(np.uint8)
    images[rng.random(images.shape) >= density] = 0
    return latency(images, num_steps)


def network_of(setting: dict[str, Any], steps: np.ndarray) -> Network:
    config = NetworkConfig(layers=(setting["width"],), num_steps=setting["T"])
    network = Network(CHANNELS, CLASSES, config, generator=torch.Generator().manual_seed(0))
    network.calibrate(torch.from_numpy(steps[:256]))
    return network


def inference(setting: dict[str, Any]) -> Case:
    batch = setting["batch"] or 1000
    steps = inputs(setting["density"], max(batch, 1000), setting["T"])
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
    steps = inputs(setting["density"], max(256, batch), setting["T"])
    network, loss = network_of(setting, steps), Loss(LossConfig())
    spikes, labels = torch.from_numpy(steps[:batch]), torch.arange(batch) % CLASSES
    optimizer = torch.optim.Adam([*network.parameters(), *loss.parameters()], lr=0.01, fused=True)

    def step():
        output = network(network.read(spikes))
        value = loss(output.potentials, output.threshold, labels, output.fired)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        network.clip_latent_()

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
    show(rows, ("varied", *USUAL))
    save(asked.json, rows=rows)
    if asked.figures:
        asked.figures.mkdir(parents=True, exist_ok=True)
        for what in VARIED:
            draw(rows, what, asked.figures / f"growth-{what.lower()}.svg")


if __name__ == "__main__":
    main()
