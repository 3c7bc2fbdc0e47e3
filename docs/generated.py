"""Parts of pages that the package says of itself: `<!-- generated: NAME -->` in a page stands for what NAME gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from bstdg.cli import app as cli
from bstdg.cli import starter
from bstdg.learning.recipe import DataConfig, Recipe

_HERE = re.compile(r"^<!-- generated: (\w+) -->$", re.M)


def commands() -> Iterator[str]:
    """Every command's help, a section each."""
    group: Any = typer.main.get_command(cli)
    above = typer.Context(group, info_name="bstdg")
    for name, command in group.commands.items():
        context = typer.Context(command, info_name=name, parent=above, terminal_width=84, max_content_width=84)
        yield f"## bstdg {name}\n\n```text\n{command.get_help(context).strip()}\n```\n"


def recipe_for_images() -> Iterator[str]:
    """A recipe of defaults, explained."""
    yield f"```toml\n{starter.text(Recipe())}```\n"


def recipe_for_events() -> Iterator[str]:
    """The same for recordings of events."""
    yield f"```toml\n{starter.text(Recipe(data=DataConfig(name='shd')), of_events=True)}```\n"


PARTS = {part.__name__: part for part in (commands, recipe_for_images, recipe_for_events)}


def _fill(app, page: str, source: list[str]) -> None:
    source[0] = _HERE.sub(lambda match: "\n".join(PARTS[match[1]]()), source[0])


def setup(app) -> dict:
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True}
