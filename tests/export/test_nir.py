"""NIR: the graphs compute what the oracle does, come back as the same model, and nothing else is let in."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import needs
from support.strategies import (
    INPUT_KINDS,
    cases,
    make_steps,
    networks,
    random_model,
    reading,
    seeds,
    step_numbers,
)

from bstdg.cli import app
from bstdg.engine import oracle
from bstdg.errors import BstdgWarning, FileFormatError, InputError
from bstdg.export import nir as target
from bstdg.export.base import Golden
from bstdg.export.nir import fidelity as nir_fidelity
from bstdg.export.nir import file as nir_file
from bstdg.export.nir import graph as nir_graph
from bstdg.export.nir import importer as nir_import
from bstdg.export.nir import interpreter as nir_interpreter
from bstdg.export.nir import once
from bstdg.inputs.coding import InputCoding
from bstdg.layers import FullLayer
from bstdg.model import packed
from bstdg.model.packed import PackedModel

nir = needs.package("nir")
h5py = needs.package("h5py")


def model_of(layers: tuple[FullLayer, ...], num_steps: int) -> PackedModel:
    names = tuple(f"class {i}" for i in range(len(layers[-1].signs)))
    width = layers[0].signs.shape[1]
    least = -(2**31) + 1  # of a model file
    layers = tuple(FullLayer(layer.signs, np.maximum(layer.thresholds, least)) for layer in layers)
    return PackedModel(reading((width,)), layers, num_steps, names, {"data": "é", "figures": [0.5, None]})


def exported(model: PackedModel, steps: np.ndarray, folder) -> Golden:
    golden = Golden.of(model, steps)
    for name, data in target.write(model, golden, "network").files.items():
        (folder / name).write_bytes(data)
    return golden


def mixed_steps(rng: np.random.Generator, channels: int, num_steps: int) -> np.ndarray:
    """A batch of every kind of input."""
    return np.concatenate([make_steps(rng, kind, 2, channels, num_steps) for kind in INPUT_KINDS])


@given(networks(), step_numbers(), seeds())
def test_every_graph_computes_what_the_oracle_does(layers, num_steps, rng):
    model = model_of(layers, num_steps)
    golden = Golden.of(model, mixed_steps(rng, layers[0].signs.shape[1], num_steps))
    for variant, build in nir_graph.VARIANTS.items():
        graph = nir_file.from_bytes(nir_graph.to_bytes(build(model)))
        for reset in ("once",) if variant == "model" else ("once", "value", "subtract"):
            assert not target.differences(graph, variant, model, golden, reset), (variant, reset)


@given(networks(), step_numbers())
def test_a_graph_comes_back_as_the_same_model(layers, num_steps):
    model = model_of(layers, num_steps)
    again = nir_import.from_graph(nir_file.from_bytes(nir_graph.to_bytes(nir_graph.truth(model))))
    assert packed.to_bytes(again) == packed.to_bytes(model)


@given(cases())
def test_the_network_itself_takes_channels_that_spike_often(case):
    """Only shared and lif need single spikes at the input."""
    model = model_of(case.layers, case.num_steps)
    run = nir_interpreter.run(nir_graph.truth(model), oracle.spike_train(case.spikes, case.num_steps))
    trace = oracle.forward(model.layers, case.spikes, case.num_steps)
    for ours, theirs in zip(trace.hidden, run.steps, strict=False):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(trace.potentials, np.cumsum(run.currents, axis=1))


def one_neuron(threshold: int = 1, channels: int = 3) -> PackedModel:
    return model_of((FullLayer(np.ones((1, channels), np.int8), np.array([threshold])),), 4)


def test_the_network_itself_relies_on_firing_once_and_the_others_do_not():
    model, steps = one_neuron(), np.array([[0, 1, 4]], np.uint8)  # one spike lifts v over the threshold, twice
    plain = oracle.spike_train(steps, 4)
    biased = oracle.spike_train(nir_fidelity.with_bias(steps, model), 4)
    assert nir_interpreter.run(nir_graph.truth(model), plain, reset="value").counts[0].item() == 2
    assert nir_interpreter.run(nir_graph.truth(model), plain).counts[0].item() == 1
    for reset in ("value", "subtract"):
        assert nir_interpreter.run(nir_graph.shared(model), biased, reset=reset).counts[0].item() == 1


@given(networks(), step_numbers(), seeds())
def test_shared_potentials_stay_where_every_importer_agrees(layers, num_steps, rng):
    """Never negative, and below twice the threshold: no clamp is met, and no spike counts double."""
    model = model_of(layers, num_steps)
    steps = nir_fidelity.with_bias(mixed_steps(rng, layers[0].signs.shape[1], num_steps), model)
    train = oracle.spike_train(steps, num_steps)
    for i, layer in enumerate(once.layers(model)):
        v = np.cumsum(train @ layer.weights[:, :, 0, 0].T, axis=1)
        assert 0 <= v.min() <= v.max() < 2 * (layer.ceiling - 0.5)
        cut = nir_graph.cut(nir_graph.shared(model), nir_graph.spikes(i))
        first = nir_interpreter.run(cut, oracle.spike_train(steps, num_steps)).steps[-1]
        train = oracle.spike_train(first, num_steps)


def test_the_same_model_gives_the_same_bytes_in_every_process(tmp_path):
    model = random_model((20, 7, 3), trained={"b": 1, "a": [2, {"d": 3, "c": 4}]})
    packed.save(model, tmp_path / "m.bstdg")
    program = """
import hashlib, sys
from bstdg.model import packed
from bstdg.export.nir import graph as nir_graph
model = packed.load(sys.argv[1])
print(*(hashlib.sha256(nir_graph.to_bytes(build(model))).hexdigest() for build in nir_graph.VARIANTS.values()))
assert "torch" not in sys.modules
"""
    seen = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", program, str(tmp_path / "m.bstdg")]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        seen.add(done.stdout)
    assert len(seen) == 1 and len(set(seen.pop().split())) == 3


def test_the_file_says_what_the_network_means():
    model = random_model((6, 4, 3), num_steps=5)
    for variant, build in nir_graph.VARIANTS.items():
        said = nir.read(io.BytesIO(nir_graph.to_bytes(build(model)))).metadata
        assert said["variant"] == variant and said["fires"] == "at most once"
        assert "V >= threshold" in said["semantics"] and '"num_steps": 5' in said["config"]
        assert all(name in said["config"] for name in model.classes)


def test_extreme_thresholds_are_exact_in_the_file():
    least, greatest = -(2**31) + 1, 2**31 - 1
    layer = FullLayer(np.ones((4, 2), np.int8), np.array([least, greatest, 2**22 - 1, 0]))
    graph = nir_file.from_bytes(nir_graph.to_bytes(nir_graph.truth(model_of((layer,), 3))))
    assert graph.nodes["layer0_spikes"].v_threshold.tolist() == [least - 0.5, greatest - 0.5, 2**22 - 1.5, -0.5]


# Graphs of others


def foreign(weights, thresholds, *, r=1.0, v_reset=-1e9, neuron=None, bias=None, second=None):
    """A graph that says nothing of us; by default its neurons cannot fire twice."""
    w = np.asarray(weights, np.float64)
    theta = np.broadcast_to(np.asarray(thresholds, np.float64), len(w)).copy()
    fires = neuron or nir.IF(r=np.full(len(w), float(r)), v_threshold=theta, v_reset=np.full(len(w), float(v_reset)))
    first = nir.Linear(w) if bias is None else nir.Affine(w, np.asarray(bias, np.float64))
    return nir.NIRGraph.from_list(first, fires, *(second or ()))


@given(
    st.integers(1, 6),
    st.integers(1, 5),
    seeds(),
    st.sampled_from([1.0, 0.25, 0.1, 3.0, 1e-3]),
    st.sampled_from([1.0, 0.5, 0.3, 1e4]),
)
def test_scaled_weights_become_the_integer_thresholds_of_exact_arithmetic(channels, neurons, rng, scale, r):
    signs = rng.choice([-1.0, 1.0], (neurons, channels))
    thresholds = rng.choice([-2.0, 0.0, 0.5, 1.0, 2.0, 3.3], neurons) * scale * r
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of thresholds that are whole numbers of weights
        model = nir_import.from_graph(foreign(signs * scale, thresholds, r=r), 4, dt=1.0)
    np.testing.assert_array_equal(model.layers[0].signs, signs)
    unit = Fraction(scale) * Fraction(r)
    for theta, v_threshold in zip(model.layers[0].thresholds.tolist(), thresholds.tolist(), strict=True):
        assert unit * theta > Fraction(v_threshold) >= unit * (theta - 1)


def test_nir_fires_above_its_threshold_and_not_at_it():
    graph = foreign(np.ones((2, 3)), [2.0, 2.5])
    with pytest.warns(
        BstdgWarning, match=r"^1 of 2 neurons have a threshold .* \(layer 0, node 'linear', neuron 0: 2\)"
    ):
        model = nir_import.from_graph(graph, 4)
    assert model.layers[0].thresholds.tolist() == [3, 3]
    assert model.num_steps == 4 and model.widths == (3, 2) and model.classes == ("0", "1")
    at = nir_import.from_graph(graph, 4, at_threshold=True)
    assert at.layers[0].thresholds.tolist() == [2, 3]
    with pytest.raises(InputError, match=r"--at-threshold changes nothing"):
        nir_import.from_graph(foreign(np.ones((2, 3)), [2.4, 2.5]), 4, at_threshold=True)


LIF = {key: np.ones(2) for key in ("tau", "r", "v_leak", "v_threshold")}
ONES = np.ones((2, 3))
REFUSED = {
    "a neuron that leaks": (lambda: foreign(ONES, 1, neuron=nir.LIF(**LIF)), "LIF node that leaks"),
    "another neuron": (lambda: foreign(ONES, 1, neuron=nir.Threshold(np.ones(2))), "Threshold node"),
    "real weights": (
        lambda: foreign([[1, -1, 0.5], [1, 1, 1]], 1),
        r"\(node 'linear'\) is not binary: neuron 0 .*-1, 0.5, 1",
    ),
    "a weight of zero": (lambda: foreign([[1, -1, 1], [0, 0, 0]], 1), "is not binary: neuron 1"),
    "a weight that is no number": (lambda: foreign(np.full((2, 3), np.nan), 1), "not binary"),
    "an infinite weight": (lambda: foreign(np.full((2, 3), np.inf), 1), "not binary"),
    "a bias": (lambda: foreign(ONES, 1, bias=[0, 1]), r"layer 0 \(node 'affine'\) has a bias"),
    "a threshold that is no number": (lambda: foreign(ONES, np.nan), "no finite number"),
    "a threshold beyond 32 bits": (lambda: foreign(ONES * 1e-9, 3), "neuron 0: its threshold is 3e.09 weights"),
    "a negative resistance": (lambda: foreign(ONES, 1, r=-1), r"node 'if' does not say .* \(r = -1\)"),
    "a reset that lets it fire again": (lambda: foreign(ONES, 1, v_reset=0), "may fire again .* --first-spikes"),
    "weights without neurons": (lambda: nir.NIRGraph.from_list(nir.Linear(ONES)), "alternate"),
    "neurons first": (
        lambda: nir.NIRGraph.from_list(nir.IF(r=np.ones(3), v_threshold=np.ones(3)), nir.Linear(ONES)),
        r"weights are Linear, Affine, .* or AvgPool2d here",
    ),
    "nothing": (lambda: nir.NIRGraph.from_list(nir.Input(np.array([2])), nir.Output(np.array([2]))), "no neurons"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_graphs_that_do_not_fit_are_refused_with_the_reason(name):
    make, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        nir_import.from_graph(make(), 4)


def graph_of(edges, *more):
    nodes = {
        "input": nir.Input(np.array([2])),
        "w": nir.Linear(np.ones((2, 2))),
        "back": nir.Linear(np.ones((2, 2))),
        "s": nir.IF(r=np.ones(2), v_threshold=np.ones(2)),
        "output": nir.Output(np.array([2])),
        **{f"output{i}": node for i, node in enumerate(more)},
    }
    return nir.NIRGraph(nodes, edges, type_check=False)


def test_recurrent_and_branching_graphs_are_refused():
    chain = [("input", "w"), ("w", "s"), ("s", "output")]
    for edges, message in (
        ([*chain, ("s", "back"), ("back", "s")], "branches, joins or is recurrent"),
        ([*chain, ("back", "back")], "no chain"),
        ([*chain[:2], ("s", "input")], "no chain"),
        (chain, "no chain"),
        ([], "no chain"),
    ):
        with pytest.raises(InputError, match=message):
            nir_import.from_graph(graph_of(edges), 4)
    with pytest.raises(InputError, match="1 Input and 2 Output"):
        nir_import.from_graph(graph_of(chain, nir.Output(np.array([2]))), 4)


def test_first_spikes_steps_and_step_length_can_be_given():
    graph = foreign(ONES, 2.5, r=1e4, v_reset=0)
    with pytest.raises(InputError, match="how many steps"):
        nir_import.from_graph(graph, first_spikes=True)
    model = nir_import.from_graph(graph, 7, dt=1e-4, first_spikes=True)
    assert model.num_steps == 7 and model.layers[0].thresholds.tolist() == [3, 3]
    with pytest.raises(InputError, match="dt"):
        nir_import.from_graph(graph, 7, dt=0.0, first_spikes=True)


def test_the_other_graphs_point_to_the_one_to_import():
    for build in (nir_graph.shared, nir_graph.leakless):
        with pytest.raises(InputError, match=r"import model\.nir"):
            nir_import.from_graph(build(one_neuron()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "2"}, "reads version 1: upgrade"),
        ({"config": "{"}, "no JSON table"),
        ({"config": "[]"}, "no JSON table"),
        ({"config": '{"num_steps": 4, "image_shape": 3}'}, "its image_shape is no list of whole numbers"),
        ({"config": '{"num_steps": 4, "image_shape": [3], "white": "x"}'}, "white"),
        ({"config": '{"num_steps": 4, "image_shape": [5]}'}, "layer 0 reads"),
        ({"config": '{"num_steps": 0}'}, "num_steps"),
    ],
)
def test_damaged_metadata_is_refused(change, message):
    graph = nir_graph.truth(one_neuron())
    graph.metadata.update(change)
    with pytest.raises(InputError, match=message):
        nir_import.from_graph(graph)


# Files of unknown origin


@pytest.fixture(scope="module")
def small() -> bytes:
    return nir_graph.to_bytes(nir_graph.truth(random_model((5, 3, 2))))


def test_cut_and_altered_files_are_refused_or_read_whole(small):
    rng = np.random.default_rng(0)
    for end in [*range(0, 64, 7), *rng.integers(64, len(small), 30)]:
        with pytest.raises(FileFormatError):
            nir_file.from_bytes(small[:end])
    for at in rng.integers(0, len(small), 150):
        altered = bytearray(small)
        altered[at] ^= 1 << int(rng.integers(8))
        try:
            nir_import.from_graph(nir_file.from_bytes(bytes(altered)))
        except (FileFormatError, InputError) as error:
            assert "\n" not in str(error)


def hdf5(build) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as group:
        group["version"] = "1.0.8"
        build(group)
    return file.getvalue()


def deep(group):
    for _ in range(20):
        group = group.create_group("node")


def virtual(group):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (4,))
    group.create_virtual_dataset("node", layout)


HOSTILE = {
    "link to another file": (lambda g: g.__setitem__("node", h5py.ExternalLink("/etc/x", "/")), "link 'node'"),
    "soft link": (lambda g: g.__setitem__("node", h5py.SoftLink("/version")), "link 'node'"),
    "itself": (lambda g: g.__setitem__("node", g), "deeper"),
    "too deep": (deep, "deeper"),
    "data elsewhere": (
        lambda g: g.create_dataset("node", (4,), "u1", external=[("/etc/hostname", 0, 4)]),
        "other files",
    ),
    "virtual data": (virtual, "other files"),
    "too large": (lambda g: g.create_dataset("node", (2**40,), "f4", chunks=(1024,), compression="gzip"), "promises"),
    "too many": (lambda g: [g.create_group(str(i)) for i in range(10_001)], "more than 10000"),
    "no graph": (lambda g: None, "no readable NIR graph"),
    "no type": (lambda g: g.create_group("node"), "no readable NIR graph"),
    "an unknown type": (lambda g: g.create_group("node").__setitem__("type", "Quantum"), "no readable NIR graph"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_line(name):
    build, message = HOSTILE[name]
    with pytest.raises(FileFormatError, match=message) as caught:
        nir_file.from_bytes(hdf5(build), "theirs.nir")
    assert str(caught.value).startswith("theirs.nir") and "\n" not in str(caught.value)


def test_files_that_are_no_nir_at_all(tmp_path):
    (tmp_path / "text.nir").write_text("hello")
    with pytest.raises(FileFormatError, match="no NIR file"):
        nir_file.read(tmp_path / "text.nir")
    packed.save(one_neuron(), tmp_path / "model.bstdg")
    with pytest.raises(FileFormatError, match="bstdg model already"):
        nir_file.read(tmp_path / "model.bstdg")
    with pytest.raises(FileFormatError, match="is a folder"):
        nir_file.read(tmp_path)
    nir.write(tmp_path / "node.nir", nir.Linear(ONES))
    with pytest.raises(FileFormatError, match="no readable NIR graph"):
        nir_file.read(tmp_path / "node.nir")


# The command


def test_import_on_the_command_line(tmp_path, capsys):
    model = random_model((6, 4, 3))
    (tmp_path / "model.nir").write_bytes(nir_graph.to_bytes(nir_graph.truth(model)))
    command = ["import", str(tmp_path / "model.nir"), "--out", str(tmp_path / "m.bstdg")]
    assert app(command, standalone_mode=False) == 0
    assert "6-4-3, T = 8" in capsys.readouterr().out
    assert packed.to_bytes(packed.load(tmp_path / "m.bstdg")) == packed.to_bytes(model)
    assert app(command, standalone_mode=False) == 2
    assert "--force" in capsys.readouterr().err
    assert app([*command, "--force"], standalone_mode=False) == 0
    nir.write(tmp_path / "theirs.nir", foreign(ONES, 1.5))
    command = ["import", str(tmp_path / "theirs.nir"), "--out", str(tmp_path / "t.bstdg")]
    assert app(command, standalone_mode=False) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert app([*command, "--steps", "5"], standalone_mode=False) == 0


# The proof


def test_verify_proves_an_export_and_sees_an_altered_one(tmp_path, monkeypatch):
    monkeypatch.setattr(nir_fidelity, "LIBRARIES", nir_fidelity.LIBRARIES[:0])
    model = random_model((9, 6, 4), threshold=3)
    golden = exported(model, make_steps(np.random.default_rng(0), "random", 40, 9, 8), tmp_path)
    checks = list(target.verify(tmp_path, model, golden))
    assert len(checks) == 6 and all(check.status == "passed" for check in checks)
    assert (tmp_path / "fidelity.json").exists() and (tmp_path / "fidelity.md").exists()

    other = random_model((9, 6, 4), threshold=3, seed=1)
    for variant, build in nir_graph.VARIANTS.items():
        good = (tmp_path / f"{variant}.nir").read_bytes()
        (tmp_path / f"{variant}.nir").write_bytes(nir_graph.to_bytes(build(other)))
        failed = [check for check in target.verify(tmp_path, model, golden) if check.status == "failed"]
        assert failed and all(check.name.startswith(variant) for check in failed)
        (tmp_path / f"{variant}.nir").write_bytes(good[:100])
        failed = [check for check in target.verify(tmp_path, model, golden) if check.status == "failed"]
        assert failed and all(check.name.startswith(variant) for check in failed)
        (tmp_path / f"{variant}.nir").write_bytes(good)


def perfect_answer(model: PackedModel, golden: Golden):
    steps = [hidden.astype(np.int64) for hidden in golden.hidden]
    potentials = nir_fidelity.output_potentials(model, golden)
    steps.append(oracle.crossing(potentials, model.layers[-1].thresholds).steps.astype(np.int64))
    return steps, potentials.astype(np.float64)


def test_a_library_is_exact_only_where_everything_agrees():
    model = random_model((9, 6, 4), threshold=3)
    golden = Golden.of(model, make_steps(np.random.default_rng(0), "random", 50, 9, 8))
    about = nir_fidelity.Finding("theirs", "1", "model", "exact")
    library = nir_fidelity.Library("theirs", "model", 0, {"model": "a remark"})

    def verdict(steps, potentials):
        return nir_fidelity.compare(model, golden, steps, potentials, 0, about, library)

    assert verdict(*perfect_answer(model, golden)).verdict == "exact"
    steps, potentials = perfect_answer(model, golden)
    steps[0][3, 2] = (steps[0][3, 2] + 1) % 8
    found = verdict(steps, potentials)
    assert found.verdict == "approximate" and found.hidden == 1 - 1 / 300 and found.reason == "a remark"
    steps, potentials = perfect_answer(model, golden)
    assert verdict(steps, potentials - 1).verdict == "approximate"
    assert verdict(steps, potentials + 1e-6).verdict == "approximate"
    silent = [np.full_like(layer, 8) for layer in steps]
    assert verdict(silent, potentials).verdict == "unsupported"


def test_a_library_that_is_missing_or_dies_is_one_line(tmp_path):
    model = random_model((5, 3, 2))
    golden = exported(model, np.zeros((2, 5), np.uint8), tmp_path)
    absent = nir_fidelity.Library("no-such-library", "model", 0, {})
    (found,) = nir_fidelity.examine(tmp_path, model, golden, absent)
    assert found.verdict == "not run" and found.reason.startswith("pip install no-such-library, or let BSTDG_")
    (found,) = nir_fidelity.examine(tmp_path, model, golden, absent, python=str(tmp_path / "nowhere"))
    assert found.verdict == "not run" and "nowhere cannot be started" in found.reason
    dies = tmp_path / "dies"
    dies.write_text("#!/bin/sh\necho 'Killed by hand' >&2\nexit 9\n")
    dies.chmod(0o755)
    (found,) = nir_fidelity.examine(tmp_path, model, golden, absent, python=str(dies))
    assert found.reason == "no-such-library ended early: Killed by hand"
    assert target.check_of(absent, [found]).status == "not run"


CORNERS = {
    "three layers": lambda: random_model((12, 9, 7, 4), num_steps=6, threshold=4),
    "one step": lambda: random_model((12, 8, 3), num_steps=1, threshold=3),
    "one neuron": lambda: random_model((1, 1, 1), num_steps=3, threshold=1),
    "extreme thresholds": lambda: model_of(
        (
            FullLayer(np.ones((4, 6), np.int8), np.array([-(2**31) + 1, 2**31 - 1, 0, -7])),
            FullLayer(np.ones((3, 4), np.int8), np.array([2**31 - 1, 1, 1])),
        ),
        5,
    ),
}


@pytest.mark.parametrize("library", nir_fidelity.LIBRARIES, ids=lambda library: library.name)
def test_installed_libraries_run_the_graph_meant_for_them_exactly(library, tmp_path):
    if nir_fidelity.python_of(library) == sys.executable and importlib.util.find_spec(library.name) is None:
        needs.skip(library.name, more=f"here, or where BSTDG_{library.name.upper()}_PYTHON says")
    for name, make in CORNERS.items():
        model = make()
        steps = mixed_steps(np.random.default_rng(3), model.widths[0], model.num_steps)
        golden = exported(model, steps, tmp_path)
        found = nir_fidelity.examine(tmp_path, model, golden, library)
        verdict = next(f for f in found if f.file == library.file)
        assert verdict.verdict == "exact", (name, verdict)
        assert verdict.again == 0


def test_a_network_of_events_keeps_its_input_coding():
    coding = InputCoding(gates=2, windows=(3,))
    signs = np.ones((2, coding.width(3)), np.int8)
    model = PackedModel(reading((3,), coding=coding), (FullLayer(signs, np.array([1, 2])),), 4, ("a", "b"))
    assert nir_import.from_graph(nir_file.from_bytes(nir_graph.to_bytes(nir_graph.truth(model)))).input.coding == coding
