"""How fast networks train, and in how much memory, beside other libraries and float networks of the same shape.

    python benchmarks/training.py [--json FILE] [--threads N]

784-600-10 on MNIST (which needs BSTDG_DATA): for every batch the images are picked, encoded or scaled, and then come
forward, loss, backward, Adam and reading the loss. Batch 256 for this project and the float networks, 128 for libraries
that keep every step in memory. All in this process, in turn: medians of 5 rounds with
least and greatest. Memory
is the greatest growth of a process during two steps, each case in a process of its own.
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import steps as steps_of
import torch
from common import Case, about, forget_peak, measure, peak_megabytes, save, show
from peers import WIDTHS, float_network, peers, spike_train

from bstdg import datasets
from bstdg.engine import native_training
from bstdg.inputs.latency import latency
from bstdg.learning.network import Network
from bstdg.learning.recipe import NetworkConfig

OURS, FLOAT, SKLEARN = ("bstdg native", "bstdg dense"), "torch float32", "scikit-learn MLPClassifier"


@functools.cache
def pool() -> tuple[np.ndarray, torch.Tensor]:
    """The images that batches are picked from, flat, and their labels."""
    data = datasets.load("mnist", "train")
    return data.images[:4096].reshape(4096, -1), torch.from_numpy(data.labels[:4096]).long()


def ours(engine: str, num_steps: int, batch: int) -> Callable[[], object]:
    """A step of this project."""
    images, labels = pool()
    steps = torch.from_numpy(latency(images, num_steps))
    config = NetworkConfig(layers=WIDTHS[1:-1], num_steps=num_steps)
    generator = torch.Generator().manual_seed(0)
    network = Network(WIDTHS[0], WIDTHS[-1], config, generator=generator, engine=engine.split()[1])
    network.calibrate(steps[:256])
    return steps_of.ours(network, lambda index: steps.index_select(0, index), labels, batch, generator)


def others(network: torch.nn.Module, num_steps: int | None, batch: int) -> Callable[[], object]:
    """A step of a library's network, or of a float network where there is no T."""
    pixels_of, labels = pool()
    images = torch.from_numpy(pixels_of)

    def scores_at(index: torch.Tensor) -> torch.Tensor:
        pixels = images.index_select(0, index)
        if num_steps is None:
            return network(pixels.float().div_(255))
        steps = ((255 - pixels.int()) * num_steps // 255).clamp(max=num_steps - 1)
        return network(spike_train(torch.where(pixels > 0, steps, num_steps), num_steps))[-1] / 10

    return steps_of.theirs(network, scores_at, labels, batch)


def sklearn_step(batch: int) -> Callable[[], object]:
    """A step of scikit-learn's network."""
    from sklearn.neural_network import MLPClassifier

    images, labels = pool()
    network = MLPClassifier((WIDTHS[1],), batch_size=batch)
    rng = np.random.default_rng(0)

    def step():
        index = rng.integers(0, len(images), batch)
        pixels, classes = images[index].astype(np.float32) / 255, labels.numpy()[index]
        network.partial_fit(pixels, classes, classes=np.arange(WIDTHS[-1]))

    return step


def cases() -> list[tuple[str, int | None, int]]:
    """What is compared: name, T and batch."""
    rows: list[tuple[str, int | None, int]] = [(FLOAT, None, 256), (SKLEARN, None, 256)]
    rows += [(name, num_steps, 256) for name in OURS for num_steps in (8, 32, 254)]
    rows += [(name, num_steps, 128) for name, _ in peers() for num_steps in (8, 32, 256)]
    return rows


def step_of(name: str, num_steps: int | None, batch: int) -> Callable[[], object]:
    """One case's step, ready to run."""
    if name in OURS and num_steps is not None:
        return ours(name, num_steps, batch)
    if name == SKLEARN:
        return sklearn_step(batch)
    return others(float_network() if name == FLOAT else dict(peers())[name], num_steps, batch)


def growth_megabytes(name: str, num_steps: int | None, batch: int, threads: int) -> float:
    """Memory of a case's steps, measured in a process of its own."""
    asked = json.dumps([name, num_steps, batch])
    command = [sys.executable, __file__, "--memory-of", asked, "--threads", str(threads)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _memory_of(name: str, num_steps: int | None, batch: int) -> None:
    step = step_of(name, num_steps, batch)
    forget_peak()
    before = peak_megabytes()
    step()
    step()
    print(peak_megabytes() - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write what was measured there")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)  # a case, in the process that is its own
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # of other libraries
    torch.set_num_threads(asked.threads)
    with native_training.own_threads():
        if asked.memory_of:
            return _memory_of(*json.loads(asked.memory_of))
        print(", ".join(f"{key} {value}" for key, value in about().items()), "\n")
        timed = []
        for name, num_steps, batch in cases():
            memory = growth_megabytes(name, num_steps, batch, asked.threads)
            facts = {"T": num_steps, "threads": asked.threads, "batch": batch, "growth MB": round(memory, 1)}
            step = step_of(name, num_steps, batch)

            def work(step=step, threads=1 if name == OURS[0] else asked.threads):
                torch.set_num_threads(threads)
                step()

            timed.append(Case(name, batch, work, facts))
        rows = measure(timed)
    show(rows, ("T", "threads", "batch", "growth MB"))
    save(asked.json, rows=rows)


if __name__ == "__main__":
    main()
