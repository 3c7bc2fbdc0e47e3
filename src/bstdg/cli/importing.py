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
  bstdg import spikingjelly.nir --out theirs.bstdg --steps 16 --first-spikes --at-threshold
"""


def import_nir(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A NIR graph, such as model.nir.")],
    out: Annotated[Path, typer.Option(help="Model to write.")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="T. [default: what the graph says, if bstdg wrote it]", show_default=False)
    ] = None,
    dt: Annotated[
        float | None,
        typer.Option(
            help="Seconds a step: a unit of current adds dt * r to a potential. [default: 1 / r, where r is the same "
            "for all neurons]",
            show_default=False,
        ),
    ] = None,
    first_spikes: Annotated[
        bool, typer.Option("--first-spikes", help="Keep first spikes alone where neurons could fire again.")
    ] = False,
    at_threshold: Annotated[
        bool,
        typer.Option(
            "--at-threshold", help="Neurons fire at v_threshold, as those of SpikingJelly and Sinabs, not above it."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Make a model of a NIR graph of binary weights and integrate-and-fire neurons."""
    from bstdg.export.nir import file as nir_file
    from bstdg.export.nir import importer as nir_import
    from bstdg.export.nir.stages import step_length
    from bstdg.model import packed

    if out.exists() and not force:
        raise InputError(f"{out} is there already; name another file, or give --force")
    graph = nir_file.read(file)
    model = nir_import.from_graph(graph, steps, dt=dt, first_spikes=first_spikes, at_threshold=at_threshold)
    size = packed.save(model, out)
    step = step_length(graph) if dt is None else dt
    say(f"{out}: {model.structure}, T = {model.num_steps}, a step of {step:g} s, {size:,} bytes")
