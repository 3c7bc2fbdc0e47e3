"""Small trainings of every kind that several ranks may share, and this file as a program that is one of the ranks.

    RANK=0 WORLD_SIZE=2 ... python tests/support/ranks.py FOLDER

leaves what became of each in FOLDER/NAME-RANK.safetensors.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bstdg.datasets import Dataset, EventDataset
from bstdg.distributed.ranks import ALONE, Ranks
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict
from bstdg.progress import Quiet
from bstdg.training.run import TrainingRun

TRAINING, VALIDATION, BATCH = 66, 25, 16  # the last batch of an epoch has two samples
SEED = 3
CLASSES = ("a", "b", "c")
SHALLOW = {"layers": [24]}
NOISY = {"shift": 1, "shift_share": 0.5, "jitter": 1, "input_dropout": 0.1, "spike_dropout": 0.2, "average": 0.9}
MEASURED = {"centre": 0.9, "unit": "spread", "width": 1.0}
TEACHER = {"weight": 0.4, "structure": ["4c3s2p1", 8], "passes": 1}
MOVED = {"channel_shift": 2, "time_stretch": 0.1, "time_jitter": 0.02, "event_dropout": 0.3, "mixup": 0.5}
CASES: dict[str, dict[str, Any]] = {
    "plain": {"network": SHALLOW},
    "noisy": {"network": SHALLOW, "train": {**NOISY, "class_weight": {"a": 3.0}}},
    "measured": {"network": {"layers": ["4c3p1", "pool2", 12]}, "rule": MEASURED},
    "taught": {
        "network": SHALLOW,
        "input": {"relative": True, "equalize": True},
        "distort": {"copies": 2, "rotation": 20.0},
        "teacher": TEACHER,
    },
    # Not by thresholds that follow: of channels that always spike a gradient is what rounding leaves of 0, and Adam
    # moves by its rate however small a gradient is.
    "dense": {"network": SHALLOW, "rule": {"unit": "spread", "width": 1.0}, "loss": {"spike_weight": 0.001}},
    "recorded": {"network": SHALLOW, "input": {"duration": 1.0}, "events": MOVED},
}


def recipe_of(name: str) -> Recipe:
    values = CASES[name]
    train = {"batch": BATCH, "weight_rate": 0.02, **values.get("train", {})}
    return from_dict(Recipe, {**values, "network": {"num_steps": 6, **values["network"]}, "train": train})


def data_of(name: str) -> Dataset | EventDataset:
    """Bars of a class's place on a noisy ground; or as many events there."""
    rng, count = np.random.default_rng(0), TRAINING + VALIDATION
    labels = rng.integers(0, len(CLASSES), count)
    if name != "recorded":
        images = rng.integers(0, 120, (count, 8, 8)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[:, 2 * label + 1] = 255
        return Dataset("bars", "train", images, labels, 255, CLASSES)
    lengths = rng.integers(20, 40, count)
    centres = np.repeat(6 + 10 * labels, lengths)
    channels = rng.normal(centres, 3).clip(0, 31).astype(np.uint16)
    times = np.concatenate([np.sort(rng.uniform(0, 1, n)) for n in lengths]).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return EventDataset("bursts", "train", offsets, channels, times, labels, None, CLASSES, 32)


def trained(name: str, ranks: Ranks = ALONE) -> dict[str, Tensor]:
    """What becomes of a case in two epochs: all that a checkpoint holds, losses, and all counts of validation."""
    parts = np.arange(TRAINING), np.arange(TRAINING, TRAINING + VALIDATION)
    engine = "dense" if name == "dense" else None
    run = TrainingRun(recipe_of(name), data_of(name), SEED, torch.device("cpu"), engine, parts, ranks=ranks)
    run.prepare()
    losses = [run.learn(Quiet()) for _ in range(2)]
    tensors = {key: tensor.detach().clone() for key, tensor in run.checkpoint().tensors.items()}
    tensors["levels"] = torch.tensor(getattr(run.input, "levels", ()), dtype=torch.int64)
    return {**tensors, "losses": torch.tensor(losses), "counts": torch.from_numpy(run.validate().numbers())}


def start(size: int, program: Sequence[object]) -> list[subprocess.Popen[str]]:
    """`python PROGRAM` as so many ranks of this machine, by no launcher."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    common = {**os.environ, "WORLD_SIZE": str(size), "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            [sys.executable, *map(str, program)],
            env={**common, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]


def main(folder: Path) -> None:
    from safetensors.torch import save_file

    from bstdg.distributed import launch
    from bstdg.errors import InputError
    from bstdg.training.train import train

    torch.set_num_threads(1)
    for name in CASES:
        with launch.joined("cpu") as ranks:
            ranks._near = ranks._near and name != "plain"  # by torch alone, as between machines
            save_file(trained(name, ranks), folder / f"{name}-{ranks.rank}.safetensors")
    for what, change in (("recipe", {"title": f"of rank {ranks.rank}"}), ("data", {})):
        data = data_of("plain")
        if what == "data" and ranks.rank == 1:
            data.images[7, 0, 0] ^= 1
        recipe = from_dict(Recipe, {**recipe_of("plain").to_dict(), **change})
        try:
            train(recipe, folder / "refused", load=lambda *_, data=data: data, device="cpu")
        except InputError as error:
            (folder / f"{what}-{ranks.rank}.txt").write_text(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
