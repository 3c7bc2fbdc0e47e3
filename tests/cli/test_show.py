"""Tables for people hold every figure; dictionaries for programs are JSON."""

from __future__ import annotations

import io
import json

import numpy as np
from rich.console import Console
from support.strategies import random_model

from bstdg.cli import show
from bstdg.model import packed
from bstdg.model.figures import FIGURES
from bstdg.model.runtime import Model


def printed(table) -> str:
    console = Console(file=io.StringIO(), width=120, highlight=False)
    console.print(table)
    return console.file.getvalue()


def figures() -> dict:
    model = Model(random_model((20, 30, 3), threshold=2))
    images = np.random.default_rng(0).integers(0, 256, (50, 1, 20)).astype(np.uint8)
    return model.evaluate(images, np.arange(50) % 3)


def test_every_figure_is_in_the_table():
    row = figures()
    text = printed(show.figures("a title", row))
    lines = text.splitlines()
    for key, figure in FIGURES.items():
        (line,) = [line for line in lines if figure.caption in line]
        assert figure.show(row[key]) in line
    assert "a title" in text
    assert show.figures("a title", {key: row[key] for key in row if key != "engine"}).row_count == len(FIGURES) - 1


def test_a_model_is_described_layer_by_layer_whatever_its_name():
    model = random_model((20, 30, 3), threshold=9, trained={"data": "mine", "seed": 4})
    name = "a/very/long/path" * 20
    text = printed(show.model(model, name, 1234, "2", "oracle"))
    assert name in "".join(text.split())  # folded over lines, not cut
    for words in ("20-30-3", "690 of one bit", "1,234 bytes", "T = 8", "1 x 20", "mine, seed 4", "oracle", "class 2"):
        assert words in text
    for i, layer in enumerate(model.layers):
        assert f"layer {i}" in text
        assert f"thresholds {layer.thresholds.min()} … {layer.thresholds.max()}" in text


def test_the_dictionary_of_a_model_is_json_and_says_the_same():
    model = random_model((20, 30, 3), trained={"data": "mine"})
    size = len(packed.to_bytes(model))
    row = json.loads(json.dumps(show.as_dict(model, size, "2", "oracle")))
    assert (row["widths"], row["bytes"], row["weight_bits"]) == ([20, 30, 3], size, 690)
    assert [(layer["channels"], layer["neurons"]) for layer in row["layers"]] == [(20, 30), (30, 3)]
    assert row["layers"][0]["threshold_max"] == model.layers[0].thresholds.max()
    assert row["trained"] == {"data": "mine"}
