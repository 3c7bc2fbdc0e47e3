"""Training, from a recipe to a deployed model on disk. What a run's folder holds, see `bstdg.training.run_folder`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from bstdg import datasets, disk, files
from bstdg.about import about_machine
from bstdg.commands import quoted
from bstdg.datasets import Dataset, EventDataset, StoredDataset
from bstdg.distributed import agreement, launch
from bstdg.distributed.ranks import Ranks
from bstdg.engine import choose
from bstdg.errors import BstdgWarning, InputError
from bstdg.layers.written import leaving_out
from bstdg.learning.recipe import Recipe
from bstdg.learning.surroundings import undisturbed
from bstdg.model import packed
from bstdg.model.runtime import Model
from bstdg.model.sizes import sizes_of
from bstdg.progress import Progress, Quiet, live
from bstdg.training import checkpoint, options, run_folder
from bstdg.training.evaluation import on_test_set
from bstdg.training.run import TrainingRun
from bstdg.training.run_folder import CHECKPOINT, LOG, MODEL, REPORT, START
from bstdg.training.tensorboard import EpochWriter

Loader = Callable[[str, datasets.Split], Dataset | StoredDataset | EventDataset]


@undisturbed()
def train(
    recipe: Recipe,
    out: Path | str,
    *,
    seed: int = 0,
    data_dir: Path | str | None = None,
    device: str = "auto",
    engine: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    show_progress: bool = False,
    tensorboard: bool = False,
    load: Loader | None = None,
    tell: Callable[[str], object] = lambda line: None,
) -> dict[str, Any]:
    """Train the network of a recipe and write `model.bstdg`, checkpoint, log and report into `out`.

    Processes that `torchrun` started train it together, see `bstdg.distributed.ranks`; the first of them writes.

    Args:
        recipe: what to train, on what, and how.
        out: folder of the run, made if it is not there.
        seed: decides the initial weights, the validation split and every random draw.
        data_dir: where the data set's files are (see `bstdg.datasets.load`).
        device: "cpu", "cuda", …; "auto" takes CUDA where there is one.
        engine: "native" or "dense"; by default native on a CPU, else dense.
        resume: go on from the checkpoint in `out`, if there is one; the end is bit for bit that of an unbroken run
            (on the same device with as many threads).
        overwrite: start anew though `out` holds a run.
        show_progress: report progress on standard error.
        tensorboard: also write TensorBoard events into `out`/tensorboard.
        load: gives a split of the data set, for data of one's own; called for "test" only after training.
        tell: given a line for whatever is worth knowing before training begins: windows that leave pixels out.

    Returns:
        What `report.json` holds.

    Raises:
        InputError: recipe, data or folder do not fit; an option would do nothing for these data; or another process
            is training in the folder.
        FileFormatError: a data file or the checkpoint is damaged.
        TrainingError: the loss is no longer a number.
        OSError: a file could not be written; what was there before still is.
        Lost: another rank has ended.
        Any of these, where only judging is left: the network is there, and a note of the error says how to go on.
    """
    loader: Loader = load or (
        lambda name, split: datasets.load(
            name, split, data_dir, progress=show_progress and launch.is_first(),
            size=recipe.data.size, channels=recipe.data.channels, fold=recipe.data.fold,
        )
    )  # fmt: skip
    for field in ("size", "channels", "fold") if load is not None else ():
        if getattr(recipe.data, field):
            raise InputError(f"data.{field} is for data sets that bstdg loads itself; `load` gives images as they are")
    out = Path(out)
    with launch.joined(device := launch.device_of(device)) as ranks, _hushed(ranks):
        if launch.began(out):  # by ranks of this launch, of which one was lost
            resume, overwrite = True, False
        if ranks.first:
            run_folder.check(out, resume=resume, overwrite=overwrite)
        where = find_device(device)
        name = recipe.data.name
        if load is None and name in datasets.names():
            options.check(recipe, "recordings" if datasets.are_events(name) else "images")
        training = loader(name, "train")
        options.check(recipe, options.kind_of(training))
        if load is None:
            datasets.look(training, "test", data_dir, progress=show_progress and ranks.first, size=recipe.data.size)
        agreement.reach(ranks, training, recipe=recipe.to_dict(), seed=seed, engine=engine, device=where.type)
        run = TrainingRun(recipe, training, seed, where, engine, ranks=ranks)
        agreement.check_batch(ranks, recipe.train.batch, len(run.training))
        for line in leaving_out(recipe.network.layers, run.input.gives) if ranks.first else ():
            tell(line)
        # Not before recipe and data are known to be good.
        with run_folder.taken(out, resume=resume, overwrite=overwrite) if ranks.first else nullcontext():
            launch.begin(out)
            _run(run, out, resume=resume, show_progress=show_progress, tensorboard=tensorboard)
            return json.loads(ranks.bytes_of_first(lambda: json.dumps(_conclude(run, out, loader)).encode()))


@contextmanager
def _hushed(ranks: Ranks) -> Iterator[None]:
    """All ranks would warn of the same: the first does."""
    if ranks.first:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BstdgWarning)
        yield


def _run(run: TrainingRun, out: Path, *, resume: bool, show_progress: bool, tensorboard: bool) -> None:
    """All epochs that are left, each in the log and in a checkpoint once it is done."""
    ranks, first = run.ranks, run.ranks.first
    run.prepare(out)
    if first:
        files.write_atomic(out / START, (json.dumps(run.start) + "\n").encode())
    path = out / CHECKPOINT
    if saved := ranks.bytes_of_first(lambda: checkpoint.contents(path) if resume and path.exists() else b""):
        run.restore(checkpoint.load(path, lambda: saved))
    if first:
        run_folder.cut_log(out / LOG, run.epoch)
    epochs, shown = run.recipe.train.epochs, show_progress and first
    progress: Progress = live(epochs, len(run.training), run.epoch) if shown else Quiet()
    writer = EpochWriter(out / "tensorboard", run.epoch) if tensorboard and first else None
    try:
        while not run.finished:
            with run.own_threads():
                row = run.run_epoch(progress)
            if first:
                with disk.naming(out / LOG), (out / LOG).open("a", encoding="utf-8") as log:
                    log.write(json.dumps(row) + "\n")
                checkpoint.save(out, run.checkpoint())
            progress.epoch(row)
            if writer is not None:
                writer.add(row)
    finally:
        progress.close()
        if writer is not None:
            writer.close()


def find_device(name: str) -> torch.device:
    """The device called `name`; "auto" is CUDA where there is one. Raises `InputError` if it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, dtype=torch.float32, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts where it was built without CUDA
        raise InputError(f"device {name!r} is not there: {str(error).splitlines()[0]}") from None
    return device


def _conclude(run: TrainingRun, out: Path, loader: Loader) -> dict[str, Any]:
    """Deploy the best network, judge it once on the test set, and write the report."""
    model, binary = run.best_model(), run.engine != choose.REAL  # a file holds one bit a weight
    model = packed.with_figures(model, validation=run.best.figures)
    if binary:  # before it is judged: the network is there, whatever has become of the test set
        packed.save(model, out / MODEL)
    with _saying_where(out, MODEL if binary else CHECKPOINT):
        figures, extra = on_test_set(
            Model(model, None if binary else choose.REAL), loader(run.recipe.data.name, "test"), run.speakers
        )
    model = packed.with_figures(model, test=figures)
    length = packed.save(model, out / MODEL) if binary else 0
    report = {
        "recipe": run.recipe.to_dict(),
        "seed": run.seed,
        "structure": model.structure,
        "widths": list(model.widths),
        "classes": [name.encode("utf-8", "backslashreplace").decode() for name in model.classes],
        "sizes": [size._asdict() for size in sizes_of(model.layers)],
        "training_samples": len(run.training),
        "validation_samples": len(run.validation),
        "epochs": run.epoch,
        "best_epoch": run.best.epoch,
        "validation": run.best.figures,
        "test": figures,
        "model_bytes": length,
        "seconds": run.seconds,
        "training_engine": run.engine,
        "machine": about_machine(run.device),
        **({"ranks": run.ranks.size} if run.ranks.size > 1 else {}),
        **({"extra": extra} if extra else {}),
    }
    files.write_atomic(out / REPORT, (json.dumps(report, indent=2) + "\n").encode())
    return report


@contextmanager
def _saying_where(out: Path, name: str) -> Iterator[None]:
    """An error inside also says that the training is done, and how to go on once it is mended."""
    try:
        yield
    except Exception as error:
        again = f"repeat the command with --out {quoted(out)} --resume"
        error.add_note(f"the network is trained, and in {out / name}: when this is mended, {again}")
        raise
