"""Layers as they are deployed: one file a kind, and the table that finds a kind by its name. NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from bstdg.errors import InputError
from bstdg.files import TensorSlot
from bstdg.layers.base import Layer, LayerKind, Shape, Tensors, size
from bstdg.layers.full import FullLayer

__all__ = ["FullLayer", "Layer", "Shape", "Tensors", "kinds", "read", "register", "size", "structure"]

T = TypeVar("T", bound=LayerKind)

_KINDS: dict[str, LayerKind] = {FullLayer.kind: FullLayer}


def kinds() -> tuple[str, ...]:
    """Every kind of layer that a model file may hold here.

    >>> kinds()[0]
    'full'
    """
    return tuple(_KINDS)


def register(kind: T) -> T:
    """Let files hold layers of a class of one's own: a decorator of a class that is a `Layer` and a `LayerKind`.

    Raises:
        InputError: another class has its kind already.
    """
    name = kind.kind  # pyright: ignore[reportAttributeAccessIssue]
    known = _KINDS.get(name)
    if known is not None and (known.__module__, known.__qualname__) != (kind.__module__, kind.__qualname__):
        raise InputError(f"layers of kind {name!r} are those of another class already; give yours another kind")
    _KINDS[name] = kind
    return kind


def read(header: Mapping[str, Any], tensors: Mapping[str, TensorSlot], reads: Shape) -> Layer:
    """The layer that a file describes.

    Args:
        header: what `Layer.header` gave, its "kind" with it.
        tensors: what `Layer.tensors` gave, by name.
        reads: what comes in.

    Raises:
        InputError: the kind is unknown, or header and tensors do not fit each other.
        KeyError, TypeError, ValueError: something is missing, or of another type.
    """
    kind = header["kind"]
    if kind not in _KINDS:
        raise InputError(f"layers of kind {kind!r} are not known here, only {', '.join(_KINDS)}")
    return _KINDS[kind].of(header, tensors, reads)


def structure(reads: Shape, layers: Sequence[Layer]) -> str:
    """How a network is written: what comes in, then its layers.

    >>> import numpy as np
    >>> structure((64,), [FullLayer(np.ones((10, 64), np.int8), np.ones(10, np.int64))])
    '64-10'
    """
    return "-".join((str(size(reads)), *map(str, layers)))
