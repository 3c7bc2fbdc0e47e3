"""The command line as it is used: what it prints, what it leaves, how it ends, and how it refuses."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.paths import ROOT

from bstdg import datasets
from bstdg.cli import app
from bstdg.model import runtime

GOLDEN = ROOT / "tests" / "golden" / "model-v1.bstdg"  # reads 4 x 5 pixels
SMALL = ["--set", "epochs=2", "--set", "hidden=[32]", "--set", "limit=300"]
FIGURES = {
    "accuracy",
    "accuracy_ties_correct",
    "tie_rate",
    "silent_rate",
    "decision_step_mean",
    "decision_step_median",
    "num_steps",
    "hidden_spikes",
    "hidden_spikes_to_decision",
    "input_spikes_to_decision",
    "synaptic_operations_to_decision",
    "samples",
    "engine",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A small model of the digits, in the folder that its training left."""
    out = tmp_path_factory.mktemp("cli") / "run"
    assert app(["train", "--out", str(out), *SMALL], standalone_mode=False) == 0
    return out / "model.bstdg"


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line for bash in which `bstdg` is the command under test; ends with the first failure of a pipe."""
    script = f'set -o pipefail; bstdg() {{ {shlex.quote(sys.executable)} -m bstdg "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, env={**os.environ, **environment}, timeout=120, check=False
    )


def digit(index: int = 0) -> tuple[np.ndarray, int]:
    test = datasets.load("digits", "test")
    return test.images[index], int(test.labels[index])


# --- train -----------------------------------------------------------------------------------------------------------


def test_train_leaves_its_files_and_a_report(model):
    there = {path.name for path in model.parent.iterdir()}
    kept = {"model.bstdg", "checkpoint.safetensors", "checkpoint.previous.safetensors"}
    kept |= {"start.json", "log.jsonl", "report.json"}
    assert there == kept
    report = json.loads((model.parent / "report.json").read_text())
    assert report["seed"] == 0
    assert report["recipe"]["data"].items() >= {"name": "digits", "validation": 0.1, "limit": 300}.items()
    assert report["widths"] == [64, 32, 10]
    assert set(report["test"]) >= FIGURES


def test_train_alone_means_digits_into_a_folder_named_after_recipe_and_seed(bstdg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = bstdg("train", "--seed", 7, *SMALL)
    assert status == 0
    report = json.loads(Path("runs/digits-seed7/report.json").read_text())
    assert (report["seed"], report["recipe"]["title"][:12]) == (7, "scikit-learn")
    assert f"{report['test']['accuracy']:.2%}" in out
    assert "runs/digits-seed7/model.bstdg" in out
    assert [line.split()[:2] for line in err] == [["epoch", "1/2"], ["epoch", "2/2"]]
    for word in ("accuracy", "hidden spikes", "decision step", "samples/s", "left"):
        assert word in err[0]


def test_train_json_is_the_report(bstdg, tmp_path):
    status, out, _ = bstdg("train", "--json", "--out", tmp_path / "r", *SMALL)
    assert status == 0
    assert json.loads(out) == json.loads((tmp_path / "r" / "report.json").read_text())


def test_a_run_is_gone_on_with_or_replaced_only_when_asked(bstdg, model, tmp_path):
    out = tmp_path / "r"
    assert bstdg("train", "--out", out, *SMALL)[0] == 0
    before = (out / "model.bstdg").read_bytes()
    status, _, err = bstdg("train", "--out", out, *SMALL)
    assert (status, len(err)) == (2, 1)
    assert "--resume" in err[0]
    assert "--overwrite" in err[0]
    assert bstdg("train", "--out", out, *SMALL, "--resume")[0] == 0
    assert (out / "model.bstdg").read_bytes() == before
    assert bstdg("train", "--out", out, *SMALL, "--overwrite", "--seed", 1)[0] == 0
    assert (out / "model.bstdg").read_bytes() != before


def test_a_recipe_by_its_path(bstdg, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text("[data]\nlimit = 200\n[network]\nhidden = []\n[train]\nepochs = 1\n")
    assert bstdg("train", recipe, "--out", tmp_path / "r")[0] == 0
    assert json.loads((tmp_path / "r" / "report.json").read_text())["widths"] == [64, 10]


def test_interrupted_it_says_how_to_go_on_and_does(tmp_path):
    options = ["--out", str(tmp_path / "r"), "--set", "hidden=[32]", "--set", "epochs=30"]
    command = [sys.executable, "-m", "bstdg", "train", *options]
    # As from a terminal: who runs the tests in the background may have told their children to ignore Ctrl-C.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    heard = [sys.executable, "-c", f"{listen}; from bstdg.cli import app; app({['train', *options]!r})"]
    process = subprocess.Popen(heard, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (tmp_path / "r" / "checkpoint.safetensors").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 130
    assert err[-1] == f"bstdg: stopped; to go on, repeat the command with --out {tmp_path / 'r'} --resume"
    assert not (tmp_path / "r" / "model.bstdg").exists()
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=True)
    assert "epoch 30/30" in done.stderr
    assert "epoch 1/30" not in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "r" / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, 31))


@pytest.mark.filterwarnings("default::bstdg.training.health.NetworkHealthWarning")
def test_a_dying_network_is_one_line_of_warning(bstdg, tmp_path):
    dying = ["--set", "loss.spike_weight=1000", "--set", "epochs=3", "--set", "threshold_rate=5"]
    status, _, err = bstdg("train", "--out", tmp_path / "r", *SMALL, *dying)
    assert status == 0
    warnings = [line for line in err if "warning" in line]
    assert warnings[0].startswith("bstdg: warning: layer 0 is going silent")


# --- eval ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [None, "native", "oracle", "dense"])
def test_eval_json_is_one_object_with_the_figures_of_training(bstdg, model, engine):
    status, out, err = bstdg("eval", model, "--data", "digits", "--json", *(["--engine", engine] if engine else []))
    assert (status, err, out.count("\n")) == (0, [], 1)
    row = json.loads(out)
    assert set(row) >= FIGURES
    trained = json.loads((model.parent / "report.json").read_text())["test"]
    for name in FIGURES - {"engine"}:
        assert row[name] == trained[name]
    assert row["engine"] == (engine or runtime.load(model).engine.NAME)
    assert row["samples"] == 360


def test_eval_takes_the_data_it_was_trained_on_and_the_split_asked_for(bstdg, model):
    status, out, _ = bstdg("eval", model, "--split", "train", "--json")
    assert (status, json.loads(out)["samples"]) == (0, 1437)
    status, out, _ = bstdg("eval", model)
    assert status == 0
    for words in ("accuracy", "ties", "silent", "decision step", "hidden spikes", "synaptic operations", "360"):
        assert words in out


# --- predict ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def drawings(tmp_path) -> Path:
    """Digits as picture and array, named after their class, and a file that is no image."""
    for index in range(3):
        pixels, label = digit(index)
        Image.fromarray((pixels.astype(int) * 255 // 16).astype(np.uint8)).save(tmp_path / f"{index}-{label}.png")
    np.save(tmp_path / "three.npy", datasets.load("digits", "test").images[:3])
    (tmp_path / "bad.png").write_text("no picture")
    return tmp_path


def test_predict_prints_a_line_an_image(bstdg, model, drawings):
    files = sorted(drawings.glob("[0-9]*.png"))
    status, out, err = bstdg("predict", model, *files)
    assert (status, err) == (0, [])
    head, *lines = out.splitlines()
    assert head.split() == ["decision", "step", "hidden", "spikes", "silent", "file"]
    expected = runtime.load(model).predict(np.stack([digit(i)[0] for i in range(3)]))
    assert [line.split()[0] for line in lines] == [str(label) for label in expected]
    assert [line.split()[-1] for line in lines] == [str(path) for path in files]


def test_predict_json_from_paths_on_standard_input(model, drawings):
    done = shell(f"ls {drawings}/*.npy {drawings}/0*.png | bstdg predict {model} --json")
    assert (done.returncode, done.stderr) == (0, b"")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(Path(row["file"]).name, row["index"]) for row in rows][1:] == [("three.npy", n) for n in range(3)]
    assert {"label", "class", "step", "silent", "tie", "hidden_spikes_to_decision", "num_steps"} <= set(rows[0])
    assert {**rows[0], "file": ""} == {**rows[1], "file": ""}  # the same digit, as picture and as array


def test_predict_reads_on_after_a_bad_file(bstdg, model, drawings):
    good = drawings / "three.npy"
    status, out, err = bstdg("predict", model, good, drawings / "bad.png", drawings / "none.jpg", good, "--json")
    assert (status, out.count("\n")) == (2, 6)
    assert len(err) == 2
    assert err[0].startswith(f"bstdg: {drawings / 'bad.png'} is no PNG")
    assert "none.jpg: No such file" in err[1]


def test_predict_of_a_silent_image_says_so(bstdg, model, tmp_path):
    np.save(tmp_path / "black.npy", np.zeros((8, 8), np.uint8))
    row = json.loads(bstdg("predict", model, tmp_path / "black.npy", "--json")[1])
    assert (row["silent"], row["step"], row["input_spikes_to_decision"]) == (True, 7, 0)


def test_predict_of_another_size_needs_resize(bstdg, model, tmp_path):
    Image.fromarray(np.full((20, 20), 255, np.uint8)).save(tmp_path / "big.png")
    status, _, err = bstdg("predict", model, tmp_path / "big.png")
    assert (status, len(err)) == (2, 1)
    assert "--resize" in err[0]
    white = json.loads(bstdg("predict", model, tmp_path / "big.png", "--resize", "--json")[1])
    black = json.loads(bstdg("predict", model, tmp_path / "big.png", "--resize", "--invert", "--json")[1])
    assert (white["input_spikes_to_decision"], black["input_spikes_to_decision"]) == (64, 0)


# --- info and raster -------------------------------------------------------------------------------------------------


def test_info_describes_the_model(bstdg, model):
    status, out, err = bstdg("info", model)
    assert (status, err) == (0, [])
    for words in (
        "64-32-10",
        "2,368 of one bit",
        "T = 8",
        "8 x 8",
        "digits, seed 0",
        "accuracy",
        "thresholds",
        "engine",
    ):
        assert words in out


def test_info_json(bstdg, model):
    row = json.loads(bstdg("info", model, "--json")[1])
    assert row["widths"] == [64, 32, 10]
    assert row["bytes"] == model.stat().st_size
    assert row["weight_bits"] == 64 * 32 + 320
    assert row["trained"]["test"]["samples"] == 360
    assert row["engine"] == runtime.load(model).engine.NAME


def test_raster_draws_test_images_and_files(bstdg, model, drawings):
    status, out, _ = bstdg("raster", model, "--sample", 2, "--out", drawings / "a.svg")
    assert (status, out) == (0, f"{drawings / 'a.svg'}\n")
    assert (drawings / "a.svg").read_text().startswith("<?xml")
    (picture,) = drawings.glob("0-*.png")
    assert bstdg("raster", model, "--file", picture, "--out", drawings / "b.png")[0] == 0
    with Image.open(drawings / "b.png") as figure:
        assert figure.width > 800


# --- refusals: one line, status 2, nothing written -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("foo", "no such command 'foo'"),
        ("train nosuch", "no recipe 'nosuch'; give a TOML file or one of "),
        ("train nosuch.toml", "nosuch.toml: No such file"),
        ("train --set epohcs=3", "unknown key 'epohcs'; did you mean 'train.epochs'?"),
        ("train --set epochs", "--set takes section.field=value"),
        ("train --set epochs=0", "train.epochs must be in 1 …"),
        ("train --set num_steps=0", "num_steps must be in 1 … 254, not 0"),
        ("train --set num_steps=255", "num_steps must be in 1 … 254, not 255"),
        ("train --set data.name=mnits", "unknown data set 'mnits'"),
        ("train --sed 3", "--seed"),
        ("train --seed x", "'--seed'"),
        ("train --seed -1", "'--seed'"),
        ("train --device tpu9", "device 'tpu9' is not there"),
        ("train mnist --data-dir {tmp}", "train-images-idx3-ubyte.gz"),
        ("train mnist --data-dir {tmp}/none", "not a folder"),
        ("train --out {model}", "is a file; --out names a folder"),
        ("eval", "missing argument 'MODEL'"),
        ("eval {tmp}/none.bstdg", "none.bstdg: No such file"),
        ("eval {tmp}", "is a folder"),
        ("eval {model} --data nosuch", "unknown data set 'nosuch'"),
        ("eval {model} --data mnist --data-dir {tmp}", "t10k-images-idx3-ubyte.gz"),
        ("eval {model} --split valid", "--split is test or train, not 'valid'"),
        ("eval {model} --engine nosuch", "no engine 'nosuch'; choose one of native, oracle"),
        ("eval {golden} --data digits", "reads images of 4 x 5, but digits has images of 8 x 8"),
        ("eval {run}/checkpoint.safetensors", "is a training checkpoint, not a deployed model"),
        ("eval {run}/report.json", "is no file of this program"),
        ("info {tmp}/cut.bstdg", "is truncated"),
        ("info {tmp}/flipped.bstdg", "was altered"),
        ("predict {model} {tmp}/none.png", "none.png: No such file"),
        ("raster {model} --sample 360", "--sample 360 is not there: digits (test) has 360 images"),
        ("raster {model} --out {tmp}/x.bmp", "a figure ends in .svg, .png or .pdf"),
        ("raster {model} --out {tmp}/none/x.svg", "none/x.svg: No such file"),
    ],
)
def test_refused_in_one_line(bstdg, model, tmp_path, monkeypatch, line, message):
    monkeypatch.chdir(tmp_path)
    whole = model.read_bytes()
    (tmp_path / "cut.bstdg").write_bytes(whole[:-3])
    (tmp_path / "flipped.bstdg").write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    before = sorted(tmp_path.rglob("*"))
    words = line.format(tmp=tmp_path, model=model, run=model.parent, golden=GOLDEN).split()
    status, out, err = bstdg(*words)
    assert (status, len(err)) == (2, 1), err
    assert err[0].startswith("bstdg: ")
    assert message in err[0]
    assert [row for row in out.splitlines() if not row.startswith("      decision")] == []
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failure_that_is_nobodys_fault_is_status_1(bstdg, tmp_path, monkeypatch):
    from bstdg.learning.loss import Loss

    monkeypatch.setattr(Loss, "forward", lambda self, *_: (self.log_scale * float("nan")).sum())
    status, _, err = bstdg("train", "--out", tmp_path / "r", *SMALL)
    assert status == 1
    assert err[-1].startswith("bstdg: the loss became nan in epoch")


# --- the process -----------------------------------------------------------------------------------------------------


def test_help_teaches(bstdg):
    status, out, _ = bstdg("train", "--help")
    assert status == 0
    for words in ("digits, mnist", "\n  bstdg train mnist --seed 1", "--set KEY=VALUE", "--resume"):
        assert words in out
    for command in ("eval", "predict", "info", "raster"):
        status, out, _ = bstdg(command, "-h")
        assert status == 0
        assert "\nExample" in out
        assert f"\n  bstdg {command} " in out
    status, out, _ = bstdg("--help")
    assert all(f"\n  {command} " in out for command in ("train", "eval", "predict", "info", "raster"))


def test_a_reader_that_stops_reading_ends_it_quietly(model, tmp_path):
    (tmp_path / "many").write_text(f"{tmp_path / 'x.npy'}\n" * 5000)
    np.save(tmp_path / "x.npy", digit()[0])
    done = shell(f"bstdg predict {model} --json < {tmp_path / 'many'} | head -1")
    assert (done.returncode, done.stderr, done.stdout.count(b"\n")) == (0, b"", 1)
    done = shell(f"bstdg info {model} | head -1")
    assert (done.returncode, done.stderr, done.stdout.count(b"\n")) == (0, b"", 1)


def test_any_terminal_and_any_file_name_will_do(model, tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.npy"
    np.save(tmp_path / "x.npy", digit()[0])
    (tmp_path / "x.npy").rename(os.fsdecode(name))
    done = shell(f"bstdg predict {model} {tmp_path}/*.npy && bstdg info {model}", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"/caf\\xe9.npy\n" in done.stdout
    assert b"0 ... 16" in done.stdout


def test_deployed_models_need_no_torch(model):
    heavy = ["torch", "matplotlib", "sklearn", "scipy"]
    program = f"""
import sys
from bstdg.cli import app
for line in (["--help"], ["train", "--help"], ["--version"], ["info", {str(model)!r}],
             ["predict", {str(model)!r}, {str(model.parent / "x.npy")!r}]):
    assert app(line, standalone_mode=False) == 0, line
assert not [name for name in {heavy!r} if name in sys.modules]
"""
    np.save(model.parent / "x.npy", digit()[0])
    try:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    finally:
        (model.parent / "x.npy").unlink()
    assert (done.returncode, done.stderr) == (0, "")


def test_the_version(bstdg):
    import bstdg as package

    assert bstdg("--version") == (0, f"bstdg {package.__version__}\n", [])
