"""`bstdg reproduce`: the experiments, the claims they test, and the results page."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bstdg.cli import complete
from bstdg.cli.console import INTERRUPTED, complain, note, say, show_table, table
from bstdg.cli.options import AsJson, DataDir, Scheduler, whole_numbers
from bstdg.errors import InputError

if TYPE_CHECKING:
    from bstdg.lab.experiments.variants import Experiment

EXAMPLES = """
Examples:
  bstdg reproduce --list
  bstdg reproduce digits                       needs no data, a minute
  bstdg reproduce mnist --quick                minutes instead of an hour
  bstdg reproduce mnist --seeds 0,1,2 --data-dir ~/data
  bstdg reproduce mnist --scheduler tcp://host:8786    its runs at once, by the workers of a Dask cluster
  bstdg reproduce --report docs/results.md     the page, from the JSON in results/

A run that is there already is not made again; one that was stopped goes on where it was.
"""


def reproduce(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", autocompletion=complete.experiments, help="An experiment; --list names them."),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List every experiment, and whether its data is there.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Few epochs, one seed; goes into no published table.")] = False,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="0,1,2", help="Seeds. [default: 0,1,2, or one a fold; quick: 0]", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
    data_dir: DataDir = None,
    scheduler: Scheduler = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.md", help="Write the results page from the JSON there is.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run an experiment and hold its claims against what was measured.

    Every run is kept as JSON under --out; what is there is not run again.
    """
    from bstdg.lab.experiments import catalogue

    if sum((name is not None, list_, report is not None)) != 1:
        raise InputError("give the name of one experiment, or --list, or --report FILE.md")
    if scheduler is not None and name is None:
        raise InputError("--scheduler is for an experiment that is run: leave it out")
    if list_:
        _list(data_dir, as_json)
        return
    if report is not None:
        from bstdg.lab.experiments import page

        for written in page.write(out, report):
            say(written)
        return
    experiment = catalogue.find(name or "")
    _run(experiment, out, _seeds(seeds, experiment.seeds, quick), quick, data_dir, scheduler, as_json)


def _list(data_dir: Path | None, as_json: bool) -> None:
    from bstdg import datasets
    from bstdg.lab.experiments import catalogue

    rows = []
    for experiment in catalogue.EXPERIMENTS:
        found = datasets.source(experiment.data).present(data_dir)
        full, short = experiment.minutes
        rows.append(
            {
                "name": experiment.name,
                "tests": experiment.tests,
                "data": experiment.data,
                "there": found.usable,
                "where": found.said,
                "minutes": full,
                "minutes_quick": short,
            }
        )
    if as_json:
        print(json.dumps(rows))
        return
    told = table("name", "what it tests", "data", "quick", "full", title="experiments; times are rough, for one core")
    for row in rows:
        times = [_minutes(row[key]) for key in ("minutes_quick", "minutes")]
        told.add_row(row["name"], row["tests"], f"{row['data']}: {row['where']}", *times)
    show_table(told)


def _minutes(minutes: float) -> str:
    return f"{minutes:g} min" if minutes < 60 else f"{minutes / 60:.1f} h"


def _seeds(asked: str | None, usual: tuple[int, ...], quick: bool) -> tuple[int, ...]:
    from bstdg.lab.experiments import catalogue

    if asked is None:
        return catalogue.QUICK_SEEDS if quick else usual
    numbers = whole_numbers(asked, "--seeds takes whole numbers with commas between them, such as 0,1,2")
    return tuple(dict.fromkeys(numbers))


def _run(
    experiment: Experiment,
    out: Path,
    seeds: Sequence[int],
    quick: bool,
    data_dir: Path | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    from bstdg import datasets

    data = experiment.quick_data or experiment.data if quick else experiment.data
    found = datasets.source(data).present(data_dir)
    if scheduler is None and not found.usable:
        raise InputError(f"{experiment.name} needs the data set {data}, which is {found.said}")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out names a folder")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch starts its threads, as for `bstdg train`
    from bstdg.lab.experiments import run

    try:
        if scheduler is None:
            runs = run.reproduce(experiment, out, seeds, quick=quick, data_dir=data_dir, log=note)
        else:
            from bstdg.lab import cluster
            from bstdg.lab.experiments import sent

            with cluster.connected(scheduler, [data], data_dir, note) as connection:
                runs = sent.reproduce(connection, experiment, out, seeds, quick=quick, log=note)
    except KeyboardInterrupt:
        complain(f"stopped; what is done is kept in {out}; repeat the command to go on")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print(run.as_json(runs))
        return
    from bstdg.lab.experiments import show

    for sheet in show.summary(experiment, runs, quick):
        told = table(title=sheet.title)
        for column in sheet.columns:
            told.add_column(column, no_wrap=column in ("network", "outcome"))
        for row in sheet.rows:
            told.add_row(*row)
        show_table(told)
