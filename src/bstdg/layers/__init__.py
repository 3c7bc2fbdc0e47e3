"""Layers as they are deployed: one file a kind, and the table that finds a kind by its name. NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bstdg.files import TensorSlot
from bstdg.kinds import Kinds
from bstdg.layers.base import Layer, LayerKind, Shape, Tensors, size
from bstdg.layers.conv2d import Conv2dLayer
from bstdg.layers.full import FullLayer
from bstdg.layers.pool2d import Pool2dLayer

__all__ = [
    "Conv2dLayer",
    "FullLayer",
    "Layer",
    "Pool2dLayer",
    "Shape",
    "Tensors",
    "kinds",
    "read",
    "register",
    "size",
    "structure",
]

_KINDS: Kinds[LayerKind] = Kinds("layers", FullLayer, Conv2dLayer, Pool2dLayer)
register = _KINDS.register  # a decorator: lets files hold layers of a class of one's own


def kinds() -> tuple[str, ...]:
    """Every kind of layer that a model file may hold here.

    >>> kinds()[0]
    'full'
    """
    return _KINDS.names()


def read(header: Mapping[str, Any], tensors: Mapping[str, TensorSlot], reads: Shape) -> Layer:
    """The layer that a file describes.

    Args:
        header: what `Layer.header` gave, its "kind" with it.
        tensors: what `Layer.tensors` gave, by name.
        reads: what comes in.

    Raises:
        FileFormatError, InputError: the kind is unknown, or header and tensors do not fit each other.
        KeyError, TypeError, ValueError: something is missing, or of another type.
    """
    return _KINDS[header["kind"]].of(header, tensors, reads)


def structure(reads: Shape, layers: Sequence[Layer]) -> str:
    """How a network is written: what comes in, then its layers.

    >>> import numpy as np
    >>> structure((64,), [FullLayer(np.ones((10, 64), np.int8), np.ones(10, np.int64))])
    '64-10'
    """
    first = size(reads) if len(reads) != 3 or isinstance(layers[0], FullLayer) else "x".join(map(str, reads))
    return "-".join((str(first), *map(str, layers)))
