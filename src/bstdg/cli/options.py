"""Arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bstdg.cli import complete

ModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A deployed model, such as runs/digits-seed0/model.bstdg.")
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="Folder with the data sets' files (else BSTDG_DATA, else a download to your cache)."
    ),
]
EngineName = Annotated[
    str | None,
    typer.Option("--engine", autocompletion=complete.engines, help="Engine to run it with: native, oracle or dense."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
