"""Layers as they are written, held in files, and counted."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bstdg import files, layers
from bstdg.engine import oracle_conv
from bstdg.errors import BstdgError, FileFormatError, InputError
from bstdg.inputs import LatencyCode
from bstdg.layers import Conv2dLayer, FullLayer, Pool2dLayer, written
from bstdg.layers.convolution import Convolution
from bstdg.learning.network import Network
from bstdg.learning.recipe import NetworkConfig
from bstdg.model import packed
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
        ("pol2", "'pol2' is no layer known here, such as 'pool2'"),
        ("32v5", "'32v5' is no layer known here, such as '32c"),
        ("c5", "is no layer known here"),
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
        ((1, 8, 8), ("4c3s0",), "no integer in 1"),
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


HOSTILE = [-1, 0, 2**40, 1.5, True, None, "3", [], [1], [1, 1, 1], [0, 1], [2**40, 1], [-1, 1], [1.0, 1.0], [True, 1]]


FIELDS = [(0, field) for field in ("maps", "kernel", "stride", "padding", "groups", "kind")]
FIELDS += [(1, field) for field in ("window", "stride", "count", "kind")]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
@pytest.mark.parametrize(("layer", "field"), FIELDS)
def test_hostile_shapes_are_refused_or_harmless(layer, field, value):
    """Whatever a sealed file says of a window, it is refused in one line, or the model works."""
    parsed = files.parse(packed.to_bytes(model()), "x")
    config = json.loads(parsed.metadata["config"])
    config["layers"][layer][field] = value
    metadata = {**parsed.metadata, "config": json.dumps(config)}
    metadata.pop("sha256")
    tensors = ((name, np.frombuffer(slot.data, np.uint8).view(TYPES[slot.dtype]).reshape(slot.shape), slot.dtype)
               for name, slot in parsed.tensors.items())  # fmt: skip
    data = files.tensor_file(metadata, tensors)
    try:
        found = packed.from_bytes(data)
    except BstdgError as error:
        assert isinstance(error, FileFormatError)
        assert "\n" not in str(error)
    else:
        assert all(layers.size(layer.gives) > 0 for layer in found.layers)
        packed.to_bytes(found)


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
