"""Where a layer's presynaptic events come from, step by step: what layers read in training, as torch tensors."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bstdg.spikes.events import Events

# Below this share of channels with an event, adding rows beats a dense product on a CPU (measured, 784 x 600).
SPARSE_BELOW = 0.1


class Source(Protocol):
    """Where a layer's presynaptic events come from, one step at a time."""

    num_steps: int
    batch: int
    width: int  # channels
    native: Any  # what the native engine made of it, once it has

    def into(self, step: int, rows: Tensor) -> Tensor | None:
        """What the events at `step` bring: for each sample the sum of its channels' `rows` `[channels, k]`.

        Returns `[batch, k]`, or None where no channel has an event.
        """
        ...

    def onto(self, step: int, rows: Tensor) -> Tensor | None:
        """The way back: for each channel the sum of `rows` `[batch, k]` of the samples with an event there.

        Returns `[channels, k]`, or None where no channel has an event.
        """
        ...

    def counts(self, step: int, dtype: torch.dtype) -> Tensor | None:
        """How many events each channel has at `step`, `[batch, channels]`, or None where no channel has one."""
        ...


class StepSource:
    """At most one spike a channel, from `uint8` steps `[batch, channels]` with T for never."""

    native: Any = None

    def __init__(self, steps: Tensor, num_steps: int):
        self.steps, self.num_steps = steps, num_steps
        self.batch, self.width = steps.shape

    def into(self, step: int, rows: Tensor) -> Tensor | None:
        return _selected_sums(self.steps == step, rows)

    def onto(self, step: int, rows: Tensor) -> Tensor | None:
        return _selected_sums((self.steps == step).t(), rows)

    def counts(self, step: int, dtype: torch.dtype) -> Tensor | None:
        chosen = self.steps == step
        if chosen.device.type == "cpu" and not chosen.any():  # elsewhere to ask costs more than it spares
            return None
        return chosen.to(dtype)


def _selected_sums(chosen: Tensor, rows: Tensor) -> Tensor | None:
    """For each row of the mask `chosen` `[n, m]`, the sum of the `rows` `[m, k]` that it selects."""
    if chosen.device.type == "cpu":
        count = int(chosen.count_nonzero())
        if count == 0:
            return None
        if count < SPARSE_BELOW * chosen.numel():
            chosen = chosen.contiguous()
            index = chosen.nonzero(as_tuple=True)[1]
            return _bag_sums(index, chosen.sum(1), rows)
    return chosen.to(rows.dtype) @ rows


def _bag_sums(index: Tensor, lengths: Tensor, rows: Tensor) -> Tensor:
    """Sums of `rows[index]` over consecutive runs of `index`, one run for each of `lengths`."""
    starts = F.pad(lengths.cumsum(0)[:-1], (1, 0))
    return F.embedding_bag(index, rows.contiguous(), starts, mode="sum")


class EventSource:
    """Any number of events a channel, from compressed rows, re-sorted by step so that a step is one slice."""

    native: Any = None

    def __init__(self, events: Events, device: torch.device | str | None = None):
        self.events, self._device = events, device
        self.num_steps, self.batch, self.width = events.num_steps, len(events), events.num_channels

    @cached_property
    def _ends(self) -> list[int]:
        """How many events come before each step."""
        return np.searchsorted(np.sort(self.events.steps), np.arange(self.num_steps + 1)).tolist()

    @cached_property
    def _samples(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(self.batch), np.diff(self.events.offsets))

    @cached_property
    def _by_sample(self) -> list[Tensor]:
        return self._sorted(self._samples, self.events.channels.astype(np.int64))

    @cached_property
    def _by_channel(self) -> list[Tensor]:
        return self._sorted(self.events.channels.astype(np.int64), self._samples)

    def _sorted(self, major: NDArray[np.int64], minor: NDArray[np.int64]) -> list[Tensor]:
        order = np.lexsort((major, self.events.steps))
        return [torch.from_numpy(column[order]).to(self._device) for column in (major, minor)]

    def into(self, step: int, rows: Tensor) -> Tensor | None:
        return self._sums(self._by_sample, self.batch, step, rows)

    def onto(self, step: int, rows: Tensor) -> Tensor | None:
        return self._sums(self._by_channel, self.width, step, rows)

    def counts(self, step: int, dtype: torch.dtype) -> Tensor | None:
        sample, channel = (column[self._ends[step] : self._ends[step + 1]] for column in self._by_sample)
        if not len(sample):
            return None
        counts = (sample * self.width + channel).bincount(minlength=self.batch * self.width)
        return counts.view(self.batch, self.width).to(dtype)

    def _sums(self, events: list[Tensor], bags: int, step: int, rows: Tensor) -> Tensor | None:
        bag, index = (column[self._ends[step] : self._ends[step + 1]] for column in events)
        return _bag_sums(index, bag.bincount(minlength=bags), rows) if len(index) else None
