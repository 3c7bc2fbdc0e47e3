"""Convolution and pooling in NumPy, written to be read: one event after the other, with the synapses that it passes.

The faster engines are held to these functions. A convolution is also an ordinary layer whose matrix has many zeros and
many equal weights; `unroll` writes that matrix down, and `fold` sums what its entries are told over those that share a
weight, so the rule for convolutions is the rule for matrices.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bstdg.layers.convolution import Convolution
from bstdg.spikes.events import Events


def synapses(convolution: Convolution) -> Iterator[tuple[int, int, tuple[int, int, int, int]]]:
    """Every synapse: the neuron, the channel, both as flat numbers, and which weight it has."""
    _, rows, columns = convolution.reads
    maps, high, wide = convolution.gives
    _, own, kernel_rows, kernel_columns = convolution.weights
    for k in range(maps):
        group = k // (maps // convolution.groups)
        for y in range(high):
            for x in range(wide):
                for c in range(own):
                    for i in range(kernel_rows):
                        for j in range(kernel_columns):
                            v = y * convolution.stride[0] - convolution.padding[0] + i
                            u = x * convolution.stride[1] - convolution.padding[1] + j
                            if 0 <= v < rows and 0 <= u < columns:  # else it is padding, which is silent
                                channel = group * own + c
                                yield (k * high + y) * wide + x, (channel * rows + v) * columns + u, (k, c, i, j)


def potentials(
    spikes: NDArray[np.uint8] | Events, weights: NDArray[np.int8], convolution: Convolution, num_steps: int
) -> NDArray[np.int64]:
    """V_j(t) = sum of b_ij over all events with s_i <= t, `[batch, T, neurons]`.

    Args:
        spikes: steps uint8 `[batch, channels]` or events.
        weights: integers `[maps, channels of a group, kernel rows, kernel columns]`.
        convolution: what is connected to what.
        num_steps: T.
    """
    events = spikes if isinstance(spikes, Events) else Events.from_steps(spikes, num_steps)
    by_channel: dict[int, list[tuple[int, int]]] = {}  # neurons, each once, and weights
    for neuron, channel, place in synapses(convolution):
        by_channel.setdefault(channel, []).append((neuron, int(weights[place])))
    reached = {channel: np.array(those).T for channel, those in by_channel.items()}
    charge = np.zeros((len(events), num_steps, int(np.prod(convolution.gives))), np.int64)  # that comes at each step
    for sample, channel, step in zip(events.samples(), events.channels.tolist(), events.steps.tolist(), strict=True):
        if channel in reached:
            neurons, weight = reached[channel]
            charge[sample, step, neurons] += weight
    return np.cumsum(charge, axis=1)


def unroll(weights: NDArray, convolution: Convolution) -> NDArray:
    """The matrix of a convolution, `[neurons, channels]`, with NaN where there is no synapse."""
    matrix = np.full((int(np.prod(convolution.gives)), int(np.prod(convolution.reads))), np.nan)
    for neuron, channel, place in synapses(convolution):
        matrix[neuron, channel] = weights[place]
    return matrix


def fold(gradient: NDArray, convolution: Convolution) -> NDArray[np.float64]:
    """What the weights are told, from what the entries of the matrix are told."""
    told = np.zeros(convolution.weights)
    for neuron, channel, place in synapses(convolution):
        told[place] += gradient[neuron, channel]
    return told


def pooled(
    steps: NDArray[np.uint8],
    margin: NDArray[np.float64],
    convolution: Convolution,
    count: int,
    num_steps: int,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pooling in training: the step of each neuron, T for never, and which neuron of its window it stands for.

    That is the one whose spike made it fire, the n-th by step and then by index. Where fewer fired, it is the one among
    those that did not fire which came nearest to its threshold, then the lowest index.

    Args:
        steps, margin: of the layer below, `[batch, channels]`.
        convolution: the window.
        count: n.
        num_steps: T.
    """
    windows: dict[int, list[int]] = {}
    for neuron, channel, _ in synapses(convolution):
        windows.setdefault(neuron, []).append(channel)
    out = np.full((len(steps), len(windows)), num_steps, np.uint8)
    winner = np.zeros(out.shape, np.int64)
    for sample in range(len(steps)):
        for neuron, channels in windows.items():
            fired = sorted((int(steps[sample, c]), c) for c in channels if steps[sample, c] < num_steps)
            if len(fired) >= count:
                out[sample, neuron], winner[sample, neuron] = fired[count - 1]
            else:
                silent = [c for c in channels if steps[sample, c] == num_steps]
                winner[sample, neuron] = min(silent, key=lambda c: (-margin[sample, c], c))
    return out, winner
