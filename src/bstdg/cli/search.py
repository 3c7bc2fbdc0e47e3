"""`bstdg search`."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bstdg.cli import complete
from bstdg.cli.console import FAILURE, INTERRUPTED, complain, note, say, show_table, table
from bstdg.cli.options import AsJson, DataDir, Scheduler, whole_numbers
from bstdg.cli.train import recipe_file
from bstdg.errors import InputError

if TYPE_CHECKING:
    from bstdg.lab.search.worker import Search

EXAMPLES = """
Examples:
  bstdg search digits --space space.toml                 into runs/search-digits
  bstdg search mnist --space space.toml --trials 100 --set epochs=10
  bstdg search mnist --space space.toml --trials 100     in another terminal: a second worker of the same search
  bstdg search mnist --space space.toml --storage postgresql://me@host/trials     on any number of machines
  bstdg search mnist --space space.toml --storage journal:////shared/mnist.log    the same, by a file that all see
  bstdg search mnist --space space.toml --scheduler tcp://host:8786    trials by the workers of a Dask cluster
  bstdg search mnist --space space.toml --report         table and page of the trials there are

A space, space.toml, has a line for each field of the recipe that is searched:
  train.weight_rate = { low = 0.003, high = 0.1, log = true }
  rule.width = { low = 8, high = 60 }
  train.batch = { low = 64, high = 512, step = 64 }
  network.layers = { choices = [[300], [600], [300, 300]] }

The same command, repeated, goes on where the search was stopped or killed.
"""
PAUSE = 10.0  # seconds between two writings of the table
SHOWN = 5  # of the best trials


def search(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            autocompletion=complete.recipes,
            help="A TOML file, or a recipe that comes with bstdg.",
        ),
    ],
    space: Annotated[Path, typer.Option(metavar="FILE.toml", help="What is searched; see below.")],
    trials: Annotated[
        int, typer.Option(min=1, help="Trials in total, of all workers together; give more to go on.")
    ] = 20,
    seeds: Annotated[
        str, typer.Option(metavar="0,1,2", help="Each trial is trained once for each; their mean is what counts.")
    ] = "0",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of table and page. [default: runs/search-RECIPE]", show_default=False),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where trials are kept: sqlite:///FILE, journal:///FILE, postgresql://USER@HOST/DATABASE, … "
            "[default: trials.db in the folder]",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Of the search within its storage. [default: the recipe's]", show_default=False),
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a field of the recipe; repeatable.")
    ] = None,
    pruning: Annotated[
        bool,
        typer.Option(
            "--pruning/--no-pruning",
            help="Stop a trial that is worse than half of the others were at the same epoch.",
        ),
    ] = True,
    draw_seed: Annotated[int, typer.Option(min=0, help="Decides the points that are drawn.")] = 0,
    data_dir: DataDir = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 …; auto takes CUDA where there is one.")] = "auto",
    engine: Annotated[
        str | None, typer.Option(help="native or dense. [default: native on a CPU, else dense]", show_default=False)
    ] = None,
    scheduler: Scheduler = None,
    report: Annotated[
        bool, typer.Option("--report", help="Train nothing: write table and page of the trials there are.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Search for better values of a recipe's fields, with any number of workers.

    Each trial trains the recipe with other values, drawn by Optuna from what earlier ones came to, and is judged by the
    validation figure that the recipe chooses by, train.choose; the test set is never read. Whoever gives the same
    command with the same storage joins in. The trial of a worker that dies is tried again by another. The folder gets
    trials.jsonl (a line a trial, for programs), search.html (figures) and best.toml (the recipe of the best trial).
    """
    from bstdg.lab.search import storage as storages
    from bstdg.learning.recipe_file import load_recipe

    path = recipe_file(recipe)
    base = load_recipe(path, override or ())
    wanted = tuple(dict.fromkeys(whole_numbers(seeds, "--seeds takes whole numbers with commas between them, as 0,1")))
    folder = out or Path("runs") / f"search-{path.stem}"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; --out names a folder")
    if report and scheduler is not None:
        raise InputError("--report trains nothing: leave out --scheduler")
    storages.need_optuna()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch starts its threads, as for `bstdg train`
    from bstdg.lab.search import space as spaces
    from bstdg.lab.search import study as studies
    from bstdg.lab.search.worker import Search, work

    drawn_from = spaces.load(space, base, prunes=pruning)
    url = storage or f"{storages.SQLITE}{folder / 'trials.db'}"
    if report and storage is None and not (folder / "trials.db").is_file():
        raise InputError(f"there is no search in {folder}: run it without --report first")
    opened = storages.open_at(url, studies.again)
    study = studies.open_study(opened, name or path.stem, drawn_from, wanted, draw_seed, pruning)
    whole = Search(study, opened, drawn_from, trials, wanted, folder, data_dir, device, engine)
    if not report:
        with _stopping(folder):
            if scheduler is None:
                work(whole, note, _now_and_then(whole))
            else:
                from bstdg.lab import cluster
                from bstdg.lab.search import sent

                with cluster.connected(scheduler, [base.data.name], data_dir, note) as connection:
                    sent.work(whole, connection, note, _now_and_then(whole))
    with opened.answering():
        _conclude(whole, recipe, as_json)


@contextlib.contextmanager
def _stopping(folder: Path) -> Iterator[None]:
    """Who stops a search is told how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        complain(f"stopped; trials that are done are kept, table and page come with --report into {folder}; repeat the "
                 "command to go on")  # fmt: skip
        raise typer.Exit(INTERRUPTED) from None


def _now_and_then(whole: Search) -> Callable[[], None]:
    """Writes the table, though not after every short trial."""
    last = time.monotonic()

    def write() -> None:
        nonlocal last
        if time.monotonic() - last > PAUSE:
            from bstdg.lab.search import table as trials

            trials.write(whole)
            last = time.monotonic()

    return write


def _conclude(whole: Search, recipe: str, as_json: bool) -> None:
    """Write what is written of a search, and show the best."""
    from bstdg import datasets, files
    from bstdg.cli import new
    from bstdg.lab.search import page
    from bstdg.lab.search import table as trials
    from bstdg.learning.recipe_file import recipe_of

    written = trials.write(whole)
    rows = list(trials.rows(whole))
    best = trials.best(rows)
    shown = page.write(whole, recipe)
    if best:
        found = recipe_of(best[0]["recipe"])
        text = new.text(found, of_events=datasets.are_events(found.data.name))
        files.write_atomic(whole.out / page.BEST, text.encode())
    if as_json:
        print(json.dumps(rows))
    else:
        _show(whole, best, recipe)
        say(f"{written}, {shown}" + (f", {whole.out / page.BEST}" if best else ""))
    failed = [row for row in rows if row["state"] == "failed"]
    if failed and not best:
        complain(f"no trial came to its end; the last one: {failed[-1]['error'] or 'its workers died'}")
        raise typer.Exit(FAILURE)


def _show(whole: Search, best: list[dict], recipe: str) -> None:
    from bstdg.lab.search import page
    from bstdg.lab.search.worker import short

    if not best:
        return
    names = [one.field for one in whole.space.dimensions]
    figure = whole.space.base.train.choose.replace("_", " ")
    told = table("trial", f"{figure}, %", *names, title=f"the best trials of {recipe}, by validation")
    for row in best[:SHOWN]:
        told.add_row(f"{row['trial']}", f"{100 * row['value']:.2f}", *(short(row["point"][name]) for name in names))
    show_table(told)
    say(f"to train the best:  {page.command(whole.out)}")
