"""Layers as they are written, held in files, and counted."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bstdg import files, layers
from bstdg.engine import oracle_conv
from bstdg.errors import BstdgError, FileFormatError, InputError
from bstdg.inputs import LatencyCode
from bstdg.layers import Conv2dLayer, FullLayer, Pool2dLayer, written
from bstdg.layers.convolution import Convolution, unread
from bstdg.layers.written import leaving_out
from bstdg.learning.convolution import BinaryConv2d
from bstdg.learning.network import Network
from bstdg.learning.pooling import SpikePool2d
from bstdg.learning.recipe import NetworkConfig
from bstdg.model import packed
from bstdg.model.describe import describe
from bstdg.model.summary import summarize


def conv(convolution: Convolution, threshold: int = 2) -> Conv2dLayer:
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), convolution.weights)
    return Conv2dLayer(signs, np.full(convolution.maps, threshold), convolution)


PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(st.integers(1, 99), PAIRS, PAIRS, st.integers(0, 2), st.sampled_from([1, 2]))
def test_what_is_written_is_read_again(maps, kernel, stride, padding, groups):
    pad = (min(padding, kernel[0] - 1), min(padding, kernel[1] - 1))
    layer = conv(Convolution((2, 9, 9), groups * maps, kernel, stride, pad, groups))
    asked = written.layer(str(layer))
    assert isinstance(asked, written.Conv)
    assert asked.over((2, 9, 9)) == layer.convolution


@given(PAIRS, PAIRS, st.integers(1, 9))
def test_a_pooling_is_read_again(window, stride, count):
    layer = Pool2dLayer((2, 9, 9), window, stride, min(count, window[0] * window[1]))
    asked = written.layer(str(layer))
    assert isinstance(asked, written.Pool)
    assert asked.over((2, 9, 9)) == layer


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("32c5z2", r"'32c5z2', at 'z2': there is no 'z' here, only s, p, g"),
        ("32c5s2s3", "at 's3': 's' stands there twice"),
        ("32c5s", "at 's': expected s or p or g with a number"),
        ("32c5g1x2", "'g' takes one number"),
        ("pool2p1", "there is no 'p' here, only s, n"),
        ("pol2", "'pol2' is no layer known here; did you mean 'pool2'?"),
        ("maxpool3", "did you mean 'pool3'?"),
        ("64conv3p1", "did you mean '64c3p1'?"),
        ("16k3", "did you mean '16c3'?"),
        ("poool2s1", "did you mean 'pool2s1'?"),
        ("16x5s2p2", "did you mean '16c5s2p2'?"),
        ("32v5", "'32v5' is no layer known here; did you mean '32c5'?"),
        ("32c5s2q2", "at 'q2': there is no 'q' here, only s, p, g; did you mean '32c5s2p2'?"),
        ("32c5s2s3", "stands there twice; did you mean '32c5s2'?"),
        ("32c3d2", "there is no 'd' here, only s, p, g; did you mean '32c3'?"),  # not another thing than dilation
        ("32c5 s2", "at ' s2': expected s or p or g with a number; did you mean '32c5s2'?"),
        ("pool2x", "at 'x': expected s or n with a number; did you mean 'pool2'?"),
        ("c128k3s1", "did you mean '128c3s1'?"),
        ("MP2", "did you mean 'pool2'?"),
        ("conv32", "did you mean '32c3'?"),
        ("fc128", "did you mean '128'?"),
        ("c5", "'c5' is no layer known here; did you mean '32c5'?"),
        ("", "is no layer known here"),
        ("-3", "is no layer known here"),
        (0, r"network.layers\[0\] must be in 1 … 65535"),
    ],
)
def test_what_is_misspelt_is_shown_where(text, says):
    with pytest.raises(InputError, match=says) as caught:
        NetworkConfig(layers=(text,))
    assert str(caught.value).startswith("network.layers")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "texts", "says"),
    [
        ((1, 8, 8), ("4c9",), r"layer 0 \(4c9\) has a kernel of 9 x 9, larger than the 8 x 8 that it reads"),
        ((1, 8, 8), ("4c3", "pool7"), r"layer 1 \(pool7\) has a kernel of 7 x 7, larger than the 6 x 6"),
        ((1, 8, 8), (20, "4c3"), r"layer 1 \(4c3\) reads maps .* what comes in is a row of 20"),
        ((64,), ("4c3",), "what comes in is a row of 64"),
        ((1, 32, 32), ("64c3p1",), "64 x 32 x 32 = 65536 neurons, more than 65535"),
        ((2, 8, 8), ("4c3g4",), "cannot split 2 channels and 4 maps into 4 groups"),
        ((1, 8, 8), ("pool2n5",), "waits for spike 5 of a window of 2 x 2"),
        ((1, 8, 8), ("4c3p3",), "a padding of 3 x 3"),
        ((1, 8, 8), ("4c3s0",), r"layer 0 \(4c3s0\) has a stride of 0 x 0; each has to be an integer in 1 … 65535"),
        ((1, 8, 8), ("0c3",), r"layer 0 \(0c3\) has maps of 0; each has to be an integer"),
        ((1, 8, 8), ("4c3g0",), r"layer 0 \(4c3g0\) has groups of 0; each has to be an integer"),
        ((1, 8, 8), ("4c0",), r"layer 0 \(4c0\) has a kernel of 0 x 0; each has to be an integer"),
        ((1, 8, 8), ("4c3", "pool2s0"), r"layer 1 \(pool2s0\) has a stride of 0 x 0"),
        ((1, 8, 8), ("4c3", "99999999c3"), r"layer 1 \(99999999c3\) has maps of 99999999; each has to be an integer"),
    ],
)
def test_what_does_not_fit_is_named(shape, texts, says):
    with pytest.raises(InputError, match=says) as caught:
        Network(shape, 3, NetworkConfig(layers=texts))
    assert "\n" not in str(caught.value)


def test_a_network_is_built_of_what_is_written():
    network = Network((1, 12, 12), 3, NetworkConfig(layers=("4C3s1p1", "pool2", "6c1x3g2", "pool2s1n2", "20")))
    assert network.structure == "1x12x12-4c3p1-pool2-6c1x3g2-pool2s1n2-20-3"
    assert network.widths == (144, 4 * 144, 4 * 36, 6 * 6 * 4, 6 * 5 * 3, 20, 3)


def test_channels_that_take_spikes_back_need_a_full_layer():
    with pytest.raises(InputError, match=r"layer 0 \(2c1\) cannot read windows that take their spikes back"):
        Network((1, 1, 8), 3, NetworkConfig(layers=("2c1",)), tied_inputs=4)


@pytest.mark.parametrize("padding", [(0, 0), (1, 2)])
def test_operations_are_the_synapses_that_are_there(padding):
    convolution = Convolution((2, 5, 6), 4, (2, 3), (1, 2), padding, 2)
    counted = np.zeros(60, int)
    for _, channel, _ in oracle_conv.synapses(convolution):
        counted[channel] += 1
    assert np.array_equal(convolution.fan_out(), counted)
    pool = Pool2dLayer((2, 5, 6), (2, 3), (1, 2))
    rows = summarize([conv(convolution)], 8, "x").layers[0]
    assert (rows.dense_operations, rows.most_additions) == (counted.sum(), counted.sum())
    assert rows.bytes == 4 * 2 + 4 * 1  # four thresholds of two bytes, and four rows of six bits
    assert summarize([pool], 8, "x").layers[0].bytes == 0


def model() -> packed.PackedModel:
    first = conv(Convolution((1, 6, 6), 3, (3, 3), (1, 1), (1, 1)))
    pool = Pool2dLayer(first.gives, (2, 2), (2, 2), 2)
    last = FullLayer(np.ones((2, 27), np.int8), np.ones(2, np.int64), pool.gives)
    return packed.PackedModel(LatencyCode((1, 6, 6)), (first, pool, last), 4, ("a", "b"))


def test_a_file_holds_them():
    again = packed.from_bytes(packed.to_bytes(model()))
    assert again.structure == model().structure == "1x6x6-3c3p1-pool2n2-2"
    assert np.array_equal(again.layers[0].signs, model().layers[0].signs)
    assert [layer.convolution for layer in again.layers[:2]] == [layer.convolution for layer in model().layers[:2]]


@pytest.mark.parametrize("sides", [((5, 7), (2, 3), (3, 4)), ((9, 4), (1, 2), (4, 1)), ((6, 6), (3, 3), (1, 2))])
@pytest.mark.parametrize("padding", [(0, 0), (0, 1)])
def test_what_no_window_reaches_is_said(sides, padding):
    reads, kernel, stride = sides
    convolution = Convolution((2, *reads), 3, kernel, stride, padding)
    read = {channel % (reads[0] * reads[1]) for _, channel, _ in oracle_conv.synapses(convolution)}
    rows = {v for v in range(reads[0]) if not any(v * reads[1] + u in read for u in range(reads[1]))}
    columns = {u for u in range(reads[1]) if not any(v * reads[1] + u in read for v in range(reads[0]))}
    assert convolution.left_out == (len(rows), len(columns))
    said = unread(convolution)
    assert ("row" in said, "column" in said) == (bool(rows), bool(columns))


def test_layers_that_leave_pixels_out_are_named():
    lines = leaving_out((100,), (64,)) + leaving_out(("4c3s2", "pool2", 9), (1, 9, 12)) + leaving_out((), (64,))
    assert lines == [
        "layer 0 (4c3s2): 1 of 12 columns lie in no window",
        "layer 1 (pool2): 1 of 5 columns lie in no window",
    ]
    assert leaving_out(("4c3p1", "pool2"), (1, 8, 8)) == []
    said = describe(model())["layers"]
    assert [layer.get("left_out") for layer in said] == [[0, 0], [0, 0], None]


def test_shapes_are_looked_at_before_anything_is_made_of_them():
    with pytest.raises(InputError, match=r"a convolution reads 40000 x 1000 x 1 = 40000000 channels, more than 65535"):
        BinaryConv2d((40_000, 1000, 1), 60_000, 1, stride=1000)
    tracemalloc.start()
    longest = Convolution((1, 1, 65_535), 1, (1, 3), padding=(0, 1))
    assert longest.fan_out()[[0, 1, -1]].tolist() == [2, 3, 2]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20e6  # bytes: in proportion to the side, not to its square


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: BinaryConv2d(64, 4, 3), r"maps \(channels, rows, columns\), such as \(1, 28, 28\), not 64"),
        (lambda: BinaryConv2d(None, 4, 3), r"maps \(channels, rows, columns\), such as \(1, 28, 28\), not None"),
        (lambda: BinaryConv2d((8, 8), 4, 3), r"maps \(channels, rows, columns\), .* not \(8, 8\)"),
        (lambda: BinaryConv2d("188", 4, 3), "not '188'"),
        (lambda: BinaryConv2d((1, 8.0, 8), 4, 3), "rows and columns to read of 1 x 8.0 x 8; each has to be an integer"),
        (lambda: BinaryConv2d((1, 8, 8), "4", 3), "has maps of '4'; each has to be an integer"),
        (lambda: BinaryConv2d((1, 8, 8), 4, None), "has a kernel of None x None; each has to be an integer"),
        (lambda: BinaryConv2d((1, 8, 8), 4, (3, 3, 3)), r"two numbers, or one for both, not \(3, 3, 3\)"),
        (lambda: BinaryConv2d((1, 8, 8), 4, 9), "a kernel of 9 x 9, larger than the 8 x 8 that it reads"),
        (lambda: BinaryConv2d((1, 8, 8), 4, 3, stride=-1), "has a stride of -1 x -1; each has to be an integer"),
        (lambda: BinaryConv2d((1, 8, 8), 4, 3, padding=1.5), "has a padding of 1.5 x 1.5; that has to be smaller"),
        (lambda: BinaryConv2d((2, 8, 8), 4, 3, groups=3), "cannot split 2 channels and 4 maps into 3 groups"),
        (lambda: BinaryConv2d((1, 256, 255), 2, 1), "2 x 256 x 255 = 130560 neurons, more than 65535"),
        (lambda: SpikePool2d(64, 2), r"maps \(channels, rows, columns\), such as \(1, 28, 28\), not 64"),
        (lambda: SpikePool2d((1, 8, 8), 9), "a pooling has a kernel of 9 x 9, larger than the 8 x 8 that it reads"),
        (lambda: SpikePool2d((1, 8, 8), 2, count="1"), "waits for spike '1' of a window of 2 x 2"),
        (lambda: SpikePool2d((1, 8, 8), 2, stride=0), "has a stride of 0 x 0; each has to be an integer"),
    ],
)
def test_modules_refuse_in_one_line(make, says):
    with pytest.raises(InputError, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)


HOSTILE = [-1, 0, 2**40, 1.5, True, None, "3", [], [1], [1, 1, 1], [0, 1], [2**40, 1], [-1, 1], [1.0, 1.0], [True, 1]]


FIELDS = [(0, field) for field in ("maps", "kernel", "stride", "padding", "groups", "kind")]
FIELDS += [(1, field) for field in ("window", "stride", "count", "kind")]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
@pytest.mark.parametrize(("layer", "field"), FIELDS)
def test_hostile_shapes_are_refused_or_harmless(layer, field, value):
    """Whatever a sealed file says of a window, it is refused in one line, or the model works."""
    data = sealed(layer, {field: value})
    try:
        found = packed.from_bytes(data)
    except BstdgError as error:
        assert isinstance(error, FileFormatError)
        assert "\n" not in str(error)
    else:
        assert all(layers.size(layer.gives) > 0 for layer in found.layers)
        packed.to_bytes(found)


@pytest.mark.parametrize(
    ("layer", "fields", "says"),
    [
        (0, {"kernel": [65_535] * 2, "padding": [65_534] * 2, "stride": [65_535] * 2}, "should hold 3 rows of 42948"),
        (
            0,
            {"maps": 65_535, "stride": [6, 6], "kernel": [1, 1], "padding": [0, 0]},
            "should hold 65535 rows of 1 bits",
        ),
        (
            0,
            {"kernel": [9, 9], "padding": [0, 0]},
            "layer 0 has a kernel of 9 x 9, larger than the 6 x 6 that it reads",
        ),
        (0, {"groups": 2}, "layer 0 cannot split 1 channels and 3 maps into 2 groups"),
        (1, {"window": [7, 7], "stride": [1, 1]}, "layer 1 has a kernel of 7 x 7, larger than the 6 x 6"),
        (1, {"count": 5}, "layer 1 waits for spike 5 of a window of 2 x 2"),
    ],
)
def test_shapes_of_a_file_are_looked_at_before_anything_is_made_of_them(layer, fields, says):
    data = sealed(layer, fields)
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=says):
        packed.from_bytes(data)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5e6


def sealed(layer: int, fields: dict) -> bytes:
    """A file whose header says something else of a layer than it was, with a valid checksum."""
    parsed = files.parse(packed.to_bytes(model()), "x")
    config = json.loads(parsed.metadata["config"])
    config["layers"][layer].update(fields)
    metadata = {**parsed.metadata, "config": json.dumps(config)}
    metadata.pop("sha256")
    tensors = ((name, np.frombuffer(slot.data, np.uint8).view(TYPES[slot.dtype]).reshape(slot.shape), slot.dtype)
               for name, slot in parsed.tensors.items())  # fmt: skip
    return files.tensor_file(metadata, tensors)


TYPES = {"U8": np.uint8, "I16": np.int16, "I32": np.int32}


@pytest.mark.parametrize("threshold", [-(2**63), -(2**31), 2**31])
def test_thresholds_that_no_file_holds_are_refused(threshold):
    with pytest.raises(InputError, match="a threshold that does not fit 32 bits"):
        conv(Convolution((1, 4, 4), 3, (3, 3)), threshold).check()


def test_maps_that_are_not_those_below_are_refused():
    first, pool, last = model().layers
    other = conv(Convolution((1, 4, 9), 3, (3, 3), (1, 1), (1, 1)))
    with pytest.raises(InputError, match="layer 0 reads maps of 1 x 4 x 9, but 1 x 6 x 6 come in"):
        packed.PackedModel(LatencyCode((1, 6, 6)), (other, pool, last), 4, ("a", "b"))
    with pytest.raises(InputError, match="layer 0 reads maps of 1 x 6 x 6, but 36 come in"):
        packed.PackedModel(LatencyCode((36,)), (first, pool, last), 4, ("a", "b"))
