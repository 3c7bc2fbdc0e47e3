"""The native engine: C++ on any CPU, which counts bits instead of adding numbers, and needs NumPy alone.

A layer's potentials are kept as bit planes, one bit of every neuron's counter in each, so that one event is added to
64 to 512 neurons by a few logic instructions and all thresholds are compared at once. The instruction set is chosen
when a network is made: the best that the CPU has, or the one that the environment variable BSTDG_ISA names.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg import _native
from bstdg.engine.base import Trace
from bstdg.engine.base import knows_own_kinds as refuses
from bstdg.engine.decide import Decision
from bstdg.errors import InputError
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, size
from bstdg.layers.convolution import Convolution
from bstdg.spikes.events import Events, never

NAME = "native"
NOT_ALLOWED = 255  # in a table of steps: no such byte may come
SYNAPSES_A_THREAD = 1 << 25  # of all samples together: some 30 us of work


def instruction_sets() -> list[str]:
    """What BSTDG_ISA may name on this machine, the fastest first."""
    return _native.instruction_sets()


def available_threads() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Compiled:
    """A deployed network, its bits laid out for this CPU.

    Args:
        layers: signs and integer thresholds, input side first.
        num_steps: T.
        threads: how many CPUs to use for large batches; all by default. Results do not depend on it.

    Raises:
        InputError: the layers do not fit each other, or BSTDG_ISA names what this machine has not.
    """

    def __init__(self, layers: Sequence[Layer], num_steps: int, threads: int | None = None):
        self._made_of = (tuple(layers), never(num_steps), threads)
        self.num_steps = never(num_steps)
        self.threads = threads or available_threads()
        self.classes = size(layers[-1].gives) if layers else 0
        self.hidden = [size(layer.gives) for layer in layers[:-1]]
        described = [_described(layer) for layer in layers]
        try:
            self._network = _native.Network(described, self.num_steps)
        except ValueError as error:
            raise InputError(str(error)) from None
        self._synapses = sum(int(layer.fan_out().sum()) for layer in layers)
        self._identity = np.full(256, NOT_ALLOWED, np.uint8)
        self._identity[: self.num_steps + 1] = np.arange(self.num_steps + 1)

    def __reduce__(self) -> tuple[type[Compiled], tuple[Any, ...]]:
        """A copy, or a pickle, lays the bits out anew for the machine that it comes to."""
        return Compiled, self._made_of

    def trace(self, spikes: NDArray[np.uint8] | Events) -> Trace:
        """Every hidden spike step and output potential; `spikes` as for `bstdg.engine.base.Engine.forward`."""
        batch = len(spikes)
        hidden = [np.empty((batch, width), np.uint8) for width in self.hidden]
        potentials = np.empty((batch, self.num_steps, self.classes), np.int32)
        self._run(spikes, self._identity, {"hidden_steps": hidden, "potentials": potentials}, early_exit=False)
        return Trace(tuple(hidden), potentials)

    def decide(self, spikes: NDArray[np.uint8] | Events, step_of: NDArray[np.uint8] | None = None) -> Decision:
        """The decision of each sample, computed no further than to its step.

        Args:
            spikes: `Events`, or one byte a channel, uint8 `[batch, channels]`: its step, or what `step_of` makes one.
            step_of: the step of each of the 256 bytes, T for never and `NOT_ALLOWED` where a byte may not come; or
                65,536 of them, 256 for each greatest byte that a sample may have.

        Raises:
            InputError: the input has another type, width or T, holds what is not allowed, or is not C-contiguous.
        """
        batch = len(spikes)
        label, step = np.empty(batch, np.int64), np.empty(batch, np.uint8)
        silent, tie, candidates = np.empty(batch, bool), np.empty(batch, bool), np.empty((batch, self.classes), bool)
        results = {"label": label, "step": step, "silent": silent, "tie": tie, "candidates": candidates}
        self._run(spikes, self._identity if step_of is None else step_of, results, early_exit=True)
        return Decision(label, step.astype(np.int64), silent, tie, candidates)

    def labels(self, spikes: NDArray[np.uint8] | Events, step_of: NDArray[np.uint8] | None = None) -> NDArray[np.int64]:
        """The classes alone; arguments as for `decide`."""
        label = np.empty(len(spikes), np.int64)
        self._run(spikes, self._identity if step_of is None else step_of, {"label": label}, early_exit=True)
        return label

    def _run(self, spikes: Any, step_of: NDArray[np.uint8], results: dict[str, Any], *, early_exit: bool) -> None:
        try:
            if isinstance(spikes, Events):
                if spikes.num_steps != self.num_steps:
                    raise InputError(f"the network runs {self.num_steps} steps, the events {spikes.num_steps}")
                threads = self._worth(len(spikes))
                self._network.run_events(spikes.offsets, spikes.channels, spikes.steps, results, early_exit, threads)
            else:
                _check_bytes(spikes)
                self._network.run_bytes(spikes, step_of, results, early_exit, self._worth(len(spikes)))
        except InputError:
            raise
        except ValueError as error:
            raise InputError(str(error)) from None

    def _worth(self, batch: int) -> int:
        """As many threads as have work for longer than it takes to start one."""
        return min(self.threads, 1 + batch * self._synapses // SYNAPSES_A_THREAD)


def _described(layer: Layer) -> tuple[Any, ...]:
    """A layer as the native module reads it: its kind, and what layers of that kind are made from."""
    if isinstance(layer, FullLayer):
        return layer.kind, np.ascontiguousarray(layer.signs, np.int8), _integers(layer.thresholds)
    if isinstance(layer, Conv2dLayer):
        signs = np.ascontiguousarray(layer.signs, np.int8)
        return layer.kind, signs, _integers(layer.map_thresholds), shape_of(layer.convolution)
    if isinstance(layer, Pool2dLayer):
        return layer.kind, shape_of(layer.convolution), layer.count
    raise InputError(f"engine 'native': {refuses(layer)}")


def _integers(thresholds: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.ascontiguousarray(thresholds, np.int64)


def shape_of(convolution: Convolution) -> tuple[int, ...]:
    """A convolution as the native module reads it."""
    reads, maps, kernel, stride, padding, groups = convolution
    return (*reads, maps, *kernel, *stride, *padding, groups)


def _check_bytes(spikes: Any) -> None:
    if not isinstance(spikes, np.ndarray) or spikes.dtype != np.uint8 or spikes.ndim != 2:
        what = f"{spikes.dtype} {list(spikes.shape)}" if isinstance(spikes, np.ndarray) else type(spikes).__name__
        raise InputError(f"the native engine reads bytes, uint8 [batch, channels], not {what}")
    if not spikes.flags.c_contiguous:
        raise InputError("the native engine reads C-contiguous arrays; numpy.ascontiguousarray makes a copy that is")


def forward(layers: Sequence[Layer], spikes: NDArray[np.uint8] | Events, num_steps: int) -> Trace:
    """Run a deployed network once (see `bstdg.engine.base`); to run it again and again, keep a `Compiled`."""
    if not isinstance(spikes, Events):
        spikes = np.ascontiguousarray(spikes)
    return Compiled(layers, num_steps).trace(spikes)
