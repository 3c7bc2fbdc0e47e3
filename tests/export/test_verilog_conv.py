"""The Verilog export of convolutions and poolings: simulated, it computes what the oracle computes, spike by spike."""

from __future__ import annotations

import math
import re
import subprocess

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import needs
from support.strategies import (
    INPUT_KINDS,
    SIGN_KINDS,
    THRESHOLD_KINDS,
    make_steps,
    seeds,
)
from support.verilog import (
    conv,
    full,
    model_of,
    put,
    simulate,
    simulate_all,
    skip_old_verilator,
    sliding_corners,
    sources,
    vectors_for,
    verilated,
    wrapper,
)

from bstdg.engine import oracle
from bstdg.engine.oracle import decide_one
from bstdg.errors import InputError
from bstdg.export.base import Golden
from bstdg.export.verilog import TARGET, proof, write
from bstdg.export.verilog.design import MAX_WIDTH, plan
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, size
from bstdg.layers.convolution import Convolution
from bstdg.model.packed import PackedModel
from bstdg.spikes.events import Events

icarus = needs.program("iverilog")
verilator = needs.program("verilator")
yosys = needs.program("yosys")


@st.composite
def networks(draw: st.DrawFn) -> tuple[PackedModel, Golden]:
    """One to three layers that slide, in any order, and one or two that do not."""
    rng, num_steps = draw(seeds()), draw(st.sampled_from([1, 2, 3, 5, 8]))
    reads, layers = (draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(1, 7))), []
    for _ in range(draw(st.integers(1, 3))):
        sides = reads[1:]
        if draw(st.booleans()):
            kernel = tuple(draw(st.integers(1, 4)) for _ in range(2))
            # Padding is smaller than the window, and reaches far enough for the window to fit.
            least = [max(0, -((side - window) // 2)) for side, window in zip(sides, kernel, strict=True)]
            if any(low >= window for low, window in zip(least, kernel, strict=True)):
                kernel, least = sides, [0, 0]
            padding = tuple(draw(st.integers(low, k - 1)) for low, k in zip(least, kernel, strict=True))
            stride = tuple(draw(st.integers(1, 3)) for _ in range(2))
            groups = draw(st.sampled_from([g for g in range(1, reads[0] + 1) if reads[0] % g == 0]))
            maps = groups * draw(st.sampled_from([1, 2, 3, 5]))
            kinds = draw(st.sampled_from(SIGN_KINDS)), draw(st.sampled_from(THRESHOLD_KINDS))
            layers.append(conv(rng, reads, maps, kernel, stride, padding, groups, *kinds))
        else:
            window = tuple(draw(st.integers(1, min(3, side))) for side in sides)
            stride = tuple(draw(st.integers(1, 3)) for _ in range(2))
            layers.append(Pool2dLayer(reads, window, stride, draw(st.integers(1, math.prod(window)))))
        reads = layers[-1].gives
    for width in draw(st.sampled_from([(3,), (1,), (5, 2)])):
        kinds = draw(st.sampled_from(SIGN_KINDS)), draw(st.sampled_from(THRESHOLD_KINDS))
        layers.append(full(rng, size(layers[-1].gives), width, *kinds))
    model = model_of(layers, num_steps)
    kinds = draw(st.lists(st.sampled_from(INPUT_KINDS), min_size=1, max_size=3))
    return model, vectors_for(rng, model, kinds)


def variants(name: str, _: PackedModel) -> list[tuple[str, dict[str, int]]]:
    """Every way to the end: served 1, 2, 3 or all at once, stopping or not, with pauses, leaving the rest or not."""
    return [
        (name, {"PARALLEL": 1, "EARLY_EXIT": 0, "GAPS": 1}),
        (name, {"PARALLEL": 2, "EARLY_EXIT": 0}),
        (name, {"PARALLEL": 3, "EARLY_EXIT": 1, "DRAIN": 1}),
        (name, {"PARALLEL": 1000, "EARLY_EXIT": 0}),
        (name, {"PARALLEL": 4, "EARLY_EXIT": 1, "GAPS": 1}),
    ]


@icarus
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(networks(), min_size=4, max_size=4))
def test_random_networks_under_icarus(tmp_path_factory, nets):
    simulate_all(tmp_path_factory.mktemp("verilog"), nets, variants)


@icarus
def test_corners_under_icarus(tmp_path):
    nets = sliding_corners()
    assert any(golden.silent.any() for _, golden in nets) and any((~golden.silent).any() for _, golden in nets)
    simulate_all(tmp_path, nets, variants)


@verilator
def test_corners_under_verilator(tmp_path):
    skip_old_verilator()
    nets, benches = sliding_corners()[1:5], []
    for i, (model, golden) in enumerate(nets):
        put(tmp_path, model, golden, f"net{i}")
        benches.append(variants(f"net{i}", model)[1 + i % 2])
    wrapper(tmp_path, benches)
    assert verilated(tmp_path, "everything", "-O0", "-CFLAGS", "-O0") == [(f"net{i}", 12, 0) for i in range(4)]


def at_share(layer: Layer, steps: np.ndarray, num_steps: int, share: float) -> Layer:
    """The same convolution, its thresholds such that about a share of each map fires."""
    if not isinstance(layer, Conv2dLayer):
        return layer
    most = oracle.layer_potentials(layer, steps, num_steps).max(axis=1).reshape(len(steps), layer.gives[0], -1)
    theta = np.quantile(most, 1 - share, axis=(0, 2)).astype(np.int64)
    return Conv2dLayer(layer.signs, theta, layer.convolution)


@verilator
def test_a_network_for_mnist_under_verilator(tmp_path):
    skip_old_verilator()
    rng = np.random.default_rng(3)
    layers: list[Layer] = [
        conv(rng, (1, 28, 28), 16, (5, 5)),
        Pool2dLayer((16, 24, 24), (2, 2), (2, 2)),
        conv(rng, (16, 12, 12), 32, (5, 5)),
        Pool2dLayer((32, 8, 8), (2, 2), (2, 2)),
        full(rng, 512, 128, thresholds="near"),
        full(rng, 128, 10, thresholds="near"),
    ]
    steps, num_steps = make_steps(rng, "sparse", 3, 784, 4), 4
    inputs = steps
    for at, layer in enumerate(layers[:-1]):
        layers[at] = at_share(layer, inputs, num_steps, 0.1)
        potentials = oracle.layer_potentials(layers[at], inputs, num_steps)
        inputs = oracle.crossing(potentials, layers[at].thresholds).steps
    model = model_of(layers, num_steps)
    golden = Golden.of(model, steps)
    assert model.structure == "1x28x28-16c5-pool2-32c5-pool2-128-10"
    assert all((hidden < num_steps).sum() > 30 for hidden in golden.hidden)
    put(tmp_path, model, golden, "net")
    assert verilated(tmp_path, "net_tb") == [("net", 3, 0), ("net", 3, 0)]


BREAKS = [
    ("conv", "!lead[LEAD_BITS-1] && !fired", "!lead[LEAD_BITS-1]"),  # fires more than once
    ("conv", "valid_b && address_b == address", "1'b0"),  # reads what is not yet written
    ("conv", "adding ? event_base : group_base", "group_base"),  # adds to the first group
    ("conv", "over ? {MAP_BITS{1'b0}} : map", "map"),  # names the wrong map
    ("pool", "valid_b && place_b == place", "1'b0"),
    ("pool", "count == BEFORE", "count >= BEFORE"),  # fires more than once
    ("pool", "wire stall = out_valid && !out_ready", "wire stall = 1'b0"),  # spikes lost
    ("walk", "row_inside && column_inside", "column_inside"),  # pixels that no window reaches
    ("walk", "column_tap - NEXT_COLUMN[TAP_BITS-1:0]", "column_tap"),  # another weight of the window
    ("", "wire forget = rst || finishing", "wire forget = rst"),  # begins where the last image ended
    ("locate", "!valid || out_ready", "1'b1"),  # events lost
]


@icarus
@pytest.mark.parametrize(("part", "old", "new"), BREAKS)
def test_the_bench_sees_a_broken_design(tmp_path, part, old, new):
    rng = np.random.default_rng(1)
    layers = [
        conv(rng, (2, 6, 7), 6, (2, 3), (3, 2), (0, 1), 2, thresholds="zero"),
        Pool2dLayer((6, 2, 4), (2, 2), (1, 1)),
        conv(rng, (6, 1, 3), 4, (1, 1), thresholds="zero"),
        full(rng, 12, 3),
    ]
    model = model_of(layers, 4)
    put(tmp_path, model, vectors_for(rng, model, ("random", "all at the end")), "net")
    benches = [("net", {"PARALLEL": parallel, "EARLY_EXIT": 0}) for parallel in (2, 3)]
    assert simulate(tmp_path, benches) == [("net", 4, 0)] * 2
    path = tmp_path / (f"net_{part}.v" if part else "net.v")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert any(failed for _, _, failed in simulate(tmp_path, benches))


BY_HAND = """`timescale 1ns / 1ns
module everything;
    reg clk = 0, rst = 1, start = 0, valid = 0, last = 0;
    reg [2:0] channel = 0;
    wire ready, busy, done, silent, error;
    wire decision, step;
    integer n;
    always #5 clk = !clk;
    net #(.PARALLEL(2), .MAX_PER_CHANNEL(@MOST)) dut (
        .clk(clk), .rst(rst), .start(start), .busy(busy), .in_valid(valid), .in_ready(ready), .in_end(last),
        .in_channel(channel), .done(done), .decision(decision), .decision_step(step), .silent(silent), .error(error));
    task send(input ends, input [2:0] number);
        begin
            valid = 1; last = ends; channel = number; #1;
            while (!ready) @(negedge clk) #1;
            @(negedge clk) valid = 0;
        end
    endtask
    task image(input [2:0] number, input integer events, input integer others);
        begin
            start = 1; @(negedge clk) start = 0;
            for (n = 0; n < events; n = n + 1) send(0, number);
            send(1, 0);
            for (n = 0; n < others; n = n + 1) send(0, 4);
            send(1, 0);
            while (!done) @(negedge clk);
            $display("class=%0d step=%0d silent=%0d error=%0d", decision, step, silent, error);
        end
    endtask
    initial begin
        repeat (3) @(negedge clk);
        rst = 0;
        @IMAGES
        $finish;
    end
endmodule
"""


@icarus
@pytest.mark.parametrize("most", [1, 4])
def test_repeated_events_events_that_do_not_fit_and_a_reset(tmp_path, most):
    signs = np.array([1, 1, -1, -1, 1, 1], np.int8).reshape(2, 1, 1, 3)
    hidden = Conv2dLayer(signs, np.array([3, 2]), Convolution((1, 1, 5), 2, (1, 3)))
    output = FullLayer(np.array([[1, 1, 1, -1, 1, 1], [-1, 1, 1, 1, 1, 1]], np.int8), np.array([2, 3]))
    model = model_of([hidden, output], 2)
    put(tmp_path, model, vectors_for(np.random.default_rng(0), model), "net")
    (tmp_path / "test" / "net_tb.v").unlink()
    (tmp_path / "test" / "net_bench.v").unlink()
    images = [(0, 3, 0), (1, 4, 2), (2, 0, 5), (2, 3 * most, 1), (4, 1, 3)]
    again = "start = 1; @(negedge clk) start = 0; send(0, 1); send(0, 2); send(1, 0); rst = 1; @(negedge clk) rst = 0;"
    lines = [*(f"image({c}, {n}, {m});" for c, n, m in images), "image(0, 60, 0);", "image(6, 1, 3);", again]
    text = BY_HAND.replace("@MOST", str(most)).replace("@IMAGES", " ".join([*lines, "image(1, 4, 2);"]))
    (tmp_path / "test" / "everything.v").write_text(text)
    command = ["iverilog", "-g2005", "-s", "everything", "-o", "run.vvp", *sources(tmp_path)]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    done = subprocess.run(["vvp", "-n", "run.vvp"], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    found = re.findall(r"class=(\d) step=(\d) silent=(\d) error=(\d)", done.stdout.decode())
    right = [(*decided(model, image), "0") for image in [*images, (4, 0, 3), (1, 4, 2)]]
    assert found[:5] == right[:5]
    assert found[5][3] == "1"  # the channel fires too often
    assert found[6] == (*right[5][:3], "1")  # there is no channel 6: as if it had not been
    assert found[7] == right[6]


def decided(model: PackedModel, image: tuple[int, int, int]) -> tuple[str, str, str]:
    """What the oracle makes of so many events of a channel in step 0, and of channel 4 in step 1."""
    channel, events, others = image
    channels = np.array([channel] * events + [4] * others, np.uint16)
    steps = np.array([0] * events + [1] * others, np.uint8)
    spikes = Events(np.array([0, len(channels)]), channels, steps, 5, 2)
    potentials = oracle.forward(model.layers, spikes, 2).potentials[0]
    label, step, silent, _ = decide_one(potentials, model.layers[-1].thresholds)
    return str(label), str(step), str(int(silent))


@icarus
def test_a_long_signal(tmp_path):
    rng = np.random.default_rng(2)  # of more channels than 15 bits number
    layers = [
        conv(rng, (1, 1, 40_000), 1, (1, 5), (1, 5), signs="all plus"),
        Pool2dLayer((1, 1, 8000), (1, 40), (1, 40), 2),
    ]
    model = model_of([*layers, full(rng, 200, 3)], 2)
    golden = vectors_for(rng, model, ["sparse"], batch=1)
    assert all((hidden < 2).sum() > 30 for hidden in golden.hidden)
    put(tmp_path, model, golden, "net")
    assert simulate(tmp_path, [("net", {"EARLY_EXIT": 0})]) == [("net", 1, 0)]


def test_same_bytes_for_the_same_model():
    first, second = (sliding_corners()[1] for _ in range(2))
    assert write(*first, "net") == write(*second, "net")


def test_figures_count_what_is_there():
    rng = np.random.default_rng(0)
    layers = [
        conv(rng, (3, 9, 9), 12, (3, 3), (1, 1), (1, 1), 3, thresholds="zero"),
        Pool2dLayer((12, 9, 9), (3, 3), (3, 3), 4),
        full(rng, 108, 10, thresholds="zero"),
    ]
    model = model_of(layers, 4)
    figures = write(model, vectors_for(rng, model), "net").figures
    lead, last = 5, 8  # -9 … 9 and -108 … 108 in two's complement
    assert figures["accumulator_bits"] == [lead, 3, last]
    assert figures["state_bits"] == 12 * 81 * (lead + 1) + 12 * 9 * 3 + 16 * (last + 1)
    assert figures["weight_bits"] == 12 * 9 + 1080
    assert figures["cycles_per_input_event"] == 9  # windows that a pixel lies in, four maps at once


def test_what_cannot_be_carried_is_refused_by_name():
    rng = np.random.default_rng(0)
    last = model_of([conv(rng, (1, 3, 3), 4, (3, 3))], 2)
    with pytest.raises(InputError, match=r"'verilog' cannot hold layer 0 \(4c3\) as the last: there only a fully"):
        plan(last)
    pooled = model_of([conv(rng, (1, 3, 3), 4, (2, 2)), Pool2dLayer((4, 2, 2), (2, 2), (2, 2))], 2)
    with pytest.raises(InputError, match=r"cannot hold layer 1 \(pool2\) as the last"):
        plan(pooled)
    wide = model_of([conv(rng, (1, 2, 2), MAX_WIDTH + 2, (2, 2)), full(rng, MAX_WIDTH + 2, 2)], 2)
    with pytest.raises(InputError, match="4,098 maps in layer 0, 2 more than the Verilog target takes"):
        plan(wide)


@icarus
@pytest.mark.parametrize(("most", "taken"), [(0, 1), (5, 5), (12, 12)])
def test_icarus_is_given_as_many_vectors_as_it_has_time_for_and_says_so(tmp_path, monkeypatch, most, taken):
    model, golden = sliding_corners()[2]
    put(tmp_path, model, golden, "net")
    spent = 2 * np.cumsum(proof._additions(model, golden))
    assert len(golden.steps) == 12 and (np.diff(spent) > 0).all()
    monkeypatch.setattr(proof, "ICARUS_ADDITIONS", spent[most - 1] if most else 0)
    said = proof._icarus(tmp_path, model, golden, "net", tmp_path)
    assert said.startswith(f"{taken} vectors bit-exact")
    assert ("the first of 12: it interprets, and more would take it long" in said) == (taken < 12)


@icarus
@yosys
def test_verify_with_tools(tmp_path, monkeypatch):
    model, golden = sliding_corners()[1]
    put(tmp_path, model, golden, "net")
    monkeypatch.setattr("bstdg.export.verilog.proof._verilator", lambda *_: "simulated in another test")
    checks = {check.name: check for check in TARGET.verify(tmp_path, model, golden)}
    failed = {name: check.detail for name, check in checks.items() if check.status == "failed"}
    assert not failed
    assert "12 vectors bit-exact" in checks["simulation, Icarus Verilog"].detail
    assert "fits" in checks["synthesis, Yosys, iCE40"].detail
    (tmp_path / "net_rows_0.hex").write_text((tmp_path / "net_rows_0.hex").read_text()[::-1].lstrip() + "\n")
    for synthesis in ("_generic", "_ice40", "_lint", "_slang"):
        monkeypatch.setattr(f"bstdg.export.verilog.proof.{synthesis}", lambda *_: "done above")
    checks = {check.name: check for check in TARGET.verify(tmp_path, model, golden)}
    assert checks["simulation, Icarus Verilog"].status == "failed"
