"""Arguments that several commands take, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bstdg.cli import complete
from bstdg.errors import InputError

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
Trust = Annotated[
    bool,
    typer.Option(
        "--trust-recordings",
        help="Read recordings in this process, which a damaged file may crash, not in one of their own.",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Have the workers of a Dask cluster do it: the address of its scheduler, such as tcp://host:8786.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]


def whole_numbers(text: str, wanted: str) -> list[int]:
    """`0,3,7` as numbers; raises `InputError`, which says what is `wanted`, where it is something else."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdecimal() and len(word) < 10 for word in words):
        raise InputError(f"{wanted}, not {text!r}")
    return [int(word) for word in words]
