"""Random networks whose windows slide, for whatever has to compute them as the oracle does."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from bstdg.inputs import LatencyCode
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, Shape, size
from bstdg.layers.convolution import Convolution
from bstdg.model.packed import PackedModel
from support.strategies import LEAST, SIGN_KINDS, THRESHOLD_KINDS, make_signs, make_thresholds, seeds, step_numbers

ONE_ROW = (1, 1, 40)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """What comes in: small pictures of a few channels, and signals."""
    if draw(st.booleans()):
        return (draw(st.integers(1, 4)), draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    return draw(st.sampled_from([(1, 6, 6), (3, 6, 5), (1, 1, 12), (2, 1, 9)]))


@st.composite
def windows(draw: st.DrawFn, reads: Shape, *, wide: bool = True) -> Convolution:
    """A window of any shape that fits, and stride; groups where the channels can be split. `wide` lets it pad by up to
    its kernel less one, else by half of it."""
    kernel = tuple(draw(st.integers(1, min(4, side + 2))) for side in reads[1:])
    least = [max(0, -(-(k - side) // 2)) for k, side in zip(kernel, reads[1:], strict=True)]
    most = [max(low, k - 1 if wide else (k - 1) // 2) for low, k in zip(least, kernel, strict=True)]
    padding = tuple(draw(st.integers(low, high)) for low, high in zip(least, most, strict=True))
    stride = tuple(draw(st.integers(1, 3)) for _ in range(2))
    groups = draw(st.sampled_from([g for g in (1, 2, 3, 4) if reads[0] % g == 0]))
    return Convolution(reads, groups * draw(st.sampled_from([1, 2, 5, 9])), kernel, stride, padding, groups)


def sizes_of(convolution: Convolution) -> int:
    """Weights of a map."""
    return math.prod(convolution.weights[1:])


@st.composite
def convolutions(draw: st.DrawFn, reads: Shape, *, wide: bool = True) -> Conv2dLayer:
    """A convolution of random bits."""
    rng, window = draw(seeds()), draw(windows(reads, wide=wide))
    bits = make_signs(rng, draw(st.sampled_from(SIGN_KINDS)), window.maps, sizes_of(window)).reshape(window.weights)
    thresholds = make_thresholds(rng, draw(st.sampled_from(THRESHOLD_KINDS)), window.maps, sizes_of(window))
    return Conv2dLayer(bits, kept(thresholds), window)


@st.composite
def poolings(draw: st.DrawFn, reads: Shape) -> Pool2dLayer:
    """A pooling by any spike of its window."""
    window = tuple(draw(st.integers(1, min(3, side))) for side in reads[1:])
    stride = tuple(draw(st.integers(1, 3)) for _ in range(2))
    return Pool2dLayer(reads, window, stride, draw(st.integers(1, math.prod(window))))


@st.composite
def networks(draw: st.DrawFn, *, wide: bool = True) -> tuple[Layer, ...]:
    """Convolutions and poolings in any order, then fully connected layers, or none."""
    layers: list[Layer] = []
    reads: Shape = draw(shapes())
    for _ in range(draw(st.integers(1, 3))):
        pools = draw(st.sampled_from([False, False, True]))
        layer = draw(poolings(reads) if pools else convolutions(reads, wide=wide))
        layers.append(layer)
        reads = layer.gives
    for neurons in draw(st.lists(st.integers(1, 12), max_size=2)):
        rng = draw(seeds())
        signs = make_signs(rng, draw(st.sampled_from(SIGN_KINDS)), neurons, size(reads))
        thresholds = make_thresholds(rng, draw(st.sampled_from(THRESHOLD_KINDS)), neurons, size(reads))
        layers.append(FullLayer(signs, kept(thresholds), reads))
        reads = layers[-1].gives
    return tuple(layers)


@st.composite
def models(draw: st.DrawFn, *, wide: bool = False) -> PackedModel:
    """A deployed network of such layers, for images."""
    layers = draw(networks(wide=wide))
    names = tuple(f"class {i}" for i in range(size(layers[-1].gives)))
    return PackedModel(LatencyCode(layers[0].reads), layers, draw(step_numbers()), names, {"data": "é"})


def kept(thresholds: NDArray[np.int64]) -> NDArray[np.int64]:
    """As a file holds them: the very least of 32 bits is not."""
    return np.maximum(thresholds, LEAST + 1)


def sliding(reads: Shape, written: list[str], classes: int = 4, seed: int = 0, threshold: int = 3) -> tuple[Layer, ...]:
    """Layers as a recipe writes them, of random bits and thresholds of at most `threshold`; and an output."""
    from bstdg.layers.written import Conv, Pool, layer

    rng, layers = np.random.default_rng(seed), []
    for text in [*written, classes]:
        told = layer(text)
        if isinstance(told, Conv):
            window = told.over(reads)
            bits = make_signs(rng, "random", window.maps, sizes_of(window)).reshape(window.weights)
            layers.append(Conv2dLayer(bits, rng.integers(1, threshold + 1, window.maps), window))
        elif isinstance(told, Pool):
            layers.append(told.over(reads))
        else:
            signs = make_signs(rng, "random", told.neurons, size(reads))
            layers.append(FullLayer(signs, rng.integers(1, threshold + 1, told.neurons), reads))
        reads = layers[-1].gives
    return tuple(layers)
