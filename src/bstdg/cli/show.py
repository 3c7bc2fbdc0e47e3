"""Reports as a person reads them on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from bstdg.layers import FullLayer, Layer
from bstdg.model.describe import describe
from bstdg.model.packed import PackedModel


def figures(title: str, row: Mapping[str, Any]) -> Table:
    """The figures of `Tally.figures` as a table, always all of them together."""
    last = row["num_steps"] - 1
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in (
        ("accuracy (first spike, then V - threshold, then lowest index)", f"{row['accuracy']:.2%}"),
        ("  if a tie with the label counted, as some papers do", f"{row['accuracy_ties_correct']:.2%}"),
        ("ties decided by the lowest index", f"{row['tie_rate']:.2%}"),
        ("several outputs fired at the deciding step", f"{row['simultaneous_rate']:.2%}"),
        ("silent decisions (no output fired)", f"{row['silent_rate']:.2%}"),
        (
            f"decision step, 0 … {last}: mean, median",
            f"{row['decision_step_mean']:.2f}, {row['decision_step_median']:g}",
        ),
        (
            "hidden spikes an image: to the decision, all",
            f"{row['hidden_spikes_to_decision']:.1f}, {row['hidden_spikes']:.1f}",
        ),
        ("input spikes to the decision", f"{row['input_spikes_to_decision']:.1f}"),
        ("synaptic operations to the decision", f"{row['synaptic_operations_to_decision']:,.0f}"),
        ("samples", f"{row['samples']:,}"),
    ):
        table.add_row(name, value)
    if "engine" in row:
        table.add_row("engine", row["engine"])
    return table


def model(described: PackedModel, file: str, size: int, engine: str) -> Table:
    """What a model file holds."""
    said = describe(described)
    table = Table(title=f"{file}", title_justify="left", show_header=False)
    table.add_row("structure", said["structure"])
    table.add_row("weights", f"{said['weight_bits']:,} of one bit")
    table.add_row("file", f"{size:,} bytes, format version {said['format_version']}")
    table.add_row("steps", f"T = {said['num_steps']}")
    table.add_row("input", said["reads"])
    for i, layer in enumerate(said["layers"]):
        kind = "output" if i == len(said["layers"]) - 1 else "hidden"
        thresholds = f"thresholds {layer['threshold_min']} … {layer['threshold_max']}"
        shape = "" if len(layer["gives"]) == 1 else f" ({' x '.join(map(str, layer['gives']))})"
        table.add_row(
            f"layer {i}", f"{layer['neurons']:,} {kind} neurons{shape}, {thresholds}{_ones(described.layers[i])}"
        )
    table.add_row("classes", ", ".join(said["classes"]))
    table.add_row("engine here", engine)
    trained = said["trained"]
    if "data" in trained:
        table.add_row("trained on", f"{trained['data']}, seed {trained.get('seed')}")
    return table


def _ones(layer: Layer) -> str:
    return f", {(layer.signs > 0).mean():.0%} of weights +1" if isinstance(layer, FullLayer) else ""


def as_dict(described: PackedModel, size: int, engine: str) -> dict[str, Any]:
    """What a model file holds, for programs."""
    return {**describe(described), "bytes": size, "engine": engine}
