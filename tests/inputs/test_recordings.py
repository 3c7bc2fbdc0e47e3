"""Input codings: events on more channels, equal to the oracle's, and what each structure means for a potential."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import reading

from bstdg.engine import oracle, oracle_events
from bstdg.errors import FileFormatError, InputError
from bstdg.inputs import InputCoding, LatencyCode, RecordingCode
from bstdg.inputs.latency import latency
from bstdg.layers import FullLayer
from bstdg.learning.modules import BinaryLinear
from bstdg.learning.network import Network
from bstdg.learning.recipe import NetworkConfig, RuleConfig
from bstdg.learning.rule import Spikes
from bstdg.model import packed, runtime
from bstdg.spikes.events import Events, bin_events


@st.composite
def codings(draw) -> InputCoding:
    steps = st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True).map(tuple)
    return InputCoding(
        duration=draw(st.sampled_from([0.5, 1.0, 1.4])),
        onset=draw(st.integers(0, 6)),
        pool=draw(st.integers(1, 4)),
        keep=draw(st.sampled_from(["all", "one_per_step", "first"])),
        gates=draw(st.integers(1, 5)),
        delays=draw(steps),
        windows=draw(steps),
        counts=draw(st.sampled_from([0, 0, 1, 3, 6])),
    )


@st.composite
def recordings(draw) -> tuple[list[int], np.ndarray, np.ndarray, int]:
    """Offsets, channels, times and the number of channels."""
    lengths = draw(st.lists(st.integers(0, 12), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_channels = draw(st.integers(1, 7))
    total = sum(lengths)
    return (
        [0, *np.cumsum(lengths).tolist()],
        rng.integers(0, num_channels, total).astype(np.uint16),
        rng.uniform(0, 1.5, total).astype(np.float16),
        num_channels,
    )


def assert_equal(one: Events, two: Events) -> None:
    assert (one.num_channels, one.num_steps) == (two.num_channels, two.num_steps)
    for name in ("offsets", "channels", "steps"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
        assert getattr(one, name).dtype == getattr(two, name).dtype


@given(codings(), recordings(), st.integers(1, 12))
def test_every_coding_equals_the_oracle(coding, recording, num_steps):
    offsets, channels, times, num_channels = recording
    found = coding.encode(offsets, channels, times, num_channels=num_channels, num_steps=num_steps)
    wanted = oracle_events.code(coding, offsets, channels, times, num_channels=num_channels, num_steps=num_steps)
    assert_equal(found, wanted)
    assert found.num_channels == coding.width(num_channels)


@given(recordings(), st.integers(1, 12))
def test_the_plain_coding_only_bins(recording, num_steps):
    offsets, channels, times, num_channels = recording
    found = InputCoding(duration=1.0).encode(offsets, channels, times, num_channels=num_channels, num_steps=num_steps)
    wanted = bin_events(offsets, channels, times, num_channels=num_channels, num_steps=num_steps, duration=1.0)
    assert_equal(found, wanted)


@given(recordings(), st.integers(1, 12), st.integers(1, 9), st.integers(0, 4), st.integers(1, 5), st.integers(0, 99))
def test_potentials_are_those_of_delayed_gated_weights_that_are_taken_back(
    recording, num_steps, window, delay, gates, seed
):
    offsets, channels, times, num_channels = recording
    coding = InputCoding(duration=1.0, gates=gates, delays=(delay,), windows=(window,))
    events = coding.encode(offsets, channels, times, num_channels=num_channels, num_steps=num_steps)
    signs = np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), (3, coding.own_channels(num_channels)))
    layer = FullLayer(np.concatenate([signs, -signs], 1), np.array([1, 2, 3]))
    trace = oracle.forward([layer], events, num_steps)
    plain = bin_events(offsets, channels, times, num_channels=num_channels, num_steps=num_steps, duration=1.0)
    for n in range(len(plain)):
        part = slice(plain.offsets[n], plain.offsets[n + 1])
        step, channel = plain.steps[part].astype(int), plain.channels[part]
        weights = signs[:, step * gates // num_steps * num_channels + channel].astype(int)
        for t in range(num_steps):
            active = (step + delay <= t) & (t < step + delay + window)
            np.testing.assert_array_equal(trace.potentials[n, t], weights[:, active].sum(1))


def test_counts_are_the_latency_code_of_an_image_of_counts():
    coding = InputCoding(duration=1.0, gates=2, counts=4)
    channels, times = [0, 0, 0, 0, 0, 1, 1, 2], [0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.9]
    events = coding.encode([0, 8], channels, times, num_channels=3, num_steps=8)
    image = np.array([[4, 0, 0, 0, 2, 1]], np.uint8)  # gate by gate; five events count as four
    assert_equal(events, Events.from_steps(latency(image, 8, white=4), 8))


def test_tied_weights_learn_from_both_events():
    torch.manual_seed(0)
    events = InputCoding(duration=1.0, windows=(3,)).encode(
        [0, 3, 5], [0, 1, 1, 2, 0], [0.0, 0.3, 0.6, 0.1, 0.9], num_channels=3, num_steps=10
    )
    rule = RuleConfig(width=50.0)
    tied = BinaryLinear(6, 4, tied=3, rule=rule, threshold=1.0)
    free = BinaryLinear(6, 4, rule=rule, threshold=1.0)
    with torch.no_grad():
        tied.weight[0, 0] = 0.0  # counts as +1, so what takes it back counts as -1
        free.weight.copy_(tied.synapses)
        free.threshold.copy_(tied.threshold)
    signs = torch.where(tied.synapses >= 0, 1, -1)
    assert torch.equal(signs[:, 3:], -signs[:, :3])
    told = torch.randn(2, 4)
    for layer in (tied, free):
        (layer(Spikes.of_input(events, 10)).fired * told).sum().backward()
    assert torch.equal(tied.weight.grad, free.weight.grad[:, :3] - free.weight.grad[:, 3:])
    assert tied.weight.grad.abs().sum() > 0


def test_a_network_with_windows_is_deployed_with_opposite_bits():
    coding = InputCoding(windows=(0, 4), delays=(0, 2))
    network = Network(coding.width(5), 2, NetworkConfig(layers=(7,)), tied_inputs=coding.tied_channels(5))
    first = network.deployed()[0].signs
    assert first.shape == (7, coding.own_channels(5) + coding.tied_channels(5)) == (7, 30)
    np.testing.assert_array_equal(first[:, 20:], -first[:, :10])


def model(coding: InputCoding | None, channels: int = 3) -> packed.PackedModel:
    width = channels if coding is None else coding.width(channels)
    rng = np.random.default_rng(0)
    layers = (FullLayer(rng.choice(np.array([-1, 1], np.int8), (2, width)), np.array([1, 1])),)
    return packed.PackedModel(reading((channels,), 1, coding=coding), layers, 8, ("a", "b"))


def test_a_model_file_keeps_its_coding_and_others_do_not_know_of_it():
    coding = InputCoding(duration=0.7, pool=2, keep="first", gates=2, delays=(0, 3), windows=(5, 0))
    read = packed.from_bytes(packed.to_bytes(model(coding)))
    assert read.input == RecordingCode((3,), coding)
    assert read.widths == (coding.width(3), 2)
    assert b"counts" not in packed.to_bytes(model(coding))
    counted = dataclasses.replace(coding, counts=5)
    assert packed.from_bytes(packed.to_bytes(model(counted))).input.coding == counted
    assert packed.from_bytes(packed.to_bytes(model(None))).input == LatencyCode((3,), 1)


@pytest.mark.parametrize("change", [{"gates": 0}, {"delays": []}, {"pool": 1.5}, {"keep": "some"}, {"more": 1}])
def test_a_damaged_coding_is_refused(change, monkeypatch):
    good = model(InputCoding())
    monkeypatch.setattr(InputCoding, "to_dict", lambda self: {**dataclasses.asdict(self), **change})
    data = packed.to_bytes(good)
    with pytest.raises(FileFormatError, match="damaged configuration"):
        packed.from_bytes(data)


def test_images_and_recordings_are_not_mixed_up():
    events = runtime.Model(model(InputCoding()))
    with pytest.raises(InputError, match="reads recordings of events"):
        events.predict(np.zeros((1, 3), np.uint8))
    with pytest.raises(InputError, match="reads images"):
        runtime.Model(model(None)).encode_events([0, 1], [0], [0.1])
    assert len(events.encode_events([0, 1], [2], [0.1])) == 1


@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([1, 3, 6]),
    recordings(),
    st.integers(1, 12),
)
def test_edges_of_counts_equal_the_oracle(cell, rows, columns, counts, recording, num_steps):
    offsets, channels, times, _ = recording
    num_channels = 2 * cell * rows
    coding = InputCoding(duration=1.0, pool=2, gates=cell * columns, counts=counts, edges=cell)
    wires = channels % num_channels
    found = coding.encode(offsets, wires, times, num_channels=num_channels, num_steps=num_steps)
    wanted = oracle_events.code(coding, offsets, wires, times, num_channels=num_channels, num_steps=num_steps)
    assert_equal(found, wanted)
    assert found.num_channels == coding.width(num_channels) == 4 * rows * columns


def test_edges_of_counts_go_with_delays_and_windows():
    plain = InputCoding(duration=1.0, gates=4, counts=2, edges=2)
    both = InputCoding(duration=1.0, gates=4, counts=2, edges=2, delays=(0, 1), windows=(0, 2))
    recording = ([0, 3], [0, 1, 3], [0.1, 0.3, 0.9])
    once = plain.encode(*recording, num_channels=4, num_steps=8)
    assert len(once.steps) and (plain.own_channels(4), both.width(4)) == (16, 6 * 16)
    assert_equal(both.encode(*recording, num_channels=4, num_steps=8), both.expand(once))


def test_edges_must_fill_the_picture_of_counts():
    with pytest.raises(InputError, match="do not fill"):
        InputCoding(gates=3, counts=2, edges=2).encode([0, 0], [], [], num_channels=4, num_steps=8)
    with pytest.raises(InputError, match="give input"):
        InputCoding(gates=4, edges=2).encode([0, 0], [], [], num_channels=4, num_steps=8)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"duration": 0.0}, "duration"),
        ({"duration": float("inf")}, "duration"),
        ({"onset": -1}, "onset"),
        ({"pool": 0}, "pool"),
        ({"keep": "last"}, "keep"),
        ({"gates": 255}, "gates"),
        ({"delays": ()}, "delays"),
        ({"delays": (1, 1)}, "delays"),
        ({"windows": (-1,)}, "windows"),
        ({"counts": -1}, "counts"),
        ({"counts": 65536}, "counts"),
        ({"edges": -1}, "edges"),
    ],
)
def test_impossible_codings_are_refused(fields, message):
    with pytest.raises(InputError, match=f"input.{message}"):
        InputCoding(**fields)


def test_events_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="channels must be in 0 … 2, found 3"):
        InputCoding(pool=4).encode([0, 1], [3], [0.1], num_channels=3, num_steps=4)
    with pytest.raises(InputError, match="more than 65535"):
        InputCoding(gates=100).encode([0, 0], [], [], num_channels=700, num_steps=200)
