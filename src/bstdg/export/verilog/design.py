"""From a model to the numbers and texts of its Verilog: how wide everything is, and the top module."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.export.base import full_layers
from bstdg.model.packed import PackedModel
from bstdg.spikes.events import MAX_CHANNELS

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


def template(name: str, values: Mapping[str, object]) -> str:
    """A file of `templates` with every @KEY@ replaced."""
    text = resources.files("bstdg.export.verilog").joinpath("templates", name).read_text("utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def top(model: PackedModel, layers: tuple[LayerPlan, ...], name: str) -> str:
    """The top module: the protocol, and the layers in a row."""
    channels, steps = layers[0].channels, model.num_steps
    width, left = index_bits(channels), steps.bit_length()
    files = [f'parameter {kind}_{i} = "{name}_{kind.lower()}_{i}.hex"' for i in range(len(layers)) for kind in FILES]
    return template(
        "top.v",
        {
            "TITLE": f"{'-'.join(map(str, model.widths))}, {steps} steps: a binarized network that fires at most once.",
            "NAME": name,
            "STEPS": steps,
            "PARALLEL": PARALLEL,
            "CHANNELS": channels,
            "MAX_EVENTS_NOTE": f",  // of an image, 1 … {MAX_CHANNELS}: more where a channel may fire more than once",
            "FILE_PARAMETERS": ",\n".join(f"    {line}" for line in files),
            "CHANNEL_RANGE": span(width),
            "CLASS_RANGE": span(index_bits(layers[-1].neurons)),
            "STEP_RANGE": span(index_bits(steps)),
            "LEFT_RANGE": span(left),
            "LEFT_BITS": left,
            "KNOWN": "1'b1" if channels == 1 << width else f"in_channel < {width}'d{channels}",
            "WIDTHS": "\n".join(_width(i, layer) for i, layer in enumerate(layers)),
            "LAYERS": "".join(_layer(i, layers, name, steps) for i in range(len(layers))),
        },
    )


FILES = ("WEIGHTS", "THRESHOLDS")


def span(bits: int) -> str:
    """The range of a vector of so many bits."""
    return f"[{bits - 1}:0]"


def _width(at: int, layer: LayerPlan) -> str:
    """How wide the accumulators of a layer are; those of layer 0 depend on a parameter."""
    if at > 0:
        low, high = layer.lead_range(layer.channels)
        return f"    localparam LEAD_BITS_{at} = {signed_bits(low, high)};  // V - threshold is in {low} … {high}"
    return "\n".join(
        (
            f"    // V - threshold is in -MAX_EVENTS - {-layer.low} … MAX_EVENTS + {layer.high}.",
            f"    localparam [63:0] LOWEST = MAX_EVENTS + 64'd{-layer.low};",
            f"    localparam [63:0] HIGHEST = MAX_EVENTS + 64'd{layer.high};",
            "    localparam LOW_BITS = $clog2(LOWEST), HIGH_BITS = $clog2(HIGHEST + 1);",
            "    localparam LEAD_BITS_0 = 1 + (LOW_BITS > HIGH_BITS ? LOW_BITS : HIGH_BITS);",
        )
    )


def _layer(at: int, layers: tuple[LayerPlan, ...], name: str, steps: int) -> str:
    """One instance, and the stream that leaves it."""
    layer, hidden = layers[at], at < len(layers) - 1
    width = index_bits(layer.neurons)
    parameters: dict[str, object] = {
        "CHANNELS": layer.channels,
        "CHANNEL_BITS": index_bits(layer.channels),
        "NEURONS": layer.neurons,
        "NEURON_BITS": width,
        "PARALLEL": "PARALLEL",
        "LEAD_BITS": f"LEAD_BITS_{at}",
        "THRESHOLD_BITS": layer.threshold_bits,
        **{kind: f"{kind}_{at}" for kind in FILES},
    }
    ports = {
        "clk": "clk",
        "clear": "clear",
        **{f"in_{p}": f"link{at}_{p}" for p in ("valid", "ready", "end", "channel")},
    }
    if hidden:
        after = f"link{at + 1}"
        wires = f"    wire {after}_valid, {after}_ready, {after}_end;\n    wire {span(width)} {after}_channel;\n"
        ports |= {f"out_{p}": f"{after}_{p}" for p in ("valid", "ready", "end")} | {"out_neuron": f"{after}_channel"}
    else:
        wires = ""
        parameters |= {"STEPS": steps, "STEP_BITS": index_bits(steps), "EARLY_EXIT": "EARLY_EXIT"}
        ports |= {p: p for p in ("finishing", "decision", "decision_step", "silent")}
    kind = "hidden" if hidden else "output"
    return f"\n{wires}    {name}_{kind} #(\n{_pins(parameters)}\n    ) layer{at} (\n{_pins(ports)}\n    );\n"


def _pins(values: Mapping[str, object]) -> str:
    return ",\n".join(f"        .{key}({value})" for key, value in values.items())


def state_bits(layers: tuple[LayerPlan, ...], parallel: int) -> int:
    """Bits of potentials and fired flags, the lanes that fill up last groups included."""
    total = 0
    for layer, bits in zip(layers, lead_bits(layers), strict=True):
        lanes = min(parallel, layer.neurons)
        total += math.ceil(layer.neurons / lanes) * lanes * (bits + 1)
    return total
