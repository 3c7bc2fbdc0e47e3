"""How samples become steps: one file a kind of input code, and the table that finds a kind by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bstdg.files import TensorSlot
from bstdg.inputs.base import InputCode, InputKind, Shape
from bstdg.inputs.coding import InputCoding
from bstdg.inputs.edges import EdgeCode
from bstdg.inputs.features import FeatureCode
from bstdg.inputs.latency import LatencyCode
from bstdg.inputs.recordings import RecordingCode
from bstdg.inputs.signal import SignalCode
from bstdg.kinds import Kinds

__all__ = [
    "EdgeCode",
    "FeatureCode",
    "InputCode",
    "InputCoding",
    "LatencyCode",
    "RecordingCode",
    "Shape",
    "SignalCode",
    "kinds",
    "read",
    "register",
]

_KINDS: Kinds[InputKind] = Kinds("input codes", LatencyCode, EdgeCode, FeatureCode, RecordingCode, SignalCode)
register = _KINDS.register  # a decorator: lets files hold input codes of a class of one's own


def kinds() -> tuple[str, ...]:
    """Every kind of input code that a model file may hold here.

    >>> kinds()[:5]
    ('latency', 'edges', 'features', 'recordings', 'signal')
    """
    return _KINDS.names()


def read(header: Mapping[str, Any], tensors: Mapping[str, TensorSlot]) -> InputCode:
    """The input code that a file describes.

    Args:
        header: what `InputCode.header` gave, with its "kind".
        tensors: what `InputCode.tensors` gave, by name.

    Raises:
        FileFormatError, InputError: the kind is unknown, or header and tensors do not fit each other.
        KeyError, TypeError, ValueError: something is missing, or of another type.
    """
    return _KINDS[header["kind"]].of(header, tensors)
