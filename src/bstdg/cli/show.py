"""Reports as a person reads them on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from bstdg.inputs.features import FeatureScaling
from bstdg.model.figures import FIGURES
from bstdg.model.packed import VERSION, PackedModel


def figures(title: str, row: Mapping[str, Any]) -> Table:
    """The figures of `Tally.figures` as a table, always all of them together."""
    table = Table(title=title, title_justify="left", show_header=False)
    for key, figure in FIGURES.items():
        if key in row:  # a model file's figures do not name the engine
            table.add_row(figure.caption, figure.show(row[key]))
    return table


def model(described: PackedModel, file: str, size: int, engine: str) -> Table:
    """What a model file holds."""
    table = Table(title=f"{file}", title_justify="left", show_header=False)
    table.add_row("structure", "-".join(map(str, described.widths)))
    table.add_row("weights", f"{described.weight_bits:,} of one bit")
    table.add_row("file", f"{size:,} bytes, format version {VERSION}")
    table.add_row("steps", f"T = {described.num_steps}")
    shape = " x ".join(map(str, described.image_shape))
    if described.scaling is not None:
        channels, levels = described.scaling.code.shape[1], len(described.scaling.code)
        said = f"{shape} features, scaled here: {levels} levels on {channels} channels each"
    elif described.input is None:
        said = f"{shape}, 0 … {described.white}, silent at or below {described.silent_below:g} of it"
        said += f"; edges in cells of {described.edges} x {described.edges} pixels" if described.edges else ""
    else:
        coding = ", ".join(f"{name} {value}" for name, value in described.input.to_dict().items())
        said = f"events on {shape} channels; {coding}"
    table.add_row("input", said)
    for i, layer in enumerate(described.layers):
        kind = "output" if i == len(described.layers) - 1 else "hidden"
        low, high = layer.thresholds.min(), layer.thresholds.max()
        ones = (layer.signs > 0).mean()
        said = f"{len(layer.signs):,} {kind} neurons, thresholds {low} … {high}, {ones:.0%} of weights +1"
        table.add_row(f"layer {i}", said)
    table.add_row("classes", ", ".join(described.classes))
    table.add_row("engine here", engine)
    trained = described.trained
    if "data" in trained:
        table.add_row("trained on", f"{trained['data']}, seed {trained.get('seed')}")
    return table


def as_dict(described: PackedModel, size: int, engine: str) -> dict[str, Any]:
    """What a model file holds, for programs."""
    layers = [
        {
            "channels": layer.signs.shape[1],
            "neurons": len(layer.signs),
            "weight_bits": int(layer.signs.size),
            "threshold_min": int(layer.thresholds.min()),
            "threshold_max": int(layer.thresholds.max()),
        }
        for layer in described.layers
    ]
    return {
        "format_version": VERSION,
        "bytes": size,
        "widths": list(described.widths),
        "weight_bits": described.weight_bits,
        "num_steps": described.num_steps,
        "image_shape": list(described.image_shape),
        "white": described.white,
        "silent_below": described.silent_below,
        "classes": list(described.classes),
        "layers": layers,
        "engine": engine,
        "trained": described.trained,
        **({} if described.input is None else {"input": described.input.to_dict()}),
        **({"edges": described.edges} if described.edges else {}),
        **({} if described.scaling is None else {"scaling": _scaling(described.scaling)}),
    }


def _scaling(scaling: FeatureScaling) -> dict[str, Any]:
    levels, channels = scaling.code.shape
    return {"features": len(scaling.edges), "levels": levels, "channels_a_feature": channels}
