"""`bstdg new`: a recipe to start from, every field with what it means; fields at their default are comments."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from bstdg.cli import complete
from bstdg.cli.console import complain, say
from bstdg.commands import quoted
from bstdg.errors import InputError
from bstdg.shipped import shipped_recipes

if TYPE_CHECKING:
    from bstdg.inputs import Shape
    from bstdg.learning.recipe import Recipe

EXAMPLES = """
Examples:
  bstdg new mine.toml                          like the recipe for digits
  bstdg new mine.toml --like mnist-best        start from another recipe that comes with bstdg
  bstdg new mine.toml --data fashion-mnist     and learn something else
  bstdg new mine.toml --like mnist --conv      windows that slide over the pictures, instead of full layers
  bstdg new mine.toml --like mnist --layers 16c5s2p2,pool2,128
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
    conv: Annotated[
        bool,
        typer.Option(
            "--conv",
            help="Convolutions, which look at pictures through small windows of shared weights, and a full layer after "
            "them, as many as suit the size of the pictures.",
        ),
    ] = False,
    layers: Annotated[
        str | None,
        typer.Option(
            metavar="LAYERS",
            help="The hidden layers, input side first, with commas between: 600 neurons; 32c5s2p2, a convolution of 32 "
            "maps with windows of 5 x 5, stride 2, padding 2; pool2, windows of 2 x 2 that fire with their first "
            "spike. [default: the recipe's]",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a recipe to start from, in which every field is explained."""
    from bstdg import datasets, files
    from bstdg.cli.train import recipe_file
    from bstdg.learning.recipe_file import load_recipe

    if conv and layers is not None:
        raise InputError("--conv chooses layers, --layers says which: give one of them")

    if file.suffix != ".toml":
        raise InputError(f"a recipe's name ends in .toml, not {file.name!r}")
    if file.exists() and not force:
        raise InputError(f"{file} is there already; name another file, or give --force")
    recipe = load_recipe(recipe_file(like))
    if data is not None:
        if data not in datasets.names():
            raise InputError(f"unknown data set {data!r}: known are {', '.join(datasets.names())}")
        recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, name=data), title=f"My {data}")
    shape = _shape(recipe)
    if conv:
        layers = ",".join(map(str, _sliding(recipe.data.name, shape)))
    if layers is not None:
        recipe = _with(recipe, layers, shape)
    files.write_atomic(file, text(recipe, of_events=datasets.are_events(recipe.data.name)).encode())
    say(file)
    if layers is None and shape and all(isinstance(layer, int) for layer in recipe.network.layers):
        complain(f"{recipe.data.name} holds pictures: --conv writes a network of windows that slide over them")
    complain(f"now edit it, and train with  bstdg train {quoted(file)}")


def _shape(recipe: Recipe) -> Shape:
    """Shape of what the first layer would read; () where these are no pictures, or only their files tell."""
    from bstdg import datasets

    shape = datasets.source(recipe.data.name).shape if recipe.data.name in datasets.names() else ()
    if datasets.takes_size(recipe.data.name) and recipe.data.size:
        shape = (recipe.data.channels or 1, *recipe.data.size)
    return recipe.input.for_images(shape, WHITE).gives if len(shape) == 3 else ()


def _sliding(name: str, shape: Shape) -> tuple[int | str, ...]:
    """Layers of convolutions for maps of a shape; raises `InputError` where there are none to slide over."""
    from bstdg import datasets
    from bstdg.spikes.events import MAX_CHANNELS

    if not shape and datasets.are_events(name):
        raise InputError(f"--conv is for pictures, and {name} holds recordings on a row of channels: leave it out")
    if not shape:
        raise InputError(
            f"--conv needs to know the size of the pictures of {name}: give --layers, or a recipe with data.size"
        )
    rows, columns = shape[1:]
    if min(rows, columns) < SMALL:
        return "16c3p1", 128
    stride = 2 if MAPS * -(-rows // 2) * -(-columns // 2) <= MAX_CHANNELS else 4
    return f"{MAPS}c5s{stride}p2", "32c3s2p1", 128


def _with(recipe: Recipe, layers: str, shape: Shape) -> Recipe:
    """The recipe with other layers, which fit pictures of a shape as far as that is known."""
    from bstdg.layers import written

    listed = [text.strip() for text in layers.split(",")] if layers.strip() else []
    found = tuple(int(text) if text.isascii() and text.isdecimal() else text for text in listed)
    try:
        network = dataclasses.replace(recipe.network, layers=found)
        if shape:
            written.stack(network.layers, shape)
    except InputError as error:
        raise InputError(f"--layers: {str(error).removeprefix('network.')}") from None
    return dataclasses.replace(recipe, network=network)


WHITE = 255  # whatever it is, shapes do not depend on it
MAPS, SMALL = 16, 16  # of the first convolution; and rows or columns below which no stride is taken
WIDTH = 110
IMAGES_ALONE, EVENTS_ALONE = ("distort", "teacher"), ("events",)  # sections
_NAMED = re.compile(r"(\w+): (.*)")


def text(recipe: Recipe, *, of_events: bool = False) -> str:
    """`recipe` as TOML that teaches: fields at their default are commented out, with what they mean above them.

    Reading the text gives `recipe` again.

    Args:
        recipe: what to write.
        of_events: its data are recordings of events; sections that are for images alone are left out, else the others.
            Of the section `input`, those fields are there that these data need.

    >>> from bstdg.learning.recipe import DataConfig, Recipe
    >>> print(text(Recipe(title="Mine", data=DataConfig(name="mnist")))[:87])
    # A recipe: what is learnt, by which network, and how. Fields that begin with # keep th
    """
    from bstdg.inputs.options import FOR_IMAGES, FOR_RECORDINGS
    from bstdg.learning.recipe import Recipe

    parts = [_note(_OPENING, ""), f"title = {_value(recipe.title)}"]
    left_out = IMAGES_ALONE if of_events else EVENTS_ALONE
    coded = FOR_RECORDINGS if of_events else FOR_IMAGES
    for name, kind in get_type_hints(Recipe).items():
        if dataclasses.is_dataclass(kind) and name not in left_out:
            parts.append(_section(name, getattr(recipe, name), coded if name == "input" else None))
    return "\n\n".join(parts) + "\n"


_OPENING = (
    "A recipe: what is learnt, by which network, and how. Fields that begin with # keep the value shown. Train with  "
    "bstdg train FILE.toml ; any field can be overridden there: --set train.epochs=5"
)


def _section(name: str, values: Any, only: Sequence[str] | None = None) -> str:
    meanings = _meanings(type(values))
    lines = [_note(inspect.getdoc(type(values)) or "", "").partition("\n#\n")[0], f"[{name}]"]
    for field in dataclasses.fields(values):
        if only is not None and field.name not in only:
            continue
        value = getattr(values, field.name)
        mark = "# " if value == field.default else ""
        lines += [_note(meanings[field.name], ""), f"{mark}{field.name} = {_value(value)}"]
    return "\n".join(lines)


def _meanings(kind: type) -> dict[str, str]:
    """What the class's docstring says of each field, under "Attributes:"."""
    listed = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    meanings, name = {}, ""
    for line in textwrap.dedent(listed).splitlines():
        begins = None if line.startswith(" ") else _NAMED.match(line)
        if begins:
            name, meanings[begins[1]] = begins[1], begins[2]
        else:
            meanings[name] += " " + line.strip()
    return meanings


def _note(said: str, indent: str) -> str:
    """A text as comment lines."""
    paragraphs = [" ".join(part.split()) for part in said.split("\n\n")]
    wrapped = [textwrap.wrap(part, WIDTH, initial_indent=f"{indent}# ", subsequent_indent="# ") for part in paragraphs]
    return "\n#\n".join("\n".join(lines) for lines in wrapped)


def _value(value: Any) -> str:
    """As TOML writes it, for all types but a table as JSON does; what nobody would see there is spelled out."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_value(key)} = {_value(weight)}' for key, weight in value.items())} }}"
    written = json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in written)
