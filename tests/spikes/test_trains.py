"""Steps and spike trains are two ways to write the same; so are Tonic's events and ours."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import needs
from support.strategies import INPUT_KINDS, make_events, make_steps, seeds, step_numbers

import bstdg
from bstdg import Events, InputError, ToFirstSpike, join_events, spikes_to_events, spikes_to_steps, steps_to_spikes
from bstdg.spikes.events import MAX_CHANNELS


@st.composite
def steps(draw):
    """Steps `[batch, features]`, and T."""
    num_steps = draw(step_numbers())
    batch, features = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    return make_steps(draw(seeds()), draw(st.sampled_from(INPUT_KINDS)), batch, features, num_steps), num_steps


def train_of(events: Events) -> np.ndarray:
    """Zeros and ones `[T, batch, channels]`, an event at a time."""
    train = np.zeros((events.num_steps, len(events), events.num_channels))
    for sample in range(len(events)):
        for i in range(events.offsets[sample], events.offsets[sample + 1]):
            train[events.steps[i], sample, events.channels[i]] = 1
    return train


@given(steps())
def test_steps_come_back_from_their_train_in_numpy_and_torch(case):
    rows, num_steps = case
    train = steps_to_spikes(rows, num_steps)
    assert train.dtype == np.float32 and train.shape == (num_steps, *rows.shape)
    for sample, channel in np.ndindex(rows.shape):
        fires = [t for t in range(num_steps) if train[t, sample, channel] == 1]
        assert fires == ([int(rows[sample, channel])] if rows[sample, channel] < num_steps else [])
    back = spikes_to_steps(train)
    assert back.dtype == np.uint8 and np.array_equal(back, rows)
    tensor = steps_to_spikes(torch.from_numpy(rows), num_steps)
    assert tensor.dtype == torch.float32 and np.array_equal(tensor.numpy(), train)
    again = spikes_to_steps(tensor)
    assert again.dtype == torch.uint8 and np.array_equal(again.numpy(), rows)


@given(steps())
def test_a_network_reads_converted_trains_as_it_reads_steps(case):
    rows, num_steps = case
    back = Events.from_steps(rows, num_steps)
    events = spikes_to_events(steps_to_spikes(rows, num_steps))
    for name in ("offsets", "channels", "steps"):
        assert np.array_equal(getattr(events, name), getattr(back, name)), name


@given(seeds(), st.sampled_from(INPUT_KINDS), st.integers(1, 4), st.integers(1, 6), step_numbers())
def test_trains_of_several_spikes(rng, kind, batch, channels, num_steps):
    train = train_of(make_events(rng, kind, batch, channels, num_steps))
    events = spikes_to_events(train.astype(bool))
    assert np.array_equal(train_of(events), train)
    assert len(events.steps) == train.sum()
    assert np.array_equal(spikes_to_steps(train, repeated="first"), events.first_steps())
    of_tensor = spikes_to_events(torch.from_numpy(train))
    assert np.array_equal(of_tensor.steps, events.steps) and np.array_equal(of_tensor.channels, events.channels)
    if train.sum(0).max() > 1:
        for kind_of in (np.asarray, torch.from_numpy):
            with pytest.raises(InputError, match="fire more than once"):
                spikes_to_steps(kind_of(train))
    else:
        assert np.array_equal(spikes_to_steps(train), events.first_steps())


def test_feature_dimensions_are_flattened_and_restored():
    rows = np.random.default_rng(0).integers(0, 5, (3, 24)).astype(np.uint8)
    train = steps_to_spikes(rows, 4, shape=(2, 3, 4))
    assert train.shape == (4, 3, 2, 3, 4)
    assert np.array_equal(spikes_to_steps(train), rows)
    assert np.array_equal(spikes_to_steps(torch.from_numpy(train)).numpy(), rows)


def test_a_train_that_needs_a_gradient_is_read_without_one():
    train = torch.zeros(3, 1, 2)
    train[1, 0, 0] = 1
    assert spikes_to_steps(train.requires_grad_()).tolist() == [[1, 3]]


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@pytest.mark.parametrize(
    ("train", "says"),
    [
        (np.full((2, 1, 3), 0.5), "0 and 1 alone; 6 values are others, such as 0.5"),
        (np.full((2, 1, 1), np.nan), "such as nan"),
        (np.full((2, 1, 1), -1), "such as -1"),
        (np.zeros((255, 1, 1)), "1 … 254, not 255"),
        (np.zeros((0, 1, 1)), "1 … 254, not 0"),
        (np.zeros((2, 3)), r"\[T, batch, features\].* not \[2, 3\]"),
    ],
)
def test_what_is_no_train_is_refused(kind, train, says):
    for convert in (spikes_to_steps, spikes_to_events):
        with pytest.raises(InputError, match=says):
            convert(kind(train))


def test_other_bad_arguments():
    rows = np.array([[0, 2]], np.uint8)
    with pytest.raises(InputError, match="not list"):
        spikes_to_steps([[[0]]])
    with pytest.raises(InputError, match="repeated must be"):
        spikes_to_steps(np.zeros((2, 1, 1)), repeated="last")
    with pytest.raises(InputError, match="beyond T = 1"):
        steps_to_spikes(rows, 1)
    with pytest.raises(InputError, match="must be in 1 … 254"):
        steps_to_spikes(rows, 255)
    with pytest.raises(InputError, match="uint8"):
        steps_to_spikes(rows.astype(np.int64), 4)
    with pytest.raises(InputError, match="uint8"):
        steps_to_spikes(torch.zeros(2, dtype=torch.uint8), 4)
    with pytest.raises(InputError, match="not list"):
        steps_to_spikes([[0]], 4)
    with pytest.raises(InputError, match=r"2 features do not fill the shape \[3\]"):
        steps_to_spikes(rows, 4, shape=(3,))


def test_a_batch_of_none_is_a_batch():
    assert spikes_to_steps(np.zeros((4, 0, 3))).shape == (0, 3)
    assert tuple(spikes_to_steps(torch.zeros(4, 0, 3)).shape) == (0, 3)
    assert steps_to_spikes(np.zeros((0, 3), np.uint8), 4).shape == (4, 0, 3)
    assert len(spikes_to_events(np.zeros((4, 0, 3)))) == 0


def test_converting_numpy_arrays_does_not_import_torch():
    code = "import numpy, bstdg, sys; bstdg.spikes_to_steps(numpy.zeros((2, 1, 1))); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# snnTorch and SpikingJelly, where they are installed


@pytest.mark.filterwarnings("ignore")
def test_snntorch_latency_code_becomes_steps():
    """snnTorch's linear latency code fires at round((T - 1) (1 - x)); in T steps of ours that is another rounding."""
    spikegen = needs.package("snntorch.spikegen")
    images = torch.linspace(0, 1, 33).reshape(3, 11)
    train = spikegen.latency(images, num_steps=9, normalize=True, linear=True)
    rows = spikes_to_steps(train)
    assert rows.tolist() == torch.round(8 * (1 - images)).to(torch.uint8).tolist()
    assert torch.equal(steps_to_spikes(rows, 9), train)


@pytest.mark.filterwarnings("ignore")
def test_spikingjelly_latency_code_becomes_steps():
    encoding = needs.package("spikingjelly.activation_based.encoding")
    images = torch.linspace(0, 1, 33).reshape(3, 11)
    encoder = encoding.LatencyEncoder(9, "linear")
    train = torch.stack([encoder(images) for _ in range(9)])
    rows = spikes_to_steps(train)
    assert rows.tolist() == torch.round(8 * (1 - images)).to(torch.uint8).tolist()
    assert torch.equal(steps_to_spikes(rows, 9), train)


# Event sensors

CAMERA = np.dtype([("x", np.int16), ("y", np.int16), ("p", np.bool_), ("t", np.int64)])
COCHLEA = np.dtype([("t", np.float32), ("x", np.uint16), ("p", np.int8)])


def recording(rng, size, count, dtype=CAMERA, until=1000):
    events = np.zeros(count, dtype)
    for name, n in zip("xyp", size, strict=True):
        if name in dtype.names:
            events[name] = rng.integers(0, n, count)
    events["t"] = rng.integers(0, until, count)
    return events


@given(seeds(), st.tuples(*[st.integers(1, 5)] * 2, st.integers(1, 2)), st.integers(0, 40), step_numbers())
def test_a_camera_s_recording_becomes_first_steps(rng, size, count, num_steps):
    events = recording(rng, size, count)
    width, height, _ = size
    wanted = np.full(np.prod(size), num_steps)
    for x, y, p, t in events.tolist():
        channel = (int(p) * height + y) * width + x
        step = int(np.floor(t * (num_steps / 1000)))
        wanted[channel] = min(wanted[channel], step)
    given_ = ToFirstSpike(num_steps, size, duration=1000, start=0)
    assert given_.num_channels == len(wanted)
    rows = given_(events)
    assert rows.dtype == np.uint8 and np.array_equal(rows, wanted)
    everything = ToFirstSpike(num_steps, size, duration=1000, start=0, keep="all")(events)
    assert len(everything.steps) == count and np.array_equal(everything.first_steps()[0], wanted)
    once = ToFirstSpike(num_steps, size, duration=1000, start=0, keep="one_per_step")(events)
    pairs = set(zip(everything.channels.tolist(), everything.steps.tolist(), strict=True))
    assert set(zip(once.channels.tolist(), once.steps.tolist(), strict=True)) == pairs
    assert len(once.steps) == len(pairs)


@given(seeds(), st.integers(1, 30), step_numbers(), st.sampled_from([CAMERA, COCHLEA]), st.integers(0, 10**6))
def test_without_a_duration_the_whole_recording_fills_the_steps(rng, count, num_steps, dtype, offset):
    events = recording(rng, (5, 1, 1), count, dtype)
    events["t"] += offset
    kept = ToFirstSpike(num_steps, (5, 1, 1), keep="all")(events)
    assert len(kept.steps) == count  # the last event, too
    assert kept.steps.min() == 0
    if dtype == CAMERA and np.ptp(events["t"]) >= num_steps:
        assert kept.steps.max() == num_steps - 1


def test_events_outside_the_duration_are_left_out_and_the_start_may_be_named():
    events = np.array([(0, 0), (1, 5), (2, 9), (3, 10)], dtype=[("x", int), ("t", int)])
    assert ToFirstSpike(5, (4, 1, 1), duration=5, start=5)(events).tolist() == [5, 0, 4, 5]
    assert ToFirstSpike(5, (4, 1, 1), duration=5)(events).tolist() == [0, 5, 5, 5]


def test_no_event_is_a_silent_recording():
    assert ToFirstSpike(4, (2, 2, 1))(np.zeros(0, CAMERA)).tolist() == [4] * 4
    assert len(ToFirstSpike(4, (2, 2, 1), keep="all")(np.zeros(0, CAMERA)).steps) == 0


def test_one_polarity_of_shd_is_not_looked_at():
    events = recording(np.random.default_rng(0), (700, 1, 1), 5, COCHLEA)
    events["p"] = 1  # what Tonic's SHD says of every event
    assert (ToFirstSpike(10, (700, 1, 1))(events) < 10).sum() == len(set(events["x"].tolist()))


def test_a_default_data_loader_makes_batches_of_steps_and_join_events_of_events():
    rng = np.random.default_rng(0)
    recordings = [recording(rng, (3, 2, 2), 12) for _ in range(4)]
    first, every = ToFirstSpike(6, (3, 2, 2)), ToFirstSpike(6, (3, 2, 2), keep="all")
    batch = next(iter(torch.utils.data.DataLoader([first(r) for r in recordings], batch_size=4)))
    assert batch.dtype == torch.uint8 and tuple(batch.shape) == (4, 12)
    joined = join_events([every(r) for r in recordings])
    assert np.array_equal(joined.first_steps(), batch.numpy())
    network = bstdg.Network(12, 2, bstdg.learning.recipe.NetworkConfig(layers=(5,), num_steps=6))
    assert tuple(network(joined).potentials.shape) == tuple(network(batch).potentials.shape) == (4, 6, 2)


@given(seeds(), st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(1, 4), step_numbers())
def test_joined_events_are_the_parts_one_after_the_other(rng, sizes, channels, num_steps):
    parts = [make_events(rng, "random", size, channels, num_steps) for size in sizes]
    joined = join_events(parts)
    assert len(joined) == sum(sizes)
    assert np.array_equal(train_of(joined), np.concatenate([train_of(part) for part in parts], axis=1))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"num_steps": 255}, "1 … 254"),
        ({"sensor_size": (34, 34)}, "width, height, polarities"),
        ({"sensor_size": 700}, "width, height, polarities"),
        ({"sensor_size": (34, 0, 2)}, "width, height, polarities"),
        ({"sensor_size": (346, 260, 2)}, f"179920 channels, more than {MAX_CHANNELS}"),
        ({"keep": "last"}, "keep must be one of 'all', 'one_per_step', 'first'"),
        ({"duration": 0}, "duration must be a positive number"),
        ({"duration": float("nan")}, "duration must be a positive number"),
    ],
)
def test_bad_arguments_of_the_transform(arguments, says):
    with pytest.raises(InputError, match=says):
        ToFirstSpike(**{"num_steps": 8, "sensor_size": (34, 34, 2)} | arguments)


@pytest.mark.parametrize(
    ("events", "says"),
    [
        (np.zeros((3, 4)), "structured array"),
        ([(0, 1)], "structured array"),
        (np.zeros(2, [("t", int), ("x", int)]), "missing: y, p"),
        (np.zeros(2, [("x", int), ("y", int), ("p", int)]), "missing: t"),
        (np.array([(40, 0, 0, 0)], CAMERA), "x is 40 … 40, the sensor has 0 … 33"),
        (np.array([(0, -1, 0, 0)], CAMERA), "y is -1 … -1"),
        (np.array([(0.0, 0, 0, np.nan)], [(n, float) for n in "xypt"]), "no finite numbers"),
    ],
)
def test_bad_events(events, says):
    with pytest.raises(InputError, match=says):
        ToFirstSpike(8, (34, 34, 2))(events)


def test_events_that_do_not_belong_together_are_not_joined():
    one = Events.from_steps(np.array([[0]], np.uint8), 4)
    with pytest.raises(InputError, match="same channels and T"):
        join_events([one, Events.from_steps(np.array([[0]], np.uint8), 5)])
    with pytest.raises(InputError, match="no events"):
        join_events([])


@pytest.mark.filterwarnings("ignore")
def test_channels_are_numbered_as_tonic_flattens_its_frames():
    tonic = needs.package("tonic.transforms")
    size = (5, 4, 2)
    events = recording(np.random.default_rng(1), size, 60)
    events = events[np.argsort(events["t"], kind="stable")]
    frames = tonic.ToFrame(size, time_window=100)(events)
    first = ToFirstSpike(len(frames), size, duration=100 * len(frames))(events)
    there = frames.reshape(len(frames), -1) > 0
    assert np.array_equal(np.where(there.any(0), there.argmax(0), len(frames)), np.minimum(first, len(frames)))
