"""Recipes of event data: they train, resume bit for bit, split by speaker, and leave models that can be used."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support import needs
from support.strategies import random_model

from bstdg.cli import app
from bstdg.datasets import EventDataset
from bstdg.errors import InputError
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict
from bstdg.model import packed, runtime
from bstdg.progress import Quiet
from bstdg.training import checkpoint
from bstdg.training.run import TrainingRun
from bstdg.training.run_folder import CHECKPOINT
from bstdg.training.split import split as parts_of
from bstdg.training.train import train

h5py = needs.package("h5py")
CHANNELS, CLASSES = 700, 3
pytestmark = pytest.mark.filterwarnings("ignore:.* is not the file that HD-spikes were published as")


def recordings(split="train", count=90, seed=0) -> EventDataset:
    """Class k starts on channels around 100 + 200 k and ends 60 further up: place and direction tell it."""
    rng = np.random.default_rng([seed, split == "test"])
    labels = rng.integers(0, CLASSES, count)
    lengths = rng.integers(60, 120, count)
    times = [np.sort(rng.uniform(0, 1, length)) for length in lengths]
    channels = [rng.normal(100 + 200 * k + 60 * t, 12).clip(0, 699) for k, t in zip(labels, times, strict=True)]
    return EventDataset(
        "hd-spikes", split, np.concatenate([[0], np.cumsum(lengths)]), np.concatenate(channels).astype(np.uint16),
        np.concatenate(times).astype(np.float16), labels, rng.integers(0, 4, count), ("a", "b", "c"), CHANNELS,
    )  # fmt: skip


def recipe(**sections) -> Recipe:
    values = {
        "data": {"name": "hd-spikes", "validation_speakers": [1]},
        "input": {"duration": 1.0, "pool": 10, "keep": "one_per_step"},
        "network": {"layers": [20], "num_steps": 10},
        "events": {"channel_shift": 5, "time_stretch": 0.1, "event_dropout": 0.3},
        "train": {"epochs": 8, "batch": 16, "weight_rate": 0.05, "spike_dropout": 0.1},
    }
    return from_dict(
        Recipe, {name: {**values.get(name, {}), **sections.get(name, {})} for name in {*values, *sections}}
    )


def load(name, split):
    return recordings(split)


STRUCTURES = {
    "plain": {},
    "window": {"windows": [3]},
    "delays": {"delays": [0, 2, 4]},
    "gates": {"gates": 4},
    "all": {"windows": [0, 4], "delays": [0, 1], "gates": 2, "onset": 3, "keep": "first"},
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_learns_and_is_deployed(tmp_path, name):
    report = train(recipe(input=STRUCTURES[name]), tmp_path, load=load)
    assert report["test"]["accuracy"] > 0.6  # chance is a third
    model = packed.load(tmp_path / "model.bstdg")
    assert model.input == recipe(input=STRUCTURES[name]).input.for_recordings((CHANNELS,))
    assert model.input.reads == (CHANNELS,)
    figures = runtime.load(tmp_path / "model.bstdg", "oracle").evaluate_events(recordings("test"))
    assert {**figures, "engine": ""} == {**report["test"], "engine": ""}
    tied = recipe(input=STRUCTURES[name]).input.coding().tied_channels(CHANNELS)
    if tied:
        signs = model.layers[0].signs
        np.testing.assert_array_equal(signs[:, -tied:], -signs[:, :tied])


def test_figures_tell_known_from_unseen_speakers(tmp_path):
    report = train(recipe(train={"epochs": 1}), tmp_path, load=load)
    speakers = recordings("test").speakers
    extra = report["extra"]
    assert {name: row["samples"] for name, row in extra["by_speaker"].items()} == {
        str(n): int((speakers == n).sum()) for n in range(4)
    }
    assert extra["speakers"]["unseen"] == extra["by_speaker"]["1"]  # held out, so never trained on
    assert extra["speakers"]["known"]["samples"] + extra["speakers"]["unseen"]["samples"] == len(speakers)
    assert report["validation_samples"] == int((recordings().speakers == 1).sum())


def test_a_run_that_is_resumed_ends_like_an_unbroken_one(tmp_path):
    run = recipe(train={"epochs": 3})
    train(run, tmp_path / "whole", seed=2, load=load)
    short = TrainingRun(run, recordings(), 2, torch.device("cpu"))
    short.run_epoch(Quiet())
    (tmp_path / "parts").mkdir()
    checkpoint.save(tmp_path / "parts", short.checkpoint())
    train(run, tmp_path / "parts", seed=2, load=load, resume=True)
    one, two = (checkpoint.load(tmp_path / name / CHECKPOINT).tensors for name in ("whole", "parts"))
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name], two[name]), name
    assert (tmp_path / "whole" / "model.bstdg").read_bytes() == (tmp_path / "parts" / "model.bstdg").read_bytes()


def test_both_training_engines_take_events():
    rows = []
    for engine in ("native", "dense"):
        run = TrainingRun(recipe(input={"windows": [3]}), recordings(), 0, torch.device("cpu"), engine)
        rows.append(run.run_epoch(Quiet()))
    assert rows[0]["loss"] == pytest.approx(rows[1]["loss"], rel=1e-3)


@pytest.mark.parametrize("field", ["shift", "jitter", "input_dropout"])
def test_what_is_for_images_is_refused_with_what_to_use(tmp_path, field):
    with pytest.raises(InputError, match=f"train.{field} is for images.*use events"):
        train(recipe(train={field: 0.5 if field == "input_dropout" else 1}), tmp_path, load=load)


def test_a_margin_keeps_outputs_silent_until_the_end(tmp_path):
    loss = {"silent_remainder": True}
    report = train(recipe(network={"initial_output_margin": 1000.0}, loss=loss), tmp_path, load=load)
    assert report["test"]["silent_rate"] == 1.0
    assert report["test"]["decision_step_mean"] == 9.0
    assert report["test"]["accuracy"] > 0.6


@pytest.mark.parametrize("section", [{"distort": {"copies": 1}}, {"teacher": {"weight": 0.5}}])
def test_copies_and_teachers_are_for_images(tmp_path, section):
    with pytest.raises(InputError, match="is for images; hd-spikes holds recordings of events"):
        train(recipe(**section), tmp_path, load=load)


def test_speakers_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(InputError, match="has no speaker 7, only 0, 1, 2, 3"):
        train(recipe(data={"validation_speakers": [7]}), tmp_path, load=load)
    with pytest.raises(InputError, match="nobody is left"):
        train(recipe(data={"validation_speakers": [0, 1, 2, 3]}), tmp_path, load=load)
    with pytest.raises(InputError, match="digits holds images"):
        train(from_dict(Recipe, {"data": {"validation_speakers": [1]}}), tmp_path)


def test_the_split_by_speaker_holds_out_whole_speakers_and_can_be_limited():
    data = recordings()
    training, validation = parts_of(data, recipe(data={"limit": 30}).data, 0)
    assert len(training) == 30
    assert set(data.speakers[validation]) == {1}
    assert 1 not in data.speakers[training]
    assert len(validation) == (data.speakers == 1).sum()


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> tuple[Path, Path]:
    """A folder with small HD-spikes, and a model trained on them."""
    folder = tmp_path_factory.mktemp("spoken")
    for split in ("train", "test"):
        data = recordings(split)
        with h5py.File(folder / f"hds_{split}.h5", "w") as file:
            for name, values in (("times", data.times), ("units", data.channels)):
                rows = file.create_dataset(f"spikes/{name}", len(data), h5py.vlen_dtype(values.dtype))
                for n in range(len(data)):
                    rows[n] = values[data.offsets[n] : data.offsets[n + 1]]
            file["labels"], file["extra/speaker"] = data.labels, data.speakers
            file["extra/keys"] = np.array(data.classes, "S")
    train(recipe(), folder / "run", data_dir=folder)
    return folder, folder / "run" / "model.bstdg"


def bstdg(capsys, *arguments) -> tuple[int, str, str]:
    try:
        status = app([str(a) for a in arguments], standalone_mode=False)
    except SystemExit as exit_:
        status = exit_.code
    said = capsys.readouterr()
    return int(status or 0), said.out, said.err


def test_options_for_images_are_refused_where_recordings_are_read_and_the_other_way_round(capsys, spoken, tmp_path):
    folder, model = spoken
    for option in ("--invert", "--resize"):
        status, out, err = bstdg(capsys, "predict", model, folder / "hds_test.h5", option)
        assert (status, out) == (2, "")
        assert f"{option} does nothing here: {model} reads recordings" in err
    images = random_model((20, 3), shape=(4, 5))
    packed.save(images, tmp_path / "images.bstdg")
    for command in (["predict", tmp_path / "images.bstdg", "a.png"], ["raster", tmp_path / "images.bstdg"],
                    ["raster", model]):  # fmt: skip
        status, out, err = bstdg(capsys, *command, "--trust-recordings")
        assert (status, out) == (2, "")
        assert "--trust-recordings does nothing here" in err


def test_recordings_are_read_in_this_process_if_that_is_asked_for(capsys, spoken, monkeypatch, tmp_path):
    folder, model = spoken
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    file = folder / "hds_test.h5"
    status, _, err = bstdg(capsys, "predict", model, file)
    assert status == 2
    assert "cannot start a process to read" in err
    assert bstdg(capsys, "predict", model, file, "--trust-recordings")[0] == 0
    drawn = ["raster", model, "--file", file, "--out", tmp_path / "a.svg"]
    assert bstdg(capsys, *drawn)[0] == 2
    assert bstdg(capsys, *drawn, "--trust-recordings")[0] == 0


def test_eval_predict_and_info_read_an_event_model(capsys, spoken):
    folder, model = spoken
    report = json.loads((folder / "run" / "report.json").read_text())
    status, out, _ = bstdg(capsys, "eval", model, "--data-dir", folder, "--json")
    assert status == 0
    assert json.loads(out)["accuracy"] == report["test"]["accuracy"]
    status, out, _ = bstdg(capsys, "predict", model, folder / "hds_test.h5", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (status, len(rows)) == (0, 90)
    right = np.mean([row["label"] for row in rows] == recordings("test").labels)
    assert right == pytest.approx(report["test"]["accuracy"])
    heard = np.mean([row["input_spikes_to_decision"] for row in rows])
    assert heard == pytest.approx(report["test"]["input_spikes_to_decision"])
    status, out, _ = bstdg(capsys, "info", model, "--json")
    assert json.loads(out)["input"]["pool"] == 10
    status, out, _ = bstdg(capsys, "info", model)
    assert "events on 700 channels" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["eval", "MODEL", "--data", "digits"], "reads recordings of events"),
        (["raster", "MODEL", "--file", "FOLDER/run/report.json"], "no HDF5 file"),
        (["predict", "MODEL", "FOLDER/run/report.json"], "no HDF5 file"),
        (["train", "hd-spikes", "--data-dir", "FOLDER/run", "--out", "FOLDER/new"], "lacks hds_train.h5.gz"),
    ],
)
def test_refused_in_one_line(capsys, spoken, arguments, message):
    folder, model = spoken
    words = [word.replace("MODEL", str(model)).replace("FOLDER", str(folder)) for word in arguments]
    status, _, err = bstdg(capsys, *words)
    assert status == 2
    assert len(err.splitlines()) == 1
    assert message in err


def test_more_classes_than_outputs_are_refused(spoken):
    _, model = spoken
    data = recordings("test")
    more = EventDataset(
        "x", "test", data.offsets, data.channels, data.times, data.labels + 1, None, (*data.classes, "d"), CHANNELS
    )
    with pytest.raises(InputError, match="labels must be in 0 … 2"):
        runtime.load(model).evaluate_events(more)
    narrow = EventDataset("x", "test", np.array([0, 1]), np.array([0], np.uint16), np.zeros(1, np.float32),
                          np.array([0]), None, ("a",), 5)  # fmt: skip
    with pytest.raises(InputError, match="has 5 channels"):
        runtime.load(model).evaluate_events(narrow)
