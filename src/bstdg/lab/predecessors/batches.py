"""Training by batches with Adam, for the baselines that torch differentiates."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bstdg.errors import TrainingError
from bstdg.lab.predecessors.base import Figures, RunSetup
from bstdg.lab.predecessors.settings import BatchSettings
from bstdg.learning.surroundings import between_batches
from bstdg.model import classes
from bstdg.training import augmentation as augment


class BatchRun(ABC):
    """One pass over shuffled batches after another; subclasses say what the network and its loss are.

    Args:
        setup: see `base.RunSetup`.
        pixels: uint8 `[samples, inputs]`, what the network reads.
        silent: the value of a pixel that comes in from outside when an image is moved.
    """

    def __init__(self, setup: RunSetup[Any], pixels: NDArray[np.uint8], silent: int):
        self.settings: BatchSettings = setup.settings
        self.white, self.shape, self.silent = setup.training.white, setup.training.shape, silent
        self.classes = len(setup.training.classes)
        self.generator = torch.Generator("cpu").manual_seed(setup.seed)
        self.pixels, self.labels = torch.from_numpy(pixels), torch.from_numpy(setup.training.labels)
        self._kept: dict[str, Tensor] = {}

    @property
    @abstractmethod
    def module(self) -> nn.Module:
        """What is kept and restored."""

    @property
    @abstractmethod
    def groups(self) -> list[dict[str, Any]]:
        """Adam's parameter groups."""

    @abstractmethod
    def loss(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Of one batch, its mean."""

    def after_step(self) -> None:  # noqa: B027  # most have nothing to do there
        """Called after every step of the optimiser."""

    def epochs(self) -> Iterator[dict[str, Any]]:
        """One pass at a time; yields the mean loss.

        Raises:
            TrainingError: the loss is no longer a number.
        """
        optimizer = torch.optim.Adam(self.groups, fused=True)
        rates = [group["lr"] for group in optimizer.param_groups]
        for epoch in range(self.settings.epochs):
            self.module.train()
            order = torch.randperm(len(self.labels), generator=self.generator, device="cpu")
            batches = order.split(self.settings.batch)
            total = 0.0
            for i, index in enumerate(batches):
                share = (epoch + i / len(batches)) / self.settings.epochs
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = 0.5 * rate * (1.0 + math.cos(math.pi * share))
                total += self._step(optimizer, index) * len(index)
            loss = total / len(self.labels)
            if not math.isfinite(loss):
                raise TrainingError(f"the loss became {loss} in epoch {epoch + 1}; lower rate")
            yield {"loss": loss}

    def _step(self, optimizer: torch.optim.Optimizer, index: Tensor) -> float:
        between_batches()
        settings = self.settings
        pixels = augment.shift(
            self.pixels[index], self.shape, self.silent, settings.shift, settings.shift_share, self.generator
        )
        loss = self.loss(pixels, self.labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        self.after_step()
        return float(loss.detach())

    def keep(self) -> None:
        """Remember parameters and statistics."""
        self._kept = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}

    def restore(self) -> None:
        """Take them back."""
        self.module.load_state_dict(self._kept)


def flat(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images `[batch, …]` as rows."""
    return np.ascontiguousarray(images.reshape(len(images), -1))


def figures_of_scores(scores: NDArray[np.floating], labels: NDArray[np.int64], operations: int) -> Figures:
    """The figures of a network that does not spike, from its outputs `[batch, classes]`: the greatest wins.

    The keys are those of `bstdg.model.metrics.Tally.figures`; what only spikes have is None. `operations` is what one
    image costs at its synapses.

    >>> figures_of_scores(np.array([[1.0, 1.0], [0.0, 2.0]]), np.array([1, 1]), 6)["accuracy_ties_correct"]
    1.0
    """
    best = scores == scores.max(axis=1, keepdims=True)
    several, decided = best.sum(axis=1) > 1, scores.argmax(axis=1)
    return {
        "samples": len(labels),
        "accuracy": float((decided == labels).mean()),
        **classes.of_labels(labels, decided, scores.shape[1]),
        "accuracy_ties_correct": float(best[np.arange(len(labels)), labels].mean()),
        "tie_rate": float(several.mean()),
        "simultaneous_rate": None,
        "silent_rate": None,
        "decision_step_mean": None,
        "decision_step_median": None,
        "num_steps": 1,
        "hidden_spikes": None,
        "hidden_spikes_to_decision": None,
        "hidden_spikes_by_layer": None,
        "input_spikes_to_decision": None,
        "synaptic_operations_to_decision": float(operations),
    }


def dense_operations(widths: Sequence[int]) -> int:
    """Synapses of a fully connected network, each used once an image."""
    return sum(below * above for below, above in pairwise(widths))
