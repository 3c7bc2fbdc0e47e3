"""Where a layer's presynaptic events come from, step by step: what layers read in training, as torch tensors."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bstdg.errors import InputError
from bstdg.spikes.events import Events

# Below this share of channels with an event, adding rows beats a dense product on a CPU (measured, 784 x 600).
SPARSE_BELOW = 0.1


class Source(Protocol):
    """Where a layer's presynaptic events come from, one step at a time."""

    num_steps: int
    batch: int
    width: int  # channels
    native: Any  # what the native engine made of it, once it has and while it holds

    @property
    def device(self) -> torch.device:
        """Where it is read."""
        ...

    def check(self) -> None:
        """Raise `InputError` where a step is out of range."""
        ...

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


class _Kept:
    """Keeps what the native engine made of a source, as long as the source is as it was; copies go without it."""

    _native: tuple[int, Any] | None = None

    @property
    def _version(self) -> int | None:
        """Counts the changes; None where nobody does."""
        return 0

    @property
    def native(self) -> Any:
        return self._native[1] if self._native is not None and self._native[0] == self._version else None

    @native.setter
    def native(self, made: Any) -> None:
        version = self._version
        self._native = None if version is None else (version, made)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_native"}


class StepSource(_Kept):
    """At most one spike a channel, from `uint8` steps `[batch, channels]` with T for never.

    Args:
        steps: see above.
        num_steps: T.
        shared: they lie in memory that is not torch's alone, a NumPy array's say. They are then copied when they are
            read, and again where torch wrote into them: others may change them, and nobody counts that.
    """

    def __init__(self, steps: Tensor, num_steps: int, *, shared: bool = False):
        self.steps, self.num_steps = steps, num_steps
        self.batch, self.width = steps.shape
        self._copy = (self._version, steps.clone()) if shared else None

    @property
    def _version(self) -> int | None:
        return None if self.steps.is_inference() else self.steps._version

    @property
    def read(self) -> Tensor:
        """The steps to compute with."""
        if self._copy is None:
            return self.steps
        if self._copy[0] != self._version:
            self._copy = (self._version, self.steps.clone())
        return self._copy[1]

    @property
    def device(self) -> torch.device:
        return self.steps.device

    def check(self) -> None:
        latest = int(self.read.max()) if self.steps.numel() else 0
        if latest > self.num_steps:
            raise InputError(f"a step is {latest}, beyond T = {self.num_steps}, which means never")

    def into(self, step: int, rows: Tensor) -> Tensor | None:
        return _selected_sums(self.read == step, rows)

    def onto(self, step: int, rows: Tensor) -> Tensor | None:
        return _selected_sums((self.read == step).t(), rows)


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


class EventSource(_Kept):
    """Any number of events a channel, from compressed rows, re-sorted by step so that a step is one slice."""

    def __init__(self, events: Events, device: torch.device | str | None = None):
        self.events = copy.deepcopy(events)  # read now and in the backward pass, and their owner may refill the arrays
        self.device = torch.device(device or "cpu")
        self.num_steps, self.batch, self.width = events.num_steps, len(events), events.num_channels

    def check(self) -> None:
        """Nothing: `Events` were checked when they were made."""

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
        return [torch.from_numpy(column[order]).to(self.device) for column in (major, minor)]

    def into(self, step: int, rows: Tensor) -> Tensor | None:
        return self._sums(self._by_sample, self.batch, step, rows)

    def onto(self, step: int, rows: Tensor) -> Tensor | None:
        return self._sums(self._by_channel, self.width, step, rows)

    def _sums(self, events: list[Tensor], bags: int, step: int, rows: Tensor) -> Tensor | None:
        bag, index = (column[self._ends[step] : self._ends[step + 1]] for column in events)
        return _bag_sums(index, bag.bincount(minlength=bags), rows) if len(index) else None


def shares_memory(tensor: Tensor) -> bool:
    """Whether the memory of a tensor is not torch's own: that of a NumPy array, say, or of another process."""
    try:
        return not tensor.untyped_storage().resizable()
    except (NotImplementedError, RuntimeError):  # inside torch.func, a tensor has no memory
        return False
