"""Energy counts and estimates against cases worked out by hand, and what must hold of any network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bstdg.errors import InputError
from bstdg.layers import FullLayer
from bstdg.model import energy
from bstdg.model.sizes import sizes_of


def spiking(events, hidden, step, by_layer=None):
    return {
        "input_spikes_to_decision": events,
        "hidden_spikes_to_decision": hidden,
        "hidden_spikes_by_layer": [hidden] if by_layer is None else by_layer,
        "decision_step_mean": step,
    }


def test_this_projects_network_by_hand():
    # 100 input spikes and 40 hidden spikes; decided at step 1.5, so neurons were compared 2.5 times
    first, last = energy.count("bstdg", (784, 600, 10), spiking(100, 40, 1.5))
    assert (first.additions, last.additions) == (60_000, 400)
    assert (first.weight_reads, last.weight_reads) == (1000, 40)  # rows of 600 bits: 10 words; of 10 bits: 1
    assert first.state_writes == 100 * 150  # 600 potentials of 16 bits are 150 words
    assert first.state_reads == 100 * 150 + 2.5 * (150 + 150)  # and their thresholds as many
    assert last.state_reads == 40 * 3 + 2.5 * (3 + 3)
    assert (first.comparisons, first.multiplications) == (1500, 0)
    cost = energy.estimate((first, last))
    assert cost.additions == pytest.approx(0.1 * 60_400)
    assert cost.comparisons == pytest.approx(0.1 * (1500 + 25))
    assert cost.sram_weights == pytest.approx(1000 * 100.0 + 40 * 10.0)  # 58,800 bytes; 750 bytes
    assert cost.sram_state == pytest.approx(10.0 * (2 * 15_000 + 750 + 2 * 120 + 15))
    assert cost.multiplications == 0


def test_s4nn_by_hand():
    first, last = energy.count("s4nn", (784, 400, 10), spiking(100, 80, 84))
    assert first.additions == 40_000
    assert first.weight_bits_read == 40_000 * 32
    assert first.weight_reads == 100 * 200
    assert first.comparisons == 84 * 400  # its stamp is one step after the crossing
    assert first.state_reads == 100 * 200 + 84 * 200  # one threshold for all is not read
    cost = energy.estimate((first, last))
    assert cost.additions == pytest.approx(0.9 * (40_000 + 800))
    assert cost.sram_weights == pytest.approx(100 * 200 * 100.0 + 80 * 5 * 20.0)  # 1.25 MB; 16 kB


def test_a_maximum_of_a_window_multiplies_nothing_and_is_scaled_by_nothing():
    sizes = [energy.Size(16, 32, 9, 72), energy.Size(32, 8, 1, 0), energy.Size(8, 3, 3, 24)]
    assert [layer.multiplications for layer in energy.count("ann", sizes, {})] == [144, 0, 24]
    assert [layer.multiplications for layer in energy.count("bnn-relu", sizes, {})] == [32, 0, 0]
    assert [layer.additions for layer in energy.count("bnn", sizes, {})] == [144, 32, 24]


def test_bs4nn_by_hand():
    first, last = energy.count("bs4nn", (784, 400, 10), spiking(100, 80, 84))
    assert (first.number, last.number) == ("integer", "integer")
    assert (first.weight_bits_read, first.weight_reads) == (40_000, 100 * 7)  # rows of 400 bits: 7 words
    assert (first.weight_bytes, first.state_bytes) == (39_200, 800)  # of 1 bit, and of 16
    assert (first.state_writes, first.state_reads) == (100 * 100, 100 * 100 + 84 * 100)
    assert first.comparisons == 84 * 400
    assert (last.weight_reads, last.weight_bytes, last.state_bytes) == (80, 500, 20)


def test_binary_networks_by_hand():
    for kind in ("binary", "binary-relu"):
        first, last = energy.count(kind, (784, 600, 10), {})
        assert (first.weight_bits_read, last.weight_bits_read) == (784 * 600, 600 * 10)
        assert (first.weight_reads, last.weight_reads) == (784 * 10, 600)
        assert (first.state_writes, last.state_writes) == (784 * 300, 600 * 5)  # sums of 32 bits
        assert (first.state_reads, last.state_reads) == (784 * 300 + 2 * 300, 600 * 5 + 2 * 5)  # thresholds once
        assert (first.weight_bytes, last.weight_bytes) == (58_800, 750)
        assert (first.state_bytes, last.state_bytes) == (2400, 40)
        assert (first.comparisons, last.comparisons) == (600, 10)


def test_sizes_are_rounded_up_to_bytes():
    (only,) = energy.count("bstdg", (3, 3), spiking(2, 0, 1, by_layer=[]))
    assert (only.weight_bytes, only.state_bytes) == (2, 6)  # 9 bits; 3 times 16
    assert (only.additions, only.weight_reads, only.comparisons) == (6, 2, 6)
    (only,) = energy.count("mlp", (5, 1), {})
    assert (only.weight_bytes, only.state_bytes) == (20, 4)


def test_layers_of_which_an_event_reaches_a_part_are_given_by_their_sizes():
    hidden, output = energy.Size(36, 100, 9.5, 18), energy.Size(100, 2, 2, 200)
    first, last = energy.count("bstdg", [hidden, output], spiking(10, 4, 1))
    assert (first.additions, last.additions) == (95, 8)
    assert (first.weight_bytes, last.weight_bytes) == (3, 25)
    assert (first.comparisons, last.comparisons) == (200, 4)
    first, last = energy.count("mlp", [hidden, output], {})
    assert (first.additions, last.additions) == (36 * 9.5, 200)


@pytest.mark.parametrize("kind", ["bstdg", "mlp"])
def test_sizes_and_widths_of_a_fully_connected_network_say_the_same(kind):
    figures = spiking(10, 4, 1)
    assert energy.count(kind, energy.fully_connected((9, 7, 3)), figures) == energy.count(kind, (9, 7, 3), figures)
    for nothing in ((), (9,)):
        with pytest.raises(InputError, match="an input and a layer"):
            energy.count(kind, nothing, figures)


def test_an_even_fan_out_is_a_whole_number():
    layer = FullLayer(np.ones((3, 4), np.int8), np.ones(3, np.int64))
    (size,) = sizes_of([layer])
    assert size == (4, 3, 3, 12)
    assert isinstance(size.fan_out, int)  # 12, and not 12.0, where counts are shown


def test_hidden_layers_that_send_nothing_cost_their_output_nothing():
    assert [layer.additions for layer in energy.count("bstdg", (10, 8, 2), spiking(5, 0, 7))] == [40, 0]


def test_float_network_by_hand():
    layers = energy.count("mlp", (784, 600, 10), {})
    cost = energy.estimate(layers)
    synapses = 784 * 600 + 600 * 10
    assert sum(layer.additions for layer in layers) == synapses
    assert cost.additions == pytest.approx(0.9 * synapses)
    assert cost.multiplications == pytest.approx(3.7 * synapses)
    assert cost.comparisons == pytest.approx(0.9 * 610)
    assert cost.sram_weights == pytest.approx(784 * 300 * 100.0 + 600 * 5 * 20.0)  # 1.9 MB; 24 kB
    assert [layer.state_writes for layer in layers] == [784 * 300, 600 * 5]
    assert [layer.state_bytes for layer in layers] == [2400, 40]


def test_rectified_units_of_a_binary_network_are_rescaled_once():
    first, last = energy.count("binary-relu", (784, 600, 10), {})
    assert (first.multiplications, last.multiplications) == (600, 0)
    assert (first.number, last.number) == ("integer", "float")
    assert [layer.multiplications for layer in energy.count("binary", (784, 600, 10), {})] == [0, 0]


def test_hidden_spikes_of_two_layers_are_shared_out():
    layers = energy.count("bstdg", (10, 8, 6, 2), spiking(5, 6, 0, by_layer=[8, 4]))
    assert [layer.additions for layer in layers] == [5 * 8, 4 * 6, 2 * 2]


@given(st.sampled_from(sorted(energy.KINDS)), st.lists(st.integers(1, 300), min_size=3, max_size=3), st.data())
def test_more_events_never_cost_less(kind, widths, data):
    few = spiking(*(data.draw(st.integers(0, 50)) for _ in range(3)))
    more = spiking(few["input_spikes_to_decision"] + 1, few["hidden_spikes_to_decision"], few["decision_step_mean"])
    costs = [energy.estimate(energy.count(kind, widths, figures)) for figures in (few, more)]
    assert costs[0].arithmetic >= 0 and costs[0].sram >= 0
    if energy.KINDS[kind].spikes:
        assert costs[0].additions < costs[1].additions and costs[0].sram < costs[1].sram
    else:
        assert costs[0] == costs[1]


@pytest.mark.parametrize(
    ("size", "cost"), [(0, 10), (8192, 10), (8193, 20), (32_768, 20), (32_769, 100), (1 << 20, 100), (1 << 24, 100)]
)
def test_memory_of_the_table(size, cost):
    assert energy.access(size) == cost


def test_report_is_plain_and_adds_up():
    report = {"widths": [784, 600, 10], "test": spiking(100, 40, 1.5)}
    said = energy.of_report(report)
    parts = said["estimate_pj"]
    assert said["counts"]["additions"] == 60_400
    assert parts["arithmetic"] == parts["additions"] + parts["multiplications"] + parts["comparisons"]
    assert parts["total"] == pytest.approx(parts["arithmetic"] + parts["sram"])
    assert "estimate" in said["table"]
    assert said["assumptions"]["weight_bits"] == 1
    assert energy.of_report(report | {"baseline": "bptt"})["estimate_pj"] == parts


@pytest.mark.parametrize(
    ("kind", "widths", "figures", "said"),
    [
        ("cnn", (2, 2), {}, "counted for"),
        ("mlp", (2,), {}, "an input and a layer"),
        ("bstdg", (2, 0, 2), spiking(1, 1, 1), "1 or more"),
        ("bstdg", (2, 2, 2), {}, "must hold input_spikes_to_decision"),
        ("mlp", (2, 0), {}, "of 1 or more each"),
        ("bstdg", (2, 2, 2, 2), spiking(1, 1, 1), "of 1 hidden layers, the widths of 2"),
    ],
)
def test_refusals(kind, widths, figures, said):
    with pytest.raises(InputError, match=said):
        energy.count(kind, widths, figures)


def test_a_report_without_figures_is_refused():
    with pytest.raises(InputError, match="widths and test figures"):
        energy.of_report({"widths": [2, 2]})
