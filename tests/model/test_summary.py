"""A network at a glance: the sums are right, on a terminal and in a notebook."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from support.paths import GOLDEN
from support.processes import loaded_by
from support.strategies import random_model, reading

from bstdg import Network
from bstdg.inputs.coding import InputCoding
from bstdg.learning.recipe import NetworkConfig
from bstdg.model import packed
from bstdg.model.runtime import Model


@pytest.mark.parametrize("threshold", [3, 40_000])
def test_the_sums_are_those_of_the_model_file(threshold):
    model = random_model((21, 30, 7, 3), threshold=threshold)
    summary = Model(model).summary()
    data = packed.to_bytes(model)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    tensors = [entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"]
    assert summary.bytes == sum(end - begin for begin, end in tensors)
    assert summary.weight_bits == model.weight_bits
    assert summary.neurons == 40
    assert summary.dense_operations == sum(below * above for below, above in pairwise(model.widths))
    assert summary.most_additions == summary.dense_operations  # a spike a channel at most
    for row, layer in zip(summary.layers, model.layers, strict=True):
        assert (row.threshold_min, row.threshold_max) == (layer.thresholds.min(), layer.thresholds.max())
        assert row.threshold_mean == pytest.approx(layer.thresholds.mean())
    assert [row.name for row in summary.layers] == ["hidden 1", "hidden 2", "output"]


@pytest.mark.parametrize(
    ("coding", "spikes"),
    [
        (InputCoding(keep="all"), None),
        (InputCoding(keep="one_per_step"), 8),
        (InputCoding(keep="first"), 1),
        (InputCoding(keep="all", counts=5), 1),
    ],
)
def test_events_bound_the_additions_as_their_coding_does(coding, spikes):
    model = Model(random_model((20, 9, 3), shape=(20,), coding=coding))
    most = model.summary().most_additions
    assert most == (None if spikes is None else spikes * 20 * 9 + 9 * 3)
    assert ("no bound" in str(model.summary())) == (spikes is None)


def test_a_network_and_its_model_say_the_same():
    network = Network(20, 3, NetworkConfig(layers=(9,)))
    model = Model(packed.PackedModel(reading((4, 5)), tuple(network.deployed()), 8, ("a", "b", "c")))
    assert network.summary().layers == model.summary().layers
    assert repr(network) == "Network(20-9-3, T=8, binary weights, threshold_mode='neuron')"
    assert repr(model) == "Model(20-9-3, T=8, reads images of 4 x 5, engine='native')"
    text, shown = str(network.summary()), network._repr_html_()
    for cells in network.summary().rows():
        assert all(cell in text for cell in cells)
        assert "".join(f"<td>{cell}</td>" for cell in cells) in shown
    assert "<caption>Model(20-9-3" in model._repr_html_()


def test_real_weights_have_32_bits():
    summary = Network(20, 3, NetworkConfig(layers=(), weights="real")).summary()
    assert (summary.weight_bits, summary.bytes) == (32 * 60, 4 * 60 + 4 * 3)


def test_a_model_shows_itself_without_torch():
    program = f"import bstdg; m = bstdg.load({str(GOLDEN / 'model-v1.bstdg')!r}); m._repr_html_(); str(m.summary())"
    assert not {"torch", "matplotlib", "rich", "IPython"} & loaded_by(program)


def test_rows_are_aligned():
    lines = str(Model(random_model((784, 600, 10))).summary()).splitlines()[1:-1]
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 4
    assert np.unique([line[:8] for line in lines]).size == 4
