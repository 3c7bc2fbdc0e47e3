"""Steps of images that stay on disk, encoded when they are asked for."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bstdg.datasets import StoredDataset
from bstdg.datasets.pieces.base import pieces
from bstdg.inputs import InputCode
from bstdg.layers import size


class StoredSteps:
    """Steps of images on disk, encoded when they are asked for.

    Args:
        dataset: where the images are.
        rows: int64 `[N]`, which of them.
        code: how they become steps.
        num_steps: T.
    """

    def __init__(self, dataset: StoredDataset, rows: NDArray[np.int64], code: InputCode, num_steps: int):
        self._dataset, self._rows, self._code, self._num_steps = dataset, rows, code, num_steps

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, part: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Steps uint8 `[samples, channels]`."""
        rows = self._rows[part]
        steps = np.empty((len(rows), size(self._code.gives)), np.uint8)
        for few in pieces(len(rows), math.prod(self._dataset.shape)):  # codes may take many times a piece
            found = self._code.encode(self._dataset.read(rows[few]), self._num_steps)
            assert isinstance(found, np.ndarray)  # noqa: S101  (images fire at most once a channel)
            steps[few] = found
        return steps
