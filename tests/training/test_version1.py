"""Training that version 0.1 began goes on: its checkpoint, with the recipe's fields by their former names."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from support.paths import GOLDEN

from bstdg.errors import InputError
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict, recipe_of
from bstdg.model import packed
from bstdg.training import checkpoint
from bstdg.training.run_folder import CHECKPOINT, MODEL
from bstdg.training.train import train

# How version 0.1 wrote it; the checkpoint was taken after two of the four epochs.
WRITTEN = {
    "data": {"name": "digits", "limit": 120, "edges": 2},
    "network": {"hidden": [6], "num_steps": 6, "silent_below": 0.1},
    "train": {"epochs": 4, "batch": 20, "average": 0.9},
}


@pytest.mark.filterwarnings("ignore::bstdg.training.health.NetworkHealthWarning")  # six neurons are few
def test_a_checkpoint_of_version_1_goes_on_to_the_same_bits(tmp_path):
    shutil.copy(GOLDEN / "checkpoint-v1.safetensors", tmp_path / CHECKPOINT)
    report = train(recipe_of(WRITTEN), tmp_path, seed=3, device="cpu", resume=True)
    assert report["epochs"] == 4
    found, wanted = packed.load(tmp_path / MODEL), packed.load(GOLDEN / "checkpoint-v1.bstdg")
    assert found.input == wanted.input
    for a, b in zip(found.layers, wanted.layers, strict=True):
        np.testing.assert_array_equal(a.signs, b.signs)
        np.testing.assert_array_equal(a.thresholds, b.thresholds)
    told = {name: found.trained["test"][name] for name in wanted.trained["test"]}  # and more, since then
    assert {**told, "engine": ""} == {**wanted.trained["test"], "engine": ""}


def test_its_recipe_is_that_of_now_under_other_names():
    stored = checkpoint.load(GOLDEN / "checkpoint-v1.safetensors").state["recipe"]
    assert stored["network"]["hidden"] == [6]
    now = {
        "data": {"name": "digits", "limit": 120},
        "network": {"layers": [6], "num_steps": 6},
        "input": {"edges": 2, "silent_below": 0.1},
        "train": WRITTEN["train"],
    }
    assert recipe_of(stored) == from_dict(Recipe, now)


def test_another_recipe_does_not_go_on_from_it(tmp_path):
    shutil.copy(GOLDEN / "checkpoint-v1.safetensors", tmp_path / CHECKPOINT)
    other = recipe_of({**WRITTEN, "data": {**WRITTEN["data"], "edges": 4}})
    with pytest.raises(InputError, match=r"of another run \(recipe.input.edges was 2, now 4"):
        train(other, tmp_path, seed=3, device="cpu", resume=True)
