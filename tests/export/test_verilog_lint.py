"""What tools say of Verilog exports that they do not run: nothing, of any network and at any number of lanes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from support import needs
from support.strategies import random_model
from support.verilog import put, skip_old_verilator, sliding_corners, sources, vectors_for

from bstdg.export.base import Golden
from bstdg.export.tools import Failed
from bstdg.export.verilog import proof
from bstdg.model.packed import PackedModel

LANES = (1, 2, 3, 8)


def fully_connected(sizes: Sequence[int]) -> tuple[PackedModel, Golden]:
    model = random_model(sizes, 7, threshold=9)
    return model, vectors_for(np.random.default_rng(0), model)


SHAPES = [(5, 1), (1, 3, 1), (16, 12, 8, 10), (64, 32, 10)]
NETWORKS = {
    **{"-".join(map(str, sizes)): fully_connected(sizes) for sizes in SHAPES},
    **{model.structure: (model, golden) for model, golden in sliding_corners()[:5]},
}
networks = pytest.mark.parametrize("name", NETWORKS)


def an_export(folder: Path, name: str) -> PackedModel:
    put(folder, *NETWORKS[name], "net")
    return NETWORKS[name][0]


def says_nothing(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs.program("verilator")
@networks
def test_verilator(tmp_path, name):
    model = an_export(tmp_path, name)
    design = sorted(path.name for path in tmp_path.glob("*.v"))
    for lanes in sorted({*LANES, *proof._served(model)}):
        says_nothing(
            tmp_path, "verilator", "--lint-only", "-Wall", "--top-module", "net", f"-GPARALLEL={lanes}", *design
        )


@needs.program("verilator")
@networks
def test_verilator_of_the_bench(tmp_path, name):
    an_export(tmp_path, name)
    skip_old_verilator()
    says_nothing(
        tmp_path, "verilator", "--lint-only", "-Wall", "--timing", "--top-module", "net_tb", *sources(tmp_path)
    )


@needs.program("iverilog")
@networks
def test_icarus(tmp_path, name):
    an_export(tmp_path, name)
    says_nothing(tmp_path, "iverilog", "-g2005", "-Wall", "-s", "net_tb", "-o", "run.vvp", *sources(tmp_path))


@needs.program("yosys")
@networks
def test_yosys_finds_no_loose_end_either(tmp_path, name):
    an_export(tmp_path, name)
    script = "read_verilog *.v; hierarchy -check -top net; proc; check -assert"
    done = subprocess.run(["yosys", "-p", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    warned = [line for line in done.stdout.splitlines() if "arning" in line and "Replacing memory" not in line]
    assert not warned


@networks
def test_slang(tmp_path, name):
    needs.package("pyslang")
    model = an_export(tmp_path, name)
    lanes = ", ".join(map(str, proof._served(model)))
    said = proof._slang(tmp_path, model, "net")
    assert said.startswith(f"design and test bench without a warning, at {lanes} neurons a cycle; slang ")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("net.v", "wire take =", "wire soon = late;\n    wire late = in_end;\n    wire take ="),
        ("test/net_bench.v", "wire moved =", "wire early = reported;\n    reg reported;\n    wire moved ="),
        ("net_hidden.v", "`timescale 1ns / 1ns\n", ""),
        ("net_output.v", "wire decide =", "wire [2:0] narrow = best_lead;\n    wire decide ="),
    ],
)
def test_slang_sees_what_others_let_pass(tmp_path, file, old, new):
    needs.package("pyslang")
    model = an_export(tmp_path, "16-12-8-10")
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new, 1))
    with pytest.raises(Failed, match=f"{Path(file).name}:"):
        proof._slang(tmp_path, model, "net")


@networks
def test_every_file_names_its_times_and_no_net_by_accident(tmp_path, name):
    an_export(tmp_path, name)
    for path in sources(tmp_path):
        lines = (tmp_path / path).read_text().splitlines()
        assert [line for line in lines if line.startswith("`")] == [
            "`timescale 1ns / 1ns",
            "`default_nettype none",
            "`default_nettype wire",
        ]
