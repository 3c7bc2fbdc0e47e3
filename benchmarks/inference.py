"""How fast deployed networks decide, beside other libraries and float networks of the same shape.

    python benchmarks/inference.py [MODEL] [--json FILE]

Images a second from uint8 pixels, encoding included, all in this process, in turn: medians of 5 rounds with least and
greatest. Without a MODEL one is trained on MNIST for two epochs (which needs BSTDG_DATA). Accuracy is not measured
here. Other libraries run on one thread.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from common import Case, Row, about, measure, megahertz, save, show
from peers import WIDTHS, float_network, peers, spike_train, time_stepped

from bstdg import datasets
from bstdg.engine import dense, native
from bstdg.inputs.latency import latency
from bstdg.learning.recipe_file import load_recipe
from bstdg.model import packed, runtime
from bstdg.training.train import train

RECIPE = Path(__file__).parents[1] / "recipes" / "mnist-fast.toml"
BATCHES = (1, 128, 10_000)


def native_cases(model: packed.PackedModel, images: np.ndarray) -> list[Case]:
    """This engine: T, threads, batch, with and without early exit."""
    cases = []
    for num_steps in (8, 32, 254):
        table = latency(np.arange(256, dtype=np.uint8)[None], num_steps)[0]
        for threads in sorted({1, native.available_threads()}):
            network = native.Compiled(model.layers, num_steps, threads)
            for batch in BATCHES:
                flat = images[: max(batch, 1000)]
                parts = [flat[i : i + batch] for i in range(0, len(flat), batch)]
                labels = [np.empty(len(part), np.int64) for part in parts]
                for early in (False, True):

                    def work(parts=parts, labels=labels, early=early, network=network, table=table):
                        for part, out in zip(parts, labels, strict=True):
                            network._run(part, table, {"label": out}, early_exit=early)

                    name = f"bstdg native{', early exit' if early else ''}"
                    facts = {"T": num_steps, "threads": threads, "batch": batch}
                    cases.append(Case(name, len(flat), work, facts))
    return cases


def dense_cases(model: packed.PackedModel, images: np.ndarray) -> list[Case]:
    """This project's dense engine."""
    cases = []
    for num_steps, count in ((8, 512), (32, 256), (254, 128)):
        part = images[:count]

        def work(part=part, num_steps=num_steps):
            for i in range(0, len(part), 128):
                dense.forward(model.layers, latency(part[i : i + 128], num_steps), num_steps)

        cases.append(Case("bstdg dense", count, work, {"T": num_steps, "threads": 1, "batch": 128}))
    return cases


def peer_cases(images: np.ndarray) -> list[Case]:
    """Other libraries, T = 8, 32 and 256; one at a time only at T = 8."""
    cases = []
    for name, trained in peers():
        network = trained.deployed()
        for num_steps, batch, count in ((8, 1, 100), (8, 128, 512), (32, 128, 256), (256, 128, 128)):
            part = images[:count]

            def work(network=network, part=part, batch=batch, num_steps=num_steps):
                with torch.inference_mode():
                    for i in range(0, len(part), batch):
                        steps = torch.from_numpy(_steps(part[i : i + batch], num_steps))
                        network(spike_train(steps, num_steps))[-1].argmax(1)

            cases.append(Case(name, count, work, {"T": num_steps, "threads": 1, "batch": batch}))
    return cases


def _steps(images: np.ndarray, num_steps: int) -> np.ndarray:
    """Like `latency`, which ends at 254 steps, for any T: bright fires first, 0 never."""
    steps = np.minimum((255 - images.astype(np.int32)) * num_steps // 255, num_steps - 1)
    return np.where(images > 0, steps, num_steps).astype(np.int16)


def float_cases(images: np.ndarray) -> list[Case]:
    """Plain float32 networks: torch and scikit-learn."""
    from sklearn.neural_network import MLPClassifier

    network = float_network()
    classifier = MLPClassifier((WIDTHS[1],), batch_size=128, max_iter=1)
    labels = np.arange(512) % WIDTHS[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one pass does not converge, and need not
        classifier.fit(images[:512].astype(np.float32) / 255, labels)
    cases = []
    for batch in BATCHES:
        flat = images[: max(batch, 1000)]

        def torch_work(flat=flat, batch=batch):
            with torch.inference_mode():
                for part in torch.from_numpy(flat).split(batch):
                    network(part.float().div_(255)).argmax(1)

        def sklearn_work(flat=flat, batch=batch):
            for i in range(0, len(flat), batch):
                classifier.predict(flat[i : i + batch].astype(np.float32) / 255)

        cases.append(Case("torch float32", len(flat), torch_work, {"threads": 1, "batch": batch}))
        cases.append(Case("scikit-learn MLPClassifier", len(flat), sklearn_work, {"batch": batch}))
    return cases


def time_stepped_case(model: packed.PackedModel, images: np.ndarray) -> Case:
    """The predecessor's way: T = 256, dense products in NumPy."""
    steps, signs = _steps(images[:20], 256), [layer.signs for layer in model.layers]

    def work():
        time_stepped(steps, signs, [12.0, 5.0], 256)

    return Case("BS4NN, time-stepped NumPy", len(steps), work, {"T": 256, "batch": 1})


def one_image(model: packed.PackedModel, images: np.ndarray) -> dict[str, float]:
    """`Model.predict` of one image at a time, NumPy in, class out, in µs."""
    ready = runtime.Model(model)
    times = []
    for image in images:
        start = time.perf_counter_ns()
        ready.predict(image)
        times.append(time.perf_counter_ns() - start)
    median, late = np.percentile(times, [50, 99]) / 1000
    print(f"\nOne image from Python: median {median:.2f} µs, 99th percentile {late:.2f} µs.")
    return {"median_us": median, "p99_us": late}


def counted_minimum(model: packed.PackedModel, images: np.ndarray, rows: list[Row]) -> dict[str, float]:
    """How far the hidden layer's kernel is from the fewest bytes and vector operations it could do with.

    Sixteen rows of bits are added by 15 carry-save adders of two instructions each, so 15/8 a row and vector; every
    event reads its row once and every pixel is read once. Vectors hold 512 bits and two of them are issued a cycle.
    """
    events = float((images > 0).sum(1).mean())
    vectors = WIDTHS[1] / 512
    operations = events * vectors * 15 / 8
    moved = events * WIDTHS[1] / 8 + WIDTHS[0]
    measured = next(r for r in rows if r["name"] == "bstdg native" and r["batch"] == 10_000 and r["threads"] == 1)
    clock = megahertz()
    rate = operations / measured["us"]
    print(
        f"\nCounted minimum of an image at T = 8: {events:.0f} events, {operations:.0f} operations on 512 bits, "
        f"{moved / 1000:.1f} kB. Measured: {rate / 1000:.2f} such operations a nanosecond, "
        f"{moved / measured['us'] / 1000:.1f} GB/s."
    )
    result = {"events": events, "operations": operations, "bytes": moved, "operations_per_us": rate}
    if clock is not None:
        least = operations / (2 * clock)
        result |= {"clock_mhz": clock, "least_us": least, "times_the_least": measured["us"] / least}
        print(
            f"At {clock:.0f} MHz and two operations a cycle the least is {least:.2f} µs; the kernel takes "
            f"{measured['us']:.2f} µs, {measured['us'] / least:.1f} times that."
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--json", type=Path, help="write what was measured there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = asked.model
        if path is None:
            train(load_recipe(RECIPE, ["epochs=2"]), folder)
            path = Path(folder) / "model.bstdg"
        model = packed.load(path)
    model = dataclasses.replace(model, num_steps=8)
    images = datasets.load("mnist", "test").images
    flat = images.reshape(len(images), -1)
    torch.set_num_threads(1)
    print(", ".join(f"{key} {value}" for key, value in about().items()), "\n")
    cases = [*native_cases(model, flat), *dense_cases(model, flat), *peer_cases(flat), *float_cases(flat)]
    rows = measure([*cases, time_stepped_case(model, flat)])
    show(rows, ("T", "threads", "batch"))
    single, least = one_image(model, images), counted_minimum(model, flat, rows)
    save(asked.json, rows=rows, one_image=single, counted_minimum=least)


if __name__ == "__main__":
    main()
