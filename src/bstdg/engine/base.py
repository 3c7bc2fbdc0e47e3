"""What every engine takes and gives back, so that one can stand in for another."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bstdg.engine.decide import Decision, decide
from bstdg.layers import FullLayer, Layer
from bstdg.spikes.events import Events


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

    def forward(self, layers: Sequence[Layer], spikes: NDArray[np.uint8] | Events, num_steps: int, /) -> Trace: ...

    def refuses(self, layer: Layer, /) -> str | None:
        """Why this engine cannot compute such a layer, in words; None where it can."""
        ...


class Compiled(Protocol):
    """A deployed network that an engine has made ready to run."""

    def trace(self, spikes: NDArray[np.uint8] | Events, /) -> Trace: ...

    def decide(self, spikes: NDArray[np.uint8] | Events, /) -> Decision: ...


class Interpreted:
    """A deployed network for an engine that makes nothing ready: it gets the layers anew each time."""

    def __init__(self, engine: Engine, layers: Sequence[Layer], num_steps: int, device: object = "cpu"):
        self._engine, self._layers, self._num_steps = engine, layers, num_steps
        # Only an engine that computes elsewhere is told where.
        self._where = {} if str(device) == "cpu" else {"device": device}

    def __getstate__(self) -> dict[str, Any]:
        """An engine is a module, which pickle does not take: it goes by its name."""
        return {**self.__dict__, "_engine": self._engine.__name__}  # pyright: ignore[reportAttributeAccessIssue]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _engine=importlib.import_module(state["_engine"]))

    def trace(self, spikes: NDArray[np.uint8] | Events) -> Trace:
        """Every hidden spike step and output potential."""
        return self._engine.forward(self._layers, spikes, self._num_steps, **self._where)

    def decide(self, spikes: NDArray[np.uint8] | Events) -> Decision:
        """The decision of each sample."""
        return decide(self.trace(spikes).potentials, self._layers[-1].thresholds)


def knows_full_layers_alone(layer: Layer) -> str | None:
    """What engines and exports say that compute fully connected layers and no others."""
    return None if layer.kind == FullLayer.kind else f"layers of kind {layer.kind!r} are not computed here"
