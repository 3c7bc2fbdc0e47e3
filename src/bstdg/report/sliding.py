"""Pictures of maps: the windows that convolutions have learnt, and where their neurons fire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bstdg.drawing.style import show_picture
from bstdg.errors import InputError
from bstdg.layers import Conv2dLayer
from bstdg.model.summary import layer_name
from bstdg.report.looks import WIDTH, panels, styled
from bstdg.report.measure import Measured
from bstdg.report.neurons import has_fields

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE = 96  # pixels of a mosaic of windows, about
WINDOWS, READ = 48, 24  # maps whose windows are shown, and channels of each, at most
ROWS_OF_WINDOWS = 12
MAPS, ACROSS = 16, 8  # maps of a layer that are shown, and in a row
FAINT = 0.12  # how much ink shows where a window ends, though its weight is -1
FLATTEST = 8  # as many times as wide a picture is at most as it is high: signals would be lines


@styled
def kernels(measured: Measured) -> Figure:
    """Windows of the convolutions that `fields` does not show: ink where a weight is +1, faint where it is -1.

    A tile is a map, the busiest first; in it a window for each channel that it reads.

    Raises:
        InputError: there is no such layer.
    """
    shown = with_kernels(measured)
    if not shown:
        raise InputError("the network has no convolution beside the one whose windows `fields` shows")
    mosaics = [_windows(convolution(measured, i), busiest(measured, i)) for i in shown]
    return _mosaics(measured, shown, mosaics)


@styled
def maps(measured: Measured) -> Figure:
    """For what share of the samples the neurons of each map fire, the busiest maps first: the more, the more ink.

    A panel a layer, where full ink is the greatest share there.

    Raises:
        InputError: there are no maps.
    """
    shown = with_maps(measured)
    if not shown:
        raise InputError("the network has no layer of maps: convolutions and poolings have some")
    mosaics = []
    for i in shown:
        share = shares(measured, i)[busiest(measured, i)[:MAPS]]
        dark = FAINT / 2 + (1 - FAINT / 2) * share / max(share.max(), 1e-9)
        mosaics.append(_tiles([tall(one) for one in dark], ACROSS, 2 * WIDE))
    return _mosaics(measured, shown, mosaics)


def with_kernels(measured: Measured) -> list[int]:
    """Convolutions whose windows `kernels` shows: all but the first layer's, where `fields` shows those."""
    first = int(has_fields(measured))
    hidden = measured.model.layers[: len(measured.fired)]
    return [i for i, layer in enumerate(hidden) if i >= first and isinstance(layer, Conv2dLayer)]


def with_maps(measured: Measured) -> list[int]:
    """Hidden layers that have maps."""
    return [i for i in range(len(measured.fired)) if len(measured.model.layers[i].gives) == 3]


def shares(measured: Measured, layer: int) -> NDArray[np.float64]:
    """For what share of the samples each neuron of a layer of maps fires, `[maps, rows, columns]`."""
    fired = measured.fired[layer].sum(axis=1) / measured.samples
    return fired.reshape(measured.model.layers[layer].gives)


def busiest(measured: Measured, layer: int) -> NDArray[np.intp]:
    """Maps of a layer, those that spike most first."""
    return np.argsort(-shares(measured, layer).sum(axis=(1, 2)), kind="stable")


def tall(picture: NDArray) -> NDArray:
    """A picture `[rows, columns]` whose rows are repeated until it can be seen: of a signal it is a strip."""
    rows, columns = picture.shape
    return np.repeat(picture, max(1, -(-columns // (rows * FLATTEST))), axis=0)


def convolution(measured: Measured, layer: int) -> Conv2dLayer:
    """One of the layers that `with_kernels` named."""
    found = measured.model.layers[layer]
    assert isinstance(found, Conv2dLayer)  # noqa: S101  (as `with_kernels` chose it)
    return found


def _windows(layer: Conv2dLayer, order: NDArray[np.intp]) -> NDArray[np.float64]:
    """The mosaic of a convolution's windows."""
    dark = np.where(layer.signs[order[: in_kernels(layer)], :READ] > 0, 1.0, FAINT)
    return _tiles([_tiles(list(windows), READ, WIDE, gap=1) for windows in dark], WINDOWS, WIDE)


def in_kernels(layer: Conv2dLayer) -> int:
    """Of how many maps of a convolution the windows are shown."""
    tile = _tiles([np.zeros(layer.signs.shape[2:])] * min(READ, layer.signs.shape[1]), READ, WIDE, gap=1)
    across = max(1, (WIDE + 2) // (tile.shape[1] + 2))
    return min(len(layer.signs), WINDOWS, ROWS_OF_WINDOWS * across)


def _tiles(pictures: list[NDArray], across: int, wide: int, gap: int = 2) -> NDArray[np.float64]:
    """Pictures of one size side by side, so many in a row or as many as are `wide` pixels, then row by row."""
    high, long = pictures[0].shape
    across = max(1, min(across, (wide + gap) // (long + gap), len(pictures)))
    rows = -(-len(pictures) // across)
    mosaic = np.zeros((rows * (high + gap) - gap, across * (long + gap) - gap))
    for i, picture in enumerate(pictures):
        top, left = i // across * (high + gap), i % across * (long + gap)
        mosaic[top : top + high, left : left + long] = picture
    return mosaic


def _mosaics(measured: Measured, layers: list[int], mosaics: list[NDArray]) -> Figure:
    """A panel a layer, each as high as its mosaic is at the figure's width."""
    heights = [max(0.4, min(0.94 * WIDTH * len(one) / one.shape[1], 0.9 * WIDTH)) for one in mosaics]
    figure, axes = panels(
        len(layers), sum(heights) + 0.36 * len(layers), height_ratios=[height + 0.36 for height in heights]
    )
    for axis, i, mosaic in zip(axes, layers, mosaics, strict=True):
        show_picture(axis, mosaic, f"{layer_name(i, len(measured.model.layers))}: {measured.model.layers[i]}")
        axis.spines[:].set_visible(False)
        axis.set_anchor("W")
    return figure
