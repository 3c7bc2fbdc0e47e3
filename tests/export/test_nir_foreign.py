"""NIR graphs of other libraries, as their exporters wrote them, and NIR files of no good will."""

from __future__ import annotations

import io
import itertools
import json
import resource
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import needs
from support.paths import GOLDEN
from support.strategies import random_model

from bstdg.cli import app
from bstdg.engine import oracle
from bstdg.errors import BstdgWarning, FileFormatError, InputError
from bstdg.export.base import Golden
from bstdg.export.nir import file as nir_file
from bstdg.export.nir import graph as nir_graph
from bstdg.export.nir import hdf5
from bstdg.export.nir import importer as nir_import
from bstdg.model import packed
from bstdg.model.packed import PackedModel

nir = needs.package("nir")
h5py = needs.package("h5py")
FOREIGN = GOLDEN / "nir"


def agrees(model: PackedModel, name: str) -> float:
    """The share of first spikes, of both layers, that are those of the library that wrote the graph."""
    kept = np.load(FOREIGN / f"{name}.npz")
    golden = Golden.of(model, kept["steps"])
    trace = oracle.forward(model.layers, kept["steps"], model.num_steps)
    outputs = oracle.crossing(trace.potentials, model.layers[-1].thresholds).steps
    return float(np.mean(np.hstack([golden.hidden[0] == kept["first0"], outputs == kept["first1"]])))


def test_the_files_hold_neurons_that_fire_and_some_that_do_not():
    for name in ("spikingjelly-half", "spikingjelly-whole", "norse"):
        kept = np.load(FOREIGN / f"{name}.npz")
        for first in (kept["first0"], kept["first1"]):
            assert 0.1 < (first < 8).mean() < 0.9


@pytest.mark.parametrize("dt", [None, 1e-4])
def test_a_graph_of_spikingjelly(dt):
    model = nir_import.read(FOREIGN / "spikingjelly-half.nir", 8, dt=dt, first_spikes=True)
    assert agrees(model, "spikingjelly-half") == 1.0
    assert model.input.reads == (1, 4, 4)  # the Flatten before the first weights
    assert set(model.layers[0].thresholds.tolist()) == {3}


def test_a_graph_of_spikingjelly_whose_thresholds_are_whole_numbers_of_weights():
    path = FOREIGN / "spikingjelly-whole.nir"
    with pytest.warns(BstdgWarning, match=r"^15 of 15 neurons have a threshold that is a whole number of weights"):
        above = nir_import.read(path, 8, first_spikes=True)
    at = nir_import.read(path, 8, first_spikes=True, at_threshold=True)
    assert agrees(at, "spikingjelly-whole") == 1.0
    assert agrees(above, "spikingjelly-whole") < 0.9
    with pytest.raises(InputError, match="changes nothing"):
        nir_import.read(FOREIGN / "spikingjelly-half.nir", 8, first_spikes=True, at_threshold=True)


def test_a_graph_of_norse():
    """One number stands for all thresholds of a layer, and the bias is there and zero."""
    model = nir_import.read(FOREIGN / "norse.nir", 8, first_spikes=True)
    assert agrees(model, "norse") == 1.0
    assert model.input.reads == (16,)


def test_a_graph_of_snntorch_says_too_little():
    message = r"^node '1' does not say what a unit of current adds to a potential \(r = inf, tau = inf\)"
    with pytest.raises(InputError, match=message):
        nir_import.read(FOREIGN / "snntorch.nir", 8, first_spikes=True)


def test_the_command_says_how_long_a_step_was_taken_to_be(tmp_path, capsys):
    command = ["import", str(FOREIGN / "spikingjelly-whole.nir"), "--out", str(tmp_path / "m.bstdg"), "--steps", "8"]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert app([*command, "--first-spikes"], standalone_mode=False) == 0
    said = capsys.readouterr()
    assert "16-12-3, T = 8, a step of 0.0001 s" in said.out
    assert said.err.startswith("bstdg: warning: 15 of 15 neurons have a threshold") and "--at-threshold" in said.err
    assert app([*command, "--first-spikes", "--at-threshold", "--force"], standalone_mode=False) == 0
    assert capsys.readouterr().err == ""
    assert agrees(packed.load(tmp_path / "m.bstdg"), "spikingjelly-whole") == 1.0


# How long a step is


def if_nodes(width: int, r, threshold=1.5):
    return nir.IF(r=np.full(width, r), v_threshold=np.full(width, threshold), v_reset=np.full(width, -1e9))


def layers_with(*resistances) -> nir.NIRGraph:
    ones = np.ones((3, 3))
    return nir.NIRGraph.from_list(*(node for r in resistances for node in (nir.Linear(ones), if_nodes(3, r))))


@pytest.mark.parametrize("dt", [1e-4, 1e-3, 3e-3, 1 / 49, 2.0, 1e6])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("said", [False, True])
def test_a_step_is_taken_such_that_a_unit_of_current_adds_one(dt, kind, said):
    """However r was rounded: three weights are three weights."""
    graph = nir.NIRGraph.from_list(nir.Linear(np.ones((2, 4))), if_nodes(2, kind(1 / dt), 3.0))
    with pytest.warns(BstdgWarning, match="whole number of weights"):
        model = nir_import.from_graph(graph, 4, dt=dt if said else None)
    assert model.layers[0].thresholds.tolist() == [4, 4]


def test_a_step_in_which_all_weights_count_otherwise_is_spoken_of():
    path = FOREIGN / "spikingjelly-half.nir"
    with pytest.warns(BstdgWarning, match=r"steps of 1 s a unit of current adds 10000 .* in steps of 0\.0001 s .*--dt"):
        model = nir_import.read(path, 8, dt=1.0, first_spikes=True)
    assert set(model.layers[0].thresholds.tolist()) == {1}


def test_where_current_counts_differently_the_step_has_to_be_said():
    graph = layers_with(1e4, 5e3)
    with pytest.raises(
        InputError, match=r"^a unit of current adds 10000 a second in node 'if' and 5000 in 'if_1': .*--dt"
    ):
        nir_import.from_graph(graph, 4)
    model = nir_import.from_graph(graph, 4, dt=1.01e-4)
    assert [layer.thresholds.tolist() for layer in model.layers] == [[2, 2, 2], [3, 3, 3]]


def test_neurons_that_do_not_leak_say_how_long_a_step_is_too():
    tau = 2.0**100
    lif = nir.LIF(
        tau=np.full(2, tau, np.float32),
        r=np.full(2, tau / 1e-3, np.float32),
        v_leak=np.zeros(2),
        v_threshold=np.full(2, 2.5),
        v_reset=np.full(2, -1e9),
    )
    model = nir_import.from_graph(nir.NIRGraph.from_list(nir.Linear(np.ones((2, 4))), lif), 4)
    assert model.layers[0].thresholds.tolist() == [3, 3]


# What a graph reads, and nodes that are not taken


@pytest.mark.parametrize(
    ("shape", "dims", "reads"),
    [
        ((1, 2, 6), (0, -1), (1, 2, 6)),
        ((3, 2, 2), (0, -1), (3, 2, 2)),
        ((2, 6), (0, -1), (1, 2, 6)),
        ((12,), (0, -1), (12,)),
        ((1, 1, 3, 4), (0, -1), (12,)),
        ((1, 3, 4), (1, 2), (1, 3, 4)),
    ],
)
def test_flatten_before_the_first_weights_is_the_shape_of_a_picture(shape, dims, reads):
    nodes = {
        "input": nir.Input(np.array(shape)),
        "flat": nir.Flatten({"input": np.array(shape)}, *dims),
        "w": nir.Linear(np.ones((2, 12))),
        "flat again": nir.Flatten({"input": np.array([2])}, 0, -1),
        "s": if_nodes(2, 1.0),
        "output": nir.Output(np.array([2])),
    }
    names = list(nodes)
    graph = nir.NIRGraph(nodes, list(itertools.pairwise(names)), type_check=False)
    model = nir_import.from_graph(graph, 4)
    assert model.input.reads == reads and model.widths == (12, 2)
    file = io.BytesIO()
    nir.write(file, graph)
    assert nir_import.from_graph(nir_file.from_bytes(file.getvalue()), 4).input.reads == reads


def chain_of(**nodes) -> nir.NIRGraph:
    nodes = {"input": nir.Input(np.array([4])), **nodes, "output": nir.Output(np.array([2]))}
    names = list(nodes)
    return nir.NIRGraph(nodes, list(itertools.pairwise(names)), type_check=False)


W = np.ones((2, 4))
ODD = {
    "a delay": (
        lambda: chain_of(late=nir.Delay(np.ones(4)), s=if_nodes(4, 1.0)),
        "node 'late' is a Delay node; weights are Linear, Affine, Conv1d, Conv2d, SumPool2d or AvgPool2d here",
    ),
    "weights twice": (
        lambda: chain_of(first=nir.Linear(W), second=nir.Linear(W), s=if_nodes(2, 1.0)),
        "node 'second' is a Linear node; neurons after 'first' are IF or LIF here",
    ),
    "weights last": (lambda: chain_of(a=nir.Linear(W), s=if_nodes(2, 1.0), b=nir.Linear(W)), "node 'b' is the last"),
    "neurons of another number": (
        lambda: chain_of(a=nir.Linear(W), s=if_nodes(3, 1.0)),
        "node 's' has 3 neurons, the weights before it lead to 2",
    ),
    "a synapse": (
        lambda: chain_of(a=nir.Linear(W), s=nir.I(r=np.ones(2)), z=if_nodes(2, 1.0)),
        "node 's' is a I node; neurons after 'a' are IF or LIF here",
    ),
    "a graph in the graph": (
        lambda: chain_of(net=layers_with(1.0)),
        "node 'net' is a NIRGraph node; weights are Linear, Affine",
    ),
    "a shape that does not fit": (
        lambda: chain_of(flat=nir.Flatten({"input": np.array([1, 5])}, 0, -1), a=nir.Linear(W), s=if_nodes(2, 1.0)),
        r"Flatten reads a shape of \(1, 5\), the first weights 4 channels",
    ),
    "weights in three dimensions": (lambda: chain_of(a=nir.Linear(np.ones((2, 2, 2))), s=if_nodes(2, 1.0)), "node 'a'"),
    "a name that ends lines": (
        lambda: chain_of(**{"a\n\x1b[2J": nir.Scale(np.ones(2)), "s": if_nodes(2, 1.0)}),
        r"node 'a\\n\\x1b\[2J' is a Scale node",
    ),
    "a long name": (lambda: chain_of(**{"a" * 500: nir.Scale(np.ones(2)), "s": if_nodes(2, 1.0)}), r"node 'a{79}…' is"),
    "a branch": (
        lambda: nir.NIRGraph(
            {**layers_with(1.0).nodes, "more": nir.Scale(np.ones(3))},
            [*layers_with(1.0).edges, ("linear", "more")],
            type_check=False,
        ),
        "several edges in or out of 'linear'$",
    ),
    "thresholds that are texts": (
        lambda: chain_of(
            a=nir.Linear(W), s=nir.IF(r=np.ones(2), v_threshold=np.array(["x", "y"]), v_reset=np.zeros(2))
        ),
        "node 's' has a v_threshold that is no array of numbers",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_a_node_that_cannot_be_taken_is_named(name):
    make, message = ODD[name]
    with pytest.raises(InputError, match=message) as caught:
        nir_import.from_graph(make(), 4)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


# What a graph says of itself

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("num_steps", "image_shape", "white", "silent_below", "relative", "levels", "classes", "trained", "input")


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=2))
def test_whatever_metadata_says_is_a_model_or_one_line(changes):
    graph = nir_graph.truth(random_model((5, 3, 2)))
    graph.metadata["config"] = json.dumps({**json.loads(graph.metadata["config"]), **changes})
    try:
        model = nir_import.from_graph(graph)
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert packed.to_bytes(packed.from_bytes(packed.to_bytes(model))) == packed.to_bytes(model)


@pytest.mark.parametrize("key", ["format", "version", "variant", "config"])
@pytest.mark.parametrize("value", [np.arange(3), {"a": {}}, 7, b"\xff", "", np.array(["bstdg-nir"] * 2)])
def test_metadata_of_any_type_is_refused_or_foreign(key, value):
    graph = nir_graph.truth(random_model((5, 3, 2)))
    graph.metadata[key] = value
    try:
        nir_import.from_graph(graph, 4, first_spikes=True)
    except InputError as error:
        assert "\n" not in str(error)


# Files that would bring down whoever reads them


def hdf5_of(build) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as group:
        build(group)
    return file.getvalue()


def graph_file(build) -> bytes:
    """A NIR graph in which one more dataset stands."""

    def fill(file) -> None:
        file["version"] = "1.0.8"
        node = file.create_group("node")
        node["type"] = "NIRGraph"
        build(node)

    return hdf5_of(fill)


def twice(group):
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_chunk((1024,))
    layout.set_deflate(9)
    layout.set_deflate(9)
    space = h5py.h5s.create_simple((1024,))
    h5py.h5d.create(group.id, b"x", h5py.h5t.NATIVE_FLOAT, space, layout).write(
        h5py.h5s.ALL, h5py.h5s.ALL, np.zeros(1024, np.float32)
    )


def echo(group):
    group.create_dataset("x", (100_000, 2), h5py.string_dtype(), fillvalue="a" * 1000)


BOMBS = {
    "zeros": lambda g: g.create_dataset("x", (300_000_000,), "u1", compression="gzip", chunks=(1 << 20,)),
    "zeros that are written": lambda g: g.create_dataset(
        "x", data=np.zeros(50_000_000, "f4"), compression="gzip", chunks=(1 << 20,)
    ),
    "a chunk larger than what it holds": lambda g: g.create_dataset(
        "x", (4,), "f8", chunks=(1 << 27,), maxshape=(None,), compression="gzip"
    ),
    "packed twice": twice,
    "texts": echo,
    "no numbers": lambda g: g.create_dataset("x", (4,), [("a", "f4"), ("b", "f4")]),
    "complex numbers": lambda g: g.create_dataset("x", (4,), "c8"),
    "references": lambda g: g.create_dataset("x", (4,), h5py.ref_dtype),
    "lists of numbers": lambda g: g.create_dataset("x", (4,), h5py.vlen_dtype(np.float32)),
    "a long name": lambda g: g.create_dataset("x" * 2000, (4,), "f4"),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("apart", [False, True])
def test_a_small_file_cannot_ask_for_much(name, apart):
    data = graph_file(BOMBS[name])
    assert len(data) < 300_000
    with pytest.raises(FileFormatError, match=r"^theirs.nir[ :]") as caught:
        nir_file.from_bytes(data, "theirs.nir", apart=apart)
    assert "no readable" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_bomb_takes_little_memory(tmp_path):
    """In this process and in the one that reads."""
    data = graph_file(
        lambda g: g.create_dataset("x", data=np.zeros(12_000_000, "f4"), compression=9, chunks=(1 << 20,))
    )
    assert len(data) < 64_000  # and 48 MB of arrays
    (tmp_path / "bomb.nir").write_bytes(data)
    program = """
import resource, numpy, h5py, nir
from bstdg.export.nir import file
from bstdg.errors import FileFormatError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    file.read("bomb.nir")
except FileFormatError as error:
    print(error)
own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(own - before, child)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    message, figures = done.stdout.splitlines()
    own, childs = map(int, figures.split())
    assert "promises" in message and own < 40_000 and childs < 200_000  # kB


@pytest.fixture(scope="module")
def small() -> bytes:
    return nir_graph.to_bytes(nir_graph.truth(random_model((5, 3, 2))))


FATAL = [2760, 7905, 9003]  # bytes that, turned over, bring HDF5 1.14 down or let it run for long


@pytest.mark.parametrize("at", FATAL)
def test_a_file_that_brings_down_the_library_is_one_line(small, at, monkeypatch):
    monkeypatch.setattr(nir_file, "SECONDS", 2)
    altered = bytearray(small)
    altered[at] ^= 0xFF
    try:
        nir_file.from_bytes(bytes(altered), "theirs.nir", apart=True)
    except FileFormatError as error:
        assert str(error).startswith("theirs.nir") and "\n" not in str(error)


@pytest.mark.parametrize("do", ["os.kill(os.getpid(), signal.SIGSEGV)", "time.sleep(99)", "print('nothing')", "while_"])
def test_whatever_becomes_of_the_process_that_reads_is_one_line(small, tmp_path, monkeypatch, do):
    program = "import os, signal, sys, time\nsys.stdin.buffer.read()\n" + do.replace("while_", "sys.exit(3)") + "\n"
    (tmp_path / "reader.py").write_text(program)
    monkeypatch.setattr(hdf5, "__file__", str(tmp_path / "reader.py"))
    monkeypatch.setattr(nir_file, "SECONDS", 0)  # and one for the first 16 MiB
    monkeypatch.setattr(nir_file, "PATIENCE", 3)
    with pytest.raises(FileFormatError, match=r"^theirs\.nir is (damaged|no readable NIR graph)"):
        nir_file.from_bytes(small, "theirs.nir", apart=True)


def test_what_is_read_apart_is_what_is_read_here(small):
    def same(a, b):
        if isinstance(a, dict):
            return set(a) == set(b) and all(same(a[key], b[key]) for key in a)
        return type(a) is type(b) and np.array_equal(a, b) and getattr(a, "dtype", 0) == getattr(b, "dtype", 0)

    for data in (small, *((FOREIGN / f"{name}.nir").read_bytes() for name in ("spikingjelly-half", "norse"))):
        here = hdf5.read(data, 1 << 24)
        assert same(here, hdf5.from_bytes(b"".join(hdf5.to_bytes(here))))
        assert same(here, nir_file._read_apart(data, "x", 1 << 24))


def test_the_process_that_reads_has_bounds():
    """Memory and time are taken away from it before it opens anything."""
    program = f"""
import runpy, resource, sys
module = runpy.run_path({hdf5.__file__!r})
module["_bound"](1 << 24, 7)
assert resource.getrlimit(resource.RLIMIT_CPU) == (7, 7)
if sys.platform == "linux":
    try:
        bytearray(1 << 27)
    except MemoryError:
        sys.exit(0)
    sys.exit(1)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert resource.getrlimit(resource.RLIMIT_CPU)[0] != 7


def test_what_is_no_regular_file_is_not_read(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.nir")
    (tmp_path / "zero.nir").symlink_to("/dev/zero")
    for name in ("pipe.nir", "zero.nir"):
        with pytest.raises(FileFormatError, match=r"is a (pipe|device), not a file"):
            nir_file.read(tmp_path / name)


def test_warnings_are_kept_for_those_who_need_them():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nir_import.from_graph(nir_graph.truth(random_model((5, 3, 2))))
        nir_import.from_graph(layers_with(1.0), 4)
