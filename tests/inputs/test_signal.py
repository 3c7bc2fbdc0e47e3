"""Signals relative to themselves: what the maps are, and that neither gain nor offset changes a step."""

from __future__ import annotations

import dataclasses
from statistics import median_low
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.model_files import resealed, set_config

from bstdg import datasets, inputs
from bstdg.datasets import Dataset
from bstdg.errors import FileFormatError, InputError
from bstdg.inputs import SignalCode, signal
from bstdg.inputs.signal import SignalMap
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict
from bstdg.model import packed, runtime
from bstdg.training.train import train

NAMES = get_args(SignalMap)
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 7))


def written_out(plane, name, num_steps, top=0):
    """The steps of one plane, value by value, as the text says; plane is a list of rows."""
    flat = [x for row in plane for x in row]
    low, high, mid = min(flat), max(flat), median_low(flat)
    slopes = [
        [row[min(n + 1, len(row) - 1)] - row[max(n - 1, 0)] for n in range(len(row))] for row in plane
    ]  # fmt: skip
    values, own = {
        "level": ([[x - low for x in row] for row in plane], high - low),
        "depth": ([[high - x for x in row] for row in plane], high - low),
        "above": ([[max(0, x - mid) for x in row] for row in plane], max(high - mid, mid - low)),
        "below": ([[max(0, mid - x) for x in row] for row in plane], max(high - mid, mid - low)),
        "rise": ([[max(0, d) for d in row] for row in slopes], max(abs(d) for row in slopes for d in row)),
        "fall": ([[max(0, -d) for d in row] for row in slopes], max(abs(d) for row in slopes for d in row)),
    }[name]
    top = top or own
    return [num_steps if not v else (top - min(v, top)) * num_steps // top for row in values for v in row]


@given(st.data(), SHAPES, st.integers(1, 254), st.permutations(NAMES), st.integers(1, 6), st.sampled_from([0, 1, 700]))
def test_maps_are_what_the_text_says(data, shape, num_steps, names, count, top):
    images = data.draw(hnp.arrays(np.int16, (2, *shape), elements=st.integers(0, 4094)))
    maps = tuple(names[:count])
    code = SignalCode(shape, maps, 4094, top=top)
    assert code.gives == (shape[0] * count, *shape[1:])
    found = code.encode(images, num_steps)
    for image, steps in zip(images.tolist(), found.tolist(), strict=True):
        assert steps == [s for plane in image for name in maps for s in written_out(plane, name, num_steps, top)]


@given(hnp.arrays(np.int64, (3, 1, 9), elements=st.integers(0, 900)), st.integers(1, 4), st.integers(0, 400))
def test_gain_and_offset_change_nothing(beats, gain, offset):
    code = SignalCode((1, 1, 9), NAMES, 4094)
    assert np.array_equal(code.encode(beats, 8), code.encode(gain * beats + offset, 8))
    own = SignalCode((1, 1, 9), NAMES, 4094, top=300)
    assert np.array_equal(own.encode(beats, 8), own.encode(beats + offset, 8))


def test_a_flat_line_is_silent_and_so_is_what_is_small():
    code = SignalCode((1, 1, 4), NAMES, 255)
    assert (code.encode(np.full((1, 1, 4), 77), 8) == 8).all()
    beats = np.array([[[0, 0, 0, 100, 10, 9]]])
    said = [SignalCode((1, 1, 6), ("above",), 255, share).encode(beats, 4).ravel().tolist() for share in (0.0, 0.095)]
    assert said == [[4, 4, 4, 0, 3, 3], [4, 4, 4, 0, 3, 4]]


def test_many_are_the_same_as_one_by_one_and_in_every_form(monkeypatch):
    beats = np.random.default_rng(0).integers(0, 4095, (7, 1, 16)).astype(np.int16)
    code = SignalCode((1, 1, 16), ("level", "rise"), 4094)
    whole = code.encode(beats, 8)
    assert np.array_equal(code.encode(beats.reshape(7, 16), 8), whole)
    assert np.array_equal(code.encode(beats.reshape(7, 1, 1, 16), 8), whole)
    assert np.array_equal(code.encode(beats / 4094, 8), whole)
    assert np.array_equal(code.encode(beats[0], 8), whole[:1])
    monkeypatch.setattr(signal, "AT_ONCE", 40)
    assert np.array_equal(code.encode(beats, 8), whole)
    assert code.encode(beats[:0], 8).shape == (0, 32)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"maps": ()}, "are some of level, depth, above, below, rise, fall"),
        ({"maps": ("abov",)}, "not \\('abov',\\)"),
        ({"maps": ("above", "above")}, "named once"),
        ({"top": -1}, "top of a signal must be an integer in 0 … 65535"),
        ({"top": True}, "top of a signal"),
        ({"white": 0}, "white must be an integer"),
        ({"reads": (5,)}, "channels, rows and columns"),
        ({"reads": (1, 1, 60_000)}, "more than 65535"),
    ],
)
def test_what_is_no_signal_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        dataclasses.replace(SignalCode((1, 1, 5)), **changes)


def test_values_out_of_range_are_refused():
    code = SignalCode((1, 1, 2), white=10)
    for bad in ([[[11, 0]]], [[[-1, 0]]], [[[1.5, 0.0]]], [[[np.nan, 0.0]]]):
        with pytest.raises(InputError):
            code.encode(np.array(bad), 4)


def waves(name, split, data_dir=None, progress=False):
    """Bumps upwards or downwards, on any offset, of any size."""
    rng = np.random.default_rng(split == "test")
    labels = np.arange(160) % 2
    place, size, offset = rng.integers(2, 20, 160), rng.integers(200, 900, 160), rng.integers(1000, 3000, 160)
    beats = np.repeat(offset[:, None], 24, axis=1)
    for n, beat in enumerate(beats):
        beat[place[n] : place[n] + 4] += size[n] * np.array([1, 4, 3, 2]) // (4 if labels[n] else -4)
    return Dataset(name, split, beats.astype(np.int16)[:, None], labels, 4094, ("down", "up"))


RECIPE = {
    "data": {"name": "waves", "validation": 0.2},
    "input": {"signal": ["above", "below"]},
    "network": {"layers": [20]},
    "rule": {"width": 5.0},
    "train": {"epochs": 8, "batch": 16, "weight_rate": 0.03, "shift": 2},
}


@pytest.mark.filterwarnings("ignore::bstdg.training.health.NetworkHealthWarning")
def test_a_network_learns_from_them_and_its_file_remembers(tmp_path):
    told = train(from_dict(Recipe, RECIPE), tmp_path, load=waves, device="cpu")
    assert told["test"]["accuracy"] > 0.95 and told["widths"] == [48, 20, 2]
    model = runtime.load(tmp_path / "model.bstdg")
    assert model.packed.input == SignalCode((1, 1, 24), ("above", "below"), 4094)
    test = waves("waves", "test")
    assert (model.predict(test.images) == test.labels).mean() == told["test"]["accuracy"]
    again = packed.from_bytes(packed.to_bytes(model.packed))
    assert (
        again.input == model.packed.input and "above, below relative to each sample's own top" in again.input.describe()
    )
    for name, bad in (("maps", "above"), ("maps", [1]), ("maps", ["up"]), ("top", -1), ("top", 1.5)):
        changed = {**model.packed.input.header(), "kind": "signal", name: bad}
        with pytest.raises(FileFormatError, match="damaged configuration"):
            packed.from_bytes(resealed(packed.to_bytes(model.packed), set_config(input=changed)))


def test_edges_and_signal_are_not_both_and_recordings_have_none():
    options = from_dict(Recipe, {"input": {"signal": ["above"], "edges": 2}}).input
    with pytest.raises(InputError, match=r"input\.edges and input\.signal"):
        options.for_images((1, 8, 8), 255)
    with pytest.raises(InputError, match=r"input\.signal\[0\] must be one of .*did you mean 'above'"):
        from_dict(Recipe, {"input": {"signal": ["abov"]}})


def test_the_kind_is_known():
    assert "signal" in inputs.kinds()
    assert datasets.source("mit-bih").kind == "images"
