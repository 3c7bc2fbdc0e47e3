"""Reports as a person reads them on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bstdg.cli.console import table as new_table
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer
from bstdg.layers.convolution import unread
from bstdg.model import classes
from bstdg.model.describe import describe
from bstdg.model.figures import FIGURES
from bstdg.model.packed import PackedModel
from bstdg.shown import name

if TYPE_CHECKING:
    from rich.table import Table


def figures(title: str, row: Mapping[str, Any]) -> Table:
    """The figures of `Tally.figures` as a table, always all of them together."""
    table = new_table(title=title, show_header=False)
    for key, figure in FIGURES.items():
        if key in row:  # a model file's figures do not name the engine
            table.add_row(figure.caption, figure.show(row[key]))
    return table


def by_class(names: Sequence[str], row: Mapping[str, Any]) -> Table:
    """Sensitivity, predictive value and F1 of each class."""
    table = new_table(*classes.HEAD)
    for cells in classes.rows([name(one) for one in names], row):
        table.add_row(*cells)
    return table


def model(described: PackedModel, file: str, size: int, version: str, engine: str) -> Table:
    """What a model file holds."""
    said = describe(described)
    table = new_table(title=file, show_header=False)
    table.add_row("structure", said["structure"])
    table.add_row("weights", f"{said['weight_bits']:,} of one bit")
    table.add_row("file", f"{size:,} bytes, format version {version}")
    table.add_row("steps", f"T = {said['num_steps']}")
    table.add_row("input", said["reads"])
    for i, layer in enumerate(said["layers"]):
        kind = "output" if i == len(said["layers"]) - 1 else "hidden"
        thresholds = f"thresholds {layer['threshold_min']} … {layer['threshold_max']}"
        shape = "" if len(layer["gives"]) == 1 else f" ({' x '.join(map(str, layer['gives']))})"
        table.add_row(
            f"layer {i}", f"{layer['neurons']:,} {kind} neurons{shape}, {thresholds}{_ones(described.layers[i])}"
        )
    for i, layer in enumerate(described.layers):
        if isinstance(layer, (Conv2dLayer, Pool2dLayer)) and (said_of := unread(layer.convolution)):
            table.add_row("left out", f"layer {i} ({layer}): {said_of}")
    table.add_row("classes", ", ".join(map(name, said["classes"])))
    table.add_row("engine here", engine)
    trained = said["trained"]
    if "data" in trained:
        table.add_row("trained on", f"{name(trained['data'])}, seed {name(trained.get('seed'))}")
    return table


def _ones(layer: Layer) -> str:
    return f", {(layer.signs > 0).mean():.0%} of weights +1" if isinstance(layer, (FullLayer, Conv2dLayer)) else ""


def as_dict(described: PackedModel, size: int, version: str, engine: str) -> dict[str, Any]:
    """What a model file holds, for programs."""
    return {**describe(described), "format_version": int(version), "bytes": size, "engine": engine}
