"""A model as synthesizable Verilog-2005, with a test bench that knows what the oracle computes."""

from __future__ import annotations

from bstdg import templates
from bstdg.engine.base import knows_own_kinds
from bstdg.errors import InputError
from bstdg.export.base import Golden, Target, Written
from bstdg.export.verilog.bench import bench
from bstdg.export.verilog.design import PACKAGE, PARALLEL, memories, parts, plan, top
from bstdg.export.verilog.plans import LayerPlan
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
    for part in parts(layers):
        files[f"{name}_{part}.v"] = templates.fill(PACKAGE, f"{part}.v", {"NAME": name}).encode()
    for _, file, content in memories(layers):
        files[f"{name}_{file}.hex"] = content
    files |= bench(model, layers, golden, name)
    return Written(files, _figures(model, layers))


def _figures(model: PackedModel, layers: tuple[LayerPlan, ...]) -> dict[str, object]:
    return {
        "weight_bits": model.weight_bits,
        "threshold_bits": sum(len(layer.negated) * layer.threshold_bits for layer in layers),
        "state_bits": sum(layer.state_bits(PARALLEL) for layer in layers),
        "accumulator_bits": [layer.lead_bits() for layer in layers],
        "neurons_per_cycle": PARALLEL,
        "cycles_per_input_event": layers[0].cycles_an_event(PARALLEL),
    }


TARGET = Target(
    "verilog",
    "synthesizable Verilog-2005, weight memories, a self-checking test bench with golden vectors",
    "verilator (5 or later), iverilog, yosys, Python package pyslang: any of them",
    write,
    verify,
    knows_own_kinds,
)
