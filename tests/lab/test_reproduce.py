"""`bstdg reproduce`: real small runs on digits, kept, resumed, and judged."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bstdg.lab.experiments import catalogue, results
from bstdg.lab.experiments.variants import Variant
from bstdg.model import packed
from bstdg.training import checkpoint
from bstdg.training.run_folder import CHECKPOINT

QUICK = Path("quick") / "runs" / "digits" / "seed0.json"


@pytest.fixture
def small(monkeypatch):
    """Experiments that take a second: the catalogue's, with fewer epochs and neurons."""
    made = []
    for experiment in catalogue.EXPERIMENTS:
        cut = ("train.epochs=2", "network.hidden=[32]", "data.limit=300")
        variants = [
            Variant(v.name, "digits", (*(o for o in v.overrides if "epochs" not in o), *cut), v.group, v.label, v.exits)
            for v in experiment.variants[:4]
        ]
        made.append(catalogue.replace(experiment, variants=tuple(variants), data="digits", predecessors=()))
    monkeypatch.setattr(catalogue, "EXPERIMENTS", tuple(made))


def test_the_list_says_what_each_needs_and_whether_it_is_there(bstdg, tmp_path, monkeypatch):
    monkeypatch.delenv("BSTDG_DATA", raising=False)
    status, out, _ = bstdg("reproduce", "--list")
    assert status == 0
    assert all(experiment.name in out for experiment in catalogue.EXPERIMENTS)
    rows = json.loads(bstdg("reproduce", "--list", "--json", "--data-dir", tmp_path)[1])
    there = {row["name"]: row["there"] for row in rows}
    assert there["digits"]
    assert not there["mnist"]
    assert str(tmp_path / "mnist") in next(row["where"] for row in rows if row["name"] == "mnist")
    (tmp_path / "mnist").mkdir()
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte", "t10k-images.idx3-ubyte"):
        (tmp_path / "mnist" / name).touch()
    assert not _there(bstdg, tmp_path)
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").touch()
    assert _there(bstdg, tmp_path)


def _there(bstdg, folder: Path) -> bool:
    rows = json.loads(bstdg("reproduce", "--list", "--json", "--data-dir", folder)[1])
    return next(row["there"] for row in rows if row["name"] == "mnist")


def test_a_quick_run_is_kept_marked_and_not_made_again(bstdg, tmp_path):
    status, out, err = bstdg("reproduce", "digits", "--quick", "--out", tmp_path)
    assert status == 0
    assert "quick: a try" in out
    run = results.load(tmp_path / QUICK, tmp_path)
    assert (run.quick, run.epochs, run.seed) == (True, 10, 0)
    assert f"{100 * run.test['accuracy']:.2f}" in out
    assert any("epoch 10/10" in line for line in err)
    before = (tmp_path / QUICK).read_bytes()
    status, _, err = bstdg("reproduce", "digits", "--quick", "--out", tmp_path)
    assert (status, err) == (0, ["[1/1] quick/runs/digits, seed 0: there already"])
    assert (tmp_path / QUICK).read_bytes() == before
    assert results.load_all(tmp_path) == {}
    status, _, err = bstdg("reproduce", "--report", tmp_path / "page.md", "--out", tmp_path)
    assert status == 2
    assert "there are no results" in err[-1]


def test_a_full_run_goes_into_the_page(bstdg, tmp_path, small):
    status, out, _ = bstdg("reproduce", "digits", "--seeds", "0,3", "--out", tmp_path / "r", "--json")
    assert status == 0
    runs = json.loads(out)
    assert [run["seed"] for run in runs] == [0, 3]
    assert runs[0]["machine"]["threads"] >= 1
    status, out, _ = bstdg("reproduce", "--report", tmp_path / "docs" / "page.md", "--out", tmp_path / "r")
    assert (status, out.split()) == (0, [str(tmp_path / "docs" / "page.md")])
    mean = sum(run["test"]["accuracy"] for run in runs) / 2
    assert f"| digits | 64-32-10 | 8 | 2 | 2 | {100 * mean:.2f} ±" in (tmp_path / "docs" / "page.md").read_text()


def test_ablations_judge_the_trained_network_at_other_exits(bstdg, tmp_path, small):
    assert bstdg("reproduce", "ablations-digits", "--seeds", "1", "--out", tmp_path)[0] == 0
    base, layer, fixed, _ = (
        results.load_all(tmp_path)[f"ablations/digits/{name}"][0]
        for name in ("base", "thresholds-layer", "thresholds-fixed", "kernel-exponential")
    )
    assert fixed.config["network"]["threshold_mode"] == "fixed"
    assert "exits" not in layer.extra
    rows = {row["offset"]: row for row in base.extra["exits"]}
    steps = [rows[offset]["decision_step_mean"] for offset in (-8, -4, -2, 2, 4, 8, 16)]
    assert steps == sorted(steps)
    assert steps[2] < base.test["decision_step_mean"] < steps[3]
    assert rows[None]["decision_step_mean"] == 7
    assert rows[None]["hidden_spikes_to_decision"] == base.test["hidden_spikes"]
    # without an exit it is the greatest V - theta at the last step
    from bstdg import datasets
    from bstdg.model import runtime

    model = runtime.load(tmp_path / "training" / "ablations" / "digits" / "base" / "seed1" / "model.bstdg")
    test = datasets.load("digits", "test")
    last = model.run(model.encode(test.images)).trace.potentials[:, -1] - model.packed.layers[-1].thresholds
    assert rows[None]["accuracy"] == pytest.approx((last.argmax(1) == test.labels).mean())


def test_killed_it_goes_on_from_its_checkpoint(tmp_path):
    program = f"""
from bstdg.cli import app
from bstdg.lab.experiments import catalogue
whole = catalogue.find("digits")
cut = ("train.epochs=60", "network.hidden=[64]", "data.limit=600")
some = catalogue.replace(whole, variants=(catalogue.replace(whole.variants[0], overrides=cut),))
catalogue.EXPERIMENTS = (some,)
app(["reproduce", "digits", "--seeds", "5", "--out", {str(tmp_path)!r}])
"""
    command = [sys.executable, "-c", program]
    folder = tmp_path / "training" / "runs" / "digits" / "seed5"
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (folder / CHECKPOINT).exists():
        time.sleep(0.005)
    process.kill()
    process.wait()
    done = checkpoint.load(folder / CHECKPOINT).state["epoch"]
    assert 0 < done < 60
    assert not results.path_of(tmp_path, "runs/digits", 5).exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "epoch 60/60" in again.stderr
    assert "epoch 1/60" not in again.stderr
    run = results.load_all(tmp_path)["runs/digits"][0]
    assert packed.load(folder / "model.bstdg").trained["test"]["accuracy"] == run.test["accuracy"]


def test_stopped_by_hand_it_keeps_what_is_done(bstdg, tmp_path, small, monkeypatch):
    from bstdg.lab.experiments import run as running

    real = running.results.save

    def stop_after_one(run, out):
        real(run, out)
        raise KeyboardInterrupt

    monkeypatch.setattr(running.results, "save", stop_after_one)
    status, _, err = bstdg("reproduce", "digits", "--out", tmp_path)
    assert status == 130
    assert err[-1] == f"bstdg: stopped; what is done is kept in {tmp_path}; repeat the command to go on"
    monkeypatch.undo()
    assert [run.seed for run in results.load_all(tmp_path)["runs/digits"]] == [0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give the name of one experiment, or --list"),
        (("digits", "--list"), "give the name of one experiment, or --list"),
        (("digitz",), "did you mean 'digits'"),
        (("digits", "--seeds", "a,b"), "--seeds takes whole numbers"),
        (("digits", "--seeds", ""), "--seeds takes whole numbers"),
        (("digits", "--seeds", "-1"), "--seeds takes whole numbers"),
        (("digits", "--out", __file__), "is a file; --out names a folder"),
        (("--report", "page.html"), "a Markdown file"),
    ],
)
def test_bad_use_is_one_line_and_status_2(bstdg, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = bstdg("reproduce", *arguments)
    assert (status, len(err)) == (2, 1)
    assert said in err[0]
    assert not list(tmp_path.iterdir())


def test_data_that_is_not_there_is_named_with_its_place(bstdg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    status, _, err = bstdg("reproduce", "mnist", "--data-dir", tmp_path / "data")
    assert (status, len(err)) == (2, 1)
    assert f"put its four idx files (.gz or not) into {tmp_path / 'data' / 'mnist'}" in err[0]
    assert not (tmp_path / "results").exists()


def test_a_run_of_another_recipe_is_not_taken_for_this_one(bstdg, tmp_path):
    assert bstdg("reproduce", "digits", "--quick", "--out", tmp_path)[0] == 0
    values = json.loads((tmp_path / QUICK).read_text())
    later = json.loads(json.dumps(values))
    del later["config"]["network"]["weights"]  # as if written before that field came
    (tmp_path / QUICK).write_text(json.dumps(later))
    assert bstdg("reproduce", "digits", "--quick", "--out", tmp_path)[0] == 0
    values["config"]["train"]["epochs"] = 11
    (tmp_path / QUICK).write_text(json.dumps(values))
    status, _, err = bstdg("reproduce", "digits", "--quick", "--out", tmp_path)
    assert (status, len(err)) == (2, 1)
    assert "is of another recipe" in err[0]
    (tmp_path / QUICK).write_text("{")
    status, _, err = bstdg("reproduce", "digits", "--quick", "--out", tmp_path)
    assert (status, len(err)) == (2, 1)
    assert "is no JSON" in err[0]
