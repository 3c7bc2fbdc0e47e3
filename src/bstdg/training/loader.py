"""What a network learns from, batch by batch: the training part, augmented anew each time it is seen."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bstdg.datasets import Dataset, EventDataset, StepDataset, StoredDataset
from bstdg.datasets.pieces.base import pieces
from bstdg.distributed.ranks import ALONE, Ranks
from bstdg.distributed.share import Share
from bstdg.errors import InputError
from bstdg.inputs import EdgeCode, InputCode, LatencyCode, checks
from bstdg.inputs.equalize import equalized
from bstdg.inputs.options import InputOptions
from bstdg.learning.recipe import Recipe
from bstdg.spikes.events import Events
from bstdg.training import augmentation, event_augmentation
from bstdg.training.copies import Copies, make_copies
from bstdg.training.split import Parts


class Batch(NamedTuple):
    """Input of some samples, and what a teacher says of each, `[batch, classes]`, if there is one."""

    spikes: Tensor | Events
    taught: Tensor | None = None


class Loader(Protocol):
    """The training part of a data set, as the network of a recipe reads it."""

    def __len__(self) -> int: ...

    def first(self, number: int, /) -> Tensor | Events:
        """The first samples as they are, from which thresholds start."""
        ...

    def batch(self, index: Tensor, generator: torch.Generator, share: Share | None = None, /) -> Batch:
        """The samples at `index` (int64), or a share of them, each augmented by draws of its own."""
        ...

    def expect(self, batches: Sequence[Tensor], /) -> None:
        """Told of the batches that will be asked for next, in this order; who reads samples from disk begins to."""
        ...

    def prepare(self, keep: Path | None, ranks: Ranks = ALONE, /, *, show: bool = False) -> None:
        """Make the copies and train the teacher that the recipe asks for; a teacher is kept in the folder `keep`.

        The first of several ranks does it for all.
        """
        ...


def input_code(dataset: Dataset | StoredDataset | EventDataset | StepDataset, options: InputOptions) -> InputCode:
    """How the samples of a data set become steps under a recipe's options; errors as for the code itself.

    Levels that are chosen from a training part are still to come, see `learnt_code`.
    """
    if isinstance(dataset, StepDataset):
        return dataset.input
    if isinstance(dataset, EventDataset):
        return options.for_recordings(dataset.shape)
    return options.for_images(dataset.shape, dataset.white)


def learnt_code(
    code: InputCode,
    options: InputOptions,
    dataset: Dataset | StoredDataset | EventDataset | StepDataset,
    training: NDArray[np.integer],
    num_steps: int,
    ranks: Ranks = ALONE,
) -> InputCode:
    """The input code with all that is chosen from the training part, at positions `training`, and from that alone.

    Images are looked at as they are, undistorted, some at a time. The first of several ranks does it for all.

    Raises:
        InputError: nothing in the training part fires.
    """
    if not options.equalize or not isinstance(dataset, (Dataset, StoredDataset)):
        return code
    if not isinstance(code, (LatencyCode, EdgeCode)):
        raise InputError(f"input.equalize is for pixels and edges, not for input codes of kind {code.kind!r}")

    def learnt() -> bytes:
        parts = (dataset.read(training[few]) for few in pieces(len(training), math.prod(dataset.shape)))
        return json.dumps(equalized(code, parts, num_steps).levels).encode()

    return dataclasses.replace(code, levels=tuple(json.loads(ranks.bytes_of_first(learnt))), silent_below=0.0)


def encoded(dataset: Dataset | StepDataset, code: InputCode, num_steps: int) -> NDArray[np.uint8]:
    """All samples as steps, uint8 `[N, channels]`, with a warning where these hold less than the samples do."""
    if isinstance(dataset, StepDataset):
        return dataset.steps
    steps = code.encode(dataset.images, num_steps)
    assert isinstance(steps, np.ndarray)  # noqa: S101  (images fire at most once a channel)
    checks.look(steps, num_steps, dataset.white)
    return steps


def both_parts(
    dataset: Dataset | StepDataset, parts: Parts, code: InputCode, recipe: Recipe, seed: int
) -> tuple[StepLoader, NDArray[np.uint8]]:
    """What is learnt from, and the steps of what it is judged on, uint8 `[N, channels]`.

    Args:
        dataset: in memory.
        parts: positions of both.
        code: how samples become steps.
        recipe: of the training.
        seed: of the run, from which copies and a teacher are made.
    """
    steps, (training, validation) = encoded(dataset, code, recipe.network.num_steps), parts
    return StepLoader(steps[training], code.gives, recipe, (dataset, code, training, seed)), steps[validation]


class StepLoader:
    """Samples that fire at most once a channel, encoded once: images, and arrays of one's own.

    Args:
        steps: uint8 `[N, channels]` of the training part.
        shape: of a sample, for shifts.
        recipe: T and augmentation.
        origin: where copies and a teacher are made from: the data set, its input code, the positions of the training
            part, and the seed; None makes none.

    Raises:
        InputError: the recipe's shift leaves nothing of a sample.
    """

    def __init__(
        self,
        steps: NDArray[np.uint8],
        shape: tuple[int, ...],
        recipe: Recipe,
        origin: tuple[Dataset | StepDataset, InputCode, NDArray[np.integer], int] | None = None,
    ):
        self._steps, self._shape, self._recipe, self._origin = torch.from_numpy(steps), shape, recipe, origin
        self._copies: Copies | None = None
        check_shift(recipe, shape)

    def __len__(self) -> int:
        return len(self._steps)

    def first(self, number: int) -> Tensor:
        """Steps uint8 `[number, channels]`."""
        return self._steps[:number]

    def expect(self, batches: Sequence[Tensor]) -> None:
        """Nothing: all samples are in memory."""

    def prepare(self, keep: Path | None, ranks: Ranks = ALONE, *, show: bool = False) -> None:
        """See `Loader.prepare`."""
        recipe, origin = self._recipe, self._origin
        if origin is not None and (recipe.distort.copies or recipe.teacher.weight):
            made = ranks.tensors_of_first(lambda: make_copies(*origin, recipe, keep, show=show).tensors())
            self._copies = Copies(made["steps"], made.get("taught"), len(self))

    def batch(self, index: Tensor, generator: torch.Generator, share: Share | None = None) -> Batch:
        """Steps uint8 `[batch, channels]`."""
        taught = None
        if self._copies is None:
            steps = self._steps.index_select(0, index if share is None else index[share.rows])
        else:
            steps, taught = self._copies.draw(index, generator, share)
        return Batch(augmented(steps, self._shape, self._recipe, generator, share), taught)


def augmented(
    steps: Tensor, shape: tuple[int, ...], recipe: Recipe, generator: torch.Generator, share: Share | None = None
) -> Tensor:
    """Steps uint8 `[batch, channels]` of some samples, or a share of them, shifted and jittered as a recipe says."""
    config, num_steps = recipe.train, recipe.network.num_steps
    steps = augmentation.shift(steps, shape, num_steps, config.shift, config.shift_share, generator, share)
    return augmentation.jitter(steps, num_steps, config.jitter, generator, share)


def check_shift(recipe: Recipe, shape: tuple[int, ...]) -> None:
    """Raise `InputError` where a recipe's shift leaves nothing of a sample."""
    if recipe.train.shift and len(shape) > 1 and recipe.train.shift >= augmentation.shortest(shape):
        sides = " x ".join(map(str, shape[-2:]))
        raise InputError(f"train.shift = {recipe.train.shift} moves a {sides} image out of sight: give less")


class RecordingLoader:
    """Recordings of events, augmented and then encoded each time.

    Args:
        dataset: where they are.
        rows: which of its recordings, positions.
        code: how they become events of the first layer.
        recipe: T and augmentation.

    Raises:
        InputError: the augmentation is none of such recordings.
    """

    def __init__(self, dataset: EventDataset, rows: NDArray[np.integer], code: InputCode, recipe: Recipe):
        self._dataset, self._rows, self._code, self._recipe = dataset, np.asarray(rows), code, recipe
        event_augmentation.check(recipe.events, dataset.grid)

    def __len__(self) -> int:
        return len(self._rows)

    def first(self, number: int) -> Events:
        """Recordings as they are."""
        return self._encoded(self._dataset.rows(self._rows[:number]))

    def expect(self, batches: Sequence[Tensor]) -> None:
        """Nothing: all recordings are in memory."""

    def prepare(self, keep: Path | None, ranks: Ranks = ALONE, *, show: bool = False) -> None:
        """Nothing: copies and teachers are for images."""

    def batch(self, index: Tensor, generator: torch.Generator, share: Share | None = None) -> Batch:
        """Recordings, augmented: all of the batch, whose draws depend on each other, and then those of the share."""
        # One number of torch's generator, whose state is part of a checkpoint, starts all draws of the batch.
        start = int(torch.randint(2**62, (), generator=generator, device="cpu"))
        rows, dataset = self._rows[index.numpy()], self._dataset
        changed = event_augmentation.augment(
            self._recipe.events,
            dataset.rows(rows),
            dataset.labels[rows],
            dataset.num_channels,
            np.random.default_rng(start),
            dataset.grid,
        )
        return Batch(self._encoded(changed if share is None else event_augmentation.part(changed, share.rows)))

    def _encoded(self, rows: event_augmentation.Rows) -> Events:
        spikes = self._code.encode(rows, self._recipe.network.num_steps)
        assert isinstance(spikes, Events)  # noqa: S101  (recordings become events)
        return spikes
