"""The Verilog export of convolutions and poolings: simulated, it computes what the oracle computes, spike by spike."""

from __future__ import annotations

import math
import re
import subprocess
from pathlib import Path

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
    make_steps,
    make_thresholds,
    reading,
    seeds,
)
from support.verilog import put, reports, simulate, skip_old_verilator, sources, wrapper

from bstdg.errors import InputError
from bstdg.export.base import Golden
from bstdg.export.verilog import proof
from bstdg.export.verilog.design import MAX_WIDTH, plan
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, size
from bstdg.layers.convolution import Convolution
from bstdg.model.packed import PackedModel

icarus = needs.program("iverilog")
verilator = needs.program("verilator")
yosys = needs.program("yosys")


def conv(rng, reads, maps, kernel, stride=(1, 1), padding=(0, 0), groups=1, signs="random", thresholds="near"):
    convolution = Convolution(reads, maps, kernel, stride, padding, groups)
    below = math.prod(convolution.weights[1:])
    theta = np.clip(make_thresholds(rng, thresholds, maps, below), -GREATEST, GREATEST)
    return Conv2dLayer(make_signs(rng, signs, maps, below).reshape(convolution.weights), theta, convolution)


def full(rng, below, above, signs="random", thresholds="near"):
    theta = np.clip(make_thresholds(rng, thresholds, above, below), -GREATEST, GREATEST)
    return FullLayer(make_signs(rng, signs, above, below), theta)


def model_of(layers: list[Layer], num_steps: int) -> PackedModel:
    classes = tuple(map(str, range(size(layers[-1].gives))))
    return PackedModel(reading(layers[0].reads), tuple(layers), num_steps, classes)


def vectors_for(rng, model: PackedModel, kinds=INPUT_KINDS, batch=2) -> Golden:
    channels, num_steps = model.widths[0], model.num_steps
    return Golden.of(model, np.concatenate([make_steps(rng, kind, batch, channels, num_steps) for kind in kinds]))


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


def variants(name: str) -> list[tuple[str, dict[str, int]]]:
    """Every way to the end: served 1, 2, 3 or all at once, stopping or not, with pauses, leaving the rest or not."""
    return [
        (name, {"PARALLEL": 1, "EARLY_EXIT": 0, "GAPS": 1}),
        (name, {"PARALLEL": 2, "EARLY_EXIT": 0}),
        (name, {"PARALLEL": 3, "EARLY_EXIT": 1, "DRAIN": 1}),
        (name, {"PARALLEL": 1000, "EARLY_EXIT": 0}),
        (name, {"PARALLEL": 4, "EARLY_EXIT": 1, "GAPS": 1}),
    ]


def simulate_all(folder: Path, nets: list[tuple[PackedModel, Golden]]) -> None:
    benches, expected = [], []
    for i, (model, golden) in enumerate(nets):
        put(folder, model, golden, f"net{i}")
        benches += variants(f"net{i}")
        expected += [(f"net{i}", len(golden.steps), 0)] * len(variants(f"net{i}"))
    assert sorted(simulate(folder, benches)) == sorted(expected)


@icarus
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(networks(), min_size=4, max_size=4))
def test_random_networks_under_icarus(tmp_path_factory, nets):
    simulate_all(tmp_path_factory.mktemp("verilog"), nets)


def corner_cases() -> list[tuple[PackedModel, Golden]]:
    rng = np.random.default_rng(5)
    chains: list[tuple[int, list[Layer]]] = [
        (1, [conv(rng, (1, 1, 1), 1, (1, 1))]),  # one of everything
        (4, [conv(rng, (2, 6, 5), 5, (3, 2), (1, 1), (2, 1)), Pool2dLayer((5, 8, 6), (2, 2), (2, 2), 2)]),
        (3, [conv(rng, (1, 1, 9), 4, (1, 3), (1, 2)), conv(rng, (4, 1, 4), 6, (1, 2), groups=2)]),  # a signal
        (5, [Pool2dLayer((3, 5, 5), (3, 3), (1, 1), 4), Pool2dLayer((3, 3, 3), (2, 2), (1, 1)), conv(rng, (3, 2, 2), 3, (2, 2))]),
        (4, [conv(rng, (4, 5, 5), 8, (3, 3), (1, 1), (1, 1), 4), Pool2dLayer((8, 5, 5), (2, 2), (3, 3))]),
        (4, [conv(rng, (1, 7, 7), 3, (2, 2), (3, 3)), conv(rng, (3, 2, 2), 7, (1, 1))]),  # pixels in no window
        (3, [conv(rng, (2, 4, 4), 3, (3, 3), thresholds="unreachable"), conv(rng, (3, 2, 2), 2, (2, 2), thresholds="negative")]),
        (6, [conv(rng, (2, 4, 4), 3, (4, 4), (1, 1), (3, 3), signs="all plus", thresholds="extreme")]),
        (254, [conv(rng, (1, 3, 3), 2, (2, 2)), Pool2dLayer((2, 2, 2), (2, 2), (2, 2), 3)]),
    ]
    nets = []
    for num_steps, layers in chains:
        model = model_of([*layers, full(rng, size(layers[-1].gives), 4)], num_steps)
        nets.append((model, vectors_for(rng, model)))
    return nets


@icarus
def test_corners_under_icarus(tmp_path):
    nets = corner_cases()
    assert any(golden.silent.any() for _, golden in nets) and any((~golden.silent).any() for _, golden in nets)
    simulate_all(tmp_path, nets)
