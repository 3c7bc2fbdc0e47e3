"""Trains what an experiment still lacks, one run after the other; what is done stays done."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bstdg import disk
from bstdg.errors import InputError
from bstdg.lab.experiments import results
from bstdg.lab.experiments.results import Run
from bstdg.lab.experiments.variants import Experiment, Predecessor, Variant
from bstdg.learning import recipe_file
from bstdg.learning.recipe import Recipe
from bstdg.shipped import shipped_recipes

EXIT_OFFSETS = (-8, -4, -2, 2, 4, 8, 16)  # added to every output threshold of a trained network
NEVER_OUT_OF_REACH = 1 << 29  # added to them, no output fires: the last step decides

Log = Callable[[str], None]


def recipe_of(variant: Variant, seed: int = 0) -> Recipe:
    """The recipe of a variant, its overrides applied, and in cross-validation the fold of a seed.

    Raises:
        InputError: this version comes without that recipe.
    """
    shipped = shipped_recipes()
    if variant.recipe not in shipped:
        raise InputError(f"{variant.name} needs the recipe {variant.recipe!r}, which this installation lacks")
    fold = (f"data.fold={1 + seed % variant.folds}",) if variant.folds else ()
    return recipe_file.load_recipe(shipped[variant.recipe], (*variant.overrides, *fold))


Job = tuple[Variant | Predecessor, int]  # what is run, and the seed


def jobs(experiment: Experiment, seeds: Sequence[int], quick: bool) -> list[Job]:
    """The runs of an experiment, in order."""
    every: list[Job] = [
        (variant, seed) for variant in (experiment.quick if quick else experiment.variants) for seed in seeds
    ]
    return every if quick else every + [(one, seed) for one in experiment.predecessors for seed in seeds]


def reproduce(
    experiment: Experiment,
    out: Path,
    seeds: Sequence[int],
    *,
    quick: bool = False,
    data_dir: Path | None = None,
    log: Log = print,
    show_progress: bool = True,
) -> list[Run]:
    """All runs of an experiment, those already in `out` as they are, the others trained now.

    Args:
        experiment: see `bstdg.lab.experiments.catalogue`.
        out: the results folder; trained networks go to its `training`.
        seeds: each setting is trained once for each.
        quick: the short form of the experiment.
        data_dir: folder with the data sets.
        log: called with a line for everything that is done.
        show_progress: show the progress of every training.

    Raises:
        InputError: data or a recipe is not there, or a run in `out` is of another recipe.
        FileFormatError: a file in a run's place is none.
    """
    every, runs = jobs(experiment, seeds, quick), []
    for number, job in enumerate(every, 1):
        head = f"[{number}/{len(every)}] {job[0].name}, seed {job[1]}"
        if (run := there(job, out)) is not None:
            log(f"{head}: there already")
        else:
            with disk.making(results.path_of(out, job[0].name, job[1])):
                log(f"{head}: training")
                run = train(job, training_folder(job, out), quick, data_dir, log=log, show_progress=show_progress)
                results.save(run, out)
                tidy(job, out)
                log(f"{head}: {run.test['accuracy']:.2%} on the test set, {run.seconds:.0f} s")
        runs.append(run)
    return runs


def training_folder(job: Job, out: Path) -> Path:
    """Where the training of a run keeps its files."""
    return out / "training" / job[0].name / f"seed{job[1]}"


def there(job: Job, out: Path) -> Run | None:
    """A run that was made before; errors as for `reproduce`."""
    one, seed = job
    if not (path := results.path_of(out, one.name, seed)).exists():
        return None
    run = results.load(path, out)
    if isinstance(one, Variant):
        _check_same(run.config, recipe_of(one, seed), path)
    return run


def train(job: Job, folder: Path, quick: bool, data_dir: Path | None, *, log: Log, show_progress: bool = False) -> Run:
    """Train one run in a folder, or go on with it there; errors as for `reproduce`."""
    one, seed = job
    if isinstance(one, Predecessor):
        return _predecessor(one, seed, folder, data_dir, log)
    from bstdg.training.train import MODEL
    from bstdg.training.train import train as train_recipe

    recipe = recipe_of(one, seed)
    report = train_recipe(recipe, folder, seed=seed, data_dir=data_dir, resume=True, show_progress=show_progress)
    extra = {}
    if one.exits and report["model_bytes"]:
        extra["exits"] = exits(folder / MODEL, data_dir)
    return results.from_report(report, one.name, quick=quick, extra=extra)


def tidy(job: Job, out: Path) -> None:
    """Remove what only served to go on with a run that is done now."""
    if isinstance(job[0], Predecessor):
        from bstdg.lab.predecessors.base import forget

        forget(training_folder(job, out))


def _check_same(stored: dict[str, Any], wanted: Recipe, path: Path) -> None:
    """A stored recipe means what it meant: fields that came later are at their defaults."""
    try:
        same = recipe_file.recipe_of(stored) == wanted
    except InputError as error:
        raise InputError(f"{path} is of a recipe that this version does not read: {error}") from None
    if not same:
        raise InputError(
            f"{path} is of another recipe than {wanted.title or 'this one'!r}: remove it, or choose another --out"
        )


def exits(model: Path, data_dir: Path | None) -> list[dict[str, Any]]:
    """Figures on the test set with every output threshold raised by an offset, and with no early exit at all.

    The network is the trained one; `offset` None stands for no exit: every step is run, and the greatest V - theta
    decides at the last.
    """
    from bstdg import datasets
    from bstdg.layers import FullLayer
    from bstdg.model import packed, runtime, samples

    trained = packed.load(model)
    name = trained.trained["data"]
    test = datasets.load(name, "test", data_dir, fold=samples.fold_of(trained, name))
    *hidden, last = trained.layers
    if not isinstance(last, FullLayer):
        raise InputError(f"{model} ends in a layer of kind {last.kind!r}; exits are judged of one with thresholds")
    rows = []
    for offset in (*EXIT_OFFSETS, None):
        raised = dataclasses.replace(
            last, thresholds=last.thresholds + (NEVER_OUT_OF_REACH if offset is None else offset)
        )
        network = runtime.Model(dataclasses.replace(trained, layers=(*hidden, raised)))
        rows.append({"offset": offset, **network.evaluate(test.images, test.labels)})
    return rows


def _predecessor(predecessor: Predecessor, seed: int, folder: Path, data_dir: Path | None, log: Log) -> Run:
    from bstdg.lab import predecessors

    name, settings = predecessor.name, dict(predecessor.settings)
    more: dict[str, Any] = {
        "seed": seed,
        "data_dir": data_dir,
        "on_epoch": lambda row: log(f"{name}, seed {seed}: epoch {row['epoch']}, accuracy {row['accuracy']:.2%}"),
    }
    if predecessor.recipe:
        recipe = recipe_of(predecessor.variant, seed)
        report = predecessors.train_counterpart(
            predecessor.method, recipe, settings=settings, folder=folder, resume=True, **more
        )
    else:
        hidden = {"hidden": [predecessor.hidden]} if predecessor.hidden else {}
        more |= {"settings": hidden | settings, "blocks": predecessor.blocks}
        report = predecessors.train(predecessor.method, predecessor.data, **more)
    return results.from_report(report, name)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation; 0 for one value.

    >>> spread([1.0, 2.0, 3.0])
    (2.0, 1.0)
    """
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, 0.0
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def as_json(runs: Sequence[Run]) -> str:
    """Runs for programs."""
    return json.dumps([dataclasses.asdict(run) for run in runs])
