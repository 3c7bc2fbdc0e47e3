"""Event recordings as training reads them: augmented anew each time, then coded into steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bstdg.datasets.events import EventDataset
from bstdg.errors import InputError
from bstdg.learning.recipe import DataConfig, Recipe
from bstdg.model.runtime import Model
from bstdg.spikes.events import Events
from bstdg.training.event_augmentation import augment


class EventFeed:
    """Some recordings of a data set, as the network of a recipe reads them.

    Args:
        dataset: where they are.
        rows: which of its recordings, positions.
        recipe: input coding, T and augmentation.

    A slice gives recordings as they are; `batch` gives them augmented.
    """

    def __init__(self, dataset: EventDataset, rows: NDArray[np.integer], recipe: Recipe):
        self.dataset, self.rows, self.recipe = dataset, np.asarray(rows), recipe

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> Events:
        return self._coded(self.dataset.rows(self.rows[part]))

    def batch(self, index: Tensor, generator: torch.Generator) -> Events:
        """The recordings at `index` (int64), each augmented by draws of its own."""
        # One number of torch's generator, whose state is part of a checkpoint, starts all draws of the batch.
        start = int(torch.randint(2**62, (), generator=generator))
        rows = self.rows[index.numpy()]
        changed = augment(
            self.recipe.events,
            self.dataset.rows(rows),
            self.dataset.labels[rows],
            self.dataset.num_channels,
            np.random.default_rng(start),
        )
        return self._coded(changed)

    def _coded(self, rows: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Events:
        return self.recipe.input.encode(
            *rows, num_channels=self.dataset.num_channels, num_steps=self.recipe.network.num_steps
        )


def figures_by_speaker(model: Model, test: EventDataset, known: frozenset[int]) -> dict[str, Any]:
    """Figures of a model for each speaker of the test set, and for those it was trained on (`known`) and the others."""
    if test.speakers is None:
        return {}
    heard = np.isin(test.speakers, list(known))
    groups = {"known": heard, "unseen": ~heard}
    by_speaker = {str(speaker): test.speakers == speaker for speaker in np.unique(test.speakers)}
    return {
        "speakers": {name: model.evaluate_events(test, mask) for name, mask in groups.items() if mask.any()},
        "by_speaker": {name: model.evaluate_events(test, mask) for name, mask in by_speaker.items()},
    }


def check(recipe: Recipe) -> None:
    """Raise `InputError` if the recipe asks of events what only images can do."""
    train = recipe.train
    for name, instead in (
        ("shift", "events.channel_shift"),
        ("jitter", "events.time_jitter"),
        ("input_dropout", "events.event_dropout"),
    ):
        if getattr(train, name):
            raise InputError(f"train.{name} is for images; for the events of {recipe.data.name} use {instead}")
    for name, asked in (("distort", recipe.distort.copies), ("teacher", recipe.teacher.weight)):
        if asked:
            raise InputError(f"the section {name} is for images; {recipe.data.name} are events")


def split_by_speaker(dataset: EventDataset, config: DataConfig, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training part, shuffled, and of the recordings of `config.validation_speakers`.

    Raises:
        InputError: the data name no speakers, or one is not there, or nobody is left to train on.
    """
    wanted = config.validation_speakers
    if dataset.speakers is None:
        raise InputError(f"{dataset.name} does not say who speaks: use data.validation, not data.validation_speakers")
    known = np.unique(dataset.speakers)
    if missing := [speaker for speaker in wanted if speaker not in known]:
        there = ", ".join(map(str, known))
        raise InputError(f"data.validation_speakers: {dataset.name} has no speaker {missing[0]}, only {there}")
    held = np.isin(dataset.speakers, wanted)
    training = np.random.default_rng(seed).permutation(np.flatnonzero(~held))
    if config.limit:
        training = training[: config.limit]
    if not len(training):
        raise InputError("data.validation_speakers: nobody is left to train on")
    return training, np.flatnonzero(held)
