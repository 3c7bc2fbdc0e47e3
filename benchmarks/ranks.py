"""How fast two processes train one network, beside one of them alone: `torchrun` on one core each.

    python benchmarks/ranks.py [--json FILE] [--ranks N]

`recipes/mnist.toml` (which needs BSTDG_DATA) on 22,000 images: loader, loss, optimiser and averages, no validation.
Each batch size in turn: an epoch by the first rank alone, an epoch by all, medians of 5 such rounds with least and
greatest. Each rank has one thread on a core of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from common import save, show
from rich.progress import track

from bstdg import datasets
from bstdg.distributed import launch
from bstdg.distributed.ranks import ALONE, Ranks
from bstdg.learning.recipe_file import load_recipe
from bstdg.progress import Quiet
from bstdg.training.run import TrainingRun

RECIPE = Path(__file__).parent.parent / "recipes" / "mnist.toml"
BATCHES, ROUNDS, IMAGES = (128, 512, 1024, 2048), 5, 24_000


def epoch(run: TrainingRun) -> float:
    """µs of an epoch a sample, with one thread: who works while others wait would have theirs too."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    run.learn(Quiet(), epochs=1000)
    return 1e6 * (time.perf_counter() - start) / len(run.training)


def rounds(batch: int, ranks: Ranks) -> tuple[list[float], list[float]]:
    """What an epoch takes the first rank alone, and all ranks."""
    recipe = load_recipe(RECIPE, [f"batch={batch}", f"data.limit={IMAGES}"])
    data, cpu = datasets.load("mnist", "train"), torch.device("cpu")
    alone, shared = (TrainingRun(recipe, data, 0, cpu, ranks=which) for which in (ALONE, ranks))
    one, all_together = [], []
    for turn in track(range(ROUNDS + 1), f"Batch {batch}", transient=True, disable=not ranks.first):
        took = float(ranks.bytes_of_first(lambda: str(epoch(alone)).encode()))
        if turn:  # what comes first warms up
            one.append(took)
        took = epoch(shared)
        if turn:
            all_together.append(took)
    return one, all_together


def row(name: str, batch: int, each: list[float], times: float) -> dict:
    middle = float(np.median(each))
    rates = {"per_second": 1e6 / middle, "us": middle, "us_min": min(each), "us_max": max(each)}
    return {"name": name, "batch": batch, "times": f"{times:.2f}", **rates}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures into this file too")
    parser.add_argument("--ranks", type=int, default=2)
    options = parser.parse_args()
    if launch.Place.here() is None:
        command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(options.ranks), *sys.argv]
        sys.exit(subprocess.run([sys.executable, *command], check=False).returncode)
    cores = sorted(os.sched_getaffinity(0))
    with launch.joined("cpu") as ranks:
        os.sched_setaffinity(0, {cores[ranks.rank % len(cores)]})
        rows = []
        for batch in BATCHES:
            one, together = rounds(batch, ranks)
            times = float(np.median(one) / np.median(together))
            rows += [row("1 rank", batch, one, 1.0), row(f"{ranks.size} ranks", batch, together, times)]
        if ranks.first:
            show(rows, ("batch", "times"))
            if options.json:
                save(options.json, rows=rows)


if __name__ == "__main__":
    main()
