"""In which order a design sends spikes: by step, and within a step as its layers go over their neurons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.export.base import Golden
from bstdg.export.verilog.plans import LayerPlan, SlidingPlan, by_position

_CELLS = 1 << 22  # numbers that are sorted at once


class Spikes(NamedTuple):
    """What a layer sends, or the input: how many at each step, `[vectors, T]`, and who, one vector after the other."""

    counts: NDArray[np.int64]
    channels: NDArray[np.int64]


def spikes(layers: tuple[LayerPlan, ...], golden: Golden, num_steps: int) -> Iterator[Spikes]:
    """What the input and each hidden layer sends, in its order and by the numbers that the design gives its neurons.

    A layer that compares at the end of a step goes over its neurons by number. A pooling sends a spike on as soon as it
    comes about: those are in the order of the spikes that bring them about, and of numbers where one brings several.
    """
    at_once = max(1, _CELLS // max(steps.shape[1] for steps in (golden.steps, *golden.hidden)))
    blocks: list[list[Spikes]] = [[] for _ in range(1 + len(golden.hidden))]
    for begin in range(0, len(golden.steps), at_once):
        block = slice(begin, begin + at_once)
        steps = golden.steps[block]
        order = np.argsort(steps, axis=1, kind="stable")
        blocks[0].append(_sent(steps, order, num_steps))
        for i, (layer, flat) in enumerate(zip(layers, golden.hidden, strict=False)):
            steps = flat[block]
            if isinstance(layer, SlidingPlan) and layer.count:
                brought = _brought_about(layer, order, by_number=i > 0)
                steps = by_position(steps, layer.convolution)
                order = np.lexsort((brought, steps))
            else:
                steps = by_position(steps, layer.convolution) if isinstance(layer, SlidingPlan) else steps
                order = np.argsort(steps, axis=1, kind="stable")
            blocks[1 + i].append(_sent(steps, order, num_steps))
    for parts in blocks:
        yield Spikes(np.concatenate([part.counts for part in parts]), np.concatenate([part.channels for part in parts]))


def _sent(steps: NDArray[np.uint8], order: NDArray[np.intp], num_steps: int) -> Spikes:
    """Channels that fire, in the order given, which is by step and with those that never fire last."""
    counts = np.stack([(steps == step).sum(axis=1) for step in range(num_steps)], axis=1)
    fire = np.arange(steps.shape[1]) < counts.sum(axis=1)[:, None]
    return Spikes(counts, order[fire])


def _brought_about(layer: SlidingPlan, order: NDArray[np.intp], by_number: bool) -> NDArray[np.int64]:
    """The place, among all that come in, of the n-th spike of each neuron's window, `[vectors, neurons]`.

    Silent channels are among them, as the last: neurons that never fire have some place.

    Args:
        layer: a pooling.
        order: channels as they come in, `[vectors, channels]`.
        by_number: channels are numbered position by position, as layers that slide do, not map by map.
    """
    maps, rows, columns = layer.convolution.reads
    place = np.argsort(order, axis=1)
    if by_number:
        place = place.reshape(-1, rows * columns, maps).transpose(0, 2, 1)
    windows = np.lib.stride_tricks.sliding_window_view(
        place.reshape(-1, maps, rows, columns), layer.convolution.kernel, axis=(2, 3)
    )[:, :, :: layer.convolution.stride[0], :: layer.convolution.stride[1]]
    flat = windows.reshape(*windows.shape[:4], -1)
    nth = np.sort(flat, axis=-1)[..., layer.count - 1]
    return by_position(nth.reshape(len(nth), -1), layer.convolution)
