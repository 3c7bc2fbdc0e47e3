"""Search over a recipe of an event data set, judged by held-out speakers of the training set alone.

    python recipes/search_hd.py recipes/hd-spikes.toml SPACE.toml --log results/search/hd-spikes.jsonl

The space is a TOML file: `[space]` lists the choices of fields ("train.weight_rate" = [0.01, 0.02]), from which trials
are drawn at random, each field by itself; `[[trial]]` tables are tried first, as they are. Every trial is a line of the
log: its overrides, the validation figures of its last epoch, and its seconds. Trials that the log has already are not
repeated, so a search that was stopped goes on. The test set is never loaded.
"""

from __future__ import annotations

import argparse
import json
import random
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from bstdg import datasets
from bstdg.config import load_recipe
from bstdg.progress import Quiet
from bstdg.train import TrainingRun

KEPT = ("accuracy", "silent_rate", "decision_step_mean", "hidden_spikes", "synaptic_operations_to_decision")


def trials(space: dict[str, Any], seed: int) -> Iterator[dict[str, Any]]:
    """The trials that are written out, then random ones without end."""
    yield from space.get("trial", [])
    draw = random.Random(seed)  # noqa: S311  (no secrets here)
    while choices := space.get("space"):
        yield {field: draw.choice(values) for field, values in choices.items()}


def judge(recipe_file: Path, overrides: dict[str, Any], dataset: Any, seed: int) -> dict[str, Any]:
    """Train with `overrides` and return the validation figures of the last epoch."""
    recipe = load_recipe(recipe_file, [f"{field}={json.dumps(value)}" for field, value in overrides.items()])
    start = time.monotonic()
    run = TrainingRun(recipe, dataset, seed, torch.device("cpu"))
    curve, row = [], {}
    while not run.finished:
        row = run.run_epoch(Quiet())
        curve.append(round(row["accuracy"], 4))
    seconds = round(time.monotonic() - start, 1)
    figures = {name: round(row[name], 4) for name in KEPT}
    return {"overrides": overrides, **figures, "loss": round(row["loss"], 4), "curve": curve, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("space", type=Path)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=60.0, help="no trial is begun later than this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    space = tomllib.loads(options.space.read_text(encoding="utf-8"))
    done = []
    if options.log.exists():
        done = [json.loads(line)["overrides"] for line in options.log.read_text(encoding="utf-8").splitlines()]
    options.log.parent.mkdir(parents=True, exist_ok=True)
    dataset = datasets.load(load_recipe(options.recipe).data.name, "train")
    end = time.monotonic() + 60 * options.minutes
    for overrides, _ in zip(trials(space, options.seed), range(options.trials), strict=False):
        if time.monotonic() > end:
            break
        if overrides in done:
            continue
        row = judge(options.recipe, overrides, dataset, options.seed)
        done.append(overrides)
        with options.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        print(f"{row['accuracy']:.4f}  {row['seconds']:7.1f} s  {json.dumps(overrides)}", flush=True)


if __name__ == "__main__":
    main()
