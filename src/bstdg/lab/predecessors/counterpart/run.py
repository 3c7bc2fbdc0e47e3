"""One training of a counterpart, from epoch to epoch, which a checkpoint can hold."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bstdg.about import about_machine
from bstdg.datasets import Dataset, EventDataset
from bstdg.errors import FileFormatError, InputError, TrainingError
from bstdg.lab.predecessors.base import Figures
from bstdg.lab.predecessors.batches import figures_of_scores
from bstdg.lab.predecessors.counterpart.network import Counterpart
from bstdg.lab.predecessors.counterpart.samples import Samples
from bstdg.lab.predecessors.counterpart.settings import KINDS, Settings
from bstdg.layers import structure
from bstdg.learning.network import Network
from bstdg.learning.recipe import Recipe
from bstdg.learning.surroundings import between_batches
from bstdg.model.sizes import sizes_of
from bstdg.training import checkpoint, schedule
from bstdg.training.best_epoch import BestEpoch

SETTLED_BY = 4096  # training samples


class CounterpartRun:
    """One training of a counterpart, from epoch to epoch.

    Args:
        name: one of `KINDS`.
        recipe: whose structure, data and augmentation are taken.
        settings: of the kind that `KINDS` names.
        dataset: the training split; a validation part is taken from it, that of a run of the recipe with this seed.
        seed: decides every draw.

    Raises:
        InputError: recipe and data do not fit, or an option would do nothing.
    """

    def __init__(self, name: str, recipe: Recipe, settings: Settings, dataset: Dataset | EventDataset, seed: int):
        self.name, self.recipe, self.settings, self.seed = name, recipe, settings, seed
        seeds = np.random.SeedSequence(seed).generate_state(3)
        self.generator = torch.Generator("cpu").manual_seed(int(seeds[1]))
        self.samples = Samples(recipe, dataset, seed, settings.steps)
        self.layers = Network(self.samples.input.gives, len(dataset.classes), recipe.network).deployed()
        _, binary, activation = KINDS[name]
        self.network = Counterpart(
            self.layers,
            binary=binary,
            activation=activation,
            dropout=settings.dropout,
            seed=int(seeds[0]),
            generator=self.generator,
        )
        groups = self.network.groups(settings.rate, settings.decay)
        self.optimizer = torch.optim.AdamW([group for group in groups if group["params"]], fused=True)
        self.epoch, self.seconds, self.best = 0, 0.0, BestEpoch()
        self.best_tensors: dict[str, Tensor] = {}

    @property
    def finished(self) -> bool:
        """All epochs are done."""
        return self.epoch >= self.settings.epochs

    def run_epoch(self) -> dict[str, Any]:
        """One pass over the training part, then the validation figures; returns the log's row.

        Raises:
            TrainingError: the loss is no longer a number.
        """
        start = time.monotonic()
        loss = self._learn()
        if self.network.binary:
            self.network.settle_(self.samples.first(SETTLED_BY))
        scores = self.scores(self.samples.held_out())
        figures = self._figures(scores, self.samples.validation_labels)
        if self.best.look(self.epoch, figures, self._weighted(scores)):
            self.best_tensors = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.seconds += time.monotonic() - start
        return {"epoch": self.epoch, "epochs": self.settings.epochs, "loss": loss, **figures, "seconds": self.seconds}

    def _learn(self) -> float:
        self.epoch += 1
        self.network.train()
        batches = torch.randperm(len(self.samples.labels), generator=self.generator, device="cpu").split(
            self.settings.batch
        )
        if len(batches) > 1 and len(batches[-1]) == 1:  # one sample has no spread to be normalised by
            batches = batches[:-1]
        total = torch.zeros((), dtype=torch.float64, device="cpu")
        for i, index in enumerate(batches):
            between_batches()
            done = (self.epoch - 1 + i / len(batches)) / self.settings.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = self.settings.rate * schedule.cosine(done)
            loss = self._loss(index)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.network.clip_()
            total += loss.detach() * len(index)
        mean = float(total) / len(self.samples.labels)
        if not math.isfinite(mean):
            raise TrainingError(f"the loss became {mean} in epoch {self.epoch}; lower rate")
        return mean

    def _loss(self, index: Tensor) -> Tensor:
        scores, smoothing = self.network(self.samples.batch(index, self.generator)), self.settings.label_smoothing
        labels, weights = self.samples.labels[index], self.samples.weights
        each = F.cross_entropy(scores, labels, label_smoothing=smoothing, reduction="none")
        return each.mean() if weights is None else (each * weights[index]).mean()

    @torch.no_grad()
    def scores(self, parts: Iterable[Tensor]) -> NDArray[np.float32]:
        """Of the classes, `[samples, classes]`, for samples as the network reads them, some at a time."""
        self.network.eval()
        return torch.cat([self.network(part) for part in parts]).numpy()

    def _figures(self, scores: NDArray[np.float32], labels: NDArray[np.int64]) -> Figures:
        """Those that a network without spikes has."""
        operations = sum(int(layer.fan_out().sum()) for layer in self.layers)
        figures = figures_of_scores(scores, labels, operations)
        return {name: value for name, value in figures.items() if value is not None}

    def _weighted(self, scores: NDArray[np.float32]) -> tuple[float, float] | None:
        """Accuracy where samples have weights, and of how many it is worth."""
        if self.samples.validation_weights is None:
            return None
        each = self.samples.validation_weights.double().numpy()
        right = scores.argmax(axis=1) == self.samples.validation_labels
        return float(each[right].sum() / each.sum()), float(each.sum() ** 2 / (each**2).sum())

    def _settings(self) -> dict[str, Any]:
        return {**self.recipe.to_dict(), "baseline": {"name": self.name, **dataclasses.asdict(self.settings)}}

    def _names(self) -> dict[Tensor, str]:
        return {parameter: f"network.{name}" for name, parameter in self.network.named_parameters()}

    def _own_tensors(self) -> dict[str, Tensor]:
        state = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        return {**state, "generator": self.generator.get_state()}

    def checkpoint(self) -> checkpoint.Checkpoint:
        """Everything needed to go on from the end of this epoch."""
        tensors = self._own_tensors()
        tensors |= {f"best.{name}": tensor for name, tensor in self.best_tensors.items()}
        tensors |= checkpoint.pack_optimizer(self.optimizer, self._names())
        state = {
            "recipe": self._settings(),
            "seed": self.seed,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "best": self.best.state(),
            "stale": self.best.stale,
        }
        return checkpoint.Checkpoint(tensors, state)

    @torch.no_grad()
    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Become the run that `saved` was taken from.

        Raises:
            InputError: it was taken from another recipe, other settings or another seed.
            FileFormatError: it holds something else than such a run.
        """
        tensors, state, _ = saved
        wanted = {"recipe": self._settings(), "seed": self.seed}
        if other := checkpoint.differences({name: state[name] for name in wanted}, wanted):
            raise InputError(
                f"the checkpoint is of another run ({'; '.join(other)}); give it the same recipe, settings and seed, "
                "or choose another --out"
            )
        names = self._names()
        checkpoint.check(saved, self._own_tensors(), self.network.state_dict(), names.values())
        self.network.load_state_dict({name: tensors[f"network.{name}"] for name in self.network.state_dict()})
        checkpoint.unpack_optimizer(self.optimizer, names, tensors)
        try:
            self.generator.set_state(tensors["generator"])
        except RuntimeError as error:
            raise FileFormatError(f"{saved.name} is damaged: {error}") from None
        self.best_tensors = {k.removeprefix("best."): t for k, t in tensors.items() if k.startswith("best.")}
        self.epoch, self.seconds = state["epoch"], state["seconds"]
        self.best = BestEpoch.of(state["best"], state["stale"])

    def report(self, test: Dataset | EventDataset) -> dict[str, Any]:
        """The best network judged on the test set: the keys of a run's `report.json`, and `baseline`."""
        self.network.load_state_dict(self.best_tensors)
        figures = self._figures(self.scores(self.samples.of(test)), test.labels)
        missing = dict.fromkeys(figures_of_scores(np.eye(2), np.arange(2), 1))  # what only spikes have is None
        sizes = sizes_of(self.layers)
        return {
            "baseline": self.name,
            "recipe": {**self._settings(), "title": self.settings.title},
            "seed": self.seed,
            "structure": structure(self.samples.input.gives, self.layers),
            "widths": [sizes[0].channels, *(each.neurons for each in sizes)],
            "sizes": [each._asdict() for each in sizes],
            "training_samples": len(self.samples.labels),
            "validation_samples": len(self.samples.validation_labels),
            "epochs": self.epoch,
            "best_epoch": self.best.epoch,
            "validation": {**missing, **(self.best.figures or {})},
            "test": {**missing, **figures},
            "model_bytes": self.network.deployed_bytes(),
            "seconds": self.seconds,
            "training_engine": "torch",
            "machine": about_machine(),
        }
