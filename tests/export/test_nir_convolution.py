"""NIR graphs of windows that slide: they compute what the oracle does, and come back as the same model."""

from __future__ import annotations

import importlib.util
import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import needs
from support.paths import GOLDEN
from support.sliding import models
from support.strategies import INPUT_KINDS, make_events, make_steps, seeds

from bstdg.cli import app
from bstdg.engine import oracle, oracle_conv
from bstdg.export import nir as target
from bstdg.export.base import Golden
from bstdg.export.nir import fidelity as nir_fidelity
from bstdg.export.nir import file as nir_file
from bstdg.export.nir import graph as nir_graph
from bstdg.export.nir import importer as nir_import
from bstdg.export.nir import interpreter as nir_interpreter
from bstdg.export.nir import once, sliding
from bstdg.inputs import EdgeCode, LatencyCode
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, Shape, size
from bstdg.layers.convolution import Convolution
from bstdg.model import packed
from bstdg.model.packed import PackedModel

nir = needs.package("nir")


def mixed_steps(rng: np.random.Generator, model: PackedModel) -> np.ndarray:
    """A batch of every kind of input."""
    kinds = (make_steps(rng, kind, 2, model.widths[0], model.num_steps) for kind in INPUT_KINDS)
    return np.concatenate(list(kinds))


def as_read(graph):
    """A graph that has been a file."""
    return nir_file.from_bytes(nir_graph.to_bytes(graph))


@given(models(), seeds())
def test_every_graph_computes_what_the_oracle_does(model, rng):
    golden = Golden.of(model, mixed_steps(rng, model))
    for variant, build in nir_graph.variants(model).items():
        graph = as_read(build(model))
        for reset in ("once",) if variant == "model" else ("once", "value", "subtract"):
            assert not target.differences(graph, variant, model, golden, reset), (variant, reset)


@given(models(wide=True))
def test_a_graph_comes_back_as_the_same_model(model):
    again = nir_import.from_graph(as_read(nir_graph.truth(model)))
    assert packed.to_bytes(again) == packed.to_bytes(model)


@given(models(wide=True), seeds(), st.sampled_from(INPUT_KINDS))
def test_the_network_itself_takes_channels_that_spike_often(model, rng, kind):
    events = make_events(rng, kind, 2, model.widths[0], model.num_steps)
    run = nir_interpreter.run(nir_graph.truth(model), oracle.spike_train(events, model.num_steps))
    trace = oracle.forward(model.layers, events, model.num_steps)
    for ours, theirs in zip(trace.hidden, run.steps, strict=False):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(trace.potentials, np.cumsum(run.currents, axis=1))


@given(models(), seeds())
def test_shared_potentials_stay_where_every_importer_agrees(model, rng):
    """Never negative, and below twice the threshold; and numbers that float32 adds exactly."""
    if once.refuses(model):
        return
    train = came_in = oracle.spike_train(nir_fidelity.with_bias(mixed_steps(rng, model), model), model.num_steps)
    for i, layer in enumerate(once.layers(model)):
        matrix = np.nan_to_num(oracle_conv.unroll(layer.weights.astype(float), layer.convolution))
        v = np.cumsum(train @ matrix.T, axis=1)
        assert 0 <= v.min() <= v.max() < 2 * (layer.ceiling - 0.5) < 2**23
        cut = nir_graph.cut(nir_graph.shared(model), nir_graph.spikes(i))
        first = nir_interpreter.run(cut, came_in).steps[-1]
        train = oracle.spike_train(first, model.num_steps)


@given(models(wide=True))
def test_graphs_that_fire_once_are_there_where_a_place_of_each_window_is_in_the_picture_for_all(model):
    there = True
    for layer in model.layers:
        if isinstance(layer, Conv2dLayer):
            seen: dict[tuple[int, int], set[int]] = {}
            for neuron, _, (_, _, i, j) in oracle_conv.synapses(layer.convolution):
                seen.setdefault((i, j), set()).add(neuron % layer.convolution.places)
            there = there and any(len(places) == layer.convolution.places for places in seen.values())
    assert there == (once.refuses(model) is None)
    assert set(nir_graph.variants(model)) == ({"model", "shared", "lif"} if there else {"model"})


@given(models(wide=True), seeds())
def test_what_windows_bring_is_what_their_matrix_does(model, rng):
    for layer in model.layers:
        if isinstance(layer, FullLayer):
            continue
        weights = rng.normal(size=layer.convolution.weights)
        spikes = rng.integers(0, 3, (3, size(layer.reads))).astype(float)
        matrix = np.nan_to_num(oracle_conv.unroll(weights, layer.convolution))
        np.testing.assert_allclose(sliding.currents(spikes, weights, layer.convolution), spikes @ matrix.T, atol=1e-9)


# What the files say


def conv(
    rng: np.random.Generator,
    reads: Shape,
    maps: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    groups: int = 1,
    low: int = 1,
) -> Conv2dLayer:
    window = Convolution(reads, maps, kernel, stride, padding, groups)
    signs = rng.choice([-1, 1], window.weights).astype(np.int8)
    return Conv2dLayer(signs, rng.integers(low, 5, maps), window)


def full(rng: np.random.Generator, reads: Shape, neurons: int) -> FullLayer:
    signs = rng.choice([-1, 1], (neurons, size(reads))).astype(np.int8)
    return FullLayer(signs, rng.integers(0, 4, neurons), reads)


def model_of(*layers: Layer, num_steps: int = 6) -> PackedModel:
    names = tuple(f"class {i}" for i in range(size(layers[-1].gives)))
    return PackedModel(LatencyCode(layers[0].reads), layers, num_steps, names)


def grown() -> PackedModel:
    """Strides, padding, rectangular kernels, poolings by the first and the second spike, and two full layers."""
    rng = np.random.default_rng(5)
    first = conv(rng, (2, 9, 8), 6, (3, 2), (2, 1), (1, 0), 2)
    pool = Pool2dLayer(first.gives, (2, 2), (1, 2), 2)
    second = conv(rng, pool.gives, 4, (2, 2), padding=(0, 0))
    hidden = full(rng, second.gives, 7)
    return model_of(first, pool, second, hidden, full(rng, hidden.gives, 3))


def wide() -> PackedModel:
    """Padding of two pixels around kernels of three: no pixel of a window is in the picture for every neuron."""
    rng = np.random.default_rng(6)
    first = conv(rng, (1, 4, 4), 3, (3, 3), padding=(2, 2))
    return model_of(first, full(rng, first.gives, 3))


def test_the_network_itself_is_written_as_the_field_writes_it():
    model = grown()
    nodes = as_read(nir_graph.truth(model)).nodes
    kinds = [type(node).__name__ for node in nodes.values()]
    order = {
        "input",
        "output",
        *(f"layer{i}_{what}" for i in range(5) for what in ("current", "spikes")),
        "layer3_flat",
    }
    assert set(nodes) == order and sorted(kinds) == sorted(
        ["Input", "Output", "Flatten", "Linear", "Linear", "Conv2d", "Conv2d", "SumPool2d", *["IF"] * 5]
    )
    first, pool = nodes["layer0_current"], nodes["layer1_current"]
    assert set(np.unique(first.weight)) == {-1.0, 1.0} and first.weight.shape == (6, 1, 3, 2)
    assert (tuple(first.stride), tuple(first.padding), int(first.groups)) == ((2, 1), (1, 0), 2)
    assert tuple(first.input_shape) == (9, 8) and not first.bias.any() and tuple(first.dilation) == (1, 1)
    assert (tuple(pool.kernel_size), tuple(pool.stride), tuple(pool.padding)) == ((2, 2), (1, 2), (0, 0))
    assert nodes["layer1_spikes"].v_threshold.shape == model.layers[1].gives
    assert (nodes["layer1_spikes"].v_threshold == 1.5).all()
    assert tuple(nodes["input"].input_type["input"]) == (2, 9, 8)


def test_graphs_that_fire_once_hold_convolutions_alone():
    model = grown()
    for build in (nir_graph.shared, nir_graph.leakless):
        nodes = as_read(build(model)).nodes
        weights = [nodes[nir_graph.current(i)] for i in range(5)]
        assert all(isinstance(node, nir.Conv2d) and node.groups == 1 and not node.bias.any() for node in weights)
        assert tuple(nodes["input"].input_type["input"]) == (3, 9, 8)
        for i in range(5):
            thresholds = nodes[nir_graph.spikes(i)].v_threshold
            assert len(np.unique(thresholds)) == 1 and len(thresholds) == model.layers[i].gives[0] + (i < 4)


def test_square_windows_without_groups_pass_the_checks_of_nir_itself(tmp_path):
    rng = np.random.default_rng(1)
    first = conv(rng, (1, 8, 8), 4, (3, 3), (1, 1), (1, 1))
    pool = Pool2dLayer(first.gives, (2, 2), (2, 2))
    model = model_of(first, pool, full(rng, pool.gives, 3))
    for variant, build in nir_graph.VARIANTS.items():
        (tmp_path / variant).write_bytes(nir_graph.to_bytes(build(model)))
        assert nir.read(tmp_path / variant).check_types()


def test_many_maps_that_look_at_themselves_alone_are_no_small_file_of_many_zeros():
    for layer in (
        Pool2dLayer((3000, 2, 2), (2, 2), (2, 2)),
        conv(np.random.default_rng(0), (20_000, 1, 1), 20_000, (1, 1), groups=20_000),
    ):
        model = model_of(layer, full(np.random.default_rng(1), layer.gives, 2))
        assert "looks at few maps at a time" in once.refuses(model) and set(nir_graph.variants(model)) == {"model"}
    pool = Pool2dLayer((500, 2, 2), (2, 2), (2, 2))
    model = model_of(pool, full(np.random.default_rng(1), pool.gives, 2))
    for build in nir_graph.variants(model).values():
        as_read(build(model))
    assert once.refuses(model) is None


def test_a_network_that_ends_in_maps_is_decided_too():
    rng = np.random.default_rng(2)
    first = conv(rng, (1, 6, 6), 4, (3, 3))
    for last in (Pool2dLayer(first.gives, (4, 4), (4, 4), 3), conv(rng, first.gives, 5, (4, 4), low=0)):
        model = model_of(first, last)
        golden = Golden.of(model, mixed_steps(rng, model))
        for variant, build in nir_graph.VARIANTS.items():
            assert not target.differences(as_read(build(model)), variant, model, golden, "once")
        again = nir_import.from_graph(as_read(nir_graph.truth(model)))
        assert packed.to_bytes(again) == packed.to_bytes(model)


# The commands


def test_export_verify_and_import_on_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(nir_fidelity, "LIBRARIES", ())
    monkeypatch.delenv("BSTDG_DATA", raising=False)
    for name, model, files in (("grown", grown(), 3), ("wide", wide(), 1)):
        out, size_of = tmp_path / name, packed.save(model, tmp_path / f"{name}.bstdg")
        assert app(["export", "nir", str(tmp_path / f"{name}.bstdg"), "--out", str(out)], standalone_mode=False) == 0
        assert len(list(out.glob("*.nir"))) == files
        assert app(["verify", str(out)], standalone_mode=False) == 0
        said = capsys.readouterr().out
        assert ("layer 0 (3c3p2) pads its windows of 3 x 3 by 2 x 2" in said) == (name == "wide")
        figures = json.loads((out / "manifest.json").read_text())["figures"]
        assert ("left_out" in figures) == (name == "wide")
        assert figures["nodes"] == len(nir_graph.truth(model).nodes)
        command = ["import", str(out / "model.nir"), "--out", str(tmp_path / f"{name}2.bstdg")]
        assert app(command, standalone_mode=False) == 0
        assert model.structure in capsys.readouterr().out
        assert (tmp_path / f"{name}2.bstdg").stat().st_size == size_of
        assert (tmp_path / f"{name}2.bstdg").read_bytes() == (tmp_path / f"{name}.bstdg").read_bytes()


def test_verify_sees_other_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(nir_fidelity, "LIBRARIES", ())
    model = packed.load(GOLDEN / "model-convolution-v2.bstdg")
    golden = Golden.of(model, mixed_steps(np.random.default_rng(0), model))
    for name, data in target.write(model, golden, "network").files.items():
        (tmp_path / name).write_bytes(data)
    assert all(check.status == "passed" for check in target.verify(tmp_path, model, golden))
    for variant, build in nir_graph.VARIANTS.items():
        good, graph = (tmp_path / f"{variant}.nir").read_bytes(), build(model)
        graph.nodes["layer0_current"].weight[0, 0, 1, 1] *= -1
        graph.nodes["layer0_current"].weight[0, 0, 0, 1] -= 2
        (tmp_path / f"{variant}.nir").write_bytes(nir_graph.to_bytes(graph))
        failed = [check.name for check in target.verify(tmp_path, model, golden) if check.status == "failed"]
        assert failed and all(name.startswith(variant) for name in failed)
        (tmp_path / f"{variant}.nir").write_bytes(good)


def test_edge_maps_are_left_to_whoever_feeds_the_network(tmp_path):
    rng = np.random.default_rng(4)
    code = EdgeCode((1, 8, 8), 2)
    first = conv(rng, code.gives, 4, (3, 3))
    last = full(rng, first.gives, 2)
    model = PackedModel(code, (first, last), 5, ("a", "b"))
    again = nir_import.from_graph(as_read(nir_graph.truth(packed.network_alone(model))))
    assert again.input == LatencyCode(code.gives, code.white) and again.structure == model.structure


# Other libraries

NETWORKS = {
    "all there is": grown,
    "one step": lambda: packed_with(grown(), 1),
    "a signal": lambda: model_of(
        first := conv(np.random.default_rng(7), (2, 1, 12), 4, (1, 5), (1, 2), (0, 2)),
        Pool2dLayer(first.gives, (1, 2), (1, 2)),
        full(np.random.default_rng(8), (4, 1, 3), 3),
    ),
    "it ends in maps": lambda: model_of(
        conv(np.random.default_rng(9), (1, 5, 5), 3, (3, 3), (2, 2), (1, 1)), num_steps=3
    ),
}


def packed_with(model: PackedModel, num_steps: int) -> PackedModel:
    return PackedModel(model.input, model.layers, num_steps, model.classes)


@pytest.mark.parametrize("library", nir_fidelity.LIBRARIES, ids=lambda library: library.name)
def test_installed_libraries_run_the_graph_meant_for_them_exactly(library, tmp_path):
    if nir_fidelity.python_of(library) == sys.executable and importlib.util.find_spec(library.name) is None:
        needs.skip(library.name, more=f"here, or where BSTDG_{library.name.upper()}_PYTHON says")
    for name, make in NETWORKS.items():
        model = make()
        golden = Golden.of(model, mixed_steps(np.random.default_rng(3), model))
        assert math.prod(model.input.gives) == golden.steps.shape[1]
        for file, data in target.write(model, golden, "network").files.items():
            (tmp_path / file).write_bytes(data)
        found = nir_fidelity.examine(tmp_path, model, golden, library)
        verdict = next(f for f in found if f.file == library.file)
        assert verdict.verdict == "exact", (name, verdict)
        assert verdict.again == 0
