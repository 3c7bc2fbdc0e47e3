"""The command line, one module for each command or two. How it speaks and ends is in `bstdg.cli.console`."""

from __future__ import annotations

from typing import Annotated

import typer

from bstdg.cli import baseline, doctor, export, judge, look, new, report, reproduce, search, train
from bstdg.cli.console import Command, Commands
from bstdg.cli.predicting import command as predicting

app = typer.Typer(
    name="bstdg",
    cls=Commands,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Binarized spiking networks in which every neuron fires at most once: train, judge and use them.",
    epilog="Start with  bstdg train : it learns scikit-learn's handwritten digits in seconds.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from bstdg import __version__

        print(f"bstdg {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


for _name, _function, _examples in (
    ("train", train.train, train.EXAMPLES),
    ("eval", judge.evaluate, judge.EXAMPLES),
    ("predict", predicting.predict, predicting.EXAMPLES),
    ("info", look.info, look.INFO_EXAMPLES),
    ("raster", look.raster, look.RASTER_EXAMPLES),
    ("report", report.report, report.EXAMPLES),
    ("export", export.export, export.EXPORT_EXAMPLES),
    ("verify", export.verify, export.VERIFY_EXAMPLES),
    ("import", export.import_nir, export.IMPORT_EXAMPLES),
    ("baseline", baseline.baseline, baseline.EXAMPLES),
    ("search", search.search, search.EXAMPLES),
    ("reproduce", reproduce.reproduce, reproduce.EXAMPLES),
    ("new", new.new, new.EXAMPLES),
    ("doctor", doctor.doctor, doctor.EXAMPLES),
):
    app.command(_name, cls=Command, epilog=_examples)(_function)
