"""What is held out of the training set for validation: a share of each class, or all that some people gave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets import Dataset, EventDataset, StepDataset, StoredDataset
from bstdg.errors import InputError
from bstdg.learning.recipe import DataConfig

Parts = tuple[NDArray[np.int64], NDArray[np.int64]]  # positions of the training and of the validation part
People = NDArray[np.int64]  # of whom each sample is
DRAWS = 64


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


def split(dataset: Dataset | StoredDataset | EventDataset | StepDataset, config: DataConfig, seed: int) -> Parts:
    """The parts of a data set that a recipe asks for.

    Raises:
        InputError: a part would be empty; or speakers or patients are named, and the data know of none.
    """
    if config.validation_speakers:
        return _by_speaker(dataset, config, seed)
    patients = dataset.patients if isinstance(dataset, Dataset) else None
    if patients is not None:
        return _by_patient(dataset, patients, config, seed)
    if config.validation_patients:
        raise InputError(f"data.validation_patients: {dataset.name} does not say whose its samples are: leave it out")
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


def _by_speaker(dataset: Dataset | StoredDataset | EventDataset | StepDataset, config: DataConfig, seed: int) -> Parts:
    """Positions of the training part, shuffled, and of the recordings of `config.validation_speakers`."""
    wanted = config.validation_speakers
    if not isinstance(dataset, EventDataset):
        raise InputError(f"data.validation_speakers: {dataset.name} are images, which nobody speaks")
    if dataset.speakers is None:
        raise InputError(f"{dataset.name} does not say who speaks: use data.validation, not data.validation_speakers")
    held = _held(dataset.speakers, wanted, f"data.validation_speakers: {dataset.name} has no speaker")
    return _parts(held, config, seed, "data.validation_speakers")


def _by_patient(
    dataset: Dataset | StoredDataset | EventDataset | StepDataset, patients: People, config: DataConfig, seed: int
) -> Parts:
    """Positions of the training part, shuffled, and of all samples of some patients: those that are named, or drawn."""
    wanted = config.validation_patients or draw_patients(dataset.labels, patients, config.validation, seed)
    held = _held(patients, wanted, f"data.validation_patients: {dataset.name} has no patient")
    return _parts(held, config, seed, "data.validation_patients")


def _held(people: People, wanted: Sequence[int], lacks: str) -> NDArray[np.bool_]:
    known = np.unique(people)
    if missing := [one for one in wanted if one not in known]:
        raise InputError(f"{lacks} {missing[0]}, only {', '.join(map(str, known))}")
    return np.isin(people, wanted)


def _parts(held: NDArray[np.bool_], config: DataConfig, seed: int, field: str) -> Parts:
    training = np.random.default_rng(seed).permutation(np.flatnonzero(~held))
    if config.limit:
        training = training[: config.limit]
    if not len(training):
        raise InputError(f"{field}: nobody is left to train on")
    return training, np.flatnonzero(held)


def draw_patients(labels: NDArray[np.int64], patients: People, share: float, seed: int) -> tuple[int, ...]:
    """Patients to hold out, so that all classes are on both sides, and the share of each that is held out near `share`.

    Of `DRAWS` seeded orders of the patients, each of which is followed until `share` of the samples is reached, the one
    is taken whose shares, a class each, are nearest in their sum of distances.

    Args:
        labels: int64 `[N]`.
        patients: int64 `[N]`, whose each sample is.
        share: of the samples, in (0, 1).
        seed: of the draws.

    Raises:
        InputError: no draw has all classes on both sides.
    """
    names, whose = np.unique(patients, return_inverse=True)
    table = np.zeros((len(names), int(labels.max()) + 1), np.int64)
    np.add.at(table, (whose, labels), 1)
    table = table[:, table.any(axis=0)]  # classes that there are
    of_class, random = table.sum(axis=0), np.random.default_rng(seed)
    best, chosen = np.inf, None
    for _ in range(DRAWS):
        order = random.permutation(len(names))
        reached = np.cumsum(table[order].sum(axis=1))
        drawn = order[: 1 + np.searchsorted(reached, share * len(labels))]
        held = table[drawn].sum(axis=0)
        distance = float(np.abs(held / of_class - share).sum())
        if (held > 0).all() and (held < of_class).all() and distance < best:
            best, chosen = distance, drawn
    if chosen is None:
        raise InputError(
            f"no draw of patients has samples of all {len(of_class)} classes on both sides with data.validation = "
            f"{share}: name those to hold out with data.validation_patients"
        )
    return tuple(sorted(names[chosen].tolist()))
