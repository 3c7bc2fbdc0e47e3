"""Colour from the data set to the file: a network that tells colours apart, and every part that takes its channels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import bstdg
from bstdg import export, report
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict
from bstdg.model import samples
from bstdg.training.train import train


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Blobs of the same brightness: the class is which of the three colours it has."""
    folder = tmp_path_factory.mktemp("colour")
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 3
    images = rng.integers(0, 40, (240, 3, 8, 10)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = rng.integers(0, 5), rng.integers(0, 7)
        image[label, row : row + 3, column : column + 3] = 230
    parts = {"train": slice(180), "test": slice(180, None)}
    arrays = {f"{name}_images": images[part] for name, part in parts.items()}
    arrays |= {f"{name}_labels": labels[part] for name, part in parts.items()}
    np.savez(folder / "mine.npz", **arrays)
    return folder / "mine.npz"


def recipe(**sections) -> Recipe:
    values = {
        "data": {"name": "folder", "validation": 0.2},
        "network": {"layers": [30]},
        "rule": {"width": 8.0},
        "train": {"epochs": 12, "batch": 32, "weight_rate": 0.03},
    }
    return from_dict(
        Recipe, {name: {**values.get(name, {}), **sections.get(name, {})} for name in {*values, *sections}}
    )


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    values = recipe(train={"shift": 1}, distort={"copies": 1, "rotation": 10.0}, teacher={"weight": 0.3, "passes": 2})
    return train(values, out, data_dir=pictures, device="cpu"), out / "model.bstdg"


@pytest.mark.filterwarnings("ignore::bstdg.training.health.NetworkHealthWarning")
def test_it_learns_what_only_colour_tells(trained, pictures):
    told, path = trained
    assert told["test"]["accuracy"] > 0.9  # chance is a third
    model = bstdg.load(path)
    assert (model.packed.input.reads, model.packed.widths) == ((3, 8, 10), (240, 30, 3))
    assert "reads images of 3 x 8 x 10" in repr(model)
    test = samples.load(model.packed, data_dir=pictures)
    assert test.shape == (3, 8, 10)
    assert (model.predict(test.images) == test.labels).mean() == told["test"]["accuracy"]
    assert np.array_equal(model.predict(test.images.reshape(60, -1)), model.predict(test.images))
    assert model.predict(test.images[0]).shape == (1,)


def test_a_picture_file_is_read_in_colour(trained, bstdg, tmp_path):
    pixels = np.full((8, 10, 3), 20, np.uint8)
    pixels[2:5, 3:6, 1] = 230
    Image.fromarray(pixels).save(tmp_path / "green.png")
    status, out, _ = bstdg("predict", trained[1], tmp_path / "green.png", "--json")
    assert (status, json.loads(out)["label"]) == (0, 1)
    status, out, _ = bstdg("raster", trained[1], "--file", tmp_path / "green.png", "--out", tmp_path / "r.svg")
    assert status == 0 and (tmp_path / "r.svg").stat().st_size > 1000


def test_edges_of_colours_are_maps_of_their_own(pictures, tmp_path):
    train(recipe(input={"edges": 2}), tmp_path / "run", data_dir=pictures, device="cpu")
    model = bstdg.load(tmp_path / "run" / "model.bstdg")
    assert model.packed.input.gives == (12, 4, 5)


def test_a_report_and_exports_take_it(trained, pictures, tmp_path):
    model = bstdg.load(trained[1])
    test = samples.load(model.packed, data_dir=pictures)
    measured = report.measure(model, test, limit=40)
    assert len(report.fields(measured).axes) == 1  # three pictures of weights a neuron, one below the other
    done = export.export("c", trained[1], tmp_path / "c", images=0)
    assert done.manifest["model"]["widths"] == [240, 30, 3]
