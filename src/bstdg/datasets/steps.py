"""Labelled samples that are steps already: arrays of one's own, encoded by whoever brings them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.inputs import InputCode
from bstdg.layers import size


@dataclass(frozen=True, eq=False, repr=False)
class StepDataset:
    """Labelled input steps, with what a deployed network needs to make such steps itself.

    Attributes:
        name: for reports and errors.
        steps: `uint8` `[N, channels]`, T where a channel is silent.
        labels: `int64` `[N]`, values 0 … len(classes) - 1.
        classes: what each label means, in words.
        input: how samples became these steps.

    Raises:
        InputError: the set is empty, or an array has another type or shape than said above.
    """

    name: str
    steps: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    input: InputCode

    def __post_init__(self) -> None:
        if self.steps.dtype != np.uint8 or self.steps.ndim != 2 or not self.steps.size:
            raise InputError(
                f"{self.name}: steps must be uint8 [N, channels], not {self.steps.dtype} of shape "
                f"{list(self.steps.shape)}"
            )
        if self.steps.shape[1] != size(self.input.gives):
            raise InputError(
                f"{self.name}: the input code gives {size(self.input.gives)} channels, not {self.steps.shape[1]}"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != (len(self.steps),):
            raise InputError(
                f"{self.name}: {len(self.steps)} samples need as many labels (int64), not "
                f"{self.labels.dtype} of shape {list(self.labels.shape)}"
            )
        if not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise InputError(f"{self.name}: labels must be in 0 … {len(self.classes) - 1}")

    def __len__(self) -> int:
        return len(self.labels)
