"""Random networks whose windows slide, deployed: what every export and reader of them has to carry."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from bstdg.inputs import LatencyCode
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, Shape, size
from bstdg.layers.convolution import Convolution
from bstdg.model.packed import PackedModel
from support.strategies import LEAST, make_signs, make_thresholds, seeds, step_numbers

KINDS = ("near", "near", "wide", "zero", "negative", "unreachable", "extreme")
SIGNS = ("random", "random", "all plus", "equal rows")


def signs_of(rng: np.random.Generator, kind: str, convolution: Convolution) -> np.ndarray:
    """Signs of a convolution."""
    maps, *rest = convolution.weights
    return make_signs(rng, kind, maps, int(np.prod(rest))).reshape(convolution.weights)


@st.composite
def convolutions(draw: st.DrawFn, reads: Shape, *, wide: bool = False) -> Convolution:
    """A window that fits what comes in; `wide` lets it pad by up to its kernel less one, else by half of it."""
    kernel = tuple(draw(st.integers(1, min(4, side + 2))) for side in reads[1:])
    least = tuple(max(0, -(-(n - side) // 2)) for n, side in zip(kernel, reads[1:], strict=True))
    most = tuple(max(n - 1 if wide else (n - 1) // 2, low) for n, low in zip(kernel, least, strict=True))
    padding = tuple(draw(st.integers(low, min(n - 1, high))) for n, low, high in zip(kernel, least, most, strict=True))
    stride = tuple(draw(st.integers(1, 3)) for _ in range(2))
    groups = draw(st.sampled_from([g for g in (1, 2, 3) if reads[0] % g == 0] + [reads[0]]))
    return Convolution(reads, groups * draw(st.integers(1, 3)), kernel, stride, padding, groups)


@st.composite
def layers(draw: st.DrawFn, *, wide: bool = False) -> tuple[Layer, ...]:
    """One to three layers whose windows slide, then perhaps one or two fully connected ones."""
    rng = draw(seeds())
    shape: Shape = (draw(st.integers(1, 3)), draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    found: list[Layer] = []
    for kind in draw(st.lists(st.sampled_from(["conv", "pool"]), min_size=1, max_size=3)):
        if kind == "pool":
            window = tuple(draw(st.integers(1, min(3, side))) for side in shape[1:])
            stride = tuple(draw(st.integers(1, 3)) for _ in range(2))
            found.append(Pool2dLayer(shape, window, stride, draw(st.integers(1, size(window)))))
        else:
            convolution = draw(convolutions(shape, wide=wide))
            signs = signs_of(rng, draw(st.sampled_from(SIGNS)), convolution)
            heard = int(np.prod(convolution.weights[1:]))
            thresholds = make_thresholds(rng, draw(st.sampled_from(KINDS)), convolution.maps, heard)
            found.append(Conv2dLayer(signs, np.maximum(thresholds, LEAST + 1), convolution))
        shape = found[-1].gives
    for above in draw(st.lists(st.integers(1, 4), max_size=2)):
        signs = make_signs(rng, draw(st.sampled_from(SIGNS)), above, size(shape))
        thresholds = make_thresholds(rng, draw(st.sampled_from(KINDS)), above, size(shape))
        found.append(FullLayer(signs, np.maximum(thresholds, LEAST + 1), shape))
        shape = found[-1].gives
    return tuple(found)


@st.composite
def models(draw: st.DrawFn, *, wide: bool = False) -> PackedModel:
    """A deployed network of such layers, for images."""
    drawn = draw(layers(wide=wide))
    names = tuple(f"class {i}" for i in range(size(drawn[-1].gives)))
    return PackedModel(LatencyCode(drawn[0].reads), drawn, draw(step_numbers()), names, {"data": "é"})
