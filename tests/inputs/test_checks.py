"""Where the latency code loses what the data hold, one warning says so; where it does not, nothing is said."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from bstdg import datasets
from bstdg.datasets import Dataset
from bstdg.inputs import checks as advice
from bstdg.inputs.latency import latency
from bstdg.learning.recipe import DataConfig, NetworkConfig, Recipe, TrainConfig
from bstdg.training.train import train


def said(images: np.ndarray, num_steps: int = 8, white: int = 255) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        advice.look(latency(images, num_steps, white=white), num_steps, white)
    assert all(issubclass(w.category, advice.CodingWarning) for w in caught)
    return [str(w.message) for w in caught]


def images(*values: int) -> np.ndarray:
    return np.array([values], np.uint8)


@pytest.mark.parametrize(
    ("pixels", "num_steps", "white", "words"),
    [
        (images(0, 0, 0), 8, 255, "no input spikes at all"),
        (images(0, 16, 9), 8, 255, "no value is near white (255)"),
        (images(0, 255, 255), 8, 255, "spikes_to_steps"),
        (images(*range(17)), 32, 16, "T = 16 tells as much apart"),
    ],
)
def test_what_is_lost_is_said_once(pixels, num_steps, white, words):
    (message,) = said(pixels, num_steps, white)
    assert words in message


def test_nothing_is_said_of_good_input():
    assert said(images(0, 128, 255)) == []
    assert said(images(0, 255), num_steps=1) == []
    assert said(images(*range(17)), num_steps=16, white=16) == []
    digits = datasets.load("digits", "train")
    assert said(digits.images, 8, digits.white) == []


def test_training_looks_at_its_data(tmp_path):
    rng = np.random.default_rng(0)
    made = {
        split: Dataset(
            "two", split, rng.integers(0, 2, (60, 4, 4), dtype=np.uint8) * 255, np.arange(60) % 2, 255, ("a", "b")
        )
        for split in ("train", "test")
    }
    recipe = Recipe(data=DataConfig("digits"), network=NetworkConfig((8,)), train=TrainConfig(epochs=1, batch=20))
    with pytest.warns(advice.CodingWarning, match="two levels"):
        train(recipe, tmp_path, load=lambda name, split: made[split])
