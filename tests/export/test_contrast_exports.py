"""Contrast where a target receives steps, and where edges come before it: said, or carried, and never lost."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from support import needs
from support.strategies import random_model

from bstdg import export
from bstdg.errors import InputError
from bstdg.export import golden as vectors
from bstdg.export.c import proof
from bstdg.inputs import EdgeCode, LatencyCode
from bstdg.model import packed

SOME = (
    LatencyCode((1, 3, 4), relative=True, silent_below=0.2),
    LatencyCode((1, 3, 4), 1000, levels=(900, 70, 70, 3)),
    LatencyCode((1, 3, 4), relative=True, levels=(200, 70, 70, 3)),
)


def model_of(code, num_steps: int = 4):
    return dataclasses.replace(random_model((int(np.prod(code.gives)), 6, 3), num_steps), input=code)


@pytest.mark.parametrize("code", SOME)
def test_a_design_that_receives_steps_says_so(code, tmp_path):
    made = export.export("verilog", model_of(code), tmp_path / "out")
    assert made.manifest["figures"]["input"] == (
        f"steps alone: bstdg.load(…).encode makes them of images ({code.told()})"
    )
    assert packed.load(made.folder / "model.bstdg").input == code
    golden = vectors.from_bytes((made.folder / "golden.safetensors").read_bytes(), model_of(code))
    assert golden.samples is None
    plain = export.export("verilog", model_of(LatencyCode((1, 3, 4))), tmp_path / "plain")
    assert "input" not in plain.manifest["figures"]


@pytest.mark.parametrize("code", SOME)
def test_a_graph_carries_it_and_gives_it_back(code, tmp_path):
    needs.package("nir")
    from bstdg.export.nir import graph, importer

    made = export.export("nir", model_of(code), tmp_path / "out")
    assert "steps alone" in made.manifest["figures"]["input"]
    again = importer.read(made.folder / "model.nir")
    assert packed.to_bytes(again) == packed.to_bytes(model_of(code))
    said = graph.truth(model_of(code)).metadata["input_code"]
    assert ("levels[t]" in said) == bool(code.levels) and ("greatest pixel" in said or not code.relative)
    assert "floor((1 - x) * T)" in graph.truth(model_of(LatencyCode((12,)))).metadata["input_code"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"relative": 1}, "its relative is no truth value"),
        ({"levels": "9"}, "its levels is no list of whole numbers"),
        ({"levels": [1.5]}, "its levels is no list of whole numbers"),
        ({"levels": [3, 9, 9, 9]}, r"levels\[1\] = 9 is above levels\[0\] = 3"),
        ({"levels": [3]}, "1 levels, T is 4"),
        ({"levels": [1] * 1000}, "254 at most"),
    ],
)
def test_a_damaged_graph_is_refused(change, message):
    needs.package("nir")
    from bstdg.export.nir import graph, importer

    damaged = graph.truth(model_of(SOME[2]))
    config = {**json.loads(damaged.metadata["config"]), **change}
    damaged.metadata = {**damaged.metadata, "config": json.dumps(config)}
    with pytest.raises(InputError, match=message):
        importer.from_graph(damaged)


@needs.program("gcc")
def test_edge_maps_are_read_with_the_contrast_and_the_silence_of_their_code(tmp_path):
    code = EdgeCode((1, 4, 4), 2, 200, 0.3, pixels=True, relative=True)
    model = model_of(code)
    made = export.export("c", model, tmp_path / "out", name="net")
    assert made.manifest["figures"]["input"].startswith("edge maps:")
    alone = packed.load(made.folder / "model.bstdg")
    assert alone.input == LatencyCode((20,), 200, 0.3, relative=True)
    golden = vectors.from_bytes((made.folder / "golden.safetensors").read_bytes(), alone)
    assert len(golden.samples) > 50
    assert "vectors" in proof._run_build(made.folder, "net", golden, proof.BUILDS[0])
    plain = export.export("c", model_of(EdgeCode((1, 4, 4), 2, 200, 0.3)), tmp_path / "plain", name="net")
    assert packed.load(plain.folder / "model.bstdg").input == LatencyCode((16,), 200, 0.3)
