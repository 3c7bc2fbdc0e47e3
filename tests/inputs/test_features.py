"""Feature scaling: levels by comparison, kept exactly in the model file."""

from __future__ import annotations

import dataclasses
import itertools
import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import needs
from support.model_files import resealed, set_config
from support.paths import GOLDEN
from support.strategies import random_model

from bstdg import export
from bstdg.errors import FileFormatError, InputError
from bstdg.inputs import FeatureCode, LatencyCode
from bstdg.model import packed, runtime
from bstdg.model.packed import PackedModel

SPREADS = ("standard", "minmax", "rank", "shared")
numbers = st.floats(-1e6, 1e6, width=32)


def scaled_model(features=3, num_steps=6, seed=0, codes="on-off", **fields) -> PackedModel:
    rng = np.random.default_rng(seed)
    scaling = FeatureCode.fit(rng.normal(size=(20, features)), num_steps, codes=codes)
    network = random_model((*scaling.gives, 5, 2), num_steps, seed, threshold=2)
    return dataclasses.replace(network, input=scaling, **fields)


@given(
    st.lists(st.lists(numbers, min_size=2, max_size=2), min_size=2, max_size=12),
    st.integers(1, 20),
    st.sampled_from(SPREADS),
)
def test_levels_are_counted_edges_and_the_pair_mirrors_itself(rows, num_steps, spread):
    samples = np.array(rows)
    scaling = FeatureCode.fit(samples, num_steps, spread=spread)
    assert scaling.edges.shape == (2, num_steps)
    steps = scaling.encode(samples, num_steps)
    for n, row in enumerate(rows):
        for i, value in enumerate(row):
            level = sum(bool(value >= edge) for edge in scaling.edges[i])
            assert steps[n, i] == num_steps - level
            assert steps[n, 2 + i] == level


@given(st.lists(numbers, min_size=2, max_size=30, unique=True), st.sampled_from(SPREADS))
def test_greater_values_never_fire_later(values, spread):
    samples = np.sort(np.array(values))[:, None]
    steps = FeatureCode.fit(samples, 8, spread=spread, codes="on").encode(samples, 8)[:, 0].astype(int)
    assert (np.diff(steps) <= 0).all()
    assert steps.min() < steps.max() or spread == "shared"


def test_levels_of_each_spread():
    column = np.array([[0.0], [1.0], [2.0], [3.0], [100.0]])
    levels = {
        spread: FeatureCode.fit(column, 4, spread=spread, codes="on").levels(column)[:, 0].tolist()
        for spread in SPREADS
    }
    assert levels["minmax"] == [0, 0, 0, 0, 4]
    assert levels["rank"] == [0, 1, 2, 3, 4]
    assert levels["shared"] == [0, 0, 0, 0, 4]
    assert levels["standard"] == [1, 1, 2, 2, 4]


def test_a_feature_that_never_varied_tells_nothing():
    scaling = FeatureCode.fit([[1.0, 5.0], [2.0, 5.0]], 4)
    assert scaling.encode([[1.0, 5.0], [1.0, -9.0], [1.0, 99.0]], 4)[:, [1, 3]].tolist() == [[4, 0]] * 3


def test_numbers_at_the_ends_of_their_range():
    most = np.finfo(np.float64).max
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for spread in SPREADS:
            steps = FeatureCode.fit([[-most], [0.0], [most]], 4, spread=spread, codes="on").encode([[-most], [most]], 4)
            assert steps[0, 0] > steps[1, 0], spread


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edges": np.array([[2.0, 1.0]])}, "ascending"),
        ({"edges": np.array([[1.0, np.nan]])}, "ascending"),
        ({"edges": np.array([1.0, 2.0])}, "edges must be"),
        ({"edges": np.array([[1.0, 2.0]], np.float32)}, "edges must be"),
        ({"code": np.array([[0], [1]], np.uint8)}, "3 levels need"),
        ({"code": np.array([[0], [1], [2]])}, "3 levels need"),
        ({"low": np.array([np.inf])}, "finite"),
        ({"high": np.array([1.0, 2.0])}, "finite"),
        ({"edges": np.zeros((1, 300)), "code": np.zeros((301, 1), np.uint8)}, "255 levels"),
        ({"code": np.zeros((3, 70_000), np.uint8)}, "more than 65535"),
    ],
)
def test_parts_that_do_not_fit(change, message):
    good = {
        "edges": np.array([[1.0, 2.0]]),
        "code": np.array([[2], [1], [0]], np.uint8),
        "low": np.zeros(1),
        "high": np.ones(1),
    }
    FeatureCode(**good)
    with pytest.raises(InputError, match=message):
        FeatureCode(**{**good, **change})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FeatureCode.fit([[1.0]], 4, spread="log"), "scaling must be one of 'standard'"),
        (lambda: FeatureCode.fit([[1.0]], 4, codes="off"), "codes must be .on."),
        (lambda: FeatureCode.fit([[np.nan]], 4), "not finite"),
        (lambda: FeatureCode.fit([1.0], 4), r"\[samples, features\]"),
        (lambda: FeatureCode.fit([["a"]], 4), "must be numbers"),
        (lambda: FeatureCode.fit([[1.0]], 255), "num_steps must be in 1"),
        (
            lambda: FeatureCode.fit([[1.0]], 4).encode([[1.0, 2.0]], 4),
            r"features of 1, or batches of them, not \[1, 2\]",
        ),
        (lambda: FeatureCode.fit([[1.0]], 4).encode([[np.inf]], 4), "not finite"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


@given(st.integers(1, 6), st.integers(1, 20), st.integers(0, 1000), st.sampled_from(["on", "on-off"]))
def test_the_file_keeps_it_bit_for_bit(features, num_steps, seed, codes):
    model = scaled_model(features, num_steps, seed, codes)
    data = packed.to_bytes(model)
    again = packed.from_bytes(data)
    assert packed.to_bytes(again) == data
    samples = np.random.default_rng(seed).normal(size=(9, features)) * 3
    one, other = runtime.Model(model), runtime.Model(again)
    np.testing.assert_array_equal(one.encode(samples), other.encode(samples))
    np.testing.assert_array_equal(one.predict(samples), other.predict(samples))
    np.testing.assert_array_equal(one.predict(samples), one.run(one.encode(samples)).decision.label)


def test_a_file_that_makes_no_sense():
    data = packed.to_bytes(scaled_model())
    for change, message in (
        (set_config(input={}), "damaged configuration"),
        (set_config(input=7), "damaged configuration"),
        (set_config(input={"kind": "latency", "reads": [6], "white": 255, "silent_below": 0.0}), "tensors, input.code"),
        (set_config(input={"kind": "features", "reads": [4]}), "3 features are scaled, 4 come in"),
        (set_config(input={"kind": "features", "reads": 4}), "is no shape"),
        (set_config(num_steps=3), "gives steps up to 6, T is 3"),
    ):
        with pytest.raises(FileFormatError, match=message):
            packed.from_bytes(resealed(data, change))
    plain = packed.to_bytes(random_model((6, 5, 2)))
    with pytest.raises(FileFormatError, match=r"damaged configuration.*edges"):
        packed.from_bytes(resealed(plain, set_config(input={"kind": "features", "reads": [6]})))


def test_a_file_of_version_1_that_makes_no_sense():
    data = (GOLDEN / "model-scaled-v1.bstdg").read_bytes()
    for change, message in (
        (set_config(scaling={"version": 2}), "scales features by version 2"),
        (set_config(scaling={}), "damaged configuration"),
        (set_config(scaling=7), "damaged configuration"),
        (set_config(scaling=None), "beyond its 3 channels"),
        (set_config(image_shape=[4]), "3 features are scaled, 4 come in"),
        (set_config(edges=2), "edges are found in images"),
        (set_config(input={}), "features or events, not both"),
    ):
        with pytest.raises(FileFormatError, match=message):
            packed.from_bytes(resealed(data, change))


def test_another_shape_in_the_file():
    def change(header, metadata, payload):
        header["input.edges"]["shape"] = [6, 3]
        return payload

    with pytest.raises(FileFormatError, match="another type or shape"):
        packed.from_bytes(resealed(packed.to_bytes(scaled_model()), change))


def test_runtime_names_features():
    model = runtime.Model(scaled_model())
    with pytest.raises(InputError, match=r"reads features of 3, or batches of them, not \[2, 4\]"):
        model.predict(np.zeros((2, 4)))
    with pytest.raises(InputError, match="not finite"):
        model.predict([[1.0, np.nan, 0.0]])
    assert model.predict([0.0, 0.0, 0.0]).shape == (1,)
    assert model.predict(np.zeros((0, 3))).shape == (0,)
    assert model.predict(np.zeros((2, 3), np.uint8)).shape == (2,)


def test_command_line(bstdg, tmp_path):
    path = tmp_path / "m.bstdg"
    packed.save(scaled_model(), path)
    status, out, _ = bstdg("info", path)
    assert status == 0
    assert "3 features, scaled here: 7 levels on 2 channels each" in out
    status, out, _ = bstdg("info", path, "--json")
    assert json.loads(out)["input"] == {"kind": "features", "reads": [3], "gives": [6]}
    samples = np.random.default_rng(1).normal(size=(4, 3))
    np.save(tmp_path / "rows.npy", samples)
    status, out, _ = bstdg("predict", path, tmp_path / "rows.npy", "--json")
    assert status == 0
    assert [json.loads(line)["label"] for line in out.splitlines()] == runtime.load(path).predict(samples).tolist()
    (tmp_path / "a.png").write_bytes(b"")
    status, _, said = bstdg("predict", path, tmp_path / "a.png")
    assert status == 2
    assert "scales 3 features itself: give them as NPY" in said[0]
    status, _, said = bstdg("raster", path, "--out", tmp_path / "r.svg")
    assert status == 2
    assert "reads features; bstdg raster draws decisions about images" in said[0]


@pytest.mark.parametrize("target", export.targets())
def test_exports_work_on_steps_and_say_so(target, tmp_path):
    if target == "nir":
        needs.package("nir")
    model = scaled_model(trained={"seed": 0})
    done = export.export(target, model, tmp_path / "out")
    assert done.manifest["figures"]["input"].startswith("steps alone: features are scaled outside")
    alone = packed.load(tmp_path / "out" / "model.bstdg")
    assert alone.input == LatencyCode((6,))
    assert done.manifest["model"]["widths"] == [6, 5, 2]
    checks = itertools.islice(export.verify(tmp_path / "out"), 2)  # what compiles and simulates is tested elsewhere
    assert [check.status for check in checks] == ["passed", "passed"]
    samples = np.random.default_rng(2).normal(size=(5, 3))
    whole = runtime.Model(model)
    np.testing.assert_array_equal(
        whole.predict(samples), runtime.Model(alone).run(whole.encode(samples)).decision.label
    )
