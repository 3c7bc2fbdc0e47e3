"""Edge maps: what they are, and that training, files, engines and exports agree on them."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from support.model_files import resealed, set_config

import bstdg
from bstdg import datasets
from bstdg.datasets import Dataset
from bstdg.engine import oracle_events
from bstdg.errors import FileFormatError, InputError
from bstdg.export import export, golden
from bstdg.inputs import EdgeCode, LatencyCode, edges
from bstdg.inputs.latency import latency
from bstdg.inputs.options import InputOptions
from bstdg.learning.recipe_file import load_recipe
from bstdg.model import packed, runtime
from bstdg.training.copies import make_copies
from bstdg.training.loader import input_code
from bstdg.training.train import train

RECIPE = """
[data]
name = "digits"

[input]
edges = 2

[network]
hidden = [64]

[train]
epochs = 12

[distort]
copies = 2
rotation = 5.0
"""


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))),
    st.integers(1, 3),
    st.sampled_from([16, 255]),
)
def test_maps_are_what_the_text_says(small, cell, white):
    images = np.minimum(np.kron(small, np.ones((1, cell, cell), np.uint8)), white)
    images = np.roll(images, 1, axis=2)  # edges within cells too
    found = edges.maps(images, cell, white)
    assert found.tolist() == [
        oracle_events.edge_maps(image, cell, white).reshape(found.shape[1:]).tolist() for image in images
    ]


@given(hnp.arrays(np.uint8, (2, 6, 9), elements=st.integers(0, 200)), st.integers(0, 55))
def test_brighter_as_a_whole_is_the_same(images, more):
    assert np.array_equal(edges.maps(images, 3), edges.maps(images + np.uint8(more), 3))


@given(hnp.arrays(np.uint8, (1, 6, 9)))
def test_a_mirror_image_mirrors_the_maps_and_swaps_the_diagonals(images):
    maps = edges.maps(images, 3).reshape(4, 2, 3)
    mirrored = edges.maps(np.ascontiguousarray(images[:, :, ::-1]), 3).reshape(4, 2, 3)
    assert np.array_equal(mirrored[[0, 3, 2, 1]], maps[:, :, ::-1])


def test_many_images_are_the_same_as_one_by_one(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (7, 8, 8), np.uint8)
    whole = edges.maps(images, 4)
    monkeypatch.setattr(edges, "AT_ONCE", 128)
    assert np.array_equal(edges.maps(images, 4), whole)
    assert edges.maps(images[:0], 4).shape == (0, 4, 2, 2)


@given(hnp.arrays(np.uint8, (2, 3, 4, 6)))
def test_each_colour_has_maps_of_its_own(images):
    found = edges.maps(images, 2)
    assert found.shape == (2, 12, 2, 3)
    for colour in range(3):
        assert np.array_equal(found[:, 4 * colour : 4 * colour + 4], edges.maps(images[:, colour].copy(), 2))


@given(hnp.arrays(np.uint8, (2, 3, 4, 6)), st.sampled_from([1, 2]), st.integers(1, 9))
def test_pixels_follow_the_maps(images, cell, num_steps):
    code = EdgeCode((3, 4, 6), cell, pixels=True)
    steps = code.encode(images, num_steps).reshape(2, *code.gives)
    assert code.gives == (15, 4 // cell, 6 // cell)
    assert np.array_equal(steps[:, :12].reshape(2, -1), EdgeCode((3, 4, 6), cell).encode(images, num_steps))
    for colour, row, column in np.ndindex(3, *code.gives[1:]):
        square = images[:, colour, row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
        mean = square.astype(int).sum(axis=(1, 2)) // cell**2
        assert np.array_equal(
            steps[:, 12 + colour, row, column], latency(mean.astype(np.uint8)[:, None], num_steps)[:, 0]
        )


@pytest.mark.parametrize("shape", [(1, 8, 9), (1, 9, 8), (8,), (8, 8), (2, 2, 8, 8)])
def test_cells_must_fill_the_image(shape):
    with pytest.raises(InputError, match="do not fill"):
        edges.maps_shape(shape, 4)


def test_only_bytes_have_edges():
    with pytest.raises(InputError, match="uint8"):
        edges.maps(np.zeros((1, 4, 4)), 2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edges")
    (folder / "recipe.toml").write_text(RECIPE)
    report = train(load_recipe(folder / "recipe.toml"), folder / "run")
    return folder / "run" / "model.bstdg", report


def test_it_learns_and_judges_by_the_maps(trained):
    path, report = trained
    model = bstdg.load(path)
    assert report["widths"] == [64, 64, 10] and model.packed.input == EdgeCode((1, 8, 8), 2, 16)
    test = datasets.load("digits", "test")
    figures = model.evaluate(test.images, test.labels)
    assert figures["accuracy"] == report["test"]["accuracy"] > 0.6
    assert np.mean(model.predict(test.images) == test.labels) == figures["accuracy"]


def test_every_form_of_an_image_is_read_alike(trained):
    model, images = bstdg.load(trained[0]), datasets.load("digits", "test").images[:20]
    steps = model.encode(images)
    assert np.array_equal(model.encode(images.astype(np.int64)), steps)
    assert np.array_equal(model.encode(images / 16.0), steps)
    assert np.array_equal(model.encode(images.reshape(20, 64)), steps)
    assert np.array_equal(model.encode(images[0]), steps[:1])
    with pytest.raises(InputError, match="17"):
        model.encode(np.full((1, 8, 8), 17))


def test_the_network_alone_reads_the_maps(trained):
    model, images = packed.load(trained[0]), datasets.load("digits", "test").images[:50]
    alone = runtime.Model(packed.network_alone(model))
    assert alone.packed.input == LatencyCode((64,), 16)
    maps = edges.maps(images, 2, 16)
    assert np.array_equal(alone.predict(maps.reshape(len(maps), -1)), runtime.Model(model).predict(images))


def test_the_file_keeps_it_and_refuses_nonsense(trained):
    model = packed.load(trained[0])
    assert packed.from_bytes(packed.to_bytes(model)).input == model.input
    for bad in (3, -1, True, 2.0, 0):
        with pytest.raises(InputError):
            dataclasses.replace(model.input, cell=bad)
        changed = {**model.input.header(), "kind": "edges", "cell": bad}
        with pytest.raises(FileFormatError, match="damaged configuration"):
            packed.from_bytes(resealed(packed.to_bytes(model), set_config(input=changed)))


def test_the_file_keeps_that_pixels_follow(trained):
    model = packed.load(trained[0])
    code = EdgeCode((1, 4, 8), 2, 16, pixels=True)  # reads as many channels as the model has
    with pytest.raises(InputError):
        dataclasses.replace(model, input=code)
    assert EdgeCode.of(code.header(), {}) == code
    assert "pixels" not in EdgeCode((1, 8, 8), 2, 16).header()
    for bad in (1, "yes", None):
        changed = {**model.input.header(), "kind": "edges", "pixels": bad}
        with pytest.raises(FileFormatError, match="damaged configuration"):
            packed.from_bytes(resealed(packed.to_bytes(model), set_config(input=changed)))


def test_training_reads_pixels_beside_edges(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    report = train(load_recipe(path, ["input.pixels=true", "train.epochs=2"]), tmp_path / "run")
    model = bstdg.load(tmp_path / "run" / "model.bstdg")
    assert report["widths"] == [80, 64, 10] and model.packed.input == EdgeCode((1, 8, 8), 2, 16, pixels=True)
    test = datasets.load("digits", "test")
    assert model.evaluate(test.images, test.labels)["accuracy"] == report["test"]["accuracy"]
    assert "edges and means" in model.packed.input.describe()


def test_maps_are_bytes_so_white_is_one():
    with pytest.raises(InputError, match="white must be an integer in 1 … 255, not 256"):
        EdgeCode((1, 8, 8), 2, white=256)


def test_an_export_says_that_it_reads_maps(trained, tmp_path):
    done = export("c", trained[0], tmp_path / "c", images=30)
    assert "cells of 2 pixels" in done.manifest["figures"]["input"]
    assert done.manifest["golden"]["parts"][-1] == {"what": "the first test images of digits", "vectors": 30}
    model, images = bstdg.load(trained[0]), datasets.load("digits", "test").images[:30]
    stored = (tmp_path / "c" / done.manifest["golden"]["file"]).read_bytes()
    vectors = golden.from_bytes(stored, packed.network_alone(model.packed))
    assert np.array_equal(vectors.label[-30:], model.predict(images))


def test_a_picture_is_brought_to_the_models_size(trained, tmp_path):
    Image.fromarray(np.arange(0, 256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / "big.png")
    done = subprocess.run(
        [sys.executable, "-m", "bstdg", "predict", trained[0], tmp_path / "big.png", "--resize", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["label"] in range(10)


def test_what_cannot_be_is_said(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    with pytest.raises(InputError, match="out of sight"):
        train(load_recipe(path, ["train.shift=8"]), tmp_path / "a")
    with pytest.raises(InputError, match="do not fill"):
        train(load_recipe(path, ["input.edges=3"]), tmp_path / "b")
    with pytest.raises(InputError, match=r"input\.edges must be in 0 …"):
        load_recipe(path, ["input.edges=-1"])
    with pytest.raises(InputError, match=r"input\.pixels goes with input\.edges"):
        train(load_recipe(path, ["input.edges=0", "input.pixels=true"]), tmp_path / "c")
    with pytest.raises(InputError, match=r"input\.pixels goes with input\.edges"):
        InputOptions(pixels=True).for_images((1, 8, 8), 16)


def copies_of(data, recipe):
    code = input_code(data, recipe.input)
    return make_copies(data, code, np.arange(len(data)), 0, recipe, None)


def test_copies_are_distorted_before_their_edges_are_found(tmp_path):
    """Maps of an image turned as a whole are not the maps turned."""
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    photos = np.random.default_rng(1).integers(0, 256, (6, 8, 8), np.uint8)
    data = Dataset("folder", "train", photos, np.array([0, 1] * 3), 255, ("no", "yes"))
    made = copies_of(data, load_recipe(path, ["num_steps=200"]))
    assert made.steps.shape == (18, 64)
    assert np.array_equal(made.steps[:6].numpy(), latency(edges.maps(photos, 2), 200))
    assert not np.array_equal(made.steps[6:12], made.steps[:6])


def test_every_target_takes_the_network_alone(trained, tmp_path):
    for target in ("web", "verilog"):
        done = export(target, trained[0], tmp_path / target, images=0)
        assert "edge maps" in done.manifest["figures"]["input"]


def test_a_report_shows_the_weights_of_the_maps(trained):
    from bstdg import report
    from bstdg.report import neurons

    measured = report.measure(bstdg.load(trained[0]), datasets.load("digits", "test"), limit=60)
    figure = neurons.fields(measured)
    (shown,) = figure.axes[0].images
    rows = len(neurons.chosen_fields(measured))
    mosaic = shown.get_array()[..., 3]  # how much ink
    assert mosaic.shape[0] == rows * (8 + 2) - 2
    _, neurons_of_row = neurons.chosen_fields(measured)[0]
    weights = measured.model.layers[0].signs[neurons_of_row[0]].reshape(4, 4, 4) > 0
    assert np.array_equal(mosaic[:4, 4:8] > 0, weights[1]) and np.array_equal(mosaic[4:8, :4] > 0, weights[2])
