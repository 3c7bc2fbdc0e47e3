"""How large the layers of a network are, as far as costs follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from bstdg.errors import InputError
from bstdg.layers import Layer, size


class Size(NamedTuple):
    """What comes in, neurons, synapses an event passes on average, and weights that are stored, shared ones once."""

    channels: int
    neurons: int
    fan_out: float
    weights: int


def sizes_of(layers: Sequence[Layer]) -> tuple[Size, ...]:
    """Sizes of deployed layers.

    >>> import numpy as np
    >>> from bstdg.layers import FullLayer
    >>> sizes_of([FullLayer(np.ones((3, 4), np.int8), np.ones(3, np.int64))]) == fully_connected((4, 3))
    True
    """
    return tuple(
        Size(size(layer.reads), size(layer.gives), _whole(float(layer.fan_out().mean())), layer.weight_bits)
        for layer in layers
    )


def fully_connected(widths: Sequence[int]) -> tuple[Size, ...]:
    """Sizes of layers in which every event reaches every neuron; neurons of every layer, input first.

    Raises:
        InputError: there is no layer, or an empty one.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise InputError(f"a network has an input and a layer at least, of 1 or more each, not {list(widths)}")
    return tuple(Size(below, above, above, below * above) for below, above in pairwise(widths))


def _whole(number: float) -> float:
    return int(number) if number.is_integer() else number
