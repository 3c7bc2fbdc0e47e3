"""Convolutions and poolings in graphs of others: what is carried, what is refused, and files of no good will."""

from __future__ import annotations

import io
import itertools
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import needs
from support.paths import GOLDEN

from bstdg.cli import app
from bstdg.engine import oracle
from bstdg.errors import BstdgWarning, FileFormatError, InputError
from bstdg.export.nir import file as nir_file
from bstdg.export.nir import graph as nir_graph
from bstdg.export.nir import importer as nir_import
from bstdg.export.nir import interpreter as nir_interpreter
from bstdg.layers import Conv2dLayer, Pool2dLayer, size
from bstdg.layers.convolution import Convolution
from bstdg.model import packed

nir = needs.package("nir")
FOREIGN = GOLDEN / "nir"


# Graphs that other libraries wrote

STRUCTURES = {
    "spikingjelly-conv2d": "2x8x7-4c3s2p1-pool2n2-3",
    "spikingjelly-conv1d": "2x1x10-4c1x3s1x2p0x1-3",
    "norse-conv2d": "2x5x5-4c3p1g2-3c5",
    "sinabs-conv2d": "1x6x6-4c3-pool2n2-3",
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_graph_of_another_library_fires_the_spikes_of_that_library(name):
    model = nir_import.read(FOREIGN / f"{name}.nir", 8, first_spikes=True)
    assert model.structure == STRUCTURES[name]
    kept = np.load(FOREIGN / f"{name}.npz")
    trace = oracle.forward(model.layers, kept["steps"], 8)
    outputs = oracle.crossing(trace.potentials, model.layers[-1].thresholds).steps
    for i, steps in enumerate((*trace.hidden, outputs)):
        assert 0.05 < (kept[f"first{i}"] < 8).mean() < 0.95
        np.testing.assert_array_equal(steps, kept[f"first{i}"])


def test_the_command_takes_them(tmp_path, capsys):
    command = ["import", str(FOREIGN / "spikingjelly-conv2d.nir"), "--out", str(tmp_path / "m.bstdg"), "--steps", "8"]
    assert app(command, standalone_mode=False) == 2
    assert "map 0 may fire again after its first spike" in capsys.readouterr().err
    assert app([*command, "--first-spikes"], standalone_mode=False) == 0
    assert "2x8x7-4c3s2p1-pool2n2-3, T = 8, a step of 0.0001 s" in capsys.readouterr().out


# Graphs made by hand


def neurons(*shape: int, threshold=1.5, r=1.0, **fields):
    """Neurons that cannot fire twice; by default they wait for two weights of 1."""
    v_threshold = np.broadcast_to(np.asarray(threshold, float), shape).copy()
    return nir.IF(r=np.full(shape, r), v_threshold=v_threshold, v_reset=np.full(shape, -1e9), **fields)


def chain_of(*nodes, reads=(2, 6, 6), **named) -> nir.NIRGraph:
    named = {**{f"n{i}": node for i, node in enumerate(nodes)}, **named}
    whole = {"input": nir.Input(np.array(reads)), **named, "output": nir.Output(np.array([1]))}
    return nir.NIRGraph(whole, list(itertools.pairwise(whole)), type_check=False)


def conv2d(weight=None, *, sides=(6, 6), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, bias=None):
    weight = np.ones((4, 2, 3, 3)) if weight is None else weight
    return nir.Conv2d(sides, weight, stride, padding, dilation, groups, np.zeros(len(weight)) if bias is None else bias)


def conv1d(weight, *, side=9, stride=1, padding=0, dilation=1, groups=1):
    return nir.Conv1d(side, weight, stride, padding, dilation, groups, np.zeros(len(weight)))


def taken(*nodes, reads=(2, 6, 6), **options):
    """The layers of a graph made by hand, which has been a file where the nodes can be written."""
    return nir_import.from_graph(chain_of(*nodes, reads=reads), 4, **options).layers


def test_padding_by_name_is_that_of_torch():
    (same,) = taken(conv2d(padding="same"), neurons(4, 6, 6))
    (valid,) = taken(conv2d(padding="valid"), neurons(4, 4, 4))
    (row,) = taken(conv1d(np.ones((3, 2, 5)), padding="same"), neurons(3, 9), reads=(2, 9))
    assert same.convolution.padding == (1, 1) and valid.convolution.padding == (0, 0)
    assert row.convolution.padding == (0, 2) and row.gives == (3, 1, 9)


@pytest.mark.parametrize("reads", [(1, 1, 9), (1, 9), (9,), (3, 1, 9)])
def test_a_signal_is_a_picture_of_one_row(reads):
    (layer,) = taken(conv1d(np.ones((2, 1, 3)), stride=2), neurons(2, 4), reads=reads)
    assert layer.convolution == Convolution((1, 1, 9), 2, (1, 3), (1, 2))


def test_what_comes_in_may_have_the_axis_of_a_batch_and_say_its_sides_in_one_place_alone():
    for reads, sides in (((7, 2, 6, 6), (6, 6)), ((2, 6, 6), None), ((7, 2, 6, 6), None)):
        (layer,) = taken(conv2d(sides=sides), neurons(4, 4, 4), reads=reads)
        assert layer.reads == (2, 6, 6)


def test_thresholds_may_be_said_once_for_a_layer_a_map_or_a_neuron():
    for threshold in (2.5, np.full((4, 1, 1), 2.5), np.full((1, 4, 4, 4), 2.5), np.full(64, 2.5)):
        shape = np.shape(threshold) or (1,)
        (layer,) = taken(conv2d(), neurons(*shape, threshold=threshold))
        assert layer.map_thresholds.tolist() == [3] * 4
    (layer,) = taken(conv2d(), neurons(4, 1, 1, threshold=np.arange(4.0).reshape(4, 1, 1) + 0.5))
    assert layer.map_thresholds.tolist() == [1, 2, 3, 4]


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 9), st.sampled_from(["SumPool2d", "AvgPool2d"]))
def test_a_sum_or_a_mean_before_neurons_is_the_nth_spike(rows, columns, n, kind):
    """Beyond the window's spikes none is waited for: the neurons never fire, which a convolution can say."""
    pool = getattr(nir, kind)(np.array([rows, columns]), np.array([2, 1]), np.array([0, 0]))
    gives = (2, (6 - rows) // 2 + 1, 6 - columns + 1)
    weight = 1.0 if kind == "SumPool2d" else 1.0 / (rows * columns)
    (layer,) = taken(pool, neurons(*gives, threshold=(n - 0.5) * weight))
    if n <= rows * columns:
        assert layer == Pool2dLayer((2, 6, 6), (rows, columns), (2, 1), n)
    else:
        assert isinstance(layer, Conv2dLayer) and layer.signs.shape == (2, 1, rows, columns)
        assert layer.map_thresholds.tolist() == [n, n] and (layer.signs == 1).all()


def test_a_pool_that_pads_or_waits_for_another_spike_in_each_map_is_a_convolution():
    sides = np.array([3, 3]), np.array([2, 2])
    padded, plain = nir.SumPool2d(*sides, np.array([1, 1])), nir.SumPool2d(*sides, np.array([0, 0]))
    (layer,) = taken(padded, neurons(2, 3, 3))
    assert layer.convolution == Convolution((2, 6, 6), 2, (3, 3), (2, 2), (1, 1), 2)
    (layer,) = taken(plain, neurons(2, 1, 1, threshold=np.array([0.5, 3.5]).reshape(2, 1, 1)))
    assert isinstance(layer, Conv2dLayer) and layer.map_thresholds.tolist() == [1, 4]


def test_pools_take_one_number_for_rows_and_columns():
    """As SpikingJelly writes them."""
    (layer,) = taken(nir.SumPool2d(np.array(2), np.array(2), np.array(0)), neurons(2, 3, 3))
    assert layer == Pool2dLayer((2, 6, 6), (2, 2), (2, 2), 2)


def test_whole_thresholds_of_maps_are_spoken_of():
    with pytest.warns(BstdgWarning, match=r"^4 of 4 maps have a threshold .* \(layer 0, node 'n0', map 0: 2\)"):
        taken(conv2d(), neurons(4, 4, 4, threshold=2.0))
    with pytest.warns(BstdgWarning, match=r"^4 of 7 maps and neurons have a threshold"):
        taken(
            conv2d(),
            neurons(4, 4, 4, threshold=2.0),
            nir.Flatten({"input": np.array([4, 4, 4])}, 0, -1),
            nir.Linear(np.ones((3, 64))),
            neurons(3),
        )
    (layer,) = taken(conv2d(), neurons(4, 4, 4, threshold=2.0), at_threshold=True)
    assert layer.map_thresholds.tolist() == [2] * 4


def test_flatten_counts_axes_with_the_batch_or_without():
    for dims in ((0, -1), (1, -1), (0, 2), (1, 3)):
        flat = nir.Flatten({"input": None}, *dims)
        layers = taken(conv2d(), neurons(4, 4, 4), flat, nir.Linear(np.ones((3, 64))), neurons(3))
        assert layers[1].signs.shape == (3, 64)


ONES, W9 = np.ones((4, 2, 3, 3)), np.ones((3, 9))
POOL = (np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
NOT_TAKEN = {
    "gaps in a window": (lambda: [conv2d(dilation=(1, 2)), neurons(4, 4, 2)], "node 'n0' is dilated by 1 x 2"),
    "real weights": (
        lambda: [conv2d(ONES * np.array([1, 1, 0.5]).reshape(3, 1)), neurons(4, 4, 4)],
        r"layer 0 \(node 'n0'\) is not binary: map 0 has weights 0.5, 1; a row",
    ),
    "a weight of zero": (lambda: [conv2d(ONES * 0), neurons(4, 4, 4)], "is not binary: map 0"),
    "a bias": (lambda: [conv2d(bias=np.arange(4.0)), neurons(4, 4, 4)], r"layer 0 \(node 'n0'\) has a bias"),
    "biases of another number": (
        lambda: [conv2d(bias=np.zeros(3)), neurons(4, 4, 4)],
        "node 'n0' has 3 values of bias for 64 neurons",
    ),
    "thresholds of neurons": (
        lambda: [conv2d(), neurons(4, 4, 4, threshold=np.arange(64.0).reshape(4, 4, 4))],
        r"layer 0 \(node 'n0'\) has neurons of one map with thresholds of their own \(map 0: 0 … 15\)",
    ),
    "neurons of another shape": (
        lambda: [conv2d(), neurons(4, 6, 6)],
        "node 'n1' has 144 neurons, the weights before it lead to 64",
    ),
    "as many neurons, but otherwise": (lambda: [conv2d(), neurons(8, 8)], "node 'n1' has 64 neurons, the weights"),
    "a mean of spikes": (
        lambda: [conv2d(), neurons(4, 4, 4), nir.AvgPool2d(*POOL), conv2d(np.ones((1, 4, 2, 2)), sides=(2, 2))],
        "node 'n3' is a Conv2d node; neurons after 'n2' are IF or LIF here",
    ),
    "a mean at the end": (
        lambda: [conv2d(), neurons(4, 4, 4), nir.AvgPool2d(*POOL)],
        "node 'n2' is the last: weights and neurons alternate",
    ),
    "a mean with padding": (
        lambda: [nir.AvgPool2d(*POOL[:2], np.array([1, 1])), neurons(2, 4, 4)],
        "node 'n0' is an AvgPool2d with padding",
    ),
    "a convolution after Flatten": (
        lambda: [nir.Flatten({"input": np.array([2, 6, 6])}, 0, -1), conv2d(), neurons(4, 4, 4)],
        "node 'n1' is a Conv2d node after a Flatten: it reads maps, not a row",
    ),
    "a row without Flatten": (
        lambda: [conv2d(), neurons(4, 4, 4), nir.Linear(np.ones((3, 64))), neurons(3)],
        "node 'n2' reads a row, but maps of 4 x 4 x 4 come in: Flatten them before",
    ),
    "a row of another length": (
        lambda: [conv2d(), neurons(4, 4, 4), nir.Flatten({"input": None}, 0, -1), nir.Linear(W9), neurons(3)],
        "node 'n3' reads 9 channels, but maps of 4 x 4 x 4 come in",
    ),
    "maps of another number": (
        lambda: [conv2d(), neurons(4, 4, 4), conv2d(np.ones((1, 3, 2, 2)), sides=(4, 4)), neurons(1, 3, 3)],
        "node 'n2' reads maps of 3 x 4 x 4, but 4 x 4 x 4 come in",
    ),
    "sides that are others": (
        lambda: [conv2d(), neurons(4, 4, 4), conv2d(np.ones((1, 4, 2, 2)), sides=(5, 4)), neurons(1, 4, 3)],
        "node 'n2' reads maps of 4 x 5 x 4, but 4 x 4 x 4 come in",
    ),
    "an input of another shape": (lambda: [conv2d(sides=(7, 6)), neurons(4, 5, 4)], "maps of 2 x 7 x 6, but 2 x 6 x 6"),
    "windows after a row": (
        lambda: [nir.Linear(np.ones((4, 72))), neurons(4), nir.SumPool2d(*POOL), neurons(1, 1, 1)],
        "node 'n2', a SumPool2d, reads maps, but what comes in is a row of 4",
    ),
    "maps after a row": (
        lambda: [nir.Linear(np.ones((4, 72))), neurons(4), conv2d(np.ones((1, 4, 1, 1)), sides=(1, 1)), neurons(1)],
        "node 'n2' reads maps of 4 x 1 x 1, but 4 come in",
    ),
    "a kernel too large": (
        lambda: [conv2d(np.ones((1, 2, 7, 7))), neurons(1)],
        "node 'n0' has a kernel of 7 x 7, larger",
    ),
    "a padding too large": (lambda: [conv2d(padding=(3, 3)), neurons(4, 10, 10)], "node 'n0' has a padding of 3 x 3"),
    "groups that do not divide": (
        lambda: [conv2d(np.ones((4, 2, 3, 3)), groups=3), neurons(4, 4, 4)],
        "node 'n0' reads maps of 6 x 6 x 6, but 2 x 6 x 6 come in",
    ),
    "padding 'same' of an even kernel": (
        lambda: [conv2d(np.ones((1, 2, 2, 2)), padding="same"), neurons(1, 6, 6)],
        "node 'n0' has padding 'same' with a kernel of 2 x 2",
    ),
    "a pool larger than the picture": (
        lambda: [nir.SumPool2d(np.array([7, 2]), *POOL[1:]), neurons(2, 1, 3)],
        "node 'n0' pools windows of 7 x 2, larger than the 6 x 6",
    ),
    "a stride of zero": (
        lambda: [nir.SumPool2d(POOL[0], np.array([0, 1]), POOL[2]), neurons(2, 1, 3)],
        r"node 'n0' has a stride of \[0 1\], which is not 2 integers",
    ),
    "a stride that is no integer": (
        lambda: [nir.SumPool2d(POOL[0], np.array([1.5, 1]), POOL[2]), neurons(2, 1, 3)],
        "node 'n0' has a stride of",
    ),
    "three strides": (
        lambda: [nir.SumPool2d(POOL[0], np.array([1, 1, 1]), POOL[2]), neurons(2, 1, 3)],
        "node 'n0' has a stride of",
    ),
    "a negative padding": (
        lambda: [nir.SumPool2d(*POOL[:2], np.array([-1, 0])), neurons(2, 1, 3)],
        "node 'n0' has a padding of",
    ),
    "weights in three dimensions": (
        lambda: [nir.Conv2d(None, np.ones((1, 2, 3)), 1, 0, 1, 1, np.zeros(1)), neurons(1)],
        r"node 'n0' has weights of shape \(1, 2, 3\); a Conv2d has 4 dimensions",
    ),
    "no weights": (
        lambda: [nir.Conv2d(None, np.ones((0, 2, 3, 3)), 1, 0, 1, 1, np.zeros(0)), neurons(1)],
        "node 'n0' has weights of shape",
    ),
}


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_cannot_be_carried_is_refused_by_the_nodes_name(name):
    make, message = NOT_TAKEN[name]
    with pytest.raises(InputError, match=message) as caught:
        taken(*make())
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_resistances_are_those_of_a_map_too():
    resistances = np.arange(1.0, 65).reshape(4, 4, 4)
    odd = nir.IF(resistances, np.ones((4, 4, 4)), np.full((4, 4, 4), -1e9))
    with pytest.raises(InputError, match=r"map with resistances of their own \(map 0: 1 … 16\)"):
        taken(conv2d(), odd, dt=1.0)


@pytest.mark.parametrize("kind", ["Threshold", "Scale", "Delay", "LI", "CubaLI", "CubaLIF", "I"])
def test_every_other_kind_of_node_is_named(kind):
    fields = nir.__dict__[kind].__dataclass_fields__
    own = {name: np.ones((4, 4, 4)) for name, field in fields.items() if field.init and not field.kw_only}
    with pytest.raises(InputError, match=f"^node 'odd' is a {kind} node; neurons after 'n0' are IF or LIF here"):
        nir_import.from_graph(chain_of(conv2d(), odd=nir.__dict__[kind](**own)), 4)


def test_an_input_that_says_nothing_leaves_it_to_the_first_window():
    graph = chain_of(conv2d(), neurons(4, 4, 4))
    graph.nodes["input"].input_type["input"] = None
    assert nir_import.from_graph(graph, 4).input.reads == (2, 6, 6)
    graph = chain_of(conv2d(sides=None), neurons(4, 4, 4))
    graph.nodes["input"].input_type["input"] = None
    with pytest.raises(InputError, match="node 'n0' does not say what it reads"):
        nir_import.from_graph(graph, 4)


# Files of no good will


def as_file(graph: nir.NIRGraph) -> bytes:
    file = io.BytesIO()
    nir.write(file, graph)
    return file.getvalue()


HUGE = {
    "sides beyond all channels": lambda: [conv2d(np.ones((1, 2, 1, 1)), sides=(60_000, 60_000)), neurons(1)],
    "sides beyond all numbers": lambda: [conv2d(np.ones((1, 2, 1, 1)), sides=(2**40, 2**40)), neurons(1)],
    "a stride that leaves few neurons": lambda: [
        conv2d(np.ones((1, 2, 1, 1)), sides=(60_000, 60_000), stride=(60_000, 60_000)),
        neurons(1, 1, 1),
    ],
    "padding beyond all numbers": lambda: [conv2d(padding=(2**40, 2**40)), neurons(1)],
    "as many groups as can be said": lambda: [conv2d(np.ones((1, 1, 1, 1)), groups=2**40), neurons(1)],
    "a window beyond all pictures": lambda: [
        nir.SumPool2d(np.array([2**31, 2**31]), np.array([1, 1]), np.array([2**31, 2**31])),
        neurons(1),
    ],
    "more neurons than have a number": lambda: [conv2d(np.ones((2000, 2, 1, 1))), neurons(1)],
}


@pytest.mark.parametrize("name", HUGE)
def test_sizes_are_looked_at_before_anything_is_made_of_them(name):
    nodes = HUGE[name]()
    reads = (2, *nodes[0].input_shape) if getattr(nodes[0], "input_shape", None) else (2, 6, 6)
    data = as_file(chain_of(*nodes, reads=reads))
    tracemalloc.start()
    try:
        with pytest.raises((InputError, FileFormatError)) as caught, warnings.catch_warnings():
            warnings.simplefilter("error")
            nir_import.from_graph(nir_file.from_bytes(data, "theirs.nir"), 4)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert most < 4_000_000


FIELDS = ("input_shape", "weight", "stride", "padding", "dilation", "groups", "bias", "kernel_size")
VALUES = (
    0,
    -1,
    2**62,
    1.5,
    float("nan"),
    "same",
    "sane",
    np.array([]),
    np.array([1, 1, 1]),
    np.zeros((2, 2, 2)),
    np.array([0, 1]),
    np.array([2**62, 2**62]),
    np.array([True, False]),
    np.array([b"x", b"y"]),
)


@given(st.sampled_from(["layer0_current", "layer1_current"]), st.sampled_from(FIELDS), st.sampled_from(VALUES))
def test_whatever_a_field_holds_is_a_model_or_one_line(node, field, value):
    model = packed.load(GOLDEN / "model-convolution-v2.bstdg")
    content = nir_graph.truth(model).to_dict()
    if field not in content["nodes"][node]:
        return
    content["nodes"][node][field] = value
    file = io.BytesIO()
    nir.write(file, nir_graph._Content(content))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            again = nir_import.from_graph(nir_file.from_bytes(file.getvalue()))
        except (FileFormatError, InputError) as error:
            assert "\n" not in str(error) and len(str(error)) < 500
            return
    assert packed.to_bytes(packed.from_bytes(packed.to_bytes(again))) == packed.to_bytes(again)


@pytest.fixture(scope="module")
def small() -> bytes:
    return nir_graph.to_bytes(nir_graph.truth(packed.load(GOLDEN / "model-convolution-v2.bstdg")))


def test_cut_and_altered_files_are_refused_or_read_whole(small):
    rng = np.random.default_rng(0)
    for end in rng.integers(64, len(small), 20):
        with pytest.raises(FileFormatError):
            nir_file.from_bytes(small[:end])
    for at in rng.integers(0, len(small), 100):
        altered = bytearray(small)
        altered[at] ^= 1 << int(rng.integers(8))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", BstdgWarning)
                nir_import.from_graph(nir_file.from_bytes(bytes(altered)))
        except (FileFormatError, InputError) as error:
            assert "\n" not in str(error)


def test_the_interpreter_reads_what_the_graph_reads_and_nothing_else():
    graph = chain_of(conv2d(), neurons(4, 4, 4))
    with pytest.raises(InputError, match="the graph reads 72 channels, the input has 36"):
        nir_interpreter.run(graph, np.zeros((1, 4, 36)))
    run = nir_interpreter.run(graph, np.ones((1, 1, 72)))
    assert run.currents.shape == (1, 1, size((4, 4, 4))) and (run.currents == 18).all()
