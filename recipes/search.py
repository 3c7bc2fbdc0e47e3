"""Search over a recipe's fields, judged by the validation part alone: the test set is never read.

    python recipes/search.py mnist --log results/search/mnist.jsonl --try "weight_rate=0.03" --try "width=12 shift=1"
    python recipes/search.py mnist --log results/search/mnist.jsonl --space space.toml --trials 12 --rungs 10 20 40
    python recipes/search.py mnist --log results/search/mnist.jsonl --summary results/search/mnist.json

A space names the values each field is drawn from, `"train.weight_rate" = [0.01, 0.02, 0.04]` a line. With several
rungs the better half of the trials goes on to the next, trained anew with its number of epochs, since the schedule
depends on it. Every trial ends as one line of the log, and one that is there already is not run again: a search that
was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
import tomllib
from pathlib import Path
from typing import Any

import torch

from bstdg import datasets
from bstdg.errors import InputError
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import load_recipe
from bstdg.progress import Live, Quiet
from bstdg.training.run import TrainingRun

FOLDER = Path(__file__).parent
LAST = 3  # epochs whose mean is a trial's score: by then the cosine has come to rest
KEPT = ("accuracy", "decision_step_mean", "hidden_spikes_to_decision", "silent_rate", "tie_rate", "loss")


def main() -> None:
    """Read the command line, run what is asked for, and write the summary."""
    options = _parser().parse_args()
    torch.set_num_threads(options.threads)
    log = Trials(options.log)
    trials = [_overrides(text) for text in options.tries]
    if options.space:
        space = tomllib.loads(options.space.read_text(encoding="utf-8"))
        trials += draw(space, options.trials, options.draw_seed)
    for rung, epochs in enumerate(options.rungs):
        for overrides in trials:
            recipe = trial_recipe(options, overrides, epochs)
            if not log.find(recipe, options.seeds):
                row = run_trial(options, recipe, overrides)
                log.add(row)
                print(f"{row['accuracy']:.4f}  {epochs} epochs  {' '.join(overrides) or 'as it is'}")
        rows = [log.find(trial_recipe(options, overrides, epochs), options.seeds) for overrides in trials]
        ranked = sorted((row for row in rows if row), key=lambda row: -row["accuracy"])
        if rung + 1 < len(options.rungs):
            trials = [row["set"] for row in ranked[: max(1, len(ranked) // 2)]]
    if options.summary:
        best_first = sorted(log.rows, key=lambda row: -row["accuracy"])
        options.summary.write_text(json.dumps(best_first, indent=1) + "\n", encoding="utf-8")


class Trials:
    """A log of trials, one JSON object a line."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def find(self, recipe: Recipe, seeds: list[int]) -> dict[str, Any] | None:
        """The trial of just this, if it was run."""
        wanted = (recipe.to_dict(), seeds)
        return next((row for row in self.rows if (row["recipe"], row["seeds"]) == wanted), None)

    def add(self, row: dict[str, Any]) -> None:
        """Keep a trial, at once."""
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")


def draw(space: dict[str, list[Any]], trials: int, seed: int) -> list[list[str]]:
    """Random points of a space, as overrides of a recipe."""
    generator = random.Random(seed)  # noqa: S311
    return [[f"{key}={json.dumps(generator.choice(values))}" for key, values in space.items()] for _ in range(trials)]


def trial_recipe(options: argparse.Namespace, overrides: list[str], epochs: int) -> Recipe:
    """The recipe of a trial, whole."""
    path = FOLDER / f"{options.recipe}.toml"
    return load_recipe(path, [*overrides, f"train.epochs={epochs}", f"data.validation={options.validation}"])


def run_trial(options: argparse.Namespace, recipe: Recipe, overrides: list[str]) -> dict[str, Any]:
    """Train once a seed; the means of the last epochs on the validation part."""
    start, last = time.monotonic(), []
    for seed in options.seeds:
        run = training_run(recipe, options, seed)
        progress = Live(recipe.train.epochs, len(run.labels)) if options.show else Quiet()
        last += [run.run_epoch(progress) for _ in range(recipe.train.epochs)][-LAST:]
    means = {name: sum(row[name] for row in last) / len(last) for name in KEPT}
    return {
        "of": options.recipe,
        "set": overrides,
        "epochs": recipe.train.epochs,
        "seeds": options.seeds,
        **means,
        "seconds": time.monotonic() - start,
        "recipe": recipe.to_dict(),
    }


def training_run(recipe: Recipe, options: argparse.Namespace, seed: int) -> TrainingRun:
    """The run of a recipe on its training split."""
    dataset = datasets.load(
        recipe.data.name,
        "train",
        options.data_dir,
        size=recipe.data.size,
        channels=recipe.data.channels,
        fold=recipe.data.fold,
    )
    run = TrainingRun(recipe, dataset, seed, torch.device("cpu"))
    run.prepare(_teachers(recipe, options, seed))
    return run


def _teachers(recipe: Recipe, options: argparse.Namespace, seed: int) -> Path | None:
    """A folder for the teacher of all trials that would train the same one."""
    if options.teachers is None or not recipe.teacher.weight:
        return None
    values = recipe.to_dict()
    values["teacher"] |= {"weight": 0, "temperature": 0}
    same = json.dumps([values["data"], values["distort"], values["teacher"], seed], sort_keys=True)
    folder = options.teachers / hashlib.sha256(same.encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _overrides(text: str) -> list[str]:
    return text.split()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", help="a recipe of this folder, by name")
    parser.add_argument("--log", type=Path, required=True, help="JSON lines, a trial each; what is there is not rerun")
    parser.add_argument("--try", dest="tries", action="append", default=[], help="overrides of one trial, in a text")
    parser.add_argument("--space", type=Path, help="TOML: a list of values for each field")
    parser.add_argument("--trials", type=int, default=8, help="points drawn from the space")
    parser.add_argument("--draw-seed", type=int, default=0, help="decides which points are drawn")
    parser.add_argument("--rungs", type=int, nargs="+", default=[20], help="epochs of each round of halving")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="runs of a trial, each with its own split")
    parser.add_argument("--validation", type=float, default=1 / 6, help="share of the training set that judges")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data-dir", type=Path, help="else BSTDG_DATA, else the cache")
    parser.add_argument("--teachers", type=Path, help="folder in which teachers are kept and shared between trials")
    parser.add_argument("--summary", type=Path, help="write all trials of the log, best first, as one JSON list")
    parser.add_argument("--show", action="store_true", help="a line an epoch")
    return parser


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
