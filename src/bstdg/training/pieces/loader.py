"""Training on images that stay on disk: batches read and encoded ahead, in threads, while the network learns.

What a network learns from is the same, bit for bit, as if the images were in memory: the same samples in the same
order, and augmentation draws for each batch when its turn comes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bstdg.datasets import StoredDataset
from bstdg.datasets.pieces.ahead import ahead, window
from bstdg.datasets.pieces.base import KEPT_VARIABLE, pieces
from bstdg.distributed.ranks import ALONE, Ranks
from bstdg.distributed.share import Share
from bstdg.errors import InputError
from bstdg.inputs import InputCode, checks
from bstdg.layers import size
from bstdg.learning.recipe import Recipe
from bstdg.training.loader import Batch, augmented, check_shift
from bstdg.training.pieces.steps import StoredSteps
from bstdg.training.split import Parts


def both_parts(
    dataset: StoredDataset, parts: Parts, code: InputCode, recipe: Recipe, seed: int
) -> tuple[StoredLoader, StoredSteps]:
    """What is learnt from, and what it is judged on, see `bstdg.training.loader.both_parts`."""
    _warn_of_coding(dataset, code, recipe.network.num_steps)
    training, validation = parts
    return StoredLoader(dataset, training, code, recipe), StoredSteps(
        dataset, validation, code, recipe.network.num_steps
    )


class StoredLoader:
    """The training part of images that stay on disk; see `bstdg.training.loader.Loader`.

    Args:
        dataset: where they are.
        rows: int64 `[N]`, which of them are learnt from.
        code: how they become steps.
        recipe: T and augmentation.

    Raises:
        InputError: the recipe asks for what takes all images at once; or its shift leaves nothing of a sample.
    """

    def __init__(self, dataset: StoredDataset, rows: NDArray[np.int64], code: InputCode, recipe: Recipe):
        for asked, field in ((recipe.distort.copies, "distort.copies"), (recipe.teacher.weight, "teacher.weight")):
            if asked:
                raise InputError(
                    f"{field} keeps all training images in memory, and those of {dataset.samples.name} are read some "
                    f"at a time: leave it out, or set {KEPT_VARIABLE}={len(dataset) * math.prod(dataset.shape)}"
                )
        check_shift(recipe, code.gives)
        self._shape, self._recipe = code.gives, recipe
        self._steps = StoredSteps(dataset, rows, code, recipe.network.num_steps)
        self._coming: Iterator[tuple[Tensor, NDArray[np.uint8]]] = iter(())

    def __len__(self) -> int:
        return len(self._steps)

    def first(self, number: int) -> Tensor:
        """Steps uint8 `[number, channels]`."""
        return torch.from_numpy(self._steps[:number])

    def prepare(self, keep: Path | None, ranks: Ranks = ALONE) -> None:
        """Nothing: copies and teachers are for images in memory."""

    def expect(self, batches: Sequence[Tensor]) -> None:
        """Begin to read and encode these batches, which will be asked for in this order."""
        most = max((len(batch) for batch in batches), default=1) * size(self._shape)
        self._coming = ahead(batches, lambda index: (index, self._steps[index.numpy()]), window(2 * most))

    def batch(self, index: Tensor, generator: torch.Generator, share: Share | None = None) -> Batch:
        """Steps uint8 `[batch, channels]`."""
        index = index if share is None else index[share.rows]
        expected, steps = next(self._coming, (None, None))
        if steps is None or expected is None or not torch.equal(expected, index):  # another order than was announced
            self._coming, steps = iter(()), self._steps[index.numpy()]
        return Batch(augmented(torch.from_numpy(steps), self._shape, self._recipe, generator, share))


def _warn_of_coding(dataset: StoredDataset, code: InputCode, num_steps: int) -> None:
    """The warnings of `bstdg.inputs.checks.look`, which looks at the first samples of a data set."""
    first = StoredSteps(dataset, np.arange(min(len(dataset), checks.LOOKED_AT)), code, num_steps)
    parts = pieces(len(first), size(code.gives))
    used = np.unique(np.concatenate([np.unique(first[part]) for part in parts]))
    checks.look(used[None], num_steps, dataset.white)
