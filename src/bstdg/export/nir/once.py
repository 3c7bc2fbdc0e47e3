"""Weights by which any integrate-and-fire neuron fires at most once, with one threshold for a whole layer.

An added input channel fires at step 0 and sets off neuron j at C - theta_j, so that one threshold C - 1/2 serves a
whole layer; a relay neuron hands the spike on to the next. Where neurons hear at most n spikes and C = 2n + 2, no
potential is ever negative, none reaches 2C - 1, and after a spike, whether the potential falls to 0 or by the
threshold, what is still to come cannot lift it to C again.

Where windows slide, the channel is a map, all of whose pixels fire, and so is the relay. Every window reads one pixel
of it, that at the place of its padding. All layers slide then: a pooling is a convolution that looks at one map each, a
group has weights of 0 for the others, and a fully connected layer has a window as large as what it reads. So nothing is
in these graphs on which simulators do not agree, such as what Flatten does to the axis of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, Shape, size
from bstdg.layers.convolution import Convolution, by
from bstdg.model.packed import PackedModel

ZEROS = 1 << 21  # weights of 0 in all; they pack so well that what reads the file would take it for a bomb


class Shared(NamedTuple):
    """One layer.

    Attributes:
        weights: integers `[maps, channels + 1, kernel rows, kernel columns]`, the offset last; the relay's map is last.
        convolution: how they slide.
        ceiling: C.
    """

    weights: NDArray[np.int64]
    convolution: Convolution
    ceiling: int


def slides(model: PackedModel) -> bool:
    """Whether any layer has windows that slide; all of its shared layers do then."""
    return not all(isinstance(layer, FullLayer) for layer in model.layers)


def refuses(model: PackedModel) -> str | None:
    """Why there are no such weights, in words; None where there are."""
    zeros: list[int] = []
    for i, (layer, reads) in enumerate(_reading(model) if slides(model) else ()):
        window = _window(layer, reads)
        zeros.append((window.maps + 1) * (reads[0] + 1) * size(window.kernel) - layer.weight_bits)
        last = ((n - 1) * stride for n, stride in zip(window.gives[1:], window.stride, strict=True))
        if any(begin >= side for begin, side in zip(last, window.reads[1:], strict=True)):
            return (
                f"layer {i} ({layer}) pads its windows of {by(window.kernel)} by {by(window.padding)}: no pixel of a "
                "window is in the picture for every neuron, so nothing can be added to each of them once"
            )
    if sum(zeros) > ZEROS:
        i = int(np.argmax(zeros))
        return (
            f"layer {i} ({model.layers[i]}) looks at few maps at a time: as windows over all of them it would have "
            f"{zeros[i]:,} weights of 0, and at most {ZEROS:,} in all are written"
        )
    return None


def layers(model: PackedModel) -> list[Shared]:
    """All layers, input side first; of one pixel a map where the network is fully connected."""
    last = len(model.layers) - 1
    return [_shared(layer, reads, relay=i < last) for i, (layer, reads) in enumerate(_reading(model))]


def _reading(model: PackedModel) -> Iterator[tuple[Layer, Shape]]:
    """Layers, and the maps that they read."""
    reads = model.input.gives if slides(model) else (model.widths[0],)
    for layer in model.layers:
        yield layer, maps(reads)
        reads = layer.gives


def maps(shape: Shape) -> Shape:
    """A row of neurons as maps of one pixel.

    >>> maps((10,)), maps((3, 5, 5))
    ((10, 1, 1), (3, 5, 5))
    """
    return shape if len(shape) == 3 else (*shape, 1, 1)


def places(shape: Shape) -> int:
    """Neurons of a map.

    >>> places((10,)), places((3, 5, 5))
    (1, 25)
    """
    return size(maps(shape)[1:])


def heard(layer: Layer) -> int:
    """How many spikes a neuron can hear, if every channel spikes once."""
    if isinstance(layer, FullLayer):
        return layer.signs.shape[1]
    window = _window(layer, layer.reads)
    rows, columns = (min(kernel, side) for kernel, side in zip(window.kernel, window.reads[1:], strict=True))
    return window.weights[1] * rows * columns


def clamped(layer: Layer) -> NDArray[np.int64]:
    """Thresholds in -n … n + 1, which mean the same where each of n channels spikes at most once."""
    n = heard(layer)
    return np.clip(layer.thresholds, -n, n + 1)


def offsets(layer: Layer) -> NDArray[np.int64]:
    """C - theta_j: what the added channel brings each neuron to."""
    return ceiling(layer) - clamped(layer)


def ceiling(layer: Layer) -> int:
    """C."""
    return 2 * heard(layer) + 2


def _shared(layer: Layer, reads: Shape, *, relay: bool) -> Shared:
    window = _window(layer, reads)
    signs = np.broadcast_to(np.int8(1), window.weights)  # of a pooling
    if isinstance(layer, (FullLayer, Conv2dLayer)):
        signs = layer.signs.reshape(window.weights)
    weights = np.zeros((window.maps + relay, reads[0] + 1, *window.kernel), np.int64)
    own = window.weights[1]
    for k in range(window.maps):
        group = k // (window.maps // window.groups)
        weights[k, group * own : (group + 1) * own] = signs[k]
    top, left = window.padding
    weights[: window.maps, -1, top, left] = offsets(layer).reshape(window.maps, -1)[:, 0]
    if relay:
        weights[-1, -1, top, left] = ceiling(layer)
    added = Convolution((reads[0] + 1, *reads[1:]), len(weights), window.kernel, window.stride, window.padding)
    return Shared(weights, added, ceiling(layer))


def _window(layer: Layer, reads: Shape) -> Convolution:
    """What a layer is as a convolution of what it reads."""
    if isinstance(layer, FullLayer):
        return Convolution(reads, len(layer.signs), (reads[1], reads[2]))
    if isinstance(layer, (Conv2dLayer, Pool2dLayer)):
        return layer.convolution
    raise InputError(f"layers of kind {layer.kind!r} are not exported")
