"""`bstdg train`."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from bstdg.cli import complete
from bstdg.cli.console import INTERRUPTED, complain, one_voice, say, show_table
from bstdg.cli.options import AsJson, DataDir
from bstdg.commands import quoted
from bstdg.distributed import launch
from bstdg.errors import InputError
from bstdg.shipped import shipped_recipes

EXAMPLES = """
Examples:
  bstdg train                                  digits, into runs/digits-seed0
  bstdg train mnist --seed 1 --out runs/mine   a recipe by its name
  bstdg train mnist --out runs/mine --resume   go on after an interruption
  bstdg train my.toml --set epochs=5 --set network.layers=[300,300]
  bstdg train mnist --set data.name=fashion-mnist --out runs/fashion
  bstdg train my.toml --set data.name=folder --data-dir pictures   a folder a class, or an .npz file

Processes train one network together, each with its share of train.batch and of the cores; all but the first are silent:
  torchrun --nproc-per-node 2 -m bstdg train mnist --out runs/two
  torchrun --nproc-per-node 2 --max-restarts 3 -m bstdg train mnist   goes on by itself when one is killed

Data sets (data.name): digits, mnist, fashion-mnist, caltech-face-motorbike, caltech-face-motorbike-all,
caltech-face-motorbike-blocks, cifar10,
cifar10-jpeg75, shd, hd-spikes, nmnist, nmnist-counts, mit-bih, and folder, for pictures of your own.
"""


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            autocompletion=complete.recipes,
            help=f"A TOML file, or a recipe that comes with bstdg: {', '.join(sorted(shipped_recipes()))}.",
        ),
    ] = "digits",
    seed: Annotated[int, typer.Option(min=0, help="Decides weights, validation split and every random draw.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run. [default: runs/RECIPE-seedN]", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    override: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a field of the recipe; repeatable.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 …; auto takes CUDA where there is one.")] = "auto",
    engine: Annotated[
        str | None, typer.Option(help="native or dense. [default: native on a CPU, else dense]", show_default=False)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the folder, if there is one.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew though the folder holds a run.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard events.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a network and leave it on disk, ready to use.

    The folder gets model.bstdg (the network, one bit a weight), checkpoint.safetensors (to go on from), start.json
    (the thresholds it began with), log.jsonl (a line an epoch) and report.json (figures on the test set, read once,
    at the end).
    """
    from bstdg.learning.recipe_file import load_recipe

    with one_voice():
        if resume and overwrite:
            raise InputError("--resume goes on with a run, --overwrite starts it anew: give one of them")
        path = recipe_file(recipe)
        values = load_recipe(path, override or ())
    folder = out or Path("runs") / f"{path.stem}-seed{seed}"
    # Before torch starts its threads: by default they spin while they wait, on the cores that the native engine needs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from bstdg.training.train import train as run

    with _resume_hint(folder), one_voice():
        report = run(
            values,
            folder,
            seed=seed,
            data_dir=data_dir,
            device=device,
            engine=engine,
            resume=resume,
            overwrite=overwrite,
            show_progress=True,
            tensorboard=tensorboard,
            tell=complain,
        )
    if not launch.is_first():
        return
    if as_json:
        print(json.dumps(report))
        return
    from bstdg.cli import show

    show_table(show.figures(f"{values.data.name} test set, {report['structure']}, seed {seed}", report["test"]))
    show_table(show.by_class(report["classes"], report["test"]))
    chosen = report["validation"]
    f1 = f", macro F1 {chosen['macro_f1']:.2%}" if "macro_f1" in chosen else ""  # of runs that began earlier
    say(
        f"best of {report['epochs']} epochs: {report['best_epoch']} (validation accuracy "
        f"{chosen['accuracy']:.2%}{f1}); {report['seconds']:.1f} s of training with engine "
        f"{report['training_engine']} on {report['machine']['device']}"
    )
    say(f"{folder / 'model.bstdg'}: {report['model_bytes']:,} bytes" if report["model_bytes"] else "no model file")


@contextlib.contextmanager
def _resume_hint(folder: Path) -> Iterator[None]:
    """Who stops a training, or loses a part of those that train, is told how to go on."""
    from bstdg.distributed.ranks import Lost
    from bstdg.training.run_folder import CHECKPOINT

    again = f"to go on, repeat the command with --out {quoted(folder)} --resume"
    try:
        yield
    except KeyboardInterrupt:
        if not (folder / CHECKPOINT).exists():
            raise
        complain(f"stopped; {again}")
        raise typer.Exit(INTERRUPTED) from None
    except Lost as lost:
        lost.add_note("torchrun starts all anew, from the last whole epoch" if launch.starts_anew() else again)
        raise


def recipe_file(name: str) -> Path:
    """A recipe by path, or by the name of one that comes with the package."""
    path, shipped = Path(name), shipped_recipes()
    if path.suffix == ".toml" or (name not in shipped and path.is_file()):
        return path
    if name not in shipped:
        raise InputError(f"there is no recipe {name!r}; give a TOML file or one of {', '.join(sorted(shipped))}")
    return shipped[name]
