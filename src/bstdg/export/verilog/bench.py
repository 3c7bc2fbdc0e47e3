"""The Verilog test bench and what it reads: golden vectors as streams of items, the form in which spikes travel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bstdg import templates
from bstdg.export.base import Golden
from bstdg.export.verilog.design import PACKAGE, PARALLEL, LayerPlan, index_bits, span
from bstdg.model.packed import PackedModel
from bstdg.spikes.events import Events

FOLDER = "test"
END = 1 << 16  # an item that ends a step; other items are channels


def bench(model: PackedModel, layers: tuple[LayerPlan, ...], golden: Golden, name: str) -> dict[str, bytes]:
    """The test bench and what it reads: streams of items, where each vector begins in them, and decisions."""
    streams = [_items(steps, model.num_steps) for steps in (golden.steps, *golden.hidden)]
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


def _items(steps: NDArray[np.uint8], num_steps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps `[vectors, channels]` as a stream of items, and the place at which each vector begins, `[vectors + 1]`."""
    events = Events.from_steps(steps, num_steps)
    sample = events.samples()
    ends = np.arange(len(steps) * num_steps)
    items = np.concatenate([events.channels.astype(np.int64), np.full(len(ends), END)])
    step = np.concatenate([sample * num_steps + events.steps, ends])  # an end comes after the events of its step
    order = np.argsort(step, kind="stable")
    return items[order], events.offsets + np.arange(len(steps) + 1) * num_steps


def _hex(values: NDArray[np.int64], digits: int) -> bytes:
    return "".join(f"{value:0{digits}x}\n" for value in values.tolist()).encode()
