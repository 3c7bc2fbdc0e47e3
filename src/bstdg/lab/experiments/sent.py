"""Sends what an experiment still lacks to a cluster; results come back as the files that runs here would leave."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bstdg import disk, files
from bstdg.errors import BstdgError
from bstdg.lab import cluster as clusters
from bstdg.lab.cluster import Cluster, ClusterError
from bstdg.lab.experiments import results
from bstdg.lab.experiments import run as running
from bstdg.lab.experiments.results import Run
from bstdg.lab.experiments.run import Job
from bstdg.lab.experiments.variants import Experiment, Predecessor, Variant
from bstdg.training.checkpoint import differences

if TYPE_CHECKING:
    from distributed import Future

BACK = ("model.bstdg", "start.json", "log.jsonl", "report.json")  # of the folder of a training; no checkpoints


def reproduce(
    cluster: Cluster,
    experiment: Experiment,
    out: Path,
    seeds: Sequence[int],
    *,
    quick: bool,
    log: Callable[[str], None],
) -> list[Run]:
    """All runs of an experiment, those already in `out` as they are, the others by the workers of a cluster.

    A run that fails does not keep the others from being made; its error is raised in the end.

    Args:
        cluster: see `bstdg.lab.cluster.connected`.
        experiment, out, seeds, quick, log: see `bstdg.lab.experiments.run.reproduce`.

    Raises:
        Errors of that function, and of `bstdg.lab.cluster.outcome`.
    """
    from distributed import as_completed

    every = running.jobs(experiment, seeds, quick)
    runs: dict[int, Run] = {}
    sent: dict[Future, int] = {}
    failed: list[Exception] = []
    with ExitStack() as holding:
        for number, job in enumerate(every):
            head = f"[{number + 1}/{len(every)}] {job[0].name}, seed {job[1]}"
            if (run := running.there(job, out)) is not None:
                runs[number] = run
                log(f"{head}: there already")
                continue
            holding.enter_context(disk.making(results.path_of(out, job[0].name, job[1])))
            sent[cluster.send(made, {**_plain(job), "quick": quick}, f"{job[0].name}, seed {job[1]}")] = number
            log(f"{head}: sent")
        for future in as_completed(list(sent), loop=cluster.client.loop):
            number = sent[future]
            name, seed = every[number][0].name, every[number][1]
            try:
                back = clusters.outcome(future, f"{name}, seed {seed}")
            except (BstdgError, OSError, RuntimeError, MemoryError) as error:
                failed.append(error)
                log(f"{name}, seed {seed}: {error}")
                continue
            runs[number] = _keep(back, every[number], out)
            done = f"{runs[number].test['accuracy']:.2%} on the test set, {runs[number].seconds:.0f} s"
            log(f"[{len(runs)}/{len(every)}] {name}, seed {seed}: {done} on {back['worker']}")
            future.release()
    if failed:
        raise failed[0]
    return [runs[number] for number in range(len(every))]


def made(what: Mapping[str, Any]) -> dict[str, Any]:
    """Make a run; called on a worker, which gives back plain values and the bytes of files."""
    from distributed import get_worker

    address = clusters.check_here(what)
    data_dir, job = None if what["data_dir"] is None else Path(what["data_dir"]), _job(what)
    if other := differences(_recipe(job), what["recipe"]):
        raise ClusterError(
            f"the worker {address} has another recipe for {job[0].name} ({'; '.join(other)}): install the same bstdg "
            "there as here"
        )
    with tempfile.TemporaryDirectory(prefix="bstdg-", dir=get_worker().local_directory) as place:
        folder = Path(place) / "run"
        run = running.train(job, folder, what["quick"], data_dir, log=lambda line: None)
        kept = {name: (folder / name).read_bytes() for name in BACK if (folder / name).exists()}
    return {"run": {**dataclasses.asdict(run), "widths": list(run.widths)}, "files": kept, "worker": address}


def _plain(job: Job) -> dict[str, Any]:
    one, seed = job
    return {"kind": type(one).__name__, "fields": dataclasses.asdict(one), "seed": seed, "recipe": _recipe(job)}


def _recipe(job: Job) -> dict[str, Any]:
    """The recipe that a run is made from; nothing of a predecessor that has none."""
    one, seed = job
    variant = one.variant if isinstance(one, Predecessor) else one
    return running.recipe_of(variant, seed).to_dict() if variant.recipe else {}


def _job(values: Mapping[str, Any]) -> Job:
    fields = dict(values["fields"])
    if values["kind"] == Predecessor.__name__:
        settings = tuple((name, value) for name, value in fields.pop("settings"))
        return Predecessor(
            **{**fields, **{name: tuple(fields[name]) for name in ("blocks", "overrides")}}, settings=settings
        ), values["seed"]
    return Variant(**{**fields, "overrides": tuple(fields["overrides"])}), values["seed"]


def _keep(back: Mapping[str, Any], job: Job, out: Path) -> Run:
    """Write what came back to where a run here would have left it; the run last, which says that all is there."""
    run = Run(**{**back["run"], "widths": tuple(back["run"]["widths"])})
    folder = running.training_folder(job, out)
    for name, content in back["files"].items():
        folder.mkdir(parents=True, exist_ok=True)
        files.write_atomic(folder / Path(name).name, content)
    results.save(run, out)
    return run
