"""Levels are chosen from the training part alone, and all that is learnt from or judged on is encoded by them."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from bstdg.cli import app
from bstdg.datasets import Dataset
from bstdg.errors import InputError
from bstdg.inputs import LatencyCode
from bstdg.inputs.contrast import equal_shares
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict
from bstdg.model import packed
from bstdg.progress import Quiet
from bstdg.training.copies import make_copies
from bstdg.training.loader import both_parts, input_code, learnt_code
from bstdg.training.run import TrainingRun

CPU = torch.device("cpu")
PARTS = np.arange(0, 80), np.arange(80, 100)


def recipe(**values) -> Recipe:
    return from_dict(Recipe, {"network": {"layers": [12], "num_steps": 4}, "train": {"epochs": 1}, **values})


def images(count: int = 100, seed: int = 0) -> Dataset:
    """Images of which most pixels are dark, some of them dim as a whole."""
    rng = np.random.default_rng(seed)
    shades = rng.random((count, 6, 6)) ** 3 * rng.integers(40, 256, (count, 1, 1))
    return Dataset("shades", "train", shades.astype(np.uint8), np.arange(count) % 3, 255, ("a", "b", "c"))


def run_of(dataset: Dataset, **options) -> TrainingRun:
    return TrainingRun(recipe(input=options), dataset, 0, CPU, parts=PARTS)


@pytest.mark.parametrize("relative", [False, True])
def test_the_validation_part_is_not_looked_at(relative):
    data = images()
    run = run_of(data, equalize=True, relative=relative)
    seen = data.images[PARTS[0]].reshape(80, -1).astype(int)
    if relative:
        seen = seen * 255 // seen.max(axis=1, keepdims=True)
    assert run.input.levels == equal_shares(np.bincount(seen.ravel(), minlength=256), 4)
    changed = data.images.copy()
    changed[PARTS[1]] = 200
    assert run_of(dataclasses.replace(data, images=changed), equalize=True, relative=relative).input == run.input
    changed[PARTS[0][:40]] = 200
    assert run_of(dataclasses.replace(data, images=changed), equalize=True, relative=relative).input != run.input


def test_both_parts_and_the_deployed_model_are_encoded_by_them():
    data = images()
    run = run_of(data, equalize=True, relative=True)
    steps = run.input.encode(data.images, 4)
    assert np.array_equal(run.training.first(80).numpy(), steps[PARTS[0]])
    assert np.array_equal(run.validation, steps[PARTS[1]])
    deployed = packed.from_bytes(packed.to_bytes(run.deployed()))
    assert deployed.input == run.input
    assert deployed.trained["recipe"]["input"]["equalize"] is True


def test_levels_by_hand_and_a_relative_code_are_learnt_from_as_given():
    data = images()
    assert run_of(data, levels=[200, 90, 90, 4]).input == LatencyCode((1, 6, 6), levels=(200, 90, 90, 4))
    run = run_of(data, relative=True)
    assert run.input == LatencyCode((1, 6, 6), relative=True)
    assert (run.training.first(80).numpy().min(axis=1) == 0).all()


def test_where_nothing_fires_training_says_so():
    dark = dataclasses.replace(images(), images=np.zeros((100, 6, 6), np.uint8))
    with pytest.raises(InputError, match="nothing to choose levels from"):
        run_of(dark, equalize=True)


def test_copies_are_distorted_before_they_are_encoded():
    """Turned steps would not have the brightest pixel of the turned image at step 0."""
    data, turned = images(), {"copies": 1, "rotation": 40.0, "zoom": 0.3}
    values = recipe(input={"relative": True, "equalize": True}, distort=turned)
    code = learnt_code(input_code(data, values.input), values.input, data, PARTS[0], 4)
    relative = dataclasses.replace(code, levels=())
    for one in (code, relative):
        copies = make_copies(data, one, PARTS[0], 0, values, None).steps.view(2, 80, 36)
        assert np.array_equal(copies[0].numpy(), one.encode(data.images[PARTS[0]], 4))
        assert not torch.equal(copies[1], copies[0])
        assert (copies[1].amin(1) == 0).all() or one is code
    loader, _ = both_parts(data, PARTS, code, values, 0)
    loader.prepare(None)
    assert loader.batch(torch.arange(80), torch.Generator().manual_seed(0)).spikes.shape == (80, 36)


def test_a_run_that_goes_on_has_the_same_levels_and_ends_alike():
    whole, cut = (run_of(images(), equalize=True) for _ in range(2))
    losses = [run.learn(Quiet()) for run in (whole, cut)]
    gone_on = run_of(images(), equalize=True)
    gone_on.run_epoch(Quiet())
    again = run_of(images(), equalize=True)
    again.restore(gone_on.checkpoint())
    assert losses[0] == losses[1]
    assert again.input == gone_on.input == whole.input
    assert again.run_epoch(Quiet())["loss"] == gone_on.run_epoch(Quiet())["loss"]


def test_from_the_command_line(tmp_path):
    """On data that come with a library: train, and look at the model."""
    place, out = tmp_path / "recipe.toml", tmp_path / "run"
    place.write_text(
        '[data]\nname = "digits"\n[network]\nlayers = [20]\n[input]\nrelative = true\nequalize = true\n'
        "[train]\nepochs = 1\n"
    )
    done = CliRunner().invoke(app, ["train", str(place), "--out", str(out)])
    assert done.exit_code == 0, done.output
    code = packed.load(out / "model.bstdg").input
    assert len(code.levels) == 8 and code.levels[0] <= 16 and code.relative
    told = CliRunner().invoke(app, ["info", str(out / "model.bstdg"), "--json"])
    assert json.loads(told.output)["input"]["levels"] == list(code.levels)
    said = " ".join(CliRunner().invoke(app, ["info", str(out / "model.bstdg")]).output.split())
    assert f"levels {', '.join(map(str, code.levels))}" in said


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("levels = [3, 4]", "input.levels[1] = 4 is above input.levels[0] = 3"),
        ("levels = [9, 3, 1]", "input.levels are 3, one a step are needed: network.num_steps = 8"),
        ("levels = [90, 9, 9, 9, 9, 9, 9, 3]", "input.levels[0] must be an integer in 1 … 17, not 90"),
        ('equalize = "yes"', "input.equalize must be true or false"),
        ("equalize = true\nlevels = [3]", "give one of them"),
    ],
)
def test_a_recipe_is_refused_in_one_line(line, message, tmp_path):
    place = tmp_path / "recipe.toml"
    place.write_text(f'[data]\nname = "digits"\n[input]\n{line}\n')
    done = CliRunner().invoke(app, ["train", str(place), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    assert not (tmp_path / "out" / "model.bstdg").exists()
