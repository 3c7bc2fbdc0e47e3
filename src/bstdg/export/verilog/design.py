"""From a model to the numbers and texts of its Verilog: how wide everything is, and the top module."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bstdg import templates
from bstdg.errors import InputError
from bstdg.export import names
from bstdg.export.base import full_layers
from bstdg.model.packed import PackedModel
from bstdg.spikes.events import MAX_CHANNELS

PACKAGE = "bstdg.export.verilog"  # whose templates
PARALLEL = 8  # neurons served a cycle unless the instance says otherwise
MAX_WIDTH = 4096  # channels or neurons of a layer: a row of weights is one word, and tools give up on wider ones
MAX_WEIGHT_BITS = 1 << 25  # some 900 block RAMs of 36 kbit


@dataclass(frozen=True)
class LayerPlan:
    """What one layer becomes.

    Attributes:
        channels, neurons: its size.
        low, high: what -threshold may be, clamped in hidden layers to where a neuron always or never fires.
        negated: -threshold of every neuron, integers `[neurons]`.
    """

    channels: int
    neurons: int
    low: int
    high: int
    negated: tuple[int, ...]

    @property
    def threshold_bits(self) -> int:
        """Bits of -threshold, signed; a sign and at least one more."""
        return max(2, signed_bits(self.low, self.high))

    def lead_range(self, events: int) -> tuple[int, int]:
        """What V - threshold may be after at most `events` events of weight +1 or -1 each."""
        return self.low - events, self.high + events


def signed_bits(low: int, high: int) -> int:
    """Bits of a two's complement number that holds low … high.

    >>> signed_bits(-8, 7), signed_bits(-8, 8), signed_bits(0, 0)
    (4, 5, 1)
    """
    return 1 + max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0)


def plan(model: PackedModel) -> tuple[LayerPlan, ...]:
    """The layers' sizes and thresholds.

    Raises:
        InputError: the model is beyond what this target takes.
    """
    for at, width in enumerate(model.widths):
        if width > MAX_WIDTH:
            what = "input channels" if at == 0 else f"neurons in layer {at - 1}"
            raise InputError(
                f"the model has {width:,} {what}, {width - MAX_WIDTH:,} more than "
                f"the Verilog target takes ({MAX_WIDTH:,})"
            )
    if model.weight_bits > MAX_WEIGHT_BITS:
        raise InputError(
            f"the model has {model.weight_bits:,} weights, {model.weight_bits - MAX_WEIGHT_BITS:,} more than "
            f"the Verilog target takes ({MAX_WEIGHT_BITS:,})"
        )
    layers = []
    for at, layer in enumerate(full_layers(model)):
        neurons, channels = layer.signs.shape
        thresholds = [int(theta) for theta in layer.thresholds]
        if at < len(model.layers) - 1:
            # A potential stays within its number of events: beyond that, thresholds are alike.
            most = MAX_CHANNELS if at == 0 else channels
            thresholds = [min(max(theta, -most), most + 1) for theta in thresholds]
        negated = tuple(-theta for theta in thresholds)
        layers.append(LayerPlan(channels, neurons, min(0, *negated), max(0, *negated), negated))
    return tuple(layers)


def lead_bits(layers: tuple[LayerPlan, ...]) -> list[int]:
    """Bits of each layer's accumulators, where no input channel fires more than once."""
    return [signed_bits(*layer.lead_range(layer.channels)) for layer in layers]


def index_bits(count: int) -> int:
    """Bits that number `count` things, at least one.

    >>> index_bits(1), index_bits(8), index_bits(9)
    (1, 3, 4)
    """
    return max(1, (count - 1).bit_length())


def weights_hex(signs: NDArray[np.int8]) -> bytes:
    """A line a channel: a bit a neuron, 1 for +1, neuron 0 the lowest."""
    bits = np.packbits(signs.T > 0, axis=1, bitorder="little")
    digits = (signs.shape[0] + 3) // 4
    return b"".join(row[::-1].tobytes().hex()[-digits:].encode() + b"\n" for row in bits)


def thresholds_hex(layer: LayerPlan) -> bytes:
    """One line: -threshold of every neuron in two's complement, neuron 0 the lowest."""
    width = layer.threshold_bits
    word = sum((value % (1 << width)) << (width * neuron) for neuron, value in enumerate(layer.negated))
    return f"{word:0{(width * layer.neurons + 3) // 4}x}\n".encode()


def top(model: PackedModel, layers: tuple[LayerPlan, ...], name: str) -> str:
    """The top module: the protocol, and the layers in a row."""
    channels, steps = layers[0].channels, model.num_steps
    width, left = index_bits(channels), steps.bit_length()
    values = {
        "NAME": name,
        "STRUCTURE": "-".join(map(str, model.widths)),
        "STEPS": steps,
        "CLASS_NAMES": [names.quoted(names.cut(name)) for name in model.classes],
        "PARALLEL": PARALLEL,
        "CHANNELS": channels,
        "MAX_CHANNELS": MAX_CHANNELS,
        "CHANNEL_RANGE": span(width),
        "CLASS_RANGE": span(index_bits(layers[-1].neurons)),
        "STEP_RANGE": span(index_bits(steps)),
        "LEFT_RANGE": span(left),
        "LEFT_BITS": left,
        "KNOWN": "1'b1" if channels == 1 << width else f"in_channel < {width}'d{channels}",
        "LAYERS": layers,
        "index_bits": index_bits,
        "signed_bits": signed_bits,
        "span": span,
    }
    return templates.fill(PACKAGE, "top.v", values)


def span(bits: int) -> str:
    """How Verilog writes a vector of so many bits."""
    return f"[{bits - 1}:0]"


def state_bits(layers: tuple[LayerPlan, ...], parallel: int) -> int:
    """Bits of potentials and fired flags, the lanes that fill up last groups included."""
    total = 0
    for layer, bits in zip(layers, lead_bits(layers), strict=True):
        lanes = min(parallel, layer.neurons)
        total += math.ceil(layer.neurons / lanes) * lanes * (bits + 1)
    return total
