"""What is held out of the training set for validation: a share of each class, or all recordings of some speakers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets import Dataset, EventDataset, StepDataset
from bstdg.errors import InputError
from bstdg.learning.recipe import DataConfig

Parts = tuple[NDArray[np.int64], NDArray[np.int64]]  # positions of the training and of the validation part


def stratified(every: NDArray[np.int64], labels: NDArray[np.int64], held_out: int, seed: int) -> Parts:
    """Positions `every` in two parts, the classes in equal shares where they are large enough.

    Args:
        every: positions to be split.
        labels: int64 `[N]`, of all positions there are.
        held_out: size of the second part; at least one, and fewer than all.
        seed: of the draw.
    """
    from sklearn.model_selection import train_test_split

    counts = np.unique(labels[every], return_counts=True)[1]
    can_stratify = counts.min() >= 2 and min(held_out, len(every) - held_out) >= len(counts)
    training, validation = train_test_split(
        every, test_size=held_out, stratify=labels[every] if can_stratify else None, random_state=seed % 2**32
    )
    return np.asarray(training), np.asarray(validation)


def split(dataset: Dataset | EventDataset | StepDataset, config: DataConfig, seed: int) -> Parts:
    """The parts of a data set that a recipe asks for.

    Raises:
        InputError: a part would be empty; or speakers are named, and the data are no recordings of such.
    """
    if config.validation_speakers:
        return _by_speaker(dataset, config, seed)
    labels = dataset.labels
    every = np.random.default_rng(seed).permutation(len(labels))
    if config.limit:
        every = every[: config.limit]
    held_out = round(config.validation * len(every))
    if held_out < 1 or held_out >= len(every):
        raise InputError(
            f"{len(every)} training samples cannot be split with data.validation = {config.validation}: "
            "at least one sample is needed on each side"
        )
    return stratified(every, labels, held_out, seed)


def _by_speaker(dataset: Dataset | EventDataset | StepDataset, config: DataConfig, seed: int) -> Parts:
    """Positions of the training part, shuffled, and of the recordings of `config.validation_speakers`."""
    wanted = config.validation_speakers
    if not isinstance(dataset, EventDataset):
        raise InputError(f"data.validation_speakers: {dataset.name} are images, which nobody speaks")
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
