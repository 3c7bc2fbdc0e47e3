"""`bstdg import`: the way in from other simulators."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bstdg.cli.console import say
from bstdg.errors import InputError

EXAMPLES = """
Examples:
  bstdg import exported/model.nir --out model.bstdg
  bstdg import theirs.nir --out theirs.bstdg --steps 16 --first-spikes
"""


def import_nir(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A NIR graph, such as model.nir.")],
    out: Annotated[Path, typer.Option(help="Model to write.")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="T. [default: what the graph says, if bstdg wrote it]", show_default=False)
    ] = None,
    dt: Annotated[float, typer.Option(help="Seconds a step: a unit of current adds dt * r to a potential.")] = 1.0,
    first_spikes: Annotated[
        bool, typer.Option("--first-spikes", help="Keep first spikes alone where neurons could fire again.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Make a model of a NIR graph of binary weights and integrate-and-fire neurons."""
    from bstdg.export.nir import importer as nir_import
    from bstdg.model import packed

    if out.exists() and not force:
        raise InputError(f"{out} is there already; name another file, or give --force")
    model = nir_import.read(file, steps, dt=dt, first_spikes=first_spikes)
    size = packed.save(model, out)
    say(f"{out}: {model.structure}, T = {model.num_steps}, {size:,} bytes")
