"""One trial: a point of the space, trained once a seed, and what the validation part says of it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bstdg.learning.recipe import Recipe

if TYPE_CHECKING:
    from bstdg.model.metrics import Tally

# Of the epoch that would be deployed, on the validation part.
KEPT = (
    "accuracy",
    "macro_f1",
    "decision_step_mean",
    "hidden_spikes_to_decision",
    "synaptic_operations_to_decision",
    "silent_rate",
    "tie_rate",
)

Report = Callable[[int, float], bool]  # told of epoch (over all seeds, from 1) and value; whether to stop


@dataclass(frozen=True)
class Outcome:
    """What a trial came to.

    Attributes:
        value: the mean over seeds of the validation figure that the recipe chooses by, of the epoch that would be
            deployed; of what was trained, where it was stopped.
        pruned: whether it was stopped.
        epochs: trained, over all seeds.
        seconds: of training.
        figures: `KEPT`, means over the seeds that were trained to the end.
    """

    value: float
    pruned: bool
    epochs: int
    seconds: float
    figures: dict[str, float] = field(default_factory=dict)


class Data:
    """The training set, read once for all trials that want it in the same form; a test set is never read."""

    def __init__(self, folder: Path | None = None):
        self.folder = folder
        self._form: tuple[Any, ...] = ()
        self._held: Any = None

    def training(self, recipe: Recipe) -> Any:
        """The training split that a recipe names; errors as for `bstdg.datasets.load`."""
        from bstdg import datasets

        asked = recipe.data
        form = (asked.name, asked.size, asked.channels, asked.fold)
        if form != self._form:
            options = {"size": asked.size, "channels": asked.channels, "fold": asked.fold}
            self._held = datasets.load(asked.name, "train", self.folder, progress=True, **options)
            self._form = form
        return self._held


def train(
    recipe: Recipe,
    seeds: Sequence[int],
    data: Data,
    report: Report,
    *,
    device: str = "auto",
    engine: str | None = None,
    teachers: Path | None = None,
    watched: bool = False,
) -> Outcome:
    """Train a recipe once a seed, and judge it by its validation part.

    Args:
        recipe: what is trained.
        seeds: of the runs, one after the other.
        data: where the training set comes from.
        report: told of every epoch; ends the trial by True.
        device, engine: see `bstdg.training.train.train`.
        teachers: folder in which teachers are kept for other trials that would train the same.
        watched: show a bar where there is a terminal.

    Raises:
        InputError: recipe and data do not fit.
        TrainingError: the loss is no longer a number.
    """
    from bstdg.learning.surroundings import undisturbed

    with undisturbed():
        return _train(recipe, seeds, data, report, device, engine, teachers, watched)


def _train(
    recipe: Recipe,
    seeds: Sequence[int],
    data: Data,
    report: Report,
    device: str,
    engine: str | None,
    teachers: Path | None,
    watched: bool,
) -> Outcome:
    from bstdg.progress import Quiet, live_if_watched
    from bstdg.training import options
    from bstdg.training.health import HealthWatch
    from bstdg.training.run import TrainingRun
    from bstdg.training.train import find_device

    class Unwatched(HealthWatch):
        """Points that are no good are what a search is for; its table says how many samples were left undecided."""

        def look(self, tally: Tally) -> None: ...

    training = data.training(recipe)
    options.check(recipe, options.kind_of(training))
    where, ended, figures, epochs, seconds = find_device(device), [], [], 0, 0.0
    for number, seed in enumerate(seeds):
        run = TrainingRun(recipe, training, seed, where, engine, health=Unwatched())
        run.prepare(_teacher(recipe, seed, teachers), show=watched)
        progress = live_if_watched(recipe.train.epochs, len(run.training)) if watched else Quiet()
        values: dict[int, float] = {}
        try:
            while not run.finished:
                with run.own_threads():
                    row = run.run_epoch(progress)
                progress.epoch(row)
                values[run.epoch] = judged(row, recipe)
                epochs += 1
                stop = report(number * recipe.train.epochs + run.epoch, mean([*ended, values[run.epoch]]))
                if stop and not (run.finished and seed == seeds[-1]):
                    return Outcome(mean([*ended, values[run.best.epoch]]), True, epochs, seconds + run.seconds)
        finally:
            progress.close()
        seconds += run.seconds
        ended.append(values[run.best.epoch])
        figures.append(run.best.figures or {})
    return Outcome(mean(ended), False, epochs, seconds, means(figures))


def judged(row: Mapping[str, Any], recipe: Recipe) -> float:
    """The figure of an epoch's row that the recipe chooses by."""
    return row["macro_f1"] if recipe.train.choose == "macro_f1" else row.get("weighted_accuracy", row["accuracy"])


def mean(values: Sequence[float]) -> float:
    """Of at least one value."""
    return math.fsum(values) / len(values)


def means(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Of each figure of `KEPT` that all rows have."""
    rows = list(rows)
    names = [name for name in KEPT if rows and all(isinstance(row.get(name), (int, float)) for row in rows)]
    return {name: mean([row[name] for row in rows]) for name in names}


def _teacher(recipe: Recipe, seed: int, teachers: Path | None) -> Path | None:
    """A folder for the teacher of all trials that would train the same one."""
    if teachers is None or not recipe.teacher.weight:
        return None
    from bstdg.training.copies import origin_of_teacher

    same = json.dumps(origin_of_teacher(recipe, seed), sort_keys=True)
    folder = teachers / hashlib.sha256(same.encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return folder
