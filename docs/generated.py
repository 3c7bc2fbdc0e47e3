"""Parts of pages that the package says of itself: `<!-- generated: NAME -->` in a page stands for what NAME gives."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import typer

from bstdg.cli import app as cli
from bstdg.cli import new
from bstdg.learning.recipe import DataConfig, Recipe

_HERE = re.compile(r"^<!-- generated: (\w+)(?: (\w+))? -->$", re.M)


def commands() -> Iterator[str]:
    """Every command's help, a section each."""
    group: Any = typer.main.get_command(cli)
    above = typer.Context(group, info_name="bstdg")
    for name, command in group.commands.items():
        context = typer.Context(command, info_name=name, parent=above, terminal_width=84, max_content_width=84)
        yield f"## bstdg {name}\n\n```text\n{command.get_help(context).strip()}\n```\n"


def recipe_for_images() -> Iterator[str]:
    """A recipe of defaults, explained."""
    yield f"```toml\n{new.text(Recipe())}```\n"


def recipe_for_events() -> Iterator[str]:
    """The same for recordings of events."""
    yield f"```toml\n{new.text(Recipe(data=DataConfig(name='shd')), of_events=True)}```\n"


def modules(wing: str) -> Iterator[str]:
    """A section for every module of a folder of the package, or for the module of that name; those without a word on
    themselves have nothing in them.
    """
    for name in sorted(_modules(f"bstdg.{wing}")):
        if importlib.import_module(name).__doc__:
            yield f"## {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n```\n"


def _modules(name: str) -> Iterator[str]:
    yield name
    inner = getattr(importlib.import_module(name), "__path__", None)
    for found in pkgutil.walk_packages(inner or (), f"{name}."):
        yield found.name


PARTS = {part.__name__: part for part in (commands, recipe_for_images, recipe_for_events, modules)}


def _fill(app, page: str, source: list[str]) -> None:
    source[0] = _HERE.sub(lambda match: "\n".join(PARTS[match[1]](*filter(None, match.groups()[1:]))), source[0])


def setup(app) -> dict:
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True}
