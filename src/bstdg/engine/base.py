"""What every engine takes and gives back, so that one can stand in for another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bstdg.decide import Decision, decide
from bstdg.encode import Events


class LayerBits(NamedTuple):
    """One deployed layer: `signs` int8 -1/+1 `[neurons, channels]`, `thresholds` integers `[neurons]`."""

    signs: NDArray[np.int8]
    thresholds: NDArray[np.int64]


class Trace(NamedTuple):
    """One forward pass.

    Attributes:
        hidden: uint8 steps `[batch, neurons]`, one array a hidden layer.
        potentials: of the output layer, integers `[batch, T, classes]`.
    """

    hidden: tuple[NDArray[np.uint8], ...]
    potentials: NDArray[np.integer]


class Engine(Protocol):
    """A way to compute spike steps; every engine gives the same integers."""

    NAME: str

    def forward(self, layers: Sequence[LayerBits], spikes: NDArray[np.uint8] | Events, num_steps: int, /) -> Trace: ...


class Compiled(Protocol):
    """A deployed network that an engine has made ready to run."""

    def trace(self, spikes: NDArray[np.uint8] | Events, /) -> Trace: ...

    def decide(self, spikes: NDArray[np.uint8] | Events, /) -> Decision: ...


class Interpreted:
    """A deployed network for an engine that makes nothing ready: it gets the layers anew each time."""

    def __init__(self, engine: Engine, layers: Sequence[LayerBits], num_steps: int):
        self._engine, self._layers, self._num_steps = engine, layers, num_steps

    def trace(self, spikes: NDArray[np.uint8] | Events) -> Trace:
        """Every hidden spike step and output potential."""
        return self._engine.forward(self._layers, spikes, self._num_steps)

    def decide(self, spikes: NDArray[np.uint8] | Events) -> Decision:
        """The decision of each sample."""
        return decide(self.trace(spikes).potentials, self._layers[-1].thresholds)
