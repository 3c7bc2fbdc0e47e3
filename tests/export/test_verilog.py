"""The Verilog export: simulated, it computes what the oracle computes, spike by spike."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import needs
from support.strategies import (
    GREATEST,
    INPUT_KINDS,
    SIGN_KINDS,
    THRESHOLD_KINDS,
    make_signs,
    make_thresholds,
    random_model,
    reading,
    seeds,
    step_numbers,
    widths,
)
from support.verilog import put, simulate, simulate_all, skip_old_verilator, vectors_for, verilated, wrapper

from bstdg.errors import InputError
from bstdg.export.base import Golden
from bstdg.export.verilog import TARGET, write
from bstdg.export.verilog.design import MAX_WEIGHT_BITS, MAX_WIDTH, plan
from bstdg.layers import FullLayer
from bstdg.model.packed import PackedModel

icarus = needs.program("iverilog")
verilator = needs.program("verilator")
yosys = needs.program("yosys")


def model_of(layers: list[FullLayer], num_steps: int) -> PackedModel:
    """A deployed model of these layers; it cannot hold the threshold -2^31."""
    layers = [FullLayer(layer.signs, np.clip(layer.thresholds, -GREATEST, GREATEST)) for layer in layers]
    classes = tuple(map(str, range(len(layers[-1].signs))))
    return PackedModel(reading(layers[0].reads), tuple(layers), num_steps, classes)


def a_model(rng, sizes, num_steps, signs="random", thresholds="near") -> PackedModel:
    layers = [
        FullLayer(make_signs(rng, signs, above, below), make_thresholds(rng, thresholds, above, below))
        for below, above in itertools.pairwise(sizes)
    ]
    return model_of(layers, num_steps)


@st.composite
def networks(draw: st.DrawFn) -> tuple[PackedModel, Golden]:
    rng, sizes, num_steps = draw(seeds()), draw(widths()), draw(step_numbers())
    layers = [
        FullLayer(
            make_signs(rng, draw(st.sampled_from(SIGN_KINDS)), above, below),
            make_thresholds(rng, draw(st.sampled_from(THRESHOLD_KINDS)), above, below),
        )
        for below, above in itertools.pairwise(sizes)
    ]
    model = model_of(layers, num_steps)
    kinds = draw(st.lists(st.sampled_from(INPUT_KINDS), min_size=1, max_size=3))
    return model, vectors_for(rng, model, kinds, batch=2)


def variants(name: str, model: PackedModel) -> list[tuple[str, dict[str, int]]]:
    """Every way to the end: served 1, 3 or all at once, stopping or not, with pauses, leaving the rest or not."""
    return [
        (name, {"PARALLEL": 1, "EARLY_EXIT": 0, "GAPS": 1}),
        (name, {"PARALLEL": 3, "EARLY_EXIT": 0}),
        (name, {"PARALLEL": 3, "EARLY_EXIT": 1, "DRAIN": 1}),
        (name, {"PARALLEL": max(model.widths), "EARLY_EXIT": 0}),
        (name, {"PARALLEL": 1000, "EARLY_EXIT": 1, "GAPS": 1}),
    ]


@icarus
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(networks(), min_size=4, max_size=4))
def test_random_networks_under_icarus(tmp_path_factory, nets):
    simulate_all(tmp_path_factory.mktemp("verilog"), nets, variants)


def corner_cases() -> list[tuple[PackedModel, Golden]]:
    rng = np.random.default_rng(5)
    models = [
        a_model(rng, (5, 4, 3), 1),
        a_model(rng, (1, 1, 1, 1), 4),
        a_model(rng, (9, 7, 5, 3), 6),
        a_model(rng, (4, 3), 254),
        a_model(rng, (7, 6, 5), 5, "random", "extreme"),
        a_model(rng, (7, 6, 5), 5, "equal rows", "zero"),
        a_model(rng, (6, 5, 4), 5, "random", "negative"),
        a_model(rng, (6, 5, 4), 3, "all minus", "unreachable"),
        a_model(rng, (8, 16, 8), 4, "random", "wide"),
    ]
    return [(model, vectors_for(rng, model)) for model in models]


@icarus
def test_corners_under_icarus(tmp_path):
    nets = corner_cases()
    assert any(golden.silent.any() for _, golden in nets) and any((~golden.silent).any() for _, golden in nets)
    simulate_all(tmp_path, nets, variants)


@verilator
def test_corners_under_verilator(tmp_path):
    nets, benches = corner_cases(), []
    for i, (model, golden) in enumerate(nets):
        put(tmp_path, model, golden, f"net{i}")
        benches.append(variants(f"net{i}", model)[1 + i % 2])
    wrapper(tmp_path, benches)
    skip_old_verilator()
    found = verilated(tmp_path, "everything", "-O0", "-CFLAGS", "-O0")
    assert found == [(f"net{i}", 12, 0) for i in range(len(benches))]


@icarus
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("net_output.v", "LEAD_BITS]) > $signed", "LEAD_BITS]) >= $signed"),  # ties go to the highest index
        ("net_output.v", "!decided && (above || at_end)", "!decided && at_end"),  # the first spike does not decide
        ("net_integrate.v", "!lead[LEAD_BITS-1] && !fired", "!lead[LEAD_BITS-1]"),  # fires more than once
        ("net_integrate.v", "if (busy && last) fresh", "if (0) fresh"),  # every item begins anew
        ("net_hidden.v", "pending <= judge_fires;", "pending <= judge_fires & ~(judge_fires >> 1);"),  # spikes lost
    ],
)
def test_the_bench_sees_a_broken_design(tmp_path, file, old, new):
    rng = np.random.default_rng(1)
    hidden = FullLayer(make_signs(rng, "random", 8, 9), make_thresholds(rng, "near", 8, 9))
    model = model_of([hidden, FullLayer(np.ones((5, 8), np.int8), np.full(5, 2))], 6)  # equal rows: all ties
    put(tmp_path, model, vectors_for(rng, model), "net")
    benches = [("net", {"PARALLEL": 4, "EARLY_EXIT": 0})]
    assert simulate(tmp_path, benches) == [("net", 12, 0)]
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    assert simulate(tmp_path, benches)[0][2] > 0


@icarus
def test_the_bench_sees_a_wrong_weight_and_a_wrong_spike(tmp_path):
    rng = np.random.default_rng(2)
    model = a_model(rng, (6, 8, 4), 5)
    put(tmp_path, model, vectors_for(rng, model), "net")
    benches = [("net", {"PARALLEL": 3, "EARLY_EXIT": 0})]
    for path in ("net_weights_0.hex", "test/net_spikes_0.hex"):
        kept = (tmp_path / path).read_text()
        first, rest = kept.split("\n", 1)
        (tmp_path / path).write_text(f"{int(first, 16) ^ 0xFF:0{len(first)}x}\n{rest}")
        assert simulate(tmp_path, benches)[0][2] > 0
        (tmp_path / path).write_text(kept)
    assert simulate(tmp_path, benches) == [("net", 12, 0)]


BAD_EVENTS = """`timescale 1ns / 1ns
module everything;
    reg clk = 0, rst = 1, start = 0, valid = 0, last = 0;
    reg [2:0] channel = 0;
    wire ready, busy, done, silent, error;
    wire decision, step;
    integer n;
    always #5 clk = !clk;
    net #(.PARALLEL(2), .MAX_EVENTS(8)) dut (
        .clk(clk), .rst(rst), .start(start), .busy(busy), .in_valid(valid), .in_ready(ready), .in_end(last),
        .in_channel(channel), .done(done), .decision(decision), .decision_step(step), .silent(silent), .error(error));
    task send(input ends, input [2:0] number);
        begin
            valid = 1; last = ends; channel = number; #1;
            while (!ready) @(negedge clk) #1;
            @(negedge clk) valid = 0;
        end
    endtask
    task image(input [2:0] number, input integer events);
        begin
            start = 1; @(negedge clk) start = 0;
            for (n = 0; n < events; n = n + 1) send(0, number);
            send(1, 0); send(1, 0);
            while (!done) @(negedge clk);
            $display("class=%0d step=%0d silent=%0d error=%0d", decision, step, silent, error);
        end
    endtask
    initial begin
        repeat (3) @(negedge clk);
        rst = 0;
        image(0, 8);  // a channel may fire several times
        image(0, 9);  // one event too many is left out
        image(6, 8);  // there is no channel 6
        image(1, 3);
        $finish;
    end
endmodule
"""


@icarus
def test_repeated_events_and_events_that_do_not_fit(tmp_path):
    signs = np.array([[1, -1, 1, 1, 1], [-1, 1, 1, 1, 1]], np.int8)
    model = model_of([FullLayer(signs, np.array([8, 3]))], 2)
    put(tmp_path, model, vectors_for(np.random.default_rng(0), model), "net")
    shutil.rmtree(tmp_path / "test")
    (tmp_path / "everything.v").write_text(BAD_EVENTS)
    command = ["iverilog", "-g2005", "-s", "everything", "-o", "run.vvp", *sorted(p.name for p in tmp_path.glob("*.v"))]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    done = subprocess.run(["vvp", "-n", "run.vvp"], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert re.findall("class.*", done.stdout.decode()) == [
        "class=0 step=0 silent=0 error=0",
        "class=0 step=0 silent=0 error=1",
        "class=1 step=1 silent=1 error=1",
        "class=1 step=0 silent=0 error=0",
    ]


def test_same_bytes_for_the_same_model():
    first, second = (corner_cases()[2] for _ in range(2))
    assert write(*first, "net") == write(*second, "net")


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((MAX_WIDTH + 1, 2), "4,097 input channels, 1 more than the Verilog target takes"),
        ((3, MAX_WIDTH + 5, 2), "4,101 neurons in layer 0, 5 more than the Verilog target takes"),
        ((2, MAX_WIDTH, MAX_WIDTH, MAX_WIDTH, 2), f"{2 * MAX_WIDTH**2 + 4 * MAX_WIDTH - MAX_WEIGHT_BITS:,} more than"),
    ],
)
def test_too_large(sizes, message):
    model = random_model(sizes)
    with pytest.raises(InputError, match=message):
        plan(model)


def test_needs_a_vector():
    model = random_model((3, 2))
    with pytest.raises(InputError, match="at least one golden vector"):
        write(model, Golden.of(model, np.empty((0, 3), np.uint8)), "net")


def test_verify_without_tools(tmp_path, monkeypatch):
    model, golden = corner_cases()[2]
    put(tmp_path, model, golden, "net")
    monkeypatch.setenv("PATH", str(tmp_path))

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    checks = list(TARGET.verify(tmp_path, model, golden))
    assert [check.status for check in checks] == ["passed"] + ["not run"] * 6
    assert all("install" in check.detail for check in checks[1:])


@icarus
@yosys
def test_verify_with_tools(tmp_path, monkeypatch):
    model, golden = corner_cases()[2]
    put(tmp_path, model, golden, "net")
    monkeypatch.setattr("bstdg.export.verilog.proof._verilator", lambda *_: "simulated in another test")
    checks = {check.name: check for check in TARGET.verify(tmp_path, model, golden)}
    failed = {name: check.detail for name, check in checks.items() if check.status == "failed"}
    assert not failed
    assert "12 vectors bit-exact" in checks["simulation, Icarus Verilog"].detail
    assert "fits HX1K" in checks["synthesis, Yosys, iCE40"].detail
    for synthesis in ("_generic", "_ice40"):
        monkeypatch.setattr(f"bstdg.export.verilog.proof.{synthesis}", lambda *_: "done above")
    weights = tmp_path / "net_weights_0.hex"
    weights.write_text(weights.read_text().replace("1", "6"))
    (tmp_path / "net.v").write_text((tmp_path / "net.v").read_text().replace("endmodule", "wire lost;\nendmodule"))
    checks = {check.name: check for check in TARGET.verify(tmp_path, model, golden)}
    assert checks["simulation, Icarus Verilog"].status == "failed"
    assert "differ from the oracle" in checks["simulation, Icarus Verilog"].detail
    if shutil.which("verilator") is None:
        needs.skip("verilator", more="all else was checked")
    assert checks["lint, Verilator"].status == "failed" and "lost" in checks["lint, Verilator"].detail
