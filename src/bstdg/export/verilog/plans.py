"""What each layer of a design becomes: its sizes, thresholds and widths, and what its memories hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bstdg.layers import Conv2dLayer, FullLayer, Pool2dLayer
from bstdg.layers.convolution import Convolution


def signed_bits(low: int, high: int) -> int:
    """Bits of a two's complement number that holds low … high.

    >>> signed_bits(-8, 7), signed_bits(-8, 8), signed_bits(0, 0)
    (4, 5, 1)
    """
    return 1 + max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0)


def index_bits(count: int) -> int:
    """Bits that number `count` things, at least one.

    >>> index_bits(1), index_bits(8), index_bits(9)
    (1, 3, 4)
    """
    return max(1, (count - 1).bit_length())


@dataclass(frozen=True)
class LayerPlan:
    """What one layer becomes.

    Attributes:
        kind: of which kind it is.
        channels, neurons: its size.
        synapses: how many a neuron has at most.
        low, high: what -threshold may be, clamped in hidden layers to where a neuron always or never fires.
        negated: -threshold of every neuron, or of every map, integers `[neurons]`; none of a pooling.
        weights: a row of bits a channel, or a channel and place of the window, bool `[rows, neurons or maps]`.
    """

    kind: str
    channels: int
    neurons: int
    synapses: int
    low: int
    high: int
    negated: tuple[int, ...]
    weights: NDArray[np.bool_]

    @property
    def threshold_bits(self) -> int:
        """Bits of -threshold, signed; a sign and at least one more."""
        return max(2, signed_bits(self.low, self.high))

    @property
    def widest(self) -> int:
        """Neurons that can be served in one cycle."""
        return self.neurons

    def lead_range(self, events: int) -> tuple[int, int]:
        """What V - threshold may be after at most `events` events of weight +1 or -1 each."""
        return self.low - events, self.high + events

    def lead_bits(self) -> int:
        """Bits of an accumulator, where no channel fires more than once."""
        return signed_bits(*self.lead_range(self.synapses))

    def state_bits(self, parallel: int) -> int:
        """Bits of potentials and fired flags, the lanes that fill up last groups included."""
        lanes = min(parallel, self.neurons)
        return math.ceil(self.neurons / lanes) * lanes * (self.lead_bits() + 1)

    def cycles_an_event(self, parallel: int) -> int:
        """Cycles that an event costs it at most."""
        return math.ceil(self.neurons / min(parallel, self.neurons))

    def tables(self) -> Iterator[tuple[str, bytes]]:
        """Further memories: what they are called, and their content."""
        yield from ()


@dataclass(frozen=True)
class SlidingPlan(LayerPlan):
    """What a layer of sliding windows becomes; its neurons are numbered position by position, maps in turn.

    Attributes:
        convolution: what is connected to what.
        count: the spike of its window at which a pooling fires; 0 where it is none.
    """

    convolution: Convolution
    count: int

    @property
    def own(self) -> int:
        """Maps of a group."""
        return self.convolution.maps // self.convolution.groups

    @property
    def widest(self) -> int:
        """Maps that can be served in one cycle; a pooling serves one event, whatever it is told."""
        return 1 if self.count else self.own

    def lead_bits(self) -> int:
        """Bits of an accumulator, or of a counter."""
        return self.count.bit_length() if self.count else super().lead_bits()

    def state_bits(self, parallel: int) -> int:
        """As for any layer. A pooling counts up to n and no further, and needs no flag."""
        if self.count:
            return self.neurons * self.lead_bits()
        lanes = min(parallel, self.own)
        words = math.ceil(self.own / lanes) * self.convolution.groups
        return words * self.convolution.places * lanes * (self.lead_bits() + 1)

    def cycles_an_event(self, parallel: int) -> int:
        """A cycle for every position, and for every so many maps at it."""
        reached = int(self.convolution.covers().max())
        return reached if self.count else reached * math.ceil(self.own / min(parallel, self.own))

    def sizes(self) -> dict[str, int]:
        """The parameters of its module, by name."""
        channels, rows, columns = self.convolution.reads
        maps, high, wide = self.convolution.gives
        taps = math.prod(self.convolution.kernel)
        both = {
            "ROWS": rows,
            "ROW_BITS": index_bits(rows),
            "COLUMNS": columns,
            "COLUMN_BITS": index_bits(columns),
            "MAPS": maps,
            "MAP_BITS": index_bits(maps),
            "HIGH": high,
            "HIGH_BITS": index_bits(high),
            "WIDE": wide,
            "WIDE_BITS": index_bits(wide),
            "PLACE_BITS": index_bits(high * wide),
            "NEURON_BITS": index_bits(self.neurons),
        }
        if self.count:
            return {**both, "COUNT": self.count, "COUNT_BITS": self.lead_bits()}
        groups, stride = self.convolution.groups, self.convolution.stride
        return {
            "CHANNELS": channels,
            "CHANNEL_BITS": index_bits(channels),
            **both,
            "GROUPS": groups,
            "BASE_BITS": index_bits(groups * high * wide),
            "TAPS": taps,
            "TAP_BITS": index_bits(taps),
            "NEXT_ROW": stride[0] * self.convolution.kernel[1],
            "NEXT_COLUMN": stride[1],
            "WEIGHT_BITS": index_bits(channels * taps),
        }

    def tables(self) -> Iterator[tuple[str, bytes]]:
        """What the address generator looks up for a channel, a row and a column."""
        size = self.sizes()
        channels, groups = self.convolution.reads[0], self.convolution.groups
        tap_bits, widths = size.get("TAP_BITS", 1), self.convolution.kernel[1]
        if not self.count:
            fields = [
                ((c // (channels // groups)) * self.convolution.places, c * size["TAPS"]) for c in range(channels)
            ]
            yield "channel", hex_lines(fields, (size["BASE_BITS"], size["WEIGHT_BITS"]))
        lines = []
        for inside, tap, last, first in self._windows(0):
            lines.append((inside, 0 if self.count else tap * widths, first * size["WIDE"], last, first))
        yield "row", hex_lines(lines, (1, tap_bits, size["PLACE_BITS"], size["HIGH_BITS"], size["HIGH_BITS"]))
        lines = [(inside, 0 if self.count else tap, last, first) for inside, tap, last, first in self._windows(1)]
        yield "column", hex_lines(lines, (1, tap_bits, size["WIDE_BITS"], size["WIDE_BITS"]))

    def _windows(self, axis: int) -> Iterator[tuple[int, int, int, int]]:
        """For each pixel along one side: whether a window has it, its place in the first, last window, first."""
        side, places = self.convolution.reads[1 + axis], self.convolution.gives[1 + axis]
        kernel, stride = self.convolution.kernel[axis], self.convolution.stride[axis]
        for pixel in range(side):
            at = pixel + self.convolution.padding[axis]
            first, last = max(0, -((kernel - 1 - at) // stride)), min(places - 1, at // stride)
            yield (1, at - first * stride, last, first) if first <= last else (0, 0, 0, 0)


def sliding(layer: Conv2dLayer | Pool2dLayer, most: int | None) -> SlidingPlan:
    """The plan of a layer; thresholds are clamped where only -most … most are potentials."""
    convolution, neurons = layer.convolution, math.prod(layer.gives)
    channels, synapses = math.prod(layer.reads), math.prod(convolution.weights[1:])
    if isinstance(layer, Pool2dLayer):
        none = np.empty((0, 0), bool)
        return SlidingPlan(layer.kind, channels, neurons, synapses, 0, 0, (), none, convolution, layer.count)
    own = convolution.maps // convolution.groups
    # [groups, own maps, own channels, taps] to a row of a group's maps for each channel and tap
    signs = layer.signs.reshape(convolution.groups, own, convolution.weights[1], -1) > 0
    rows = signs.transpose(0, 2, 3, 1).reshape(-1, own)
    negated = _negated(layer.map_thresholds, synapses if most is None else most)
    return SlidingPlan(
        layer.kind, channels, neurons, synapses, min(0, *negated), max(0, *negated), negated, rows, convolution, 0
    )


def full(layer: FullLayer, most: int | None, below: LayerPlan | None) -> LayerPlan:
    """The plan of a layer, its channels in the order in which those of the layer `below` are numbered."""
    neurons, channels = layer.signs.shape
    rows = layer.signs.T > 0
    if isinstance(below, SlidingPlan):
        rows = by_position(rows.T, below.convolution).T
    negated = _negated(layer.thresholds, most)
    return LayerPlan(layer.kind, channels, neurons, channels, min(0, *negated), max(0, *negated), negated, rows)


def by_position(flat: NDArray, convolution: Convolution) -> NDArray:
    """`[n, neurons]` in the order map, row, column to the order row, column, map."""
    return flat.reshape(len(flat), convolution.maps, -1).transpose(0, 2, 1).reshape(len(flat), -1)


def _negated(thresholds: NDArray[np.int64], most: int | None) -> tuple[int, ...]:
    """-threshold. A potential stays within its number of events, `most`: beyond that, thresholds are alike."""
    values = [int(theta) for theta in thresholds]
    return tuple(-theta if most is None else -min(max(theta, -most), most + 1) for theta in values)


def hex_lines(lines: list[tuple[int, ...]], widths: tuple[int, ...]) -> bytes:
    """A line for each row of fields, of so many bits each, the first in the highest."""
    digits = (sum(widths) + 3) // 4
    text = []
    for fields in lines:
        word = 0
        for field, width in zip(fields, widths, strict=True):
            word = word << width | field
        text.append(f"{word:0{digits}x}\n")
    return "".join(text).encode()
