"""The search over recipes: judged by validation alone, stopped and taken up again, halved from rung to rung."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

from bstdg import datasets

PATH = ROOT / "recipes" / "search.py"
SMALL = "limit=300 hidden=[24] width=8"


@pytest.fixture
def search(monkeypatch):
    spec = importlib.util.spec_from_file_location("search", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(*words: str) -> None:
        monkeypatch.setattr(sys, "argv", ["search.py", "digits", *words])
        module.main()

    module.run = run
    return module


def rows(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_the_test_set_is_never_read(search, tmp_path, monkeypatch):
    read, load = [], datasets.load
    monkeypatch.setattr(datasets, "load", lambda name, split, *a, **k: read.append(split) or load(name, split, *a, **k))
    search.run("--log", str(tmp_path / "log"), "--rungs", "1", "--seeds", "0", "1", "--try", SMALL)
    assert read == ["train", "train"]


def test_a_trial_is_run_once_and_says_what_it_was(search, tmp_path, capsys):
    log = tmp_path / "log"
    options = ["--log", str(log), "--rungs", "1", "--try", SMALL, "--try", f"{SMALL} batch=64"]
    search.run(*options)
    before = log.read_bytes()
    assert len(capsys.readouterr().out.splitlines()) == 2
    search.run(*options, "--summary", str(tmp_path / "summary.json"))
    assert log.read_bytes() == before
    assert capsys.readouterr().out == ""
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [row["accuracy"] for row in summary] == sorted((r["accuracy"] for r in rows(log)), reverse=True)
    assert {row["recipe"]["train"]["batch"] for row in summary} == {256, 64}
    assert all(row["recipe"]["network"]["layers"] == [24] and row["seeds"] == [0] for row in summary)


def test_the_better_half_goes_on(search, tmp_path):
    space = tmp_path / "space.toml"
    space.write_text('"train.weight_rate" = [0.0, 1e-5, 0.01, 0.03]\n"data.limit" = [300]\n"network.hidden" = [[24]]\n')
    log = tmp_path / "log"
    search.run("--log", str(log), "--space", str(space), "--trials", "4", "--draw-seed", "3", "--rungs", "1", "2")
    first = [row for row in rows(log) if row["epochs"] == 1]
    second = [row for row in rows(log) if row["epochs"] == 2]
    assert len(first) > len(second) > 0
    worst_kept = min(next(r["accuracy"] for r in first if r["set"] == row["set"]) for row in second)
    left = [row["accuracy"] for row in first if row["set"] not in [r["set"] for r in second]]
    assert all(accuracy <= worst_kept for accuracy in left)


def test_a_space_is_drawn_from_its_seed(search):
    space = {"train.weight_rate": [0.1, 0.2, 0.3], "network.hidden": [[5], [7, 7]]}
    one, two, other = search.draw(space, 9, 0), search.draw(space, 9, 0), search.draw(space, 9, 1)
    assert one == two != other
    assert {word for trial in one + other for word in trial} == {
        *(f"train.weight_rate={rate}" for rate in (0.1, 0.2, 0.3)),
        "network.hidden=[5]",
        "network.hidden=[7, 7]",
    }
