"""Pooling by the n-th spike of a window, as a `torch.nn.Module` without parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bstdg.engine import choose, dense, native_training
from bstdg.engine.dense_synapses import synapses
from bstdg.errors import InputError
from bstdg.layers import Pool2dLayer, size
from bstdg.layers.convolution import Convolution, Pair, by
from bstdg.learning.convolution import both, integer, maps_read
from bstdg.learning.functions import PlainFunction, Unscripted, gradient, refuse_to_be_traced
from bstdg.learning.modules import check_input
from bstdg.learning.rule import Spikes
from bstdg.spikes.source import StepSource


class SpikePool2d(Unscripted, nn.Module):
    """Neurons that fire at the n-th spike of their window: weights of +1, and n as the threshold.

    What a neuron is told goes to the one whose spike made it fire; where it did not fire, to the one of those that are
    silent in its window which came nearest to its threshold, then to the lowest index.

    Args:
        reads: `(channels, rows, columns)` of what comes in.
        window: rows and columns, or one number for both.
        stride: how far it moves; the size of the window unless said otherwise.
        count: n. 1 is the earliest spike; half the size of a window is a vote.
        engine: as for `bstdg.learning.modules.BinaryLinear`.

    Raises:
        InputError: the window does not fit what it reads, or has fewer than n neurons.

    >>> pool = SpikePool2d((1, 2, 4), 2)
    >>> steps = torch.tensor([[3, 1, 8, 8, 5, 2, 8, 8]], dtype=torch.uint8)  # T = 8, so the right half is silent
    >>> pool(Spikes.of_input(steps, 8)).steps
    tensor([[1, 8]], dtype=torch.uint8)
    """

    def __init__(
        self,
        reads: Sequence[int],
        window: int | Pair,
        *,
        stride: int | Pair | None = None,
        count: int = 1,
        engine: str | None = None,
    ):
        super().__init__()
        choose.check_training(engine)
        self.engine = engine
        sides = both(window)
        self._layer = Pool2dLayer(maps_read(reads), sides, sides if stride is None else both(stride), integer(count))
        try:
            self._layer.check()
        except InputError as error:
            raise InputError(f"a pooling {error}") from None

    def forward(self, below: Spikes) -> Spikes:
        """The step of the n-th spike in each window."""
        refuse_to_be_traced()
        layer = self._layer
        check_input(below, size(layer.reads))
        num_steps = below.num_steps
        if below.steps is None or below.fired is None or below.reach is None:
            # What it reads is the input, of which a channel may have several events: counted as weights of +1 do.
            ones = torch.ones(layer.convolution.weights, dtype=torch.float32, device=below.source.device)
            threshold = torch.tensor(float(layer.count), dtype=torch.float32, device=below.source.device)
            steps, reach, margin = dense.crossed(below.source, synapses(ones, layer.convolution), threshold)
            fired = (steps != num_steps).to(margin.dtype)
            return Spikes(StepSource(steps, num_steps), steps, reach, fired, margin)
        values = below.margin
        fast = values is not None and choose.native_computes(values) and self.engine != dense.NAME
        steps, winner = (native_training.pool if fast else chosen)(
            cast(StepSource, below.source).read, values, layer.convolution, layer.count, num_steps
        )
        if fast and values is not None:
            fired = _ToWinner.run(below.fired, winner)
            reach, margin = (native_training.take(part, winner) for part in (below.reach, values))
        else:
            fired, reach = (part.gather(1, winner) for part in (below.fired, below.reach))
            margin = None if values is None else values.gather(1, winner)
        return Spikes(StepSource(steps, num_steps), steps, reach, fired, margin)

    def deployed(self) -> Pool2dLayer:
        """The layer as it is deployed."""
        return self._layer

    def calibrate(self, below: Spikes, share: float, margin: float = 0.0) -> None:
        """Nothing: n is its threshold."""

    def extra_repr(self) -> str:
        layer = self._layer
        return f"({by(layer.reads)}), {layer.window}, stride={layer.stride}, count={layer.count}"


class _ToWinner(PlainFunction):
    """`fired` of the neurons that those of a pooling stand for; what a pooling is told is told to these."""

    @staticmethod
    def forward(fired: Tensor, winner: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        return native_training.take(fired, winner)

    @staticmethod
    def setup_context(ctx, inputs, output):
        fired, winner = inputs
        ctx.save_for_backward(winner)
        ctx.channels = fired.shape[1]

    @staticmethod
    def backward(ctx, to_output: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        channels = ctx.channels
        return gradient(
            lambda told, winner: native_training.give(told, winner, channels), to_output, *ctx.saved_tensors
        ), None


def chosen(
    steps: Tensor, margin: Tensor | None, window: Convolution, count: int, num_steps: int
) -> tuple[Tensor, Tensor]:
    """For each neuron of a pooling its step, and the index of the channel that it stands for, `[batch, neurons]`.

    Args:
        steps: uint8 `[batch, channels]`, T for never.
        margin: `[batch, channels]`; where it is None, none of a silent window is nearer to its threshold than others.
        window: the pooling's.
        count: n.
        num_steps: T.
    """
    channel = _windows(window, steps.device)  # (neurons, window), by rising index
    within = steps[:, channel]  # (B, neurons, window)
    rank = within.sort(dim=2, stable=True)  # by step, then by index
    step, place = rank.values[..., count - 1], rank.indices[..., count - 1]
    near = within.new_zeros((), dtype=torch.float32) if margin is None else margin[:, channel]
    closest = torch.where(within == num_steps, near, -math.inf).argmax(2)  # argmax takes the first of equals
    place = torch.where(step == num_steps, closest, place)
    return step, channel.expand(len(steps), -1, -1).gather(2, place.unsqueeze(2)).squeeze(2)


def _windows(window: Convolution, device: torch.device) -> Tensor:
    """The channels of each neuron's window, int64 `[neurons, window]`."""
    numbers = torch.arange(math.prod(window.reads), dtype=torch.float64, device="cpu").view(
        window.reads[0], 1, *window.reads[1:]
    )
    windows = F.unfold(numbers, window.kernel, stride=window.stride)  # (channels, window, places)
    return windows.transpose(1, 2).reshape(-1, math.prod(window.kernel)).long().to(device)
