"""How fast deployed networks decide, beside a float network of the same shape: images a second, from uint8 pixels.

    python benchmarks/inference.py [MODEL] [--json FILE]

Without a MODEL, one is trained on MNIST for two epochs (which needs BSTDG_DATA). Everything runs in this process, one
after the other: medians of 5, with least and greatest. Accuracy is not measured here.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from bstdg import datasets, packed, runtime
from bstdg.config import load_recipe
from bstdg.encode import latency
from bstdg.engine import dense, native
from bstdg.train import train

RECIPE = Path(__file__).parents[1] / "recipes" / "mnist.toml"


def seconds(work: Callable[[], object], repeats: int = 5) -> list[float]:
    """How long each of some runs took, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)


def native_rows(model: packed.PackedModel, images: np.ndarray) -> list[dict]:
    """The native engine: T, threads, batch, with and without early exit."""
    rows = []
    for num_steps in (8, 32, 254):
        network = native.Compiled(model.layers, num_steps)
        pixels = np.arange(256, dtype=np.uint8)[None]
        table = latency(pixels, num_steps)[0]
        for threads in sorted({1, native.available_threads()}):
            network.threads = threads
            for batch in (1, 128, len(images)):
                if batch < 128 and threads > 1:
                    continue
                flat = images.reshape(len(images), -1)[: max(batch, 1000)]
                parts = [flat[i : i + batch] for i in range(0, len(flat), batch)]
                label = [np.empty(len(part), np.int64) for part in parts]
                for early in (False, True):

                    def work(parts=parts, label=label, early=early, network=network, table=table):
                        for part, out in zip(parts, label, strict=True):
                            network._run(part, table, {"label": out}, early_exit=early)

                    name = f"bstdg native{', early exit' if early else ''}"
                    rows.append(row(name, num_steps, threads, batch, len(flat), seconds(work)))
    return rows


def dense_row(model: packed.PackedModel, images: np.ndarray) -> dict:
    part = images[:128]

    def work():
        return dense.forward(model.layers, latency(part.reshape(len(part), -1), 8), 8)

    return row("bstdg dense", 8, torch.get_num_threads(), len(part), len(part), seconds(work))


def float_rows(images: np.ndarray) -> list[dict]:
    """A plain float32 network, 784-600-10 with ReLU, from the same uint8 pixels."""
    network = torch.nn.Sequential(torch.nn.Linear(784, 600), torch.nn.ReLU(), torch.nn.Linear(600, 10))
    rows = []
    for batch in (1, 128, len(images)):
        flat = torch.from_numpy(images.reshape(len(images), -1)[: max(batch, 1000)])

        def work(flat=flat, batch=batch):
            with torch.inference_mode():
                for part in flat.split(batch):
                    network(part.float().div_(255)).argmax(1)

        rows.append(row("torch float32 784-600-10", None, torch.get_num_threads(), batch, len(flat), seconds(work)))
    return rows


def row(name: str, num_steps: int | None, threads: int, batch: int, images: int, times: list[float]) -> dict:
    return {
        "name": name,
        "num_steps": num_steps,
        "threads": threads,
        "batch": batch,
        "images_per_second": images / statistics.median(times),
        "microseconds_median": 1e6 * statistics.median(times) / images,
        "microseconds_min": 1e6 * times[0] / images,
        "microseconds_max": 1e6 * times[-1] / images,
    }


def one_image(model: packed.PackedModel, images: np.ndarray) -> None:
    """`Model.predict` of one image at a time, NumPy in, class out."""
    ready = runtime.Model(model)
    times = []
    for image in images:
        start = time.perf_counter_ns()
        ready.predict(image)
        times.append(time.perf_counter_ns() - start)
    median, late = np.percentile(times, [50, 99]) / 1000
    print(f"one image from Python: median {median:.2f} us, 99th percentile {late:.2f} us")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--json", type=Path, help="write the rows there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = asked.model
        if path is None:
            train(load_recipe(RECIPE, ["epochs=2"]), folder)
            path = Path(folder) / "model.bstdg"
        model = packed.load(path)
    model = dataclasses.replace(model, num_steps=8)
    images = datasets.load("mnist", "test").images
    torch.set_num_threads(1)
    print(f"{platform.system()} {platform.machine()}, {native.instruction_sets()[0]}, torch {torch.__version__}")
    rows = [*native_rows(model, images), dense_row(model, images), *float_rows(images)]
    print(f"{'engine':<26} {'T':>4} {'threads':>7} {'batch':>6} {'images/s':>10} {'us':>7} {'min':>7} {'max':>7}")
    for r in rows:
        times = [r[f"microseconds_{which}"] for which in ("median", "min", "max")]
        print(
            f"{r['name']:<26} {r['num_steps'] or '':>4} {r['threads']:>7} {r['batch']:>6} "
            f"{r['images_per_second']:>10,.0f} " + " ".join(f"{t:>7.2f}" for t in times)
        )
    one_image(model, images)
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
