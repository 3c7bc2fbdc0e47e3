"""A model as synthesizable Verilog-2005, with a test bench that knows what the oracle computes."""

from __future__ import annotations

import math

from bstdg import templates
from bstdg.errors import InputError
from bstdg.export.base import Golden, Target, Written, full_layers
from bstdg.export.verilog.bench import bench
from bstdg.export.verilog.design import (
    PACKAGE,
    PARALLEL,
    LayerPlan,
    lead_bits,
    plan,
    state_bits,
    thresholds_hex,
    top,
    weights_hex,
)
from bstdg.export.verilog.proof import verify
from bstdg.model.packed import PackedModel


def write(model: PackedModel, golden: Golden, name: str) -> Written:
    """Design, memory files, test bench and golden vectors of a model.

    Raises:
        InputError: a layer or the whole model is too large, or there are no golden vectors.
    """
    layers = plan(model)
    if not len(golden.steps):
        raise InputError("the test bench needs at least one golden vector")
    files = {f"{name}.v": top(model, layers, name).encode()}
    for part in ("hidden", "output", "integrate", "ram")[len(layers) == 1 :]:
        files[f"{name}_{part}.v"] = templates.fill(PACKAGE, f"{part}.v", {"NAME": name}).encode()
    for i, (bits, layer) in enumerate(zip(full_layers(model), layers, strict=True)):
        files[f"{name}_weights_{i}.hex"] = weights_hex(bits.signs)
        files[f"{name}_thresholds_{i}.hex"] = thresholds_hex(layer)
    files |= bench(model, layers, golden, name)
    return Written(files, _figures(model, layers))


def _figures(model: PackedModel, layers: tuple[LayerPlan, ...]) -> dict[str, object]:
    return {
        "weight_bits": model.weight_bits,
        "threshold_bits": sum(layer.neurons * layer.threshold_bits for layer in layers),
        "state_bits": state_bits(layers, PARALLEL),
        "accumulator_bits": lead_bits(layers),
        "neurons_per_cycle": PARALLEL,
        "cycles_per_input_event": math.ceil(layers[0].neurons / min(PARALLEL, layers[0].neurons)),
    }


TARGET = Target(
    "verilog",
    "synthesizable Verilog-2005, weight memories, a self-checking test bench with golden vectors",
    "verilator (5 or later), iverilog, yosys, Python package pyslang: any of them",
    write,
    verify,
)
