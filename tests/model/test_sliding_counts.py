"""What is counted of convolutions and poolings, against every synapse that every event passes, one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from support.strategies import events_of, make_events, make_steps, seeds
from support.synapses import sliding_layers, synapses_of

from bstdg.engine import oracle
from bstdg.engine.decide import decide
from bstdg.errors import InputError
from bstdg.inputs import LatencyCode
from bstdg.layers import Conv2dLayer, FullLayer, Pool2dLayer, size
from bstdg.layers.convolution import Convolution
from bstdg.model import energy
from bstdg.model.describe import describe
from bstdg.model.metrics import UNEVEN, Tally
from bstdg.model.packed import PackedModel
from bstdg.model.runtime import Model
from bstdg.model.sizes import sizes_of

T = 5


def counted(layers, spikes):
    """Tally's figures; and by hand spikes and operations into each layer up to the decision, means a sample."""
    trace = oracle.forward(layers, spikes, T)
    decision = decide(trace.potentials, layers[-1].thresholds)
    labels = decision.label
    tally = Tally.of(layers, T)
    tally.add(decision, labels, spikes, trace.hidden)
    sent, passed = np.zeros(len(layers)), np.zeros(len(layers))
    for i, (layer, steps) in enumerate(zip(layers, (spikes, *trace.hidden), strict=True)):
        reached: dict[int, int] = {}
        for _, channel, _ in synapses_of(layer):
            reached[channel] = reached.get(channel, 0) + 1
        for sample in range(len(labels)):
            for channel, step in events_of(steps, sample, T):
                if step <= decision.step[sample]:
                    sent[i] += 1
                    passed[i] += reached.get(channel, 0)
    return tally.figures(), sent / len(labels), passed / len(labels)


@settings(max_examples=60, deadline=None)
@given(seeds())
def test_operations_are_the_synapses_that_events_pass(rng):
    layers = sliding_layers(rng)
    make = make_steps if rng.random() < 0.5 else make_events
    spikes = make(rng, "random", 3, size(layers[0].reads), T)
    figures, sent, passed = counted(layers, spikes)
    assert figures["synaptic_operations_to_decision"] == pytest.approx(passed.sum(), rel=1e-12)
    assert figures["input_spikes_to_decision"] == pytest.approx(sent[0])
    assert figures["hidden_spikes_to_decision"] == pytest.approx(sent[1:].sum())
    if UNEVEN[0] in figures:
        assert figures[UNEVEN[0]] == pytest.approx(sent[1:])
        assert figures[UNEVEN[1]] == pytest.approx(passed)
    else:
        assert all(len(set(layer.fan_out().tolist())) == 1 for layer in layers)
    counts = energy.count("bstdg", sizes_of(layers), figures)
    if UNEVEN[0] in figures:
        assert [layer.additions for layer in counts] == pytest.approx(passed)
        for layer, found, events, synapses in zip(layers, counts, sent, passed, strict=True):
            each = synapses / events if events else 0
            assert found.weight_bits_read == pytest.approx(synapses if layer.weight_bits else 0)
            if events:
                assert found.weight_reads == pytest.approx(
                    events * math.ceil(math.ceil(each) / 64) * bool(layer.weight_bits)
                )
                assert found.state_writes == pytest.approx(events * math.ceil(math.ceil(each * 16) / 64))


@settings(max_examples=60, deadline=None)
@given(seeds())
def test_what_is_said_of_a_layer_is_what_it_has(rng):
    layers = sliding_layers(rng)
    code = LatencyCode(layers[0].reads)
    model = PackedModel(code, layers, T, ("a", "b", "c"))
    summary, said = Model(model).summary(), describe(model)["layers"]
    for layer, row, told, guess in zip(layers, summary.layers, said, sizes_of(layers), strict=True):
        synapses = synapses_of(layer)
        neurons = 1 + max(neuron for neuron, _, _ in synapses) if isinstance(layer, FullLayer) else size(layer.gives)
        assert (row.neurons, told["neurons"], guess.neurons) == (neurons,) * 3
        assert row.dense_operations == row.most_additions == told["synapses"] == len(synapses)
        assert guess.fan_out * guess.channels == pytest.approx(len(synapses))
        bits = 0 if isinstance(layer, Pool2dLayer) else layer.signs.size
        assert (row.weight_bits, told["weight_bits"], guess.weights) == (bits,) * 3
        stored = 0 if isinstance(layer, Pool2dLayer) else layer.signs.shape[0] * -(-layer.signs[0].size // 8)
        thresholds = {"full": neurons, "pool2d": 0}.get(layer.kind, getattr(layer, "signs", np.empty(0)).shape[0])
        assert row.bytes == stored + 2 * thresholds
    for kind in ("binary", "mlp"):
        additions = [layer.additions for layer in energy.count(kind, sizes_of(layers), {})]
        assert additions == pytest.approx([len(synapses_of(layer)) for layer in layers])


def test_borders_by_hand():
    """Every pixel of 4 x 4 fires: with padding a corner lies in 4 windows of 3 x 3, an edge in 6, the inside in 9."""
    conv = Conv2dLayer(
        np.ones((2, 1, 3, 3), np.int8), np.array([99, 99]), Convolution((1, 4, 4), 2, (3, 3), padding=(1, 1))
    )
    last = FullLayer(np.ones((2, 32), np.int8), np.array([99, 99]), (2, 4, 4))
    figures, _, _ = counted((conv, last), np.zeros((1, 16), np.uint8))
    assert figures[UNEVEN[1]] == [2 * (4 * 4 + 8 * 6 + 4 * 9), 0]
    only_corner = np.full((1, 16), T, np.uint8)
    only_corner[0, 0] = 0
    figures, _, _ = counted((conv, last), only_corner)
    assert figures[UNEVEN[1]] == [8, 0]
    first, _ = energy.count("bstdg", sizes_of((conv, last)), figures)
    assert (first.additions, first.weight_bits_read, first.weight_reads) == (8, 8, 1)
    assert first.state_writes == 2  # 8 potentials of 16 bits
    without = {key: value for key, value in figures.items() if key not in UNEVEN}
    first, _ = energy.count("bstdg", sizes_of((conv, last)), without)
    assert first.additions == 200 / 16  # on average over pixels


def test_a_pooling_reads_no_weights():
    pool, last = Pool2dLayer((1, 4, 4), (2, 2), (2, 2)), FullLayer(np.ones((2, 4), np.int8), np.array([1, 1]))
    figures, _, _ = counted((pool, last), np.zeros((1, 16), np.uint8))
    first, _ = energy.count("bstdg", sizes_of((pool, last)), figures)
    assert (first.additions, first.weight_reads, first.weight_bits_read) == (16, 0, 0)
    first, _ = energy.count("mlp", sizes_of((pool, last)), {})
    assert (first.additions, first.multiplications, first.weight_reads) == (16, 0, 0)


@pytest.mark.parametrize("name", UNEVEN)
@pytest.mark.parametrize("wrong", [3, [1.0], [1.0, "x"], ["a"] * 2, [1.0] * 3, [float("nan")] * 2])
def test_figures_by_layer_that_are_none_are_refused(name, wrong):
    figures = {"input_spikes_to_decision": 1.0, "hidden_spikes_to_decision": 2.0, "decision_step_mean": 0.0}
    figures |= {"hidden_spikes_by_layer": [2.0], UNEVEN[0]: [2.0], UNEVEN[1]: [3.0, 4.0]}
    energy.count("bstdg", (3, 4, 2), figures)
    if name == UNEVEN[0] and wrong == [1.0]:
        wrong = [1.0, 2.0]
    with pytest.raises(InputError, match=f"{name} must be . numbers, one a layer"):
        energy.count("bstdg", (3, 4, 2), {**figures, name: wrong})
