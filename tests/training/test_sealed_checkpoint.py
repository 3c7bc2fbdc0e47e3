"""Checkpoints and teachers whose checksum is right and whose content is not: one line, or a run that goes on."""

from __future__ import annotations

import copy
import json
import shutil
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.model_files import resealed
from support.paths import GOLDEN
from support.strange import changed

from bstdg import files
from bstdg.errors import BstdgError, FileFormatError, InputError
from bstdg.learning.recipe import TeacherConfig
from bstdg.learning.recipe_file import recipe_of
from bstdg.progress import Quiet
from bstdg.training import checkpoint, distillation
from bstdg.training.run import TrainingRun
from bstdg.training.run_folder import CHECKPOINT, LOG, PREVIOUS
from bstdg.training.train import train

WRITTEN = {
    "data": {"name": "digits", "limit": 120, "edges": 2},
    "network": {"hidden": [6], "num_steps": 6, "silent_below": 0.1},
    "train": {"epochs": 4, "batch": 20, "average": 0.9},
}
pytestmark = pytest.mark.filterwarnings("ignore::bstdg.training.health.NetworkHealthWarning")  # six neurons are few
DATA = (GOLDEN / "checkpoint-v1.safetensors").read_bytes()
STATE = checkpoint.load(GOLDEN / "checkpoint-v1.safetensors").state


@pytest.fixture(scope="module")
def run() -> TrainingRun:
    from bstdg import datasets

    return TrainingRun(recipe_of(WRITTEN), datasets.load("digits", "train"), 3, torch.device("cpu"))


def with_state(state, tensors=lambda header, payload: None) -> bytes:
    def change(header, metadata, payload):
        metadata["state"] = state if isinstance(state, str) else json.dumps(state)
        tensors(header, payload)
        return payload

    return resealed(DATA, change)


def goes_on(run: TrainingRun, data: bytes, path) -> str | None:
    """What a checkpoint was refused with; None where the run trains on from it and can be deployed and saved."""
    path.write_bytes(data)
    try:
        run.restore(checkpoint.load(path))
    except (FileFormatError, InputError) as error:
        said = str(error)
        assert "\n" not in said and len(said) < 3000, said
        return said
    run.run_epoch(Quiet())
    run.deployed()
    run.best_model()
    checkpoint.save(path.parent, run.checkpoint())
    return None


def test_the_untouched_one_goes_on(run, tmp_path):
    assert goes_on(run, with_state(STATE), tmp_path / CHECKPOINT) is None


@given(data=st.data())
@settings(max_examples=150)
def test_any_field_of_the_state_may_be_anything(run, tmp_path_factory, data):
    state = changed(data.draw, STATE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        goes_on(run, with_state(state), tmp_path_factory.mktemp("run") / CHECKPOINT)


TENSORS = sorted(key for key in json.loads(DATA[8 : 8 + int.from_bytes(DATA[:8], "little")]) if key != "__metadata__")


@given(key=st.sampled_from(TENSORS), how=st.sampled_from(["renamed", "flat", "other type", "NaN", "infinite", "-1"]))
@settings(max_examples=150)
def test_any_tensor_may_be_another(run, tmp_path_factory, key, how):
    def change(header, payload):
        entry = header[key]
        if how == "renamed":
            entries = {f"{k}x" if k == key else k: value for k, value in header.items()}  # in their order
            header.clear()
            header.update(entries)
        elif how == "flat":
            entry["shape"] = [int(np.prod(entry["shape"])), 1, 1]
        elif how == "other type":
            entry["dtype"] = "I32" if entry["dtype"] == "F32" else "I8"
        elif entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            values = np.frombuffer(bytes(payload[begin:end]), "<f4").copy()
            values[:1] = float({"NaN": "nan", "infinite": "inf", "-1": "-1"}[how])
            payload[begin:end] = values.tobytes()

    said = goes_on(run, with_state(STATE, change), tmp_path_factory.mktemp("run") / CHECKPOINT)
    if how in ("renamed", "flat", "other type") or (how in ("NaN", "infinite") and key != "generator"):
        assert said is not None and "is damaged" in said


@given(noise=st.binary(max_size=5056), at=st.integers(0, 5056))
@settings(max_examples=100)
def test_the_random_generator_may_be_any_bytes(run, tmp_path_factory, noise, at):
    def change(header, payload):
        begin, end = header["generator"]["data_offsets"]
        payload[begin:end] = (payload[begin : begin + at] + noise).ljust(5056, b"\xff")[:5056]

    goes_on(run, with_state(STATE, change), tmp_path_factory.mktemp("run") / CHECKPOINT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("best"), "its state lacks 'best'"),
        (lambda s: s.pop("epoch"), "its state lacks 'epoch'"),
        (lambda s: s["best"].pop("highest"), "its state lacks 'highest'"),
        (lambda s: s.update(epoch="../../model.bstdg"), "epoch should be a whole number"),
        (lambda s: s.update(epoch=-1), "epoch should be a whole number"),
        (lambda s: s.update(epoch=True), "epoch should be a whole number"),
        (lambda s: s.update(seconds=float("nan")), "NaN is no number"),
        (lambda s: s.update(best=[1]), "its state makes no sense"),
        (lambda s: s.update(recipe="mnist"), "its recipe is no table"),
        (lambda s: s["best"].update(figures=None), "best.figures should be a table"),
        (lambda s: s["best"]["figures"].update(accuracy="high"), "best.figures.accuracy should be a number"),
    ],
)
def test_a_state_that_makes_no_sense(tmp_path, change, message):
    state = copy.deepcopy(STATE)
    change(state)
    path = tmp_path / "odd.safetensors"
    path.write_bytes(with_state(state))
    with pytest.raises(FileFormatError, match=message):
        checkpoint.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000])
def test_a_state_that_is_none(tmp_path, text):
    path = tmp_path / "odd.safetensors"
    path.write_bytes(with_state(text))
    with pytest.raises(FileFormatError, match=r"odd.safetensors is damaged: its state makes no sense"):
        checkpoint.load(path)


def test_a_damaged_state_names_the_checkpoint_before_it(tmp_path):
    (tmp_path / PREVIOUS).write_bytes(DATA)
    (tmp_path / CHECKPOINT).write_bytes(with_state({}))
    with pytest.raises(FileFormatError, match=r"its state lacks 'best'; the one before it is still there"):
        checkpoint.load(tmp_path / CHECKPOINT)


def test_a_log_of_any_bytes_is_cut_and_gone_on_with(tmp_path):
    shutil.copy(GOLDEN / "checkpoint-v1.safetensors", tmp_path / CHECKPOINT)
    (tmp_path / LOG).write_bytes(b'{"epoch": 1}\n{"epoch": "\xff\xfe"}\nwhat was killed')
    train(recipe_of(WRITTEN), tmp_path, seed=3, device="cpu", resume=True)
    lines = (tmp_path / LOG).read_bytes().splitlines()
    assert lines[:2] == [b'{"epoch": 1}', b'{"epoch": "\xff\xfe"}']
    assert [json.loads(line)["epoch"] for line in lines[2:]] == [3, 4]


@pytest.mark.parametrize("origin", ["", "{", "[" * 100_000, "NaN", '{"a": 1e999}'])
def test_a_teacher_that_came_from_nonsense(tmp_path, origin):
    path, teacher = tmp_path / "teacher.safetensors", distillation.blank((1, 8, 8), 2, TeacherConfig())
    distillation.save(path, teacher, {"seed": 1})

    def change(header, metadata, payload):
        metadata["origin"] = origin
        return payload

    path.write_bytes(resealed(path.read_bytes(), change))
    with pytest.raises(FileFormatError, match=r"teacher.safetensors is damaged: what it came from is no JSON"):
        distillation.load(path, teacher, {"seed": 1})


def test_a_teacher_of_another_shape_or_without_numbers(tmp_path):
    path = tmp_path / "teacher.safetensors"
    small, teacher = (distillation.blank((1, 8, 8), classes, TeacherConfig()) for classes in (2, 3))
    distillation.save(path, small, {"seed": 1})
    with pytest.raises(FileFormatError, match=r"is damaged: 'out.bias' should be float32 \[3\], not float32 \[2\]"):
        distillation.load(path, teacher, {"seed": 1})
    with torch.no_grad():
        small.out.bias[0] = float("nan")
    distillation.save(path, small, {"seed": 1})
    with pytest.raises(BstdgError, match=r"'out.bias' holds values that are not finite numbers"):
        distillation.load(path, distillation.blank((1, 8, 8), 2, TeacherConfig()), {"seed": 1})


def test_a_seal_that_safetensors_does_not_read(tmp_path):
    """Ours takes what theirs refuses, so what theirs says is passed on in one line."""
    header = {"__metadata__": {"sha256": files.UNSEALED, "format": "bstdg-checkpoint", "version": "1", "state": "{}"}}
    text = json.dumps(header, separators=(",", ":")) + "   "
    data = files.seal(len(text).to_bytes(8, "little") + text.encode())
    assert checkpoint.tensors_of(data, "it") == {}
    with pytest.raises(FileFormatError, match="it is damaged"):
        checkpoint.tensors_of(data[:-1], "it")
