"""What connects a layer to the one below, as torch products: a matrix, or a window of weights that slides over maps.

Both offer the same four products, of which every pass of the dense engine is made, forward and back.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_input, conv2d_weight

from bstdg.layers.convolution import Convolution
from bstdg.spikes.source import Source

GRID = 1024  # potentials are whole numbers of 1/1024 at the finest (see `bstdg.engine.real`)


class Synapses(Protocol):
    """The products of a layer's weights with what comes from below and from above."""

    weights: Tensor
    neurons: int

    def into(self, source: Source, step: int) -> Tensor | None:
        """What the events at `step` add to potentials, `[batch, neurons]`; None where there are none."""
        ...

    def onto(self, source: Source, step: int, error: Tensor) -> Tensor | None:
        """What the weights are told by the events at `step` and an `error` `[batch, neurons]`; None without events."""
        ...

    def told(self, onto: Tensor) -> Tensor:
        """A sum of `onto` in the shape of the weights."""
        ...

    def add_below(self, error: Tensor, below: Tensor) -> Tensor:
        """Add to `below` `[batch, channels]` what channels are told by an `error` `[batch, neurons]`."""
        ...


def synapses(weights: Tensor, convolution: Convolution | None) -> Synapses:
    """Those of `weights`, `[neurons, channels]` or the four axes of a convolution."""
    return Full(weights) if convolution is None else Sliding(weights, convolution)


class Full:
    """Every neuron with every channel: weights `[neurons, channels]`."""

    def __init__(self, weights: Tensor):
        self.weights, self.neurons = weights, len(weights)
        self._rows = weights.t().contiguous()

    def into(self, source: Source, step: int) -> Tensor | None:
        return source.into(step, self._rows)

    def onto(self, source: Source, step: int, error: Tensor) -> Tensor | None:
        return source.onto(step, error)

    def told(self, onto: Tensor) -> Tensor:
        return onto.t().contiguous()

    def add_below(self, error: Tensor, below: Tensor) -> Tensor:
        return below.addmm_(error, self.weights)


class Sliding:
    """A window of weights `[maps, channels of a group, kernel rows, kernel columns]` over maps."""

    def __init__(self, weights: Tensor, convolution: Convolution):
        self.weights, self._convolution = weights, convolution
        self.neurons = math.prod(convolution.gives)
        self._how = {"stride": convolution.stride, "padding": convolution.padding, "groups": convolution.groups}

    def into(self, source: Source, step: int) -> Tensor | None:
        counts = source.counts(step, self.weights.dtype)
        if counts is None:
            return None
        arrived = F.conv2d(self._maps(counts), self.weights, **self._how).flatten(1)
        if arrived.device.type != "cpu":  # some kernels there transform what they multiply, and round
            arrived = arrived.mul_(GRID).round_().div_(GRID)
        return arrived

    def onto(self, source: Source, step: int, error: Tensor) -> Tensor | None:
        counts = source.counts(step, error.dtype)
        if counts is None:
            return None
        shape = self._convolution.weights
        return conv2d_weight(self._maps(counts), shape, self._out(error), **self._how)

    def told(self, onto: Tensor) -> Tensor:
        return onto

    def add_below(self, error: Tensor, below: Tensor) -> Tensor:
        shape = (len(error), *self._convolution.reads)
        maps = conv2d_input(shape, self.weights, self._out(error), **self._how)
        return below.add_(maps.flatten(1))

    def _maps(self, counts: Tensor) -> Tensor:
        return counts.view(len(counts), *self._convolution.reads)

    def _out(self, error: Tensor) -> Tensor:
        return error.view(len(error), *self._convolution.gives)
