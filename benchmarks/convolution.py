"""How fast convolutions decide and learn, beside other libraries and float32 convolutions of the same structure.

    python benchmarks/convolution.py [MODEL] [--json FILE] [--smoke]

MNIST (which needs BSTDG_DATA), 32c5s2p2-64c5s2p2-128-10, one core, all in this process, in turn: medians of 5
rounds with least and greatest. Inference is from uint8 pixels, encoding included; without a MODEL of that structure one
is trained for a short while first. A training step is picking a batch, encoding or scaling, forward, loss, backward,
optimiser and reading the loss, for the other libraries through all steps by surrogate gradients; its memory is the
greatest growth of a process of its own during two steps. Torch's float32 network is measured as it comes, with channels
last, and with its weights laid out beforehand: frozen by TorchScript, and compiled. At last this project's costs as T,
maps, the image's side and the spikes grow.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import common
import numpy as np
import steps as steps_of
import torch
from common import Case, Row, about, forget_peak, measure, peak_megabytes, save, show
from peers import conv_float_network, conv_peer, installed, spike_train
from torch import nn

from bstdg import datasets
from bstdg.engine import dense, native, native_training
from bstdg.inputs.latency import latency
from bstdg.learning.network import Network
from bstdg.learning.recipe import DataConfig, NetworkConfig, Recipe, TrainConfig
from bstdg.model import packed
from bstdg.training.train import train

LAYERS = ("32c5s2p2", "64c5s2p2", 128)
SHAPE, CLASSES = (1, 28, 28), 10
STEPS = (4, 8)  # T
BATCHES = (1, 128)
TRAINED_AT = 128  # samples a batch
OURS, FLOAT = ("bstdg native", "bstdg dense"), "torch float32"
MEMORY_STEPS = (4, 8, 64)


# --- inference


def short_training(samples: int) -> packed.PackedModel:
    """A network whose layers fire about as those of a trained one do."""
    recipe = Recipe(
        data=DataConfig("mnist", limit=samples),
        network=NetworkConfig(LAYERS, num_steps=4),
        train=TrainConfig(epochs=1, batch=128, weight_rate=0.02),
    )
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, folder, show_progress=True)
        return packed.load(Path(folder) / "model.bstdg")


def native_cases(model: packed.PackedModel, images: np.ndarray) -> Iterator[Case]:
    """This engine: T, batch, with and without early exit."""
    for num_steps in STEPS:
        table = latency(np.arange(256, dtype=np.uint8)[None], num_steps)[0]
        network = native.Compiled(model.layers, num_steps, 1)
        for batch in BATCHES:
            flat = images[:1024].reshape(1024, -1)
            parts = [flat[i : i + batch] for i in range(0, len(flat), batch)]
            labels = [np.empty(len(part), np.int64) for part in parts]
            for early in (False, True):

                def work(parts=parts, labels=labels, early=early, network=network, table=table):
                    for part, out in zip(parts, labels, strict=True):
                        network._run(part, table, {"label": out}, early_exit=early)

                name = f"{OURS[0]}{', early exit' if early else ''}"
                yield Case(name, len(flat), work, {"T": num_steps, "batch": batch})


def dense_case(model: packed.PackedModel, images: np.ndarray) -> Case:
    """This project's dense engine."""
    flat = images[:128].reshape(128, -1)

    def work():
        dense.forward(model.layers, latency(flat, STEPS[0]), STEPS[0])

    return Case(OURS[1], len(flat), work, {"T": STEPS[0], "batch": 128})


def ready_networks() -> Iterator[tuple[str, Callable[[torch.Tensor], torch.Tensor]]]:
    """Torch's float32 network: as it comes, channels last, and with weights laid out for this processor beforehand."""

    def network() -> nn.Sequential:
        torch.manual_seed(0)
        return conv_float_network(LAYERS, SHAPE, CLASSES).eval()

    yield FLOAT, network()
    last = network().to(memory_format=torch.channels_last)
    yield f"{FLOAT}, channels last", lambda x: last(x.contiguous(memory_format=torch.channels_last))
    frozen = {}
    for batch in BATCHES:  # a trace is of one shape
        traced = torch.jit.trace(network(), torch.zeros(batch, *SHAPE))
        frozen[batch] = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
    yield f"{FLOAT}, frozen", lambda x: frozen[len(x)](x)
    compiled = torch.compile(network())
    try:
        with torch.inference_mode():
            for batch in BATCHES:
                compiled(torch.zeros(batch, *SHAPE))
    except Exception as error:
        print(f"(torch.compile does not work here and is left out: {str(error).splitlines()[0][:100]})")
        return
    yield f"{FLOAT}, compiled", compiled


def float_cases(images: np.ndarray) -> Iterator[Case]:
    """The same structure in float32: rectified, without normalisation, which would fold into the weights."""
    for name, network in ready_networks():
        for batch in BATCHES:
            part = torch.from_numpy(images[: max(batch, 128)]).unsqueeze(1)

            def work(network=network, part=part, batch=batch):
                with torch.inference_mode():
                    for some in part.split(batch):
                        network(some.float().div_(255)).argmax(1)

            yield Case(name, len(part), work, {"batch": batch})


def peer_cases(images: np.ndarray) -> Iterator[Case]:
    """The other libraries."""
    for name in installed():
        network = conv_peer(name, LAYERS, SHAPE, CLASSES).deployed()
        for num_steps, batch, count in ((4, 1, 16), (4, 128, 128), (8, 1, 16), (8, 128, 128)):
            part = images[:count].reshape(count, -1)

            def work(network=network, part=part, batch=batch, num_steps=num_steps):
                with torch.inference_mode():
                    for i in range(0, len(part), batch):
                        steps = torch.from_numpy(latency(part[i : i + batch], num_steps))
                        network(spike_train(steps, num_steps))[-1].argmax(1)

            yield Case(name, count, work, {"T": num_steps, "batch": batch})


# --- training


def pool() -> tuple[np.ndarray, torch.Tensor]:
    """The images that batches are picked from, flat, and their labels."""
    data = datasets.load("mnist", "train")
    return data.images[:4096].reshape(4096, -1), torch.from_numpy(data.labels[:4096]).long()


def our_step(engine: str, num_steps: int) -> Callable[[], object]:
    """A training step of this project."""
    images, labels = pool()
    steps = torch.from_numpy(latency(images, num_steps))
    generator = torch.Generator().manual_seed(0)
    config = NetworkConfig(LAYERS, num_steps=num_steps)
    network = Network(SHAPE, CLASSES, config, generator=generator, engine=engine.split()[1])
    network.calibrate(steps[:256])
    return steps_of.ours(network, lambda index: steps.index_select(0, index), labels, TRAINED_AT, generator)


def their_step(network: nn.Module, num_steps: int | None) -> Callable[[], object]:
    """A training step of a library's network, or of the float32 one where there is no T."""
    pixels_of, labels = pool()
    images = torch.from_numpy(pixels_of)

    def scores_at(index: torch.Tensor) -> torch.Tensor:
        pixels = images.index_select(0, index)
        if num_steps is None:
            read = pixels.view(-1, *SHAPE).float().div_(255)
            return network(read.contiguous(memory_format=torch.channels_last))
        steps = torch.from_numpy(latency(pixels.numpy(), num_steps))
        return network(spike_train(steps, num_steps))[-1] / 10

    return steps_of.theirs(network, scores_at, labels, TRAINED_AT)


def trainings() -> list[tuple[str, int | None]]:
    """What is compared: name and T."""
    rows: list[tuple[str, int | None]] = [(FLOAT, None)]
    rows += [(OURS[0], num_steps) for num_steps in MEMORY_STEPS]
    return [*rows, (OURS[1], 4), *((name, num_steps) for name in installed() for num_steps in (4, 8))]


def step_of(name: str, num_steps: int | None) -> Callable[[], object]:
    """One training's step, ready to run."""
    if name in OURS and num_steps is not None:
        return our_step(name, num_steps)
    if name == FLOAT:
        return their_step(conv_float_network(LAYERS, SHAPE, CLASSES).to(memory_format=torch.channels_last), None)
    return their_step(conv_peer(name, LAYERS, SHAPE, CLASSES), num_steps)


def training_cases(*, smoke: bool) -> Iterator[Case]:
    """Every training, its memory measured beforehand; of the first alone where it is only to be seen to run."""
    for i, (name, num_steps) in enumerate(trainings()):
        grown = 0.0 if smoke and i else growth_megabytes(name, num_steps)
        facts = {"T": num_steps, "batch": TRAINED_AT, "growth MB": round(grown, 1)}
        yield Case(name, TRAINED_AT, step_of(name, num_steps), facts)


def growth_megabytes(name: str, num_steps: int | None) -> float:
    """Memory of a training's steps, measured in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", json.dumps([name, num_steps])]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory_of(name: str, num_steps: int | None) -> None:
    """Print by how much two steps let this process grow."""
    step = step_of(name, num_steps)
    forget_peak()
    before = peak_megabytes()
    step()
    step()
    print(peak_megabytes() - before)


# --- growth

USUAL: dict[str, Any] = {"T": 8, "maps": 32, "side": 28, "spikes": 0.19}
VARIED: dict[str, tuple[Any, ...]] = {
    "T": (4, 8, 16, 32, 64),
    "maps": (8, 16, 32, 64, 128),
    "side": (14, 28, 56, 84),
    "spikes": (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0),
}


def growth_cases(setting: dict[str, Any]) -> Iterator[Case]:
    """A convolution of 5 x 5 that moves by 2, pooled, with 10 classes, on random images; every step is run."""
    side, num_steps = setting["side"], setting["T"]
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, (TRAINED_AT, side * side)).astype(np.uint8)
    images[rng.random(images.shape) >= setting["spikes"]] = 0
    steps = latency(images, num_steps)
    config = NetworkConfig((f"{setting['maps']}c5s2p2", "pool2"), num_steps=num_steps)
    generator = torch.Generator().manual_seed(0)
    network = Network((1, side, side), CLASSES, config, generator=generator)
    network.calibrate(torch.from_numpy(steps))
    compiled = native.Compiled(network.deployed(), num_steps, 1)
    table = np.minimum(np.arange(256), num_steps).astype(np.uint8)
    label = np.empty(len(steps), np.int64)
    yield Case(
        "inference",
        len(steps),
        lambda: compiled._run(steps, table, {"label": label}, early_exit=False),
        setting,
    )
    labels, spikes = torch.arange(len(steps)) % CLASSES, torch.from_numpy(steps)
    yield Case("training", TRAINED_AT, steps_of.ours(network, lambda _: spikes, labels, TRAINED_AT, generator), setting)


def growth(*, smoke: bool) -> list[Row]:
    """µs a sample as one thing at a time is varied; its first value alone where it is only to be seen to run."""
    rows = []
    for what, values in VARIED.items():
        cases = [case for value in values[: 1 if smoke else None] for case in growth_cases(USUAL | {what: value})]
        rows += [row | {"varied": what} for row in measure(cases)]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--json", type=Path, help="write what was measured there")
    parser.add_argument("--smoke", action="store_true", help="only see that all of it runs: its figures mean nothing")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)  # a training, in the process that is its own
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # of other libraries
    torch.set_num_threads(1)
    with native_training.own_threads():
        if asked.memory_of:
            return memory_of(*json.loads(asked.memory_of))
        if asked.smoke:
            common.ROUNDS, common.TURN = 1, 0.0
        print(", ".join(f"{key} {value}" for key, value in about().items()), "\n")
        model = packed.load(asked.model) if asked.model else short_training(1_000 if asked.smoke else 20_000)
        model = dataclasses.replace(model, num_steps=STEPS[0])
        images = datasets.load("mnist", "test").images
        cases = [*native_cases(model, images), dense_case(model, images), *float_cases(images), *peer_cases(images)]
        inference = measure(cases)
        show(inference, ("T", "batch"))
        training = measure(list(training_cases(smoke=asked.smoke)))
        show(training, ("T", "batch", "growth MB"))
        grown = growth(smoke=asked.smoke)
        show(grown, ("varied", *USUAL))
        save(asked.json, structure=model.structure, inference=inference, training=training, growth=grown)


if __name__ == "__main__":
    main()
