"""Sizes, classes and steps may be the integers of Python, NumPy or torch; booleans and fractions are none."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from bstdg import BSTDGClassifier, ToFirstSpike, latency, steps_to_spikes
from bstdg.engine import dense, native, oracle
from bstdg.errors import InputError
from bstdg.inputs import LatencyCode
from bstdg.inputs.coding import InputCoding
from bstdg.inputs.edges import EdgeCode
from bstdg.inputs.features import FeatureCode
from bstdg.inputs.options import InputOptions
from bstdg.inputs.recordings import RecordingCode
from bstdg.lab import predecessors
from bstdg.lab.predecessors.s4nn import Settings
from bstdg.lab.predecessors.settings import settings_of
from bstdg.layers import FullLayer
from bstdg.layers.full import neurons
from bstdg.learning.modules import BinaryLinear
from bstdg.learning.network import Network
from bstdg.learning.recipe import DataConfig, LossConfig, NetworkConfig, Recipe, TrainConfig
from bstdg.learning.recipe_augmentation import DistortConfig, EventAugmentation, TeacherConfig
from bstdg.learning.recipe_file import from_dict
from bstdg.learning.rule import Spikes
from bstdg.model import packed, runtime
from bstdg.spikes.events import Events, bin_events, never
from bstdg.training.run import TrainingRun
from bstdg.whole import plain, whole

KINDS = {
    "int": int,
    "int64": np.int64,
    "uint8": np.uint8,
    "int16": np.int16,
    "0-d array": np.array,
    "torch": torch.tensor,
    "torch int32": lambda n: torch.tensor(n, dtype=torch.int32),
    "greatest label": lambda n: torch.arange(n + 1).max(),
}
every_kind = pytest.mark.parametrize("number", KINDS.values(), ids=KINDS)
NONE = [True, np.True_, torch.tensor(True), 3.0, np.float32(3), torch.tensor(3.0), "3", None, [3], np.array([3, 4])]
no_number = pytest.mark.parametrize("wrong", NONE, ids=repr)


@every_kind
def test_a_network_is_the_same(number):
    given = Network(
        number(20), number(3), NetworkConfig(layers=(number(7),), num_steps=number(6)), tied_inputs=number(4)
    )
    assert given.widths == (20, 7, 3) and given.structure == "20-7-3" and given.num_steps == 6
    assert all(type(width) is int for width in (*given.widths, given.num_steps, given.layers[0].in_features))
    steps = torch.zeros(2, 20, dtype=torch.uint8)
    assert tuple(given(steps).potentials.shape) == (2, 6, 3)
    assert tuple(BinaryLinear(number(5), number(2)).weight.shape) == (2, 5)
    assert Spikes.of_input(steps, number(6)).num_steps == 6
    assert neurons(number(600 if number not in (np.uint8,) else 60)) in (600, 60)
    json.dumps(Recipe(network=given.config).to_dict())


@every_kind
def test_a_recipe_holds_numbers_of_python(number):
    recipe = Recipe(
        data=DataConfig(limit=number(5), size=(number(8), number(9)), channels=number(3)),
        network=NetworkConfig(layers=(number(7),), num_steps=number(6)),
        loss=LossConfig(gamma=number(2), scale=np.float32(2), spike_weight=torch.tensor(0.5)),
        train=TrainConfig(epochs=number(3), batch=number(32), patience=number(1), jitter=number(1), shift=number(1)),
        distort=DistortConfig(copies=number(2)),
        teacher=TeacherConfig(structure=("3c3s2p1", number(5)), passes=number(1)),
        events=EventAugmentation(channel_shift=number(2)),
        input=InputOptions(edges=number(2)),
    )
    expected = json.dumps(recipe.to_dict())
    values = {"network": {"layers": [number(7)], "num_steps": number(6)}, "train": {"epochs": number(3)}}
    assert from_dict(Recipe, values).to_dict()["train"]["epochs"] == 3
    assert json.loads(expected)["network"]["layers"] == [7] and type(recipe.train.batch) is int
    assert settings_of(Settings, {"epochs": number(3), "hidden": [number(4)]}).to_dict()["hidden"] == [4]
    assert Settings(epochs=number(3), hidden=(number(4),)).to_dict()["epochs"] == 3


@every_kind
def test_input_is_coded_the_same(number):
    images = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    np.testing.assert_array_equal(latency(images, number(6)), latency(images, 6))
    codes = [
        LatencyCode((number(1), number(8), number(8)), number(63)),
        EdgeCode((1, number(8), number(8)), number(2), number(63)),
        RecordingCode((number(20),), InputCoding(pool=number(2), gates=number(3), delays=(number(1),))),
        FeatureCode.fit(np.random.default_rng(0).normal(size=(30, 4)), number(6), codes=number(2)),
    ]
    for code in codes:
        json.dumps(code.header())
    np.testing.assert_array_equal(codes[0].encode(images, number(6)), LatencyCode((1, 8, 8), 63).encode(images, 6))
    kept = bin_events([0, 2], [1, 0], [0.9, 0.5], num_channels=number(2), num_steps=number(4), duration=1.0)
    assert (kept.num_channels, kept.num_steps) == (2, 4) and type(kept.num_steps) is int
    events = Events(kept.offsets, kept.channels, kept.steps, number(2), number(4))
    assert len(events.first_steps()) == 1
    steps = torch.zeros(2, 4, dtype=torch.uint8)
    assert tuple(steps_to_spikes(steps, number(6)).shape) == (6, 2, 4)
    assert tuple(steps_to_spikes(steps.numpy(), number(6)).shape) == (6, 2, 4)
    assert ToFirstSpike(number(5), (number(3), number(2), number(1))).num_channels == 6


@every_kind
def test_what_is_deployed_runs_and_is_saved_the_same(number, tmp_path):
    layers = (FullLayer(np.ones((3, 4), np.int8), np.arange(3), (number(4),)),)
    model = packed.PackedModel(LatencyCode((number(4),), number(9)), layers, number(6), ("a", "b", "c"))
    packed.save(model, tmp_path / "m.bstdg")
    assert runtime.load(tmp_path / "m.bstdg").packed.num_steps == 6
    steps = np.zeros((2, 4), np.uint8)
    expected = oracle.forward(layers, steps, 6).potentials
    np.testing.assert_array_equal(
        native.Compiled(layers, number(6), threads=number(2)).trace(steps).potentials, expected
    )
    np.testing.assert_array_equal(dense.forward(layers, steps, number(6)).potentials, expected)
    np.testing.assert_array_equal(oracle.forward(layers, steps, number(6)).potentials, expected)


@every_kind
def test_a_classifier_learns_the_same(number):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(0, 2, 60)

    def fitted(n, hidden):
        made = BSTDGClassifier(layers=hidden, num_steps=n(5), epochs=n(2), batch=n(16), jitter=n(1), random_state=0)
        return made.set_params(n_jobs=n(1), patience=n(0)).fit(X, y).predict_proba(X)

    expected = fitted(int, (8,))
    for hidden in ((number(8),), [number(8)], number(8)):
        np.testing.assert_array_equal(fitted(number, hidden), expected)


def test_a_seed_may_be_numpys_and_ends_no_training():
    from bstdg import datasets

    images = np.random.default_rng(0).integers(0, 255, (40, 4, 4)).astype(np.uint8)
    data = datasets.Dataset("d", "train", images, np.arange(40) % 2, 255, ("a", "b"))
    recipe = Recipe(network=NetworkConfig(layers=(4,)))
    run = TrainingRun(recipe, data, np.int64(3), torch.device("cpu"))
    json.dumps(run.checkpoint().state)
    settings = {"epochs": 1, "hidden": [4], "validation": 0.2}
    json.dumps(predecessors.train("mlp", "d", seed=np.int64(3), settings=settings, load=lambda *_: data))
    with pytest.raises(InputError, match="seed must be a whole number, 0 or more"):
        predecessors.train("mlp", "d", seed=-1, settings=settings, load=lambda *_: data)
    for wrong in (-1, 1.5, "3", True):
        with pytest.raises(InputError, match="seed must be a whole number, 0 or more"):
            TrainingRun(recipe, data, wrong, torch.device("cpu"))


@no_number
def test_what_is_no_whole_number_is_refused(wrong):
    assert whole(wrong) is None
    for call in (
        lambda: never(wrong),
        lambda: BinaryLinear(3, wrong),
        lambda: BinaryLinear(wrong, 3),
        lambda: Network(20, wrong),
        lambda: BinaryLinear(8, 3, tied=wrong),
        lambda: NetworkConfig(num_steps=wrong),
        lambda: Events(np.zeros(1, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.uint8), wrong, 8),
        lambda: ToFirstSpike(5, (3, wrong, 1)),
    ):
        with pytest.raises(InputError):
            call()
    if not isinstance(wrong, str):
        with pytest.raises(InputError, match="is no layer known here"):
            neurons(wrong)


def test_numbers_are_made_pythons_own():
    made = plain([np.int64(3), (torch.tensor(2), np.float64(0.5)), "x", None, np.bool_(True)])
    assert made == [3, (2, 0.5), "x", None, True]
    assert [type(value) for value in made] == [int, tuple, str, type(None), bool]
