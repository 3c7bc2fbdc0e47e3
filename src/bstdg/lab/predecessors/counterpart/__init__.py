"""Counterparts: networks that do not spike, of the structure of any recipe, on the bytes that its network learns from.

The input code is the recipe's own, read at its finest: with T steps a channel that fires at step s is the number
(T - s) / T, and one that is silent is 0, so that at T = 254 two grey values become one here and there and nothing else
is lost. Recordings are read as how many events each channel has. Augmentation, validation part, class weights and
choice of the epoch are the recipe's too; there is no teacher. With `steps` the input is read at so many steps, as a
spiking network reads it, so that what they cost is told apart from what bits and single spikes do. Logistic regression
is a counterpart without structure. See docs/baselines.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bstdg.errors import InputError
from bstdg.lab.predecessors.base import Loader, OnEpoch
from bstdg.lab.predecessors.counterpart.run import CounterpartRun
from bstdg.lab.predecessors.counterpart.settings import Settings
from bstdg.learning.recipe import Recipe
from bstdg.training import checkpoint
from bstdg.training.run_folder import CHECKPOINT


def train(
    name: str,
    recipe: Recipe,
    settings: Settings,
    seed: int,
    load: Loader,
    folder: Path | None,
    resume: bool,
    on_epoch: OnEpoch | None,
) -> dict[str, Any]:
    """See `bstdg.lab.predecessors.train_counterpart`."""
    kept = None if folder is None else folder / CHECKPOINT
    if kept is not None and kept.exists() and not resume:
        raise InputError(f"{folder} holds a training that did not end: resume it, or remove it to start anew")
    run = CounterpartRun(name, recipe, settings, load(recipe.data.name, "train"), seed)
    if kept is not None and kept.exists():
        run.restore(checkpoint.load(kept))
    run.samples.training.prepare(None)
    while not run.finished:
        row = run.run_epoch()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            checkpoint.save(folder, run.checkpoint())
        if on_epoch is not None:
            on_epoch(row)
    return run.report(load(recipe.data.name, "test"))
