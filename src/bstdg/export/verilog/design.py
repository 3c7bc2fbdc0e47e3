"""From a model to the numbers and texts of its Verilog: what is taken, and the top module."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bstdg import templates
from bstdg.engine.base import knows_own_kinds
from bstdg.errors import InputError
from bstdg.export import names
from bstdg.export.verilog import plans
from bstdg.export.verilog.plans import LayerPlan, SlidingPlan, index_bits, signed_bits
from bstdg.layers import Conv2dLayer, FullLayer, Pool2dLayer
from bstdg.model.packed import PackedModel
from bstdg.spikes.events import MAX_CHANNELS

PACKAGE = "bstdg.export.verilog"  # whose templates
PARALLEL = 8  # neurons, or maps, served a cycle unless the instance says otherwise
MAX_WIDTH = 4096  # neurons or maps of a layer: a row of weights is one word, and tools give up on wider ones
MAX_WEIGHT_BITS = 1 << 25  # some 900 block RAMs of 36 kbit


def plan(model: PackedModel) -> tuple[LayerPlan, ...]:
    """The layers' sizes, thresholds and weights.

    Raises:
        InputError: the model is beyond what this target takes.
    """
    _check(model)
    layers: list[LayerPlan] = []
    for at, layer in enumerate(model.layers):
        # The first layer's channels may be let fire more often; the last one's leads are compared.
        if isinstance(layer, FullLayer):
            most = None if at == len(model.layers) - 1 else MAX_CHANNELS if at == 0 else layer.signs.shape[1]
            layers.append(plans.full(layer, most, layers[-1] if layers else None))
        elif isinstance(layer, (Conv2dLayer, Pool2dLayer)):
            layers.append(plans.sliding(layer, MAX_CHANNELS if at == 0 else None))
        else:
            raise InputError(f"target 'verilog' cannot hold layer {at} ({layer}): {knows_own_kinds(layer)}")
    return tuple(layers)


def _check(model: PackedModel) -> None:
    """Raise `InputError` where a model is beyond what this target takes."""
    first, last = model.layers[0], model.layers[-1]
    counted = [(model.widths[0], "input channels")] if isinstance(first, FullLayer) else []
    for at, (layer, width) in enumerate(zip(model.layers, model.widths[1:], strict=True)):
        if isinstance(layer, (Conv2dLayer, Pool2dLayer)):
            counted.append((layer.gives[0], f"maps in layer {at}"))
        else:
            counted.append((width, f"neurons in layer {at}"))
    for width, what in counted:
        if width > MAX_WIDTH:
            raise InputError(
                f"the model has {width:,} {what}, {width - MAX_WIDTH:,} more than "
                f"the Verilog target takes ({MAX_WIDTH:,})"
            )
    if model.weight_bits > MAX_WEIGHT_BITS:
        raise InputError(
            f"the model has {model.weight_bits:,} weights, {model.weight_bits - MAX_WEIGHT_BITS:,} more than "
            f"the Verilog target takes ({MAX_WEIGHT_BITS:,})"
        )
    if isinstance(last, (Conv2dLayer, Pool2dLayer)):
        raise InputError(
            f"target 'verilog' cannot hold layer {len(model.layers) - 1} ({last}) as the last: "
            "there only a fully connected layer decides"
        )


def weights_hex(weights: NDArray[np.bool_]) -> bytes:
    """A line a row: a bit a neuron, 1 for +1, neuron 0 the lowest."""
    bits = np.packbits(weights, axis=1, bitorder="little")
    digits = (weights.shape[1] + 3) // 4
    return b"".join(row[::-1].tobytes().hex()[-digits:].encode() + b"\n" for row in bits)


def thresholds_hex(layer: LayerPlan) -> bytes:
    """One line: -threshold of every neuron or map in two's complement, the first the lowest."""
    width = layer.threshold_bits
    word = sum((value % (1 << width)) << (width * place) for place, value in enumerate(layer.negated))
    return f"{word:0{(width * len(layer.negated) + 3) // 4}x}\n".encode()


def places_hex(first: SlidingPlan) -> bytes:
    """A line a channel of the input: its map, row and column."""
    widths = tuple(index_bits(side) for side in first.convolution.reads)
    places = np.indices(first.convolution.reads).reshape(3, -1).T
    return plans.hex_lines([tuple(place) for place in places.tolist()], widths)


def memories(layers: tuple[LayerPlan, ...]) -> Iterator[tuple[str, str, bytes]]:
    """All memories: the parameter that names the file, how its name goes on, and its content."""
    if isinstance(layers[0], SlidingPlan):
        yield "PLACES", "places", places_hex(layers[0])
    for i, layer in enumerate(layers):
        if layer.negated:
            yield f"WEIGHTS_{i}", f"weights_{i}", weights_hex(layer.weights)
            yield f"THRESHOLDS_{i}", f"thresholds_{i}", thresholds_hex(layer)
        for table, content in layer.tables():
            yield f"{table.upper()}_TABLE_{i}", f"{table}s_{i}", content


def parts(layers: tuple[LayerPlan, ...]) -> tuple[str, ...]:
    """The templates of the modules that the layers need."""
    module = {"conv2d": "conv", "pool2d": "pool", "full": "hidden"}
    slides = ("locate", "walk") if isinstance(layers[0], SlidingPlan) else ()
    hidden = dict.fromkeys(module[layer.kind] for layer in layers[:-1])
    return (*slides, *hidden, "output", "integrate", "ram")


def top(model: PackedModel, layers: tuple[LayerPlan, ...], name: str) -> str:
    """The top module: the protocol, and the layers in a row."""
    channels, steps = layers[0].channels, model.num_steps
    width, left = index_bits(channels), steps.bit_length()
    values = {
        "NAME": name,
        "STRUCTURE": "-".join(map(str, model.widths)) if layers[0].kind == "full" else model.structure,
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
        "SLIDES": isinstance(layers[0], SlidingPlan),
        "FILES": [(parameter, f"{name}_{file}.hex") for parameter, file, _ in memories(layers)],
        "index_bits": index_bits,
        "signed_bits": signed_bits,
        "span": span,
    }
    return templates.fill(PACKAGE, "top.v", values)


def span(bits: int) -> str:
    """How Verilog writes a vector of so many bits."""
    return f"[{bits - 1}:0]"
