"""What a counterpart learns from and is judged on: the samples of a recipe, augmented as there, as numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bstdg.datasets import Dataset, EventDataset
from bstdg.errors import InputError
from bstdg.learning import weights as sample_weights
from bstdg.learning.recipe import Recipe, TeacherConfig
from bstdg.spikes.events import MAX_STEPS, Events
from bstdg.training import options
from bstdg.training.loader import Loader, RecordingLoader, StepLoader, encoded, input_code, learnt_code
from bstdg.training.split import split

AT_ONCE = 1000  # samples that are judged together


def numbers(spikes: Tensor | Events, num_steps: int) -> Tensor:
    """What a network that does not spike reads, float32 `[batch, channels]`.

    >>> numbers(torch.tensor([[0, 2, 4]], dtype=torch.uint8), 4).tolist()
    [[1.0, 0.5, 0.0]]
    """
    if isinstance(spikes, Tensor):
        return (num_steps - spikes.float()) / num_steps
    rows = np.repeat(np.arange(len(spikes)), np.diff(spikes.offsets))
    places = rows * spikes.num_channels + spikes.channels
    counts = np.bincount(places, minlength=len(spikes) * spikes.num_channels)
    return torch.from_numpy(counts.astype(np.float32)).view(len(spikes), spikes.num_channels)


class Samples:
    """Both parts of a training split, those that a run of the recipe has with the same seed.

    Args:
        recipe: whose input code, augmentation, split and class weights are taken.
        dataset: the training split.
        seed: of the run.
        num_steps: T at which the input is read; 0: its finest for images, the recipe's for recordings.

    Attributes:
        input: the recipe's input code.
        num_steps: T at which it is read.
        labels, validation_labels: int64 `[N]`, as a tensor and as an array.
        weights, validation_weights: how much each sample counts, likewise; None: all alike.

    Raises:
        InputError: recipe and data do not fit, or an option would do nothing.
    """

    def __init__(self, recipe: Recipe, dataset: Dataset | EventDataset, seed: int, num_steps: int = 0):
        options.check(recipe, options.kind_of(dataset))
        self.input = input_code(dataset, recipe.input)
        if self.input.tied:
            raise InputError(
                "input.windows take spikes back, which no network does that does not spike: leave them out"
            )
        pictures = isinstance(dataset, Dataset)
        if num_steps and not pictures and not recipe.input.counts:
            raise InputError(
                f"steps = {num_steps} does nothing for {recipe.data.name}, of which events are counted: leave it out"
            )
        self.num_steps = num_steps or (min(MAX_STEPS, dataset.white) if pictures else recipe.network.num_steps)
        plain = dataclasses.replace(
            recipe,
            network=dataclasses.replace(recipe.network, num_steps=self.num_steps),
            train=dataclasses.replace(recipe.train, jitter=0),
            teacher=TeacherConfig(),
        )
        parts = training, validation = split(
            dataset, recipe.data, int(np.random.SeedSequence(seed).generate_state(3)[2])
        )
        self.input = learnt_code(self.input, recipe.input, dataset, training, self.num_steps)
        self.labels, self.validation_labels = torch.from_numpy(dataset.labels[training]), dataset.labels[validation]
        self.training: Loader
        self.validation: Any
        if pictures:
            steps = encoded(dataset, self.input, self.num_steps)
            origin = (dataset, self.input, training, seed)
            self.training = StepLoader(steps[training], self.input.gives, plain, origin)
            self.validation = steps[validation]
        else:
            self.training = RecordingLoader(dataset, training, self.input, plain)
            self.validation = self.input.encode(dataset.rows(validation), self.num_steps)
        table = sample_weights.by_class(recipe.train.class_weight, self.labels.numpy(), dataset.classes)
        each = sample_weights.of_samples(dataset.labels, table, None)
        relative = (None if each is None else each[part] / each[training].mean() for part in parts)
        self.weights, self.validation_weights = map(sample_weights.unless_one, relative)

    def batch(self, index: Tensor, generator: torch.Generator) -> Tensor:
        """Training samples at `index`, augmented: float32 `[batch, channels]`."""
        return numbers(self.training.batch(index, generator).spikes, self.num_steps)

    def first(self, number: int) -> Iterator[Tensor]:
        """The first training samples as they are, some at a time."""
        yield from numbers(self.training.first(number), self.num_steps).split(AT_ONCE)

    def held_out(self) -> Iterator[Tensor]:
        """The validation part, some samples at a time."""
        for i in range(0, len(self.validation), AT_ONCE):
            part = self.validation[i : i + AT_ONCE]
            yield numbers(part if isinstance(part, Events) else torch.from_numpy(part), self.num_steps)

    def of(self, dataset: Dataset | EventDataset) -> Iterator[Tensor]:
        """Another split, some samples at a time."""
        for i in range(0, len(dataset), AT_ONCE):
            part = np.arange(i, min(i + AT_ONCE, len(dataset)))
            rows = dataset.images[part] if isinstance(dataset, Dataset) else dataset.rows(part)
            spikes = self.input.encode(rows, self.num_steps)
            yield numbers(spikes if isinstance(spikes, Events) else torch.from_numpy(spikes), self.num_steps)
