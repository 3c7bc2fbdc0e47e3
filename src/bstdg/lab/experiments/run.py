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
from bstdg.lab.experiments.catalogue import Experiment, Predecessor, Variant
from bstdg.lab.experiments.results import Run
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
    variants = experiment.quick if quick else experiment.variants
    jobs = [(variant, seed) for variant in variants for seed in seeds]
    runs = []
    for number, (variant, seed) in enumerate(jobs, 1):
        head = f"[{number}/{len(jobs)}] {variant.name}, seed {seed}"
        runs.append(
            _one(variant, seed, out, quick, data_dir, lambda what, head=head: log(f"{head}: {what}"), show_progress)
        )
    if not quick:
        runs += [_predecessor(p, seed, out, data_dir, log) for p in experiment.predecessors for seed in seeds]
    return runs


def _one(
    variant: Variant, seed: int, out: Path, quick: bool, data_dir: Path | None, log: Log, show_progress: bool
) -> Run:
    recipe = recipe_of(variant, seed)
    if (path := results.path_of(out, variant.name, seed)).exists():
        run = results.load(path, out)
        _check_same(run.config, recipe, path)
        log("there already")
        return run
    with disk.making(path):
        return _train(variant, recipe, seed, out, quick, data_dir, log, show_progress)


def _train(
    variant: Variant,
    recipe: Recipe,
    seed: int,
    out: Path,
    quick: bool,
    data_dir: Path | None,
    log: Log,
    show_progress: bool,
) -> Run:
    from bstdg.training.train import MODEL, train

    log("training")
    folder = out / "training" / variant.name / f"seed{seed}"
    report = train(recipe, folder, seed=seed, data_dir=data_dir, resume=True, show_progress=show_progress)
    extra = {}
    if variant.exits and report["model_bytes"]:
        extra["exits"] = exits(folder / MODEL, data_dir)
    run = results.from_report(report, variant.name, quick=quick, extra=extra)
    results.save(run, out)
    log(f"{run.test['accuracy']:.2%} on the test set, {run.seconds:.0f} s")
    return run


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


def _predecessor(predecessor: Predecessor, seed: int, out: Path, data_dir: Path | None, log: Log) -> Run:
    name = predecessor.name
    if (path := results.path_of(out, name, seed)).exists():
        log(f"{name}, seed {seed}: there already")
        return results.load(path, out)
    from bstdg.lab import predecessors
    from bstdg.lab.predecessors.base import forget

    log(f"{name}, seed {seed}: training")
    folder, settings = out / "training" / name / f"seed{seed}", dict(predecessor.settings)
    more: dict[str, Any] = {
        "seed": seed,
        "data_dir": data_dir,
        "on_epoch": lambda row: log(f"{name}, seed {seed}: epoch {row['epoch']}, accuracy {row['accuracy']:.2%}"),
    }
    with disk.making(path):
        if predecessor.recipe:
            recipe = recipe_of(Variant(name, predecessor.recipe, folds=predecessor.folds), seed)
            report = predecessors.train_counterpart(
                predecessor.method, recipe, settings=settings, folder=folder, resume=True, **more
            )
        else:
            hidden = {"hidden": [predecessor.hidden]} if predecessor.hidden else {}
            report = predecessors.train(predecessor.method, predecessor.data, settings=hidden | settings, **more)
        run = results.from_report(report, name)
        results.save(run, out)
    forget(folder)
    return run


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
