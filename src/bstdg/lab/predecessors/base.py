"""What every baseline's run has in common: the split, the choice of the epoch, and the report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bstdg import datasets, files
from bstdg.datasets import Dataset
from bstdg.errors import InputError
from bstdg.lab.predecessors.settings import Settings
from bstdg.training.best_epoch import BestEpoch
from bstdg.training.run_folder import CHECKPOINT, PREVIOUS
from bstdg.training.split import draw_patients, stratified

Loader = Callable[[str, datasets.Split], Any]
OnEpoch = Callable[[dict[str, Any]], None]
Figures = dict[str, Any]


class Run(Protocol):
    """A baseline in training, as `train_and_judge` drives it."""

    @property
    def widths(self) -> Sequence[int]:
        """Neurons of every layer, input first."""
        ...

    def epochs(self) -> Iterator[dict[str, Any]]:
        """One pass over the training part at a time; yields what the pass said of itself (its loss, say)."""
        ...

    def figures(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Figures:
        """Figures of the network as it would be deployed now."""
        ...

    def keep(self) -> None:
        """Remember the network as it is now as the best."""
        ...

    def restore(self) -> None:
        """Become the network that was kept."""
        ...

    def deployed_bytes(self) -> int:
        """What weights and thresholds take when deployed."""
        ...


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, eq=False)
class RunSetup(Generic[S]):
    """What a run learns from, and how.

    Attributes:
        settings: of the baseline.
        training: the training part.
        seed: of weights and draws (the validation part was drawn from another stream).
    """

    settings: S
    training: Dataset
    seed: int


def images(loader: Loader, data: str, part: datasets.Split) -> Dataset:
    """A split of a data set of images.

    Raises:
        InputError: it holds recordings of events.
    """
    found = loader(data, part)
    if not isinstance(found, Dataset):
        raise InputError(f"baselines read images, and {data} holds recordings of events: take mnist or fashion-mnist")
    return found


def split(dataset: Dataset, settings: Settings, seed: int) -> tuple[Dataset, Dataset]:
    """Training and validation part, the classes in equal shares; by patient where the data name patients.

    Raises:
        InputError: there are too few images for both.
    """
    every = np.random.default_rng(seed).permutation(len(dataset))
    every = every[: settings.limit or None]
    held_out = round(settings.validation * len(every))
    classes, counts = np.unique(dataset.labels[every], return_counts=True)
    if held_out < len(classes) or len(every) - held_out < len(classes) or counts.min() < 2:
        raise InputError(
            f"{len(every)} training images of {len(classes)} classes cannot be split with validation = "
            f"{settings.validation}: every class needs an image on each side"
        )
    if dataset.patients is None:
        training, validation = stratified(every, dataset.labels, held_out, seed)
    else:
        drawn = draw_patients(dataset.labels[every], dataset.patients[every], settings.validation, seed)
        held = np.isin(dataset.patients[every], drawn)
        training, validation = every[~held], every[held]
    return dataset.subset(training), dataset.subset(validation)


def train_and_judge(
    name: str,
    settings: S,
    start: Callable[[RunSetup[S]], Run],
    data: str,
    loader: Loader,
    seed: int,
    on_epoch: OnEpoch | None,
    also: Callable[[Any, Dataset], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Train, choose the epoch on the validation part, judge it once on the test set, and report.

    `also` gives what else the report holds, from the run with its best network and the test set.
    """
    from bstdg.about import about_machine

    weights, held = np.random.SeedSequence(seed).generate_state(2)
    training, validation = split(images(loader, data, "train"), settings, int(held))
    run, best = start(RunSetup(settings, training, int(weights))), BestEpoch(by=settings.choose)
    begin = time.monotonic()
    for epoch, row in enumerate(run.epochs(), 1):
        figures = run.figures(validation.images, validation.labels)
        if best.look(epoch, figures):
            run.keep()
        if on_epoch is not None:
            on_epoch({"epoch": epoch, "epochs": settings.epochs, **row, **figures, "seconds": time.monotonic() - begin})
    seconds = time.monotonic() - begin
    run.restore()
    test = images(loader, data, "test")
    return {
        "baseline": name,
        "recipe": {"title": settings.title, "data": {"name": data}, "baseline": settings.to_dict()},
        "seed": seed,
        "widths": [int(width) for width in run.widths],
        "training_samples": len(training),
        "validation_samples": len(validation),
        "epochs": settings.epochs,
        "best_epoch": best.epoch,
        "validation": best.figures,
        "test": run.figures(test.images, test.labels),
        **(also(run, test) if also is not None else {}),
        "model_bytes": run.deployed_bytes(),
        "seconds": seconds,
        "training_engine": "numpy" if name in ("s4nn", "bs4nn") else "torch",
        "machine": about_machine(),
    }


def write(report: dict[str, Any], path: Path) -> None:
    """Write a report as JSON, whole or not at all; its folder is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomic(path, (json.dumps(report, indent=2) + "\n").encode())


def forget(folder: Path) -> None:
    """Remove the checkpoints of a training that has ended and been reported."""
    for name in (CHECKPOINT, PREVIOUS):
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
