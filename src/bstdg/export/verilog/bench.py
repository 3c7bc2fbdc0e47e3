"""The Verilog test bench and what it reads: golden vectors as streams of items, the form in which spikes travel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bstdg import templates
from bstdg.export.base import Golden
from bstdg.export.verilog.design import PACKAGE, PARALLEL, span
from bstdg.export.verilog.order import spikes
from bstdg.export.verilog.plans import LayerPlan, index_bits
from bstdg.model.packed import PackedModel

FOLDER = "test"
Items = tuple[NDArray[np.int64], NDArray[np.int64]]
END = 1 << 16  # an item that ends a step; other items are channels


def bench(model: PackedModel, layers: tuple[LayerPlan, ...], golden: Golden, name: str) -> dict[str, bytes]:
    """The test bench and what it reads: streams of items, where each vector begins in them, and decisions."""
    streams = [_items(*source, model.num_steps) for source in spikes(layers, golden, model.num_steps)]
    offsets = np.stack([ends for _, ends in streams], axis=1)
    links = range(1, len(layers))
    values = {
        "NAME": name,
        "PARALLEL": PARALLEL,
        "VECTORS": len(golden.steps),
        "ITEMS": len(streams[0][0]),
        "COLUMNS": len(streams),
        "OFFSETS": offsets.size,
        "PATIENCE": 4 * max(model.widths) + 1000,
        "CHANNEL_BITS": index_bits(layers[0].channels),
        "CLASS_BITS": index_bits(layers[-1].neurons),
        "STEP_BITS": index_bits(model.num_steps),
        "LINKS": links,
        "LINK_BITS": [index_bits(layer.channels) for layer in layers],
        "SPIKES": [len(items) for items, _ in streams],
        "padding": _padding,
        "span": span,
    }
    expected = golden.silent.astype(np.int64) << 24 | golden.step.astype(np.int64) << 16 | golden.label
    parts = ("bench", "stream", "tb") if links else ("bench", "tb")
    files = {f"{FOLDER}/{name}_{part}.v": templates.fill(PACKAGE, f"{part}.v", values).encode() for part in parts}
    files[f"{FOLDER}/{name}_stimulus.hex"] = _hex(streams[0][0], 5)
    for i in links:
        files[f"{FOLDER}/{name}_spikes_{i - 1}.hex"] = _hex(streams[i][0], 5)
    files[f"{FOLDER}/{name}_offsets.hex"] = _hex(offsets.ravel(), 8)
    files[f"{FOLDER}/{name}_expected.hex"] = _hex(expected, 7)
    return files


def _padding(bits: int, width: int) -> str:
    """The zeros that a concatenation puts before so many bits to make `width` of them."""
    return f"{width - bits}'d0, " if bits < width else ""


def _items(counts: NDArray[np.int64], channels: NDArray[np.int64], num_steps: int) -> Items:
    """Channels in the order in which they fire, and how many do at each step of each vector, as a stream of items.

    Returns:
        The items, and the place at which each vector begins, `[vectors + 1]`.
    """
    ends = np.cumsum(counts.ravel())  # an end comes after the events of its step
    items = np.insert(channels, ends, END)
    return items, np.concatenate([[0], np.cumsum(counts.sum(axis=1) + num_steps)])


def _hex(values: NDArray[np.int64], digits: int) -> bytes:
    return "".join(f"{value:0{digits}x}\n" for value in values.tolist()).encode()
