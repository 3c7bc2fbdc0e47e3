"""A network at a glance, on a terminal and in a notebook: layers, bits, thresholds, operations, bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from bstdg.layers import Layer, size

HEAD = ("layer", "channels", "neurons", "weight bits", "thresholds", "dense operations", "additions at most", "bytes")


@dataclass(frozen=True)
class LayerSummary:
    """One layer.

    Attributes:
        name: "hidden 1", …, "output".
        channels: what it reads, and `neurons`, what it has.
        weight_bits: of all its weights.
        threshold_min: least, mean and greatest threshold, as deployed.
        dense_operations: multiply-accumulates of a dense layer of this size, in one pass.
        most_additions: what spikes can cause at most; None where a channel may spike any number of times.
        bytes: of weights and thresholds, as a model file holds them.
    """

    name: str
    channels: int
    neurons: int
    weight_bits: int
    threshold_min: float
    threshold_mean: float
    threshold_max: float
    dense_operations: int
    most_additions: int | None
    bytes: int


@dataclass(frozen=True)
class Summary:
    """A network; prints as a table, and shows as one in a notebook."""

    title: str
    num_steps: int
    layers: tuple[LayerSummary, ...]

    @property
    def neurons(self) -> int:
        """All neurons."""
        return sum(layer.neurons for layer in self.layers)

    @property
    def weight_bits(self) -> int:
        """Bits of all weights."""
        return sum(layer.weight_bits for layer in self.layers)

    @property
    def dense_operations(self) -> int:
        """Multiply-accumulates of one pass of a dense network; simulated step by step it would be T times that."""
        return sum(layer.dense_operations for layer in self.layers)

    @property
    def most_additions(self) -> int | None:
        """Additions of an inference at most, early exit or not; None where a channel may spike any number of times."""
        most = [layer.most_additions for layer in self.layers]
        return None if None in most else sum(number for number in most if number is not None)

    @property
    def bytes(self) -> int:
        """Weights and thresholds as a model file holds them, its header apart."""
        return sum(layer.bytes for layer in self.layers)

    def rows(self) -> list[tuple[str, ...]]:
        """The table's cells below `HEAD`, the last row being the sums."""
        rows = [
            (
                layer.name,
                f"{layer.channels:,}",
                f"{layer.neurons:,}",
                f"{layer.weight_bits:,}",
                f"{layer.threshold_min:g} … {layer.threshold_mean:.1f} … {layer.threshold_max:g}",
                f"{layer.dense_operations:,}",
                _bound(layer.most_additions),
                f"{layer.bytes:,}",
            )
            for layer in self.layers
        ]
        sums = (f"{self.neurons:,}", f"{self.weight_bits:,}", "", f"{self.dense_operations:,}")
        return [*rows, ("all", "", *sums, _bound(self.most_additions), f"{self.bytes:,}")]

    def __str__(self) -> str:
        table = [HEAD, *self.rows()]
        widths = [max(len(row[column]) for row in table) for column in range(len(HEAD))]
        lines = []
        for row in table:
            cells = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
            lines.append("  ".join((row[0].ljust(widths[0]), *cells)))
        return "\n".join((self.title, *lines, NOTE.format(steps=self.num_steps)))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in HEAD)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows())
        note = escape(NOTE.format(steps=self.num_steps))
        return (
            f"<table><caption>{escape(self.title)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table><small>{note}</small>"
        )


NOTE = "thresholds: least … mean … greatest. A dense network simulated step by step takes {steps} times the operations."


def layer_name(layer: int, layers: int) -> str:
    """What a layer of so many is called.

    >>> layer_name(0, 2), layer_name(1, 2)
    ('hidden 1', 'output')
    """
    return "output" if layer == layers - 1 else f"hidden {layer + 1}"


def _bound(number: int | None) -> str:
    return "no bound" if number is None else f"{number:,}"


def _stored_bytes(layer: Layer, bits: int) -> int:
    """Bytes of the weights: as a file holds them, or as so many bits each."""
    if bits > 1:
        return -(-layer.weight_bits * bits // 8)
    return sum(array.nbytes for name, array, _ in layer.tensors() if name != "thresholds")


def summarize(
    layers: Sequence[Layer], num_steps: int, title: str, *, channel_spikes: int | None = 1, bits: int = 1
) -> Summary:
    """Sum up deployed layers.

    Args:
        layers: signs and thresholds, input side first.
        num_steps: T.
        title: the line above the table.
        channel_spikes: how often an input channel spikes at most; None where nothing bounds it.
        bits: of a weight.

    >>> from bstdg.layers import FullLayer
    >>> bits = FullLayer(np.ones((10, 64), np.int8), np.arange(10))
    >>> summarize([bits], 8, "64-10").bytes
    100
    """
    rows, most = [], channel_spikes
    for i, layer in enumerate(layers):
        neurons, channels = size(layer.gives), size(layer.reads)
        low, high = layer.thresholds.min(), layer.thresholds.max()
        each = 2 if low >= -(2**15) and high < 2**15 and bits == 1 else 4
        passed = int(layer.fan_out().sum())
        rows.append(
            LayerSummary(
                layer_name(i, len(layers)),
                channels,
                neurons,
                layer.weight_bits * bits,
                float(low),
                float(np.mean(layer.thresholds)),
                float(high),
                passed,
                None if most is None else most * passed,
                _stored_bytes(layer, bits) + len(layer.thresholds_stored) * each,
            )
        )
        most = 1  # a neuron fires at most once
    return Summary(title, num_steps, tuple(rows))
