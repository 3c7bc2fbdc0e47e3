"""Training: what it leaves on disk, that it can be killed and resumed bit for bit, and that it learns."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from support import needs
from support.paths import ROOT

from bstdg import datasets
from bstdg.datasets import Dataset
from bstdg.errors import FileFormatError, InputError, TrainingError
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict, load_recipe
from bstdg.model import packed, runtime
from bstdg.progress import Quiet
from bstdg.training import checkpoint
from bstdg.training.best_epoch import standard_error
from bstdg.training.run import TrainingRun
from bstdg.training.run_folder import CHECKPOINT, PREVIOUS
from bstdg.training.train import train


def recipe(**train_fields) -> Recipe:
    return from_dict(
        Recipe,
        {
            "data": {"limit": 300, "validation": 0.2},
            "network": {"layers": [24]},
            "rule": {"width": 8},
            "train": {"epochs": 3, "batch": 64, "shift": 1, "jitter": 1, "spike_dropout": 0.1, **train_fields},
        },
    )


def final_tensors(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(folder / CHECKPOINT).tensors


def assert_same_run(a: Path, b: Path) -> None:
    one, two = final_tensors(a), final_tensors(b)
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name], two[name]), name
    for x, y in zip(packed.load(a / "model.bstdg").layers, packed.load(b / "model.bstdg").layers, strict=True):
        np.testing.assert_array_equal(x.signs, y.signs)
        np.testing.assert_array_equal(x.thresholds, y.thresholds)


def test_a_run_leaves_model_checkpoint_log_and_report(tmp_path):
    report = train(recipe(), tmp_path / "run", seed=3)
    assert json.loads((tmp_path / "run" / "report.json").read_text()) == report
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    for row in rows:
        assert 0 <= row["flip_ratio"] <= 1
        assert len(row["silent_share"]) == len(row["firing_share"]) == 1
        assert row["samples_per_second"] > 0
    assert rows[-1]["flip_ratio"] < rows[0]["flip_ratio"]  # the cosine comes to rest
    # The model on disk gives the figures of the report, with either engine.
    test = datasets.load("digits", "test")
    for engine in ("native", "oracle", "dense"):
        model = runtime.load(tmp_path / "run" / "model.bstdg", engine)
        assert {**model.evaluate(test.images, test.labels), "engine": "native"} == report["test"]
    assert model.packed.trained["test"] == report["test"]
    assert model.packed.trained["seed"] == 3
    highest, kept = 0.0, rows[0]
    for row in rows:  # the latest within one standard error of the highest so far
        highest = max(highest, row["accuracy"])
        if row["accuracy"] >= highest - standard_error(highest, row["samples"]):
            kept = row
    assert report["best_epoch"] == kept["epoch"]
    assert report["validation"]["accuracy"] == kept["accuracy"]


def test_seed_decides_everything(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(recipe(), tmp_path / name, seed=seed)
    assert_same_run(tmp_path / "a", tmp_path / "b")
    weights = [final_tensors(tmp_path / name)["network.layers.0.weight"] for name in "ac"]
    assert not torch.equal(*weights)


def test_test_set_is_read_once_and_last(tmp_path):
    read = []

    def load(name, split):
        read.append((split, (tmp_path / CHECKPOINT).exists()))
        return datasets.load(name, split)

    train(recipe(), tmp_path, load=load)
    assert read == [("train", False), ("test", True)]


def test_stopped_between_epochs_and_resumed_is_the_same_run(tmp_path):
    train(recipe(epochs=4), tmp_path / "whole", seed=1)

    class Stop(Exception):
        pass

    saved = checkpoint.save

    def stop_after_two(folder, state):
        saved(folder, state)
        if state.state["epoch"] == 2:
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", stop_after_two)
        with pytest.raises(Stop):
            train(recipe(epochs=4), tmp_path / "cut", seed=1)
    with (tmp_path / "cut" / "log.jsonl").open("a") as log:
        log.write('{"epoch": 3, "of": "a run that was killed before its checkpoint"}\n')
    train(recipe(epochs=4), tmp_path / "cut", seed=1, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    rows = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert "loss" in rows[2]


EVERYTHING = {
    "rule": {"width": 8, "final_width": 4},
    "distort": {"copies": 2, "rotation": 5, "elastic": 0.2},
    "teacher": {"weight": 0.5, "passes": 2, "structure": ["4c3s2p1", "4c3s2p1", 16]},
}


def with_everything(**train_fields) -> Recipe:
    """All that changes from epoch to epoch and all that is prepared beforehand."""
    values = recipe(**{"epochs": 4, "average": 0.9, "input_dropout": 0.1, **train_fields}).to_dict()
    return from_dict(Recipe, {**values, **EVERYTHING})


def test_copies_teacher_averages_and_width_go_on_as_they_were(tmp_path):
    train(with_everything(), tmp_path / "whole", seed=1)
    dataset = datasets.load("digits", "train")
    run = TrainingRun(with_everything(), dataset, 1, torch.device("cpu"))
    (tmp_path / "cut").mkdir()
    run.prepare(tmp_path / "cut")
    for _ in range(2):
        run.run_epoch(Quiet())
        checkpoint.save(tmp_path / "cut", run.checkpoint())
    train(with_everything(), tmp_path / "cut", seed=1, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    assert any(name.startswith("average.") for name in final_tensors(tmp_path / "whole"))


@pytest.mark.parametrize("without", ["distort", "teacher", "rule", "average"])
def test_each_option_changes_what_is_learnt(tmp_path, without):
    values = with_everything(weight_rate=0.05)  # so that a few steps flip weights
    changed = dataclasses.replace(values, **{without: getattr(Recipe(), without)}) if without in EVERYTHING else None
    changed = changed or dataclasses.replace(values, train=dataclasses.replace(values.train, average=0.0))
    if without == "rule":
        changed = dataclasses.replace(values, rule=dataclasses.replace(values.rule, final_width=0.0))
    for name, of in (("with", values), ("without", changed)):
        train(of, tmp_path / name)
    one, two = (packed.load(tmp_path / name / "model.bstdg").layers for name in ("with", "without"))
    pairs = list(zip(one, two, strict=True))
    assert any((a.signs != b.signs).any() or (a.thresholds != b.thresholds).any() for a, b in pairs)


def test_what_is_deployed_are_the_averages(tmp_path):
    """After one epoch, which is then the best: the weights themselves went another way."""
    train(with_everything(epochs=1, weight_rate=0.05), tmp_path)
    tensors = final_tensors(tmp_path)
    for i, layer in enumerate(packed.load(tmp_path / "model.bstdg").layers):
        mean, last = (tensors[f"{of}.layers.{i}.weight"].numpy() for of in ("average", "network"))
        assert ((mean >= 0) != (last >= 0)).any()
        np.testing.assert_array_equal(layer.signs, np.where(mean >= 0, 1, -1))
        np.testing.assert_array_equal(layer.thresholds, np.ceil(tensors[f"average.layers.{i}.threshold"].numpy()))


def one_image_a_class(name: str, split: datasets.Split) -> Dataset:
    """Forty copies of one image a class, so that every part of them that holds classes alike gives the same figures."""
    images = np.random.default_rng(0).integers(0, 256, (10, 6, 6)).astype(np.uint8)
    return Dataset("mine", split, np.tile(images, (40, 1, 1)), np.tile(np.arange(10), 40), 255, tuple("abcdefghij"))


def test_the_epoch_is_judged_by_the_network_that_is_deployed(tmp_path):
    values = with_everything(epochs=1, weight_rate=0.05)
    every = dataclasses.replace(values, data=dataclasses.replace(values.data, limit=0))
    report = train(every, tmp_path, load=one_image_a_class)
    assert report["test"]["accuracy"] < 1  # or all networks would look alike
    judged, deployed = report["validation"], report["test"]
    assert judged["samples"] == 80
    for name in judged.keys() - {"samples", "samples_by_class"}:
        assert judged[name] == pytest.approx(deployed[name]), name


def test_rates_fall_as_a_cosine_from_each_to_nothing(tmp_path):
    """With one batch an epoch and rates too small to change a gradient, Adam moves all it moves by just the rate."""
    rates = {"weight_rate": 1e-4, "threshold_rate": 2e-4, "scale_rate": 3e-4}
    still = {"shift": 0, "jitter": 0, "spike_dropout": 0.0}
    values = recipe(epochs=4, batch=1000, **still, **rates)
    train(values, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[3]["loss"] < rows[2]["loss"] < rows[1]["loss"] < rows[0]["loss"]  # downhill
    before, after = (checkpoint.load(tmp_path / name).tensors for name in (PREVIOUS, CHECKPOINT))

    def last_move(name: str) -> float:
        moved = (after[name] - before[name]).abs()
        return float(moved[moved > 0].median())

    parts = [(1 + math.cos(math.pi * done)) / 2 for done in (0, 1 / 4, 2 / 4, 3 / 4)]
    names = ("network.layers.0.weight", "network.layers.0.threshold", "loss.log_scale")
    for name, rate in zip(names, rates.values(), strict=True):
        assert last_move(name) == pytest.approx(rate * parts[3], rel=0.05), name
    first = math.log(values.loss.scale)
    assert abs(float(before["loss.log_scale"]) - first) == pytest.approx(rates["scale_rate"] * sum(parts[:3]), rel=0.02)


def test_the_width_goes_from_the_first_to_the_final_in_even_steps():
    dataset = datasets.load("digits", "train")
    run = TrainingRun(with_everything(batch=1000), dataset, 0, torch.device("cpu"))  # one batch an epoch
    widths = []
    for _ in range(4):
        run.run_epoch(Quiet())
        widths.append({layer.rule.width for layer in run.network.layers})
    assert widths == [{8.0}, {7.0}, {6.0}, {5.0}]


def test_a_checkpoint_from_before_a_field_was_there_still_goes_on(tmp_path):
    train(recipe(), tmp_path / "whole")
    dataset = datasets.load("digits", "train")
    run = TrainingRun(recipe(), dataset, 0, torch.device("cpu"))
    run.run_epoch(Quiet())
    saved = run.checkpoint()
    for later in ("distort", "teacher"):
        del saved.state["recipe"][later]
    del saved.state["recipe"]["train"]["average"], saved.state["recipe"]["rule"]["final_width"], saved.state["averaged"]
    (tmp_path / "old").mkdir()
    checkpoint.save(tmp_path / "old", saved)
    train(recipe(), tmp_path / "old", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "old")


def test_killed_at_any_moment_and_resumed_is_the_same_run(tmp_path):
    """SIGKILL again and again, at moments that do not depend on what the program does."""
    options = ["limit=300", "hidden=[24]", "epochs=12", "shift=1", "spike_dropout=0.1"]
    command = [sys.executable, "-m", "bstdg", "train", str(ROOT / "recipes" / "digits.toml"), "--resume"]
    command += [word for option in options for word in ("--set", option)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(out: str):
        return subprocess.Popen(
            [*command, "--out", str(tmp_path / out)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    assert start("whole").wait() == 0
    kills = 0
    for milliseconds in (30, 110, 65):
        process = start("killed")
        seen = _epochs(tmp_path / "killed")
        while process.poll() is None and _epochs(tmp_path / "killed") == seen:
            time.sleep(0.002)
        time.sleep(milliseconds / 1000)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 1
    assert start("killed").wait() == 0
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def _epochs(folder: Path) -> int:
    log = folder / "log.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def test_a_damaged_checkpoint_is_refused_by_name_and_the_one_before_still_works(tmp_path):
    train(recipe(), tmp_path / "run")
    path = tmp_path / "run" / CHECKPOINT
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    with pytest.raises(FileFormatError, match=r"checkpoint\.safetensors is truncated.*checkpoint\.previous"):
        train(recipe(), tmp_path / "run", resume=True)
    altered = bytearray(whole)
    altered[len(whole) // 2] ^= 4
    path.write_bytes(altered)
    with pytest.raises(FileFormatError, match=r"checkpoint\.safetensors was altered"):
        train(recipe(), tmp_path / "run", resume=True)
    assert path.read_bytes() == altered  # refusing loses nothing
    before = checkpoint.load(path.with_name(PREVIOUS))
    assert before.state["epoch"] == 2
    path.with_name(PREVIOUS).replace(path)
    train(recipe(), tmp_path / "again")
    train(recipe(), tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", tmp_path / "again")


def test_a_full_disk_while_saving_keeps_both_checkpoints(tmp_path):
    """The limit on a file's size that the system sets stands for the full disk: writing ends halfway."""
    values = ["--set", "limit=300", "--set", "hidden=[24]", "--set", "epochs=3"]
    train_it = [sys.executable, "-m", "bstdg", "train", "digits", "--out", str(tmp_path / "full"), "--resume", *values]
    saved = checkpoint.save

    def stop_after_two(folder, state):
        saved(folder, state)
        if state.state["epoch"] == 2:
            raise KeyboardInterrupt

    whole = load_recipe(ROOT / "recipes" / "digits.toml", values[1::2])
    train(whole, tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            train(whole, tmp_path / "full")
    kept = {name: (tmp_path / "full" / name).read_bytes() for name in (CHECKPOINT, PREVIOUS)}
    limit = len(kept[CHECKPOINT]) // 2 // 1024
    limited = ["bash", "-c", f'ulimit -f {limit}; exec "$@"', "bash", *train_it]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads()), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(limited, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "File too large" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert {name: (tmp_path / "full" / name).read_bytes() for name in kept} == kept
    assert not list((tmp_path / "full").glob(".*"))
    subprocess.run(train_it, capture_output=True, check=True, env=environment)
    assert_same_run(tmp_path / "whole", tmp_path / "full")


def test_what_a_killed_run_left_half_written_is_cleared_away(tmp_path):
    tmp_path.joinpath("run").mkdir()
    left = [f"{CHECKPOINT}.next", f".{CHECKPOINT}.next.0123abcd.tmp", ".model.bstdg.89abcdef.tmp"]
    for name in (*left, ".mine.tmp", "notes.next"):
        (tmp_path / "run" / name).write_bytes(b"half")
    train(recipe(epochs=1), tmp_path / "run")
    there = {path.name for path in (tmp_path / "run").iterdir()}
    assert not there & set(left)
    assert {".mine.tmp", "notes.next"} <= there


def test_resuming_with_another_recipe_or_seed_is_refused(tmp_path):
    train(recipe(), tmp_path)
    with pytest.raises(InputError, match=r"recipe\.train\.batch was 64, now 32"):
        train(recipe(batch=32), tmp_path, resume=True)
    with pytest.raises(InputError, match="seed was 0, now 1"):
        train(recipe(), tmp_path, seed=1, resume=True)


def test_a_folder_that_holds_a_run_is_not_overwritten_by_accident(tmp_path):
    train(recipe(epochs=1), tmp_path)
    before = (tmp_path / "model.bstdg").read_bytes()
    with pytest.raises(InputError, match="--resume"):
        train(recipe(epochs=2), tmp_path)
    assert (tmp_path / "model.bstdg").read_bytes() == before
    assert train(recipe(epochs=2), tmp_path, overwrite=True)["epochs"] == 2
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        train(recipe(), tmp_path / "file")


def test_a_shift_beyond_the_picture_is_refused_before_a_run_is_replaced(tmp_path):
    train(recipe(epochs=1), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=r"train\.shift = 8 moves a 8 x 8 image out of sight"):
        train(recipe(shift=8), tmp_path, overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_early_stopping(tmp_path):
    report = train(recipe(epochs=50, patience=2, weight_rate=0.0, threshold_rate=0.0), tmp_path)
    assert report["epochs"] == 3  # nothing moves: the first is the best, and two more do not better it


def test_a_loss_that_is_no_number_ends_training(tmp_path, monkeypatch):
    from bstdg.learning.loss import Loss

    monkeypatch.setattr(Loss, "forward", lambda self, *_: (self.log_scale * float("nan")).sum())
    with pytest.raises(TrainingError, match="lower train"):
        train(recipe(), tmp_path)


def small_set(count: int, classes: int = 2, split: datasets.Split = "train") -> Dataset:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    images = (rng.integers(0, 60, (count, 4, 4)) + 180 * labels[:, None, None]).astype(np.uint8)
    return Dataset("mine", split, images, labels, 255, tuple(f"c{i}" for i in range(classes)))


def mine(count: int):
    return lambda name, split: small_set(count, split=split)


@pytest.mark.filterwarnings("ignore::bstdg.training.health.NetworkHealthWarning")  # sixteen pixels are few
@pytest.mark.parametrize("num_steps", [1, 2, 254])
@pytest.mark.parametrize("hidden", [[], [1], [3, 1, 2]])
def test_corners_of_structure(tmp_path, num_steps, hidden):
    values = recipe(epochs=1, shift=0, spike_dropout=0.1 if hidden else 0.0, jitter=0)
    if not hidden:
        values = dataclasses.replace(values, rule=Recipe().rule)
    values = dataclasses.replace(
        values, network=dataclasses.replace(values.network, layers=tuple(hidden), num_steps=num_steps)
    )
    report = train(values, tmp_path, load=mine(40))
    assert report["widths"] == [16, *hidden, 2]
    assert report["test"]["num_steps"] == num_steps


def test_one_image_cannot_be_split(tmp_path):
    with pytest.raises(InputError, match="1 training samples cannot be split"):
        train(recipe(), tmp_path, load=mine(1))
    assert not (tmp_path / "model.bstdg").exists()


@pytest.mark.parametrize("mode", ["neuron", "layer", "fixed"])
def test_threshold_modes(tmp_path, mode):
    values = recipe()
    values = dataclasses.replace(values, network=dataclasses.replace(values.network, threshold_mode=mode))
    train(values, tmp_path / "run")
    first, last = (checkpoint.load(tmp_path / "run" / n) for n in (PREVIOUS, CHECKPOINT))
    thresholds = [c.tensors["network.layers.0.threshold"] for c in (first, last)]
    assert thresholds[0].shape == ((1,) if mode == "layer" else (24,))
    assert torch.equal(*thresholds) == (mode == "fixed")


@pytest.mark.parametrize(
    "change",
    [
        {"loss": {"name": "relative_target", "gamma": 2}},
        {"rule": {"kernel": "exponential", "tau": 2.0, "width": 8.0}},
        {"rule": {"kernel": "none", "width": 8.0}},
        {"loss": {"silent_remainder": True}},
    ],
)
def test_every_loss_and_kernel_learns(tmp_path, change):
    values = from_dict(Recipe, {"network": {"layers": [64]}, "train": {"epochs": 6, "batch": 32}, **change})
    report = train(values, tmp_path)
    assert report["test"]["accuracy"] > 0.6  # chance is 0.1


def test_tensorboard(tmp_path):
    event_accumulator = needs.package("tensorboard.backend.event_processing.event_accumulator")
    train(recipe(epochs=2), tmp_path, tensorboard=True)
    events = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    written = [event.value for event in events.Scalars("accuracy")]
    assert written == pytest.approx([row["accuracy"] for row in rows])
    assert "silent_share/layer 0" in events.Tags()["scalars"]


def test_digits_recipe_learns(tmp_path):
    report = train(load_recipe(ROOT / "recipes" / "digits.toml", ["epochs=20", "hidden=[256]"]), tmp_path)
    assert report["test"]["accuracy"] > 0.88
    assert report["test"]["silent_rate"] < 0.05


@pytest.mark.slow
@needs.data("mnist")
def test_mnist_learns_within_an_epoch(tmp_path):
    values = load_recipe(ROOT / "recipes" / "mnist.toml", ["epochs=3", "hidden=[128]", "limit=12000"])
    report = train(values, tmp_path)
    assert report["test"]["accuracy"] > 0.85
    assert report["model_bytes"] < 20_000
