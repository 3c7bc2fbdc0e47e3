"""What a page is told of a network: its layers as its scripts read them, and the shape of what comes in."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.export.base import pixel_code
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, Shape
from bstdg.model.packed import PackedModel


def shape_of(model: PackedModel) -> Shape:
    """The shape in which what comes in is shown: (channels, rows, columns) where it is a picture, else (channels,)."""
    first = model.layers[0]
    return pixel_code(model).reads if isinstance(first, FullLayer) else first.reads


def told(layer: Layer) -> dict[str, Any]:
    """A layer for the scripts; `templates/layers.js` reads it.

    Raises:
        InputError: pages do not know its kind.
    """
    if isinstance(layer, FullLayer):
        return {
            **_named(layer),
            "channels": layer.signs.shape[1],
            "neurons": len(layer.signs),
            "signs": encoded(_bits(layer.signs.T)),
            "thresholds": encoded(layer.thresholds.astype("<i4")),
        }
    if isinstance(layer, Conv2dLayer):
        window = layer.convolution
        return {
            **_sliding(layer, window.kernel, window.stride),
            "padding": list(window.padding),
            "groups": window.groups,
            "signs": encoded(_bits(layer.signs.reshape(window.maps, -1))),
            "thresholds": encoded(layer.map_thresholds.astype("<i4")),
        }
    if isinstance(layer, Pool2dLayer):
        return {**_sliding(layer, layer.window, layer.stride), "count": layer.count}
    raise InputError(f"a web page does not know layers of kind {layer.kind!r}")


def weight_bytes(layers: Sequence[Layer]) -> int:
    """Bytes of all packed weights, as a page holds them."""
    signs = [layer.signs.T for layer in layers if isinstance(layer, FullLayer)]
    signs += [layer.signs.reshape(len(layer.signs), -1) for layer in layers if isinstance(layer, Conv2dLayer)]
    return sum(rows * ((bits + 7) // 8) for rows, bits in (array.shape for array in signs))


def encoded(array: NDArray) -> str:
    """An array's bytes as JSON can hold them."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def _named(layer: Layer) -> dict[str, Any]:
    return {"kind": layer.kind, "written": str(layer)}


def _sliding(layer: Layer, kernel: tuple[int, int], stride: tuple[int, int]) -> dict[str, Any]:
    shapes = {"reads": list(layer.reads), "gives": list(layer.gives)}
    return {**_named(layer), **shapes, "kernel": list(kernel), "stride": list(stride)}


def _bits(signs: NDArray) -> NDArray[np.uint8]:
    return np.packbits(signs > 0, axis=1, bitorder="little")
