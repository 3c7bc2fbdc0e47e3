"""`bstdg report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bstdg.cli import complete
from bstdg.cli.console import say
from bstdg.cli.options import AsJson, DataDir, EngineName, whole_numbers

EXAMPLES = """
Examples:
  bstdg report runs/digits-seed0/model.bstdg
  bstdg report runs/mnist-seed*/model.bstdg --data-dir ~/data --out mnist.html     several, side by side
  bstdg report model.bstdg --samples 0,3,7 --figures figures                       SVG and PNG for a paper, too

The page is one file that loads nothing. The log and the first thresholds of a training are looked for beside the model.
The same model, data and version give the same bytes.
"""


def report(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="Deployed models, such as runs/digits-seed0/model.bstdg.")
    ],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            autocompletion=complete.data_sets,
            help="digits, mnist, hd-spikes, … [default: the one they were trained on]",
            show_default=False,
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="test or train.")] = "test",
    data_dir: DataDir = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for every figure as SVG and PNG, too.", show_default=False)
    ] = None,
    samples: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,…", help="Samples to draw, counted from 0. [default: a few telling ones]", show_default=False
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Judge the first so many samples only.", show_default=False)
    ] = None,
    engine: EngineName = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that no report wrote.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lay models open on one page: figures, rasters, errors, cost.

    Accuracy, ties, silence, decision step, spikes and synaptic operations are those of bstdg eval.
    """
    from bstdg.report import write

    done = write(
        models,
        out,
        data=data,
        split=split,
        data_dir=data_dir,
        figures=figures,
        samples=None if samples is None else whole_numbers(samples, "--samples takes numbers such as 0,3,7"),
        limit=limit,
        engine=engine,
        force=force,
        show_progress=True,
    )
    if as_json:
        print(json.dumps(done))
        return
    say(f"{out}: {done['bytes']:,} bytes" + (f", figures in {figures}" if figures else ""))
