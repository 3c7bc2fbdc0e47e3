"""Layers of one-bit weights and integer thresholds of what a NIR graph has, exactly, or why there are none."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.export.nir.nodes import said
from bstdg.export.nir.stages import Stage
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, size
from bstdg.spikes.events import MAX_CHANNELS

_CLOSE = Fraction(1, 8)  # to a whole number, whatever may have been rounded
_ROUNDING = Fraction(1, 1 << 20)  # of a threshold: what float32 numbers, a few times multiplied, may be off


class Rows(NamedTuple):
    """What neurons share, or have of their own: a row a map where windows slide, and a row a neuron elsewhere."""

    i: int  # which layer
    stage: Stage
    each: str  # "neuron" or "map"
    weights: NDArray[np.float64]  # [rows, weights]
    gain: NDArray[np.float64]  # [rows]
    threshold: NDArray[np.float64]
    reset: NDArray[np.float64]

    @property
    def called(self) -> str:
        """The layer, for people."""
        return f"layer {self.i} (node {said(self.stage.name)})"


def rows_of(stage: Stage, i: int) -> Rows:
    """The rows of a layer.

    Raises:
        InputError: neurons of a map differ.
    """
    if stage.convolution is None:
        return Rows(i, stage, "neuron", stage.weights, stage.gain, stage.threshold, stage.reset)
    own = []
    for field in ("gain", "threshold", "reset"):
        values = getattr(stage, field).reshape(stage.convolution.maps, -1)
        odd = np.flatnonzero((values != values[:, :1]).any(axis=1))
        if odd.size and field != "reset":
            least, most = values[odd[0]].min(), values[odd[0]].max()
            what = "thresholds" if field == "threshold" else "resistances"
            raise InputError(
                f"layer {i} (node {said(stage.name)}) has neurons of one map with {what} of their own (map {odd[0]}: "
                f"{least:g} … {most:g}); a map "
                "has one for all of its neurons here"
            )
        own.append(values.max(axis=1))
    return Rows(i, stage, "map", stage.weights.reshape(stage.convolution.maps, -1), *own)


def layer(rows: Rows, at_threshold: bool) -> Layer:
    """Signs and integer thresholds of a layer, in exact arithmetic; NIR fires where v > v_threshold."""
    weights, scale, called = rows.weights, np.abs(rows.weights[:, :1]), rows.called
    if not 1 <= min(weights.shape) <= max(weights.shape) <= MAX_CHANNELS:
        raise InputError(
            f"{called} has {weights.shape[0]} {rows.each}s of {weights.shape[1]} weights; 1 … {MAX_CHANNELS} fit"
        )
    if np.any(rows.stage.bias):
        raise InputError(f"{called} has a bias; neurons here add nothing but their spikes")
    odd = np.flatnonzero((np.abs(weights) != scale).any(axis=1) | (scale[:, 0] == 0) | ~np.isfinite(scale[:, 0]))
    if odd.size:
        row = weights[odd[0]]
        values = ", ".join(f"{w:g}" for w in np.unique(row)[:4])
        more = ", …" if len(np.unique(row)) > 4 else ""
        raise InputError(
            f"{called} is not binary: {rows.each} {odd[0]} has weights {values}{more}; a row must be -c or +c "
            "throughout"
        )
    if not np.isfinite(rows.threshold).all():
        raise InputError(f"{called} has a threshold that is no finite number")
    exact = in_weights(rows)
    whole = whole_ones(exact)
    least = [
        whole[k] if at_threshold and k in whole else math.ceil(v) if at_threshold else math.floor(v) + 1
        for k, v in enumerate(exact)
    ]
    far = next((k for k, theta in enumerate(least) if not -(2**31) < theta < 2**31), None)
    if far is not None:
        raise InputError(f"{called}, {rows.each} {far}: its threshold is {float(least[far]):g} weights, beyond 32 bits")
    return _made(rows.stage, np.where(weights > 0, 1, -1).astype(np.int8), np.array(least, np.int64))


def _made(stage: Stage, signs: NDArray[np.int8], thresholds: NDArray[np.int64]) -> Layer:
    """A layer of its kind; a pooling that pads, or waits for no spike of its window, is a convolution of +1."""
    window = stage.convolution
    if window is None:
        return FullLayer(signs, thresholds)
    n = int(thresholds[0])
    if stage.pools and (thresholds == n).all() and 1 <= n <= size(window.kernel) and not any(window.padding):
        return Pool2dLayer(window.reads, window.kernel, window.stride, n)
    return Conv2dLayer(signs.reshape(window.weights), thresholds, window)


def in_weights(rows: Rows) -> list[Fraction]:
    """Each threshold in weights of its own, exactly."""
    scale = np.abs(rows.weights[:, 0])
    units = [Fraction(float(c)) * Fraction(float(gain)) for c, gain in zip(scale, rows.gain, strict=True)]
    return [Fraction(float(v)) / unit for v, unit in zip(rows.threshold, units, strict=True)]


def whole_ones(thresholds: list[Fraction]) -> dict[int, int]:
    """Neurons whose thresholds are whole numbers of weights, but for what float32 may have rounded away."""
    return {k: round(v) for k, v in enumerate(thresholds) if abs(v - round(v)) <= min(abs(v) * _ROUNDING, _CLOSE)}
