"""`bstdg new`: a recipe to start from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from bstdg.cli import complete
from bstdg.cli.console import complain
from bstdg.errors import InputError
from bstdg.shipped import shipped_recipes

EXAMPLES = """
Examples:
  bstdg new mine.toml                          like the recipe for digits
  bstdg new mine.toml --like mnist-best        start from another recipe that comes with bstdg
  bstdg new mine.toml --data fashion-mnist     and learn something else
  bstdg train mine.toml
"""


def new(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help="The recipe to write.")],
    like: Annotated[
        str,
        typer.Option(
            metavar="RECIPE",
            autocompletion=complete.recipes,
            help=f"Start from one of {', '.join(sorted(shipped_recipes()))}.",
        ),
    ] = "digits",
    data: Annotated[
        str | None,
        typer.Option(
            autocompletion=complete.data_sets,
            help="Data set to learn from. [default: the recipe's]",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a recipe to start from, in which every field is explained."""
    from bstdg import datasets, files
    from bstdg.cli import starter
    from bstdg.cli.train import recipe_file
    from bstdg.learning.recipe_file import load_recipe

    if file.suffix != ".toml":
        raise InputError(f"a recipe's name ends in .toml, not {file.name!r}")
    if file.exists() and not force:
        raise InputError(f"{file} is there already; name another file, or give --force")
    recipe = load_recipe(recipe_file(like))
    if data is not None:
        if data not in datasets.names():
            raise InputError(f"unknown data set {data!r}: known are {', '.join(datasets.names())}")
        recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, name=data), title=f"My {data}")
    files.write_atomic(file, starter.text(recipe, of_events=datasets.are_events(recipe.data.name)).encode())
    print(file)
    complain(f"now edit it, and train with  bstdg train {file}")
