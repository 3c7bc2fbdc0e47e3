"""Random networks of convolutions and poolings, small enough to count every synapse of."""

from __future__ import annotations

import numpy as np

from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, Shape, size
from bstdg.layers.convolution import Convolution


def sliding_layers(rng: np.random.Generator, shape: Shape | None = None, classes: int = 3) -> tuple[Layer, ...]:
    """One to three layers whose windows slide over small maps, a hidden layer at times, and an output layer.

    Strides leave pixels out at times, and padding makes borders differ.
    """
    shape = shape or (int(rng.choice([1, 2, 4])), *(int(n) for n in rng.integers(3, 8, 2)))
    layers: list[Layer] = []
    for _ in range(int(rng.integers(1, 4))):
        window = tuple(int(rng.integers(1, min(3, side) + 1)) for side in shape[1:])
        stride = tuple(int(n) for n in rng.integers(1, 4, 2))
        if rng.random() < 0.35:
            layers.append(Pool2dLayer(shape, window, stride, int(rng.integers(1, window[0] * window[1] + 1))))
        else:
            padding = tuple(int(rng.integers(0, side)) for side in window)
            groups = 2 if shape[0] % 2 == 0 and rng.random() < 0.4 else 1
            convolution = Convolution(shape, groups * int(rng.integers(1, 4)), window, stride, padding, groups)
            signs = rng.choice([-1, 1], convolution.weights).astype(np.int8)
            layers.append(Conv2dLayer(signs, rng.integers(-1, 4, convolution.maps), convolution))
        shape = layers[-1].gives
    if rng.random() < 0.5:
        layers.append(full(rng, shape, 5))
        shape = (5,)
    return (*layers, full(rng, shape, classes))


def full(rng: np.random.Generator, reads: Shape, neurons: int) -> FullLayer:
    """A fully connected layer of random bits."""
    signs = rng.choice([-1, 1], (neurons, size(reads))).astype(np.int8)
    return FullLayer(signs, rng.integers(0, 4, neurons), reads)


def synapses_of(layer: Layer) -> list[tuple[int, int, int]]:
    """Every synapse: neuron, channel, sign; written for this, loop by loop."""
    if isinstance(layer, FullLayer):
        return [(j, i, int(sign)) for j, row in enumerate(layer.signs) for i, sign in enumerate(row)]
    assert isinstance(layer, (Conv2dLayer, Pool2dLayer))
    found, shape = [], layer.convolution
    (_, rows, columns), (maps, high, wide) = shape.reads, shape.gives
    own = shape.weights[1]
    for k in range(maps):
        for c in range(own):
            channel = k * shape.groups // maps * own + c
            for (y, x), (v, u) in ((p, q) for p in np.ndindex(high, wide) for q in np.ndindex(rows, columns)):
                i = v - y * shape.stride[0] + shape.padding[0]
                j = u - x * shape.stride[1] + shape.padding[1]
                if 0 <= i < shape.kernel[0] and 0 <= j < shape.kernel[1]:
                    sign = 1 if isinstance(layer, Pool2dLayer) else int(layer.signs[k, c, i, j])
                    found.append(((k * high + y) * wide + x, (channel * rows + v) * columns + u, sign))
    return found
